//! The files of a run folder that follow from its state: tables for people and programs that don't read the log.

use crate::state::{FileRecord, RunState, Summary};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::Write;
use trainer::event::{CLASSES, EpochReport};
use trainer::measure::METRICS;

/// `README.md` of a run folder.
pub const README: &str = r#"# A training run of Centerscope

| file | what it is | how to open it in Python |
|---|---|---|
| `spec.json` | what the run was asked to do | `json.load(open("spec.json"))` |
| `run.json` | the run in a few numbers, and the SHA-256 of its embeddings and checkpoints | `json.load(open("run.json"))` |
| `events.jsonl` | the log: everything that happened, one JSON object a line | `[json.loads(l) for l in open("events.jsonl")]` |
| `metrics.csv` | one row an epoch, one column a metric | `pandas.read_csv("metrics.csv")` |
| `confusion.csv` | test images by epoch, true label (row) and predicted label (columns) | `pandas.read_csv("confusion.csv")` |
| `progress.npy` | one row a sign of life between two epochs, with named columns; once the run is over | `numpy.load("progress.npy")["loss"]` |
| `embeddings/test-0001.npy` | (N, 2) f32: test images in evaluation mode after epoch 1; row i is image i | `numpy.load(...)` |
| `embeddings/train-0001.npy` | the same for the training images, as the training pass of epoch 1 saw them | `numpy.load(...)` |
| `checkpoints/last.safetensors` | weights, batch-norm state, momentum and centers after the last epoch | `safetensors.numpy.load_file(...)` |
| `checkpoints/best.safetensors` | the same after the epoch with the best test accuracy | `safetensors.numpy.load_file(...)` |
| `checkpoints/epoch-0004.safetensors` | the same after epoch 4, every `checkpoint_every` epochs | `safetensors.numpy.load_file(...)` |
| `checkpoints/start.safetensors` | of a forked run: the other run's, with which it begins | `safetensors.numpy.load_file(...)` |

The log is the truth: every other table follows from it. Times (`time_ms`) are milliseconds since 1970-01-01 UTC.
"#;

/// One row an epoch, one column a metric: the known ones in their usual order, then the others.
pub fn metrics_csv(history: &[EpochReport]) -> String {
    let reported = |name: &str| history.iter().any(|e| e.metrics.contains_key(name));
    let mut columns = METRICS.iter().map(|m| m.name).filter(|name| reported(name)).collect::<Vec<_>>();
    for name in history.iter().flat_map(|e| e.metrics.keys()) {
        if !columns.contains(&name.as_str()) {
            columns.push(name);
        }
    }
    let mut csv = format!("epoch{}\n", columns.iter().map(|c| format!(",{c}")).collect::<String>());
    for report in history {
        let _ = write!(csv, "{}", report.epoch);
        for column in &columns {
            let value = report.metrics.get(*column).map(f64::to_string).unwrap_or_default();
            let _ = write!(csv, ",{value}");
        }
        csv.push('\n');
    }
    csv
}

/// Ten rows an epoch: epoch, true label, and how often each label was predicted.
pub fn confusion_csv(history: &[EpochReport]) -> String {
    let header = (0..CLASSES).map(|k| format!(",predicted_{k}")).collect::<String>();
    let mut csv = format!("epoch,label{header}\n");
    for report in history {
        for (label, row) in report.confusion.iter().enumerate() {
            let counts = row.iter().map(|n| format!(",{n}")).collect::<String>();
            let _ = writeln!(csv, "{},{label}{counts}", report.epoch);
        }
    }
    csv
}

/// A `run.json` of an older version with what its run's summary knows and it doesn't.
///
/// # Errors
/// It isn't one.
pub fn completed(run_json: &[u8], summary: &Summary) -> serde_json::Result<Vec<u8>> {
    let mut told = serde_json::from_slice::<Map<String, Value>>(run_json)?;
    if let Value::Object(summary) = serde_json::to_value(summary)? {
        let lacks = |name: &str| told.get(name).is_none_or(Value::is_null);
        let news = summary.into_iter().filter(|(name, _)| lacks(name)).collect::<Vec<_>>();
        told.extend(news);
    }
    serde_json::to_vec_pretty(&told)
}

/// `run.json`: the summary; `files`, which tells the epoch and SHA-256 of each file that the trainer stored; and `log_bytes`,
/// the size of the log that it sums up, by which a reader sees whether it is up to date.
///
/// # Errors
/// Never for a run: it holds nothing that JSON can't.
pub fn run_json(state: &RunState, log_bytes: u64) -> serde_json::Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Told<'a> {
        #[serde(flatten)]
        summary: &'a Summary,
        log_bytes: u64,
        files: &'a BTreeMap<String, FileRecord>,
    }
    serde_json::to_vec_pretty(&Told { summary: &state.summary, log_bytes, files: &state.files })
}
