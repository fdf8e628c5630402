//! Every change that the program makes to a disk and every file that it opens there, in a few functions, so that a test can
//! let any of them fail, and so that none of them is led astray: whoever writes into a runs folder can lay a link where a
//! file belongs, which leads anywhere, or a pipe, which whoever opens it waits at for ever.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

/// What is told of a name at which something else than a plain file stands.
pub(super) const NOT_PLAIN: io::ErrorKind = io::ErrorKind::InvalidInput;

/// Opens a plain file to read.
pub(super) fn open(path: &Path) -> io::Result<(File, Metadata)> {
    plain(path, OpenOptions::new().read(true))
}

/// All that a file holds.
pub(super) fn whole(mut file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens a plain file to read and write, made if it isn't there.
pub(super) fn open_or_make(path: &Path) -> io::Result<File> {
    Ok(plain(path, OpenOptions::new().read(true).write(true).create(true).truncate(false))?.0)
}

/// Opens what is a plain file or nothing yet.
fn plain(path: &Path, options: &mut OpenOptions) -> io::Result<(File, Metadata)> {
    gate()?;
    let not_plain = || {
        let name = path.file_name().unwrap_or_default().display();
        io::Error::new(
            NOT_PLAIN,
            format!("{name} is no plain file but a link, a folder, a pipe or a device: remove it"),
        )
    };
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(not_plain());
    }
    // Whatever took its place since that look is neither followed nor waited for.
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32);
    }
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok((file, metadata)) } else { Err(not_plain()) }
}

/// Makes a folder and those above it, where they aren't there.
pub(super) fn make_folders(path: &Path) -> io::Result<()> {
    gate()?;
    fs::create_dir_all(path)
}

/// Makes one folder; one that is there already will do.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    gate()?;
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Writes a new file in the place of whatever stands there, and waits until the disk has it.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // A new one only: what stands there now came since, and may be a link.
    let (mut file, _) = plain(path, OpenOptions::new().write(true).create_new(true))?;
    append(&mut file, bytes)?;
    gate()?;
    file.sync_all()
}

/// Writes at the end of what was written before.
pub(super) fn append(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    // A disk that fills up takes a part before it refuses.
    gate().inspect_err(|_| drop(file.write_all(&bytes[..bytes.len() / 2])))?;
    file.write_all(bytes)
}

/// Waits until the disk has what the file holds.
pub(super) fn sync(file: &File) -> io::Result<()> {
    gate()?;
    file.sync_data()
}

/// Cuts what lies after that many bytes.
pub(super) fn cut(file: &File, size: u64) -> io::Result<()> {
    gate()?;
    file.set_len(size)
}

/// Removes a file, or a link and not what it leads to.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    gate()?;
    fs::remove_file(path)
}

/// Removes a folder with all that is in it; follows no link.
pub(super) fn remove_folder(path: &Path) -> io::Result<()> {
    gate()?;
    fs::remove_dir_all(path)
}

/// Moves a file or a folder over what may stand at the target.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    gate()?;
    fs::rename(from, to)
}

/// Waits until the disk has the names that the folder holds.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    gate()?;
    // Elsewhere a folder can't be opened like a file, and names are as durable as the system makes them.
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

#[cfg(not(test))]
fn gate() -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
use faults::gate;

/// Changes of this thread that fail.
#[cfg(test)]
pub(crate) mod faults {
    use std::cell::Cell;
    use std::io;

    thread_local! {
        /// How many changes still succeed, how many fail then, and with which error of the system.
        static PLAN: Cell<(usize, usize, i32)> = const { Cell::new((usize::MAX, 0, 0)) };
        static FAILED: Cell<bool> = const { Cell::new(false) };
    }

    /// The disk is full.
    pub(crate) const ENOSPC: i32 = 28;
    /// The disk is read-only.
    pub(crate) const EROFS: i32 = 30;
    /// No more files can be opened.
    pub(crate) const EMFILE: i32 = 24;

    /// Lets `good` changes succeed and the `bad` ones after them fail.
    pub(crate) fn plan(good: usize, bad: usize, error: i32) {
        PLAN.set((good, bad, error));
    }

    /// Nothing fails any more; whether something did.
    pub(crate) fn lift() -> bool {
        PLAN.set((usize::MAX, 0, 0));
        FAILED.replace(false)
    }

    pub(super) fn gate() -> io::Result<()> {
        let (good, bad, error) = PLAN.get();
        match (good, bad) {
            (0, 0) => Ok(()),
            (0, _) => {
                PLAN.set((0, bad - 1, error));
                FAILED.set(true);
                Err(io::Error::from_raw_os_error(error))
            }
            _ => {
                PLAN.set((good - 1, bad, error));
                Ok(())
            }
        }
    }
}
