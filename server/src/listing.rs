//! Which runs a list shows, in which order, and how many at once.
//!
//! Everything is in memory, so a list is one pass over all summaries: filter, pick the page, sort the page. A page begins
//! where the last one ended ([`Cursor`]), so that runs that come or go meanwhile neither repeat nor skip another.

mod csv;
mod facets;
mod order;
mod paging;

use crate::error::Error;
use crate::parameters::{self, Pairs};
use crate::query::Query;
use crate::runs::now_ms;
use crate::state::Summary;
use crate::store::RunId;
use order::order;
use paging::Keyed;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::sync::Arc;

pub use csv::{columns, csv, csv_head};
pub(crate) use facets::KeptFacets;
pub use facets::{Facet, FacetValue};
pub use order::{Cursor, Sort};
pub use paging::Paging;

/// Runs that can be named one by one.
const MOST_IDS: usize = 500;

/// The parameters of a list, as the address has them.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Parameters {
    /// A query (see [`crate::query`]).
    pub query: Option<String>,
    /// A field, with `-` before it for the largest first.
    pub sort: Option<String>,
    /// Where the last page ended.
    pub cursor: Option<String>,
    /// How many to leave out before the page.
    pub offset: Option<String>,
    /// How many runs.
    pub limit: Option<String>,
    /// Only these runs.
    pub ids: Option<String>,
    /// `json`, `ids` or `csv`.
    pub format: Option<String>,
    /// Fields joined by commas.
    pub columns: Option<String>,
}

impl Parameters {
    const NAMES: [&str; 8] = ["query", "sort", "cursor", "offset", "limit", "ids", "format", "columns"];

    /// Reads the pairs of an address.
    pub(crate) fn read(pairs: Pairs) -> Parameters {
        let [query, sort, cursor, offset, limit, ids, format, columns] = parameters::read(pairs, Parameters::NAMES);
        Parameters { query, sort, cursor, offset, limit, ids, format, columns }
    }
}

/// What a list shows.
#[derive(Debug)]
pub struct View {
    /// Which runs.
    pub query: Query,
    /// In which order.
    pub sort: Sort,
    ids: Option<BTreeSet<RunId>>,
    paging: Paging,
}

/// A page of a list.
#[derive(Debug)]
pub struct Page {
    /// The runs, in order.
    pub runs: Vec<Arc<Summary>>,
    /// The cursor of the next page; `None` at the end.
    pub next: Option<String>,
    /// How many runs there are on all pages.
    pub total: usize,
}

impl View {
    /// Reads the parameters.
    ///
    /// # Errors
    /// Names the parameter, and what is expected.
    pub fn new(parameters: &Parameters) -> Result<View, Error> {
        let sort = parameters.sort.as_deref().filter(|text| !text.is_empty()).unwrap_or("-created");
        let ids = parameters.ids.as_deref().filter(|ids| !ids.is_empty());
        Ok(View {
            query: Query::parse(parameters.query.as_deref().unwrap_or_default(), now_ms())?,
            sort: sort.parse()?,
            ids: ids.map(run_ids).transpose()?,
            paging: Paging::new(
                parameters.cursor.as_deref(),
                parameters.offset.as_deref(),
                parameters.limit.as_deref(),
            )?,
        })
    }

    /// The runs that are meant, in no order.
    fn filtered(&self, all: Vec<Arc<Summary>>) -> Vec<Arc<Summary>> {
        let wanted = |run: &Arc<Summary>| match &self.ids {
            // Who names runs means them, archived or not.
            Some(ids) => ids.contains(&run.id),
            None => self.query.matches(run),
        };
        all.into_iter().filter(wanted).collect()
    }

    /// The page of the runs that are meant.
    pub fn page(&self, all: Vec<Arc<Summary>>) -> Page {
        let keyed = self.keyed(all);
        let total = keyed.len();
        let (runs, next) = self.paging.cut(keyed, self.sort.descending);
        Page { runs, next, total }
    }

    /// All runs that are meant, in order.
    pub fn all(&self, all: Vec<Arc<Summary>>) -> Vec<Arc<Summary>> {
        let mut keyed = self.keyed(all);
        keyed.sort_unstable_by(|a, b| order(self.sort.descending, (&a.0, a.1), (&b.0, b.1)));
        keyed.into_iter().map(|(.., run)| run).collect()
    }

    fn keyed(&self, all: Vec<Arc<Summary>>) -> Vec<Keyed<Arc<Summary>>> {
        self.filtered(all).into_iter().map(|run| (self.sort.key(&run), run.id, run)).collect()
    }
}

fn run_ids(text: &str) -> Result<BTreeSet<RunId>, Error> {
    let ids = text.split(',').filter(|id| !id.is_empty()).map(str::parse).collect::<Result<BTreeSet<_>, _>>();
    ids.ok().filter(|ids| ids.len() <= MOST_IDS).ok_or_else(|| {
        let got = text.chars().take(60).collect::<String>();
        Error::parameter("ids", &got, format!("1 to {MOST_IDS} run ids joined by commas"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::USUAL_COLUMNS;
    use crate::state::{LogLine, RunState};
    use trainer::event::RunEvent;
    use trainer::spec::{Distance, Network, Profile, RunSpec};

    pub(super) fn runs() -> Vec<Arc<Summary>> {
        let made = (0..40u64).map(|n| {
            let network = if n % 2 == 0 { Network::Deep } else { Network::Shallow };
            let spec = RunSpec { seed: n / 4, ..RunSpec::preset(Profile::Quick, network, Distance::Root) };
            let scheduled =
                RunEvent::Scheduled { name: format!("run {n}"), comparison: None, sweep: None, spec, fork: None };
            let state = RunState::begin(RunId::fresh(), &LogLine { seq: 1, time_ms: n, event: scheduled }).unwrap();
            // Some are equal, some unknown, and an accuracy has more digits than a short text shows.
            let accuracy = (n % 5 > 0).then(|| (n % 7) as f64 / 7.0);
            Arc::new(Summary { test_accuracy: accuracy, ..state.summary })
        });
        made.collect()
    }

    fn view(query: &str, sort: &str, limit: usize) -> Parameters {
        Parameters {
            query: Some(query.into()),
            sort: Some(sort.into()),
            limit: Some(limit.to_string()),
            ..Parameters::default()
        }
    }

    #[test]
    fn pages_follow_each_other_without_gap_or_repetition() {
        let runs = runs();
        for sort in ["accuracy", "-accuracy", "name", "-seed", "-created", "archived", "tags"] {
            let whole = View::new(&view("", sort, 1000)).unwrap().page(runs.clone());
            assert_eq!((whole.runs.len(), whole.total, &whole.next), (40, 40, &None));
            let all = View::new(&view("", sort, 1)).unwrap().all(runs.clone());
            assert_eq!(all, whole.runs, "{sort}");
            let mut parameters = view("", sort, 7);
            let mut paged = Vec::new();
            loop {
                let page = View::new(&parameters).unwrap().page(runs.clone());
                let offset = Some(paged.len().to_string());
                let same = Parameters { offset, cursor: None, ..parameters.clone() };
                assert_eq!(View::new(&same).unwrap().page(runs.clone()).runs, page.runs, "{sort}");
                paged.extend(page.runs);
                assert_eq!(page.total, 40);
                parameters.cursor = page.next;
                if parameters.cursor.is_none() {
                    break;
                }
            }
            assert_eq!(paged, whole.runs, "{sort}");
        }
    }

    #[test]
    fn a_cursor_is_short_however_long_the_notes_are() {
        let runs = runs().into_iter().enumerate();
        let noted = |(n, run): (usize, Arc<Summary>)| {
            Arc::new(Summary { notes: format!("{}{n}", "Щ".repeat(4000)), ..(*run).clone() })
        };
        let runs = runs.map(noted).collect::<Vec<_>>();
        let mut parameters = view("", "-notes", 7);
        let mut seen = BTreeSet::new();
        loop {
            let page = View::new(&parameters).unwrap().page(runs.clone());
            assert!(page.runs.iter().all(|run| seen.insert(run.id)), "a run came twice");
            let Some(next) = page.next else { break };
            assert!(next.chars().count() < 200, "{next}");
            parameters.cursor = Some(next);
        }
        assert_eq!(seen.len(), runs.len());
    }

    #[test]
    fn what_is_not_known_comes_last_either_way_and_of_equals_the_newer_first() {
        for sort in ["accuracy", "-accuracy"] {
            let page = View::new(&view("", sort, 1000)).unwrap().page(runs());
            assert!(page.runs[32..].iter().all(|run| run.test_accuracy.is_none()), "{sort}");
            for pair in page.runs.windows(2).filter(|pair| pair[0].test_accuracy == pair[1].test_accuracy) {
                assert!(pair[0].id > pair[1].id);
            }
        }
    }

    #[test]
    fn wrong_parameters_are_told_by_name() {
        let wrong = |change: &dyn Fn(&mut Parameters)| {
            let mut parameters = Parameters::default();
            change(&mut parameters);
            match View::new(&parameters) {
                Err(Error::Parameter { field, .. }) => field,
                other => panic!("{other:?}"),
            }
        };
        let some = |text: &str| Some(text.to_string());
        assert_eq!(wrong(&|p| p.query = some("seed =")), "query");
        assert_eq!(wrong(&|p| p.sort = some("colour")), "sort");
        assert_eq!(wrong(&|p| p.sort = some("loss_curve")), "sort");
        assert_eq!(wrong(&|p| p.limit = some("0")), "limit");
        assert_eq!(wrong(&|p| p.limit = some("1001")), "limit");
        assert_eq!(wrong(&|p| p.offset = some("-1")), "offset");
        assert_eq!(wrong(&|p| p.ids = some("a,b")), "ids");
        for cursor in ["x", "ü", &"é".repeat(18), &RunId::fresh().to_string(), &format!("{}nx", RunId::fresh())] {
            assert_eq!(wrong(&|p| p.cursor = some(cursor)), "cursor");
        }
        assert!(matches!(columns(Some("name,colour")), Err(Error::Parameter { field: "columns", .. })));
        assert_eq!(columns(Some("")).unwrap().len(), USUAL_COLUMNS.len());
    }
}
