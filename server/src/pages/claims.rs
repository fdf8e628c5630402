//! The page that puts sentences to the test.

use super::plan::count;
use crate::claims::{At, Claim, ClaimsAnswer, Direction, Finding, Reading, Tested, Verdict, fields};
use crate::error::Error;
use crate::groups::metric;
use crate::stats::Sample;
use crate::text;
use askama::Template;
use serde_json::Value;
use trainer::measure::{METRICS, Metric};
use trainer::spec::FIELDS;

/// Claims and what the runs say of them.
#[derive(Template)]
#[template(path = "claims.html")]
pub(crate) struct ClaimsPage {
    claims: Vec<ClaimView>,
    /// The sweep that the runs are taken from; empty where all count.
    sweep: String,
    /// `1 234 finished runs`
    witnesses: String,
    archived: bool,
    form: ClaimForm,
    version: &'static str,
}

struct ClaimView {
    sentence: String,
    findings: Vec<FindingView>,
    /// How many settings with pairs are not shown.
    more: usize,
}

struct FindingView {
    /// `supported`
    verdict: &'static str,
    /// The verdict's class.
    class: &'static str,
    /// Why, in a sentence.
    reason: String,
    /// What both sides share, in words.
    settings: String,
    /// What is left out; empty where nothing is.
    left_out: String,
    a: String,
    b: String,
    /// `epochs`
    unit: &'static str,
    pairs: Vec<PairRow>,
    facts: Vec<(&'static str, String)>,
    offers: Vec<Offer>,
}

struct PairRow {
    seed: u64,
    a: String,
    a_url: String,
    b: String,
    b_url: String,
    difference: String,
    /// Whether it speaks for the claim (`for`), against it (`against`) or for nothing.
    class: &'static str,
}

/// A form that runs missing seeds.
struct Offer {
    label: String,
    inputs: Vec<(String, String)>,
}

/// The form for a claim of one's own.
struct ClaimForm {
    fields: Vec<&'static str>,
    metrics: Vec<(&'static str, &'static str, bool)>,
    field: String,
    a: String,
    b: String,
    at: &'static str,
    threshold: String,
    direction: &'static str,
}

impl ClaimsPage {
    /// The claims as tested; `sweep` is empty unless they rest on one sweep's runs.
    pub(crate) fn new(answer: &ClaimsAnswer, sweep: &str) -> Result<ClaimsPage, Error> {
        let ClaimsAnswer { claims, witnesses, archived } = answer;
        let first = claims.first().map(|tested| &tested.claim).cloned();
        let first = first.or_else(|| Claim::presets().into_iter().next());
        let first = first.ok_or_else(|| Error::Internal("there is no claim to test".into()))?;
        Ok(ClaimsPage {
            claims: claims.iter().map(ClaimView::new).collect::<Result<_, _>>()?,
            sweep: sweep.into(),
            witnesses: count(*witnesses, "finished run"),
            archived: *archived,
            form: ClaimForm {
                fields: fields().collect(),
                metrics: METRICS.iter().map(|m| (m.name, m.label, m.name == first.metric)).collect(),
                field: first.field.clone(),
                a: text::plain(&first.a),
                b: text::plain(&first.b),
                at: match first.at {
                    At::Reach => "reach",
                    At::Best => "best",
                    At::Last => "last",
                },
                threshold: match (first.threshold, metric(first.metric)?) {
                    (None, _) => String::new(),
                    (Some(threshold), metric) => text::short_metric(metric, threshold),
                },
                direction: if first.direction == Direction::Lower { "lower" } else { "higher" },
            },
            version: env!("CARGO_PKG_VERSION"),
        })
    }
}

impl ClaimView {
    fn new(tested: &Tested) -> Result<ClaimView, Error> {
        let metric = metric(tested.claim.metric)?;
        let findings = tested.findings.iter().map(|finding| FindingView::new(&tested.claim, finding, metric));
        let more = tested.settings_total.saturating_sub(tested.findings.len());
        Ok(ClaimView { sentence: tested.claim.sentence.clone(), findings: findings.collect(), more })
    }
}

impl FindingView {
    fn new(claim: &Claim, finding: &Finding, metric: &Metric) -> FindingView {
        let epochs = claim.at == At::Reach;
        let value = |value: f64| if epochs { text::signed(value, 1) } else { text::signed_metric(metric, value) };
        let reading = |reading: &Reading| match (epochs, reading.reached) {
            (true, true) => format!("epoch {}", reading.value),
            (true, false) => format!("not in {}", reading.value - 1.0),
            (false, _) => text::metric(metric, reading.value),
        };
        let towards = if claim.direction == Direction::Lower { -1.0 } else { 1.0 };
        let pairs = finding.pairs.iter().map(|pair| PairRow {
            seed: pair.seed,
            a: reading(&pair.a),
            a_url: format!("/runs/{}", pair.a.run),
            b: reading(&pair.b),
            b_url: format!("/runs/{}", pair.b.run),
            difference: pair.difference.map_or_else(
                || "says nothing".into(),
                |d| if pair.bound { format!("{} or further", value(d)) } else { value(d) },
            ),
            class: match pair.difference.map(|d| d * towards) {
                Some(d) if d > 0.0 => "for",
                Some(d) if d < 0.0 => "against",
                _ => "neither",
            },
        });
        let (verdict, class) = match finding.verdict {
            Verdict::Supported => ("supported", "supported"),
            Verdict::Contradicted => ("contradicted", "contradicted"),
            Verdict::Undecided => ("undecided", "undecided"),
            Verdict::TooFewPairs => ("too few pairs to decide", "too-few"),
        };
        FindingView {
            verdict,
            class,
            reason: reason(claim, finding, value),
            settings: worded_settings(finding),
            left_out: match finding.pairs_total - finding.pairs.len() {
                0 => String::new(),
                more => format!("{} are looked at, and {more} more are here.", count(finding.pairs.len(), "pair")),
            },
            a: claim.side(&claim.a),
            b: claim.side(&claim.b),
            unit: if epochs { "epochs" } else { metric.unit },
            pairs: pairs.collect(),
            facts: facts(claim, finding, value),
            offers: offers(claim, finding),
        }
    }
}

/// Why the verdict is what it is.
fn reason(claim: &Claim, finding: &Finding, value: impl Fn(f64) -> String) -> String {
    let usable = finding.paired.map_or(0, |p| p.differences.n);
    let Some(paired) = finding.paired.filter(|_| finding.verdict != Verdict::TooFewPairs) else {
        let told = format!("{} of the 5 that a verdict needs at least.", count(usable, "usable pair"));
        let halves = finding.a_lacks.len() + finding.b_lacks.len();
        return match halves {
            0 => told,
            1 => format!("{told} 1 seed more is on one side alone."),
            more => format!("{told} {more} seeds more are on one side alone."),
        };
    };
    let pairs = count(usable, "pair");
    let p = paired.p_lower.min(paired.p_higher);
    let towards = if (p == paired.p_lower) == (claim.direction == Direction::Lower) { "for" } else { "against" };
    let decided = finding.verdict != Verdict::Undecided;
    let Some([low, high]) = paired.differences.interval else {
        let short = if decided { "" } else { ", more than 0.05" };
        return format!(
            "Over {pairs}, {} of them “or further”, which no interval can be made of: the sign-flip test of the signs alone \
             {towards} the claim has p = {p:.3}{short}.",
            finding.bounds
        );
    };
    let interval = format!("the 95 % interval of the mean difference goes from {} to {}", value(low), value(high));
    if decided {
        return format!(
            "Over {pairs} {interval}, all on one side of zero, and the sign-flip test {towards} the claim has p = {p:.3}."
        );
    }
    match low <= 0.0 && high >= 0.0 {
        true => format!("Over {pairs} {interval}: zero lies within."),
        false => format!(
            "Over {pairs} {interval}, but the sign-flip test {towards} the claim has p = {p:.3}, more than 0.05."
        ),
    }
}

fn worded_settings(finding: &Finding) -> String {
    if finding.settings.is_empty() {
        return "no run that counts is on either side: finished, no fork, not archived, and with this metric".into();
    }
    let said = FIELDS.iter().filter_map(|f| Some((f.name, finding.settings.get(f.name)?)));
    let said = said.filter(|(name, _)| !matches!(*name, "dataset" | "device"));
    let said = said.map(|(name, value)| format!("{name} {}", text::plain(value))).collect::<Vec<_>>().join(", ");
    let data = text::data(finding.data.as_deref(), finding.data_digest.as_deref());
    format!("{data}, {said}")
}

fn facts(claim: &Claim, finding: &Finding, value: impl Fn(f64) -> String) -> Vec<(&'static str, String)> {
    let Some(paired) = finding.paired else { return Vec::new() };
    let interval = |[low, high]: [f64; 2]| format!("{} to {}", value(low), value(high));
    let (for_it, against_it) = match claim.direction {
        Direction::Lower => (paired.p_lower, paired.p_higher),
        Direction::Higher => (paired.p_higher, paired.p_lower),
    };
    let Sample { n, mean, sd, interval: t_interval, .. } = paired.differences;
    // A mean over bounds is one, too, where all of them leave room on its own side.
    let mut bounds = finding.pairs.iter().filter(|pair| pair.bound).filter_map(|pair| pair.difference);
    let outward = bounds.all(|bound| bound * mean > 0.0);
    let mean = match (finding.bounds, outward) {
        (0, _) => Some(value(mean)),
        (_, true) => Some(format!("{} or further", value(mean))),
        (_, false) => None,
    };
    let test = if finding.bounds > 0 {
        ("sign-flip test of the signs, p for the claim", "sign-flip test of the signs, p against it")
    } else {
        ("sign-flip test, p for the claim", "sign-flip test, p against it")
    };
    let facts = [
        ("pairs that count", Some(n.to_string())),
        ("of them “or further”", (finding.bounds > 0).then(|| finding.bounds.to_string())),
        ("mean difference", mean),
        ("standard deviation", sd.map(|sd| value(sd).trim_start_matches('+').into())),
        ("95 % t interval", t_interval.map(interval)),
        ("95 % bootstrap interval", paired.bootstrap.map(interval)),
        ("effect size d_z", paired.effect_size.map(|d| text::signed(d, 2))),
        (test.0, Some(format!("{for_it:.3}"))),
        (test.1, Some(format!("{against_it:.3}"))),
    ];
    facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// The runs that would make more pairs: those that one side lacks, and both of what neither has.
fn offers(claim: &Claim, finding: &Finding) -> Vec<Offer> {
    let (a, b) = (&claim.a, &claim.b);
    let sides = [(&finding.a_lacks, vec![a]), (&finding.b_lacks, vec![b]), (&finding.missing_seeds, vec![a, b])];
    let offers = sides.into_iter().filter(|(seeds, _)| !seeds.is_empty()).map(|(seeds, sides)| {
        let listed = seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        let who = match sides[..] {
            [side] => claim.side(side),
            _ => "both sides".into(),
        };
        let word = if seeds.len() == 1 { "seed" } else { "seeds" };
        let mut inputs = inputs(claim, finding, &sides);
        // A list would make a sweep of one.
        inputs.push((word.into(), listed.clone()));
        Offer { label: format!("Run {who} with {word} {listed}"), inputs }
    });
    offers.collect()
}

/// What a form sends to run these sides with the settings that both share.
fn inputs(claim: &Claim, finding: &Finding, sides: &[&Value]) -> Vec<(String, String)> {
    let mut inputs =
        finding.settings.iter().map(|(name, value)| (name.clone(), text::plain(value))).collect::<Vec<_>>();
    let sides = sides.iter().map(|side| text::plain(side));
    match claim.field.as_str() {
        "variant" if sides.len() > 1 => inputs.extend(sides.map(|side| ("variants".into(), side))),
        "variant" => inputs.extend(sides.map(|side| ("variant".into(), side))),
        field => {
            if !finding.settings.contains_key("variant") {
                inputs.push(("variant".into(), "v1.0".into()));
            }
            inputs.push((field.into(), sides.collect::<Vec<_>>().join(", ")));
        }
    }
    // A combination without a name is asked for by its parts.
    if let Some(at) = inputs.iter().position(|(name, value)| name == "variant" && value.contains('·')) {
        let (_, words) = inputs.remove(at);
        let parts = ["network", "distance"].into_iter().zip(words.split(" · "));
        inputs.extend(parts.map(|(name, word)| (name.to_string(), word.to_string())));
    }
    inputs
}
