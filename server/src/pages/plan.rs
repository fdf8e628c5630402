//! The page that says what a request would start.

use crate::estimate::{Planned, worded};
use crate::text;
use askama::Template;
use serde_json::{Map, Value};

/// What a request would start, with a button that starts it.
#[derive(Template)]
#[template(path = "plan.html")]
pub(crate) struct PlanPage {
    /// `15 runs`
    count: String,
    /// `about 9 min`
    estimate: String,
    /// What that rests on.
    basis: String,
    /// `1 440 000`
    images: String,
    /// Names of the runs.
    runs: Vec<String>,
    /// The request again, for the button's form.
    inputs: Vec<(String, String)>,
    version: &'static str,
}

impl PlanPage {
    /// What `planned` says; `request` is what it was planned from.
    pub(crate) fn new(planned: &Planned, request: &Map<String, Value>) -> PlanPage {
        PlanPage {
            count: count(planned.count, "run"),
            estimate: worded(planned),
            basis: planned.basis.clone(),
            images: text::thousands(planned.training_images),
            runs: planned.runs.iter().map(|run| run.name.clone()).collect(),
            inputs: request.iter().flat_map(|(name, value)| inputs(name, value)).collect(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// `1 run`, `3 runs`.
pub(crate) fn count(n: usize, what: &str) -> String {
    format!("{} {what}{}", text::thousands(n as u64), if n == 1 { "" } else { "s" })
}

/// A field of a request as a form would send it.
fn inputs(name: &str, value: &Value) -> Vec<(String, String)> {
    match value {
        Value::Array(words) if name == "variants" => words.iter().map(|w| (name.into(), text::plain(w))).collect(),
        Value::Array(values) => {
            let joined = values.iter().map(text::plain).collect::<Vec<_>>().join(", ");
            vec![(name.into(), joined)]
        }
        Value::Object(range) => {
            let part = |key: &str| range.get(key).map(text::plain).unwrap_or_default();
            vec![(name.into(), format!("{}..{} step {}", part("from"), part("to"), part("step")))]
        }
        other => vec![(name.into(), text::plain(other))],
    }
}
