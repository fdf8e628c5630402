//! A run in a few numbers: what lists need, and what `run.json` holds.

use crate::figures::{Curves, Figures};
use crate::store::RunId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trainer::event::{Fork, Start};
use trainer::spec::{Distance, Network, Precision, RunSpec, Variant};

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// It waits for its turn.
    Scheduled,
    /// It trains, or prepares to.
    Running,
    /// All epochs are done.
    Finished,
    /// It could not go on.
    Failed,
    /// Somebody stopped it.
    Killed,
    /// The program ended under it.
    Interrupted,
}

impl Status {
    /// All of them, in the order of a run's life.
    pub const ALL: [Status; 6] =
        [Status::Scheduled, Status::Running, Status::Finished, Status::Failed, Status::Killed, Status::Interrupted];

    /// Their words, in the same order.
    pub const WORDS: [&str; 6] = {
        let mut words = [""; 6];
        let mut i = 0;
        while i < words.len() {
            words[i] = Status::ALL[i].word();
            i += 1;
        }
        words
    };

    /// Whether nothing more will happen.
    pub fn is_over(self) -> bool {
        !matches!(self, Status::Scheduled | Status::Running)
    }

    /// The word that stands for it in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Status::Scheduled => "SCHEDULED",
            Status::Running => "RUNNING",
            Status::Finished => "FINISHED",
            Status::Failed => "FAILED",
            Status::Killed => "KILLED",
            Status::Interrupted => "INTERRUPTED",
        }
    }
}

/// A run in a few numbers; also the content of `run.json`.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Summary {
    /// Its id.
    pub id: RunId,
    /// Its name for people.
    pub name: String,
    /// The named variant, if the parts have a name.
    pub variant: Option<Variant>,
    /// `V1.0`, or the parts where they have no name.
    pub label: String,
    /// Depth of the network.
    pub network: Network,
    /// Distance of the center loss.
    pub distance: Distance,
    /// Where it stands.
    pub status: Status,
    /// The comparison it belongs to.
    pub comparison: Option<String>,
    /// The sweep it belongs to.
    #[serde(default)]
    pub sweep: Option<String>,
    /// When it was accepted.
    pub created_ms: u64,
    /// When training began.
    pub started_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// Its seed.
    pub seed: u64,
    /// Epochs asked for.
    pub epochs: u32,
    /// Epochs done.
    pub epoch: u32,
    /// Steps done in the epoch under way.
    pub step: usize,
    /// Steps of one epoch; 0 until training begins.
    pub steps: usize,
    /// The data set in use, for people.
    pub data_name: Option<String>,
    /// SHA-256 over the pixels and labels of that set, in hexadecimal.
    #[serde(default)]
    pub data_digest: Option<String>,
    /// The device in use, for people.
    pub device: Option<String>,
    /// The precision in use.
    #[serde(default)]
    pub precision: Option<Precision>,
    /// Trainable numbers of the network.
    #[serde(default)]
    pub parameters: Option<usize>,
    /// Version of the program that trained.
    #[serde(default)]
    pub version: Option<String>,
    /// Commit it was built from, `+changes` behind it where the checkout held more.
    #[serde(default)]
    pub commit: Option<String>,
    /// Name of the machine that trained.
    #[serde(default)]
    pub host: Option<String>,
    /// Threads that computed.
    #[serde(default)]
    pub threads: Option<usize>,
    /// Test accuracy after the last epoch, 0 to 1.
    pub test_accuracy: Option<f64>,
    /// Best test accuracy of all epochs, 0 to 1.
    pub best_test_accuracy: Option<f64>,
    /// After how many epochs each of [`trainer::measure::MILESTONES`] was reached; those not reached are absent,
    /// and a fork has none: it may have passed them while its epochs were another run's.
    #[serde(default)]
    pub reached: BTreeMap<String, u32>,
    /// Training loss: of the last epoch, or of the last steps where those are newer.
    pub train_loss: Option<f64>,
    /// Training speed, as new as the loss.
    pub images_per_s: Option<f64>,
    /// Why it ended, unless it finished.
    pub reason: Option<String>,
    /// The run and epoch it goes on from, if it is a fork.
    #[serde(default)]
    pub fork: Option<Fork>,
    /// Its page.
    pub url: String,
    /// What it was asked to do.
    pub spec: RunSpec,
    /// Each metric after the last epoch and at its best.
    #[schemars(with = "std::collections::BTreeMap<String, crate::figures::Figure>")]
    pub metrics: Figures,
    /// The course of loss and accuracy, in few points.
    pub curves: Curves,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// What somebody noted about it.
    pub notes: String,
    /// Whether lists leave it out.
    pub archived: bool,
    /// When it was deleted; absent unless it is in the trash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_ms: Option<u64>,
    /// The last event of its log that is in here: of two summaries of a run, the one with more is the newer.
    #[serde(default)]
    pub seq: u64,
}

impl Summary {
    /// Takes in what the beginning of training tells: the images, and the circumstances.
    pub(crate) fn seen(&mut self, start: &Start) {
        self.data_name = Some(start.data.name.clone());
        self.data_digest = Some(start.data.digest.clone());
        self.device = Some(start.device.clone());
        self.precision = start.precision;
        self.parameters = Some(start.parameters);
        self.version = Some(start.version.clone());
        self.commit = start.commit.clone();
        self.host = start.host.clone();
        self.threads = start.threads;
    }
}

impl AsRef<Summary> for Summary {
    fn as_ref(&self) -> &Summary {
        self
    }
}
