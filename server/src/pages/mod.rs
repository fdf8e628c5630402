//! What the HTML pages show: askama structs with every field already worded for people, so that the templates hold no logic
//! and each page is whole without JavaScript. Live numbers come from the REST interface afterwards.

mod fill;
mod table;

pub(crate) use fill::field_label;
pub use table::TablePage;

pub(crate) mod api;
pub(crate) mod claims;
pub(crate) mod diff;
pub(crate) mod plan;
pub(crate) mod sweep;
pub(crate) mod sweeps;
pub(crate) mod trash;

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

/// The page of several runs side by side.
#[derive(Template)]
#[template(path = "compare.html")]
pub struct ComparePage {
    /// The runs.
    pub view: CompareView,
    /// Addresses that its first plots need, with spaces between.
    pub ahead: String,
    /// Version of the program.
    pub version: &'static str,
}

/// The page of several runs as a file of its own.
#[derive(Template)]
#[template(path = "replay.html")]
pub struct ReplayPage {
    /// The runs.
    pub view: CompareView,
    /// When it was made, for `<time datetime>`.
    pub made_iso: String,
    /// The same for people.
    pub made: String,
    /// States, metrics and the places of the files within `data`: JSON that may stand in a script.
    pub index: String,
    /// The files: gzip in base64.
    pub data: String,
    /// Version of the program.
    pub version: &'static str,
}

/// The page of one run.
#[derive(Template)]
#[template(path = "run.html")]
pub struct RunPage {
    /// The run.
    pub run: RunView,
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

/// The page that asks for a token.
#[derive(Template)]
#[template(path = "login.html")]
pub struct LoginPage<'a> {
    /// What it is about.
    pub heading: &'static str,
    /// What the visitor may do now, in a sentence.
    pub told: &'static str,
    /// Whether the form is there.
    pub asks: bool,
    /// Whether there is something to log out of.
    pub inside: bool,
    /// Whether the token just given was a wrong one.
    pub refused: bool,
    /// Where to go afterwards: an address of ours.
    pub next: &'a str,
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

/// Several runs side by side.
pub struct CompareView {
    /// Ids joined by commas, as `/events?runs=` takes them.
    pub run_ids: String,
    /// `/compare?runs=…`
    pub url: String,
    /// One panel a run.
    pub panels: Vec<Panel>,
}

/// The plot of one run, before any data.
pub struct Panel {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `V1.0`, with what tells it from others of that label beside it: `V1.0 seed 2`.
    pub label: String,
    /// The loss in a few signs.
    pub formula: &'static str,
    /// `deep`
    pub network: &'static str,
    /// `squared`
    pub distance: &'static str,
    /// Where it stands.
    pub status: StatusView,
    /// Epochs done.
    pub epoch: u32,
    /// Epochs asked for.
    pub epochs: u32,
    /// `97.3 %`
    pub accuracy: String,
    /// `0.1234`
    pub loss: String,
    /// `1 234 images/s`
    pub speed: String,
    /// `MNIST`
    pub data: String,
    /// Why it ended, unless it finished.
    pub reason: Option<String>,
    /// `/runs/…`
    pub url: String,
}

/// One run in full.
pub struct RunView {
    /// Its head.
    pub panel: Panel,
    /// Its numbers in a row.
    pub row: RunRow,
    /// The device in use, its precision and a GPU's memory.
    pub device: String,
    /// `123 456`
    pub parameters: String,
    /// `12 000`
    pub train_images: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// What somebody noted about it.
    pub notes: String,
    /// What it was asked to do.
    pub spec: Vec<SpecRow>,
    /// Under which circumstances it ran.
    pub circumstances: Vec<SpecRow>,
    /// How to ask for the same again.
    pub again: AgainView,
    /// Its numbers after the last epoch.
    pub metrics: Vec<MetricRow>,
    /// Confusion matrix after the last epoch; empty before.
    pub confusion: Vec<ConfusionRow>,
    /// Its files.
    pub artifacts: Vec<ArtifactRow>,
    /// Whether a stop makes sense.
    pub can_stop: bool,
    /// Where a form posts to stop it.
    pub stop_url: String,
    /// Whether it ended before its last epoch.
    pub can_resume: bool,
    /// Where a form posts to resume it.
    pub resume_url: String,
    /// The run it was forked from.
    pub fork_of: Option<ForkOf>,
    /// Checkpoints found damaged when it was resumed: `checkpoints/last.safetensors: …`.
    pub damaged: Vec<String>,
    /// Epochs that it can be forked from, newest first.
    pub kept_epochs: Vec<u32>,
    /// Where a form posts to fork it.
    pub fork_url: String,
    /// What a fork may change, each with the run's own value.
    pub fork_fields: Vec<FormField>,
    /// What its checkpoints fill: `7.6 MB`.
    pub checkpoints_size: String,
    /// Where a form posts to move it to the trash, once it is over.
    pub delete_url: String,
    /// Everything as one `.tar.gz`.
    pub archive_url: String,
    /// The comparison it belongs to.
    pub compare_url: Option<String>,
    /// The sweep it belongs to.
    pub sweep_url: Option<String>,
}

/// How to ask for a run again.
pub struct AgainView {
    /// The form, filled; `None` of a fork, which no form starts again.
    pub form_url: Option<String>,
    /// As a request.
    pub curl: String,
    /// On the command line; `None` of a fork, which begins with another run's checkpoint.
    pub cli: Option<String>,
}

/// Where a forked run comes from.
pub struct ForkOf {
    /// The other run's name; its id where it isn't here any more.
    pub name: String,
    /// Its page, where it is here.
    pub url: Option<String>,
    /// The epoch whose checkpoint the fork began with.
    pub epoch: u32,
}

/// A field of the spec.
pub struct SpecRow {
    /// `batch_size`
    pub field: String,
    /// Its value.
    pub value: String,
    /// What it is.
    pub help: &'static str,
}

/// A metric after the last epoch.
pub struct MetricRow {
    /// `test_accuracy`
    pub name: &'static str,
    /// `Test accuracy`
    pub label: &'static str,
    /// Its value.
    pub value: String,
    /// Its unit; empty where it has none.
    pub unit: &'static str,
    /// What it is.
    pub help: &'static str,
    /// The best value and its epoch; empty where neither way is better.
    pub best: String,
}

/// The test images of one true label.
pub struct ConfusionRow {
    /// The true label.
    pub label: usize,
    /// By predicted label.
    pub cells: Vec<ConfusionCell>,
    /// Share of them that were recognised: `97.3 %`.
    pub recall: String,
}

/// A cell of the confusion matrix.
pub struct ConfusionCell {
    /// How many.
    pub count: u32,
    /// Depth of shade by share of the row, 0 to 10.
    pub shade: u32,
    /// Whether it lies on the diagonal.
    pub correct: bool,
}

/// A file of a run.
pub struct ArtifactRow {
    /// Its name.
    pub name: String,
    /// `40.1 kB`
    pub size: String,
    /// Where it is.
    pub url: String,
}

/// The form that starts runs.
pub struct FormView {
    /// The named variants, for checkboxes called `variants`.
    pub variants: Vec<VariantOption>,
    /// The parts of a combination that no variant names, as hidden fields; empty otherwise.
    pub parts: Vec<(&'static str, String)>,
    /// The other fields of a request.
    pub fields: Vec<FormField>,
}

/// A variant to choose.
pub struct VariantOption {
    /// `v1.0`
    pub word: &'static str,
    /// `V1.0`
    pub label: String,
    /// `deep`
    pub network: &'static str,
    /// `squared`
    pub distance: &'static str,
    /// The loss in a few signs.
    pub formula: &'static str,
    /// Whether it is chosen to begin with.
    pub checked: bool,
}

/// A field of the form.
pub struct FormField {
    /// `batch_size`
    pub name: &'static str,
    /// The same for people: `Batch size`.
    pub label: String,
    /// `number` (or several), `select` or `text`.
    pub input: &'static str,
    /// Smallest allowed; empty unless `input` is `number`.
    pub min: String,
    /// Largest allowed; likewise.
    pub max: String,
    /// What it stands at to begin with; empty where the profile decides.
    pub value: String,
    /// The words to choose from, where `input` is `select`.
    pub options: &'static [&'static str],
    /// Its value in the quick profile; empty where the profile says nothing.
    pub quick: String,
    /// Its value in the full profile; likewise.
    pub full: String,
    /// What it is.
    pub help: &'static str,
    /// Whether most people leave it alone.
    pub advanced: bool,
}
