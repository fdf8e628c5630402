//! The page of differences between runs.

use crate::diff::{At, Compared, Diff, cell};
use crate::text;
use askama::Template;
use trainer::event::CLASSES;
use trainer::measure::METRICS;

/// Runs side by side.
#[derive(Template)]
#[template(path = "diff.html")]
pub(crate) struct DiffPage {
    run_ids: String,
    heads: Vec<Head>,
    /// Whether equal settings are shown, too.
    all: bool,
    /// `last`, `best`, or an epoch's number.
    at: String,
    /// All that `at` can be, and each in words.
    places: Vec<(String, String)>,
    settings: Vec<Row>,
    /// How many settings are equal.
    equal: usize,
    metrics: Vec<Row>,
    confusion: Vec<Matrix>,
    version: &'static str,
}

struct Head {
    name: String,
    url: String,
}

struct Row {
    name: String,
    /// Empty where it has none.
    unit: &'static str,
    help: &'static str,
    cells: Vec<Cell>,
}

struct Cell {
    text: String,
    note: String,
    better: bool,
}

struct Matrix {
    title: String,
    rows: Vec<Vec<Shade>>,
}

/// A cell of the matrices' difference.
struct Shade {
    /// `+1.2`, in percentage points; empty where there is none.
    text: String,
    /// `more-3` or `less-3`: the sign, and the depth of the shade from 0 to 10.
    class: String,
    /// Whether it lies on the diagonal.
    correct: bool,
}

impl DiffPage {
    /// The page of `diff`; `all`: with the settings that don't differ. One run alone differs from none: all of it is shown.
    pub(crate) fn new(diff: &Diff, at: At, all: bool) -> DiffPage {
        let all = all || diff.runs.len() < 2;
        let compared = diff.settings.iter().chain(&diff.circumstances);
        let equal = compared.clone().filter(|c| !c.differs).count();
        let head = |run: &crate::state::Summary| Head { name: run.name.clone(), url: run.url.clone() };
        let furthest = diff.runs.iter().map(|run| run.epoch).max().unwrap_or_default();
        let usual = [("last", "after the last epoch"), ("best", "at their best")];
        let usual = usual.map(|(value, words)| (value.to_string(), words.to_string()));
        let epochs = (1..=furthest).map(|epoch| (epoch.to_string(), format!("after epoch {epoch}")));
        let names = diff.runs.iter().map(|run| run.name.as_str()).collect::<Vec<_>>();
        let others = names.iter().skip(1).zip(&diff.confusion);
        DiffPage {
            run_ids: diff.runs.iter().map(|run| run.id.to_string()).collect::<Vec<_>>().join(","),
            heads: diff.runs.iter().map(head).collect(),
            all,
            at: at.word(),
            places: usual.into_iter().chain(epochs).collect(),
            settings: compared.filter(|c| all || c.differs).map(setting).collect(),
            equal,
            metrics: metrics(diff, at),
            confusion: others
                .filter_map(|(name, matrix)| {
                    Some(Matrix { title: format!("{name}, less {}", names[0]), rows: shades(matrix.as_ref()?) })
                })
                .collect(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

fn setting(compared: &Compared) -> Row {
    let cells = compared.values.iter().map(|value| {
        let whole = cell(value);
        // Digests and commits are told apart by their beginnings.
        let long = matches!(compared.field, "data_digest" | "commit") && whole.len() > 12;
        let text = if long { format!("{}…", &whole[..12]) } else { whole.clone() };
        Cell { text, note: if long { whole } else { String::new() }, better: false }
    });
    Row { name: compared.field.into(), unit: "", help: "", cells: cells.collect() }
}

fn metrics(diff: &Diff, at: At) -> Vec<Row> {
    let rows = diff.metrics.iter().filter_map(|compared| {
        let metric = METRICS.iter().find(|m| m.name == compared.metric)?;
        let cells = compared.values.iter().zip(&compared.epochs).enumerate().map(|(place, (value, epoch))| Cell {
            text: text::or_dash(value.map(|value| text::metric(metric, value))),
            note: match (at, epoch) {
                (At::Epoch(_), _) | (_, None) => String::new(),
                (_, Some(epoch)) => format!("epoch {epoch}"),
            },
            better: compared.better == Some(place),
        });
        Some(Row { name: metric.label.into(), unit: metric.unit, help: metric.help, cells: cells.collect() })
    });
    rows.collect()
}

fn shades(matrix: &[[f64; CLASSES]; CLASSES]) -> Vec<Vec<Shade>> {
    let shade = |label: usize, predicted: usize| {
        let points = matrix[label][predicted] * 100.0;
        // A tenth of the images moved is the deepest shade.
        let depth = points.abs().ceil().min(10.0) as u32;
        let class = format!("{}-{depth}", if points > 0.0 { "more" } else { "less" });
        let sign = if points > 0.0 { '+' } else { '−' };
        let text = match points.abs() {
            ..0.05 => String::new(),
            size @ ..9.95 => format!("{sign}{size:.1}"),
            size => format!("{sign}{size:.0}"),
        };
        Shade { text, class, correct: label == predicted }
    };
    (0..CLASSES).map(|label| (0..CLASSES).map(|predicted| shade(label, predicted)).collect()).collect()
}
