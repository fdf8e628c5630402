//! Several runs side by side: in what they were asked differently, which came out better, and which images they confuse
//! differently.

use crate::App;
use crate::api::listed;
use crate::error::{Error, wants_html};
use crate::groups::{self, best, settings};
use crate::pages::diff::DiffPage;
use crate::state::{RunState, Summary};
use crate::{text, views};
use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::http::header::VARY;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;
use trainer::event::{CLASSES, EpochReport, Fork};
use trainer::measure::METRICS;

/// Runs side by side at most.
const MOST: usize = 6;

/// Where metrics are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// After the last epoch.
    Last,
    /// Each metric at its own best epoch; the confusion matrix at the best test accuracy.
    Best,
    /// After this epoch.
    Epoch(u32),
}

impl At {
    fn parse(word: &str) -> Result<At, Error> {
        match word {
            "" | "last" => Ok(At::Last),
            "best" => Ok(At::Best),
            epoch => epoch.parse().ok().filter(|epoch| *epoch > 0).map(At::Epoch).ok_or_else(|| {
                Error::BadRequest(format!("at: got `{epoch}`, expected last, best or the number of an epoch"))
            }),
        }
    }

    /// The word in addresses.
    pub(crate) fn word(self) -> String {
        match self {
            At::Last => "last".into(),
            At::Best => "best".into(),
            At::Epoch(epoch) => epoch.to_string(),
        }
    }
}

/// Runs side by side.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Diff {
    /// The runs, as asked for.
    pub(crate) runs: Vec<Summary>,
    /// `last`, `best`, or an epoch.
    pub(crate) at: String,
    /// What they were asked.
    pub(crate) settings: Vec<Compared>,
    /// Under which circumstances they ran.
    pub(crate) circumstances: Vec<Compared>,
    /// How they came out.
    pub(crate) metrics: Vec<MetricDiff>,
    /// For each run after the first, its confusion matrix less the first's; `null` where one is missing. As shares of a
    /// row's images.
    pub(crate) confusion: Vec<Option<[[f64; CLASSES]; CLASSES]>>,
}

/// One field of several runs.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Compared {
    /// Its name.
    pub(crate) field: &'static str,
    /// Its value in each run; `null` where it isn't known.
    pub(crate) values: Vec<Value>,
    /// Whether they differ.
    pub(crate) differs: bool,
}

/// One metric of several runs.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct MetricDiff {
    /// Its name.
    pub(crate) metric: &'static str,
    /// Its value in each run.
    pub(crate) values: Vec<Option<f64>>,
    /// The epoch at which it was read in each run.
    pub(crate) epochs: Vec<Option<u32>>,
    /// The run with the better value, by its place; `null` where neither way is better, several are equal, or it is a value of
    /// the loss and the runs minimise different ones.
    pub(crate) better: Option<usize>,
}

/// `GET /diff?runs=a,b,c`, or `?runs=a&runs=b`, as a table of runs sends it; `all` as the page's form does.
pub(crate) async fn read(
    State(app): State<Arc<App>>,
    Query(pairs): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let all_of = |name: &'static str| pairs.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str());
    let runs = listed(&app, &all_of("runs").collect::<Vec<_>>().join(","), MOST)?;
    let at = At::parse(all_of("at").next().unwrap_or_default())?;
    let states = groups::states(&runs).await?;
    if let At::Epoch(epoch) = at
        && states.iter().all(|state| report(state, at).is_none())
    {
        let last = states.iter().map(|state| state.summary.epoch).max().unwrap_or_default();
        return Err(Error::Unprocessable(format!(
            "at: got {epoch}, and none of these runs has that epoch (the furthest is at {last}): name another, or last or best"
        )));
    }
    let diff = diff(&states, at);
    match wants_html(&headers) {
        true => views::page(&DiffPage::new(&diff, at, all_of("all").any(|word| word == "1"))),
        false => Ok(([(VARY, "Accept")], Json(diff)).into_response()),
    }
}

fn diff(states: &[RunState], at: At) -> Diff {
    let all = states.iter().map(|state| settings(&state.summary.spec)).collect::<Vec<_>>();
    let names = all.first().map(|first| first.iter().map(|(name, _)| *name)).into_iter().flatten();
    let setting = |(place, name): (usize, _)| compared(name, all.iter().map(|own| own[place].1.clone()).collect());
    let known = |name, value: &dyn Fn(&RunState) -> Value| compared(name, states.iter().map(value).collect());
    let lineage = |fork: &Fork| format!("{} after epoch {}", fork.run, fork.epoch);
    let circumstances = vec![
        known("forked_from", &|s| json!(s.summary.fork.as_ref().map(lineage))),
        known("data", &|s| json!(s.summary.data_name)),
        known("data_digest", &|s| json!(s.data.as_ref().map(|data| &data.digest))),
        known("device_used", &|s| json!(s.summary.device)),
        known("threads", &|s| json!(s.summary.threads)),
        known("host", &|s| json!(s.summary.host)),
        known("version", &|s| json!(s.summary.version)),
        known("commit", &|s| json!(s.summary.commit)),
    ];
    let matrices = states.iter().map(|state| Some(shares(report(state, at)?))).collect::<Vec<_>>();
    let less = |(a, b): ([[f64; CLASSES]; CLASSES], [[f64; CLASSES]; CLASSES])| -> [[f64; CLASSES]; CLASSES] {
        std::array::from_fn(|i| std::array::from_fn(|j| a[i][j] - b[i][j]))
    };
    Diff {
        runs: states.iter().map(|state| state.summary.clone()).collect(),
        at: at.word(),
        settings: names.enumerate().map(setting).collect(),
        circumstances,
        metrics: metrics(states, at),
        confusion: matrices.iter().skip(1).map(|matrix| matrix.zip(matrices[0]).map(less)).collect(),
    }
}

fn compared(field: &'static str, values: Vec<Value>) -> Compared {
    Compared { field, differs: values.windows(2).any(|pair| pair[0] != pair[1]), values }
}

/// The report that a run is read at.
fn report(state: &RunState, at: At) -> Option<&EpochReport> {
    let of = |epoch| state.history.iter().find(|report| report.epoch == epoch);
    match at {
        At::Last => state.history.last(),
        At::Best => of(best(METRICS.iter().find(|m| m.name == "test_accuracy")?, &state.history)?.0),
        At::Epoch(epoch) => of(epoch),
    }
}

fn metrics(states: &[RunState], at: At) -> Vec<MetricDiff> {
    let one_loss = states.windows(2).all(|pair| pair[0].summary.spec.shares_loss(&pair[1].summary.spec));
    let diffs = METRICS.iter().map(|metric| {
        let read = |state: &RunState| match at {
            At::Best => best(metric, &state.history),
            _ => report(state, at).and_then(|report| Some((report.epoch, *report.metrics.get(metric.name)?))),
        };
        let read = states.iter().map(read).collect::<Vec<_>>();
        let values = read.iter().map(|r| r.map(|(_, value)| value)).collect::<Vec<_>>();
        let known = values.iter().enumerate().filter_map(|(i, value)| Some((i, (*value)?)));
        let comparable = one_loss || !metric.of_the_loss;
        let better = metric.higher_is_better.filter(|_| comparable).and_then(|_| {
            let (place, value) = known.clone().reduce(|a, b| if metric.is_better(b.1, a.1) { b } else { a })?;
            let alone = known.clone().count() > 1 && known.filter(|(_, other)| *other == value).count() == 1;
            alone.then_some(place)
        });
        MetricDiff {
            metric: metric.name,
            epochs: read.iter().map(|r| r.map(|(epoch, _)| epoch)).collect(),
            values,
            better,
        }
    });
    diffs.filter(|diff| diff.values.iter().any(Option::is_some)).collect()
}

/// A confusion matrix as shares of each row's images.
fn shares(report: &EpochReport) -> [[f64; CLASSES]; CLASSES] {
    report.confusion.map(|row| {
        let sum = row.iter().copied().map(f64::from).sum::<f64>().max(1.0);
        row.map(|count| f64::from(count) / sum)
    })
}

/// A value in a table's cell.
pub(crate) fn cell(value: &Value) -> String {
    match value {
        Value::Null => text::or_dash(None),
        known => text::plain(known),
    }
}
