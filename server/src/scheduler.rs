//! Who trains when: a queue, first come first served, and at most so many running at once.

use crate::checkpoints;
use crate::recorder::{self, Work};
use crate::registry::Registry;
use crate::runs::{RecordError, Run};
use crate::state::{Status, Summary};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use tokio::sync::watch;
use trainer::checkpoint;
use trainer::event::{Artifact, Emission, Fork, RunEvent};
use trainer::spec::RunSpec;

/// Runs that may wait.
pub const QUEUE: usize = 100;
/// Why a run ends when the server does.
const SHUTDOWN: &str = "the server was stopped";

/// A run to be made.
#[derive(Clone, Debug)]
pub struct Order {
    /// Its name for people.
    pub name: String,
    /// What it will do.
    pub spec: RunSpec,
    /// The comparison it belongs to.
    pub comparison: Option<String>,
    /// The sweep it belongs to.
    pub sweep: Option<String>,
    /// The run and epoch it goes on from, and the bytes of that checkpoint.
    pub fork: Option<(Fork, Arc<[u8]>)>,
}

impl Order {
    /// The first event of its run, with the file that it begins with.
    pub fn scheduled(self) -> Emission {
        let Order { name, spec, comparison, sweep, fork } = self;
        let start = |(_, bytes): &(_, Arc<[u8]>)| Artifact { name: checkpoint::START.into(), bytes: bytes.clone() };
        let artifacts = fork.iter().map(start).collect();
        let fork = fork.map(|(fork, _)| fork);
        Emission { event: RunEvent::Scheduled { name, comparison, sweep, spec, fork }, artifacts }
    }
}

/// Starts, queues, stops and resumes runs.
pub struct Scheduler {
    jobs: usize,
    registry: Arc<Registry>,
    work: Box<Work>,
    /// Locked for moments only: never while the disk or a trainer works.
    desk: Mutex<Desk>,
    /// How many are running.
    running: watch::Sender<usize>,
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler").field("jobs", &self.jobs).field("desk", &self.desk).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Desk {
    waiting: VecDeque<Arc<Run>>,
    /// Places in the queue for runs whose folders are being made.
    reserved: usize,
    running: Vec<Arc<Run>>,
    closed: bool,
}

/// Why runs weren't accepted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The queue is full.
    #[error("{waiting} runs are waiting already and the queue holds {QUEUE}: wait for some to end, or stop some")]
    Full {
        /// How many are waiting.
        waiting: usize,
    },
    /// The server is about to end.
    #[error("the server is shutting down: start it again, then the run")]
    Closed,
    /// A folder can't be made or written, or the run isn't one that can go on.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Whether a run ended only because the server did.
fn ended_with_the_server(run: &Summary) -> bool {
    run.status == Status::Interrupted || (run.status == Status::Killed && run.reason.as_deref() == Some(SHUTDOWN))
}

impl Scheduler {
    /// An empty queue, in front of `jobs` places to do `work`.
    pub fn new(jobs: usize, registry: Arc<Registry>, work: Box<Work>) -> Arc<Scheduler> {
        let running = watch::Sender::new(0);
        Arc::new(Scheduler { jobs, registry, work, desk: Mutex::default(), running })
    }

    /// Makes the runs, all or none as far as room goes, and starts what there is a place for. Blocks on the disk.
    ///
    /// # Errors
    /// The queue is full, the server is about to end, or a folder can't be made.
    pub fn submit(self: &Arc<Self>, orders: Vec<Order>) -> Result<Vec<Arc<Run>>, SubmitError> {
        let count = orders.len();
        self.reserve(count)?;
        let made = orders.into_iter().map(|order| self.registry.create(order.scheduled()));
        let made = made.collect::<Vec<_>>();
        let mut runs = Vec::new();
        let mut failure = None;
        {
            let mut desk = self.desk();
            desk.reserved -= count;
            for made in made {
                match made {
                    Ok(run) => {
                        tracing::info!(id = %run.id, name = run.summary().name, "run scheduled");
                        desk.waiting.push_back(run.clone());
                        runs.push(run);
                    }
                    Err(error) => failure = Some(error),
                }
            }
        }
        if let Some(error) = failure {
            // Half a comparison compares nothing, and half a sweep misleads.
            runs.iter().for_each(|run| self.stop(run, "the other runs of its comparison or sweep could not be made"));
            return Err(error.into());
        }
        self.pump();
        Ok(runs)
    }

    /// Queues a run that is over, to go on from its newest whole checkpoint; one that isn't over stays as it is. Blocks on
    /// the disk.
    ///
    /// # Errors
    /// The queue is full, the server is about to end, the run has finished or was deleted, it is a fork whose beginning is lost,
    /// or the disk refuses.
    pub fn resume(self: &Arc<Self>, run: &Arc<Run>) -> Result<(), SubmitError> {
        self.reserve(1)?;
        let taken = run.take_up(|folder, state| {
            let (epoch, damaged) = checkpoints::newest(folder, state)?;
            Ok(RunEvent::Resumed { epoch, damaged })
        });
        {
            let mut desk = self.desk();
            desk.reserved -= 1;
            if taken? {
                tracing::info!(id = %run.id, name = run.summary().name, epoch = run.summary().epoch, "run resumed");
                desk.waiting.push_back(run.clone());
            }
        }
        self.pump();
        Ok(())
    }

    /// Resumes every run that ended only because the server did, oldest first. Blocks on the disk.
    pub fn resume_interrupted(self: &Arc<Self>) {
        for run in self.registry.newest_first().iter().rev().filter(|run| ended_with_the_server(&run.summary())) {
            if let Err(error) = self.resume(run) {
                tracing::warn!(id = %run.id, %error, "the run could not be resumed");
            }
        }
    }

    /// Takes places in the queue for runs whose folders are yet to be written.
    fn reserve(&self, count: usize) -> Result<(), SubmitError> {
        let mut desk = self.desk();
        let waiting = desk.waiting.len() + desk.reserved;
        if desk.closed {
            return Err(SubmitError::Closed);
        }
        if waiting + count > QUEUE {
            return Err(SubmitError::Full { waiting });
        }
        desk.reserved += count;
        Ok(())
    }

    /// Stops a run, wherever it stands; one that is over stays as it is. Blocks on the disk.
    pub fn stop(&self, run: &Arc<Run>, reason: &'static str) {
        run.ask_to_stop(reason);
        let waited = {
            let mut desk = self.desk();
            let place = desk.waiting.iter().position(|waiting| waiting.id == run.id);
            place.and_then(|place| desk.waiting.remove(place))
        };
        if waited.is_some() {
            kill(run, reason);
        }
    }

    /// Stops everything and waits for the trainers, but not longer than `patience`; who doesn't come to an end by then is
    /// recorded as killed all the same. Nothing is accepted any more.
    pub async fn shut_down(self: &Arc<Self>, patience: Duration) {
        let (waiting, running) = {
            let mut desk = self.desk();
            desk.closed = true;
            (std::mem::take(&mut desk.waiting), desk.running.clone())
        };
        running.iter().for_each(|run| run.ask_to_stop(SHUTDOWN));
        let kill_all =
            |runs: Vec<Arc<Run>>| tokio::task::spawn_blocking(move || runs.iter().for_each(|run| kill(run, SHUTDOWN)));
        let waiting = kill_all(waiting.into());
        let mut count = self.running.subscribe();
        let all = async { tokio::join!(waiting, count.wait_for(|&running| running == 0)) };
        let _ = tokio::time::timeout(patience, all).await;
        // A disk that is slower than this leaves the rest to the next start, which finds them interrupted.
        let _ = tokio::time::timeout(patience / 4, kill_all(running)).await;
    }

    /// How many runs wait, and how many train.
    pub fn load(&self) -> (usize, usize) {
        let desk = self.desk();
        (desk.waiting.len(), desk.running.len())
    }

    /// Fills the free places from the queue.
    fn pump(self: &Arc<Self>) {
        loop {
            let run = {
                let mut desk = self.desk();
                if desk.closed || desk.running.len() >= self.jobs {
                    return;
                }
                let Some(run) = desk.waiting.pop_front() else { return };
                desk.running.push(run.clone());
                self.running.send_replace(desk.running.len());
                run
            };
            let (scheduler, started) = (self.clone(), run.clone());
            let work = move || {
                recorder::carry_out(&started, &*scheduler.work);
                scheduler.leave(&started);
                scheduler.pump();
            };
            if let Err(error) = thread::Builder::new().name("recorder".into()).spawn(work) {
                let reason = format!("no thread could be started: {error}; try fewer jobs");
                let _ = run.record(RunEvent::Failed { reason }.into());
                self.leave(&run);
            }
        }
    }

    fn leave(&self, run: &Run) {
        let mut desk = self.desk();
        // One place only: a run that ended and was resumed meanwhile may have taken another.
        if let Some(place) = desk.running.iter().position(|running| running.id == run.id) {
            desk.running.swap_remove(place);
        }
        self.running.send_replace(desk.running.len());
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        // Every change under the lock is a single step, so a panic leaves nothing half done.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records that a run was stopped, unless it is over.
fn kill(run: &Run, reason: &str) {
    match run.record(RunEvent::Killed { reason: reason.into() }.into()) {
        Ok(()) => tracing::info!(id = %run.id, reason, "run stopped"),
        Err(RecordError::Over) => {}
        Err(error) => {
            tracing::error!(id = %run.id, %error, "the stop could not be recorded");
            run.end_in_memory(RunEvent::Failed { reason: error.to_string() });
        }
    }
}

#[cfg(test)]
mod tests;
