//! Why a run can't be recorded, read or opened.

use crate::checkpoints::NoCheckpoint;
use crate::limits::lacks_handles;
use crate::state::LogError;
use std::io;

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
