//! How much work a request is, before it starts: the count of its runs, and how long they will take by what runs of the
//! same network took here.

use crate::App;
use crate::api;
use crate::error::{Error, wants_html};
use crate::openapi::Problem;
use crate::pages::plan::PlanPage;
use crate::request::{self, Plan};
use crate::runs::{Run, now_ms};
use crate::scheduler::Order;
use crate::state::{Status, Summary};
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
use std::sync::Arc;
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
    let (estimated_seconds, basis) = match estimate(&past, orders) {
        Ok((seconds, witnesses)) => {
            let runs = if witnesses == 1 { "1 finished run" } else { &format!("{witnesses} finished runs") };
            (Some(seconds), format!("by the speed of {runs} of the same network and width on this machine"))
        }
        Err(missing) => (None, format!("unknown: no run of a {missing} has finished here yet")),
    };
    let told = |o: &Order| PlannedRun { name: o.name.clone(), variant: o.spec.variant(), seed: o.spec.seed };
    Planned {
        count: orders.len(),
        training_images: orders.iter().map(|order| images(&order.spec)).sum(),
        estimated_seconds,
        basis,
        runs: orders.iter().map(told).collect(),
    }
}

fn images(spec: &RunSpec) -> u64 {
    u64::from(spec.epochs) * spec.train_images as u64
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

/// Seconds that the runs take together, and how many past runs say so; else the kind of network that never ran here.
fn estimate(newest_first: &[Arc<Run>], orders: &[Order]) -> Result<(f64, usize), String> {
    let past = newest_first.iter().map(|run| run.summary()).collect::<Vec<_>>();
    let mut known: Vec<(Work, f64)> = Vec::new();
    let (mut seconds, mut witnesses) = (0.0, 0);
    for order in orders {
        let work = Work::of(&order.spec);
        let speed = match known.iter().find(|(known, _)| *known == work) {
            Some((_, speed)) => *speed,
            None => {
                let mut speeds = speeds(&past, work);
                speeds.sort_by(f64::total_cmp);
                witnesses += speeds.len();
                let median = speeds.get(speeds.len() / 2).copied();
                let speed = median.ok_or_else(|| format!("{} network of width {}", work.network, work.width))?;
                known.push((work, speed));
                speed
            }
        };
        seconds += images(&order.spec) as f64 / speed;
    }
    Ok((seconds, witnesses))
}

/// Training images a second that the machine managed while a past run of such work had it, evaluation included.
fn speeds(past: &[Arc<Summary>], work: Work) -> Vec<f64> {
    let done = past.iter().filter(|run| run.status == Status::Finished && Work::of(&run.spec) == work);
    let speeds = done.filter_map(|summary| {
        let (from, to) = (summary.started_ms?, summary.ended_ms?);
        let seconds = to.saturating_sub(from) as f64 / 1000.0;
        let images = f64::from(summary.epoch) * (summary.steps * summary.spec.batch_size) as f64;
        (seconds > 0.0).then(|| images / seconds * side_by_side(past, from, to))
    });
    speeds.take(WITNESSES).collect()
}

/// How many runs shared the machine between two times, on average: a run that had two others beside it would have been
/// about three times as fast alone.
fn side_by_side(past: &[Arc<Summary>], from: u64, to: u64) -> f64 {
    let shared = past.iter().filter_map(|other| {
        let (start, end) = (other.started_ms?, other.ended_ms.unwrap_or_else(now_ms));
        Some(end.min(to).saturating_sub(start.max(from)) as f64)
    });
    shared.sum::<f64>() / (to - from) as f64
}

/// The estimate for people: `about 9 min`, or `unknown`.
pub(crate) fn worded(planned: &Planned) -> String {
    planned.estimated_seconds.map_or_else(|| "unknown".into(), |seconds| format!("about {}", text::roughly(seconds)))
}
