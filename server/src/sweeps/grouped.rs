//! Runs by groups: what every group says, and of many runs the newest one by one.

use super::Asked;
use crate::App;
use crate::error::Error;
use crate::groups::{
    self, APART, Curve, Group, Members, differing, known, metric, newest_of_each, others, place, summarise, told,
};
use crate::runs::Run;
use crate::state::Summary;
use crate::text;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use trainer::measure::METRICS;

/// Groups that are told of, the largest.
const MOST_GROUPS: usize = 100;
/// Runs whose courses are read for the groups' curves.
const MOST_READ: usize = 1000;
/// Runs that are told of one by one; a sweep has no more.
const MOST_TOLD: usize = 200;

/// Which runs are meant, and how that was said.
#[derive(Debug)]
pub(crate) struct Meant {
    pub(super) sweep: Option<String>,
    pub(super) query: Option<String>,
    pub(super) url: String,
    pub(super) archived: usize,
    /// Oldest first.
    pub(super) runs: Vec<Arc<Run>>,
}

impl Meant {
    pub(super) fn of(runs: Vec<Arc<Run>>) -> Meant {
        Meant { sweep: None, query: None, url: String::new(), archived: 0, runs }
    }

    /// The query for all of them.
    fn source(&self) -> Option<String> {
        self.query.clone().or_else(|| self.sweep.as_ref().map(|id| format!("sweep = {id}")))
    }
}

/// Runs taken together.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Grouped {
    /// The sweep; `null` where the runs are not those of one.
    pub(crate) sweep: Option<String>,
    /// The query that lets them through; `null` where they were named one by one or are those of a sweep.
    pub(crate) query: Option<String>,
    /// Their page.
    pub(crate) url: String,
    /// How many runs there are.
    pub(crate) total: usize,
    /// How many of the sweep's runs are left out since they were archived.
    pub(crate) archived: usize,
    /// How many stand where, by status.
    pub(crate) statuses: BTreeMap<&'static str, usize>,
    /// The images that the runs saw; those that have yet to begin have seen none.
    pub(crate) data: Vec<Seen>,
    /// The settings in which the runs differ; `data` and `fork` are such, too.
    pub(crate) varied: Vec<&'static str>,
    /// What else they differ in that makes groups: tags, status, the day …
    pub(crate) others: Vec<&'static str>,
    /// The fields by which they are grouped; where `data` or `fork` differ they are always among them.
    pub(crate) by: Vec<&'static str>,
    /// The metric of the curves.
    pub(crate) metric: &'static str,
    /// The groups, in the order of their first runs, or, of a query, of their values; the 100 largest at most.
    pub(crate) groups: Vec<Group>,
    /// How many groups there are.
    pub(crate) groups_total: usize,
    /// Over how many runs the curves are: the newest of each group, 1000 at most.
    pub(crate) drawn: usize,
    /// The runs, oldest first: the newest of each group, 200 at most.
    pub(crate) runs: Vec<Member>,
}

/// A data set that runs saw.
#[derive(Debug, PartialEq, JsonSchema, Serialize)]
pub(crate) struct Seen {
    /// For people.
    pub(crate) name: String,
    /// SHA-256 over its pixels and labels.
    pub(crate) digest: Option<String>,
    /// How many of the runs saw it.
    pub(crate) runs: usize,
}

/// One of several runs.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Member {
    /// The run in a few numbers.
    #[serde(flatten)]
    pub(crate) summary: Summary,
    /// The settings in which the runs differ.
    pub(crate) settings: Map<String, Value>,
    /// Every metric after the last epoch.
    pub(crate) last: BTreeMap<&'static str, f64>,
    /// Every metric's best value.
    pub(crate) best: BTreeMap<&'static str, f64>,
    /// The chosen metric by epoch: [epoch, value].
    pub(crate) curve: Curve,
}

impl Grouped {
    /// The runs that are meant, grouped as asked. Blocks on the disk.
    pub(super) fn new(app: &App, meant: Meant, asked: &Asked) -> Result<Grouped, Error> {
        let runs = meant.runs.iter().map(|run| run.summary()).collect::<Vec<_>>();
        let metric = metric(asked.metric.as_deref().unwrap_or("test_accuracy"))?;
        let varied = differing(runs.iter().map(|run| &**run));
        let by = by(asked.by.as_deref(), &varied, meant.query.is_some())?;
        let mut groups = groups::members(&runs, &by);
        let groups_total = groups.len();
        groups.sort_by_key(|group| Reverse(group.places.len()));
        groups.truncate(MOST_GROUPS);
        groups.sort_by(|a, b| match meant.query {
            Some(_) => in_order(&by, a, b),
            None => a.places.first().cmp(&b.places.first()),
        });

        let mut curves = HashMap::new();
        for place in newest_of_each(&groups, MOST_READ) {
            match app.courses.of(&meant.runs[place]) {
                Ok(course) => drop(curves.insert(place, course.of(metric).collect::<Curve>())),
                // A run that was deleted a moment ago says nothing where nobody named it.
                Err(_) if meant.query.is_some() => {}
                Err(error) => return Err(error.into()),
            }
        }
        let shown = newest_of_each(&groups, MOST_TOLD);
        let seen = seen(&runs);
        // Of two data sets of one name no query tells one.
        let twins = |name: &str| seen.iter().filter(|seen| seen.name == name).count() > 1;
        let vague = by.contains(&"data") && seen.iter().any(|seen| twins(&seen.name));
        let source = meant.source().filter(|_| !vague && !asked.archived);
        let query = |group: &Members| groups::query(source.as_deref()?, &group.values);
        let mut statuses = BTreeMap::new();
        runs.iter().for_each(|run| *statuses.entry(run.status.word()).or_default() += 1);
        Ok(Grouped {
            groups: groups.iter().map(|group| summarise(group, &runs, &curves, &shown, query(group))).collect(),
            groups_total,
            drawn: curves.len(),
            runs: shown.iter().map(|place| member(&runs[*place], &varied, curves.remove(place))).collect(),
            sweep: meant.sweep,
            query: meant.query,
            url: meant.url,
            total: runs.len(),
            archived: meant.archived,
            statuses,
            data: seen,
            others: others(runs.iter().map(|run| &**run)),
            varied,
            by,
            metric: metric.name,
        })
    }
}

/// What to group by: what was asked for; else all settings that differ but the seed, or, of whatever a query lets through, the
/// variant. And what no mean may mix.
fn by(asked: Option<&str>, varied: &[&'static str], any: bool) -> Result<Vec<&'static str>, Error> {
    let mut by = match asked {
        None if any => vec!["variant"],
        None => varied.iter().copied().filter(|name| *name != "seed").collect(),
        Some(names) => {
            let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
            names.map(known).collect::<Result<Vec<_>, _>>()?
        }
    };
    by.extend(APART.into_iter().filter(|name| varied.contains(name)));
    by.sort_by_key(|name| place(name));
    by.dedup();
    Ok(by)
}

/// By values, field by field: numbers by size, what isn't known last.
fn in_order(by: &[&str], a: &Members, b: &Members) -> Ordering {
    let order = |name: &&str| {
        let [a, b] = [a, b].map(|group| &group.values[*name]);
        match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            _ => (a.is_null(), text::plain(a)).cmp(&(b.is_null(), text::plain(b))),
        }
    };
    by.iter().map(order).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

fn seen(runs: &[Arc<Summary>]) -> Vec<Seen> {
    let mut all: Vec<Seen> = Vec::new();
    for run in runs {
        let Some(name) = &run.data_name else { continue };
        match all.iter_mut().find(|seen| seen.name == *name && seen.digest == run.data_digest) {
            Some(seen) => seen.runs += 1,
            None => all.push(Seen { name: name.clone(), digest: run.data_digest.clone(), runs: 1 }),
        }
    }
    all
}

fn member(run: &Arc<Summary>, varied: &[&'static str], curve: Option<Curve>) -> Member {
    let figures = || METRICS.iter().filter_map(|m| Some((m.name, run.metrics.get(m.name)?)));
    Member {
        settings: varied.iter().flat_map(|name| told(run, name).pop().map(|value| (name.to_string(), value))).collect(),
        last: figures().map(|(name, figure)| (name, figure.last)).collect(),
        best: figures().map(|(name, figure)| (name, figure.best.unwrap_or(figure.last))).collect(),
        curve: curve.unwrap_or_default(),
        summary: (**run).clone(),
    }
}
