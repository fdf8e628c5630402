//! What the HTML pages show: askama structs with every field already worded for people, so that the templates hold no logic
//! and each page is whole without JavaScript. Live numbers come from the REST interface afterwards.
//! Each page has a module; here is what several of them show.

mod compare;
mod form;
mod login;
mod run;
mod table;

pub use compare::{ComparePage, CompareView, Panel, ReplayPage};
pub(crate) use form::field_label;
pub use form::{FormField, FormView, VariantOption};
pub use login::LoginPage;
pub use run::{AgainView, ArtifactRow, ConfusionCell, ConfusionRow, ForkOf, MetricRow, RunPage, RunView, SpecRow};
pub use table::TablePage;

pub(crate) mod api;
pub(crate) mod claims;
pub(crate) mod diff;
pub(crate) mod plan;
pub(crate) mod sweep;
pub(crate) mod sweeps;
pub(crate) mod trash;

use crate::state::{Status, Summary};
use crate::text;
use askama::Template;

/// The home page.
#[derive(Template)]
#[template(path = "home.html")]
pub struct HomePage {
    /// The newest runs.
    pub runs: Vec<RunRow>,
    /// How many there are in all.
    pub count: usize,
    /// The newest comparison, some runs of the newest sweep that belong side by side, or the newest run alone; to be shown
    /// live.
    pub newest: Option<CompareView>,
    /// The sweep that they belong to.
    pub sweep_url: Option<String>,
    /// The form that starts runs.
    pub form: FormView,
    /// Version of the program.
    pub version: &'static str,
}

/// The page of a failure.
#[derive(Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    /// HTTP status: `404`.
    pub status: u16,
    /// Its name: `Not Found`.
    pub title: String,
    /// What happened.
    pub detail: String,
    /// What to do next.
    pub next: &'static str,
    /// Version of the program.
    pub version: &'static str,
}

/// A status: the word and the CSS class (its lower case).
pub struct StatusView {
    /// `RUNNING`
    pub word: &'static str,
    /// `running`
    pub class: String,
    /// Whether nothing more will happen.
    pub over: bool,
}

impl From<Status> for StatusView {
    fn from(status: Status) -> StatusView {
        StatusView { word: status.word(), class: status.word().to_lowercase(), over: status.is_over() }
    }
}

/// A run as a row of a table. What isn't known yet is `–`.
pub struct RunRow {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `V1.0`
    pub label: String,
    /// Where it stands.
    pub status: StatusView,
    /// `3 / 8`
    pub epoch: String,
    /// `97.3 %`
    pub accuracy: String,
    /// `0.1234`
    pub loss: String,
    /// `1 234 images/s`
    pub speed: String,
    /// `MNIST`
    pub data: String,
    /// When it was accepted, for `<time datetime>`: `2026-01-31T12:00:00Z`.
    pub created_iso: String,
    /// The same for people: `2026-01-31 12:00 UTC`.
    pub created: String,
    /// `/runs/…`
    pub url: String,
    /// Whether a stop makes sense.
    pub can_stop: bool,
}

impl From<&Summary> for RunRow {
    fn from(run: &Summary) -> RunRow {
        RunRow {
            id: run.id.to_string(),
            name: run.name.clone(),
            label: run.label.clone(),
            status: run.status.into(),
            epoch: format!("{} / {}", run.epoch, run.epochs),
            accuracy: text::percent(run.test_accuracy),
            loss: text::number(run.train_loss),
            speed: text::speed(run.images_per_s),
            data: text::or_dash(run.data_name.clone()),
            created_iso: text::iso(run.created_ms),
            created: text::date(run.created_ms),
            url: run.url.clone(),
            can_stop: !run.status.is_over(),
        }
    }
}
