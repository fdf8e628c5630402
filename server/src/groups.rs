//! Several runs taken together: which fields tell them apart, and what the runs of one setting say as a group.

mod courses;

use crate::error::Error;
use crate::runs::Run;
use crate::state::{RunState, Status, Summary};
use crate::stats::Sample;
use crate::store::RunId;
use crate::text;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use trainer::event::EpochReport;
use trainer::measure::{METRICS, Metric};
use trainer::spec::{FIELDS, RunSpec};

pub(crate) use courses::{Course, Courses};

/// What no mean may mix besides settings: the images that the runs saw, and from which epoch on a fork's settings are its own.
pub(crate) const APART: [&str; 2] = ["data", "fork"];

/// The states of runs, in their order. Reads the logs of those that are over.
pub(crate) async fn states(runs: &[Arc<Run>]) -> Result<Vec<RunState>, Error> {
    let mut states = Vec::with_capacity(runs.len());
    for run in runs {
        states.push(run.state().await?);
    }
    Ok(states)
}

/// What a run was asked to do, field by field in the usual order. Network and distance count as one field, `variant`: the
/// variant's word, or both parts where they have no name.
pub(crate) fn settings(spec: &RunSpec) -> Vec<(&'static str, Value)> {
    let values = serde_json::to_value(spec).unwrap_or_default();
    let value = |name: &'static str| match name {
        "variant" => Some(match spec.variant() {
            Some(variant) => json!(variant),
            None => json!(spec.label()),
        }),
        "network" | "distance" => None,
        other => values.get(other).cloned(),
    };
    FIELDS.iter().filter_map(|field| Some((field.name, value(field.name)?))).collect()
}

/// The names of the settings in which runs of these specs differ, in the usual order, without those that follow from
/// others in all of them.
pub(crate) fn varied<'a>(specs: impl IntoIterator<Item = &'a RunSpec>) -> Vec<&'static str> {
    let specs = specs.into_iter().collect::<Vec<_>>();
    let all = specs.iter().map(|spec| settings(spec)).collect::<Vec<_>>();
    let Some((first, others)) = all.split_first() else { return Vec::new() };
    let differs = |at: usize| others.iter().any(|other| other.get(at) != first.get(at));
    let told = (0..first.len()).filter(|&at| differs(at)).map(|at| first[at].0);
    told.filter(|name| !specs.iter().all(|spec| spec.follows(name))).collect()
}

/// All that a run can be grouped by: its settings, and [`APART`]. `null` is what isn't known yet.
pub(crate) fn traits(run: &Summary) -> Vec<(&'static str, Value)> {
    let data = run.data_name.as_deref().map(|name| text::data(Some(name), run.data_digest.as_deref()));
    let fork = run.fork.as_ref().map_or_else(|| "no fork".into(), |fork| format!("forked after epoch {}", fork.epoch));
    settings(&run.spec).into_iter().chain(APART.into_iter().zip([json!(data), json!(fork)])).collect()
}

/// The names of the traits in which runs differ, in the usual order.
pub(crate) fn differing<'a>(runs: impl Clone + IntoIterator<Item = &'a Summary>) -> Vec<&'static str> {
    let mut names = varied(runs.clone().into_iter().map(|run| &run.spec));
    let all = runs.into_iter().map(traits).collect::<Vec<_>>();
    let apart = |name: &&str| {
        let mut values = all.iter().flatten().filter(|(known, value)| known == name && !value.is_null());
        let first = values.next();
        values.any(|value| Some(value) != first)
    };
    names.extend(APART.into_iter().filter(apart));
    names
}

/// The metric of that name.
///
/// # Errors
/// There is none: the sentence names all.
pub(crate) fn metric(name: &str) -> Result<&'static Metric, Error> {
    let known = METRICS.iter().find(|metric| metric.name == name);
    known.ok_or_else(|| Error::parameter("metric", name, metric_names()))
}

/// All of them, as a phrase.
pub(crate) fn metric_names() -> String {
    format!("one of {}", METRICS.iter().map(|m| m.name).collect::<Vec<_>>().join(", "))
}

/// A metric's best value in a history and its epoch, the first where several are equal; the last value where neither way
/// is better.
pub(crate) fn best(metric: &Metric, history: &[EpochReport]) -> Option<(u32, f64)> {
    best_of(metric, history.iter().filter_map(|report| Some((report.epoch, *report.metrics.get(metric.name)?))))
}

/// The same of values by epoch.
pub(crate) fn best_of(metric: &Metric, values: impl Iterator<Item = (u32, f64)>) -> Option<(u32, f64)> {
    match metric.higher_is_better {
        Some(_) => values.reduce(|a, b| if metric.is_better(b.1, a.1) { b } else { a }),
        None => values.last(),
    }
}

/// Runs that agree in the fields they are grouped by.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Group {
    /// `v1.1, lambda 0.1`
    pub(crate) label: String,
    /// The fields they are grouped by, and their values.
    pub(crate) values: Map<String, Value>,
    /// Who belongs to it.
    pub(crate) runs: Vec<RunId>,
    /// The chosen metric by epoch, over all runs that have the epoch.
    pub(crate) curve: Vec<CurvePoint>,
    /// Every metric over the runs that have finished.
    pub(crate) finished: BTreeMap<&'static str, Finished>,
}

/// A metric of a group at one epoch.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct CurvePoint {
    /// From 1.
    pub(crate) epoch: u32,
    /// Over the group's runs.
    #[serde(flatten)]
    pub(crate) sample: Sample,
}

/// A metric of a group over its finished runs.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Finished {
    /// At each run's last epoch.
    pub(crate) last: Sample,
    /// At each run's best epoch; absent where neither way is better.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) best: Option<Sample>,
}

/// Groups runs by traits; the groups come in the order of their first runs.
pub(crate) fn group(courses: &[Course], by: &[&str], metric: &Metric) -> Vec<Group> {
    let mut groups: Vec<(Map<String, Value>, Vec<&Course>)> = Vec::new();
    for course in courses {
        let traits = traits(&course.summary).into_iter();
        let values = traits.filter(|(name, _)| by.contains(name)).map(|(name, value)| (name.into(), value));
        let values = values.collect::<Map<_, _>>();
        match groups.iter_mut().find(|(known, _)| *known == values) {
            Some((_, members)) => members.push(course),
            None => groups.push((values, vec![course])),
        }
    }
    groups.into_iter().map(|(values, members)| summarise(values, &members, metric)).collect()
}

fn summarise(values: Map<String, Value>, members: &[&Course], metric: &Metric) -> Group {
    let mut by_epoch: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for (epoch, value) in members.iter().flat_map(|course| course.of(metric)) {
        by_epoch.entry(epoch).or_default().push(value);
    }
    let point = |(epoch, values): (u32, Vec<f64>)| Some(CurvePoint { epoch, sample: Sample::of(&values)? });
    Group {
        label: label(&values),
        runs: members.iter().map(|course| course.summary.id).collect(),
        curve: by_epoch.into_iter().filter_map(point).collect(),
        finished: METRICS.iter().filter_map(|m| Some((m.name, finished(m, members)?))).collect(),
        values,
    }
}

fn finished(metric: &Metric, members: &[&Course]) -> Option<Finished> {
    let done = members.iter().filter(|course| course.summary.status == Status::Finished).collect::<Vec<_>>();
    let last = done.iter().filter_map(|course| course.last(metric));
    let best = done.iter().filter_map(|course| best_of(metric, course.of(metric))).map(|(_, value)| value);
    let best = metric.higher_is_better.and_then(|_| Sample::of(&best.collect::<Vec<_>>()));
    Some(Finished { last: Sample::of(&last.collect::<Vec<_>>())?, best })
}

fn label(values: &Map<String, Value>) -> String {
    let setting = |name: &str| {
        let value = text::plain(values.get(name)?);
        Some(if name == "variant" { value.to_uppercase() } else { format!("{name} {value}") })
    };
    let apart = |name: &str| Some(values.get(name)?.as_str().unwrap_or("data not known yet").to_string());
    let said = FIELDS.iter().filter_map(|field| setting(field.name)).chain(APART.into_iter().filter_map(apart));
    let said = said.collect::<Vec<_>>().join(", ");
    if said.is_empty() { "all runs".into() } else { said }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::state::LogLine;
    use trainer::event::{Fork, Geometry, RunEvent};
    use trainer::spec::{Distance, Network, Profile};

    /// A run with these accuracies, one an epoch.
    pub(crate) fn state(seed: u64, lambda: f64, distance: Distance, accuracies: &[f64], over: bool) -> RunState {
        let spec = RunSpec { seed, lambda, ..RunSpec::preset(Profile::Quick, Network::Deep, distance) };
        let line = |seq, event| LogLine { seq, time_ms: 0, event };
        let scheduled =
            RunEvent::Scheduled { name: "a".into(), comparison: None, sweep: Some("s".into()), spec, fork: None };
        let mut state = RunState::begin(RunId::fresh(), &line(1, scheduled)).unwrap();
        let geometry =
            Geometry { centers: [[0.0; 2]; 10], means: [[0.0; 2]; 10], weight: [[0.0; 2]; 10], bias: [0.0; 10] };
        for (i, accuracy) in accuracies.iter().enumerate() {
            let report = EpochReport {
                epoch: i as u32 + 1,
                metrics: BTreeMap::from([("test_accuracy".into(), *accuracy)]),
                confusion: [[0; 10]; 10],
                geometry: geometry.clone(),
                artifacts: Vec::new(),
                sha256: BTreeMap::new(),
            };
            state.apply(&line(2 + i as u64, RunEvent::Epoch(Box::new(report))));
        }
        if over {
            state.apply(&line(9, RunEvent::Finished));
        }
        state
    }

    #[test]
    fn runs_of_one_setting_make_a_group_and_the_unfinished_count_in_its_curve_only() {
        let states = [
            state(1, 0.1, Distance::Root, &[0.5, 0.9], true),
            state(1, 1.0, Distance::Root, &[0.4, 0.3], true),
            state(2, 0.1, Distance::Root, &[0.7, 0.8], true),
            state(3, 0.1, Distance::Root, &[0.9], false),
        ];
        assert_eq!(varied(states.iter().map(|s| &s.summary.spec)), ["seed", "lambda"]);
        let courses = states.map(Course::from);
        let groups = group(&courses, &["lambda"], metric("test_accuracy").unwrap());
        assert_eq!(groups.iter().map(|g| g.label.as_str()).collect::<Vec<_>>(), ["lambda 0.1", "lambda 1"]);
        let curve = groups[0].curve.iter().map(|p| (p.epoch, p.sample.n, p.sample.mean)).collect::<Vec<_>>();
        assert_eq!(curve.iter().map(|p| (p.0, p.1)).collect::<Vec<_>>(), [(1, 3), (2, 2)]);
        assert!((curve[0].2 - 0.7).abs() < 1e-12 && (curve[1].2 - 0.85).abs() < 1e-12);
        let done = &groups[0].finished["test_accuracy"];
        assert_eq!((done.last.n, done.best.unwrap().max), (2, 0.9));
        assert_eq!(groups[1].finished["test_accuracy"].best.unwrap().mean, 0.4, "its best is its first epoch");
        assert_eq!(group(&courses, &[], metric("test_accuracy").unwrap())[0].label, "all runs");
    }

    #[test]
    fn variants_differ_as_one_field() {
        let states = [state(1, 1.0, Distance::Root, &[], false), state(1, 1.0, Distance::Squared, &[], false)];
        assert_eq!(varied(states.iter().map(|s| &s.summary.spec)), ["variant"]);
        let groups = group(&states.map(Course::from), &["variant"], metric("train_loss").unwrap());
        assert_eq!(groups.iter().map(|g| g.label.as_str()).collect::<Vec<_>>(), ["V1.1", "V1.0"]);
    }

    #[test]
    fn what_saw_other_images_or_is_a_fork_differs_and_what_has_yet_to_begin_does_not() {
        let seen = |digest: Option<&str>| {
            let mut run = state(1, 1.0, Distance::Root, &[0.5], true).summary;
            run.data_name = digest.map(|_| "MNIST".into());
            run.data_digest = digest.map(String::from);
            run
        };
        let of = |runs: &[Summary]| differing(runs);
        assert!(of(&[seen(Some("0123456789")), seen(None)]).is_empty());
        assert_eq!(of(&[seen(Some("0123456789")), seen(None), seen(Some("9876543210"))]), ["data"]);
        let fork = Fork { run: "parent".into(), epoch: 2, sha256: String::new(), data: None };
        assert_eq!(of(&[seen(None), Summary { fork: Some(fork), ..seen(None) }]), ["fork"]);
        let values = traits(&seen(Some("0123456789"))).into_iter().map(|(name, value)| (name.into(), value));
        let values = values.filter(|(name, _): &(String, _)| APART.contains(&name.as_str())).collect();
        assert_eq!(label(&values), "MNIST (01234567), no fork");
    }
}
