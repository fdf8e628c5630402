//! What is known of a run: [`RunState`], a pure fold of the lines of its log, and [`Summary`], the part that lists need.
//!
//! Nothing else decides what a run looks like: the server's memory, a page and a reader of `events.jsonl` agree because
//! all of them apply the same lines.

mod summary;

use crate::figures::{Curves, Figures};
use crate::store::RunId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trainer::checkpoint;
use trainer::event::{DataInfo, DeviceMemory, Edit, EpochReport, Fork, Progress, RunEvent, Start};
use trainer::measure::reached;

pub use summary::{Status, Summary};

/// One line of a run's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// Position in the log, from 1, without gaps.
    pub seq: u64,
    /// When it happened, in milliseconds since 1970-01-01 UTC.
    pub time_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: RunEvent,
}

/// A sign of life, with its time.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct TimedProgress {
    /// When, in milliseconds since 1970-01-01 UTC.
    pub time_ms: u64,
    /// What.
    #[serde(flatten)]
    pub progress: Progress,
}

/// What the log tells of a file that the trainer stored.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct FileRecord {
    /// The epoch that stored it.
    pub epoch: u32,
    /// SHA-256 in hexadecimal; logs of older versions tell none.
    pub sha256: Option<String>,
}

/// Everything that a run's log tells.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct RunState {
    /// The part that lists need.
    #[serde(flatten)]
    pub summary: Summary,
    /// The data set in use.
    pub data: Option<DataInfo>,
    /// Training images in use.
    pub train_images: Option<usize>,
    /// Steps of one epoch.
    pub steps_per_epoch: Option<usize>,
    /// A GPU's memory when training began.
    pub device_memory: Option<DeviceMemory>,
    /// The epochs done, in order.
    pub history: Vec<EpochReport>,
    /// Every sign of life, in order.
    pub progress: Vec<TimedProgress>,
    /// The files that the trainer stored, by name.
    pub files: BTreeMap<String, FileRecord>,
    /// Checkpoints that were damaged when the run was last resumed, and what was wrong with each.
    pub damaged: Vec<String>,
}

/// A log that tells of no run.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Its first line is missing or something else.
    #[error("the log does not begin with a `scheduled` event")]
    NoBeginning,
    /// A line that isn't an event.
    #[error("line {line} of the log is no event: {error}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// A line that says it is another.
    #[error("line {line} of the log says that it is line {seq}: lines are missing, or the file was changed")]
    Place {
        /// Which, from 1.
        line: usize,
        /// Its sequence number.
        seq: u64,
    },
}

impl RunState {
    /// Folds a log, oldest line first.
    ///
    /// # Errors
    /// A line that is no event or not in its place, or a log that does not begin with `scheduled`.
    pub fn replay<'a>(id: RunId, lines: impl IntoIterator<Item = &'a str>) -> Result<RunState, LogError> {
        let mut state = None;
        for (index, line) in lines.into_iter().enumerate() {
            let line: LogLine =
                serde_json::from_str(line).map_err(|error| LogError::Line { line: index + 1, error })?;
            match &mut state {
                None => state = Some(RunState::begin(id, &line)?),
                Some(state) => state.apply(&line),
            }
            if line.seq != index as u64 + 1 {
                return Err(LogError::Place { line: index + 1, seq: line.seq });
            }
        }
        state.ok_or(LogError::NoBeginning)
    }

    /// The images that it sees: those in use, or, of a fork that hasn't begun, those that it is to go on with.
    pub fn images(&self) -> Option<&DataInfo> {
        self.data.as_ref().or_else(|| self.summary.fork.as_ref()?.data.as_ref())
    }

    /// The state after a log's first line.
    ///
    /// # Errors
    /// The line is no `scheduled` event.
    pub fn begin(id: RunId, line: &LogLine) -> Result<RunState, LogError> {
        let RunEvent::Scheduled { name, comparison, sweep, spec, fork } = &line.event else {
            return Err(LogError::NoBeginning);
        };
        let summary = Summary {
            id,
            name: name.clone(),
            variant: spec.variant(),
            label: spec.label(),
            network: spec.network,
            distance: spec.distance,
            status: Status::Scheduled,
            comparison: comparison.clone(),
            sweep: sweep.clone(),
            created_ms: line.time_ms,
            started_ms: None,
            ended_ms: None,
            seed: spec.seed,
            epochs: spec.epochs,
            epoch: fork.as_ref().map_or(0, |fork| fork.epoch),
            step: 0,
            steps: 0,
            data_name: None,
            data_digest: None,
            device: None,
            precision: None,
            parameters: None,
            version: None,
            commit: None,
            host: None,
            threads: None,
            test_accuracy: None,
            best_test_accuracy: None,
            reached: BTreeMap::new(),
            train_loss: None,
            images_per_s: None,
            reason: None,
            fork: fork.clone(),
            url: format!("/runs/{id}"),
            spec: spec.clone(),
            metrics: Figures::default(),
            curves: Curves::default(),
            tags: Vec::new(),
            notes: String::new(),
            archived: false,
            deleted_ms: None,
            seq: line.seq,
        };
        let start = |fork: &Fork| {
            let record = FileRecord { epoch: fork.epoch, sha256: Some(fork.sha256.clone()) };
            (checkpoint::START.to_string(), record)
        };
        Ok(RunState {
            summary,
            data: None,
            train_images: None,
            steps_per_epoch: None,
            device_memory: None,
            history: Vec::new(),
            progress: Vec::new(),
            files: fork.iter().map(start).collect(),
            damaged: Vec::new(),
        })
    }

    /// Folds one more line in.
    pub fn apply(&mut self, line: &LogLine) {
        self.summary.seq = line.seq;
        match &line.event {
            RunEvent::Scheduled { .. } => {}
            RunEvent::Resumed { epoch, damaged } => self.resume(*epoch, damaged),
            RunEvent::Preparing { .. } => self.summary.status = Status::Running,
            RunEvent::Started(start) => self.start(start, line.time_ms),
            RunEvent::Progress(progress) => {
                self.summary.step = progress.step;
                self.summary.train_loss = Some(progress.loss.total);
                self.summary.images_per_s = Some(progress.images_per_s);
                self.progress.push(TimedProgress { time_ms: line.time_ms, progress: progress.clone() });
            }
            RunEvent::Epoch(report) => {
                self.epoch(report);
                self.history.push((**report).clone());
                self.summary.reached = self.milestones();
                self.summary.curves = Curves::of(&self.history);
                for name in &report.artifacts {
                    let record = FileRecord { epoch: report.epoch, sha256: report.sha256.get(name).cloned() };
                    self.files.insert(name.clone(), record);
                }
            }
            RunEvent::Edited(edit) => self.edit(edit),
            RunEvent::Deleted => self.summary.deleted_ms = Some(line.time_ms),
            RunEvent::Restored => self.summary.deleted_ms = None,
            RunEvent::Finished => self.end(Status::Finished, None, line.time_ms),
            RunEvent::Failed { reason } => self.end(Status::Failed, Some(reason), line.time_ms),
            RunEvent::Killed { reason } => self.end(Status::Killed, Some(reason), line.time_ms),
            RunEvent::Interrupted { reason } => self.end(Status::Interrupted, Some(reason), line.time_ms),
        }
    }

    fn start(&mut self, start: &Start, time_ms: u64) {
        self.summary.status = Status::Running;
        self.summary.started_ms.get_or_insert(time_ms);
        self.summary.steps = start.steps_per_epoch;
        self.summary.seen(start);
        self.data = Some(start.data.clone());
        self.train_images = Some(start.train_images);
        self.steps_per_epoch = Some(start.steps_per_epoch);
        self.device_memory = start.device_memory;
    }

    fn epoch(&mut self, report: &EpochReport) {
        let summary = &mut self.summary;
        summary.epoch = report.epoch;
        summary.step = 0;
        let metric = |name: &str| report.metrics.get(name).copied();
        summary.test_accuracy = metric("test_accuracy");
        summary.best_test_accuracy =
            [summary.best_test_accuracy, summary.test_accuracy].into_iter().flatten().reduce(f64::max);
        summary.train_loss = metric("train_loss").or(summary.train_loss);
        summary.images_per_s = metric("images_per_s").or(summary.images_per_s);
        summary.metrics.take(report);
    }

    /// The milestones that it reached; none of a fork, which may have passed them while its epochs were another run's.
    fn milestones(&self) -> BTreeMap<String, u32> {
        if self.summary.fork.is_some() { BTreeMap::new() } else { reached(&self.history) }
    }

    fn edit(&mut self, edit: &Edit) {
        let run = &mut self.summary;
        let Edit { name, tags, notes, archived } = edit.clone();
        run.name = name.unwrap_or_else(|| std::mem::take(&mut run.name));
        run.tags = tags.unwrap_or_else(|| std::mem::take(&mut run.tags));
        run.notes = notes.unwrap_or_else(|| std::mem::take(&mut run.notes));
        run.archived = archived.unwrap_or(run.archived);
    }

    /// Goes back to where the run stood after `epoch`.
    fn resume(&mut self, epoch: u32, damaged: &[String]) {
        self.summary = Summary {
            status: Status::Scheduled,
            reason: None,
            ended_ms: None,
            epoch,
            step: 0,
            test_accuracy: None,
            best_test_accuracy: None,
            train_loss: None,
            metrics: Figures::default(),
            ..self.summary.clone()
        };
        self.damaged = damaged.to_vec();
        self.files.retain(|_, file| file.epoch <= epoch);
        self.progress.retain(|progress| progress.progress.epoch <= epoch);
        self.history.retain(|report| report.epoch <= epoch);
        let history = std::mem::take(&mut self.history);
        history.iter().for_each(|report| self.epoch(report));
        self.summary.curves = Curves::of(&history);
        self.history = history;
        self.summary.reached = self.milestones();
    }

    fn end(&mut self, status: Status, reason: Option<&String>, time_ms: u64) {
        self.summary.status = status;
        self.summary.reason = reason.cloned();
        self.summary.ended_ms = Some(time_ms);
    }
}

#[cfg(test)]
mod tests;
