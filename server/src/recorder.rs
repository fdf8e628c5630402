//! Carries out one run: the trainer on a thread of its own, its events through a bounded channel to the recorder, which
//! is the thread that called.
//!
//! The channel never drops: a slow disk makes the trainer wait, and a watcher has no part in it. Whatever goes wrong
//! (no data, no disk, a panic in the trainer) ends this run with a reason and nothing else.

use crate::datasets::Datasets;
use crate::runs::{RecordError, Run};
use std::any::Any;
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
    record_all(run, |emit| train_run(run, spec, datasets, emit));
}

/// Records what `work` emits and then the event that it returns. `work` runs on a thread of its own.
fn record_all(run: &Run, work: impl FnOnce(&mut dyn FnMut(Emission)) -> RunEvent + Send) {
    let (sender, mut receiver) = mpsc::channel::<Emission>(CHANNEL);
    // A send fails only when the recorder gave up; it has raised the stop flag then.
    let work = move || work(&mut |emission| drop(sender.blocking_send(emission)));
    let (end, refused) = thread::scope(|scope| {
        let trainer = thread::Builder::new()
            .name("trainer".into())
            .spawn_scoped(scope, || catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| broken(&*panic)));
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
        let end = match trainer {
            Ok(trainer) => trainer.join().unwrap_or_else(|panic| broken(&*panic)),
            Err(error) => RunEvent::Failed { reason: format!("no thread could be started: {error}; try fewer jobs") },
        };
        (end, refused)
    });
    let end = match refused {
        Some(RecordError::Over) => return,
        Some(error) => RunEvent::Failed { reason: error.to_string() },
        None => end,
    };
    match run.record(end.clone().into()) {
        Ok(()) | Err(RecordError::Over) => {}
        Err(error) => run.end_in_memory(match end {
            RunEvent::Failed { .. } => end,
            _ => RunEvent::Failed { reason: error.to_string() },
        }),
    }
    let summary = run.summary();
    tracing::info!(id = %run.id, name = summary.name, reason = summary.reason, "run {}", summary.status.word());
}

/// What the trainer's thread does; the event that ends the run.
fn train_run(run: &Run, spec: &RunSpec, datasets: &Datasets, emit: &mut dyn FnMut(Emission)) -> RunEvent {
    let mut last = String::new();
    // A download repeats itself while its bytes grow; the log takes each sentence once.
    let mut say = |message: String| {
        if message != last {
            emit(RunEvent::Preparing { message: message.clone() }.into());
            last = message;
        }
    };
    say("loading the data set".into());
    let dataset = match datasets.load(spec.dataset, &mut |progress: &DataProgress| say(progress.to_string())) {
        Ok(dataset) => dataset,
        Err(error) => return RunEvent::Failed { reason: error.to_string() },
    };
    let mut emit = |mut emission: Emission| {
        if let RunEvent::Started(start) = &mut emission.event {
            start.host = Some(gethostname::gethostname().to_string_lossy().into_owned());
            start.commit = option_env!("CENTERSCOPE_COMMIT").map(String::from);
        }
        emit(emission);
    };
    match train(spec, &dataset, run.stop_flag(), &mut emit) {
        Ok(Outcome::Finished) => RunEvent::Finished,
        Ok(Outcome::Stopped) => RunEvent::Killed { reason: run.stop_reason().into() },
        Err(error) => RunEvent::Failed { reason: error.to_string() },
    }
}

fn broken(panic: &(dyn Any + Send)) -> RunEvent {
    let message = panic.downcast_ref::<&str>().copied();
    let message = message.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("unknown");
    let advice = "this is a bug: please report it with this run's spec.json";
    RunEvent::Failed { reason: format!("the trainer broke down: {message} ({advice})") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{RunState, Status};
    use crate::store::{RunFolder, RunId};
    use tempfile::TempDir;
    use trainer::event::Artifact;
    use trainer::spec::{Distance, Network, Profile};

    fn run() -> (TempDir, Run) {
        let home = tempfile::tempdir().unwrap();
        let spec = RunSpec::preset(Profile::Quick, Network::Deep, Distance::Root);
        let scheduled = RunEvent::Scheduled { name: "test".into(), comparison: None, sweep: None, spec };
        let run = Run::create(RunId::fresh(), RunFolder::at(home.path().join("run")), scheduled).unwrap();
        (home, run)
    }

    fn said(message: usize) -> RunEvent {
        RunEvent::Preparing { message: message.to_string() }
    }

    #[test]
    fn everything_emitted_is_logged_in_order_however_full_the_channel() {
        let (_home, run) = run();
        record_all(&run, |emit| {
            (0..10 * CHANNEL).for_each(|n| emit(said(n).into()));
            RunEvent::Finished
        });
        let lines = run.folder.log_lines().unwrap();
        assert_eq!(lines.len(), 10 * CHANNEL + 2);
        for (n, line) in lines[1..=10 * CHANNEL].iter().enumerate() {
            assert!(line.contains(&format!("\"message\":\"{n}\"")), "{line}");
        }
        let state = RunState::replay(run.id, lines.iter().map(|line| &**line)).unwrap();
        assert_eq!(state.summary, run.summary(), "memory is the replay of the log");
        assert_eq!(state.summary.status, Status::Finished);
    }

    #[test]
    fn a_panic_of_the_trainer_fails_the_run_with_what_it_said() {
        let (_home, run) = run();
        record_all(&run, |_| panic!("out of tensors"));
        let summary = run.summary();
        assert_eq!(summary.status, Status::Failed);
        assert!(summary.reason.unwrap().contains("out of tensors"));
    }

    #[test]
    fn a_refusing_disk_stops_the_trainer_and_is_told() {
        let (_home, run) = run();
        record_all(&run, |emit| {
            let artifacts = vec![Artifact { name: "run.json/impossible".into(), bytes: Vec::new().into() }];
            emit(Emission { event: said(1), artifacts });
            // The trainer goes on until it sees the flag, and nothing more is heard of it.
            while !run.stop_flag().load(std::sync::atomic::Ordering::Relaxed) {
                emit(said(2).into());
            }
            RunEvent::Finished
        });
        let summary = run.summary();
        assert_eq!(summary.status, Status::Failed);
        assert!(summary.reason.unwrap().contains("can't write to the run's folder"));
        assert_eq!(run.folder.log_lines().unwrap().len(), 2, "scheduled and failed");
    }
}
