//! The checkpoints of a run: which epochs are kept, and the newest one that is whole.
//!
//! The log tells the SHA-256 of every file that the trainer stored, so a checkpoint is read only as what it was. One that
//! the disk has damaged is named, and the one before takes its place.

use crate::state::{FileRecord, RunState};
use crate::store::{self, RunFolder};
use std::collections::BTreeMap;
use std::sync::Arc;
use trainer::checkpoint::{self, Checkpoint};

/// Why there is no checkpoint of an epoch.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NoCheckpoint {
    /// None was kept.
    #[error("{}", not_kept(*.epoch, .kept))]
    NotKept {
        /// The epoch asked for.
        epoch: u32,
        /// Those that are kept.
        kept: Vec<u32>,
    },
    /// It can't be read as what was stored.
    #[error("the checkpoint of epoch {epoch} is damaged: {}", .damaged.join("; "))]
    Damaged {
        /// The epoch asked for.
        epoch: u32,
        /// Each file, and what is wrong with it.
        damaged: Vec<String>,
    },
    /// Of a fork, not even the one that it began with can be read.
    #[error(
        "no checkpoint of the fork is whole, not even the one it began with, without which it would begin with random weights \
         ({}): fork its run again",
        .damaged.join("; ")
    )]
    NoStart {
        /// Each file, and what is wrong with it.
        damaged: Vec<String>,
    },
}

fn not_kept(epoch: u32, kept: &[u32]) -> String {
    match kept {
        [] => "the run has no checkpoint yet: one is stored at the end of each epoch".into(),
        kept => {
            let kept = kept.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
            format!("no checkpoint of epoch {epoch} is kept: choose one of {kept}")
        }
    }
}

/// The epochs that a checkpoint is kept of, in order.
pub fn kept(state: &RunState) -> Vec<u32> {
    by_epoch(state).into_keys().collect()
}

/// The files with a checkpoint, by epoch.
fn by_epoch(state: &RunState) -> BTreeMap<u32, Vec<&str>> {
    let mut files = BTreeMap::<u32, Vec<&str>>::new();
    for (name, file) in state.files.iter().filter(|(name, _)| name.starts_with("checkpoints/")) {
        files.entry(file.epoch).or_default().push(name);
    }
    files
}

/// The checkpoint of one epoch, and its bytes. Blocks on the disk.
///
/// # Errors
/// None is kept of that epoch, or all that are kept are damaged.
pub fn at(folder: &RunFolder, state: &RunState, epoch: u32) -> Result<(Checkpoint, Arc<[u8]>), NoCheckpoint> {
    let files = by_epoch(state);
    let Some(names) = files.get(&epoch) else {
        return Err(NoCheckpoint::NotKept { epoch, kept: files.into_keys().collect() });
    };
    let mut damaged = Vec::new();
    for name in names {
        match read(folder, state, name, epoch) {
            Ok(found) => return Ok(found),
            Err(reason) => damaged.push(format!("{name}: {reason}")),
        }
    }
    Err(NoCheckpoint::Damaged { epoch, damaged })
}

/// The newest epoch with a whole checkpoint, 0 where there is none, and what is wrong with newer ones. Blocks on the disk.
///
/// # Errors
/// The run is a fork, and what it began with is lost.
pub fn newest(folder: &RunFolder, state: &RunState) -> Result<(u32, Vec<String>), NoCheckpoint> {
    let mut damaged = Vec::new();
    for epoch in kept(state).into_iter().rev() {
        match at(folder, state, epoch) {
            Ok(_) => return Ok((epoch, damaged)),
            Err(NoCheckpoint::Damaged { damaged: more, .. }) => damaged.extend(more),
            Err(NoCheckpoint::NotKept { .. } | NoCheckpoint::NoStart { .. }) => {}
        }
    }
    match state.summary.fork {
        Some(_) => Err(NoCheckpoint::NoStart { damaged }),
        None => Ok((0, damaged)),
    }
}

/// What is wrong with a file that isn't what the trainer stored.
pub const ALTERED: &str = "its SHA-256 is not the one in the log";

/// Whether a file holds what the log says of it; true where an older log says nothing.
pub fn is_as_stored(file: Option<&FileRecord>, bytes: &[u8]) -> bool {
    file.and_then(|file| file.sha256.as_ref()).is_none_or(|known| *known == store::digest(bytes))
}

fn read(folder: &RunFolder, state: &RunState, name: &str, epoch: u32) -> Result<(Checkpoint, Arc<[u8]>), String> {
    let file = name.parse().map_err(|_| "it has an impossible name".to_string())?;
    let bytes = folder.read(&file).map_err(|error| format!("it can't be read: {error}"))?;
    if !is_as_stored(state.files.get(name), &bytes) {
        return Err(ALTERED.into());
    }
    let mut checkpoint = checkpoint::load(&bytes).map_err(|error| error.to_string())?;
    if checkpoint.about.epoch != epoch {
        return Err(format!("it is of epoch {}", checkpoint.about.epoch));
    }
    if name == checkpoint::START {
        // The other run's best is not this one's.
        checkpoint.about.best_accuracy = None;
    }
    Ok((checkpoint, bytes.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake;
    use crate::recorder::carry_out;
    use crate::runs::{RecordError, Run};
    use crate::scheduler::Order;
    use crate::state::Status;
    use crate::store::RunId;
    use trainer::event::{Fork, RunEvent};

    #[test]
    fn a_fork_whose_beginning_is_lost_does_not_begin_with_random_weights() {
        let home = tempfile::tempdir().unwrap();
        let bytes = fake::epoch_done(&fake::spec(2), 2).artifacts[0].bytes.clone();
        let fork = Fork { run: "parent".into(), epoch: 2, sha256: store::digest(&bytes), data: None };
        let order = Order {
            name: "fork".into(),
            spec: fake::spec(4),
            comparison: None,
            sweep: None,
            fork: Some((fork, bytes)),
        };
        let run = Run::create(RunId::fresh(), RunFolder::at(home.path().join("run")), order.scheduled()).unwrap();
        carry_out(&run, &|_, _| RunEvent::Killed { reason: "by hand".into() });
        assert_eq!(newest(&run.folder, &run.read().unwrap()), Ok((2, Vec::new())));

        std::fs::write(home.path().join("run").join(checkpoint::START), "torn").unwrap();
        let taken = run.take_up(|folder, state| {
            let (epoch, damaged) = newest(folder, state)?;
            Ok(RunEvent::Resumed { epoch, damaged })
        });
        let refused = taken.unwrap_err();
        assert!(matches!(refused, RecordError::Checkpoint(NoCheckpoint::NoStart { .. })), "{refused}");
        assert!(refused.to_string().contains("checkpoints/start.safetensors: its SHA-256"), "{refused}");
        assert_eq!((run.status(), run.summary().epoch), (Status::Killed, 2), "it stays as it was");
    }
}
