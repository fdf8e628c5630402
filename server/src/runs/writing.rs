//! What is written to a run: events and their files, the tables that follow, and how a run that is over goes on.

use super::{EVENTS, Memory, Pen, RecordError, Run, now_ms, unpoison};
use crate::run_files;
use crate::series;
use crate::state::{LogLine, RunState, Status};
use crate::store::{self, ArtifactName, Placed, RunFolder};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use trainer::event::{Artifact, Emission, RunEvent};

impl Run {
    /// Stores the artifacts, appends the event to the log, folds it in, and rings. Blocks on the disk.
    ///
    /// # Errors
    /// The run is over, or the disk refuses.
    pub fn record(&self, emission: Emission) -> Result<(), RecordError> {
        // An event happened when the trainer told of it, not once its files are on the disk.
        let time_ms = now_ms();
        let mut pen = self.pen();
        if !matches!(*pen, Pen::Writing(_)) {
            return Err(RecordError::Over);
        }
        self.write(&mut pen, time_ms, emission)
    }

    /// Appends an event to the log of a run whether or not it is over: what people say about a run (its name, its notes)
    /// they say at any time. Serialised with everything else that writes; a run that is over stays so. Blocks on the disk.
    ///
    /// # Errors
    /// The run was deleted, or the disk refuses; then nobody heard of the event.
    pub fn amend(&self, event: RunEvent) -> Result<(), RecordError> {
        self.add(&mut self.pen(), event)
    }

    pub(super) fn add(&self, pen: &mut Pen, event: RunEvent) -> Result<(), RecordError> {
        self.reopen(pen)?;
        self.write(pen, now_ms(), event.into()).inspect_err(|_| self.put_down(pen))
    }

    /// Takes up a run that is over: logs the `resumed` event that `choose` makes of what is known of the run. False where
    /// it isn't over, and nothing happens. Blocks on the disk.
    ///
    /// # Errors
    /// The run is stopping, has finished or was deleted, there is nothing to choose, or the disk refuses.
    pub fn take_up(
        &self,
        choose: impl FnOnce(&RunFolder, &RunState) -> Result<RunEvent, RecordError>,
    ) -> Result<bool, RecordError> {
        let mut pen = self.pen();
        match *pen {
            Pen::Writing(_) if self.is_stopping() => return Err(RecordError::Stopping),
            Pen::Writing(_) => return Ok(false),
            Pen::Down if self.status() == Status::Finished => return Err(RecordError::Finished),
            Pen::Down | Pen::Gone => {}
        }
        self.reopen(&mut pen)?;
        let chosen = match &*self.memory() {
            Memory::Whole { state, .. } => {
                recover(&self.folder, state).map_err(RecordError::from).and_then(|()| choose(&self.folder, state))
            }
            Memory::Summary(_) => Err(io::Error::other("the log is closed").into()),
        };
        let taken = chosen.and_then(|resumed| {
            // Before the line: a stop that comes after it must hold.
            self.stop.store(false, Ordering::Relaxed);
            *unpoison(self.stop_reason.lock()) = None;
            self.write(&mut pen, now_ms(), resumed.into())
        });
        taken.map(|()| true).inspect_err(|error| {
            self.put_down(&mut pen);
            // The line stands and the tables don't: nobody will train the run, so it ends again.
            self.give_up(&mut pen, RunEvent::Failed { reason: error.to_string() });
        })
    }

    /// Opens the log of a run that is over, and brings all of it back to memory.
    fn reopen(&self, pen: &mut Pen) -> Result<(), RecordError> {
        match pen {
            Pen::Writing(_) => return Ok(()),
            Pen::Gone => return Err(RecordError::Gone),
            Pen::Down => {}
        }
        let mut log = self.folder.log()?;
        let on_disk = self.folder.log_lines()?;
        let missing = match &*self.memory() {
            Memory::Whole { lines, .. } => {
                // A line that nobody was told of, since the disk didn't take it for certain nor let go of it,
                let known = on_disk.iter().zip(lines).take_while(|(there, told)| there == told).count();
                log.take_back(on_disk[known..].iter().map(|line| line.len() as u64 + 1).sum())?;
                // and an end that it didn't take when it came.
                Some(lines[known..].to_vec())
            }
            Memory::Summary(_) => None,
        };
        match missing {
            Some(missing) => missing.iter().try_for_each(|line| log.append(line, true))?,
            None => {
                let state = RunState::replay(self.id, on_disk.iter().map(|line| &**line))?;
                *self.memory_mut() = Memory::whole(state, on_disk);
            }
        }
        *pen = Pen::Writing(log);
        Ok(())
    }

    /// Stores, appends, folds, rings, and writes the tables that follow.
    fn write(&self, pen: &mut Pen, time_ms: u64, emission: Emission) -> Result<(), RecordError> {
        let sign_of_life = matches!(emission.event, RunEvent::Progress(_));
        let written = self.append(pen, time_ms, emission);
        // The tables follow from the log, so who watches a run need not wait for them; but where its end is told, all is there.
        let over = self.status().is_over();
        if !over {
            self.ring(sign_of_life);
        }
        let settled = written.and_then(|placed| match placed {
            Some(placed) => placed.sync().map_err(RecordError::from).and_then(|()| self.settle(pen)),
            None => Ok(()),
        });
        if over {
            self.ring(false);
        }
        settled
    }

    /// Where the line is one that the disk has for certain, its files, which stand in their places.
    fn append(&self, pen: &mut Pen, time_ms: u64, emission: Emission) -> Result<Option<Placed>, RecordError> {
        let Pen::Writing(log) = pen else { return Err(RecordError::Over) };
        let Emission { mut event, artifacts } = emission;
        let staged = self.folder.stage(&named(&artifacts)?)?;
        if let RunEvent::Epoch(report) = &mut event {
            // JSON has no word for them; a metric that isn't a number is left out.
            report.metrics.retain(|_, value| value.is_finite());
            report.sha256 = digests(&artifacts);
        }
        let durable = match event {
            RunEvent::Progress(_) => false,
            RunEvent::Preparing { .. } => self.status() != Status::Running,
            _ => true,
        };
        let (line, text) = self.next_line(time_ms, event)?;
        if let Err(error) = log.append(&text, durable) {
            if log.is_torn() {
                // A start that finds the line finds its files, too.
                staged.leave();
            }
            return Err(error.into());
        }
        // The line stands, so the files are the run's: should one not get to its place now, the next start brings it there.
        let placed = staged.place();
        self.fold(&line, text);
        EVENTS.fetch_add(1, Ordering::Relaxed);
        Ok(Some(placed?).filter(|_| durable))
    }

    /// Ends the run where the disk takes nothing more: the reason lives in memory only, and the next start finds the run
    /// interrupted.
    pub fn end_in_memory(&self, end: RunEvent) {
        self.give_up(&mut self.pen(), end);
    }

    fn give_up(&self, pen: &mut Pen, end: RunEvent) {
        if matches!(*pen, Pen::Writing(_)) {
            *pen = Pen::Down;
            if let Ok((line, text)) = self.next_line(now_ms(), end) {
                self.fold(&line, text);
                self.ring(false);
            }
        }
    }

    /// The line that would come next. Read back, so that memory holds what a reader of the log will find.
    fn next_line(&self, time_ms: u64, event: RunEvent) -> Result<(LogLine, String), serde_json::Error> {
        let seq = match &*self.memory() {
            Memory::Whole { state, .. } => state.summary.seq + 1,
            Memory::Summary(_) => 1,
        };
        let text = serde_json::to_string(&LogLine { seq, time_ms, event })?;
        Ok((serde_json::from_str(&text)?, text))
    }

    fn fold(&self, line: &LogLine, text: String) {
        if let Memory::Whole { state, lines, summary } = &mut *self.memory_mut() {
            state.apply(line);
            lines.push(text.into());
            *summary = Arc::new(state.summary.clone());
        }
    }

    /// Writes the files that follow from the state; once the run is over, forgets all but the summary.
    pub(super) fn settle(&self, pen: &mut Pen) -> Result<(), RecordError> {
        let (cleared, tables) = match (&*self.memory(), &*pen) {
            (Memory::Whole { state, .. }, Pen::Writing(log)) => {
                let history = &state.history;
                let mut tables = vec![
                    ("metrics.csv", run_files::metrics_csv(history).into_bytes()),
                    ("confusion.csv", run_files::confusion_csv(history).into_bytes()),
                ];
                let mut cleared = Ok(());
                if state.summary.status.is_over() {
                    // A file that could not be moved to its place when its line was written.
                    cleared = recover(&self.folder, state);
                    // Once, at the end: it grows with every step.
                    tables.push((series::FILE, series::table(&state.progress)));
                }
                tables.push((store::SUMMARY, run_files::run_json(state, log.size())?));
                (cleared, tables)
            }
            _ => return Ok(()),
        };
        let tables = tables.iter().map(|(table, bytes)| Ok((name(table)?, bytes.as_slice())));
        let tables = tables.collect::<Result<Vec<_>, RecordError>>()?;
        let written = cleared.and_then(|()| self.folder.put(&tables));
        if !self.status().is_over() {
            return Ok(written?);
        }
        match written {
            Ok(()) => self.put_down(pen),
            // The log has the end, so the next start writes these files; until then memory answers.
            Err(error) => {
                *pen = Pen::Down;
                tracing::warn!(id = %self.id, %error, "the run's tables could not be written");
            }
        }
        Ok(())
    }

    /// Closes the log of a run that is over and keeps the summary of what it holds. Where the log may hold a line that nobody
    /// was told of, memory goes on to answer: only there is known which lines were told.
    fn put_down(&self, pen: &mut Pen) {
        let memory = &mut *self.memory_mut();
        if let (Memory::Whole { summary, .. }, Pen::Writing(log)) = (&*memory, &*pen)
            && summary.status.is_over()
        {
            let torn = log.is_torn();
            *pen = Pen::Down;
            if !torn {
                *memory = Memory::Summary(summary.clone());
            }
        }
    }
}

pub(super) fn name(text: &str) -> Result<ArtifactName, RecordError> {
    text.parse().map_err(|_| RecordError::Name(text.into()))
}

pub(super) fn named(artifacts: &[Artifact]) -> Result<Vec<(ArtifactName, &[u8])>, RecordError> {
    artifacts.iter().map(|artifact| Ok((name(&artifact.name)?, &*artifact.bytes))).collect()
}

/// SHA-256 of each artifact; bytes that several share are read once.
fn digests(artifacts: &[Artifact]) -> BTreeMap<String, String> {
    let mut known: Vec<(&Arc<[u8]>, String)> = Vec::new();
    let mut digests = BTreeMap::new();
    for artifact in artifacts {
        let found = known.iter().find(|(bytes, _)| Arc::ptr_eq(bytes, &artifact.bytes)).map(|(_, d)| d.clone());
        let sha256 = found.unwrap_or_else(|| store::digest(&artifact.bytes));
        known.push((&artifact.bytes, sha256.clone()));
        digests.insert(artifact.name.clone(), sha256);
    }
    digests
}

/// Finishes or clears what a death in the middle of storing left behind.
pub(super) fn recover(folder: &RunFolder, state: &RunState) -> io::Result<()> {
    let told = state.files.iter().filter_map(|(name, file)| Some((name.parse().ok()?, file.sha256.as_deref()?)));
    folder.recover(&told.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake;
    use crate::runs::Bookmark;
    use crate::store::{RunId, faults};
    use tokio::runtime::Builder;
    use trainer::event::Edit;

    fn edited(notes: &str) -> RunEvent {
        RunEvent::Edited(Edit { notes: Some(notes.into()), ..Edit::default() })
    }

    /// Every change to the disk that an edit of a run of the past makes fails in turn, once or from then on.
    #[test]
    fn an_edit_that_the_disk_refuses_is_told_to_nobody_and_undoes_nothing() {
        let runtime = Builder::new_current_thread().build().unwrap();
        for failures in [1, 2, usize::MAX] {
            for good in 0.. {
                let home = faults::home();
                let run =
                    Run::create(RunId::fresh(), RunFolder::at(home.path().join("run")), fake::scheduled(2).into());
                let run = Arc::new(run.unwrap());
                run.record(RunEvent::Finished.into()).unwrap();
                let told =
                    |run: &Arc<Run>| runtime.block_on(run.lines_after(Bookmark::default(), usize::MAX)).unwrap().lines;
                faults::plan(good, failures, faults::ENOSPC);
                let refused = run.amend(edited("refused")).is_err();
                if !faults::lift() {
                    assert!(!refused && good > 8, "{good} changes only");
                    break;
                }
                let place = format!("change {good}, {failures} failures");
                let seen = told(&run);
                assert_eq!(run.summary().seq, seen.len() as u64, "{place}: what is told and what is known differ");
                run.amend(edited("taken")).unwrap();
                let after = told(&run);
                assert!(after.starts_with(&seen), "{place}: something was told otherwise");
                assert_eq!(after.len(), seen.len() + 1, "{place}");
                assert_eq!(run.folder.log_lines().unwrap(), after, "{place}");
                let again = Run::open(run.id, run.folder.clone()).unwrap();
                assert_eq!(again.read().unwrap().summary, *run.summary(), "{place}");
            }
        }
    }
}
