//! What can be done with a run after its first start: resume it, fork it, delete it, bring it back.

use crate::api::{self, Found};
use crate::error::{Error, wants_html};
use crate::listing::Paging;
use crate::pages::CompareView;
use crate::pages::trash::TrashPage;
use crate::parameters::Pairs;
use crate::registry::{Registry, Trashed};
use crate::request;
use crate::state::Status;
use crate::store::RunId;
use crate::{App, checkpoints, views};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::header::VARY;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use schemars::JsonSchema;
use serde::Serialize;
use std::io;
use std::sync::Arc;
use trainer::event::{DataInfo, Fork};
use trainer::spec::DatasetChoice;

/// `POST /runs/{id}/resume`
pub(crate) async fn resume(
    State(app): State<Arc<App>>,
    Found(run): Found,
    headers: HeaderMap,
) -> Result<Response, Error> {
    app.may_create().await?;
    let resumed = run.clone();
    tokio::task::spawn_blocking(move || app.scheduler.resume(&resumed)).await??;
    let summary = run.summary();
    Ok(match wants_html(&headers) {
        true => Redirect::to(&summary.url).into_response(),
        false => (StatusCode::ACCEPTED, Json(&*summary)).into_response(),
    })
}

/// `POST /runs/{id}/fork`
pub(crate) async fn fork(
    State(app): State<Arc<App>>,
    Found(run): Found,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Error> {
    let request = api::read_request(&headers, &body)?;
    let state = run.state().await?;
    let (epoch, mut order) = request::fork(&state, request)?;
    app.may_create().await?;
    let parent = run.clone();
    let made = tokio::task::spawn_blocking(move || {
        let (_, bytes) = checkpoints::at(&parent.folder, &state, epoch)?;
        // A fork that names another set is meant to go on with other images.
        let wants = |data: &&DataInfo| match order.spec.dataset {
            DatasetChoice::Auto => true,
            named => DatasetChoice::from_word(&data.set) == Some(named),
        };
        let data = state.images().filter(wants).cloned();
        let fork = Fork { run: parent.id.to_string(), epoch, sha256: crate::store::digest(&bytes), data };
        order.fork = Some((fork, bytes));
        Ok::<_, Error>(app.scheduler.submit(vec![order])?)
    });
    let forked = made.await??.iter().map(|run| run.summary()).collect::<Vec<_>>();
    let url = CompareView::new([run.summary()].iter().chain(&forked)).url;
    Ok(api::started(&headers, (None, None), url, &forked))
}

/// `DELETE /runs/{id}`, or `POST /runs/{id}/delete` from a form
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let id = id.parse::<RunId>().map_err(|_| Error::no_run())?;
    let deleted = tokio::task::spawn_blocking(move || match app.registry.get(id) {
        Some(run) => app.registry.delete(&run).map_err(Error::from),
        // Deleted is deleted, however often it is asked for.
        None if app.registry.trashed().is_ok_and(|runs| runs.iter().any(|run| run.id == id)) => Ok(()),
        None => Err(Error::no_run()),
    });
    deleted.await??;
    Ok(match wants_html(&headers) {
        // Where the way back is.
        true => Redirect::to("/trash").into_response(),
        false => StatusCode::NO_CONTENT.into_response(),
    })
}

/// `POST /runs/{id}/restore`
pub(crate) async fn restore(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let id = id.parse::<RunId>().map_err(|_| Error::no_run())?;
    let restored = tokio::task::spawn_blocking(move || app.registry.restore(id)).await?;
    let summary = restored.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::NotFound("there is no run of that id, neither at /runs nor in /trash".into()),
        io::ErrorKind::AlreadyExists => {
            Error::Conflict("another run of that id has taken its place: delete that one first".into())
        }
        _ => Error::Internal(format!("the run can't be restored: {error}")),
    });
    let summary = summary?.summary();
    Ok(match wants_html(&headers) {
        true => Redirect::to(&summary.url).into_response(),
        false => Json(&*summary).into_response(),
    })
}

/// The trash.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Trash {
    /// Last deleted first.
    pub(crate) runs: Vec<TrashedRun>,
    /// The cursor of the next page; `null` at the end.
    pub(crate) next: Option<String>,
    /// How many there are.
    pub(crate) total: usize,
}

/// A run in the trash. What its summary can't tell is null.
#[derive(Serialize, JsonSchema)]
pub(crate) struct TrashedRun {
    /// Its id.
    pub(crate) id: RunId,
    /// Its name.
    pub(crate) name: Option<String>,
    /// `V1.0`
    pub(crate) label: Option<String>,
    /// Where it stood.
    pub(crate) status: Option<Status>,
    /// When it was deleted.
    pub(crate) deleted_ms: u64,
    /// Size of its files.
    pub(crate) size_bytes: u64,
    /// Where to post to bring it back.
    pub(crate) restore_url: String,
}

/// `GET /trash`
pub(crate) async fn trash(
    State(app): State<Arc<App>>,
    Query(pairs): Query<Pairs>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let paging = Paging::read(pairs)?;
    let listed = tokio::task::spawn_blocking(move || trashed(&app.registry, &paging)).await?;
    let trash = listed.map_err(|error| Error::Internal(format!("the trash can't be read: {error}")))?;
    match wants_html(&headers) {
        true => views::page(&TrashPage::new(&trash)),
        false => Ok(([(VARY, "Accept")], Json(trash)).into_response()),
    }
}

/// A page of what is in the trash. Blocks on the disk.
fn trashed(registry: &Registry, paging: &Paging) -> io::Result<Trash> {
    let told = |run: Trashed| {
        let Trashed { id, folder, summary, deleted_ms } = run;
        let (name, label, status) =
            summary.map_or((None, None, None), |s| (Some(s.name), Some(s.label), Some(s.status)));
        TrashedRun {
            id,
            name,
            label,
            status,
            deleted_ms,
            // Emptied since the listing.
            size_bytes: folder.size_bytes().unwrap_or_default(),
            restore_url: format!("/runs/{id}/restore"),
        }
    };
    let all = registry.trashed()?;
    let total = all.len();
    let (page, next) = paging.latest(all, |run| (run.deleted_ms, run.id));
    Ok(Trash { runs: page.into_iter().map(told).collect(), next, total })
}
