//! The server of Centerscope: runs train in the background, and pages watch them live.
//!
//! | module | what it is |
//! |---|---|
//! | [`config`], [`cli`] | flags, environment, subcommands |
//! | [`store`] | folders and files: the only module that knows of paths |
//! | [`state`] | the fold of a run's log |
//! | [`runs`] | one run as the server holds it, and all of them |
//! | [`scheduler`], [`recorder`] | who trains when; one training from start to end |
//! | [`datasets`] | the images, loaded once |
//! | [`request`] | from a body, a form or a command line to the runs that are meant |
//! | `api`, `live`, `artifacts`, `embeddings`, `images`, `replay`, `assets` | what HTTP answers to programs |
//! | [`pages`], `views` | what it answers to people |
//! | [`error`], `guard` | failures in two renderings; what every request must pass |
//! | [`serve`] | from an address to a running server, and to its end |
//!
//! Every route stands in [`router`].

pub mod cli;
pub mod config;
pub mod datasets;
pub mod error;
pub mod pages;
pub mod recorder;
pub mod request;
pub mod run_files;
pub mod runs;
pub mod scheduler;
pub mod serve;
pub mod state;
pub mod store;

mod api;
mod artifacts;
mod assets;
mod embeddings;
mod guard;
mod images;
mod live;
mod replay;
mod text;
mod views;

use crate::config::Config;
use crate::datasets::Datasets;
use crate::runs::Registry;
use crate::scheduler::Scheduler;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use std::sync::Arc;
use tokio::sync::watch;

/// The largest body of a request, in bytes.
const BODY_LIMIT: usize = 64 * 1024;

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
    /// How far the server's own end is.
    pub phase: watch::Sender<Phase>,
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
        .route("/compare/replay", get(replay::read))
        .route("/runs", get(api::list).post(api::start))
        .route("/runs/{id}", get(api::read))
        .route("/runs/{id}/stop", post(api::stop))
        .route("/runs/{id}/events", get(live::one))
        .route("/events", get(live::several))
        .route("/runs/{id}/metrics", get(api::metrics))
        .route("/metrics-table", get(api::metrics_table))
        .route("/runs/{id}/embeddings/{epoch}", get(embeddings::read))
        .route("/runs/{id}/artifacts", get(artifacts::list))
        .route("/runs/{id}/artifacts/{*name}", get(artifacts::read))
        .route("/runs/{id}/archive", get(artifacts::archive))
        .route("/data/{set}/labels/{split}", get(images::labels))
        .route("/data/{set}/images/{split}/{file}", get(images::image))
        .route("/data/{set}/sheet/{split}", get(images::sheet))
        .route("/static/{*path}", get(assets::read))
        .route("/healthz", get(async || "ok"))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn_with_state(app.clone(), guard::check))
        .layer(from_fn(error::render))
        .layer(from_fn(guard::headers))
        .with_state(app)
}
