//! Every change that the program makes to a disk, in a few functions, so that a test can let any of them fail.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Makes one folder; one that is there already will do.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    gate()?;
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Writes a file and waits until the disk has it.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    append(&mut file, bytes)?;
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
        let (good, ..) = PLAN.replace((usize::MAX, 0, 0));
        good == 0
    }

    pub(super) fn gate() -> io::Result<()> {
        let (good, bad, error) = PLAN.get();
        match (good, bad) {
            (0, 0) => Ok(()),
            (0, _) => {
                PLAN.set((0, bad - 1, error));
                Err(io::Error::from_raw_os_error(error))
            }
            _ => {
                PLAN.set((good - 1, bad, error));
                Ok(())
            }
        }
    }
}
