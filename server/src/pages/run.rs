//! The page of one run.

use super::{FormField, Panel, RunRow};
use crate::fields::{self, Value as Told};
use crate::state::{RunState, Status, Summary};
use crate::store::ArtifactInfo;
use crate::{checkpoints, groups, request, text};
use askama::Template;
use serde_json::{Map, Value};
use trainer::event::{CLASSES, EpochReport};
use trainer::measure::{METRICS, MILESTONES};
use trainer::spec::{FIELDS, Field, Precision, RunSpec, field};

/// The page of one run.
#[derive(Template)]
#[template(path = "run.html")]
pub struct RunPage {
    /// The run.
    pub run: RunView,
    /// Version of the program.
    pub version: &'static str,
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

impl RunView {
    /// A run and its files; `compare_url` leads to the comparison it belongs to, `fork_of` to the run it was forked from,
    /// `host` is the server's own name.
    pub fn new(
        state: &RunState,
        artifacts: &[ArtifactInfo],
        compare_url: Option<String>,
        fork_of: Option<ForkOf>,
        host: &str,
    ) -> RunView {
        let run = &state.summary;
        let last = state.history.last();
        let count = |n: Option<usize>| text::or_dash(n.map(|n| text::thousands(n as u64)));
        RunView {
            panel: run.into(),
            row: run.into(),
            device: text::or_dash(run.device.as_ref().map(|device| device_and_precision(device, state))),
            parameters: count(run.parameters),
            train_images: count(state.train_images),
            tags: run.tags.clone(),
            notes: run.notes.clone(),
            spec: spec_rows(&run.spec, run.precision),
            circumstances: circumstances(run),
            again: AgainView::new(state, host),
            metrics: last.map(|last| metric_rows(last, state)).unwrap_or_default(),
            confusion: last.map(confusion_rows).unwrap_or_default(),
            artifacts: artifacts
                .iter()
                .map(|a| ArtifactRow {
                    name: a.name.to_string(),
                    size: text::size(a.size_bytes),
                    url: format!("{}/artifacts/{}", run.url, a.name),
                })
                .collect(),
            can_stop: !run.status.is_over(),
            stop_url: format!("{}/stop", run.url),
            can_resume: run.status.is_over() && run.status != Status::Finished,
            resume_url: format!("{}/resume", run.url),
            fork_of,
            damaged: state.damaged.clone(),
            kept_epochs: checkpoints::kept(state).into_iter().rev().collect(),
            fork_url: format!("{}/fork", run.url),
            fork_fields: fork_fields(&state.summary.spec),
            checkpoints_size: text::size(checkpoint_bytes(artifacts)),
            delete_url: format!("{}/delete", run.url),
            archive_url: format!("{}/archive", run.url),
            compare_url,
            sweep_url: run.sweep.as_ref().map(|id| format!("/sweeps/{id}")),
        }
    }
}

/// `NVIDIA H100 (CUDA), tf32, 1.9 of 85.0 GB in use`; static/js/format.js writes the same.
fn device_and_precision(device: &str, state: &RunState) -> String {
    let precision = state.summary.precision.map(|precision| format!(", {precision}")).unwrap_or_default();
    let memory = state.device_memory.map(|memory| {
        format!(", {:.1} of {:.1} GB in use", memory.used_bytes as f64 / 1e9, memory.total_bytes as f64 / 1e9)
    });
    format!("{device}{precision}{}", memory.unwrap_or_default())
}

/// The fields that a fork is mostly about; a script may change others.
fn fork_fields(spec: &RunSpec) -> Vec<FormField> {
    let values = serde_json::to_value(spec).unwrap_or_default();
    let own = |f: &Field| values.get(f.name).map(text::plain).unwrap_or_default();
    let offered = ["name", "epochs", "lambda", "lr", "distance"].iter().filter_map(|name| field(name));
    offered.map(|f| FormField::new(f, None, own(f), own(f))).collect()
}

fn checkpoint_bytes(artifacts: &[ArtifactInfo]) -> u64 {
    let checkpoints = artifacts.iter().filter(|a| a.name.to_string().starts_with("checkpoints/"));
    checkpoints.map(|a| a.size_bytes).sum()
}

/// What the run was asked; the precision, which only some devices have, as it is in use.
fn spec_rows(spec: &RunSpec, precision: Option<Precision>) -> Vec<SpecRow> {
    let values = serde_json::to_value(spec).unwrap_or_default();
    let rows = FIELDS.iter().filter_map(|f| Some((f, text::plain(values.get(f.name)?))));
    let used = |f: &Field, asked: String| match precision.filter(|_| f.name == "precision").map(|p| p.to_string()) {
        Some(used) if used != asked => format!("{used} (asked for: {asked})"),
        _ => asked,
    };
    rows.map(|(f, asked)| SpecRow { field: f.name.into(), value: used(f, asked), help: f.help }).collect()
}

/// What decides, besides the spec, that a run can be repeated to the bit, and what it says of itself.
fn circumstances(run: &Summary) -> Vec<SpecRow> {
    let row = |name| {
        let field = fields::field(name)?;
        let value = match field.value(run) {
            Told::Text(text) => text.into_owned(),
            Told::Number(number) => number.to_string(),
            _ => return None,
        };
        Some(SpecRow { field: name.into(), value, help: &field.help })
    };
    ["version", "commit", "host", "threads", "data_digest"].into_iter().filter_map(row).collect()
}

impl AgainView {
    fn new(state: &RunState, host: &str) -> AgainView {
        let request = request::again(&state.summary.name, &state.summary.spec);
        let curl = |path: &str, request: &Map<String, Value>| {
            let json = quoted(&serde_json::to_string(request).unwrap_or_default());
            format!("curl -X POST http://{host}{path} -H 'Content-Type: application/json' -d {json}")
        };
        if let Some(fork) = &state.summary.fork {
            let mut request = request;
            request.insert("epoch".into(), fork.epoch.into());
            return AgainView { form_url: None, curl: curl(&format!("/runs/{}/fork", fork.run), &request), cli: None };
        }
        let flags = FIELDS.iter().filter_map(|field| {
            let value = text::plain(request.get(field.name)?);
            let plain = value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
            let value = if plain { value } else { quoted(&value) };
            Some(format!(" --{} {value}", field.name.replace('_', "-")))
        });
        let cli = format!("centerscope train{} --out my-run", flags.collect::<String>());
        let form_url = Some(format!("/?from={}#new", state.summary.id));
        AgainView { form_url, curl: curl("/runs", &request), cli: Some(cli) }
    }
}

/// For a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn metric_rows(last: &EpochReport, state: &RunState) -> Vec<MetricRow> {
    let known = METRICS.iter().filter_map(|m| Some((m, *last.metrics.get(m.name)?)));
    let rows = known.map(|(m, value)| {
        let best = m.higher_is_better.and_then(|_| groups::best(m, &state.history));
        MetricRow {
            name: m.name,
            label: m.label,
            value: text::metric(m, value),
            unit: m.unit,
            help: m.help,
            best: best.map(|(epoch, v)| format!("{} (epoch {epoch})", text::metric(m, v))).unwrap_or_default(),
        }
    });
    let milestones = MILESTONES.iter().map(|milestone| MetricRow {
        name: milestone.metric.name,
        label: milestone.metric.label,
        value: text::or_dash(state.summary.reached.get(milestone.metric.name).map(u32::to_string)),
        unit: "",
        help: milestone.metric.help,
        best: String::new(),
    });
    rows.chain(milestones).collect()
}

fn confusion_rows(report: &EpochReport) -> Vec<ConfusionRow> {
    let rows = report.confusion.iter().enumerate().map(|(label, row)| {
        let sum = row.iter().copied().map(f64::from).sum::<f64>();
        let share = |n: u32| if sum == 0.0 { 0.0 } else { f64::from(n) / sum };
        let cell = |(predicted, &count): (usize, &u32)| ConfusionCell {
            count,
            shade: (share(count) * 10.0).ceil() as u32,
            correct: predicted == label,
        };
        ConfusionRow {
            label,
            cells: row.iter().enumerate().map(cell).collect(),
            recall: text::percent((sum > 0.0).then(|| share(row[label]))),
        }
    });
    rows.take(CLASSES).collect()
}
