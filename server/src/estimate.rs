//! How much work a request is, before it starts: the count of its runs, and how long they will take by what runs of the
//! same network took here.

use crate::App;
use crate::api;
use crate::datasets::Datasets;
use crate::error::{Error, wants_html};
use crate::openapi::Problem;
use crate::pages::plan::PlanPage;
use crate::request::{self, Plan};
use crate::runs::{Run, now_ms};
use crate::scheduler::Order;
use crate::state::{LogLine, Status};
use crate::store::RunId;
use crate::text;
use crate::views;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use trainer::event::RunEvent;
use trainer::spec::{DeviceChoice, Network, RunSpec, Variant};

/// Past runs whose speed an estimate rests on, for each kind of network.
const WITNESSES: usize = 5;

/// What a request would start, or why nothing: who asks while a form is being filled in asks of values half typed, so that
/// a wrong one is an answer and no failure.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(untagged)]
pub(crate) enum PlanAnswer {
    /// It would start.
    Planned(Planned),
    /// It would be refused.
    Refused {
        /// What `POST /runs` would answer.
        #[schemars(with = "Problem")]
        problem: Value,
    },
}

/// What a request would start.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Planned {
    /// How many runs.
    pub(crate) count: usize,
    /// Training images that they will go through, epochs counted.
    pub(crate) training_images: u64,
    /// How long they will take once they start; `null` where nothing comparable has run here.
    pub(crate) estimated_seconds: Option<f64>,
    /// What the estimate rests on, or why there is none; a sentence.
    pub(crate) basis: String,
    /// The runs, in order.
    pub(crate) runs: Vec<PlannedRun>,
}

/// A run that a request would start.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct PlannedRun {
    /// Its name.
    pub(crate) name: String,
    /// The named variant, if the parts have a name.
    pub(crate) variant: Option<Variant>,
    /// Its seed.
    pub(crate) seed: u64,
}

/// `POST /runs/plan`: what `POST /runs` would start, without starting it.
pub(crate) async fn plan(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Result<Response, Error> {
    let request = api::read_request(&headers, &body)?;
    let given = request.clone();
    let html = wants_html(&headers);
    let Plan { orders, .. } = match request::plan(request).map_err(Error::from) {
        Ok(plan) => plan,
        Err(error) if html => return Err(error),
        Err(error) => return Ok(Json(PlanAnswer::Refused { problem: error.problem() }).into_response()),
    };
    let planned = tokio::task::spawn_blocking(move || planned(&app, &orders)).await?;
    match html {
        true => views::page(&PlanPage::new(&planned, &given)),
        false => Ok(Json(PlanAnswer::Planned(planned)).into_response()),
    }
}

fn planned(app: &App, orders: &[Order]) -> Planned {
    let past = app.registry.newest_first();
    let (estimated_seconds, basis) = match estimate(&app.datasets, &past, orders) {
        Ok((seconds, witnesses)) => {
            let runs = if witnesses == 1 { "1 finished run" } else { &format!("{witnesses} finished runs") };
            (Some(seconds), format!("by the speed of {runs} of the same network and width on this machine"))
        }
        Err(missing) => (None, format!("unknown: no run of a {missing} has finished here yet")),
    };
    let told = |o: &Order| PlannedRun { name: o.name.clone(), variant: o.spec.variant(), seed: o.spec.seed };
    Planned {
        count: orders.len(),
        training_images: orders.iter().map(|order| images(&app.datasets, &order.spec)).sum(),
        estimated_seconds,
        basis,
        runs: orders.iter().map(told).collect(),
    }
}

/// Training images that a run goes through: of a set that holds fewer than it asks for, all.
fn images(datasets: &Datasets, spec: &RunSpec) -> u64 {
    let held = datasets.train_images(spec.dataset).unwrap_or(usize::MAX);
    u64::from(spec.epochs) * spec.train_images.min(held) as u64
}

/// What decides how long an image takes.
#[derive(Clone, Copy, PartialEq)]
struct Work {
    network: Network,
    width: f64,
    device: DeviceChoice,
}

impl Work {
    fn of(spec: &RunSpec) -> Work {
        Work { network: spec.network, width: spec.width, device: spec.device }
    }
}

/// Seconds that the runs take together, and how many of the past ones, newest first, say so; else the kind of network that
/// never ran here. Reads their logs.
fn estimate(datasets: &Datasets, past: &[Arc<Run>], orders: &[Order]) -> Result<(f64, usize), String> {
    let mut logs = Logs::default();
    let mut known: Vec<(Work, f64)> = Vec::new();
    let (mut seconds, mut witnesses) = (0.0, 0);
    for order in orders {
        let work = Work::of(&order.spec);
        let speed = match known.iter().find(|(known, _)| *known == work) {
            Some((_, speed)) => *speed,
            None => {
                let speeds = speeds(past, work, &mut logs);
                witnesses += speeds.len();
                let speed =
                    median(speeds).ok_or_else(|| format!("{} network of width {}", work.network, work.width))?;
                known.push((work, speed));
                speed
            }
        };
        seconds += images(datasets, &order.spec) as f64 / speed;
    }
    Ok((seconds, witnesses))
}

/// Training images a second that the machine managed in past runs of such work, evaluation included: of each run the median
/// of its epochs.
fn speeds(past: &[Arc<Run>], work: Work, logs: &mut Logs) -> Vec<f64> {
    let is_such = |run: &&Arc<Run>| run.peek(|run| run.status == Status::Finished && Work::of(&run.spec) == work);
    past.iter().filter(is_such).filter_map(|run| speed(past, run, logs)).take(WITNESSES).collect()
}

fn speed(past: &[Arc<Run>], run: &Arc<Run>, logs: &mut Logs) -> Option<f64> {
    let span = |run: &Run| run.peek(|run| Some((run.started_ms?, run.ended_ms.unwrap_or_else(now_ms))));
    let (from, to) = span(run)?;
    let beside = past.iter().filter(|other| span(other).is_some_and(|(start, end)| start < to && end > from));
    let beside = beside.map(|other| logs.of(other)).collect::<Vec<_>>();
    median(logs.of(run).speeds(&beside))
}

/// What the logs that were read tell of time, by run.
#[derive(Default)]
struct Logs(BTreeMap<RunId, Rc<Times>>);

impl Logs {
    /// A log that can't be read tells nothing.
    fn of(&mut self, run: &Run) -> Rc<Times> {
        let read = || Times::of(run.folder.log_lines().unwrap_or_default().iter().map(|line| &**line));
        self.0.entry(run.id).or_insert_with(|| read().into()).clone()
    }
}

/// When a run trained. A run that was stopped and resumed did not in between, and a fork not before its own first epoch.
#[derive(Debug, Default)]
struct Times {
    /// From a start to the last sign of life before the next, in milliseconds.
    sessions: Vec<(f64, f64)>,
    epochs: Vec<EpochTimes>,
}

#[derive(Debug)]
struct EpochTimes {
    /// Training images that it went through.
    images: f64,
    from: f64,
    to: f64,
}

impl Times {
    fn of<'a>(lines: impl Iterator<Item = &'a str>) -> Times {
        let mut times = Times::default();
        let mut images = 0.0;
        for line in lines.filter_map(|line| serde_json::from_str::<LogLine>(line).ok()) {
            let now = line.time_ms as f64;
            match line.event {
                RunEvent::Started(start) => {
                    images = start.train_images as f64;
                    times.sessions.push((now, now));
                }
                RunEvent::Progress(_) => times.alive(now),
                RunEvent::Epoch(report) => {
                    times.alive(now);
                    let seconds = report.metrics.get("epoch_seconds").copied().filter(|seconds| *seconds > 0.0);
                    times.epochs.extend(seconds.map(|s| EpochTimes { images, from: now - 1000.0 * s, to: now }));
                }
                _ => {}
            }
        }
        times
    }

    fn alive(&mut self, now: f64) {
        if let Some((_, end)) = self.sessions.last_mut() {
            *end = now;
        }
    }

    /// Milliseconds that it trained between two times.
    fn within(&self, from: f64, to: f64) -> f64 {
        self.sessions.iter().map(|&(start, end)| (end.min(to) - start.max(from)).max(0.0)).sum()
    }

    /// Images a second of each epoch, had it been alone: one that shared the machine with two others would have been about
    /// three times as fast. `beside` holds all runs that may have shared it, this one not excepted.
    fn speeds(&self, beside: &[Rc<Times>]) -> Vec<f64> {
        let speed = |epoch: &EpochTimes| {
            let lasted = epoch.to - epoch.from;
            let shared = beside.iter().map(|run| run.within(epoch.from, epoch.to)).sum::<f64>() / lasted;
            1000.0 * epoch.images / lasted * shared.max(1.0)
        };
        self.epochs.iter().map(speed).collect()
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// The estimate for people: `about 9 min`, or `unknown`.
pub(crate) fn worded(planned: &Planned) -> String {
    planned.estimated_seconds.map_or_else(|| "unknown".into(), |seconds| format!("about {}", text::roughly(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use trainer::spec::DatasetChoice;

    const HOUR: u64 = 3_600_000;

    /// A log: `(time_ms, what)`, where what is an epoch of so many seconds, or a start of 1000 images.
    fn times(lines: &[(u64, Option<f64>)]) -> Rc<Times> {
        let zeros = [[0.0; 2]; 10];
        let geometry = json!({"centers": zeros, "means": zeros, "weight": zeros, "bias": vec![0.0; 10]});
        let data = json!({"set": "mnist", "name": "MNIST", "train_images": 1, "test_images": 1, "digest": "00"});
        let lines = lines.iter().enumerate().map(|(n, (time, what))| {
            let mut line = match what {
                Some(seconds) => json!({"type": "epoch", "epoch": n, "metrics": {"epoch_seconds": seconds},
                    "confusion": vec![[0; 10]; 10], "geometry": geometry, "artifacts": []}),
                None => json!({"type": "started", "data": data, "train_images": 1000, "steps_per_epoch": 10,
                    "parameters": 9, "device": "CPU", "version": "0"}),
            };
            line["seq"] = (n + 1).into();
            line["time_ms"] = (*time).into();
            line.to_string()
        });
        let lines = lines.collect::<Vec<_>>();
        Times::of(lines.iter().map(String::as_str)).into()
    }

    #[test]
    fn a_night_between_two_epochs_is_no_training_time() {
        let (start, epoch) = (None, Some(2.0));
        // The first of its epochs that are here may be the seventh, as of a fork: only those count that it trained.
        let alone = times(&[(0, start), (2000, epoch), (4000, epoch), (HOUR, start), (HOUR + 2000, epoch)]);
        let by_itself = [alone.clone()];
        assert_eq!(alone.speeds(&by_itself), [500.0; 3]);
        // One beside it, which paused while the other did two of its epochs.
        let paused = times(&[(0, start), (2000, epoch), (2 * HOUR, start), (2 * HOUR + 2000, epoch)]);
        assert_eq!(alone.speeds(&[alone.clone(), paused]), [1000.0, 500.0, 500.0]);
        assert_eq!(median(alone.speeds(&by_itself)), Some(500.0));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn no_more_images_are_counted_than_the_set_holds() {
        let datasets = Datasets::new(Default::default());
        let spec = |dataset| RunSpec { train_images: 60_000, epochs: 3, dataset, ..crate::fake::spec(3) };
        assert_eq!(images(&datasets, &spec(DatasetChoice::Generated)), 3 * 12_000);
        assert_eq!(images(&datasets, &spec(DatasetChoice::Mnist)), 3 * 60_000, "it isn't known before it is loaded");
    }
}
