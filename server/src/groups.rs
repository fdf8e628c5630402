//! Several runs taken together: which fields tell them apart, and what the runs of one setting say as a group.

mod courses;
mod traits;

use crate::error::Error;
use crate::runs::Run;
use crate::state::{RunState, Status, Summary};
use crate::stats::Sample;
use crate::store::RunId;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::slice;
use std::sync::Arc;
use trainer::event::EpochReport;
use trainer::measure::{METRICS, Metric};
use traits::label;

pub(crate) use courses::{Course, Courses};
pub(crate) use traits::{APART, differing, known, others, place, query, settings, told, varied};

/// The states of runs, in their order. Reads the logs of those that are over.
pub(crate) async fn states(runs: &[Arc<Run>]) -> Result<Vec<RunState>, Error> {
    let mut states = Vec::with_capacity(runs.len());
    for run in runs {
        states.push(run.state().await?);
    }
    Ok(states)
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

/// Runs that agree in what they are grouped by.
#[derive(Debug)]
pub(crate) struct Members {
    /// The fields, and their values.
    pub(crate) values: Map<String, Value>,
    /// Places in the list of all runs, ascending.
    pub(crate) places: Vec<usize>,
}

/// Groups runs, in the order of their first runs. A run with several tags is in the group of each.
pub(crate) fn members(runs: &[Arc<Summary>], by: &[&'static str]) -> Vec<Members> {
    let mut groups: Vec<Members> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for (place, run) in runs.iter().enumerate() {
        for values in combinations(run, by) {
            let group = *known.entry(json!(values).to_string()).or_insert(groups.len());
            if group == groups.len() {
                let values = by.iter().map(ToString::to_string).zip(values).collect();
                groups.push(Members { values, places: Vec::new() });
            }
            groups[group].places.push(place);
        }
    }
    groups
}

/// What a run says to each field; more than once where it has several tags.
fn combinations(run: &Summary, by: &[&'static str]) -> Vec<Vec<Value>> {
    by.iter().fold(vec![Vec::new()], |all, name| {
        let told = told(run, name);
        let with = |begun: &Vec<Value>| {
            told.iter().map(|value| [&begun[..], slice::from_ref(value)].concat()).collect::<Vec<_>>()
        };
        all.iter().flat_map(with).collect()
    })
}

/// So many runs at most, the newest of each group, and as many of each as there is room for. Of runs that stand oldest first.
pub(crate) fn newest_of_each(groups: &[Members], most: usize) -> BTreeSet<usize> {
    let mut chosen = BTreeSet::new();
    let deepest = groups.iter().map(|group| group.places.len()).max().unwrap_or_default();
    for depth in 0..deepest {
        let row = groups.iter().filter_map(|group| group.places.iter().nth_back(depth));
        for place in row {
            if chosen.len() == most {
                return chosen;
            }
            chosen.insert(*place);
        }
    }
    chosen
}

/// A group in numbers.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Group {
    /// `v1.1, lambda 0.1`
    pub(crate) label: String,
    /// The fields they are grouped by, and their values.
    pub(crate) values: Map<String, Value>,
    /// The query for its runs; `null` where no query says it.
    pub(crate) query: Option<String>,
    /// How many runs it has.
    pub(crate) total: usize,
    /// Those of them that are told of, oldest first.
    pub(crate) runs: Vec<RunId>,
    /// How many of them the curve is over.
    pub(crate) drawn: usize,
    /// The chosen metric by epoch, over those that have the epoch.
    pub(crate) curve: Vec<CurvePoint>,
    /// Every metric over all that have finished.
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

/// A metric of a run by epoch.
pub(crate) type Curve = Vec<(u32, f64)>;

/// What `members` of all `runs` say: with the `curves` that were read, by place, and the runs that are `told` of.
pub(crate) fn summarise(
    members: &Members,
    runs: &[Arc<Summary>],
    curves: &HashMap<usize, Curve>,
    told: &BTreeSet<usize>,
    query: Option<String>,
) -> Group {
    let mut by_epoch: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    let drawn = members.places.iter().filter_map(|place| curves.get(place)).collect::<Vec<_>>();
    for &(epoch, value) in drawn.iter().copied().flatten() {
        by_epoch.entry(epoch).or_default().push(value);
    }
    let point = |(epoch, values): (u32, Vec<f64>)| Some(CurvePoint { epoch, sample: Sample::of(&values)? });
    let own = || members.places.iter().map(|&place| &runs[place]);
    let done = own().filter(|run| run.status == Status::Finished).collect::<Vec<_>>();
    Group {
        label: label(&members.values),
        values: members.values.clone(),
        query,
        total: members.places.len(),
        runs: members.places.iter().filter(|place| told.contains(place)).map(|&place| runs[place].id).collect(),
        drawn: drawn.len(),
        curve: by_epoch.into_iter().filter_map(point).collect(),
        finished: METRICS.iter().filter_map(|m| Some((m.name, finished(m, &done)?))).collect(),
    }
}

fn finished(metric: &Metric, done: &[&Arc<Summary>]) -> Option<Finished> {
    let figures = done.iter().filter_map(|run| run.metrics.get(metric.name)).collect::<Vec<_>>();
    let best = figures.iter().filter_map(|figure| figure.best).collect::<Vec<_>>();
    let last = figures.iter().map(|figure| figure.last).collect::<Vec<_>>();
    Some(Finished { last: Sample::of(&last)?, best: Sample::of(&best) })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::state::LogLine;
    use trainer::event::{Fork, Geometry, RunEvent};
    use trainer::spec::{Distance, Network, Profile, RunSpec};

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
        let runs = states.iter().map(|state| Arc::new(state.summary.clone())).collect::<Vec<_>>();
        let accuracy = metric("test_accuracy").unwrap();
        let courses = states.map(Course::from);
        let curves = courses.iter().map(|course| course.of(accuracy).collect::<Curve>()).enumerate().collect();
        let groups = members(&runs, &["lambda"]);
        let told = BTreeSet::from([0, 1, 2, 3]);
        let groups = groups.iter().map(|group| summarise(group, &runs, &curves, &told, None)).collect::<Vec<_>>();
        assert_eq!(groups.iter().map(|g| g.label.as_str()).collect::<Vec<_>>(), ["lambda 0.1", "lambda 1"]);
        let curve = groups[0].curve.iter().map(|p| (p.epoch, p.sample.n, p.sample.mean)).collect::<Vec<_>>();
        assert_eq!(curve.iter().map(|p| (p.0, p.1)).collect::<Vec<_>>(), [(1, 3), (2, 2)]);
        assert!((curve[0].2 - 0.7).abs() < 1e-12 && (curve[1].2 - 0.85).abs() < 1e-12);
        let done = &groups[0].finished["test_accuracy"];
        assert_eq!((done.last.n, done.best.unwrap().max), (2, 0.9));
        assert_eq!(groups[1].finished["test_accuracy"].best.unwrap().mean, 0.4, "its best is its first epoch");
        assert_eq!(label(&members(&runs, &[])[0].values), "all runs");
    }

    #[test]
    fn variants_differ_as_one_field() {
        let states = [state(1, 1.0, Distance::Root, &[], false), state(1, 1.0, Distance::Squared, &[], false)];
        assert_eq!(varied(states.iter().map(|s| &s.summary.spec)), ["variant"]);
        let groups = members(&states.map(|state| Arc::new(state.summary)), &["variant"]);
        assert_eq!(groups.iter().map(|group| label(&group.values)).collect::<Vec<_>>(), ["V1.1", "V1.0"]);
    }

    #[test]
    fn a_run_is_in_the_group_of_each_of_its_tags_and_each_group_has_a_query() {
        let tagged = |seed, tags: &[&str]| {
            let run = state(seed, 0.1, Distance::Squared, &[0.5], true).summary;
            Arc::new(Summary { tags: tags.iter().map(ToString::to_string).collect(), network: Network::Shallow, ..run })
        };
        let mut runs = vec![tagged(1, &["a", "b \"c\""]), tagged(2, &[]), tagged(3, &["a"])];
        let shallow = RunSpec { network: Network::Shallow, ..runs[0].spec.clone() };
        runs.iter_mut().for_each(|run| Arc::make_mut(run).spec = shallow.clone());
        assert_eq!(others(runs.iter().map(|run| &**run)), ["tags"]);
        let groups = members(&runs, &["variant", "lambda", "tags", "archived", "created"]);
        let labels = ["tag a", "tag b \"c\"", "no tag"];
        assert_eq!(
            groups.iter().map(|group| (label(&group.values), &group.places[..])).collect::<Vec<_>>(),
            labels
                .into_iter()
                .zip([&[0, 2][..], &[0], &[1]])
                .map(|(tag, places)| (
                    format!("SHALLOW · SQUARED, lambda 0.1, created 1970-01-01, {tag}, not archived"),
                    places
                ))
                .collect::<Vec<_>>()
        );
        for group in &groups {
            let query = query("seed = 1 or seed > 1", &group.values).unwrap();
            let query = crate::query::Query::parse(&query, 0).unwrap();
            let found = (0..3).filter(|&place| query.matches(&runs[place]));
            assert_eq!(found.collect::<Vec<_>>(), group.places);
        }
    }

    #[test]
    fn of_many_runs_the_newest_of_each_group_are_looked_at() {
        let group = |places: &[usize]| Members { values: Map::new(), places: places.to_vec() };
        let groups = [group(&[0, 1, 2, 3, 4]), group(&[5]), group(&[4, 6, 7])];
        assert_eq!(newest_of_each(&groups, 5).into_iter().collect::<Vec<_>>(), [3, 4, 5, 6, 7]);
        assert_eq!(newest_of_each(&groups, 100).len(), 8);
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
        let groups = members(&[Arc::new(seen(Some("0123456789"))), Arc::new(seen(None))], &APART);
        let labels = groups.iter().map(|group| label(&group.values)).collect::<Vec<_>>();
        assert_eq!(labels, ["MNIST (01234567), no fork", "data not known yet, no fork"]);
    }
}
