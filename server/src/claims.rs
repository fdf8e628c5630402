//! A sentence put to the test: one setting against another, in runs that differ in nothing else, paired by seed.
//!
//! Two witnesses have to agree before a verdict is spoken: the 95 % t interval of the mean difference must lie wholly on
//! one side of zero, and the one-sided sign-flip test, which assumes no distribution, must come to 0.05 or less. With five
//! pairs that takes five differences of one sign; with fewer no verdict is possible, and none is given.

use crate::App;
use crate::error::{Error, wants_html};
use crate::groups::{self, metric, settings};
use crate::pages::claims::ClaimsPage;
use crate::state::{RunState, Status};
use crate::stats::Paired;
use crate::store::RunId;
use crate::{sweeps, text, views};
use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::http::header::VARY;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use trainer::measure::Metric;
use trainer::spec::{FIELDS, Kind, field};

/// Pairs below which nothing is decided.
const FEWEST: usize = 5;
/// Finished runs that are looked at, the newest first.
const LOOKED_AT: usize = 200;
/// Settings that are told of, those with the most pairs first.
const TOLD: usize = 6;
/// The largest p value of the sign-flip test that still counts.
const LEVEL: f64 = 0.05;

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
    sweep: String,
}

impl Asked {
    /// Whether no claim is described.
    fn is_bare(&self) -> bool {
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

    fn from_query(asked: &Asked) -> Result<Claim, Error> {
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
    fn read(&self, state: &RunState, metric: &Metric) -> Option<Reading> {
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

/// The two runs of a seed.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Pair {
    /// The seed.
    pub(crate) seed: u64,
    /// A's number.
    pub(crate) a: Reading,
    /// B's number.
    pub(crate) b: Reading,
    /// A − B; `null` where neither reached the threshold. Where one did not, the least that it can be.
    pub(crate) difference: Option<f64>,
}

/// What the pairs say of the claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// They speak for it.
    Supported,
    /// They speak for the opposite.
    Contradicted,
    /// They leave it open.
    Undecided,
    /// There are fewer than five.
    TooFewPairs,
}

/// The pairs that agree in all other settings, and what they say.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Finding {
    /// The settings that A and B share.
    pub(crate) settings: Map<String, Value>,
    /// The data set that both saw; `null` where there are no runs.
    pub(crate) data: Option<String>,
    /// By seed.
    pub(crate) pairs: Vec<Pair>,
    /// The differences' statistics; `null` where there are none.
    pub(crate) paired: Option<Paired>,
    /// What they say.
    pub(crate) verdict: Verdict,
    /// Seeds that would make up five pairs.
    pub(crate) missing_seeds: Vec<u64>,
}

/// A claim and what the runs here say of it.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Tested {
    /// The claim.
    #[serde(flatten)]
    pub(crate) claim: Claim,
    /// One finding for each setting that A and B share, those with the most pairs first; at least one.
    pub(crate) findings: Vec<Finding>,
}

/// What the runs here say of claims.
#[derive(JsonSchema, Serialize)]
pub(crate) struct ClaimsAnswer {
    /// Each with its pairs and its verdict.
    claims: Vec<Tested>,
}

/// `GET /claims`: the presets, or the claim that the query describes.
pub(crate) async fn read(
    State(app): State<Arc<App>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let claims = if asked.is_bare() { Claim::presets() } else { vec![Claim::from_query(&asked)?] };
    let runs = match asked.sweep.as_str() {
        "" => {
            let over = app.registry.newest_first().into_iter().filter(|run| run.summary().status == Status::Finished);
            over.take(LOOKED_AT).collect()
        }
        sweep => sweeps::members(&app, sweep)?,
    };
    let states = groups::states(&runs).await?;
    let claims = claims.into_iter().map(|claim| test(claim, &states)).collect::<Result<Vec<_>, _>>()?;
    match wants_html(&headers) {
        true => views::page(&ClaimsPage::new(&claims, &asked.sweep)?),
        false => Ok(([(VARY, "Accept")], Json(ClaimsAnswer { claims })).into_response()),
    }
}

/// Tests a claim by the runs that have finished, newest first.
fn test(claim: Claim, states: &[RunState]) -> Result<Tested, Error> {
    #[derive(Default)]
    struct Sides {
        settings: Map<String, Value>,
        data: Option<String>,
        by_seed: BTreeMap<u64, [Option<Reading>; 2]>,
    }
    let metric = metric(claim.metric)?;
    let mut found: BTreeMap<String, Sides> = BTreeMap::new();
    for state in states.iter().filter(|state| state.summary.status == Status::Finished) {
        let all = settings(&state.summary.spec);
        let own = all.iter().find(|(name, _)| *name == claim.field).map(|(_, value)| value);
        let same =
            |side: &Value| own.is_some_and(|own| own == side || (own.is_number() && own.as_f64() == side.as_f64()));
        let Some(side) = [&claim.a, &claim.b].into_iter().position(same) else { continue };
        let Some(reading) = claim.read(state, metric) else { continue };
        let others = all.iter().filter(|(name, _)| *name != "seed" && *name != claim.field);
        let others = others.map(|(name, value)| ((*name).into(), value.clone())).collect::<Map<String, Value>>();
        let mut key = others.clone();
        if claim.at == At::Reach {
            // How long a run went on decides its last and its best number, but not when it reached something.
            key.remove("epochs");
        }
        let digest = state.data.as_ref().map(|data| data.digest.clone());
        let sides = found.entry(json!([key, digest]).to_string()).or_default();
        let epochs = |settings: &Map<String, Value>| settings.get("epochs").and_then(Value::as_u64);
        if epochs(&others) > epochs(&sides.settings) || sides.settings.is_empty() {
            sides.settings = others;
        }
        sides.data = state.summary.data_name.clone();
        // The newest of several equal runs, which have equal numbers anyway.
        sides.by_seed.entry(state.summary.seed).or_default()[side].get_or_insert(reading);
    }
    let finding = |sides: Sides| {
        let pairs = sides.by_seed.into_iter().filter_map(|(seed, [a, b])| Some(pair(seed, a?, b?)));
        finding(&claim, sides.settings, sides.data, pairs.collect())
    };
    let mut findings = found.into_values().map(finding).collect::<Vec<_>>();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.pairs.len()));
    findings.truncate(TOLD);
    // Settings that only one side was run with are an offer, too, but not beside better ones.
    if findings.first().is_some_and(|best| !best.pairs.is_empty()) {
        findings.retain(|finding| !finding.pairs.is_empty());
    } else {
        findings.truncate(1);
    }
    if findings.is_empty() {
        findings.push(finding_of_nothing(&claim));
    }
    Ok(Tested { claim, findings })
}

fn pair(seed: u64, a: Reading, b: Reading) -> Pair {
    // Where one side never got there its number is a lower bound, and the side that did is ahead all the same; only what
    // the shorter run could have seen counts.
    let known = match (a.reached, b.reached) {
        (true, true) => true,
        (true, false) => a.value < b.value,
        (false, true) => b.value < a.value,
        (false, false) => false,
    };
    Pair { seed, a, b, difference: known.then_some(a.value - b.value) }
}

fn finding(claim: &Claim, settings: Map<String, Value>, data: Option<String>, pairs: Vec<Pair>) -> Finding {
    let differences = pairs.iter().filter_map(|pair| pair.difference).collect::<Vec<_>>();
    let paired = Paired::of(&differences);
    let missing = FEWEST.saturating_sub(differences.len());
    let taken = |seed: &u64| pairs.iter().any(|pair| pair.seed == *seed);
    let missing_seeds = (1..).filter(|seed| !taken(seed)).take(missing).collect();
    Finding { settings, data, verdict: verdict(paired.as_ref(), claim.direction), paired, missing_seeds, pairs }
}

fn finding_of_nothing(claim: &Claim) -> Finding {
    finding(claim, Map::new(), None, Vec::new())
}

fn verdict(paired: Option<&Paired>, direction: Direction) -> Verdict {
    let Some(paired) = paired.filter(|p| p.differences.n >= FEWEST) else { return Verdict::TooFewPairs };
    let Some([low, high]) = paired.differences.interval else { return Verdict::TooFewPairs };
    let (is_lower, is_higher) = (high < 0.0 && paired.p_lower <= LEVEL, low > 0.0 && paired.p_higher <= LEVEL);
    match (is_lower, is_higher, direction) {
        (true, _, Direction::Lower) | (_, true, Direction::Higher) => Verdict::Supported,
        (true, ..) | (_, true, _) => Verdict::Contradicted,
        (false, false, _) => Verdict::Undecided,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(value: f64, reached: bool) -> Reading {
        Reading { run: RunId::fresh(), value, reached }
    }

    fn verdict_of(differences: &[f64]) -> Verdict {
        verdict(Paired::of(differences).as_ref(), Direction::Lower)
    }

    #[test]
    fn both_witnesses_have_to_agree() {
        assert_eq!(verdict_of(&[-1.0, -2.0, -1.0, -2.0, -1.0]), Verdict::Supported);
        assert_eq!(verdict_of(&[1.0, 2.0, 1.0, 2.0, 1.0]), Verdict::Contradicted);
        assert_eq!(verdict_of(&[-1.0, -2.0, 1.0, -2.0, -1.0]), Verdict::Undecided);
        assert_eq!(verdict_of(&[-1.0, -2.0, -1.0, -2.0]), Verdict::TooFewPairs);
        assert_eq!(verdict_of(&[]), Verdict::TooFewPairs);
        assert_eq!(verdict_of(&[-1.0; 5]), Verdict::Supported, "all alike: the signs alone speak");
        assert_eq!(verdict_of(&[0.0; 5]), Verdict::Undecided);
        // One sign throughout, but one difference so large that the mean is uncertain.
        assert_eq!(verdict_of(&[-1.0, -1.0, -1.0, -1.0, -40.0]), Verdict::Undecided);
    }

    #[test]
    fn a_threshold_that_one_side_never_reached_still_says_who_was_first() {
        assert_eq!(pair(1, reading(4.0, true), reading(9.0, false)).difference, Some(-5.0));
        assert_eq!(pair(1, reading(9.0, false), reading(4.0, true)).difference, Some(5.0));
        assert_eq!(pair(1, reading(9.0, false), reading(9.0, false)).difference, None);
        // The other ended before this one got there: it might have been sooner.
        assert_eq!(pair(1, reading(7.0, true), reading(3.0, false)).difference, None);
    }

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
