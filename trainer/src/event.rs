//! What a run tells the world: [`RunEvent`], one vocabulary for the channel, the live stream and the log on disk.
//!
//! Plain data; never a tensor. Heavy arrays travel beside an event as [`Artifact`]s, never inside it.

use crate::spec::{Precision, RunSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Number of classes of the data sets that the trainer knows.
pub const CLASSES: usize = 10;

/// Something that happened to a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RunEvent {
    /// The run was accepted and waits for its turn. Always the first event.
    Scheduled {
        /// Name for people.
        name: String,
        /// The comparison it belongs to, if any.
        comparison: Option<String>,
        /// The sweep it belongs to, if any.
        #[serde(default)]
        sweep: Option<String>,
        /// What it will do.
        spec: RunSpec,
        /// The run and epoch it goes on from, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fork: Option<Fork>,
    },
    /// The run was over and goes on: it waits for its turn again. What came after `epoch` is void.
    Resumed {
        /// The epoch whose checkpoint it goes on from; 0 where it begins anew.
        epoch: u32,
        /// Checkpoints that would have been newer, and what is wrong with each.
        #[serde(default)]
        damaged: Vec<String>,
    },
    /// The run prepares its data set: a download, say.
    Preparing {
        /// A sentence for people.
        message: String,
    },
    /// Training begins.
    Started(Start),
    /// A few batches are done.
    Progress(Progress),
    /// An epoch is done, measured, and its artifacts are stored.
    Epoch(Box<EpochReport>),
    /// All epochs are done.
    Finished,
    /// Training can't go on.
    Failed {
        /// A sentence that says why and what to do.
        reason: String,
    },
    /// Somebody stopped the run.
    Killed {
        /// A sentence that says who or what.
        reason: String,
    },
    /// The program ended while the run was waiting or running.
    Interrupted {
        /// A sentence that says when that was noticed.
        reason: String,
    },
    /// Somebody changed what the run says of itself; also after its end.
    Edited(Edit),
    /// Somebody deleted the run, which is over: its folder goes to the trash.
    Deleted,
    /// Its folder is back from the trash, or never got there.
    Restored,
}

/// What somebody changed; what is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Edit {
    /// Its new name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// All of its tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// Its notes: plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// Whether lists leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
}

/// Where a forked run begins: another run's checkpoint, of which it holds a copy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fork {
    /// Id of the other run.
    pub run: String,
    /// Epochs done there; the fork's own begin with the next.
    pub epoch: u32,
    /// SHA-256 of the checkpoint, in hexadecimal.
    pub sha256: String,
    /// The images that the other run saw, where the fork is to go on with them. Logs of older versions don't say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataInfo>,
}

/// The circumstances under which a run trains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The data set in use.
    pub data: DataInfo,
    /// Training images in use (the spec asks for at most this many).
    pub train_images: usize,
    /// Steps of one epoch.
    pub steps_per_epoch: usize,
    /// Trainable numbers of the network, centers not included.
    pub parameters: usize,
    /// The device in use, for people: `CPU (2 threads)`.
    pub device: String,
    /// The precision in use, whatever was asked for.
    #[serde(default)]
    pub precision: Option<Precision>,
    /// The GPU's memory when training began, the network and the images in it; nothing on a CPU.
    #[serde(default)]
    pub device_memory: Option<DeviceMemory>,
    /// Version of the program.
    pub version: String,
    /// Threads that compute. Logs of older versions don't say.
    #[serde(default)]
    pub threads: Option<usize>,
    /// Name of the machine.
    #[serde(default)]
    pub host: Option<String>,
    /// Commit that the program was built from, `+changes` behind it where the checkout held more; `None` where it wasn't
    /// built from a checkout.
    #[serde(default)]
    pub commit: Option<String>,
}

/// Memory of a GPU, whoever uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct DeviceMemory {
    /// Bytes in use.
    pub used_bytes: u64,
    /// Bytes that there are.
    pub total_bytes: u64,
}

/// Which images a run sees.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct DataInfo {
    /// `mnist` or `generated`: the word used in addresses.
    pub set: String,
    /// Name for people: `MNIST` or `generated digits`.
    pub name: String,
    /// Training images that the set holds.
    pub train_images: usize,
    /// Test images that the set holds.
    pub test_images: usize,
    /// SHA-256 over the pixels and labels of both splits, in hexadecimal.
    pub digest: String,
}

/// The two parts of the objective and their sum, as means over images.
#[derive(Clone, Copy, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct LossParts {
    /// `cross_entropy + center_loss`, what is minimised.
    pub total: f64,
    /// Cross entropy of the logits, in nats.
    pub cross_entropy: f64,
    /// Center loss, λ included.
    pub center_loss: f64,
}

/// A light sign of life between two epochs.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Progress {
    /// The epoch under way, from 1.
    pub epoch: u32,
    /// Steps done in this epoch.
    pub step: usize,
    /// Steps of one epoch.
    pub steps: usize,
    /// Mean loss over the steps since the last progress event.
    pub loss: LossParts,
    /// Training speed since the last progress event.
    pub images_per_s: f64,
}

/// Everything measured at the end of an epoch.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct EpochReport {
    /// The epoch that ended, from 1.
    pub epoch: u32,
    /// Named numbers; [`crate::measure::METRICS`] says what each means.
    pub metrics: BTreeMap<String, f64>,
    /// Test images by true label (row) and predicted label (column).
    pub confusion: [[u32; CLASSES]; CLASSES],
    /// Where the classes lie in the plane.
    pub geometry: Geometry,
    /// Names of the artifacts that this epoch stored.
    pub artifacts: Vec<String>,
    /// SHA-256 of each of them, in hexadecimal; filled in by whoever stores them.
    #[serde(default)]
    pub sha256: BTreeMap<String, String>,
}

/// The plane of the embedding at the end of an epoch.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Geometry {
    /// Learned class centers, (C, 2).
    pub centers: [[f32; 2]; CLASSES],
    /// Mean embedding of each class's test images, (C, 2).
    pub means: [[f32; 2]; CLASSES],
    /// Weight of the last linear layer, (C, 2): logits = weight · embedding + bias.
    pub weight: [[f32; 2]; CLASSES],
    /// Bias of the last linear layer, (C).
    pub bias: [f32; CLASSES],
}

/// Which images an embedding belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// The test images, in evaluation mode after the epoch.
    Test,
    /// The training images, as the training pass saw each of them during the epoch (batch-norm in training mode).
    Train,
}

impl Split {
    /// The word used in addresses and file names.
    pub fn word(self) -> &'static str {
        match self {
            Split::Test => "test",
            Split::Train => "train",
        }
    }

    /// The split that `word` names.
    pub fn from_word(word: &str) -> Option<Split> {
        [Split::Test, Split::Train].into_iter().find(|s| s.word() == word)
    }

    /// Name of the artifact with this split's embedding after `epoch`: `embeddings/test-0001.npy`, f32 of shape (N, 2).
    /// Row i is image i of the data set.
    pub fn embedding_artifact(self, epoch: u32) -> String {
        format!("embeddings/{}-{epoch:04}.npy", self.word())
    }
}

/// A file that a run leaves behind.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// Its name: a relative path with `/` between the parts.
    pub name: String,
    /// Its content; shared, since two names may hold the same checkpoint.
    pub bytes: Arc<[u8]>,
}

/// An event, with the files that must be stored before anybody hears of it.
#[derive(Clone, Debug)]
pub struct Emission {
    /// What happened.
    pub event: RunEvent,
    /// What to store first.
    pub artifacts: Vec<Artifact>,
}

impl From<RunEvent> for Emission {
    fn from(event: RunEvent) -> Emission {
        Emission { event, artifacts: Vec::new() }
    }
}
