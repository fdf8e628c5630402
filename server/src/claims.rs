//! A sentence put to the test: one setting against another, in runs that differ in nothing else, paired by seed.
//!
//! Two tests have to agree before a verdict is spoken: the 95 % t interval of the mean difference must lie wholly on
//! one side of zero, and the one-sided sign-flip test, which assumes no distribution, must come to 0.05 or less. With five
//! pairs that takes five differences of one sign; with fewer no verdict is possible, and none is given. Where a difference
//! is but a bound there is nothing to make an interval of, and the sign-flip test of the signs speaks alone.
//!
//! Every finished run is looked at by its summary, which is in memory; a log is read only where a pair that is shown needs
//! an epoch that no summary holds.

mod claim;
#[cfg(test)]
mod tests;

use crate::App;
use crate::error::{Error, wants_html};
use crate::groups::{Course, metric, settings};
use crate::pages::claims::ClaimsPage;
use crate::parameters::Pairs;
use crate::state::{Status, Summary};
use crate::stats::Paired;
use crate::store::RunId;
use crate::{sweeps, views};
use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::http::header::VARY;
use axum::response::{IntoResponse, Response};
use claim::{Asked, Glance};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use trainer::measure::Metric;
use trainer::spec::{FIELDS, RunSpec, SpecValue};

pub(crate) use claim::{At, Claim, Direction, Reading, fields};

/// Pairs below which nothing is decided.
const FEWEST: usize = 5;
/// Settings that are told of, those with the most pairs first.
const TOLD: usize = 6;
/// Pairs of a setting that are looked at, those that may say something first.
const MOST_PAIRS: usize = 200;
/// Seeds that one side is said to lack at most.
const MOST_LACKING: usize = 20;
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
    /// A − B; `null` where neither reached the threshold, or where the one that didn't may yet have been the earlier.
    pub(crate) difference: Option<f64>,
    /// Whether that is a bound, since one of them never got there: the true difference is that or further from zero.
    pub(crate) bound: bool,
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
    /// SHA-256 over its pixels and labels.
    pub(crate) data_digest: Option<String>,
    /// By seed, 200 at most.
    pub(crate) pairs: Vec<Pair>,
    /// How many pairs there are.
    pub(crate) pairs_total: usize,
    /// How many of the differences are bounds; where any is, `paired` has neither interval nor effect size.
    pub(crate) bounds: usize,
    /// The differences' statistics; `null` where there are none.
    pub(crate) paired: Option<Paired>,
    /// What they say.
    pub(crate) verdict: Verdict,
    /// Seeds that only B's runs have: run with A's setting they make pairs. 20 at most.
    pub(crate) a_lacks: Vec<u64>,
    /// Seeds that only A's runs have.
    pub(crate) b_lacks: Vec<u64>,
    /// Seeds that neither has, as many as make up five pairs where those that one side lacks don't.
    pub(crate) missing_seeds: Vec<u64>,
}

/// A claim and what the runs here say of it.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Tested {
    /// The claim.
    #[serde(flatten)]
    pub(crate) claim: Claim,
    /// One finding for each setting that A and B share, those with the most usable pairs first; at least one, six at most.
    pub(crate) findings: Vec<Finding>,
    /// How many settings have pairs.
    pub(crate) settings_total: usize,
}

/// What the runs here say of claims.
#[derive(JsonSchema, Serialize)]
pub(crate) struct ClaimsAnswer {
    /// Each with its pairs and its verdict.
    pub(crate) claims: Vec<Tested>,
    /// How many runs can be witnesses: finished, no forks, and not archived unless asked for.
    pub(crate) witnesses: usize,
    /// Whether archived runs count.
    pub(crate) archived: bool,
}

/// `GET /claims`: the presets, or the claim that the query describes.
pub(crate) async fn read(
    State(app): State<Arc<App>>,
    Query(pairs): Query<Pairs>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let asked = Asked::read(pairs)?;
    let claims = if asked.is_bare() { Claim::presets() } else { vec![Claim::from_query(&asked)?] };
    views::refresh(&app).await?;
    let sweep = asked.sweep.clone();
    let _turn = app.turns.acquire().await?;
    let app = app.clone();
    let answer = tokio::task::spawn_blocking(move || {
        let runs = match asked.sweep.as_str() {
            "" => app.registry.summaries(),
            sweep => sweeps::members(&app, sweep)?.iter().rev().map(|run| run.summary()).collect(),
        };
        let witnesses = runs.into_iter().filter(|run| is_witness(run, asked.archived)).collect::<Vec<_>>();
        // A run that was deleted a moment ago, or can't be read, is no witness.
        let log = |id: RunId| app.courses.of(&*app.registry.get(id)?).ok();
        let claims = claims.into_iter().map(|claim| test(claim, &witnesses, &log)).collect::<Result<_, _>>()?;
        Ok::<_, Error>(ClaimsAnswer { claims, witnesses: witnesses.len(), archived: asked.archived })
    });
    let answer = answer.await??;
    match wants_html(&headers) {
        true => views::page(&ClaimsPage::new(&answer, &sweep)?),
        false => Ok(([(VARY, "Accept")], Json(answer)).into_response()),
    }
}

/// Whether a run can say something: it has finished, and it had its settings from the first epoch on. A fork had another
/// run's until the epoch it begins with. Who archived a run put it away.
fn is_witness(run: &Summary, archived: bool) -> bool {
    run.status == Status::Finished && run.fork.is_none() && (archived || !run.archived)
}

/// The runs that share all settings but the one in question, by seed.
#[derive(Default)]
struct Sides {
    settings: Map<String, Value>,
    data: Option<String>,
    digest: Option<String>,
    by_seed: BTreeMap<u64, [Option<Glance>; 2]>,
}

impl Sides {
    fn epochs(settings: &Map<String, Value>) -> Option<u64> {
        settings.get("epochs").and_then(Value::as_u64)
    }

    /// The seeds that one side lacks and the other has, those of A and of B.
    fn lacking(&self) -> [Vec<u64>; 2] {
        [0, 1].map(|side| {
            let lacks = |sides: &[Option<Glance>; 2]| sides[side].is_none() && sides[1 - side].is_some();
            let seeds = self.by_seed.iter().filter(|(_, sides)| lacks(sides)).map(|(seed, _)| *seed);
            seeds.take(MOST_LACKING).collect()
        })
    }

    /// The seeds that both sides have, those first that may say something, and how many those are.
    fn pairs(self) -> (Vec<(u64, [Glance; 2])>, usize) {
        let both = self.by_seed.into_iter().filter_map(|(seed, [a, b])| Some((seed, [a?, b?])));
        let (telling, silent): (Vec<_>, Vec<_>) =
            both.partition(|(_, sides)| sides.iter().any(|side| side.got_there != Some(false)));
        let count = telling.len();
        (telling.into_iter().chain(silent).collect(), count)
    }
}

/// Tests a claim by its witnesses, newest first. `log` reads all of one.
fn test(claim: Claim, newest_first: &[Arc<Summary>], log: &impl Fn(RunId) -> Option<Course>) -> Result<Tested, Error> {
    let metric = metric(claim.metric)?;
    let mut found = by_settings(&claim, metric, newest_first)
        .into_iter()
        .map(|mut sides| {
            let (settings, data) = (std::mem::take(&mut sides.settings), (sides.data.take(), sides.digest.take()));
            (settings, data, sides.lacking(), sides.pairs())
        })
        .collect::<Vec<_>>();
    let halves = |[a, b]: &[Vec<u64>; 2]| a.len() + b.len();
    found.sort_by_key(|(.., lacking, (pairs, telling))| Reverse((*telling, pairs.len(), halves(lacking))));
    let settings_total = found.iter().filter(|(.., (pairs, _))| !pairs.is_empty()).count();
    // Settings that only one side was run with are an offer, too, but not beside better ones.
    found.truncate(settings_total.clamp(1, TOLD));
    let tell = |(settings, (data, data_digest), lacking, (pairs, _)): (_, (_, _), _, (Vec<_>, _))| {
        let pairs_total = pairs.len();
        let read = |glance| claim.reading(glance, metric, log);
        let pair = |(seed, [a, b]): (u64, [Glance; 2])| Some(pair(seed, read(a)?, read(b)?));
        let mut pairs = pairs.into_iter().take(MOST_PAIRS).filter_map(pair).collect::<Vec<_>>();
        pairs.sort_by_key(|pair| pair.seed);
        Finding { data, data_digest, pairs_total, ..finding(&claim, settings, pairs, lacking) }
    };
    let mut findings = found.into_iter().map(tell).collect::<Vec<_>>();
    findings.sort_by_key(|finding| Reverse(finding.paired.map_or(0, |paired| paired.differences.n)));
    if findings.is_empty() {
        findings.push(finding(&claim, Map::new(), Vec::new(), Default::default()));
    }
    Ok(Tested { claim, findings, settings_total })
}

/// A value that the runs of a pair share, as it is looked up.
#[derive(PartialEq, Eq, Hash)]
enum Shared {
    Number(u64),
    Word(&'static str),
}

/// What a run has to share with another to make a pair with it, but for the seed and the images.
fn shared(claim: &Claim, spec: &RunSpec) -> Vec<Shared> {
    let names = FIELDS.iter().map(|field| field.name).filter(|name| match *name {
        "seed" => false,
        "network" | "distance" => claim.field != "variant",
        // How long a run went on decides its last and its best number, but not when it reached something.
        "epochs" if claim.at == At::Reach => false,
        name => name != claim.field,
    });
    let value = |name| match spec.value(name)? {
        SpecValue::Number(number) => Some(Shared::Number(number.to_bits())),
        SpecValue::Word(word) => Some(Shared::Word(word)),
    };
    names.filter_map(value).collect()
}

/// The runs of either side, by all that both share.
fn by_settings(claim: &Claim, metric: &Metric, newest_first: &[Arc<Summary>]) -> Vec<Sides> {
    let mut found: Vec<Sides> = Vec::new();
    let mut places = HashMap::new();
    for run in newest_first {
        let Some(side) = claim.side_of(&run.spec) else { continue };
        let Some(glance) = claim.glance(run, metric) else { continue };
        let place = *places.entry((shared(claim, &run.spec), run.data_digest.as_deref())).or_insert(found.len());
        if place == found.len() {
            found.push(Sides::default());
        }
        let sides = &mut found[place];
        if sides.settings.is_empty() || Some(run.spec.epochs.into()) > Sides::epochs(&sides.settings) {
            let others = settings(&run.spec).into_iter().filter(|(name, _)| *name != "seed" && *name != claim.field);
            sides.settings = others.map(|(name, value)| (name.into(), value)).collect();
        }
        if sides.data.is_none() {
            (sides.data, sides.digest) = (run.data_name.clone(), run.data_digest.clone());
        }
        // The newest of several equal runs, unless one says more that went on for longer.
        let held = &mut sides.by_seed.entry(run.seed).or_default()[side];
        if held.as_ref().is_none_or(|held| glance.says_more_than(held)) {
            *held = Some(glance);
        }
    }
    found
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
    let bound = known && !(a.reached && b.reached);
    Pair { seed, a, b, difference: known.then_some(a.value - b.value), bound }
}

fn finding(
    claim: &Claim,
    settings: Map<String, Value>,
    pairs: Vec<Pair>,
    [a_lacks, b_lacks]: [Vec<u64>; 2],
) -> Finding {
    let differences = pairs.iter().filter_map(|pair| pair.difference).collect::<Vec<_>>();
    let bounds = pairs.iter().filter(|pair| pair.bound).count();
    let paired = if bounds > 0 { Paired::of_bounds(&differences) } else { Paired::of(&differences) };
    let missing = FEWEST.saturating_sub(differences.len() + a_lacks.len() + b_lacks.len());
    let taken =
        |seed: &u64| pairs.iter().any(|pair| pair.seed == *seed) || a_lacks.contains(seed) || b_lacks.contains(seed);
    let missing_seeds = (1..).filter(|seed| !taken(seed)).take(missing).collect();
    Finding {
        settings,
        data: None,
        data_digest: None,
        verdict: verdict(paired.as_ref(), claim.direction),
        paired,
        bounds,
        missing_seeds,
        a_lacks,
        b_lacks,
        pairs_total: pairs.len(),
        pairs,
    }
}

fn verdict(paired: Option<&Paired>, direction: Direction) -> Verdict {
    let Some(paired) = paired.filter(|p| p.differences.n >= FEWEST) else { return Verdict::TooFewPairs };
    // So many pairs have an interval unless some are bounds.
    let interval = paired.differences.interval;
    let is_lower = paired.p_lower <= LEVEL && interval.is_none_or(|[_, high]| high < 0.0);
    let is_higher = paired.p_higher <= LEVEL && interval.is_none_or(|[low, _]| low > 0.0);
    match (is_lower, is_higher, direction) {
        (true, _, Direction::Lower) | (_, true, Direction::Higher) => Verdict::Supported,
        (true, ..) | (_, true, _) => Verdict::Contradicted,
        (false, false, _) => Verdict::Undecided,
    }
}
