//! A run as the server holds it ([`Run`]) and all of them ([`Registry`]).
//!
//! Watchers *pull*. A run holds the lines of its log and a bell (a `watch` channel) that rings at each new one; a watcher
//! keeps a position, waits for the bell, and takes all lines after its position. So a slow watcher loses nothing, sees
//! nothing twice, needs no buffer of its own and can't slow training.
//!
//! Only runs that are not over are in memory line by line. Of the others the summary is kept, and the log is read from
//! the disk when somebody asks, so that thousands of runs open fast and cost little.

use crate::run_files;
use crate::scheduler::Order;
use crate::series::{self, Thinned};
use crate::state::{LogError, LogLine, RunState, Summary};
use crate::store::{self, Log, RunFolder, RunId, Store};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use trainer::event::{Emission, RunEvent};
use trainer::spec::RunSpec;

/// One run: its folder, what is known of it, and the bell that rings at each new line.
#[derive(Debug)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Its folder.
    pub folder: RunFolder,
    memory: RwLock<Memory>,
    /// `None` once the run is over. A lock, since the trainer's events and a stop may come at once; locked before
    /// `memory`, and held while the disk works, so never from async code.
    log: Mutex<Option<Log>>,
    bell: watch::Sender<()>,
    stop: AtomicBool,
    stop_reason: OnceLock<&'static str>,
}

/// What is kept of a run in memory.
#[derive(Debug)]
enum Memory {
    /// The run isn't over (or its end couldn't be written).
    Whole { state: Box<RunState>, lines: Vec<Arc<str>> },
    /// The run is over; the rest is in its log.
    Summary(Box<Summary>),
}

/// Why an event couldn't be recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The run is over already.
    #[error("the run is over")]
    Over,
    /// The disk refused.
    #[error(
        "can't write to the run's folder: {0} (free some space or check its permissions, then start the run again)"
    )]
    Disk(#[from] io::Error),
    /// The event can't be told in JSON: a number isn't finite.
    #[error("the trainer reported something that can't be stored: {0} (try a smaller learning rate)")]
    Event(#[from] serde_json::Error),
    /// The artifact has an impossible name.
    #[error("the trainer named an artifact `{0}`, which can't be stored")]
    Name(String),
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
    pub fn create(id: RunId, folder: RunFolder, scheduled: RunEvent) -> Result<Run, RecordError> {
        folder.create()?;
        Run::begin(id, folder.clone(), scheduled).inspect_err(|_| {
            // It was empty before, so all in it is ours; half a run is of use to nobody.
            let _ = folder.discard();
        })
    }

    fn begin(id: RunId, folder: RunFolder, scheduled: RunEvent) -> Result<Run, RecordError> {
        let line = LogLine { seq: 1, time_ms: now_ms(), event: scheduled };
        let text = serde_json::to_string(&line)?;
        let state = RunState::begin(id, &line).map_err(|error| io::Error::other(error.to_string()))?;
        put(&folder, "README.md", run_files::README.as_bytes())?;
        put(&folder, "spec.json", &serde_json::to_vec_pretty(&state.spec)?)?;
        let mut log = folder.log()?;
        log.append(&text, true)?;
        put(&folder, store::SUMMARY, &run_files::run_json(&state)?)?;
        let memory = Memory::Whole { state: Box::new(state), lines: vec![text.into()] };
        Ok(Run::with(id, folder, memory, Some(log)))
    }

    /// Opens the folder of a run of the past. One that isn't over has lost its trainer: it gets an `interrupted` event.
    ///
    /// # Errors
    /// The folder holds no run, or the event can't be written.
    pub fn open(id: RunId, folder: RunFolder) -> Result<Run, OpenError> {
        let summary = read_summary(&folder);
        if let Some(summary) = summary.filter(|s| s.id == id && s.status.is_over()) {
            return Ok(Run::with(id, folder, Memory::Summary(Box::new(summary)), None));
        }
        let log = folder.log()?;
        let lines = folder.log_lines()?;
        let state = RunState::replay(id, lines.iter().map(|line| &**line))?;
        let over = state.summary.status.is_over();
        let run = Run::with(id, folder, Memory::Whole { state: Box::new(state), lines }, Some(log));
        if over {
            // The end was logged, but the program died before the summary said so.
            let mut log = unpoison(run.log.lock());
            run.settle(&mut log)?;
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

    fn with(id: RunId, folder: RunFolder, memory: Memory, log: Option<Log>) -> Run {
        Run {
            id,
            folder,
            memory: RwLock::new(memory),
            log: Mutex::new(log),
            bell: watch::Sender::new(()),
            stop: AtomicBool::new(false),
            stop_reason: OnceLock::new(),
        }
    }

    /// Stores the artifacts, appends the event to the log, folds it in, and rings. Blocks on the disk.
    ///
    /// # Errors
    /// The run is over, or the disk refuses; then nobody heard of the event.
    pub fn record(&self, mut emission: Emission) -> Result<(), RecordError> {
        // An event happened when the trainer told of it, not once its files are on the disk.
        let time_ms = now_ms();
        let mut log = unpoison(self.log.lock());
        let open = log.as_mut().ok_or(RecordError::Over)?;
        for artifact in &emission.artifacts {
            let name = artifact.name.parse().map_err(|_| RecordError::Name(artifact.name.clone()))?;
            self.folder.put(&name, &artifact.bytes)?;
        }
        if let RunEvent::Epoch(report) = &mut emission.event {
            // JSON has no word for them; a metric that isn't a number is left out.
            report.metrics.retain(|_, value| value.is_finite());
        }
        let durable = !matches!(emission.event, RunEvent::Progress(_) | RunEvent::Preparing { .. });
        let (line, text) = self.next_line(time_ms, emission.event)?;
        open.append(&text, durable)?;
        self.fold(&line, text);
        if durable {
            self.settle(&mut log)?;
        }
        self.bell.send_replace(());
        EVENTS.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Ends the run where the disk takes nothing more: the reason lives in memory only, and the next start finds the run
    /// interrupted.
    pub fn end_in_memory(&self, end: RunEvent) {
        let mut log = unpoison(self.log.lock());
        if log.take().is_some()
            && let Ok((line, text)) = self.next_line(now_ms(), end)
        {
            self.fold(&line, text);
            self.bell.send_replace(());
        }
    }

    /// The line that would come next. Read back, so that memory holds what a reader of the log will find.
    fn next_line(&self, time_ms: u64, event: RunEvent) -> Result<(LogLine, String), serde_json::Error> {
        let seq = match &*self.memory() {
            Memory::Whole { state, .. } => state.seq + 1,
            Memory::Summary(_) => 1,
        };
        let text = serde_json::to_string(&LogLine { seq, time_ms, event })?;
        Ok((serde_json::from_str(&text)?, text))
    }

    fn fold(&self, line: &LogLine, text: String) {
        if let Memory::Whole { state, lines } = &mut *self.memory_mut() {
            state.apply(line);
            lines.push(text.into());
        }
    }

    /// Writes the files that follow from the state; once the run is over, forgets all but the summary.
    fn settle(&self, log: &mut MutexGuard<'_, Option<Log>>) -> Result<(), RecordError> {
        let (tables, summary) = match &*self.memory() {
            Memory::Summary(_) => return Ok(()),
            Memory::Whole { state, .. } => {
                let history = &state.history;
                let metrics = run_files::metrics_csv(history).into_bytes();
                let confusion = run_files::confusion_csv(history).into_bytes();
                let run = run_files::run_json(state)?;
                let mut tables = vec![("metrics.csv", metrics), ("confusion.csv", confusion)];
                // Once, at the end: it grows with every step.
                if state.summary.status.is_over() {
                    tables.push((series::FILE, series::table(&state.progress)));
                }
                tables.push((store::SUMMARY, run));
                (tables, state.summary.clone())
            }
        };
        let written = tables.iter().try_for_each(|(name, bytes)| put(&self.folder, name, bytes));
        if !summary.status.is_over() {
            return written;
        }
        **log = None;
        match written {
            Ok(()) => *self.memory_mut() = Memory::Summary(Box::new(summary)),
            // The log has the end, so the next start writes these files; until then memory answers.
            Err(error) => tracing::warn!(id = %self.id, %error, "the run's tables could not be written"),
        }
        Ok(())
    }

    /// The run in a few numbers.
    pub fn summary(&self) -> Summary {
        match &*self.memory() {
            Memory::Whole { state, .. } => state.summary.clone(),
            Memory::Summary(summary) => (**summary).clone(),
        }
    }

    /// Looks at the summary, and at the spec of a run that isn't over, without a copy.
    pub fn peek<T>(&self, see: impl FnOnce(&Summary, Option<&RunSpec>) -> T) -> T {
        match &*self.memory() {
            Memory::Whole { state, .. } => see(&state.summary, Some(&state.spec)),
            Memory::Summary(summary) => see(summary, None),
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
        blocking(move || Ok(RunState::replay(run.id, run.folder.log_lines()?.iter().map(|line| &**line))?)).await
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
            let lines = run.folder.log_lines()?;
            let state = RunState::replay(run.id, lines.iter().map(|line| &**line))?;
            Ok(series::of_progress(&state.progress, points))
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
        if let Memory::Whole { state, lines } = &*self.memory() {
            return Ok((rest(lines), state.summary.status.is_over()));
        }
        let run = self.clone();
        let lines = blocking(move || Ok(run.folder.log_lines()?)).await?;
        Ok((rest(&lines), true))
    }

    /// Rings whenever there is a line more.
    pub fn bell(&self) -> watch::Receiver<()> {
        self.bell.subscribe()
    }

    /// Asks the trainer to stop after its current step, and says who asks; the first to ask is remembered.
    pub fn ask_to_stop(&self, reason: &'static str) {
        let _ = self.stop_reason.set(reason);
        self.stop.store(true, Ordering::Relaxed);
    }

    /// The flag that the trainer looks at.
    pub fn stop_flag(&self) -> &AtomicBool {
        &self.stop
    }

    /// Who asked to stop.
    pub fn stop_reason(&self) -> &'static str {
        self.stop_reason.get().copied().unwrap_or("the run was stopped")
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

fn put(folder: &RunFolder, name: &str, bytes: &[u8]) -> Result<(), RecordError> {
    let name = name.parse().map_err(|_| RecordError::Name(name.into()))?;
    Ok(folder.put(&name, bytes)?)
}

fn read_summary(folder: &RunFolder) -> Option<Summary> {
    let bytes = folder.read(&store::SUMMARY.parse().ok()?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Every run, by id.
#[derive(Debug)]
pub struct Registry {
    store: Store,
    runs: RwLock<BTreeMap<RunId, Arc<Run>>>,
}

impl Registry {
    /// Opens every run of the folder. Blocks on the disk. A folder that can't be opened as a run is told of and left out.
    ///
    /// # Errors
    /// The folder of all runs can't be listed.
    pub fn open(store: Store) -> io::Result<Registry> {
        let mut runs = BTreeMap::new();
        for id in store.ids()? {
            match Run::open(id, store.folder(id)) {
                Ok(run) => drop(runs.insert(id, Arc::new(run))),
                Err(error) => tracing::warn!(%id, %error, "left out: not a run that can be read"),
            }
        }
        Ok(Registry { store, runs: RwLock::new(runs) })
    }

    /// Makes a run. Blocks on the disk.
    ///
    /// # Errors
    /// Its folder can't be made or written.
    pub fn create(&self, order: Order) -> Result<Arc<Run>, RecordError> {
        let id = RunId::fresh();
        let run = Arc::new(Run::create(id, self.store.folder(id), order.scheduled())?);
        unpoison(self.runs.write()).insert(id, run.clone());
        Ok(run)
    }

    /// Size of all runs' files. Blocks on the disk.
    ///
    /// # Errors
    /// The folder of all runs can't be listed.
    pub fn disk_bytes(&self) -> io::Result<u64> {
        // A run that is deleted meanwhile has no size.
        let sizes = self.store.ids()?.into_iter().filter_map(|id| self.store.folder(id).list().ok());
        Ok(sizes.flatten().map(|file| file.size_bytes).sum())
    }

    /// The run of that id.
    pub fn get(&self, id: RunId) -> Option<Arc<Run>> {
        unpoison(self.runs.read()).get(&id).cloned()
    }

    /// Every run, newest first.
    pub fn newest_first(&self) -> Vec<Arc<Run>> {
        unpoison(self.runs.read()).values().rev().cloned().collect()
    }
}
