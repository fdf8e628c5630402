//! A run as the server holds it ([`Run`]).
//!
//! Watchers *pull*. A run holds the lines of its log and a bell (a `watch` channel) that rings at each new one; a watcher
//! keeps a position, waits for the bell, and takes all lines after its position. So a slow watcher loses nothing, sees
//! nothing twice, needs no buffer of its own and can't slow training.
//!
//! Only runs that are not over are in memory line by line. Of the others the summary is kept, and the log is read from
//! the disk when somebody asks, so that thousands of runs open fast and cost little. Such a run can be written to all the
//! same ([`Run::amend`], [`Run::take_up`]): its log is read, one line is added, and unless it goes on it is a summary again.

mod errors;
mod opening;
mod removal;
mod writing;

use crate::changes::Changes;
use crate::series::{self, Thinned};
use crate::state::{LogLine, RunState, Status, Summary};
use crate::store::{Log, RunFolder, RunId};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use trainer::event::{EpochReport, RunEvent};

pub use errors::{OpenError, ReadError, RecordError};
pub(crate) use opening::read_summary;

/// One run: its folder, what is known of it, and the bells that ring at new lines.
#[derive(Debug)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Its folder.
    pub folder: RunFolder,
    memory: RwLock<Memory>,
    /// A lock, since the trainer's events and a stop may come at once; locked before `memory`, and held while the disk
    /// works, so never from async code.
    pen: Mutex<Pen>,
    /// Rings at each new line,
    bell: watch::Sender<()>,
    /// and this one unless the line is but a sign of life.
    gong: watch::Sender<()>,
    /// Where its changes are told, too, once it is one of many.
    changes: OnceLock<Arc<Changes>>,
    stop: AtomicBool,
    /// Who asked to stop. Locked for a look only.
    stop_reason: Mutex<Option<&'static str>>,
}

/// What writes a run's log.
#[derive(Debug)]
enum Pen {
    /// The run isn't over.
    Writing(Log),
    /// It is over.
    Down,
    /// Its folder was moved away.
    Gone,
}

/// What is kept of a run in memory.
#[derive(Debug)]
enum Memory {
    /// The run isn't over (or its end couldn't be written).
    Whole { state: Box<RunState>, lines: Vec<Arc<str>>, summary: Arc<Summary> },
    /// The run is over; the rest is in its log.
    Summary(Arc<Summary>),
}

/// How far a reader of a run's log is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bookmark {
    /// The last line that it has, 0 for none.
    pub position: u64,
    /// The byte at which the next begins, where that is known.
    byte: Option<u64>,
}

impl Bookmark {
    /// After that line.
    pub fn after(position: u64) -> Bookmark {
        Bookmark { position, byte: None }
    }
}

/// A piece of a run's log.
#[derive(Debug)]
pub struct Lines {
    /// Oldest first.
    pub lines: Vec<Arc<str>>,
    /// Where they end.
    pub next: Bookmark,
    /// Whether others follow already.
    pub more: bool,
    /// Whether the run was over before they were taken, so that no others will come.
    pub over: bool,
}

impl Memory {
    fn whole(state: RunState, lines: Vec<Arc<str>>) -> Memory {
        let summary = Arc::new(state.summary.clone());
        Memory::Whole { state: Box::new(state), lines, summary }
    }
}

// A panic under a lock fails the thread that panicked; what the lock guards is replaced whole or appended to, so the
// others go on.
fn unpoison<T>(result: Result<T, PoisonError<T>>) -> T {
    result.unwrap_or_else(PoisonError::into_inner)
}

/// Events recorded by this process.
static EVENTS: AtomicU64 = AtomicU64::new(0);

/// How many events this process has recorded.
pub fn events_recorded() -> u64 {
    EVENTS.load(Ordering::Relaxed)
}

/// Milliseconds since 1970-01-01 UTC.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

impl Run {
    fn with(id: RunId, folder: RunFolder, memory: Memory, pen: Pen) -> Run {
        Run {
            id,
            folder,
            memory: RwLock::new(memory),
            pen: Mutex::new(pen),
            bell: watch::Sender::new(()),
            gong: watch::Sender::new(()),
            changes: OnceLock::new(),
            stop: AtomicBool::new(false),
            stop_reason: Mutex::default(),
        }
    }

    /// The run in a few numbers.
    pub fn summary(&self) -> Arc<Summary> {
        match &*self.memory() {
            Memory::Whole { summary, .. } | Memory::Summary(summary) => summary.clone(),
        }
    }

    /// From now on its changes are told here, too.
    pub fn tell(&self, changes: &Arc<Changes>) {
        let _ = self.changes.set(changes.clone());
    }

    /// Where the run stands.
    pub fn status(&self) -> Status {
        self.peek(|summary| summary.status)
    }

    /// Waits until the run is over, but not longer than `patience`.
    pub async fn over_within(&self, patience: Duration) {
        let mut bell = self.bell();
        let over = async { while !self.status().is_over() && bell.changed().await.is_ok() {} };
        // Whether it came to that, its status says.
        let _ = tokio::time::timeout(patience, over).await;
    }

    /// Looks at the summary without a copy.
    pub fn peek<T>(&self, see: impl FnOnce(&Summary) -> T) -> T {
        match &*self.memory() {
            Memory::Whole { summary, .. } | Memory::Summary(summary) => see(summary),
        }
    }

    /// All that is known of the run. Reads the log of a run that is over.
    ///
    /// # Errors
    /// The log can't be read.
    pub async fn state(self: &Arc<Self>) -> Result<RunState, ReadError> {
        if let Memory::Whole { state, .. } = &*self.memory() {
            return Ok((**state).clone());
        }
        let run = self.clone();
        blocking(move || run.read()).await
    }

    /// The same, for a thread that may block on the disk.
    ///
    /// # Errors
    /// The log can't be read.
    pub fn read(&self) -> Result<RunState, ReadError> {
        if let Memory::Whole { state, .. } = &*self.memory() {
            return Ok((**state).clone());
        }
        Ok(RunState::replay(self.id, self.folder.log_lines()?.iter().map(|line| &**line))?)
    }

    /// What was measured after an epoch; `None` of one that the run hasn't done. Blocks on the disk.
    ///
    /// # Errors
    /// The log can't be read.
    pub fn report(&self, epoch: u32) -> Result<Option<EpochReport>, ReadError> {
        if let Memory::Whole { state, .. } = &*self.memory() {
            return Ok(state.history.iter().find(|report| report.epoch == epoch).cloned());
        }
        let lines = self.folder.log_lines()?;
        // Most lines are signs of life, which needn't be read for it. The last counts: a run that was resumed may have done the
        // epoch twice.
        let mut told = lines.iter().rev().filter(|line| line.contains(r#""type":"epoch""#));
        Ok(told.find_map(|line| match serde_json::from_str::<LogLine>(line).ok()?.event {
            RunEvent::Epoch(report) if report.epoch == epoch => Some(*report),
            _ => None,
        }))
    }

    /// At most about `points` of each series of the signs of life. Reads the table of a run that is over, or its log where an
    /// older version left no table.
    ///
    /// # Errors
    /// The log can't be read.
    pub async fn progress(self: &Arc<Self>, points: usize) -> Result<Thinned, ReadError> {
        let run = self.clone();
        blocking(move || {
            if let Memory::Whole { state, .. } = &*run.memory() {
                return Ok(series::of_progress(&state.progress, points));
            }
            let table = series::FILE.parse().ok().and_then(|name| run.folder.read(&name).ok());
            if let Some(thinned) = table.and_then(|table| series::of_table(&table, points)) {
                return Ok(thinned);
            }
            Ok(series::of_progress(&run.read()?.progress, points))
        })
        .await
    }

    /// The lines after a bookmark, up to about `bytes` of them. Reads the log of a run that is over, from there on.
    ///
    /// # Errors
    /// The log can't be read.
    pub async fn lines_after(self: &Arc<Self>, mark: Bookmark, bytes: usize) -> Result<Lines, ReadError> {
        if let Memory::Whole { state, lines, .. } = &*self.memory() {
            // Line n has position n, so the position is the index of the next.
            let rest = lines.get(mark.position as usize..).unwrap_or_default();
            let mut taken = 0;
            let fits = |line: &&Arc<str>| {
                let fits = taken <= bytes;
                taken += line.len();
                fits
            };
            let piece = rest.iter().take_while(fits).cloned().collect::<Vec<_>>();
            let next = Bookmark { position: mark.position + piece.len() as u64, byte: None };
            let more = piece.len() < rest.len();
            return Ok(Lines { lines: piece, next, more, over: state.summary.status.is_over() });
        }
        let run = self.clone();
        blocking(move || {
            let from = match mark.byte {
                Some(byte) => byte,
                None => run.folder.log_place(mark.position)?,
            };
            let (lines, end, more) = run.folder.log_piece(from, bytes)?;
            let next = Bookmark { position: mark.position + lines.len() as u64, byte: Some(end) };
            Ok(Lines { lines, next, more, over: true })
        })
        .await
    }

    /// Tells the watchers of this run, and those of all runs, that there is something new.
    fn ring(&self, sign_of_life: bool) {
        self.bell.send_replace(());
        if !sign_of_life {
            self.gong.send_replace(());
        }
        if let Some(changes) = self.changes.get() {
            changes.touch(self.id);
        }
    }

    /// Rings whenever there is a line more.
    pub fn bell(&self) -> watch::Receiver<()> {
        self.bell.subscribe()
    }

    /// Rings whenever there is a line more that is not just a sign of life: an epoch, a change of state, an edit.
    pub fn gong(&self) -> watch::Receiver<()> {
        self.gong.subscribe()
    }

    /// Asks the trainer to stop after its current step, and says who asks; the first to ask is remembered.
    pub fn ask_to_stop(&self, reason: &'static str) {
        unpoison(self.stop_reason.lock()).get_or_insert(reason);
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to stop and its end is yet to come.
    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed) && !self.status().is_over()
    }

    /// The flag that the trainer looks at.
    pub fn stop_flag(&self) -> &AtomicBool {
        &self.stop
    }

    /// Who asked to stop.
    pub fn stop_reason(&self) -> &'static str {
        unpoison(self.stop_reason.lock()).unwrap_or("the run was stopped")
    }

    fn pen(&self) -> MutexGuard<'_, Pen> {
        unpoison(self.pen.lock())
    }

    fn memory(&self) -> RwLockReadGuard<'_, Memory> {
        unpoison(self.memory.read())
    }

    fn memory_mut(&self) -> RwLockWriteGuard<'_, Memory> {
        unpoison(self.memory.write())
    }
}

/// Disk work belongs on a thread of its own: an async worker that waits for a disk serves nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ReadError> {
    let lost = |error: tokio::task::JoinError| ReadError::Disk(io::Error::other(error));
    tokio::task::spawn_blocking(work).await.map_err(lost)?
}
