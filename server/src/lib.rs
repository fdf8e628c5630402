//! The server of Centerscope: runs train in the background, and pages watch them live.
//!
//! | module | what it is |
//! |---|---|
//! | [`config`], [`cli`] | flags, environment, subcommands |
//! | [`store`] | folders and files: the only module that knows of paths |
//! | [`state`], [`figures`] | the fold of a run's log; what a summary keeps of its epochs |
//! | [`runs`], [`registry`], [`changes`] | one run as the server holds it; all of them; which changed since when |
//! | [`checkpoints`] | which epochs a run can go on from |
//! | [`scheduler`], [`recorder`] | who trains when; one training from start to end |
//! | `background`, `memory` | training gives way to whoever is answered, and begins only where there is memory for it |
//! | [`series`] | long series in few points |
//! | [`datasets`] | the images, loaded once |
//! | [`request`] | from a body, a form or a command line to the runs that are meant |
//! | [`stats`], `groups` | what several runs say together |
//! | `estimate`, `sweeps`, `claims`, `diff` | how long runs will take; runs by groups, put to the test, side by side |
//! | [`fields`], [`query`], [`listing`] | what a run can be asked for, the query language, which runs a list shows |
//! | `table`, `edit`, `summaries` | the list of runs, edits, and the stream that keeps a list up to date |
//! | `api`, `lifecycle`, `live`, `artifacts`, `embeddings`, `alignment`, `predict`, `images`, `replay`, `assets` | what HTTP answers to programs |
//! | `parameters` | the part of an address after its `?` |
//! | [`pages`], `views` | what it answers to people |
//! | `openapi` | all of that as an OpenAPI document and its page |
//! | [`error`] | failures in two renderings |
//! | `guard`, [`auth`], [`limits`] | what every request must pass: where it comes from, who sends it, how much it asks for |
//! | `conditional` | what every answer may carry: an ETag, and gzip |
//! | [`monitor`] | what operators watch |
//! | [`serve`], `connections` | from an address to a running server, and to its end |
//!
//! Every route stands in [`router`].

#![forbid(unsafe_code)]

pub mod auth;
pub mod changes;
pub mod checkpoints;
pub mod cli;
pub mod config;
pub mod datasets;
pub mod error;
pub mod fields;
pub mod figures;
pub mod limits;
pub mod listing;
pub mod monitor;
pub mod pages;
pub mod query;
pub mod recorder;
pub mod registry;
pub mod request;
pub mod run_files;
pub mod runs;
pub mod scheduler;
pub mod series;
pub mod serve;
pub mod state;
pub mod stats;
pub mod store;

mod alignment;
mod api;
mod artifacts;
mod assets;
mod background;
mod claims;
mod conditional;
mod connections;
mod diff;
mod edit;
mod embeddings;
mod estimate;
#[cfg(test)]
mod fake;
mod groups;
mod guard;
mod images;
mod lifecycle;
mod live;
mod memory;
mod openapi;
mod parameters;
mod predict;
mod replay;
mod summaries;
mod sweeps;
mod table;
mod text;
mod views;

use crate::auth::Auth;
use crate::config::Config;
use crate::datasets::Datasets;
use crate::error::Error;
use crate::limits::{Bucket, CREATIONS_PER_S, Streams};
use crate::monitor::Monitor;
use crate::registry::Registry;
use crate::scheduler::Scheduler;
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

/// What the handlers share.
#[derive(Debug)]
pub struct App {
    /// The settings.
    pub config: Config,
    /// Every run.
    pub registry: Arc<Registry>,
    /// Who trains when.
    pub scheduler: Arc<Scheduler>,
    /// The images.
    pub datasets: Arc<Datasets>,
    /// The tokens in force.
    pub auth: Auth,
    /// The live streams that are open.
    pub streams: Arc<Streams>,
    /// How fast runs may be created and resumed.
    pub creations: Bucket,
    /// Places for archives that are being downloaded.
    pub archives: Arc<Semaphore>,
    /// Turns to make a replay.
    pub replays: Semaphore,
    /// Turns to test claims, and to group what a query lets through.
    pub turns: Arc<Semaphore>,
    /// What is remembered for `/metrics`.
    pub monitor: Monitor,
    /// The courses of runs that are over, as far as groups and claims asked for them.
    pub(crate) courses: groups::Courses,
    /// The facets of all runs.
    pub(crate) facets: listing::KeptFacets,
    /// Networks that look at drawings.
    pub(crate) networks: predict::Networks,
    /// How far the server's own end is.
    pub phase: watch::Sender<Phase>,
}

impl App {
    /// Counts a request that is about to create runs, or to resume one.
    ///
    /// # Errors
    /// There were too many lately, or the disk has no space for a run.
    pub async fn may_create(&self) -> Result<(), Error> {
        self.creations.take().map_err(|wait| {
            let detail = format!(
                "runs may be created and resumed {CREATIONS_PER_S} times a second: wait a moment, then try again"
            );
            Error::TooMany { detail, retry_s: wait.as_secs() + 1 }
        })?;
        self.monitor.space_for_runs(&self.config.runs_dir).await
    }
}

/// How far the server's own end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It serves.
    Up,
    /// It stops the runs; streams still tell how they end.
    Ending,
    /// The runs are stopped: whatever is still open closes.
    Down,
}

/// Every route.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(views::home))
        .route("/compare", get(views::compare))
        .route("/compare/alignment", get(alignment::read))
        .route("/compare/predict", post(predict::together))
        .route("/compare/replay", get(replay::read))
        .route("/runs", get(table::list).post(api::start))
        .route("/runs/plan", post(estimate::plan))
        .route("/runs/fields", get(table::field_list))
        .route("/runs/facets", get(table::facet_list))
        .route("/runs/check", get(table::check))
        .route("/runs/{id}", get(api::read).patch(edit::patch).delete(lifecycle::delete))
        .route("/runs/{id}/stop", post(api::stop))
        .route("/runs/{id}/resume", post(lifecycle::resume))
        .route("/runs/{id}/fork", post(lifecycle::fork))
        .route("/runs/{id}/delete", post(lifecycle::delete))
        .route("/runs/{id}/restore", post(lifecycle::restore))
        .route("/trash", get(lifecycle::trash))
        .route("/runs/{id}/events", get(live::one))
        .route("/events", get(live::several))
        .route("/events/summaries", get(summaries::watch))
        .route("/runs/{id}/metrics", get(api::metrics))
        .route("/runs/{id}/progress", get(api::progress))
        .route("/sweeps", get(sweeps::list))
        .route("/sweeps/{id}", get(sweeps::read))
        .route("/sweeps/{id}/stop", post(sweeps::stop))
        .route("/groups", get(sweeps::any))
        .route("/claims", get(claims::read))
        .route("/diff", get(diff::read))
        .route("/metrics-table", get(api::metrics_table))
        .route("/runs/{id}/embeddings/{epoch}", get(embeddings::read))
        .route("/runs/{id}/predict", post(predict::predict))
        .route("/runs/{id}/artifacts", get(artifacts::list))
        .route("/runs/{id}/artifacts/{*name}", get(artifacts::read))
        .route("/runs/{id}/archive", get(artifacts::archive))
        .route("/data/{set}/labels/{split}", get(images::labels))
        .route("/data/{set}/images/{split}/{file}", get(images::image))
        .route("/data/{set}/sheet/{split}", get(images::sheet))
        .route("/static/{*path}", get(assets::read))
        .route("/openapi.json", get(openapi::json))
        .route("/api", get(openapi::page))
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(monitor::ready))
        .route("/metrics", get(monitor::metrics))
        .route("/login", get(auth::page).post(auth::log_in))
        .route("/logout", post(auth::log_out))
        .layer(from_fn(parameters::check))
        .layer(from_fn(conditional::answer))
        .layer(from_fn_with_state(app.clone(), limits::read_body))
        .layer(from_fn_with_state(app.clone(), auth::check))
        .layer(from_fn_with_state(app.clone(), guard::check))
        .layer(from_fn(error::render))
        .layer(from_fn(monitor::log))
        .layer(from_fn(guard::headers))
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(conditional::pays()))
        .with_state(app)
}
