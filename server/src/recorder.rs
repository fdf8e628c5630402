//! Carries out one run: the trainer on a thread of its own, its events through a bounded channel to the recorder, which
//! is the thread that called.
//!
//! The channel never drops: a slow disk makes the trainer wait, and a watcher has no part in it. Whatever goes wrong
//! (no data, no disk, a panic in the trainer) ends this run with a reason and nothing else.

use crate::background;
use crate::checkpoints;
use crate::datasets::Datasets;
use crate::memory;
use crate::runs::{RecordError, Run};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::thread;
use tokio::sync::mpsc;
use trainer::event::{Emission, RunEvent};
use trainer::spec::DatasetChoice;
use trainer::train::{Outcome, train};

/// Events that may wait for the disk before the trainer does.
const CHANNEL: usize = 16;

/// What a trainer's thread does: tells of the run's progress, and returns the event that ends it.
pub type Work = dyn Fn(&Run, &mut dyn FnMut(Emission)) -> RunEvent + Send + Sync;

/// Records what `work` emits and then the event that it returns, until the run is over. `work` runs on a thread of its
/// own. Blocks.
pub fn carry_out(run: &Run, work: &Work) {
    let (sender, mut receiver) = mpsc::channel::<Emission>(CHANNEL);
    // A send fails only when the recorder gave up; it has raised the stop flag then.
    let work = move || match run.stop_flag().load(Ordering::Relaxed) {
        true => RunEvent::Killed { reason: run.stop_reason().into() },
        false => work(run, &mut |emission| drop(sender.blocking_send(emission))),
    };
    let (end, refused) = thread::scope(|scope| {
        let trainer = thread::Builder::new().name("trainer".into()).spawn_scoped(scope, || {
            background::give_way();
            catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| broken(&*panic))
        });
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

/// Trains the run with the real trainer, from the beginning or on from the checkpoint of the last epoch that the run has
/// done; the event that ends it.
pub fn train_run(run: &Run, datasets: &Datasets, emit: &mut dyn FnMut(Emission)) -> RunEvent {
    match try_train(run, datasets, emit) {
        Ok(Outcome::Finished) => RunEvent::Finished,
        Ok(Outcome::Stopped) => RunEvent::Killed { reason: run.stop_reason().into() },
        Err(reason) => RunEvent::Failed { reason },
    }
}

fn try_train(run: &Run, datasets: &Datasets, emit: &mut dyn FnMut(Emission)) -> Result<Outcome, String> {
    let state = run.read().map_err(|error| error.to_string())?;
    let spec = &state.summary.spec;
    let mut say = |message: &str| emit(RunEvent::Preparing { message: message.into() }.into());
    say("loading the data set");
    let before = state.images();
    // A run goes on with the images that it began with, though `auto` may find others by now.
    let own = before.filter(|_| spec.dataset == DatasetChoice::Auto);
    let choice = own.and_then(|data| DatasetChoice::from_word(&data.set)).unwrap_or(spec.dataset);
    let Some(dataset) = datasets.load(choice, run.stop_flag(), &mut say)? else { return Ok(Outcome::Stopped) };
    // Once the images are there: the growth of this process is the runs' alone, as far as can be.
    let _promise = memory::promise(spec)?;
    if let Some(before) = before.filter(|before| before.digest != dataset.info.digest) {
        let (before, now) = (&before.name, &dataset.info.name);
        return Err(format!(
            "the run began with other images ({before}) than those that are here now ({now}): \
             make the former available with --data-dir and resume it, or start a new run"
        ));
    }
    let from = match state.summary.epoch {
        0 => None,
        epoch => {
            say(&format!("reading the checkpoint of epoch {epoch}"));
            let (from, _) = checkpoints::at(&run.folder, &state, epoch).map_err(|error| error.to_string())?;
            Some(from)
        }
    };
    let mut emit = |mut emission: Emission| {
        if let RunEvent::Started(start) = &mut emission.event {
            start.host = Some(gethostname::gethostname().to_string_lossy().into_owned());
            start.commit = option_env!("CENTERSCOPE_COMMIT").map(String::from);
        }
        emit(emission);
    };
    train(spec, &dataset, from.as_ref(), run.stop_flag(), &mut emit).map_err(|error| error.to_string())
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
    use crate::fake;
    use crate::runs::Bookmark;
    use crate::state::{LogLine, RunState, Status};
    use crate::store::{self, RunFolder, RunId, faults};
    use tempfile::TempDir;
    use trainer::event::Artifact;

    fn run() -> (TempDir, Run) {
        let home = faults::home();
        let folder = RunFolder::at(home.path().join("run"));
        let run = Run::create(RunId::fresh(), folder, fake::scheduled(2).into()).unwrap();
        (home, run)
    }

    fn said(message: usize) -> RunEvent {
        RunEvent::Preparing { message: message.to_string() }
    }

    #[test]
    fn everything_emitted_is_logged_in_order_however_full_the_channel() {
        let (_home, run) = run();
        carry_out(&run, &|_, emit| {
            (0..10 * CHANNEL).for_each(|n| emit(said(n).into()));
            RunEvent::Finished
        });
        let lines = run.folder.log_lines().unwrap();
        assert_eq!(lines.len(), 10 * CHANNEL + 2);
        for (n, line) in lines[1..=10 * CHANNEL].iter().enumerate() {
            assert!(line.contains(&format!("\"message\":\"{n}\"")), "{line}");
        }
        let state = RunState::replay(run.id, lines.iter().map(|line| &**line)).unwrap();
        assert_eq!(state.summary, *run.summary(), "memory is the replay of the log");
        assert_eq!(state.summary.status, Status::Finished);
    }

    #[test]
    fn a_panic_of_the_trainer_fails_the_run_with_what_it_said() {
        let (_home, run) = run();
        carry_out(&run, &|_, _| panic!("out of tensors"));
        let summary = run.summary();
        assert_eq!(summary.status, Status::Failed);
        assert!(summary.reason.as_deref().unwrap().contains("out of tensors"));
    }

    #[test]
    fn a_run_that_is_stopping_is_neither_resumed_nor_deleted() {
        let (_home, run) = run();
        carry_out(&run, &|run, _| {
            run.ask_to_stop("stopped by hand");
            // Its step takes longer than anybody waits. What isn't so fails the run.
            assert!(matches!(run.take_up(|_, _| unreachable!()), Err(RecordError::Stopping)));
            assert!(matches!(run.delete(|_| Ok(())), Err(RecordError::Stopping)));
            RunEvent::Killed { reason: run.stop_reason().into() }
        });
        assert_eq!(run.summary().reason.as_deref(), Some("stopped by hand"));
        run.delete(|_| Ok(())).unwrap();
    }

    #[test]
    fn a_refusing_disk_stops_the_trainer_and_is_told() {
        let (_home, run) = run();
        carry_out(&run, &|run, emit| {
            let artifacts = vec![Artifact { name: "run.json/impossible".into(), bytes: Vec::new().into() }];
            emit(Emission { event: said(1), artifacts });
            // The trainer goes on until it sees the flag, and nothing more is heard of it.
            while !run.stop_flag().load(Ordering::Relaxed) {
                emit(said(2).into());
            }
            RunEvent::Finished
        });
        let summary = run.summary();
        assert_eq!(summary.status, Status::Failed);
        assert!(summary.reason.as_deref().unwrap().contains("can't write to the run's folder"));
        assert_eq!(run.folder.log_lines().unwrap().len(), 2, "scheduled and failed");
    }

    /// What a watcher has seen: the epochs, as they were told.
    fn epochs(lines: &[std::sync::Arc<str>]) -> Vec<LogLine> {
        let lines = lines.iter().map(|line| serde_json::from_str::<LogLine>(line).unwrap());
        lines.filter(|line| matches!(line.event, RunEvent::Epoch(_))).collect()
    }

    /// Every change to the disk fails in turn, once or from then on. The run fails with the reason, nothing that a watcher
    /// saw is lost, and afterwards, also in another process, the run can be resumed to its end.
    #[test]
    fn a_disk_that_fails_at_any_moment_loses_nothing_that_was_told() {
        let errors = [faults::ENOSPC, faults::EROFS, faults::EMFILE];
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for failures in [1, 2, usize::MAX] {
            for good in 0.. {
                let (_home, run) = run();
                faults::plan(good, failures, errors[good % 3]);
                carry_out(&run, &fake::train);
                if !faults::lift() {
                    assert!(good > 30, "{good} changes only");
                    break;
                }
                let run = std::sync::Arc::new(run);
                let told = runtime.block_on(run.lines_after(Bookmark::default(), usize::MAX)).unwrap();
                let seen = epochs(&told.lines);
                assert!(told.over);
                let summary = run.summary();
                let place = format!("change {good}, {failures} failures: {summary:?}");
                match summary.status {
                    Status::Failed => {
                        let reason = summary.reason.as_deref().unwrap();
                        assert!(reason.contains("can't write"), "{place}");
                        // What is said to help does.
                        let helps = if errors[good % 3] == faults::EMFILE { "`ulimit -n`" } else { "free some space" };
                        assert!(reason.contains(helps), "{place}");
                    }
                    // Only what follows from the log could not be written.
                    status => assert_eq!((status, seen.len()), (Status::Finished, 2), "{place}"),
                }

                let again = Run::open(run.id, run.folder.clone()).unwrap();
                let state = again.read().unwrap();
                let found = epochs(&run.folder.log_lines().unwrap());
                // Nor is anything there that nobody saw, but for a line that the disk kept though it refused it.
                assert!(found.starts_with(&seen) && found.len() <= seen.len() + usize::from(failures > 1), "{place}");
                for (name, file) in &state.files {
                    let bytes = run.folder.read(&name.parse().unwrap()).unwrap();
                    assert_eq!(file.sha256.as_deref(), Some(store::digest(&bytes).as_str()), "{place}: {name}");
                }
                // Here where the failure was seen, and there where it was found, by turns.
                let resumed = if good % 2 == 0 { &*run } else { &again };
                if resumed.status() != Status::Finished {
                    let taken = resumed.take_up(|folder, state| {
                        let (epoch, damaged) = checkpoints::newest(folder, state)?;
                        Ok(RunEvent::Resumed { epoch, damaged })
                    });
                    assert!(taken.unwrap(), "{place}");
                    let known = if good % 2 == 0 { &seen } else { &found };
                    assert_eq!(resumed.summary().epoch as usize, known.len(), "{place}");
                    carry_out(resumed, &fake::train);
                }
                let state = resumed.read().unwrap();
                assert_eq!((state.summary.status, state.history.len()), (Status::Finished, 2), "{place}");
                let files = run.folder.list().unwrap().iter().map(|f| f.name.to_string()).collect::<Vec<_>>();
                assert_eq!(files.len(), 10, "{place}: {files:?}");
            }
        }
    }
}
