//! A run as the server holds it ([`Run`]).
//!
//! Watchers *pull*. A run holds the lines of its log and a bell (a `watch` channel) that rings at each new one; a watcher
//! keeps a position, waits for the bell, and takes all lines after its position. So a slow watcher loses nothing, sees
//! nothing twice, needs no buffer of its own and can't slow training.
//!
//! Only runs that are not over are in memory line by line. Of the others the summary is kept, and the log is read from
//! the disk when somebody asks, so that thousands of runs open fast and cost little. Such a run can be written to all the
//! same ([`Run::amend`], [`Run::take_up`]): its log is read, one line is added, and unless it goes on it is a summary again.

mod writing;

use crate::changes::Changes;
use crate::checkpoints::NoCheckpoint;
use crate::limits::lacks_handles;
use crate::run_files;
use crate::runs::writing::{name, named, recover};
use crate::series::{self, Thinned};
use crate::state::{LogError, LogLine, RunState, Status, Summary};
use crate::store::{self, Log, RunFolder, RunId};
use serde::Deserialize;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use trainer::event::{Emission, RunEvent};

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

impl Memory {
    fn whole(state: RunState, lines: Vec<Arc<str>>) -> Memory {
        let summary = Arc::new(state.summary.clone());
        Memory::Whole { state: Box::new(state), lines, summary }
    }
}

/// Why an event couldn't be recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The run is over already.
    #[error("the run is over")]
    Over,
    /// The run isn't over.
    #[error("the run is waiting or training: stop it first")]
    NotOver,
    /// The run isn't over, but was asked to stop.
    #[error("the run is stopping and ends after its step: wait for its end, then ask again")]
    Stopping,
    /// The run has finished.
    #[error("the run has done all its epochs: fork it to train on with more of them")]
    Finished,
    /// The run was deleted.
    #[error("the run was deleted: restore it from the trash first")]
    Gone,
    /// There is nothing to go on from.
    #[error(transparent)]
    Checkpoint(#[from] NoCheckpoint),
    /// The log makes no sense.
    #[error("the run's log can't be understood: {0}")]
    Log(#[from] LogError),
    /// The disk refused.
    #[error("can't write to the run's folder: {0} ({helps}; then resume the run or start it again)", helps = remedy(.0))]
    Disk(#[from] io::Error),
    /// The event can't be told in JSON: a number isn't finite.
    #[error("the trainer reported something that can't be stored: {0} (try a smaller learning rate)")]
    Event(#[from] serde_json::Error),
    /// The artifact has an impossible name.
    #[error("the trainer named an artifact `{0}`, which can't be stored")]
    Name(String),
}

/// What helps where the disk refuses.
fn remedy(error: &io::Error) -> &'static str {
    if lacks_handles(error) {
        return "allow the server more open files with `ulimit -n`, or start it with fewer --watchers or --jobs";
    }
    match error.kind() {
        io::ErrorKind::NotFound => "its folder was moved or deleted while the server ran: put it back",
        _ => {
            "free some space, where there is a trash with `centerscope trash empty`, or check the folder's permissions"
        }
    }
}

/// Why a run can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The log can't be read.
    #[error("the run's log can't be read: {0}")]
    Disk(#[from] io::Error),
    /// The log makes no sense.
    #[error("the run's log can't be understood: {0}")]
    Log(#[from] LogError),
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
    /// Makes the run `id`, whose first event is `scheduled`. Blocks on the disk.
    ///
    /// # Errors
    /// The folder can't be made or written.
    pub fn create(id: RunId, folder: RunFolder, scheduled: Emission) -> Result<Run, RecordError> {
        folder.create()?;
        Run::begin(id, folder.clone(), scheduled).inspect_err(|_| {
            // It was empty before, so all in it is ours; half a run is of use to nobody.
            let _ = folder.discard();
        })
    }

    fn begin(id: RunId, folder: RunFolder, scheduled: Emission) -> Result<Run, RecordError> {
        let line = LogLine { seq: 1, time_ms: now_ms(), event: scheduled.event };
        let text = serde_json::to_string(&line)?;
        let state = RunState::begin(id, &line)?;
        let spec = serde_json::to_vec_pretty(&state.summary.spec)?;
        let mut files = named(&scheduled.artifacts)?;
        files.extend([(name("README.md")?, run_files::README.as_bytes()), (name("spec.json")?, &spec)]);
        folder.put(&files)?;
        let mut log = folder.log()?;
        log.append(&text, true)?;
        folder.put(&[(name(store::SUMMARY)?, &run_files::run_json(&state, log.size())?)])?;
        folder.sync()?;
        Ok(Run::with(id, folder, Memory::whole(state, vec![text.into()]), Pen::Writing(log)))
    }

    /// Opens the folder of a run of the past. One that isn't over has lost its trainer: it gets an `interrupted` event.
    ///
    /// # Errors
    /// The folder holds no run, or the event can't be written.
    pub fn open(id: RunId, folder: RunFolder) -> Result<Run, OpenError> {
        if let Some(run) = Run::find_over(id, folder.clone()) {
            return Ok(run);
        }
        let log = folder.log()?;
        let lines = folder.log_lines()?;
        let state = RunState::replay(id, lines.iter().map(|line| &**line))?;
        if let Err(error) = recover(&folder, &state) {
            tracing::warn!(%id, %error, "what a death left behind in the run's folder could not be cleared up");
        }
        let over = state.summary.status.is_over();
        let run = Run::with(id, folder, Memory::whole(state, lines), Pen::Writing(log));
        if over {
            // The end was logged, but the program died before the summary said so.
            run.settle(&mut run.pen())?;
        } else {
            let reason = "the program ended while the run was waiting or training; noticed at the next start";
            let end = RunEvent::Interrupted { reason: reason.into() };
            if let Err(error) = run.record(end.clone().into()) {
                tracing::warn!(%id, %error, "the run's end could not be recorded");
                run.end_in_memory(end);
            }
        }
        Ok(run)
    }

    /// The run in a folder, if its summary says that it is over and is up to date. Writes nothing.
    pub fn find_over(id: RunId, folder: RunFolder) -> Option<Run> {
        let bytes = folder.read(&store::SUMMARY.parse().ok()?).ok()?;
        let Stored { mut summary, log_bytes } = serde_json::from_slice(&bytes).ok()?;
        // Where the log went on after the summary was written, the log is right. Older versions told no size.
        let fresh = log_bytes.is_none_or(|size| folder.log_size().is_ok_and(|now| now == size));
        if summary.id != id || !summary.status.is_over() || !fresh {
            return None;
        }
        if summary.data_name.is_some() && summary.data_digest.is_none() {
            // Older versions left it to the log.
            summary.data_digest = Run::digest_seen(&folder);
        }
        Some(Run::with(id, folder, Memory::Summary(summary.into()), Pen::Down))
    }

    /// The digest of the images that a run saw when it last started, as its log has it.
    fn digest_seen(folder: &RunFolder) -> Option<String> {
        let lines = folder.log_lines().ok()?;
        let starts = lines.iter().rev().filter(|line| line.contains("\"started\""));
        starts.filter_map(|line| serde_json::from_str::<LogLine>(line).ok()).find_map(|line| match line.event {
            RunEvent::Started(start) => Some(start.data.digest),
            _ => None,
        })
    }

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

    /// The lines after position `after`, oldest first, and whether the run was over before they were taken (so that no
    /// others will come). Reads the log of a run that is over.
    ///
    /// # Errors
    /// The log can't be read.
    pub async fn lines_after(self: &Arc<Self>, after: u64) -> Result<(Vec<Arc<str>>, bool), ReadError> {
        // Line n has position n, so the position is the index of the next.
        let rest = |lines: &[Arc<str>]| lines.get(after as usize..).unwrap_or_default().to_vec();
        if let Memory::Whole { state, lines, .. } = &*self.memory() {
            return Ok((rest(lines), state.summary.status.is_over()));
        }
        let run = self.clone();
        let lines = blocking(move || Ok(run.folder.log_lines()?)).await?;
        Ok((rest(&lines), true))
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

/// Why a folder can't be opened as a run.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its log can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The event that closes it can't be written.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> OpenError {
        ReadError::from(error).into()
    }
}

impl From<LogError> for OpenError {
    fn from(error: LogError) -> OpenError {
        ReadError::from(error).into()
    }
}

/// Disk work belongs on a thread of its own: an async worker that waits for a disk serves nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ReadError> {
    let lost = |error: tokio::task::JoinError| ReadError::Disk(io::Error::other(error));
    tokio::task::spawn_blocking(work).await.map_err(lost)?
}

/// What is read back of `run.json`.
#[derive(Deserialize)]
struct Stored {
    #[serde(flatten)]
    summary: Summary,
    log_bytes: Option<u64>,
}

/// What `run.json` says, where it can be read.
pub(crate) fn read_summary(folder: &RunFolder) -> Option<Summary> {
    let bytes = folder.read(&store::SUMMARY.parse().ok()?).ok()?;
    serde_json::from_slice(&bytes).ok()
}
