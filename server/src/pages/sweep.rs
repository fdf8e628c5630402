//! The page of a sweep, or of any runs that are looked at as groups.

use super::StatusView;
use super::plan::count;
use crate::error::Error;
use crate::groups::{APART, Group, metric, place};
use crate::state::Status;
use crate::stats::Sample;
use crate::sweeps::{Grouped, Member, Seen};
use crate::text;
use askama::Template;
use trainer::measure::{METRICS, Metric};

/// The metrics that tables show, beside the chosen one.
const COLUMNS: [&str; 4] = ["test_accuracy", "train_loss", "test_loss", "intra_inter_ratio"];

/// Runs by groups.
#[derive(Template)]
#[template(path = "sweep.html")]
pub(crate) struct SweepPage {
    /// `Sweep of 15 runs`
    title: String,
    /// `12 finished, 1 running, 2 waiting`
    standing: String,
    /// `All saw MNIST (3fa9c1d2).`
    data: String,
    /// How many runs of the sweep are archived and left out.
    archived: usize,
    /// Whether archived runs were asked for.
    archived_too: bool,
    /// Where the same comes as JSON.
    url: String,
    /// The ids joined by commas, where the runs were named one by one.
    given: Option<String>,
    /// The query that lets them through, where it was one.
    query: Option<String>,
    /// What is left out of the curves, the groups or the list of runs since it would be too much.
    bounds: String,
    /// Where a form posts to stop what goes on.
    stop_url: Option<String>,
    /// Where its runs stand in the table of runs.
    table_url: Option<String>,
    /// Where claims are tested by these runs.
    claims_url: Option<String>,
    /// The fields to group by.
    fields: Vec<Choice>,
    /// The metrics to choose from.
    metrics: Vec<Choice>,
    /// `Test accuracy`
    metric: &'static str,
    /// Heads of the groups' columns and of the runs' last ones.
    columns: Vec<&'static Metric>,
    /// One row a group.
    groups: Vec<GroupRow>,
    /// The fields in which the runs differ.
    varied: Vec<&'static str>,
    /// One row a run.
    runs: Vec<MemberRow>,
    version: &'static str,
}

struct Choice {
    name: &'static str,
    label: &'static str,
    chosen: bool,
    /// Whether nobody can choose otherwise.
    fixed: bool,
}

struct GroupRow {
    /// The classes of its mark.
    mark: String,
    label: String,
    /// Its runs in the table of runs, where a query says which.
    url: Option<String>,
    /// `5` finished of `5`.
    n: String,
    /// Mean ± standard deviation at the last epoch, by column.
    cells: Vec<String>,
    best: String,
}

struct MemberRow {
    id: String,
    name: String,
    url: String,
    status: StatusView,
    epoch: String,
    /// By varied field.
    settings: Vec<String>,
    /// By column.
    cells: Vec<String>,
}

impl SweepPage {
    /// The runs of `grouped`, which has a sweep's archived ones where they are `archived_too`.
    pub(crate) fn new(grouped: &Grouped, archived_too: bool) -> Result<SweepPage, Error> {
        let chosen = metric(grouped.metric)?;
        let mut columns = COLUMNS.iter().map(|name| metric(name)).collect::<Result<Vec<_>, _>>()?;
        if !COLUMNS.contains(&chosen.name) {
            columns.push(chosen);
        }
        let ids = || grouped.runs.iter().map(|run| run.summary.id.to_string()).collect::<Vec<_>>().join(",");
        let number = count(grouped.total, "run");
        let counted = |status: &Status| grouped.statuses.get(status.word()).copied().unwrap_or_default();
        let active = [Status::Scheduled, Status::Running].iter().any(|status| counted(status) > 0);
        let pairs = ["seed", "variant"].iter().all(|name| grouped.varied.contains(name));
        let mut groupable = [&grouped.varied[..], &grouped.others, &grouped.by].concat();
        groupable.sort_by_key(|name| place(name));
        groupable.dedup();
        let fixed = |name| APART.contains(&name) && grouped.varied.contains(&name);
        let field = |name| Choice { name, label: name, chosen: grouped.by.contains(&name), fixed: fixed(name) };
        let table = |query: &str| {
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("query", query).finish();
            format!("/runs?{query}")
        };
        let all = grouped.query.clone().or_else(|| grouped.sweep.as_ref().map(|id| format!("sweep = {id}")));
        Ok(SweepPage {
            title: if grouped.sweep.is_some() { format!("Sweep of {number}") } else { format!("{number} by groups") },
            standing: standing(counted),
            data: worded_data(&grouped.data),
            archived: grouped.archived,
            archived_too,
            given: (grouped.sweep.is_none() && grouped.query.is_none()).then(ids),
            query: grouped.query.clone(),
            bounds: bounds(grouped),
            url: grouped.url.clone(),
            stop_url: grouped.sweep.as_ref().filter(|_| active).map(|id| format!("/sweeps/{id}/stop")),
            table_url: all.as_deref().map(table),
            claims_url: grouped.sweep.as_ref().filter(|_| pairs).map(|id| format!("/claims?sweep={id}")),
            fields: groupable.into_iter().map(field).collect(),
            metrics: METRICS
                .iter()
                .map(|m| Choice { name: m.name, label: m.label, chosen: m.name == chosen.name, fixed: false })
                .collect(),
            metric: chosen.label,
            columns: columns.clone(),
            groups: grouped
                .groups
                .iter()
                .enumerate()
                .map(|(i, group)| GroupRow {
                    url: group.query.as_deref().map(table),
                    ..group_row(i, group, &columns, chosen)
                })
                .collect(),
            varied: grouped.varied.clone(),
            runs: grouped.runs.iter().map(|run| member_row(run, &grouped.varied, &columns)).collect(),
            version: env!("CARGO_PKG_VERSION"),
        })
    }
}

fn worded_data(seen: &[Seen]) -> String {
    let name = |seen: &Seen| text::data(Some(&seen.name), seen.digest.as_deref());
    match seen {
        [] => String::new(),
        [one] => format!("Images: {}.", name(one)),
        several => {
            let said = several.iter().map(|seen| format!("{} in {}", name(seen), count(seen.runs, "run")));
            let said = said.collect::<Vec<_>>().join(", ");
            format!("These runs saw different images, which no group mixes: {said}.")
        }
    }
}

/// What is left out, where it is much.
fn bounds(grouped: &Grouped) -> String {
    let told = |most: usize, all: usize, sentence: &dyn Fn(String, String) -> String| {
        (most < all).then(|| sentence(text::thousands(most as u64), text::thousands(all as u64)))
    };
    let (total, groups) = (grouped.total, grouped.groups.len());
    let said = [
        told(groups, grouped.groups_total, &|most, all| format!("The {most} largest of {all} groups are here.")),
        told(grouped.drawn, total, &|most, all| {
            format!(
                "The curves are over {most} of the {all} runs, the newest of each group; the rows of the groups count all."
            )
        }),
        told(grouped.runs.len(), total, &|most, _| {
            format!(
                "One by one, in the plots of settings and in the list, stand {most} of them, the newest of each group."
            )
        }),
    ];
    said.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// `12 finished, 1 running, 2 waiting`; `counted` says how many runs have a status.
pub(super) fn standing(counted: impl Fn(&Status) -> usize) -> String {
    let words = [
        (Status::Finished, "finished"),
        (Status::Running, "running"),
        (Status::Scheduled, "waiting"),
        (Status::Failed, "failed"),
        (Status::Killed, "stopped"),
        (Status::Interrupted, "interrupted"),
    ];
    let said = words.iter().filter_map(|(status, word)| {
        let count = counted(status);
        (count > 0).then(|| format!("{count} {word}"))
    });
    said.collect::<Vec<_>>().join(", ")
}

/// `97.31 % ± 0.21 %`; without a deviation where there is one run.
pub(crate) fn spread(metric: &Metric, sample: &Sample) -> String {
    let mean = text::metric(metric, sample.mean);
    sample.sd.map_or(mean.clone(), |sd| format!("{mean} ± {}", text::metric(metric, sd)))
}

/// The classes of the mark of group `i`: 6 shapes, 6 colours and 3 fillings, so that no two groups of a page look alike.
/// static/js/marks.js has the same.
fn mark(i: usize) -> String {
    let block = i / 6;
    format!("glyph shape-{} hue-{} filling-{}", i % 6, (i + block) % 6, block / 6)
}

fn group_row(i: usize, group: &Group, columns: &[&'static Metric], chosen: &Metric) -> GroupRow {
    let finished = |metric: &Metric| group.finished.get(metric.name);
    let n = group.finished.values().map(|f| f.last.n).max().unwrap_or(0);
    let cell = |metric: &&Metric| text::or_dash(finished(metric).map(|f| spread(metric, &f.last)));
    GroupRow {
        mark: mark(i),
        label: group.label.clone(),
        url: None,
        n: format!("{} of {}", text::thousands(n as u64), text::thousands(group.total as u64)),
        cells: columns.iter().map(cell).collect(),
        best: text::or_dash(finished(chosen).and_then(|f| f.best.as_ref()).map(|best| spread(chosen, best))),
    }
}

fn member_row(run: &Member, varied: &[&'static str], columns: &[&'static Metric]) -> MemberRow {
    let summary = &run.summary;
    let setting = |name: &&str| run.settings.get(*name).map(text::plain).unwrap_or_default();
    let cell = |metric: &&'static Metric| text::or_dash(run.last.get(metric.name).map(|v| text::metric(metric, *v)));
    MemberRow {
        id: summary.id.to_string(),
        name: summary.name.clone(),
        url: summary.url.clone(),
        status: summary.status.into(),
        epoch: format!("{} / {}", summary.epoch, summary.epochs),
        settings: varied.iter().map(setting).collect(),
        cells: columns.iter().map(cell).collect(),
    }
}
