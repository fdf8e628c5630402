//! Start, read and stop runs.

use crate::App;
use crate::error::{Error, wants_html};
use crate::pages::CompareView;
use crate::request::{self, Group};
use crate::runs::Run;
use crate::series::{self, MOST_POINTS, Thinned, USUAL_POINTS};
use crate::state::{Status, Summary};
use crate::store::RunId;
use crate::{run_files, views};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE, HOST, LOCATION, VARY};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use trainer::measure::{METRICS, MILESTONES, Metric, Milestone};
use trainer::spec::Variant;

/// The run that the address names by `{id}`; 404 where there is none.
pub(crate) struct Found(pub(crate) Arc<Run>);

impl FromRequestParts<Arc<App>> for Found {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Found, Error> {
        let path = Path::<HashMap<String, String>>::from_request_parts(parts, app).await;
        let id = path.ok().and_then(|Path(path)| path.get("id")?.parse().ok());
        id.and_then(|id| app.registry.get(id)).map(Found).ok_or_else(Error::no_run)
    }
}

/// The runs of a list of ids joined by commas: 1 to `most` of them.
pub(crate) fn listed(app: &App, ids: &str, most: usize) -> Result<Vec<Arc<Run>>, Error> {
    let mut named = HashSet::new();
    let ids = ids.split(',').filter(|id| !id.is_empty() && named.insert(*id)).collect::<Vec<_>>();
    if ids.is_empty() {
        let detail = format!(
            "runs: none is named. Tick 1 to {most} runs in a table, or name them by their ids, joined by commas"
        );
        return Err(Error::BadRequest(detail));
    }
    if ids.len() > most {
        return Err(Error::BadRequest(format!("runs: name 1 to {most} runs by their ids, joined by commas")));
    }
    let find = |id: &&str| id.parse::<RunId>().ok().and_then(|id| app.registry.get(id)).ok_or_else(Error::no_run);
    ids.iter().map(find).collect()
}

/// What a request started.
#[derive(JsonSchema, Serialize)]
pub(crate) struct Started {
    /// The comparison, where it is one.
    comparison: Option<String>,
    /// The sweep, where it is one.
    sweep: Option<String>,
    /// The page of all of it.
    url: String,
    /// The runs, in order.
    runs: Vec<StartedRun>,
}

/// A run that was started.
#[derive(JsonSchema, Serialize)]
struct StartedRun {
    /// Its id.
    id: RunId,
    /// Its name for people.
    name: String,
    /// The named variant, if the parts have a name.
    variant: Option<Variant>,
    /// Where it stands.
    status: Status,
    /// Its page.
    url: String,
}

/// `POST /runs`
pub(crate) async fn start(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Result<Response, Error> {
    let plan = request::plan(read_request(&headers, &body)?)?;
    app.may_create().await?;
    let id = RunId::fresh().to_string();
    let member = |group| (plan.group == group).then(|| id.clone());
    let (comparison, sweep) = (member(Group::Comparison), member(Group::Sweep));
    let orders = plan.into_orders(&id);
    let runs = tokio::task::spawn_blocking(move || app.scheduler.submit(orders)).await??;
    let runs = runs.iter().map(|run| run.summary()).collect::<Vec<_>>();
    let url = match (&sweep, &comparison, runs.as_slice()) {
        (Some(sweep), ..) => format!("/sweeps/{sweep}"),
        (None, None, [run]) => run.url.clone(),
        _ => CompareView::new(&runs).url,
    };
    Ok(started(&headers, (comparison, sweep), url, &runs))
}

/// The answer to whoever started runs, of a comparison or a sweep: where they are.
pub(crate) fn started(
    headers: &HeaderMap,
    (comparison, sweep): (Option<String>, Option<String>),
    url: String,
    runs: &[Arc<Summary>],
) -> Response {
    if wants_html(headers) {
        return Redirect::to(&url).into_response();
    }
    let told = |run: &Arc<Summary>| StartedRun {
        id: run.id,
        name: run.name.clone(),
        variant: run.variant,
        status: run.status,
        url: run.url.clone(),
    };
    let runs = runs.iter().map(told).collect();
    (StatusCode::CREATED, [(LOCATION, url.clone())], Json(Started { comparison, sweep, url, runs })).into_response()
}

/// The request in a body: JSON, or a form from a browser.
pub(crate) fn read_request(headers: &HeaderMap, body: &[u8]) -> Result<Map<String, Value>, Error> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (essence, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    // JSON is UTF-8 (RFC 8259, section 8.1): who announces something else means something else.
    let charset = parameters
        .split(';')
        .filter_map(|p| p.trim().split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("charset"));
    let utf8 = charset.is_none_or(|(_, charset)| charset.trim_matches('"').eq_ignore_ascii_case("utf-8"));
    match essence.trim().to_ascii_lowercase().as_str() {
        "application/json" if utf8 => {}
        "application/x-www-form-urlencoded" if wants_html(headers) && utf8 => {
            return Ok(request::from_text(form_urlencoded::parse(body).into_owned()));
        }
        _ => {
            let detail = format!(
                "the body's Content-Type is `{content_type}`: send JSON in UTF-8 with Content-Type: application/json"
            );
            return Err(Error::MediaType(detail));
        }
    }
    request::from_json(body).map_err(|error| Error::BadRequest(format!("the body can't be read: {error}")))
}

/// `GET /runs/{id}`
pub(crate) async fn read(
    State(app): State<Arc<App>>,
    Found(run): Found,
    headers: HeaderMap,
) -> Result<Response, Error> {
    if wants_html(&headers) {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        return views::run(&app, &run, host).await;
    }
    Ok(([(VARY, "Accept")], Json(run.state().await?)).into_response())
}

/// A run that was asked to stop.
#[derive(JsonSchema, Serialize)]
pub(crate) struct StopAnswer {
    #[serde(flatten)]
    run: Summary,
    /// Whether its end is yet to come: it ends after the step under way, and its events tell of it.
    stopping: bool,
}

/// A trainer ends after its step: time enough that the answer to "stop" tells of the end, except on a slow machine.
const STOPPING: Duration = Duration::from_secs(3);

/// `POST /runs/{id}/stop`
pub(crate) async fn stop(
    State(app): State<Arc<App>>,
    Found(run): Found,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let stopped = run.clone();
    tokio::task::spawn_blocking(move || app.scheduler.stop(&stopped, "stopped by hand")).await?;
    run.over_within(STOPPING).await;
    let run = Summary::clone(&run.summary());
    Ok(match wants_html(&headers) {
        true => Redirect::to(&run.url).into_response(),
        false => (StatusCode::ACCEPTED, Json(StopAnswer { stopping: !run.status.is_over(), run })).into_response(),
    })
}

/// The metrics of a run.
#[derive(JsonSchema, Serialize)]
pub(crate) struct MetricsTable {
    /// What each means.
    metrics: &'static [Metric],
    /// One row an epoch: `epoch` and every metric by its name.
    epochs: Vec<Map<String, Value>>,
}

/// The metrics of a run in few points.
#[derive(JsonSchema, Serialize)]
pub(crate) struct MetricsThinned {
    /// What each means.
    metrics: &'static [Metric],
    /// The points, by metric.
    #[serde(flatten)]
    thinned: Thinned,
}

/// The metrics of a run, whole or in few points.
#[derive(JsonSchema, Serialize)]
#[serde(untagged)]
pub(crate) enum MetricsAnswer {
    /// Every epoch.
    Table(MetricsTable),
    /// Few points.
    Thinned(MetricsThinned),
}

/// What each metric means.
#[derive(JsonSchema, Serialize)]
pub(crate) struct MetricsKnown {
    /// In the order in which tables show them.
    metrics: &'static [Metric],
    /// The accuracies that runs are timed to.
    milestones: &'static [Milestone],
}

#[derive(Deserialize)]
pub(crate) struct Format {
    format: Option<String>,
    points: Option<String>,
}

/// `GET /runs/{id}/metrics`
pub(crate) async fn metrics(
    Found(run): Found,
    Query(query): Query<Format>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let accepts_csv = headers.get(ACCEPT).and_then(|a| a.to_str().ok()).is_some_and(|a| a.contains("text/csv"));
    let csv = match query.format.as_deref() {
        None => accepts_csv,
        Some("csv") => true,
        Some("json") => false,
        Some(other) => return Err(Error::BadRequest(format!("format: got `{other}`, expected csv or json"))),
    };
    let history = run.state().await?.history;
    if let Some(points) = query.points.as_deref().filter(|_| !csv) {
        let rows = history.iter().map(|report| (report.epoch, &report.metrics)).collect::<Vec<_>>();
        let thinned = series::of_epochs(&rows, number_of_points(points)?);
        let answer = MetricsAnswer::Thinned(MetricsThinned { metrics: METRICS, thinned });
        return Ok(([(VARY, "Accept")], Json(answer)).into_response());
    }
    if csv {
        let kind = [(CONTENT_TYPE, "text/csv; charset=utf-8"), (VARY, "Accept")];
        return Ok((kind, run_files::metrics_csv(&history)).into_response());
    }
    let epochs = history.into_iter().map(|report| {
        let mut row = Map::from_iter([("epoch".into(), json!(report.epoch))]);
        row.extend(report.metrics.into_iter().map(|(name, value)| (name, json!(value))));
        row
    });
    let table = MetricsTable { metrics: METRICS, epochs: epochs.collect() };
    Ok(([(VARY, "Accept")], Json(MetricsAnswer::Table(table))).into_response())
}

fn number_of_points(text: &str) -> Result<usize, Error> {
    let number = text.parse().ok().filter(|points| (1..=MOST_POINTS).contains(points));
    number.ok_or_else(|| {
        Error::BadRequest(format!("points: got `{text}`, expected a whole number from 1 to {MOST_POINTS}"))
    })
}

#[derive(Deserialize)]
pub(crate) struct HowMany {
    points: Option<String>,
}

/// `GET /runs/{id}/progress`
pub(crate) async fn progress(Found(run): Found, Query(query): Query<HowMany>) -> Result<Json<Thinned>, Error> {
    let points = query.points.as_deref().map_or(Ok(USUAL_POINTS), number_of_points)?;
    Ok(Json(run.progress(points).await?))
}

/// `GET /metrics-table`
pub(crate) async fn metrics_table() -> Json<MetricsKnown> {
    Json(MetricsKnown { metrics: METRICS, milestones: MILESTONES })
}
