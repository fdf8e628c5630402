//! Sweeps, and any other runs that are looked at as groups.

mod list;

use crate::App;
use crate::api::listed;
use crate::error::{Error, wants_html};
use crate::groups::{APART, Course, Group, best_of, differing, group, metric, traits};
use crate::pages::sweep::SweepPage;
use crate::parameters::{self, Pairs};
use crate::runs::Run;
use crate::scheduler::QUEUE;
use crate::state::{Status, Summary};
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
use trainer::measure::{METRICS, Metric};
use trainer::spec::{FIELDS, field};

pub(crate) use list::{Sweep, Sweeps, list};

/// How runs are grouped, and the metric whose curves are wanted.
#[derive(Clone, Debug, Default)]
struct Asked {
    /// Fields joined by commas; all in which the runs differ but the seed, unless said.
    by: Option<String>,
    metric: Option<String>,
    runs: String,
    /// Whether a sweep's archived runs are wanted, too.
    archived: bool,
}

impl Asked {
    /// From a query in which `by` and `runs` may come again and again, as a form sends them. `shape` is the page's own.
    fn new(pairs: Pairs, names: &[&str]) -> Result<Asked, Error> {
        parameters::known(&pairs, names)?;
        let joined = |name: &str| {
            let values = pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
            values.map(String::from).reduce(|all, value| format!("{all},{value}"))
        };
        Ok(Asked {
            by: joined("by"),
            metric: joined("metric"),
            runs: joined("runs").unwrap_or_default(),
            archived: parameters::flag("archived", joined("archived").as_deref())?,
        })
    }
}

/// Runs taken together.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Grouped {
    /// The sweep; `null` where the runs were named one by one.
    pub(crate) sweep: Option<String>,
    /// Their page.
    pub(crate) url: String,
    /// How many of the sweep's runs are left out since they were archived.
    pub(crate) archived: usize,
    /// The images that the runs saw; those that have yet to begin have seen none.
    pub(crate) data: Vec<Seen>,
    /// The fields in which the runs differ; `data` and `fork` are such, too.
    pub(crate) varied: Vec<&'static str>,
    /// The fields by which they are grouped; where `data` or `fork` differ they are always among them.
    pub(crate) by: Vec<&'static str>,
    /// The metric of the curves.
    pub(crate) metric: &'static str,
    /// The groups, in the order of their first runs.
    pub(crate) groups: Vec<Group>,
    /// The runs, oldest first.
    pub(crate) runs: Vec<Member>,
}

/// A data set that runs saw.
#[derive(Debug, PartialEq, JsonSchema, Serialize)]
pub(crate) struct Seen {
    /// For people.
    pub(crate) name: String,
    /// SHA-256 over its pixels and labels.
    pub(crate) digest: Option<String>,
    /// How many of the runs saw it.
    pub(crate) runs: usize,
}

/// One of several runs.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Member {
    /// The run in a few numbers.
    #[serde(flatten)]
    pub(crate) summary: Summary,
    /// The fields in which the runs differ.
    pub(crate) settings: Map<String, Value>,
    /// Every metric after the last epoch.
    pub(crate) last: BTreeMap<&'static str, f64>,
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
    Query(pairs): Query<Pairs>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let asked = Asked::new(pairs, &["by", "metric", "archived", "shape"])?;
    let mut runs = members(&app, &id)?;
    let all = runs.len();
    runs.retain(|run| asked.archived || !run.peek(|summary| summary.archived));
    let archived = all - runs.len();
    let courses = courses(app, runs).await?;
    let grouped = grouped(&asked, Some(id.clone()), format!("/sweeps/{id}"), &courses)?;
    answer(&headers, Grouped { archived, ..grouped }, asked.archived)
}

/// `GET /groups?runs=a,b,c`: the same for any runs. Who names runs means them, archived or not.
pub(crate) async fn any(
    State(app): State<Arc<App>>,
    Query(pairs): Query<Pairs>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let asked = Asked::new(pairs, &["runs", "by", "metric", "shape"])?;
    let runs = listed(&app, &asked.runs, QUEUE)?;
    let ids = runs.iter().map(|run| run.id.to_string()).collect::<Vec<_>>().join(",");
    let grouped = grouped(&asked, None, format!("/groups?runs={ids}"), &courses(app, runs).await?)?;
    answer(&headers, grouped, false)
}

async fn courses(app: Arc<App>, runs: Vec<Arc<Run>>) -> Result<Vec<Course>, Error> {
    let read = move || runs.iter().map(|run| Ok(app.courses.of(run)?)).collect();
    tokio::task::spawn_blocking(read).await?
}

fn answer(headers: &HeaderMap, grouped: Grouped, archived_too: bool) -> Result<Response, Error> {
    match wants_html(headers) {
        true => views::page(&SweepPage::new(&grouped, archived_too)?),
        false => Ok(([(VARY, "Accept")], Json(grouped)).into_response()),
    }
}

fn grouped(asked: &Asked, sweep: Option<String>, url: String, courses: &[Course]) -> Result<Grouped, Error> {
    let varied = differing(courses.iter().map(|course| &*course.summary));
    let mut by = match asked.by.as_deref() {
        None => varied.iter().copied().filter(|name| *name != "seed").collect(),
        Some(names) => {
            let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
            names.map(known).collect::<Result<Vec<_>, _>>()?
        }
    };
    by.extend(APART.into_iter().filter(|name| varied.contains(name)));
    by.sort_by_key(|name| (FIELDS.iter().position(|field| field.name == *name).unwrap_or(FIELDS.len()), *name));
    by.dedup();
    let metric = metric(asked.metric.as_deref().unwrap_or("test_accuracy"))?;
    let groups = group(courses, &by, metric);
    let runs = courses.iter().map(|course| member(course, &varied, metric)).collect();
    Ok(Grouped { sweep, url, archived: 0, data: seen(courses), by, metric: metric.name, groups, runs, varied })
}

/// A field to group by.
fn known(name: &str) -> Result<&'static str, Error> {
    let setting = field(name).filter(|f| !matches!(f.name, "name" | "profile" | "network" | "distance"));
    let known = setting.map(|f| f.name).or_else(|| APART.into_iter().find(|apart| *apart == name));
    known.ok_or_else(|| {
        let expected = "fields of a run's settings, `data` or `fork`, joined by commas: variant,lambda";
        Error::parameter("by", name, expected)
    })
}

fn seen(courses: &[Course]) -> Vec<Seen> {
    let mut all: Vec<Seen> = Vec::new();
    for Summary { data_name, data_digest: digest, .. } in courses.iter().map(|course| &*course.summary) {
        let Some(name) = data_name else { continue };
        match all.iter_mut().find(|seen| seen.name == *name && seen.digest == *digest) {
            Some(seen) => seen.runs += 1,
            None => all.push(Seen { name: name.clone(), digest: digest.clone(), runs: 1 }),
        }
    }
    all
}

fn member(course: &Course, varied: &[&'static str], metric: &Metric) -> Member {
    let settings = traits(&course.summary).into_iter().filter(|(name, _)| varied.contains(name));
    Member {
        summary: (*course.summary).clone(),
        settings: settings.map(|(name, value)| (name.into(), value)).collect(),
        last: METRICS.iter().filter_map(|m| Some((m.name, course.last(m)?))).collect(),
        best: METRICS.iter().filter_map(|m| Some((m.name, best_of(m, course.of(m))?.1))).collect(),
        curve: course.of(metric).collect(),
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
