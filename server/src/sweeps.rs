//! Sweeps, and any other runs that are looked at as groups.

mod grouped;
mod list;

use crate::App;
use crate::api::listed;
use crate::error::{Error, wants_html};
use crate::pages::sweep::SweepPage;
use crate::parameters::{self, Pairs};
use crate::query;
use crate::runs::{Run, now_ms};
use crate::scheduler::QUEUE;
use crate::state::Status;
use crate::store::RunId;
use crate::views;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header::VARY;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

pub(crate) use grouped::{Grouped, Meant, Member, Seen};
pub(crate) use list::{Sweep, Sweeps, list};

/// How runs are grouped, and the metric whose curves are wanted.
#[derive(Clone, Debug, Default)]
struct Asked {
    /// Fields joined by commas; all in which the runs differ but the seed, unless said.
    by: Option<String>,
    metric: Option<String>,
    runs: String,
    query: Option<String>,
    /// Whether a sweep's archived runs are wanted, too.
    archived: bool,
}

impl Asked {
    /// From an address in which `by` and `runs` may come again and again, as a form sends them.
    fn new(pairs: Pairs) -> Result<Asked, Error> {
        let joined = |name: &str| {
            let values = pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
            values.map(String::from).reduce(|all, value| format!("{all},{value}"))
        };
        Ok(Asked {
            by: joined("by"),
            metric: joined("metric"),
            runs: joined("runs").unwrap_or_default(),
            query: joined("query"),
            archived: parameters::flag("archived", joined("archived").as_deref())?,
        })
    }
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
    let asked = Asked::new(pairs)?;
    let mut runs = members(&app, &id)?;
    let all = runs.len();
    runs.retain(|run| asked.archived || !run.peek(|summary| summary.archived));
    let meant = Meant { url: format!("/sweeps/{id}"), sweep: Some(id), archived: all - runs.len(), ..Meant::of(runs) };
    answer(app, &headers, meant, asked).await
}

/// `GET /groups?runs=a,b,c` or `?query=…`: the same for any runs. Who names runs means them, archived or not.
pub(crate) async fn any(
    State(app): State<Arc<App>>,
    Query(pairs): Query<Pairs>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let asked = Asked::new(pairs)?;
    let meant = match (&asked.query, asked.runs.is_empty()) {
        (Some(_), false) => {
            let detail = "runs: there beside a query: name runs or say which by a query, not both";
            return Err(Error::BadRequest(detail.into()));
        }
        (None, _) => {
            let runs = listed(&app, &asked.runs, QUEUE)?;
            let ids = runs.iter().map(|run| run.id.to_string()).collect::<Vec<_>>().join(",");
            Meant { url: format!("/groups?runs={ids}"), ..Meant::of(runs) }
        }
        (Some(source), true) => {
            let query = query::Query::parse(source, now_ms())?;
            views::refresh(&app).await?;
            let mut runs = app.registry.newest_first();
            runs.retain(|run| run.peek(|summary| query.matches(summary)));
            runs.reverse();
            let address = form_urlencoded::Serializer::new(String::new()).append_pair("query", source).finish();
            Meant { url: format!("/groups?{address}"), query: Some(source.clone()), ..Meant::of(runs) }
        }
    };
    answer(app, &headers, meant, asked).await
}

async fn answer(app: Arc<App>, headers: &HeaderMap, meant: Meant, asked: Asked) -> Result<Response, Error> {
    // Of many runs that is work for a while.
    let _turn = if meant.query.is_some() { Some(app.clone().turns.clone().acquire_owned().await?) } else { None };
    let archived_too = asked.archived;
    let grouped = tokio::task::spawn_blocking(move || Grouped::new(&app, meant, &asked)).await??;
    match wants_html(headers) {
        true => views::page(&SweepPage::new(&grouped, archived_too)?),
        false => Ok(([(VARY, "Accept")], Json(grouped)).into_response()),
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
