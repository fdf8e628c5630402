//! Which runs a list shows, in which order, and how many at once.
//!
//! Everything is in memory, so a list is one pass over all summaries: filter, pick the page, sort the page. A page begins
//! where the last one ended ([`Cursor`]), so that runs that come or go meanwhile neither repeat nor skip another.

use crate::error::Error;
use crate::fields::{self, Field, USUAL_COLUMNS, Value, field, fields};
use crate::query::Query;
use crate::runs::now_ms;
use crate::state::Summary;
use crate::store::RunId;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::str::FromStr;
use std::sync::Arc;

/// Runs of one answer, unless told otherwise.
const USUAL: usize = 100;
/// Runs of one answer at most.
const MOST: usize = 1000;
/// Runs that can be named one by one.
const MOST_IDS: usize = 500;
/// Columns of a table at most.
const MOST_COLUMNS: usize = 100;
/// The facets of the table of runs.
const FACETS: [&str; 6] = ["status", "variant", "network", "data", "tags", "archived"];
/// Values of a facet at most, the most frequent first.
const MOST_VALUES: usize = 30;

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

/// How a list is ordered.
#[derive(Clone, Copy, Debug)]
pub struct Sort {
    /// By what.
    pub field: &'static Field,
    /// Whether the largest comes first.
    pub descending: bool,
}

/// What a list shows.
#[derive(Debug)]
pub struct View {
    /// Which runs.
    pub query: Query,
    /// In which order.
    pub sort: Sort,
    ids: Option<BTreeSet<RunId>>,
    cursor: Option<Cursor>,
    offset: usize,
    limit: usize,
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

/// What a run is sorted by.
#[derive(Clone, Debug, PartialEq)]
enum Key {
    Number(f64),
    /// Lower case.
    Text(String),
    None,
}

/// The last run of a page, as it was sorted.
#[derive(Clone, Debug, PartialEq)]
pub struct Cursor {
    key: Key,
    id: RunId,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.key {
            Key::Number(number) => write!(f, "{}n{number}", self.id),
            Key::Text(text) => write!(f, "{}t{text}", self.id),
            Key::None => write!(f, "{}_", self.id),
        }
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Cursor, ()> {
        let (id, key) = text.split_at_checked(36).ok_or(())?;
        let id = id.parse().map_err(|_| ())?;
        let key = match key.split_at_checked(1).ok_or(())? {
            ("n", number) => Key::Number(number.parse().map_err(|_| ())?),
            ("t", text) => Key::Text(text.into()),
            ("_", "") => Key::None,
            _ => return Err(()),
        };
        Ok(Cursor { key, id })
    }
}

impl FromStr for Sort {
    type Err = Error;

    fn from_str(text: &str) -> Result<Sort, Error> {
        let (name, descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
        match field(name).filter(|field| field.is_comparable()) {
            Some(field) => Ok(Sort { field, descending }),
            None => {
                let guess = fields::nearest(name).unwrap_or("accuracy");
                let expected =
                    format!("a field to sort by, like `{guess}` or `-{guess}` (GET /runs/fields has them all)");
                Err(Error::parameter("sort", text, expected))
            }
        }
    }
}

impl Sort {
    fn key(self, run: &Summary) -> Key {
        match self.field.value(run) {
            Value::None => Key::None,
            Value::Number(number) => Key::Number(number),
            Value::Time(time) => Key::Number(time as f64),
            Value::Flag(flag) => Key::Number(flag.into()),
            Value::Text(text) => Key::Text(text.to_lowercase()),
            Value::Tags(tags) => Key::Text(tags.join(" ").to_lowercase()),
        }
    }

    /// Which of two comes first: by key, what isn't known last in either direction; of equals the newer.
    fn order(self, (a, a_id): (&Key, RunId), (b, b_id): (&Key, RunId)) -> Ordering {
        let keys = match (a, b) {
            (Key::None, Key::None) => Ordering::Equal,
            (Key::None, _) => return Ordering::Greater,
            (_, Key::None) => return Ordering::Less,
            (Key::Number(a), Key::Number(b)) => a.total_cmp(b),
            (Key::Text(a), Key::Text(b)) => a.cmp(b),
            (Key::Number(_), Key::Text(_)) => Ordering::Less,
            (Key::Text(_), Key::Number(_)) => Ordering::Greater,
        };
        let keys = if self.descending { keys.reverse() } else { keys };
        keys.then(b_id.cmp(&a_id))
    }
}

impl std::fmt::Display for Sort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", if self.descending { "-" } else { "" }, self.field.name)
    }
}

impl View {
    /// Reads the parameters.
    ///
    /// # Errors
    /// Names the parameter, and what is expected.
    pub fn new(parameters: &Parameters) -> Result<View, Error> {
        let count = |field, text: &Option<String>, usual: usize, range: std::ops::RangeInclusive<usize>| match text {
            None => Ok(usual),
            Some(text) => text.parse().ok().filter(|n| range.contains(n)).ok_or_else(|| {
                Error::parameter(field, text, format!("a whole number from {} to {}", range.start(), range.end()))
            }),
        };
        let cursor = parameters.cursor.as_deref().filter(|text| !text.is_empty());
        let cursor = cursor.map(|text| {
            text.parse::<Cursor>().map_err(|()| Error::parameter("cursor", text, "the `next` of the answer before"))
        });
        let sort = parameters.sort.as_deref().filter(|text| !text.is_empty()).unwrap_or("-created");
        let ids = parameters.ids.as_deref().filter(|ids| !ids.is_empty());
        Ok(View {
            query: Query::parse(parameters.query.as_deref().unwrap_or_default(), now_ms())?,
            sort: sort.parse()?,
            ids: ids.map(run_ids).transpose()?,
            cursor: cursor.transpose()?,
            offset: count("offset", &parameters.offset, 0, 0..=10_000_000)?,
            limit: count("limit", &parameters.limit, USUAL, 1..=MOST)?,
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
        let mut keyed = self.keyed(all);
        let total = keyed.len();
        let order = |a: &(Key, Arc<Summary>), b: &(Key, Arc<Summary>)| self.sort.order((&a.0, a.1.id), (&b.0, b.1.id));
        if let Some(cursor) = &self.cursor {
            keyed.retain(|(key, run)| self.sort.order((key, run.id), (&cursor.key, cursor.id)) == Ordering::Greater);
        }
        // Only the page is sorted: what lies before and after it is only parted from it.
        if self.offset >= keyed.len() {
            keyed.clear();
        } else if self.offset > 0 {
            keyed.select_nth_unstable_by(self.offset, order);
            keyed.drain(..self.offset);
        }
        let more = keyed.len() > self.limit;
        if more {
            keyed.select_nth_unstable_by(self.limit, order);
            keyed.truncate(self.limit);
        }
        keyed.sort_unstable_by(order);
        let next = keyed.last().filter(|_| more).map(|(key, run)| Cursor { key: key.clone(), id: run.id }.to_string());
        Page { runs: keyed.into_iter().map(|(_, run)| run).collect(), next, total }
    }

    /// All runs that are meant, in order.
    pub fn all(&self, all: Vec<Arc<Summary>>) -> Vec<Arc<Summary>> {
        let mut keyed = self.keyed(all);
        keyed.sort_unstable_by(|a, b| self.sort.order((&a.0, a.1.id), (&b.0, b.1.id)));
        keyed.into_iter().map(|(_, run)| run).collect()
    }

    fn keyed(&self, all: Vec<Arc<Summary>>) -> Vec<(Key, Arc<Summary>)> {
        self.filtered(all).into_iter().map(|run| (self.sort.key(&run), run)).collect()
    }
}

fn run_ids(text: &str) -> Result<BTreeSet<RunId>, Error> {
    let ids = text.split(',').filter(|id| !id.is_empty()).map(str::parse).collect::<Result<BTreeSet<_>, _>>();
    ids.ok().filter(|ids| ids.len() <= MOST_IDS).ok_or_else(|| {
        let got = text.chars().take(60).collect::<String>();
        Error::parameter("ids", &got, format!("1 to {MOST_IDS} run ids joined by commas"))
    })
}

/// The fields of a list of names joined by commas; the usual ones where it is empty.
///
/// # Errors
/// A name that is no field's.
pub fn columns(text: Option<&str>) -> Result<Vec<&'static Field>, Error> {
    let named = |name: &str| {
        field(name).ok_or_else(|| {
            let guess = fields::nearest(name).unwrap_or("name");
            Error::parameter(
                "columns",
                name,
                format!("fields like `{guess}`, joined by commas (GET /runs/fields has them all)"),
            )
        })
    };
    let names = text.unwrap_or_default().split(',').filter(|name| !name.is_empty()).collect::<Vec<_>>();
    if names.len() > MOST_COLUMNS {
        return Err(Error::parameter("columns", &names.len().to_string(), format!("at most {MOST_COLUMNS} fields")));
    }
    if names.is_empty() { USUAL_COLUMNS } else { names.as_slice() }.iter().map(|name| named(name)).collect()
}

/// A facet: how many runs have which value.
#[derive(Debug, Serialize)]
pub struct Facet {
    /// The field.
    pub field: &'static str,
    /// Its name for people.
    pub label: &'static str,
    /// Its values, the most frequent first.
    pub values: Vec<FacetValue>,
}

/// A value of a facet.
#[derive(Debug, Serialize)]
pub struct FacetValue {
    /// The value.
    pub value: String,
    /// How many runs have it, whichever values of this facet are chosen.
    pub count: usize,
    /// Whether the query chooses it.
    pub chosen: bool,
    /// The query with this value chosen, or no longer.
    pub query: String,
}

/// Counts the facets of the runs that a query means.
pub fn facets(query: &Query, all: &[Arc<Summary>]) -> Vec<Facet> {
    let facets =
        FACETS.map(|name| fields().iter().find(|field| field.name == name).map(|field| (field, HashMap::new())));
    let mut facets = facets.into_iter().flatten().collect::<Vec<(&Field, HashMap<String, usize>)>>();
    for run in all {
        let Some(only) = query.kept_out_by(run) else { continue };
        for (field, counts) in facets.iter_mut().filter(|(field, _)| only.is_none_or(|only| only == field.name)) {
            let mut count = |value: &str| match counts.get_mut(value) {
                Some(count) => *count += 1,
                None => drop(counts.insert(value.into(), 1)),
            };
            match field.value(run) {
                Value::Text(text) => count(&text),
                Value::Tags(tags) => tags.iter().for_each(|tag| count(tag)),
                Value::Flag(true) => count("true"),
                _ => {}
            }
        }
    }
    let told = facets.into_iter().map(|(field, counts)| {
        let mut counts = counts.into_iter().collect::<Vec<_>>();
        counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        counts.truncate(MOST_VALUES);
        let values = counts.into_iter().map(|(value, count)| FacetValue {
            count,
            chosen: query.chooses(&field.name, &value),
            query: query.toggled(&field.name, &value),
            value,
        });
        Facet { field: &field.name, label: &field.label, values: values.collect() }
    });
    told.collect()
}

/// The runs as a table of the chosen fields.
pub fn csv(columns: &[&Field], runs: &[Arc<Summary>]) -> String {
    let line = |cells: Vec<String>| cells.join(",") + "\n";
    runs.iter().map(|run| line(columns.iter().map(|field| cell(&field.value(run))).collect())).collect()
}

/// The head of such a table.
pub fn csv_head(columns: &[&Field]) -> String {
    columns.iter().map(|field| &*field.name).collect::<Vec<_>>().join(",") + "\n"
}

fn cell(value: &Value) -> String {
    let text = match value {
        Value::None => return String::new(),
        Value::Number(number) => return number.to_string(),
        Value::Flag(flag) => return flag.to_string(),
        Value::Time(time_ms) => return crate::text::iso(*time_ms),
        Value::Text(text) => text.to_string(),
        Value::Tags(tags) => tags.join(" "),
    };
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{LogLine, RunState};
    use trainer::event::RunEvent;
    use trainer::spec::{Distance, Network, Profile, RunSpec};

    fn runs() -> Vec<Arc<Summary>> {
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

    #[test]
    fn facets_count_as_if_their_own_choice_were_open() {
        let count = |query: &str, field: &str| {
            let query = Query::parse(query, 0).unwrap();
            let facets = facets(&query, &runs());
            let facet = facets.into_iter().find(|facet| facet.field == field).unwrap();
            facet.values.into_iter().map(|v| (v.value, v.count, v.chosen)).collect::<Vec<_>>()
        };
        let both = vec![("deep".to_string(), 20, false), ("shallow".to_string(), 20, false)];
        assert_eq!(count("", "network"), both);
        let chosen = vec![("deep".to_string(), 20, true), ("shallow".to_string(), 20, false)];
        assert_eq!(count("network = deep", "network"), chosen);
        assert_eq!(count("network = deep", "status"), [("SCHEDULED".to_string(), 20, false)]);
        assert_eq!(
            count("network = deep and seed = 1", "network"),
            [("deep".into(), 2, true), ("shallow".into(), 2, false)]
        );
        assert_eq!(count("", "archived"), []);
    }

    #[test]
    fn csv_says_what_a_name_holds() {
        let mut run = (*runs()[1]).clone();
        run.name = "a \"b\",\nc".into();
        run.tags = vec!["x".into(), "y".into()];
        let columns = columns(Some("name,seed,tags,accuracy,created,reason")).unwrap();
        assert_eq!(csv_head(&columns), "name,seed,tags,test_accuracy,created,reason\n");
        let text = csv(&columns, &[Arc::new(run)]);
        assert_eq!(text, "\"a \"\"b\"\",\nc\",0,x y,0.14285714285714285,1970-01-01T00:00:00Z,\n");
    }
}
