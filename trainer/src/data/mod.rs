//! The images to train on: MNIST where it can be had, else digits that the program draws itself.

use crate::event::DataInfo;
use crate::spec::DatasetChoice;
use std::path::PathBuf;

/// Pixels along one side of an image.
pub const SIDE: usize = 28;
/// Pixels of an image.
pub const PIXELS: usize = SIDE * SIDE;

/// Labelled 28×28 grey images.
#[derive(Clone, Debug, Default)]
pub struct Images {
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

impl Images {
    /// How many images there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Image `index`, row by row from the top left; 0 is the background.
    pub fn image(&self, index: usize) -> &[u8] {
        &self.pixels[index * PIXELS..(index + 1) * PIXELS]
    }

    /// Every label, 0 to 9, in the order of the images.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }
}

/// A training set and a test set.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// What it is and where it came from.
    pub info: DataInfo,
    /// Images to train on.
    pub train: Images,
    /// Images to measure on.
    pub test: Images,
}

/// Where to look for data.
#[derive(Clone, Debug, Default)]
pub struct DataOptions {
    /// The folder that the user named; nothing else is tried when it is set.
    pub data_dir: Option<PathBuf>,
    /// Never use the network.
    pub offline: bool,
}

/// Why there is no data set.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DataError(pub String);

/// Finds and reads the data set. `say` hears a sentence whenever something takes time (a download, with its share done).
pub fn load(_choice: DatasetChoice, _options: &DataOptions, _say: &mut dyn FnMut(&str)) -> Result<Dataset, DataError> {
    Err(DataError("no data set".into()))
}
