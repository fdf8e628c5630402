//! Carries out one run: the trainer on a thread of its own, its events through a bounded channel to the recorder, which
//! is the thread that called.
//!
//! The channel never drops: a slow disk makes the trainer wait, and a watcher has no part in it. Whatever goes wrong
//! (no data, no disk, a panic in the trainer) ends this run with a reason and nothing else.

use crate::datasets::Datasets;
use crate::runs::{RecordError, Run};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use tokio::sync::mpsc;
use trainer::data::DataProgress;
use trainer::event::{Emission, RunEvent};
use trainer::spec::RunSpec;
use trainer::train::{Outcome, train};

/// Events that may wait for the disk before the trainer does.
const CHANNEL: usize = 16;

/// Trains and records until the run is over. Blocks.
pub fn carry_out(run: &Run, spec: &RunSpec, datasets: &Datasets) {
    let (sender, mut receiver) = mpsc::channel::<Emission>(CHANNEL);
    let (end, refused) = thread::scope(|scope| {
        let trainer = thread::Builder::new()
            .name("trainer".into())
            .spawn_scoped(scope, move || catch_unwind(AssertUnwindSafe(|| train_run(run, spec, datasets, &sender))));
        let mut refused = None;
        while let Some(emission) = receiver.blocking_recv() {
            if let Err(error) = run.record(emission) {
                run.ask_to_stop("the run could not be recorded");
                refused = Some(error);
                break;
            }
        }
        // Frees a trainer that waits for room in the channel.
        drop(receiver);
        let end = match trainer.map(|trainer| trainer.join()) {
            Ok(Ok(Ok(end))) => end,
            Ok(Ok(Err(panic)) | Err(panic)) => RunEvent::Failed { reason: panic_reason(&*panic) },
            Err(error) => RunEvent::Failed { reason: format!("no thread could be started: {error}; try fewer jobs") },
        };
        (end, refused)
    });
    let end = match refused {
        Some(RecordError::Over) => return,
        Some(error) => RunEvent::Failed { reason: error.to_string() },
        None => end,
    };
    let told = serde_json::to_string(&end).unwrap_or_default();
    tracing::info!(id = %run.id, event = told, "run over");
    match run.record(end.clone().into()) {
        Ok(()) | Err(RecordError::Over) => {}
        Err(error) => {
            tracing::error!(id = %run.id, %error, "the end of the run could not be recorded");
            run.fail_in_memory(match end {
                RunEvent::Failed { reason } => reason,
                _ => error.to_string(),
            });
        }
    }
}

/// What the trainer's thread does; the event that ends the run.
fn train_run(run: &Run, spec: &RunSpec, datasets: &Datasets, sender: &mpsc::Sender<Emission>) -> RunEvent {
    // A send fails only when the recorder gave up; it has raised the stop flag then.
    let mut emit = |emission: Emission| drop(sender.blocking_send(emission));
    emit(RunEvent::Preparing { message: "loading the data set".into() }.into());
    let mut said = String::new();
    let mut say = |progress: &DataProgress| {
        let message = progress.to_string();
        if message != said {
            said.clone_from(&message);
            emit(RunEvent::Preparing { message }.into());
        }
    };
    let dataset = match datasets.load(spec.dataset, &mut say) {
        Ok(dataset) => dataset,
        Err(error) => return RunEvent::Failed { reason: error.to_string() },
    };
    match train(spec, &dataset, run.stop_flag(), &mut emit) {
        Ok(Outcome::Finished) => RunEvent::Finished,
        Ok(Outcome::Stopped) => RunEvent::Killed { reason: run.stop_reason().into() },
        Err(error) => RunEvent::Failed { reason: error.to_string() },
    }
}

fn panic_reason(panic: &(dyn std::any::Any + Send)) -> String {
    let message = panic.downcast_ref::<&str>().copied();
    let message = message.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("unknown");
    format!("the trainer broke down: {message} (this is a bug: please report it with this run's spec.json)")
}
