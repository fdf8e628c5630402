//! Reads folders in MNIST's format: four idx files, plain or gzipped, of 28×28 images and their labels.

use super::{DataError, Images, PIXELS, SIDE};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// The four files of a folder, as MNIST's authors named them.
pub(super) const NAMES: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

/// Eight times MNIST: more is a damaged header rather than a data set, and would take over 400 MB of memory.
const MAX_IMAGES: usize = 500_000;

/// Names of the files that `folder` lacks; empty when it can be read.
pub(super) fn missing(folder: &Path) -> Vec<&'static str> {
    NAMES.into_iter().filter(|name| locate(folder, name).is_none()).collect()
}

/// Reads the training and the test images of `folder`.
///
/// # Errors
/// [`DataError::Absent`] when a file is missing; [`DataError::Damaged`] names the file, what was expected and what was
/// found.
pub(super) fn read_folder(folder: &Path) -> Result<(Images, Images), DataError> {
    let path = |name: &str| {
        locate(folder, name)
            .ok_or_else(|| DataError::Absent(format!("{} has no file {name} or {name}.gz", folder.display())))
    };
    let [train_images, train_labels, test_images, test_labels] = NAMES.map(path);
    Ok((read_pair(&train_images?, &train_labels?)?, read_pair(&test_images?, &test_labels?)?))
}

/// The file called `name`, gzipped or not; some mirrors write `.idx` where MNIST has `-idx`.
fn locate(folder: &Path, name: &str) -> Option<PathBuf> {
    let dotted = name.replace("-idx", ".idx");
    [name.to_owned(), format!("{name}.gz"), format!("{dotted}.gz"), dotted]
        .into_iter()
        .map(|name| folder.join(name))
        .find(|path| path.is_file())
}

fn read_pair(images: &Path, labels: &Path) -> Result<Images, DataError> {
    let pixel_bytes = read_file(images, &[SIDE, SIDE])?;
    let label_bytes = read_file(labels, &[])?;
    let count = pixel_bytes.len() / PIXELS;
    if label_bytes.len() != count {
        let found = format!("found {}", label_bytes.len());
        return Err(damaged(
            labels,
            format!("expected {count} labels, one for each image of {}, {found}", images.display()),
        ));
    }
    if let Some(index) = label_bytes.iter().position(|&label| label > 9) {
        return Err(damaged(
            labels,
            format!("expected labels from 0 to 9, found {} for image {index}", label_bytes[index]),
        ));
    }
    Images::new(pixel_bytes, label_bytes)
}

/// The body of an idx file of bytes whose items have the shape `item`.
fn read_file(path: &Path, item: &[usize]) -> Result<Vec<u8>, DataError> {
    let unreadable = |e: std::io::Error| match e.kind() {
        ErrorKind::UnexpectedEof => damaged(path, "expected a whole file, found one that is cut short".into()),
        _ => DataError::Damaged(format!("{} can't be read: {e}", path.display())),
    };
    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
    // By content, since some tools unpack a download and keep its name.
    let gzipped = file.fill_buf().map_err(unreadable)?.starts_with(&[0x1f, 0x8b]);
    let mut reader: Box<dyn Read> = if gzipped { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };

    let mut header = vec![0; 4 * (2 + item.len())];
    reader.read_exact(&mut header).map_err(unreadable)?;
    let mut words = header.chunks_exact(4).map(|w| u32::from_be_bytes([w[0], w[1], w[2], w[3]]));
    let mut next = || words.next().unwrap_or_default() as usize;

    let (magic, expected) = (next(), 0x0800 + 1 + item.len());
    if magic != expected {
        return Err(damaged(path, format!("expected the magic number {expected:#010x}, found {magic:#010x}")));
    }
    let count = next();
    if !(1..=MAX_IMAGES).contains(&count) {
        return Err(damaged(path, format!("expected 1 to {MAX_IMAGES} items, found {count} in its header")));
    }
    let shape: Vec<usize> = item.iter().map(|_| next()).collect();
    if shape != item {
        return Err(damaged(path, format!("expected items of shape {item:?}, found {shape:?}")));
    }

    let size = count * item.iter().product::<usize>();
    let mut body = Vec::new();
    // One byte more than expected tells a file that is too long, however much a gzip stream would unpack to.
    reader.take(size as u64 + 1).read_to_end(&mut body).map_err(unreadable)?;
    if body.len() != size {
        let found = if body.len() > size { "more".to_owned() } else { body.len().to_string() };
        return Err(damaged(path, format!("expected {size} bytes for its {count} items, found {found}")));
    }
    Ok(body)
}

fn damaged(path: &Path, what: String) -> DataError {
    DataError::Damaged(format!("{}: {what}. Replace it with an intact copy.", path.display()))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    /// An idx file of `count` items, with a body that starts with the item's number.
    pub(in crate::data) fn idx_file(count: u32, item: &[u32]) -> Vec<u8> {
        let mut bytes = (0x0801 + item.len() as u32).to_be_bytes().to_vec();
        for n in std::iter::once(&count).chain(item) {
            bytes.extend(n.to_be_bytes());
        }
        let size: u32 = item.iter().product();
        for i in 0..count {
            bytes.extend(std::iter::repeat_n((i % 10) as u8, size as usize));
        }
        bytes
    }

    pub(in crate::data) fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// A folder of 30 training and 20 test images.
    pub(in crate::data) fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, count, item) in
            [(NAMES[0], 30, &[28, 28][..]), (NAMES[1], 30, &[]), (NAMES[2], 20, &[28, 28]), (NAMES[3], 20, &[])]
        {
            std::fs::write(folder.path().join(name), idx_file(count, item)).unwrap();
        }
        folder
    }

    /// What reading says when file `index` holds `bytes`.
    fn complaint(index: usize, bytes: &[u8]) -> String {
        let folder = folder();
        std::fs::write(folder.path().join(NAMES[index]), bytes).unwrap();
        match read_folder(folder.path()) {
            Err(DataError::Damaged(text)) if text.contains(NAMES[index]) => text,
            other => panic!("expected a complaint about {}, got {other:?}", NAMES[index]),
        }
    }

    #[test]
    fn plain_gzipped_and_dotted_files_hold_the_same_images() {
        let plain = folder();
        let (train, test) = read_folder(plain.path()).unwrap();
        assert_eq!((train.len(), test.len()), (30, 20));
        assert_eq!((train.labels()[13], train.image(13)), (3, &[3; PIXELS][..]));

        let packed = tempfile::tempdir().unwrap();
        for (i, name) in NAMES.into_iter().enumerate() {
            let bytes = std::fs::read(plain.path().join(name)).unwrap();
            // The last is gzipped in two members and has a plain file's name, as some tools leave them.
            let (name, bytes) = match i {
                0 => (format!("{name}.gz"), gzip(&bytes)),
                1 => (format!("{}.gz", name.replace("-idx", ".idx")), gzip(&bytes)),
                2 => (name.replace("-idx", ".idx"), bytes),
                _ => (name.to_owned(), [gzip(&bytes[..11]), gzip(&bytes[11..])].concat()),
            };
            std::fs::write(packed.path().join(name), bytes).unwrap();
        }
        assert_eq!(read_folder(packed.path()).unwrap(), (train, test));
    }

    #[test]
    fn a_missing_file_is_named() {
        let folder = folder();
        std::fs::remove_file(folder.path().join(NAMES[3])).unwrap();
        assert_eq!(missing(folder.path()), [NAMES[3]]);
        assert!(matches!(read_folder(folder.path()), Err(DataError::Absent(text)) if text.contains(NAMES[3])));
    }

    #[test]
    fn truncated_files_are_refused() {
        let images = idx_file(30, &[28, 28]);
        assert!(
            complaint(0, &images[..images.len() - 1]).contains("expected 23520 bytes for its 30 items, found 23519")
        );
        assert!(complaint(0, &images[..7]).contains("cut short"));
        assert!(complaint(0, &[]).contains("cut short"));
        let packed = gzip(&images);
        assert!(complaint(0, &packed[..packed.len() / 2]).contains("cut short"));
    }

    #[test]
    fn files_that_are_too_long_are_refused() {
        let mut labels = idx_file(20, &[]);
        labels.push(0);
        assert!(complaint(3, &labels).contains("expected 20 bytes for its 20 items, found more"));
        assert!(complaint(3, &gzip(&labels)).contains("found more"));
    }

    #[test]
    fn headers_that_are_not_mnists_are_refused() {
        assert!(complaint(0, &idx_file(30, &[])).contains("expected the magic number 0x00000803, found 0x00000801"));
        assert!(complaint(2, &idx_file(20, &[32, 32])).contains("expected items of shape [28, 28], found [32, 32]"));
        assert!(complaint(1, &idx_file(0, &[])).contains("found 0 in its header"));
        let mut huge = idx_file(30, &[28, 28]);
        huge[4..8].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(complaint(0, &huge).contains("found 4294967295 in its header"));
        assert!(complaint(0, b"<html>not found, sorry</html>").contains("magic number"));
    }

    #[test]
    fn images_and_labels_must_belong_together() {
        assert!(complaint(1, &idx_file(29, &[])).contains("expected 30 labels"));
        let mut labels = idx_file(30, &[]);
        labels[8 + 4] = 10;
        assert!(complaint(1, &labels).contains("expected labels from 0 to 9, found 10 for image 4"));
    }

    #[test]
    fn a_damaged_gzip_stream_is_refused() {
        let mut packed = gzip(&idx_file(30, &[28, 28]));
        let end = packed.len();
        packed[end - 6] ^= 0xff;
        complaint(0, &packed);
    }
}
