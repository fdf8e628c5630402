//! A trained network that looks at one image at a time: where it lands in the plane, and what it is taken for.

use crate::checkpoint::{self, CheckpointError};
use crate::data::{Images, PIXELS};
use crate::event::CLASSES;
use crate::measure::{argmax, softmax};
use crate::network::CenterNet;
use crate::train::predict;
use candle_core::{Device, Result};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// A network as a checkpoint holds it, on the CPU.
pub struct Recogniser {
    net: CenterNet,
    /// A thread of its own: whoever draws a digit waits neither behind the steps of the runs that train nor behind the networks
    /// of a comparison that look at it, too; and one image has nothing to share out. `None` where the system has no more threads.
    thread: Option<ThreadPool>,
    /// The epoch after which the checkpoint was made.
    pub epoch: u32,
}

/// Why there is no network.
#[derive(Debug, thiserror::Error)]
pub enum RecogniserError {
    /// The bytes are no checkpoint.
    #[error("the checkpoint can't be used: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// A tensor operation failed.
    #[error("the network can't be built: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// What a network makes of one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recognised {
    /// Where it lands in the plane.
    pub embedding: [f32; 2],
    /// The softmax of its logits, by class.
    pub probabilities: [f64; CLASSES],
    /// The class of the largest logit.
    pub prediction: usize,
}

impl Recogniser {
    /// From the bytes of a checkpoint.
    ///
    /// # Errors
    /// See [`RecogniserError`].
    pub fn load(bytes: &[u8]) -> std::result::Result<Recogniser, RecogniserError> {
        let checkpoint = checkpoint::load(bytes)?;
        let thread = ThreadPoolBuilder::new().num_threads(1).build().ok();
        Ok(Recogniser { net: checkpoint.network(&Device::Cpu)?, thread, epoch: checkpoint.about.epoch })
    }

    /// Looks at an image, row by row from the top left; 0 is the background.
    ///
    /// # Errors
    /// If a tensor operation fails.
    pub fn look_at(&self, pixels: &[u8; PIXELS]) -> Result<Recognised> {
        let image = Images::new(pixels.to_vec(), vec![0]).map_err(candle_core::Error::wrap)?;
        let look = || predict(&self.net, &image, &Device::Cpu);
        let seen = self.thread.as_ref().map_or_else(look, |thread| thread.install(look))?;
        let logits = &seen.logits[0];
        let (probabilities, prediction) = (softmax(logits), argmax(logits));
        Ok(Recognised { embedding: seen.embedding[0], probabilities, prediction })
    }
}
