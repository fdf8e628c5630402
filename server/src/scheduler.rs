//! Who trains when: a queue, first come first served, and at most so many running at once.

use crate::datasets::Datasets;
use crate::recorder;
use crate::runs::{RecordError, Registry, Run};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use tokio::sync::watch;
use trainer::event::RunEvent;
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
}

impl Order {
    /// The first event of its run.
    pub fn scheduled(self) -> RunEvent {
        let Order { name, spec, comparison, sweep } = self;
        RunEvent::Scheduled { name, comparison, sweep, spec }
    }
}

/// Starts, queues and stops runs.
#[derive(Debug)]
pub struct Scheduler {
    jobs: usize,
    registry: Arc<Registry>,
    datasets: Arc<Datasets>,
    /// Locked for moments only: never while the disk or a trainer works.
    desk: Mutex<Desk>,
    /// How many are running.
    running: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Desk {
    waiting: VecDeque<(Arc<Run>, RunSpec)>,
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
    /// A folder can't be made.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl Scheduler {
    /// An empty queue, in front of `jobs` places to train.
    pub fn new(jobs: usize, registry: Arc<Registry>, datasets: Arc<Datasets>) -> Arc<Scheduler> {
        let running = watch::Sender::new(0);
        Arc::new(Scheduler { jobs, registry, datasets, desk: Mutex::default(), running })
    }

    /// Makes the runs, all or none as far as room goes, and starts what there is a place for. Blocks on the disk.
    ///
    /// # Errors
    /// The queue is full, the server is about to end, or a folder can't be made.
    pub fn submit(self: &Arc<Self>, orders: Vec<Order>) -> Result<Vec<Arc<Run>>, SubmitError> {
        let count = orders.len();
        {
            let mut desk = self.desk();
            let waiting = desk.waiting.len() + desk.reserved;
            if desk.closed {
                return Err(SubmitError::Closed);
            }
            if waiting + count > QUEUE {
                return Err(SubmitError::Full { waiting });
            }
            desk.reserved += count;
        }
        let made = orders.into_iter().map(|order| {
            let spec = order.spec.clone();
            self.registry.create(order).map(|run| (run, spec))
        });
        let made = made.collect::<Vec<_>>();
        let mut runs = Vec::new();
        let mut failure = None;
        {
            let mut desk = self.desk();
            desk.reserved -= count;
            for made in made {
                match made {
                    Ok((run, spec)) => {
                        tracing::info!(id = %run.id, name = run.summary().name, "run scheduled");
                        desk.waiting.push_back((run.clone(), spec));
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

    /// Stops a run, wherever it stands; one that is over stays as it is. Blocks on the disk.
    pub fn stop(&self, run: &Arc<Run>, reason: &'static str) {
        run.ask_to_stop(reason);
        let waited = {
            let mut desk = self.desk();
            let place = desk.waiting.iter().position(|(waiting, _)| waiting.id == run.id);
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
        let waiting = kill_all(waiting.into_iter().map(|(run, _)| run).collect());
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
            let (run, spec) = {
                let mut desk = self.desk();
                if desk.closed || desk.running.len() >= self.jobs {
                    return;
                }
                let Some((run, spec)) = desk.waiting.pop_front() else { return };
                desk.running.push(run.clone());
                self.running.send_replace(desk.running.len());
                (run, spec)
            };
            let (scheduler, started) = (self.clone(), run.clone());
            let work = move || {
                recorder::carry_out(&started, &spec, &scheduler.datasets);
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
        desk.running.retain(|running| running.id != run.id);
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
