//! The images to train on: MNIST where it can be had, else digits that the program draws itself.
//!
//! | module | what it is |
//! |---|---|
//! | `idx` | reads folders in MNIST's format |
//! | `download` | fetches MNIST from a public mirror |
//! | `generated` | draws handwriting-like digits |
//! | `templates` | the pen strokes of those digits |
//! | `centring` | MNIST's size and place, for these digits and for drawn ones |

mod centring;
mod download;
mod generated;
mod idx;
mod templates;

pub use centring::like_mnist;
pub use generated::{NAME as GENERATED_NAME, TRAIN_IMAGES as GENERATED_IMAGES};

use crate::event::DataInfo;
use crate::spec::DatasetChoice;
use etcetera::BaseStrategy;
use sha2::{Digest, Sha256};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Pixels along one side of an image.
pub const SIDE: usize = 28;
/// Pixels of an image.
pub const PIXELS: usize = SIDE * SIDE;

/// SHA-256 over the pixels and labels of MNIST itself, to tell it from other sets in its format.
const MNIST_DIGEST: &str = "06b0d1f124c4e5fa796686ade41a9b778edacc8622f2195a352ef479ad44fc16";

/// Labelled 28×28 grey images. A clone shares the pixels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Images {
    pixels: Arc<[u8]>,
    labels: Arc<[u8]>,
}

impl Images {
    /// Images of `pixels` (N × 28 × 28, row by row; 0 is the background) with `labels` (N, each 0 to 9).
    ///
    /// # Errors
    /// When the lengths don't belong together or a label is over 9.
    pub fn new(pixels: Vec<u8>, labels: Vec<u8>) -> Result<Images, DataError> {
        if pixels.len() != labels.len() * PIXELS {
            let (found, count) = (pixels.len(), labels.len());
            return Err(DataError::Damaged(format!(
                "expected {PIXELS} pixels for each of {count} labels, found {found}"
            )));
        }
        match labels.iter().find(|&&label| label > 9) {
            Some(label) => Err(DataError::Damaged(format!("expected labels from 0 to 9, found {label}"))),
            None => Ok(Images { pixels: pixels.into(), labels: labels.into() }),
        }
    }

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

    /// Every pixel, image after image.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Every label, 0 to 9, in the order of the images.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }
}

/// A training set and a test set. A clone shares the pixels.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// What it is and where it came from.
    pub info: DataInfo,
    /// Images to train on.
    pub train: Images,
    /// Images to measure on.
    pub test: Images,
}

impl Dataset {
    /// Joins a training set and a test set. `set` is the word used in addresses, `name` is for people.
    pub fn new(set: &str, name: &str, train: Images, test: Images) -> Dataset {
        let mut sha256 = Sha256::new();
        for bytes in [&train.pixels, &train.labels, &test.pixels, &test.labels] {
            sha256.update(bytes);
        }
        let info = DataInfo {
            set: set.to_owned(),
            name: name.to_owned(),
            train_images: train.len(),
            test_images: test.len(),
            digest: format!("{:x}", sha256.finalize()),
        };
        Dataset { info, train, test }
    }
}

/// Where to look for data.
#[derive(Clone, Debug, Default)]
pub struct DataOptions {
    /// The folder that the user named; nothing else is tried when it is set.
    pub data_dir: Option<PathBuf>,
    /// Never use the network.
    pub offline: bool,
}

/// How far the search for data has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataProgress {
    /// What happens now, for people. A download repeats its message while its bytes grow.
    pub message: String,
    /// Bytes of the file that are there; 0 where nothing is counted.
    pub done_bytes: u64,
    /// Bytes of the file, where they are known.
    pub total_bytes: Option<u64>,
}

impl DataProgress {
    fn sentence(message: impl Into<String>) -> DataProgress {
        DataProgress { message: message.into(), done_bytes: 0, total_bytes: None }
    }
}

/// The message, with the share of the file in steps of ten percent: few enough lines for a log.
impl fmt::Display for DataProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match self.total_bytes {
            Some(total @ 1..) => {
                let percent = self.done_bytes.min(total) * 10 / total * 10;
                write!(f, ", {percent} % of {:.1} MB", total as f64 / 1e6)
            }
            _ => Ok(()),
        }
    }
}

/// Why there is no data set.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// It is not where it was looked for: says what was tried and how to get it.
    #[error("{0}")]
    Absent(String),
    /// A file is there but can't be used: names it, what was expected and what was found.
    #[error("{0}")]
    Damaged(String),
}

/// Finds and reads the data set. `say` hears what happens whenever it takes time, and why digits are generated
/// where MNIST was looked for.
///
/// # Errors
/// [`DataError::Absent`] when MNIST is asked for, or a folder is named, and it is not there;
/// [`DataError::Damaged`] when a file is there but is not what it should be.
pub fn load(
    choice: DatasetChoice,
    options: &DataOptions,
    say: &mut dyn FnMut(&DataProgress),
) -> Result<Dataset, DataError> {
    load_from(choice, options, &Places::default(), say)
}

/// Where MNIST may be when no folder is named, in the order of search.
struct Places {
    /// Folder below the current one.
    local: PathBuf,
    /// The user's cache; downloads go there.
    cache: Option<PathBuf>,
    source: download::Source,
}

impl Default for Places {
    fn default() -> Places {
        let cache = etcetera::base_strategy::choose_native_strategy().ok();
        Places {
            local: Path::new("data").join("mnist"),
            cache: cache.map(|user| user.cache_dir().join("centerscope").join("mnist")),
            source: download::Source { mirrors: download::MIRRORS.map(str::to_owned).to_vec(), files: download::MNIST },
        }
    }
}

fn load_from(
    choice: DatasetChoice,
    options: &DataOptions,
    places: &Places,
    say: &mut dyn FnMut(&DataProgress),
) -> Result<Dataset, DataError> {
    match choice {
        DatasetChoice::Generated => Ok(generated::dataset()),
        DatasetChoice::Mnist => mnist(options, places, say),
        DatasetChoice::Auto => match mnist(options, places, say) {
            Err(DataError::Absent(why)) if options.data_dir.is_none() => {
                say(&DataProgress::sentence(format!("Using generated digits. {why}")));
                Ok(generated::dataset())
            }
            found => found,
        },
    }
}

fn mnist(options: &DataOptions, places: &Places, say: &mut dyn FnMut(&DataProgress)) -> Result<Dataset, DataError> {
    if let Some(folder) = &options.data_dir {
        return read(folder);
    }
    for folder in std::iter::once(&places.local).chain(&places.cache) {
        if idx::missing(folder).is_empty() {
            return read(folder);
        }
    }
    let why = match &places.cache {
        _ if options.offline => "downloads are switched off".to_owned(),
        None => "there is no cache folder to download it to".to_owned(),
        Some(cache) => match download::fetch(&places.source, cache, say) {
            Ok(()) => return read(cache),
            Err(why) => format!("the download failed ({why})"),
        },
    };
    let looked_in: Vec<String> =
        std::iter::once(&places.local).chain(&places.cache).map(|folder| folder.display().to_string()).collect();
    Err(DataError::Absent(format!(
        "MNIST is not in {}, and {why}. To use it, put its four files ({}, gzipped or not) into a folder and name that \
         folder with --data-dir or CENTERSCOPE_DATA.",
        looked_in.join(" or "),
        idx::NAMES.join(", "),
    )))
}

fn read(folder: &Path) -> Result<Dataset, DataError> {
    let (train, test) = idx::read_folder(folder)?;
    let mut data = Dataset::new("mnist", "MNIST", train, test);
    if data.info.digest != MNIST_DIGEST {
        let folder = folder.file_name().unwrap_or(folder.as_os_str()).display();
        data.info.name = format!("images in MNIST's format ({folder})");
    }
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::idx::tests::folder;

    /// Places that hold nothing and lead nowhere.
    fn nowhere(base: &Path) -> Places {
        let source = download::Source { mirrors: Vec::new(), files: download::MNIST };
        Places { local: base.join("local"), cache: Some(base.join("cache")), source }
    }

    fn options(data_dir: Option<&Path>) -> DataOptions {
        DataOptions { data_dir: data_dir.map(Path::to_owned), offline: true }
    }

    #[test]
    fn a_named_folder_is_the_only_one_tried() {
        let (full, empty) = (folder(), tempfile::tempdir().unwrap());
        let places = Places { local: full.path().to_owned(), ..nowhere(empty.path()) };
        for choice in [DatasetChoice::Auto, DatasetChoice::Mnist] {
            let named = load_from(choice, &options(Some(full.path())), &nowhere(empty.path()), &mut |_| ()).unwrap();
            assert_eq!((named.info.set.as_str(), named.info.train_images, named.info.test_images), ("mnist", 30, 20));
            let error = load_from(choice, &options(Some(empty.path())), &places, &mut |_| ()).unwrap_err();
            assert!(error.to_string().contains("has no file train-images-idx3-ubyte"), "{error}");
        }
    }

    #[test]
    fn the_local_folder_comes_before_the_cache() {
        let (local, cache) = (folder(), folder());
        let mut places = nowhere(cache.path());
        places.cache = Some(cache.path().to_owned());
        let set = |places: &Places| load_from(DatasetChoice::Mnist, &options(None), places, &mut |_| ()).unwrap().info;
        assert!(set(&places).name.contains(cache.path().file_name().unwrap().to_str().unwrap()));
        places.local = local.path().to_owned();
        assert!(set(&places).name.contains(local.path().file_name().unwrap().to_str().unwrap()));
    }

    #[test]
    fn other_images_in_the_same_format_are_not_called_mnist() {
        let folder = folder();
        let info = read(folder.path()).unwrap().info;
        assert!(info.name.starts_with("images in MNIST's format ("), "{}", info.name);
    }

    #[test]
    fn without_mnist_auto_generates_digits_and_says_why() {
        let empty = tempfile::tempdir().unwrap();
        let mut said = Vec::new();
        let data = load_from(DatasetChoice::Auto, &options(None), &nowhere(empty.path()), &mut |p| {
            said.push(p.message.clone());
        });
        assert_eq!(data.unwrap().info.name, "generated digits");
        assert!(said[0].starts_with("Using generated digits. MNIST is not in "), "{said:?}");
        assert!(said[0].contains("downloads are switched off"), "{said:?}");
    }

    #[test]
    fn mnist_that_cannot_be_had_is_an_error_that_says_how_to_get_it() {
        let empty = tempfile::tempdir().unwrap();
        let error = load_from(DatasetChoice::Mnist, &options(None), &nowhere(empty.path()), &mut |_| ()).unwrap_err();
        let text = error.to_string();
        for part in ["local", "cache", "CENTERSCOPE_DATA", "t10k-labels-idx1-ubyte"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn a_damaged_file_is_never_passed_over_in_silence() {
        let local = folder();
        std::fs::write(local.path().join(idx::NAMES[0]), "cut").unwrap();
        let places = Places { local: local.path().to_owned(), ..nowhere(local.path()) };
        let found = load_from(DatasetChoice::Auto, &options(None), &places, &mut |_| ());
        assert!(matches!(found, Err(DataError::Damaged(text)) if text.contains(idx::NAMES[0])));
    }

    #[test]
    fn progress_reads_as_a_share() {
        let mut progress = DataProgress::sentence("Downloading x");
        assert_eq!(progress.to_string(), "Downloading x");
        progress = DataProgress { done_bytes: 4_999_999, total_bytes: Some(10_000_000), ..progress };
        assert_eq!(progress.to_string(), "Downloading x, 40 % of 10.0 MB");
        progress.done_bytes = 0;
        assert_eq!(progress.to_string(), "Downloading x, 0 % of 10.0 MB");
    }

    #[test]
    fn images_and_labels_of_different_number_are_refused() {
        assert!(Images::new(vec![0; PIXELS], vec![1, 2]).is_err());
        assert!(Images::new(vec![0; PIXELS], vec![10]).is_err());
        assert_eq!(Images::new(vec![7; PIXELS], vec![9]).unwrap().image(0), [7; PIXELS]);
    }
}
