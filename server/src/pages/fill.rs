//! From runs to words: how the structs of the pages are filled.

use super::{
    AgainView, ArtifactRow, CompareView, ConfusionCell, ConfusionRow, ForkOf, FormField, FormView, LoginPage,
    MetricRow, Panel, RunRow, RunView, SpecRow, StatusView, VariantOption,
};
use crate::auth::Access;
use crate::checkpoints;
use crate::groups::{self, settings, varied};
use crate::request;
use crate::state::{RunState, Status, Summary};
use crate::store::ArtifactInfo;
use crate::text;
use serde_json::{Map, Value};
use trainer::event::{CLASSES, EpochReport};
use trainer::measure::{METRICS, MILESTONES};
use trainer::spec::{Distance, FIELDS, Field, Kind, Precision, Profile, RunSpec, Variant, field};

/// So many settings in a label tell runs apart; the rest stands on their pages.
const MOST_SAID: usize = 3;

impl From<Status> for StatusView {
    fn from(status: Status) -> StatusView {
        StatusView { word: status.word(), class: status.word().to_lowercase(), over: status.is_over() }
    }
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

impl From<&Summary> for Panel {
    fn from(run: &Summary) -> Panel {
        Panel {
            id: run.id.to_string(),
            name: run.name.clone(),
            label: run.label.clone(),
            formula: formula(run.distance),
            network: run.network.word(),
            distance: run.distance.word(),
            status: run.status.into(),
            epoch: run.epoch,
            epochs: run.epochs,
            accuracy: text::percent(run.test_accuracy),
            loss: text::number(run.train_loss),
            speed: text::speed(run.images_per_s),
            data: text::or_dash(run.data_name.clone()),
            reason: run.reason.clone(),
            url: run.url.clone(),
        }
    }
}

/// The center loss in a few signs.
fn formula(distance: Distance) -> &'static str {
    match distance {
        Distance::Squared => "cross entropy + λ/2 · mean ‖x − c‖² / n",
        Distance::Root => "cross entropy + λ/2 · mean ‖x − c‖ / n",
    }
}

/// Each run's label, with what tells it from the others of that label: `V1.0 lambda 0.5 seed 2`.
fn told_apart(runs: &[&Summary]) -> Vec<String> {
    let label = |run: &&Summary| {
        let like = runs.iter().filter(|other| other.label == run.label);
        let names = varied(like.map(|other| &other.spec));
        let said = settings(&run.spec).into_iter().filter(|(name, _)| names.contains(name)).take(MOST_SAID);
        said.fold(run.label.clone(), |label, (name, value)| format!("{label} {name} {}", text::plain(&value)))
    };
    let labels = runs.iter().map(label).collect::<Vec<_>>();
    let place = |at: usize| labels[..=at].iter().filter(|label| **label == labels[at]).count();
    let numbered = labels.iter().enumerate().map(|(at, label)| {
        let alone = labels.iter().filter(|other| *other == label).count() == 1;
        if alone { label.clone() } else { format!("{label} no. {}", place(at)) }
    });
    numbered.collect()
}

impl CompareView {
    /// These runs, in this order.
    pub fn new(runs: impl IntoIterator<Item = impl AsRef<Summary>>) -> CompareView {
        let runs = runs.into_iter().collect::<Vec<_>>();
        let runs = runs.iter().map(AsRef::as_ref).collect::<Vec<_>>();
        let labels = told_apart(&runs);
        let panels = runs.iter().zip(labels).map(|(run, label)| Panel { label, ..Panel::from(*run) });
        let panels = panels.collect::<Vec<_>>();
        let run_ids = panels.iter().map(|p| p.id.as_str()).collect::<Vec<_>>().join(",");
        CompareView { url: format!("/compare?runs={run_ids}"), run_ids, panels }
    }
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
            parameters: count(state.parameters),
            train_images: count(state.train_images),
            tags: run.tags.clone(),
            notes: run.notes.clone(),
            spec: spec_rows(&run.spec, state.precision),
            circumstances: circumstances(state),
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
    let precision = state.precision.map(|precision| format!(", {precision}")).unwrap_or_default();
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
fn circumstances(state: &RunState) -> Vec<SpecRow> {
    let threads = state.threads.map(|n| n.to_string());
    let digest = state.data.as_ref().map(|data| data.digest.clone());
    let rows = [
        ("version", &state.version, "Version of the program."),
        ("commit", &state.commit, "Commit it was built from; `+changes`: with sources that the commit doesn't hold."),
        ("host", &state.host, "The machine."),
        ("threads", &threads, "Threads that computed; the numbers don't depend on them."),
        ("data_digest", &digest, "SHA-256 over the pixels and labels that it saw."),
    ];
    let known = rows.into_iter().filter_map(|(field, value, help)| Some((field, value.clone()?, help)));
    known.map(|(field, value, help)| SpecRow { field: field.into(), value, help }).collect()
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

impl LoginPage<'_> {
    /// For a visitor who has `access` now (`None` where no token is asked for) and wants to go to `next`.
    pub fn new(access: Option<Access>, next: &str, refused: bool) -> LoginPage<'_> {
        let (heading, told) = match access {
            None => ("No token needed", "This server asks for no token: everything is open to you."),
            Some(Access::Nothing) => (
                "Log in",
                "This server asks for a token. It was given to, or printed by, the program when it was started.",
            ),
            Some(Access::Look) => (
                "You may look",
                "Your token lets you see every run. To start, stop or edit runs, log in with the other token.",
            ),
            Some(Access::Change) => ("You are logged in", "Your token lets you see and change everything."),
        };
        LoginPage {
            heading,
            told,
            asks: matches!(access, Some(Access::Nothing | Access::Look)),
            inside: matches!(access, Some(Access::Look | Access::Change)),
            refused,
            next,
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

impl FormView {
    /// The form as it stands for everybody.
    pub fn new() -> FormView {
        FormView::filled(None)
    }

    /// The form filled with a request.
    pub fn again(request: &Map<String, Value>) -> FormView {
        FormView::filled(Some(request))
    }

    fn filled(request: Option<&Map<String, Value>>) -> FormView {
        let given = |name: &str| request.and_then(|request| request.get(name)).map(text::plain);
        let variants = Variant::ALL.iter().map(|v| {
            let (network, distance) = v.parts();
            VariantOption {
                word: v.word(),
                label: v.word().to_uppercase(),
                network: network.word(),
                distance: distance.word(),
                formula: formula(distance),
                checked: request.is_none() || given("variant").as_deref() == Some(v.word()),
            }
        });
        // One value where the variants agree, else all of theirs: `16 / 10 / 12`.
        let default = |profile, f: &Field| {
            let values = Variant::ALL.iter().filter_map(|v| {
                let (network, distance) = v.parts();
                let spec = serde_json::to_value(RunSpec::preset(profile, network, distance)).ok()?;
                spec.get(f.name).map(text::plain)
            });
            let mut values = values.collect::<Vec<_>>();
            values.dedup();
            values.join(" / ")
        };
        // The checkboxes called `variants` say all that these three say.
        let fields = FIELDS.iter().filter(|f| !matches!(f.name, "variant" | "network" | "distance"));
        FormView {
            variants: variants.collect(),
            parts: ["network", "distance"].into_iter().filter_map(|name| Some((name, given(name)?))).collect(),
            fields: fields
                .map(|f| FormField::new(f, given(f.name), default(Profile::Quick, f), default(Profile::Full, f)))
                .collect(),
        }
    }
}

impl Default for FormView {
    fn default() -> FormView {
        FormView::new()
    }
}

/// A field's name for people.
pub(crate) fn field_label(name: &str) -> String {
    match name {
        "lr" => "Learning rate".into(),
        "center_lr" => "Learning rate of the centers".into(),
        "lr_step" => "Learning rate: epochs a step".into(),
        "lr_gamma" => "Learning rate: factor a step".into(),
        "lambda" => "Weight λ".into(),
        other => {
            let spaced = other.replace('_', " ");
            let (first, rest) = spaced.split_at(1);
            first.to_uppercase() + rest
        }
    }
}

impl FormField {
    fn new(f: &Field, given: Option<String>, quick: String, full: String) -> FormField {
        let (input, min, max, options): (_, _, _, &'static [&'static str]) = match f.kind {
            Kind::Whole { min, max } => ("number", min.to_string(), max.to_string(), &[]),
            Kind::Number { min, max } => ("number", min.to_string(), max.to_string(), &[]),
            Kind::Word(words) => ("select", String::new(), String::new(), words),
            Kind::Text { max_chars } => ("text", String::new(), max_chars.to_string(), &[]),
        };
        let advanced = !matches!(f.name, "name" | "profile" | "epochs" | "seed" | "train_images" | "dataset");
        let preset = if input == "select" { quick.clone() } else { String::new() };
        FormField {
            name: f.name,
            label: field_label(f.name),
            input,
            min,
            max,
            value: given.unwrap_or(preset),
            options,
            quick,
            full,
            help: f.help,
            advanced,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::LogLine;
    use crate::store::RunId;
    use trainer::event::RunEvent;
    use trainer::spec::Network;

    fn run(distance: Distance, seed: u64, lambda: f64) -> Summary {
        let spec = RunSpec { seed, lambda, ..RunSpec::preset(Profile::Quick, Network::Deep, distance) };
        let event = RunEvent::Scheduled { name: "a".into(), comparison: None, sweep: None, spec, fork: None };
        RunState::begin(RunId::fresh(), &LogLine { seq: 1, time_ms: 0, event }).unwrap().summary
    }

    #[test]
    fn runs_of_one_variant_are_told_apart_by_what_differs() {
        use Distance::{Root, Squared};
        let labels = |runs: &[Summary]| told_apart(&runs.iter().collect::<Vec<_>>());
        assert_eq!(labels(&[run(Squared, 1, 1.0), run(Root, 2, 1.0)]), ["V1.0", "V1.1"]);
        let three = [run(Squared, 1, 1.0), run(Root, 1, 1.0), run(Squared, 2, 1.0)];
        assert_eq!(labels(&three), ["V1.0 seed 1", "V1.1", "V1.0 seed 2"]);
        let both = [run(Squared, 1, 1.0), run(Squared, 2, 0.5)];
        assert_eq!(labels(&both), ["V1.0 seed 1 lambda 1", "V1.0 seed 2 lambda 0.5"]);
        let epochs = Map::from_iter([("epochs".to_string(), 50.into())]);
        let spec = RunSpec::from_request(&epochs, Profile::Quick).unwrap();
        let longer = Summary { spec, ..run(Squared, 1, 1.0) };
        assert_ne!(longer.spec.lr_step, run(Squared, 1, 1.0).spec.lr_step);
        assert_eq!(labels(&[longer, run(Squared, 1, 1.0)]), ["V1.0 epochs 50", "V1.0 epochs 8"]);
        let twins = [run(Root, 1, 1.0), run(Root, 1, 1.0)];
        assert_eq!(labels(&twins), ["V1.1 no. 1", "V1.1 no. 2"]);
    }
}
