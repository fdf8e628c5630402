//! The list of runs, as JSON, CSV or a page, and what helps to ask for it: the fields and the facets.

use crate::App;
use crate::conditional;
use crate::error::{Error, wants_html};
use crate::fields::{Field, fields};
use crate::listing::{Parameters, View, columns, csv, csv_head};
use crate::pages::TablePage;
use crate::query;
use crate::runs::now_ms;
use crate::state::Summary;
use crate::store::RunId;
use crate::views;
use axum::Json;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::convert::Infallible;
use std::sync::Arc;

/// Rows of CSV that are made at once.
const CSV_ROWS: usize = 1000;
/// Rows of the page before any script runs.
const PAGE_ROWS: &str = "50";

/// A page of the list.
#[derive(JsonSchema, Serialize)]
pub(crate) struct Listed<'a> {
    runs: Vec<&'a Summary>,
    /// The cursor of the next page; null on the last.
    next: Option<&'a str>,
    /// Runs that the query lets through.
    total: usize,
    /// Where `/events/summaries` goes on from.
    position: String,
}

/// The list as JSON.
#[derive(JsonSchema, Serialize)]
#[serde(untagged)]
pub(crate) enum ListAnswer<'a> {
    /// A page of it.
    Page(Listed<'a>),
    /// The ids of all of it, where `format` is `ids`.
    Ids {
        /// In order.
        ids: Vec<RunId>,
    },
}

/// `GET /runs`
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Query(pairs): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let parameters = Parameters::read(pairs);
    if parameters.format.is_none() && wants_html(&headers) {
        return page(app, parameters).await;
    }
    let response = match parameters.format.as_deref() {
        None | Some("json") => listed(app, parameters).await?,
        Some("ids") => ids(app, parameters).await?,
        Some("csv") => table(app, parameters, &headers).await?,
        Some(other) => return Err(Error::parameter("format", other, "json, ids or csv")),
    };
    Ok(([(VARY, "Accept")], response).into_response())
}

/// A pass over ten thousands of runs is no work for the threads that answer.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await?
}

async fn listed(app: Arc<App>, parameters: Parameters) -> Result<Response, Error> {
    let view = View::new(&parameters)?;
    let body = blocking(move || {
        // Taken before the look: what changes meanwhile is told by the stream once more.
        let position = app.registry.changes.now().to_string();
        app.registry.refresh();
        let page = view.page(app.registry.summaries());
        let runs = page.runs.iter().map(|run| &**run).collect();
        let listed = Listed { runs, next: page.next.as_deref(), total: page.total, position };
        serde_json::to_vec(&ListAnswer::Page(listed)).map_err(|error| Error::Internal(error.to_string()))
    });
    Ok(([(CONTENT_TYPE, "application/json")], body.await?).into_response())
}

async fn ids(app: Arc<App>, parameters: Parameters) -> Result<Response, Error> {
    let view = View::new(&parameters)?;
    let ids = blocking(move || Ok(view.all(app.registry.summaries()).iter().map(|run| run.id).collect::<Vec<_>>()));
    Ok(Json(ListAnswer::Ids { ids: ids.await? }).into_response())
}

async fn table(app: Arc<App>, parameters: Parameters, headers: &HeaderMap) -> Result<Response, Error> {
    let view = View::new(&parameters)?;
    let columns: Vec<&'static Field> = match parameters.columns.as_deref().filter(|names| !names.is_empty()) {
        None => fields().iter().filter(|field| field.is_comparable()).collect(),
        Some(names) => columns(Some(names))?,
    };
    let head = csv_head(&columns);
    let runs = blocking(move || Ok(view.all(app.registry.summaries()))).await?;
    let tag = tag(&columns, &runs);
    if conditional::known(headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response());
    }
    // Piece by piece, so that a slow reader of a long table doesn't hold all of it.
    let pieces = (0..runs.len().div_ceil(CSV_ROWS)).map(move |piece| {
        let rows = &runs[piece * CSV_ROWS..];
        csv(&columns, &rows[..rows.len().min(CSV_ROWS)])
    });
    let pieces = stream::iter(std::iter::once(head).chain(pieces).map(Ok::<_, Infallible>));
    let kind = [(CONTENT_TYPE, "text/csv; charset=utf-8"), (CONTENT_DISPOSITION, "attachment; filename=\"runs.csv\"")];
    Ok((kind, [(ETAG, tag)], [(CACHE_CONTROL, conditional::ASKED_ANEW)], Body::from_stream(pieces)).into_response())
}

/// The tag of a table that isn't made yet: what a run says follows from its last event, except that the clock of one that goes
/// on runs on.
fn tag(columns: &[&Field], runs: &[Arc<Summary>]) -> String {
    let mut hash = Sha256::new_with_prefix(env!("CARGO_PKG_VERSION"));
    columns.iter().for_each(|field| hash.update(format!("{},", field.name)));
    let clock = columns.iter().any(|field| field.name == "duration").then(now_ms);
    for run in runs {
        hash.update(format!("{}{},", run.id, run.seq));
        if let Some(now) = clock.filter(|_| !run.status.is_over()) {
            hash.update(now.to_le_bytes());
        }
    }
    conditional::weak(&hash.finalize())
}

/// `GET /runs` for a browser. A query that makes no sense is shown where it was typed.
async fn page(app: Arc<App>, parameters: Parameters) -> Result<Response, Error> {
    let asked = Parameters { limit: Some(parameters.limit.clone().unwrap_or(PAGE_ROWS.into())), ..parameters.clone() };
    let (view, error) = match View::new(&asked) {
        Err(Error::Parameter { field: "query", detail, .. }) => {
            (View::new(&Parameters { query: None, ..asked.clone() })?, Some(detail))
        }
        other => (other?, None),
    };
    let columns = columns(parameters.columns.as_deref())?;
    let status = if error.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let page = blocking(move || {
        let position = app.registry.changes.now();
        app.registry.refresh();
        let all = app.registry.summaries();
        let facets = app.facets.of(&view.query, position, &all);
        let page = view.page(all);
        views::page(&TablePage::new(&parameters, &view, &columns, page, &facets, error, position.to_string()))
    });
    Ok((status, page.await?).into_response())
}

/// `GET /runs/fields`
pub(crate) async fn field_list() -> Json<Value> {
    Json(json!({"fields": fields()}))
}

/// `GET /runs/check`: what is wrong with a query. No failure where something is: it is what was asked for.
pub(crate) async fn check(Query(parameters): Query<Parameters>) -> Json<Value> {
    let error = query::Query::parse(parameters.query.as_deref().unwrap_or_default(), now_ms()).err();
    Json(json!({"error": error.map(|error| error.members())}))
}

/// `GET /runs/facets`
pub(crate) async fn facet_list(
    State(app): State<Arc<App>>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<Value>, Error> {
    let view = View::new(&Parameters { query: parameters.query, ..Parameters::default() })?;
    let facets = blocking(move || {
        let position = app.registry.changes.now();
        Ok(app.facets.of(&view.query, position, &app.registry.summaries()))
    });
    Ok(Json(json!({"facets": &*facets.await?})))
}
