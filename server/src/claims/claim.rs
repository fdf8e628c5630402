//! The sentence that is put to the test, from a query or shipped, and the number that it reads in a run.

use crate::error::Error;
use crate::groups::{self, Course};
use crate::parameters::{self, Pairs};
use crate::state::Summary;
use crate::store::RunId;
use crate::text;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use trainer::measure::{METRICS, MILESTONES, Metric, Milestone};
use trainer::spec::{FIELDS, Kind, RunSpec, SpecError, SpecValue, field};

/// The one pair of network and distance that is no variant.
const UNNAMED: &str = "shallow · squared";

/// Where a metric is read in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
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
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    field: String,
    a: String,
    b: String,
    metric: String,
    at: String,
    threshold: String,
    direction: String,
    pub(super) sweep: String,
    pub(super) archived: bool,
}

impl Asked {
    pub(super) fn read(pairs: Pairs) -> Result<Asked, Error> {
        let names = ["field", "a", "b", "metric", "at", "threshold", "direction", "sweep", "archived"];
        let [field, a, b, metric, at, threshold, direction, sweep, archived] =
            parameters::read(pairs, names).map(Option::unwrap_or_default);
        let archived = parameters::flag("archived", Some(&archived))?;
        Ok(Asked { field, a, b, metric, at, threshold, direction, sweep, archived })
    }

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
        let wrong =
            |name: &str, got: &str, expected: &str| Error::from(SpecError::new(name, json!(got), expected.to_string()));
        let known = field(&asked.field).filter(|f| fields().any(|name| name == f.name));
        let known = known.ok_or_else(|| {
            let expected = format!("one of {}", fields().collect::<Vec<_>>().join(", "));
            wrong("field", &asked.field, &expected)
        })?;
        let side = |name: &str, text: &str| {
            let text = text.trim();
            let value = match known.kind {
                Kind::Whole { .. } => text.parse::<u64>().map(Value::from).unwrap_or_default(),
                Kind::Number { .. } => text.parse::<f64>().map(Value::from).unwrap_or_default(),
                _ => json!(text.to_lowercase()),
            };
            // The combination without a name goes by its parts.
            let unnamed = known.name == "variant" && value == UNNAMED;
            if unnamed || known.check(&value).is_ok() { Ok(value) } else { Err(wrong(name, text, &known.expected())) }
        };
        let (a, b) = (side("a", &asked.a)?, side("b", &asked.b)?);
        if a == b {
            return Err(wrong("b", &asked.b, "another value than a's"));
        }
        let metric = METRICS.iter().find(|metric| metric.name == asked.metric);
        let metric = metric.ok_or_else(|| wrong("metric", &asked.metric, &groups::metric_names()))?;
        let at = match asked.at.as_str() {
            "reach" => At::Reach,
            "best" => At::Best,
            "last" => At::Last,
            other => return Err(wrong("at", other, "reach, best or last")),
        };
        let threshold = match (asked.threshold.trim(), at) {
            // The form sends what stands in the field all the same.
            (_, At::Best | At::Last) => None,
            (text, At::Reach) => {
                let share = text::is_share(metric.name);
                let fits = |number: &f64| if share { (0.0..=1.0).contains(number) } else { !text.ends_with('%') };
                let number = text::parsed(text).filter(fits);
                let expected = if share { text::SHARE } else { "the number to be reached" };
                Some(number.ok_or_else(|| wrong("threshold", text, expected))?)
            }
        };
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

    /// Which of the sides a run of this spec is on, A (0) or B (1).
    pub(super) fn side_of(&self, spec: &RunSpec) -> Option<usize> {
        let is = |side: &Value| match spec.value(&self.field) {
            Some(SpecValue::Number(number)) => side.as_f64() == Some(number),
            Some(SpecValue::Word(word)) => side == word,
            None => spec.variant().map_or(side == UNNAMED && spec.label() == UNNAMED, |v| side == v.word()),
        };
        [&self.a, &self.b].into_iter().position(is)
    }

    /// What the summary of a run tells of the number; `None` where the run has none.
    pub(super) fn glance(&self, run: &Summary, metric: &Metric) -> Option<Glance> {
        let figure = run.metrics.get(metric.name)?;
        let known = |value, reached| Some(Reading { run: run.id, value, reached });
        let (got_there, reading) = match self.at {
            At::Last => (Some(true), known(figure.last, true)),
            At::Best => (Some(true), known(figure.best.unwrap_or(figure.last), true)),
            At::Reach => match figure.best.map(|best| self.is_enough(metric, best)) {
                Some(true) => (Some(true), self.milestone(run).and_then(|epoch| known(epoch.into(), true))),
                // The earliest epoch at which it still might.
                Some(false) => (Some(false), known(f64::from(run.epoch) + 1.0, false)),
                None => (None, None),
            },
        };
        Some(Glance { run: run.id, epochs: run.epoch, got_there, reading })
    }

    /// The epoch at which a run reached the threshold, where its summary counts that.
    fn milestone(&self, run: &Summary) -> Option<u32> {
        let named = |m: &&Milestone| self.metric == "test_accuracy" && Some(m.test_accuracy) == self.threshold;
        run.reached.get(MILESTONES.iter().find(named)?.metric.name).copied()
    }

    fn is_enough(&self, metric: &Metric, value: f64) -> bool {
        self.threshold.is_some_and(|threshold| match metric.higher_is_better {
            Some(false) => value <= threshold,
            _ => value >= threshold,
        })
    }

    /// The number, read in the run's log where a glance didn't tell it; `None` where it isn't there.
    pub(super) fn reading(
        &self,
        glance: Glance,
        metric: &Metric,
        log: &impl Fn(RunId) -> Option<Course>,
    ) -> Option<Reading> {
        let Glance { run, reading: None, .. } = glance else { return glance.reading };
        let course = log(run)?;
        let first = course.of(metric).find(|(_, value)| self.is_enough(metric, *value));
        let epoch = first.map_or(course.epochs.last()?.epoch + 1, |(epoch, _)| epoch);
        Some(Reading { run, value: epoch.into(), reached: first.is_some() })
    }
}

/// What is known of a run without its log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Glance {
    run: RunId,
    /// Epochs done.
    epochs: u32,
    /// Whether it reached the threshold, true where there is none; `None` where the log has to say.
    pub(super) got_there: Option<bool>,
    reading: Option<Reading>,
}

impl Glance {
    /// Whether it says more than that of another run with the same settings: that the threshold was reached, or for how long
    /// it was not.
    pub(super) fn says_more_than(&self, other: &Glance) -> bool {
        let weight = |glance: &Glance| match glance.got_there {
            Some(true) => (2, 0),
            None => (1, glance.epochs),
            Some(false) => (0, glance.epochs),
        };
        weight(self) > weight(other)
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
            // What no run can be asked to do.
            Asked { field: "variant".into(), a: "deep".into(), b: "v1.0".into(), ..asked("best", "test_accuracy", "") },
            Asked { field: "lr".into(), a: "5000".into(), ..asked("best", "test_accuracy", "") },
            Asked { field: "train_images".into(), a: "1.5".into(), ..asked("best", "test_accuracy", "") },
            asked("reach", "test_accuracy", "98"),
            asked("reach", "train_loss", "98 %"),
        ] {
            assert!(matches!(Claim::from_query(&wrong), Err(Error::Spec(_))), "{wrong:?}");
        }
        for share in ["0.975", "97.5%", "97.5 %"] {
            let claim = Claim::from_query(&asked("reach", "test_accuracy", share)).unwrap();
            assert_eq!(claim.threshold, Some(0.975), "{share}");
        }
    }
}
