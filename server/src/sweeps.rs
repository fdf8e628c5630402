//! Sweeps, and any other runs that are looked at as groups.

mod list;

use crate::App;
use crate::api::listed;
use crate::error::{Error, wants_html};
use crate::groups::{self, Group, group, metric, settings, varied};
use crate::pages::sweep::SweepPage;
use crate::runs::Run;
use crate::scheduler::QUEUE;
use crate::state::{RunState, Status, Summary};
use crate::store::RunId;
use crate::views;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header::VARY;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use trainer::measure::Metric;
use trainer::spec::field;

pub(crate) use list::{Sweep, Sweeps, list};

/// How runs are grouped, and the metric whose curves are wanted.
#[derive(Clone, Debug, Default)]
struct Asked {
    /// Fields joined by commas; all in which the runs differ but the seed, unless said.
    by: Option<String>,
    metric: Option<String>,
    runs: String,
}

impl Asked {
    /// From a query in which `by` and `runs` may come again and again, as a form sends them.
    fn new(pairs: Vec<(String, String)>) -> Asked {
        let joined = |name: &str| {
            let values = pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
            values.map(String::from).reduce(|all, value| format!("{all},{value}"))
        };
        Asked { by: joined("by"), metric: joined("metric"), runs: joined("runs").unwrap_or_default() }
    }
}

/// Runs taken together.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Grouped {
    /// The sweep; `null` where the runs were named one by one.
    pub(crate) sweep: Option<String>,
    /// Their page.
    pub(crate) url: String,
    /// The fields in which the runs differ.
    pub(crate) varied: Vec<&'static str>,
    /// The fields by which they are grouped.
    pub(crate) by: Vec<&'static str>,
    /// The metric of the curves.
    pub(crate) metric: &'static str,
    /// The groups, in the order of their first runs.
    pub(crate) groups: Vec<Group>,
    /// The runs, oldest first.
    pub(crate) runs: Vec<Member>,
}

/// One of several runs.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Member {
    /// The run in a few numbers.
    #[serde(flatten)]
    pub(crate) summary: Summary,
    /// The settings in which the runs differ.
    pub(crate) settings: Map<String, Value>,
    /// Every metric after the last epoch.
    pub(crate) last: BTreeMap<String, f64>,
    /// Every metric's best value.
    pub(crate) best: BTreeMap<&'static str, f64>,
    /// The chosen metric by epoch: [epoch, value].
    pub(crate) curve: Vec<(u32, f64)>,
}

/// The runs of a sweep, oldest first.
///
/// # Errors
/// There is no such sweep.
pub(crate) fn members(app: &App, sweep: &str) -> Result<Vec<Arc<Run>>, Error> {
    let mut runs = app.registry.newest_first();
    runs.retain(|run| run.summary().sweep.as_deref() == Some(sweep));
    runs.reverse();
    if runs.is_empty() {
        return Err(Error::NotFound("there is no sweep of that id here: /sweeps lists those that are".into()));
    }
    Ok(runs)
}

/// `GET /sweeps/{id}`
pub(crate) async fn read(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let asked = Asked::new(pairs);
    let states = groups::states(&members(&app, &id)?).await?;
    answer(&headers, grouped(&asked, Some(id.clone()), format!("/sweeps/{id}"), &states)?)
}

/// `GET /groups?runs=a,b,c`: the same for any runs.
pub(crate) async fn any(
    State(app): State<Arc<App>>,
    Query(pairs): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let asked = Asked::new(pairs);
    let states = groups::states(&listed(&app, &asked.runs, QUEUE)?).await?;
    let ids = states.iter().map(|state| state.summary.id.to_string()).collect::<Vec<_>>().join(",");
    answer(&headers, grouped(&asked, None, format!("/groups?runs={ids}"), &states)?)
}

fn answer(headers: &HeaderMap, grouped: Grouped) -> Result<Response, Error> {
    match wants_html(headers) {
        true => views::page(&SweepPage::new(&grouped)?),
        false => Ok(([(VARY, "Accept")], Json(grouped)).into_response()),
    }
}

fn grouped(asked: &Asked, sweep: Option<String>, url: String, states: &[RunState]) -> Result<Grouped, Error> {
    let varied = varied(states.iter().map(|state| &state.summary.spec));
    let by = match asked.by.as_deref() {
        None => varied.iter().copied().filter(|name| *name != "seed").collect(),
        Some(names) => {
            let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
            let known = |name: &str| {
                let known = field(name).filter(|f| !matches!(f.name, "name" | "profile" | "network" | "distance"));
                known.map(|f| f.name).ok_or_else(|| {
                    Error::BadRequest(format!(
                        "by: got `{name}`, expected fields of a run's settings joined by commas: variant,lambda"
                    ))
                })
            };
            names.map(known).collect::<Result<Vec<_>, _>>()?
        }
    };
    let metric = metric(asked.metric.as_deref().unwrap_or("test_accuracy"))?;
    let groups = group(states, &by, metric);
    let runs = states.iter().map(|state| member(state, &varied, metric)).collect();
    Ok(Grouped { sweep, url, by, metric: metric.name, groups, runs, varied })
}

fn member(state: &RunState, varied: &[&'static str], metric: &Metric) -> Member {
    let settings = settings(&state.summary.spec).into_iter().filter(|(name, _)| varied.contains(name));
    let best = trainer::measure::METRICS.iter().filter_map(|m| Some((m.name, groups::best(m, &state.history)?.1)));
    Member {
        summary: state.summary.clone(),
        settings: settings.map(|(name, value)| (name.into(), value)).collect(),
        last: state.history.last().map(|report| report.metrics.clone()).unwrap_or_default(),
        best: best.collect(),
        curve: state.history.iter().filter_map(|r| Some((r.epoch, *r.metrics.get(metric.name)?))).collect(),
    }
}

/// A sweep that was stopped.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Stopped {
    /// The sweep.
    sweep: String,
    /// Its page.
    url: String,
    /// Its runs.
    runs: Vec<StoppedRun>,
}

/// A run of a sweep that was stopped.
#[derive(Debug, JsonSchema, Serialize)]
struct StoppedRun {
    /// The run.
    id: RunId,
    /// How it stands; one that trains ends after its current step.
    status: Status,
}

/// `POST /sweeps/{id}/stop`: stops those of its runs that aren't over.
pub(crate) async fn stop(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let runs = members(&app, &id)?;
    let url = format!("/sweeps/{id}");
    let runs = tokio::task::spawn_blocking(move || {
        // The waiting ones first: a stopped run makes room for the next.
        runs.iter().rev().for_each(|run| app.scheduler.stop(run, "its sweep was stopped by hand"));
        runs.iter().map(|run| StoppedRun { id: run.id, status: run.summary().status }).collect()
    });
    let runs = runs.await?;
    Ok(match wants_html(&headers) {
        true => Redirect::to(&url).into_response(),
        false => (StatusCode::ACCEPTED, Json(Stopped { sweep: id, url, runs })).into_response(),
    })
}
