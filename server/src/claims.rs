//! A sentence put to the test: one setting against another, in runs that differ in nothing else, paired by seed.
//!
//! Two witnesses have to agree before a verdict is spoken: the 95 % t interval of the mean difference must lie wholly on
//! one side of zero, and the one-sided sign-flip test, which assumes no distribution, must come to 0.05 or less. With five
//! pairs that takes five differences of one sign; with fewer no verdict is possible, and none is given.

mod claim;

use crate::App;
use crate::error::{Error, wants_html};
use crate::groups::{self, metric, settings};
use crate::pages::claims::ClaimsPage;
use crate::state::{RunState, Status, Summary};
use crate::stats::Paired;
use crate::{sweeps, views};
use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::http::header::VARY;
use axum::response::{IntoResponse, Response};
use claim::Asked;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use claim::{At, Claim, Direction, Reading, fields};

/// Pairs below which nothing is decided.
const FEWEST: usize = 5;
/// Finished runs that are looked at, the newest first.
const LOOKED_AT: usize = 200;
/// Settings that are told of, those with the most pairs first.
const TOLD: usize = 6;
/// The largest p value of the sign-flip test that still counts.
const LEVEL: f64 = 0.05;

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
            let witnesses = app.registry.newest_first().into_iter().filter(|run| is_witness(&run.summary()));
            witnesses.take(LOOKED_AT).collect()
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

/// Whether a run can say something: it has finished, and it had its settings from the first epoch on. A fork had another
/// run's until the epoch it begins with.
fn is_witness(run: &Summary) -> bool {
    run.status == Status::Finished && run.fork.is_none()
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
    for state in states.iter().filter(|state| is_witness(&state.summary)) {
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
        // The newest of several equal runs, unless one says more that went on for longer.
        let held = &mut sides.by_seed.entry(state.summary.seed).or_default()[side];
        if held.as_ref().is_none_or(|held| reading.says_more_than(held)) {
            *held = Some(reading);
        }
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
    use crate::groups::tests::state;
    use crate::store::RunId;
    use trainer::event::Fork;
    use trainer::spec::Distance;

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

    /// A run of that distance and as many epochs as it has accuracies.
    fn run(distance: Distance, accuracies: &[f64]) -> RunState {
        let mut run = state(1, 1.0, distance, accuracies, true);
        run.summary.spec.epochs = accuracies.len() as u32;
        run
    }

    /// What the pair of one seed says of the first of the shipped claims.
    fn pair_of(states: &[RunState]) -> (f64, bool, f64) {
        let tested = test(Claim::presets().remove(0), states).unwrap();
        let pair = &tested.findings[0].pairs[0];
        (pair.a.value, pair.a.reached, pair.b.value)
    }

    #[test]
    fn a_run_that_ended_early_takes_nothing_from_one_that_got_there() {
        let long = run(Distance::Squared, &[0.5, 0.9, 0.97, 0.98]);
        let short = run(Distance::Squared, &[0.5, 0.9]);
        let other = run(Distance::Root, &[0.5, 0.98]);
        // Newest first.
        assert_eq!(pair_of(&[short.clone(), long.clone(), other.clone()]), (4.0, true, 2.0));
        assert_eq!(pair_of(&[long, short.clone(), other.clone()]), (4.0, true, 2.0));
        let longer = run(Distance::Squared, &[0.5, 0.9, 0.97]);
        assert_eq!(pair_of(&[short, longer, other]), (4.0, false, 2.0), "the one that saw more sets the bound");
    }

    #[test]
    fn a_fork_is_no_witness() {
        let whole = run(Distance::Squared, &[0.5, 0.9, 0.98]);
        let other = run(Distance::Root, &[0.5, 0.98]);
        let mut fork = run(Distance::Squared, &[0.98, 0.98, 0.98]);
        fork.summary.fork = Some(Fork { run: "parent".into(), epoch: 2, sha256: String::new(), data: None });
        assert_eq!(pair_of(&[fork.clone(), whole, other.clone()]), (3.0, true, 2.0));
        let tested = test(Claim::presets().remove(0), &[fork, other]).unwrap();
        assert!(tested.findings[0].pairs.is_empty(), "its first epochs had another run's settings");
    }
}
