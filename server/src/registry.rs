//! Every run, by id.

use crate::changes::Changes;
use crate::runs::{RecordError, Run};
use crate::state::Summary;
use crate::store::{RunFolder, RunId, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use trainer::event::Emission;

/// A change of the runs folder this young may have come after a look that saw the same time: clocks of file systems tick
/// slowly.
const YOUNG: Duration = Duration::from_secs(2);

/// Every run, by id.
#[derive(Debug)]
pub struct Registry {
    store: Store,
    runs: RwLock<BTreeMap<RunId, Arc<Run>>>,
    /// Which of them changed since when.
    pub changes: Arc<Changes>,
    /// Held while folders move in or out; locked before `runs`.
    moving: Mutex<Scan>,
}

/// What the last look at the runs folder saw.
#[derive(Debug, Default)]
struct Scan {
    modified: Option<SystemTime>,
    /// Folders that aren't runs, or not yet: a copy may be under way.
    strange: BTreeSet<RunId>,
}

/// A run in the trash.
#[derive(Debug)]
pub struct Trashed {
    /// Its id.
    pub id: RunId,
    /// Its folder.
    pub folder: RunFolder,
    /// What its summary says, where it can be read.
    pub summary: Option<Summary>,
    /// When it was deleted, in milliseconds since 1970-01-01 UTC.
    pub deleted_ms: u64,
}

impl Registry {
    /// Opens every run of the folder. Blocks on the disk. A folder that can't be opened as a run is told of and left out.
    ///
    /// # Errors
    /// The folder of all runs can't be listed.
    pub fn open(store: Store) -> io::Result<Registry> {
        let ids = store.ids()?;
        let registry = Registry { store, runs: RwLock::default(), changes: Arc::default(), moving: Mutex::default() };
        // A run's summary is small and costs mostly the wait for the disk, so several are read at once.
        let next = AtomicUsize::new(0);
        let threads = 2 * thread::available_parallelism().map_or(1, usize::from).min(8);
        thread::scope(|scope| {
            for _ in 0..threads.min(ids.len()) {
                scope.spawn(|| {
                    while let Some(&id) = ids.get(next.fetch_add(1, Ordering::Relaxed)) {
                        match Run::open(id, registry.store.folder(id)) {
                            Ok(run) => drop(registry.admit(run)),
                            Err(error) => tracing::warn!(%id, %error, "left out: not a run that can be read"),
                        }
                    }
                });
            }
        });
        Ok(registry)
    }

    /// Makes a run, whose first event is `scheduled`. Blocks on the disk.
    ///
    /// # Errors
    /// Its folder can't be made or written.
    pub fn create(&self, scheduled: Emission) -> Result<Arc<Run>, RecordError> {
        let id = RunId::fresh();
        let run = self.admit(Run::create(id, self.store.folder(id), scheduled)?);
        self.changes.touch(id);
        Ok(run)
    }

    fn admit(&self, run: Run) -> Arc<Run> {
        run.tell(&self.changes);
        // It may come from the trash, by whatever way, or its deletion was cut short.
        run.undelete();
        let run = Arc::new(run);
        self.runs_mut().insert(run.id, run.clone());
        run
    }

    /// Looks for runs that were copied into the folder or taken out of it since the last look, at the price of asking for its
    /// time. Of the new ones only those that say they are over are taken: another might still be on its way. Blocks on the
    /// disk.
    pub fn refresh(&self) {
        let mut scan = self.moving();
        let Ok(modified) = self.store.modified() else { return };
        if scan.modified != Some(modified) {
            let Ok(there) = self.store.ids() else { return };
            let settled = self.forget_others_than(&there);
            let old = SystemTime::now().duration_since(modified).is_ok_and(|age| age > YOUNG);
            scan.modified = (old && settled).then_some(modified);
            scan.strange.extend(there);
        }
        scan.strange.retain(|id| !self.runs().contains_key(id));
        scan.strange.retain(|&id| match Run::find_over(id, self.store.folder(id)) {
            None => true,
            Some(run) => {
                tracing::info!(%id, "a run was copied in");
                self.admit(run);
                self.changes.touch(id);
                false
            }
        });
    }

    /// Forgets runs that have lost their folders; `there`: those that have one, in order. False where one of them isn't over,
    /// which ends by itself first, since it can't be written.
    fn forget_others_than(&self, there: &[RunId]) -> bool {
        let is_lost = |run: &&Arc<Run>| there.binary_search(&run.id).is_err() && run.folder.is_gone();
        let lost = self.runs().values().filter(is_lost).cloned().collect::<Vec<_>>();
        let mut all = true;
        for run in lost {
            match run.forget() {
                Ok(()) => {
                    tracing::warn!(id = %run.id, "the run's folder is gone, so the run is forgotten");
                    self.forget(run.id);
                }
                Err(_) => all = false,
            }
        }
        all
    }

    fn forget(&self, id: RunId) {
        self.runs_mut().remove(&id);
        self.changes.touch(id);
    }

    /// Moves a run that is over to the trash; one whose folder somebody else took away is forgotten. Blocks on the disk.
    ///
    /// # Errors
    /// The run isn't over or is gone already, or its folder can't be moved.
    pub fn delete(&self, run: &Run) -> Result<(), RecordError> {
        let _one_at_a_time = self.moving();
        run.delete(|folder| match self.store.trash().put(run.id) {
            Err(_) if folder.is_gone() => Ok(()),
            put => put,
        })?;
        self.forget(run.id);
        Ok(())
    }

    /// Brings a run back from the trash; one that is here already stays as it is. Blocks on the disk.
    ///
    /// # Errors
    /// `NotFound` where the trash has no such run; others where it can't be moved or read.
    pub fn restore(&self, id: RunId) -> io::Result<Arc<Run>> {
        let _one_at_a_time = self.moving();
        if let Some(run) = self.get(id) {
            return Ok(run);
        }
        self.store.trash().restore(id)?;
        let run = self.admit(Run::open(id, self.store.folder(id)).map_err(io::Error::other)?);
        self.changes.touch(id);
        Ok(run)
    }

    /// The runs in the trash, last deleted first. Blocks on the disk.
    ///
    /// # Errors
    /// It can't be listed.
    pub fn trashed(&self) -> io::Result<Vec<Trashed>> {
        let runs = self.store.trash().list()?.into_iter();
        let mut runs = runs
            .map(|(id, folder, moved)| {
                let summary = crate::runs::read_summary(&folder);
                // Logs of older versions don't say, nor does one that could not be written.
                let moved_ms = moved.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
                let deleted_ms = summary.as_ref().and_then(|summary| summary.deleted_ms).unwrap_or(moved_ms);
                Trashed { id, folder, summary, deleted_ms }
            })
            .collect::<Vec<_>>();
        runs.sort_by_key(|run| std::cmp::Reverse((run.deleted_ms, run.id)));
        Ok(runs)
    }

    /// Size of all runs' files, and of those in the trash. Blocks on the disk.
    ///
    /// # Errors
    /// The folder of all runs, or the trash, can't be listed.
    pub fn disk_bytes(&self) -> io::Result<(u64, u64)> {
        // A run that moves meanwhile has no size.
        let size = |folder: RunFolder| folder.size_bytes().unwrap_or_default();
        let runs = self.store.ids()?.into_iter().map(|id| size(self.store.folder(id))).sum();
        Ok((runs, self.store.trash().list()?.into_iter().map(|(_, folder, _)| size(folder)).sum()))
    }

    /// The run of that id.
    pub fn get(&self, id: RunId) -> Option<Arc<Run>> {
        self.runs().get(&id).cloned()
    }

    /// Every run, newest first.
    pub fn newest_first(&self) -> Vec<Arc<Run>> {
        self.runs().values().rev().cloned().collect()
    }

    /// Every run in a few numbers, newest first.
    pub fn summaries(&self) -> Vec<Arc<Summary>> {
        self.runs().values().rev().map(|run| run.summary()).collect()
    }

    // Every change under a lock is one step, so a panic leaves nothing half done.
    fn moving(&self) -> MutexGuard<'_, Scan> {
        self.moving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn runs(&self) -> RwLockReadGuard<'_, BTreeMap<RunId, Arc<Run>>> {
        self.runs.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn runs_mut(&self) -> RwLockWriteGuard<'_, BTreeMap<RunId, Arc<Run>>> {
        self.runs.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake;
    use crate::store::faults;
    use trainer::event::RunEvent;

    fn open(folder: &std::path::Path) -> Registry {
        Registry::open(Store::open(folder).unwrap()).unwrap()
    }

    /// What the log tells after the run's end.
    fn told(run: &Run) -> Vec<String> {
        let lines = run.folder.log_lines().unwrap();
        let lines = lines.iter().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.map(|line| line["type"].as_str().unwrap().to_string()).skip(2).collect()
    }

    #[test]
    fn deleting_and_restoring_are_events() {
        let home = tempfile::tempdir().unwrap();
        let registry = open(home.path());
        let run = registry.create(fake::scheduled(1).into()).unwrap();
        run.record(RunEvent::Finished.into()).unwrap();
        registry.delete(&run).unwrap();
        let [trashed] = &registry.trashed().unwrap()[..] else { panic!("it is not in the trash") };
        assert_eq!(trashed.summary.as_ref().unwrap().deleted_ms, Some(trashed.deleted_ms));
        let run = registry.restore(run.id).unwrap();
        assert_eq!((told(&run), run.summary().deleted_ms), (vec!["deleted".into(), "restored".into()], None));
        // By hand, and found by a server that runs.
        registry.delete(&run).unwrap();
        registry.store.trash().restore(run.id).unwrap();
        registry.refresh();
        let run = registry.get(run.id).unwrap();
        assert_eq!((told(&run)[2..].join(" "), run.summary().deleted_ms), ("deleted restored".into(), None));
        // By hand, and found by the next start.
        registry.delete(&run).unwrap();
        registry.store.trash().restore(run.id).unwrap();
        drop(registry);
        let run = open(home.path()).get(run.id).unwrap();
        assert_eq!((told(&run)[4..].join(" "), run.summary().deleted_ms), ("deleted restored".into(), None));
    }

    /// Each change to the disk fails in turn, once or with all after it, as if the program had died there; then a new start.
    #[test]
    fn a_death_between_the_event_and_the_move_leaves_a_run_whole_in_one_place() {
        for failures in [1, 2, usize::MAX] {
            for good in 0.. {
                let home = faults::home();
                let registry = open(home.path());
                let run = registry.create(fake::scheduled(1).into()).unwrap();
                run.record(RunEvent::Finished.into()).unwrap();
                faults::plan(good, failures, faults::EROFS);
                let deleted = registry.delete(&run).is_ok();
                let restored = deleted && registry.restore(run.id).is_ok();
                if !faults::lift() {
                    assert!(restored && good > 40, "{good} changes only");
                    break;
                }
                drop(registry);
                let registry = open(home.path());
                let place = format!("change {good}, {failures} failures: deleted {deleted}, restored {restored}");
                let (here, trashed) = (registry.get(run.id), registry.trashed().unwrap());
                let run = match (here, &trashed[..]) {
                    (Some(run), []) => run,
                    (None, [_]) => registry.restore(run.id).unwrap(),
                    _ => panic!("{place}: it is not in one place"),
                };
                let state = run.read().unwrap();
                assert_eq!((&state.summary, state.summary.deleted_ms), (&*run.summary(), None), "{place}");
                // Never said twice, and never that it is back without having said that it was gone.
                let told = told(&run);
                let expected = ["deleted", "restored"].iter().cycle().take(told.len());
                assert!(told.len().is_multiple_of(2) && told.iter().eq(expected), "{place}: {told:?}");
                registry.delete(&run).unwrap();
                assert!(registry.restore(run.id).unwrap().summary().deleted_ms.is_none(), "{place}");
            }
        }
    }
}
