//! How the planes of several runs are laid over one of them. Axes of two networks are not comparable as such: rotation,
//! reflection and scale are accidents of the seed.

use crate::App;
use crate::api::listed;
use crate::error::Error;
use crate::store::RunId;
use axum::Json;
use axum::extract::{Query, State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use trainer::event::{CLASSES, EpochReport};
use trainer::measure::{Alignment, align};

/// Runs that one answer may hold.
const MOST: usize = 6;

#[derive(Deserialize)]
pub(crate) struct Which {
    runs: Option<String>,
    reference: Option<String>,
    epoch: Option<u32>,
}

/// How the planes of several runs are laid over one of them.
#[derive(JsonSchema, Serialize)]
pub(crate) struct Aligned {
    /// The run that the others are laid over.
    reference: RunId,
    /// Each run at each epoch.
    alignments: Vec<Pair>,
}

/// A run at an epoch, laid over the reference.
#[derive(JsonSchema, Serialize)]
struct Pair {
    /// The run.
    run: RunId,
    /// The run's epoch.
    epoch: u32,
    /// The reference's.
    reference_epoch: u32,
    /// `None` where the class means of either have no extent.
    alignment: Option<Alignment>,
}

/// `GET /compare/alignment?runs=a,b,c&reference=b&epoch=5`
pub(crate) async fn read(State(app): State<Arc<App>>, Query(which): Query<Which>) -> Result<Json<Aligned>, Error> {
    let runs = listed(&app, which.runs.as_deref().unwrap_or_default(), MOST)?;
    let reference = match which.reference {
        None => 0,
        Some(id) => runs.iter().position(|run| run.id.to_string() == id).ok_or_else(|| {
            Error::BadRequest("reference: name one of the runs by its id, or leave it out for the first".into())
        })?,
    };
    let mut histories = Vec::with_capacity(runs.len());
    for run in &runs {
        histories.push(run.state().await?.history);
    }
    let epochs = match which.epoch {
        Some(epoch) => BTreeSet::from([epoch]),
        None => histories.iter().flatten().map(|report| report.epoch).collect(),
    };
    let mut alignments = Vec::new();
    for (run, history) in runs.iter().zip(&histories) {
        let mut seen = BTreeSet::new();
        for &epoch in &epochs {
            let (Some(own), Some(fixed)) = (report_at(history, epoch), report_at(&histories[reference], epoch)) else {
                continue;
            };
            if seen.insert((own.epoch, fixed.epoch)) {
                let alignment = align_means(own, fixed);
                alignments.push(Pair { run: run.id, epoch: own.epoch, reference_epoch: fixed.epoch, alignment });
            }
        }
    }
    Ok(Json(Aligned { reference: runs[reference].id, alignments }))
}

/// The report of `epoch`, or of the last before it: what a clock that shows `epoch` shows of a run that is behind.
fn report_at(history: &[EpochReport], epoch: u32) -> Option<&EpochReport> {
    history.iter().rev().find(|report| report.epoch <= epoch)
}

/// Fits the class means of one report to another's, over the classes that both test sets hold.
fn align_means(own: &EpochReport, fixed: &EpochReport) -> Option<Alignment> {
    let holds = |report: &EpochReport, k: usize| report.confusion[k].iter().any(|&count| count > 0);
    let shared = (0..CLASSES).filter(|&k| holds(own, k) && holds(fixed, k)).collect::<Vec<_>>();
    let means = |report: &EpochReport| shared.iter().map(|&k| report.geometry.means[k]).collect::<Vec<_>>();
    align(&means(own), &means(fixed))
}
