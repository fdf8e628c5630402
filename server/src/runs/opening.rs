//! How a run comes into being, and how one of the past is taken up again from its folder.

use super::writing::{name, named, recover};
use super::{Memory, OpenError, Pen, RecordError, Run, now_ms};
use crate::run_files;
use crate::state::{LogLine, RunState, Summary};
use crate::store::{self, RunFolder, RunId};
use serde::Deserialize;
use trainer::event::{Emission, RunEvent, Start};

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

    /// The run in a folder, if its summary says that it is over and is up to date. Writes nothing but what the summary of an
    /// older version lacks.
    pub fn find_over(id: RunId, folder: RunFolder) -> Option<Run> {
        let (bytes, log_size) = folder.summary().ok()?;
        let Stored { mut summary, log_bytes } = serde_json::from_slice(&bytes).ok()?;
        // Where the log went on after the summary was written, the log is right. Older versions told no size.
        let fresh = log_bytes.is_none_or(|size| log_size == Some(size));
        if summary.id != id || !summary.status.is_over() || !fresh {
            return None;
        }
        if summary.data_name.is_some() && (summary.data_digest.is_none() || summary.version.is_none()) {
            // Older versions left that to the log.
            Run::start_seen(&folder).iter().for_each(|start| summary.seen(start));
            Run::complete(&folder, &bytes, &summary);
        }
        Some(Run::with(id, folder, Memory::Summary(summary.into()), Pen::Down))
    }

    /// Keeps what an older version's summary lacked and the log told, so that the next start need not ask it again. Where that
    /// can't be written, it does.
    fn complete(folder: &RunFolder, run_json: &[u8], summary: &Summary) {
        if let (Ok(name), Ok(told)) = (store::SUMMARY.parse(), run_files::completed(run_json, summary)) {
            let _ = folder.put(&[(name, &told)]);
        }
    }

    /// How a run last started, as its log has it.
    fn start_seen(folder: &RunFolder) -> Option<Start> {
        let lines = folder.log_lines().ok()?;
        let starts = lines.iter().rev().filter(|line| line.contains("\"started\""));
        starts.filter_map(|line| serde_json::from_str::<LogLine>(line).ok()).find_map(|line| match line.event {
            RunEvent::Started(start) => Some(start),
            _ => None,
        })
    }
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
    serde_json::from_slice(&folder.summary().ok()?.0).ok()
}
