//! The sentence that is put to the test, from a query or shipped, and the number that it reads in a run.

use crate::error::Error;
use crate::groups::{self, metric};
use crate::state::RunState;
use crate::store::RunId;
use crate::text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use trainer::measure::Metric;
use trainer::spec::{FIELDS, Kind, field};

/// Where a metric is read in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum At {
    /// The first epoch at which it reaches the threshold.
    Reach,
    /// Its best value.
    Best,
    /// Its value after the last epoch.
    Last,
}

/// Which way A is claimed to differ from B.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Direction {
    /// A's number is smaller.
    Lower,
    /// A's number is larger.
    Higher,
}

/// The fields in which A and B can differ.
pub(crate) fn fields() -> impl Iterator<Item = &'static str> {
    let own = |name: &&str| !matches!(*name, "name" | "profile" | "seed" | "network" | "distance");
    FIELDS.iter().map(|field| field.name).filter(own)
}

/// A sentence that runs can support or contradict.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct Claim {
    /// The sentence.
    pub(crate) sentence: String,
    /// The setting in which A and B differ.
    pub(crate) field: String,
    /// Its value on the one side.
    pub(crate) a: Value,
    /// Its value on the other.
    pub(crate) b: Value,
    /// The metric.
    pub(crate) metric: &'static str,
    /// Where it is read.
    pub(crate) at: At,
    /// What has to be reached, where `at` is `reach`.
    pub(crate) threshold: Option<f64>,
    /// Which way A is claimed to differ.
    pub(crate) direction: Direction,
}

/// The parameters of `GET /claims`: none at all, or those of one claim.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    field: String,
    #[serde(default)]
    a: String,
    #[serde(default)]
    b: String,
    #[serde(default)]
    metric: String,
    #[serde(default)]
    at: String,
    #[serde(default)]
    threshold: String,
    #[serde(default)]
    direction: String,
    #[serde(default)]
    pub(super) sweep: String,
}

impl Asked {
    /// Whether no claim is described.
    pub(super) fn is_bare(&self) -> bool {
        let parts = [&self.field, &self.a, &self.b, &self.metric, &self.at, &self.threshold, &self.direction];
        parts.iter().all(|part| part.is_empty())
    }
}

impl Claim {
    /// The two conclusions that these variants are known for.
    pub(crate) fn presets() -> Vec<Claim> {
        let faster = |a: &str, b: &str, sentence: &str| Claim {
            sentence: sentence.into(),
            field: "variant".into(),
            a: json!(a),
            b: json!(b),
            metric: "test_accuracy",
            at: At::Reach,
            threshold: Some(0.98),
            direction: Direction::Lower,
        };
        vec![
            faster("v1.0", "v1.1", "Squared (V1.0) reaches 98 % test accuracy in fewer epochs than root (V1.1)"),
            faster(
                "v1.1",
                "v1.2",
                "Deep (V1.1) converges faster than shallow (V1.2): 98 % test accuracy in fewer epochs",
            ),
        ]
    }

    pub(super) fn from_query(asked: &Asked) -> Result<Claim, Error> {
        let wrong = |name: &str, got: &str, expected: &str| {
            Error::BadRequest(format!("{name}: got `{got}`, expected {expected}"))
        };
        let known = field(&asked.field).filter(|f| fields().any(|name| name == f.name));
        let known = known.ok_or_else(|| {
            wrong("field", &asked.field, "a field in which two runs can differ: variant, lambda, lr …")
        })?;
        let side = |name: &str, text: &str| {
            let text = text.trim();
            let value = match known.kind {
                Kind::Whole { .. } | Kind::Number { .. } => text.parse::<f64>().ok().map(Value::from),
                _ => (!text.is_empty()).then(|| json!(text.to_lowercase())),
            };
            value.ok_or_else(|| wrong(name, text, &known.expected()))
        };
        let (a, b) = (side("a", &asked.a)?, side("b", &asked.b)?);
        if a == b {
            return Err(wrong("b", &asked.b, "another value than a's"));
        }
        let metric = metric(&asked.metric)?;
        let at = match asked.at.as_str() {
            "reach" => At::Reach,
            "best" => At::Best,
            "last" => At::Last,
            other => return Err(wrong("at", other, "reach, best or last")),
        };
        let threshold = match (asked.threshold.trim(), at) {
            ("", At::Best | At::Last) => None,
            (text, _) => {
                let number = text.parse::<f64>().ok().filter(|t| t.is_finite());
                Some(number.ok_or_else(|| wrong("threshold", text, "the number to be reached: 0.98"))?)
            }
        };
        let threshold = threshold.filter(|_| at == At::Reach);
        let better = match (at, metric.higher_is_better) {
            (At::Reach, _) | (_, Some(false)) => Direction::Lower,
            _ => Direction::Higher,
        };
        let direction = match asked.direction.as_str() {
            "" => better,
            "lower" => Direction::Lower,
            "higher" => Direction::Higher,
            other => return Err(wrong("direction", other, "lower, higher, or nothing for the better one")),
        };
        let mut claim = Claim {
            sentence: String::new(),
            field: known.name.into(),
            a,
            b,
            metric: metric.name,
            at,
            threshold,
            direction,
        };
        claim.sentence = claim.worded(metric);
        Ok(claim)
    }

    fn worded(&self, metric: &Metric) -> String {
        let name = metric.label.to_lowercase();
        let (a, b) = (self.side(&self.a), self.side(&self.b));
        let lower = self.direction == Direction::Lower;
        match self.at {
            At::Reach => {
                let threshold = text::short_metric(metric, self.threshold.unwrap_or_default());
                let epochs = if lower { "fewer" } else { "more" };
                format!("{a} reaches {name} {threshold} in {epochs} epochs than {b}")
            }
            At::Best => format!("{a} has a {} best {name} than {b}", if lower { "lower" } else { "higher" }),
            At::Last => {
                format!("{a} has a {} {name} after the last epoch than {b}", if lower { "lower" } else { "higher" })
            }
        }
    }

    /// A side for people: `V1.0`, `lambda 0.1`.
    pub(crate) fn side(&self, value: &Value) -> String {
        match self.field.as_str() {
            "variant" => text::plain(value).to_uppercase(),
            other => format!("{other} {}", text::plain(value)),
        }
    }

    /// What the claim reads in a run; `None` where it isn't there.
    pub(super) fn read(&self, state: &RunState, metric: &Metric) -> Option<Reading> {
        let run = state.summary.id;
        let value = |value: f64| Some(Reading { run, value, reached: true });
        match self.at {
            At::Last => value(*state.history.last()?.metrics.get(metric.name)?),
            At::Best => value(groups::best(metric, &state.history)?.1),
            At::Reach => {
                let threshold = self.threshold?;
                let reaches =
                    |v: f64| if metric.higher_is_better == Some(false) { v <= threshold } else { v >= threshold };
                let first = state.history.iter().find(|r| r.metrics.get(metric.name).is_some_and(|v| reaches(*v)));
                match first {
                    Some(report) => value(f64::from(report.epoch)),
                    // The earliest epoch at which it still might.
                    None => Some(Reading { run, value: f64::from(state.history.last()?.epoch) + 1.0, reached: false }),
                }
            }
        }
    }
}

/// A number read in a run.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema, Serialize)]
pub(crate) struct Reading {
    /// The run.
    pub(crate) run: RunId,
    /// The number; where the threshold wasn't reached, the first epoch at which it might be.
    pub(crate) value: f64,
    /// Whether the threshold was reached; true where there is none.
    pub(crate) reached: bool,
}

impl Reading {
    /// Whether it says more than that of another run with the same settings: that the threshold was reached, or for how long
    /// it was not.
    pub(super) fn says_more_than(&self, other: &Reading) -> bool {
        !other.reached && (self.reached || self.value > other.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_from_a_query_makes_a_sentence() {
        let asked = |at: &str, metric: &str, threshold: &str| Asked {
            field: "lambda".into(),
            a: "0.1".into(),
            b: "1".into(),
            metric: metric.into(),
            at: at.into(),
            threshold: threshold.into(),
            ..Asked::default()
        };
        let sentence = |asked| Claim::from_query(&asked).unwrap().sentence;
        let reach = sentence(asked("reach", "test_accuracy", "0.975"));
        assert_eq!(reach, "lambda 0.1 reaches test accuracy 97.5 % in fewer epochs than lambda 1");
        assert_eq!(
            sentence(asked("best", "intra_inter_ratio", "")),
            "lambda 0.1 has a lower best intra / inter than lambda 1"
        );
        for wrong in [
            asked("reach", "test_accuracy", ""),
            asked("soon", "test_accuracy", ""),
            asked("best", "beauty", ""),
            Asked { b: "0.1".into(), ..asked("best", "test_accuracy", "") },
            Asked { field: "seed".into(), ..asked("best", "test_accuracy", "") },
            Asked { a: "much".into(), ..asked("best", "test_accuracy", "") },
        ] {
            assert!(matches!(Claim::from_query(&wrong), Err(Error::BadRequest(_))), "{wrong:?}");
        }
    }
}
