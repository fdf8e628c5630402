//! Every change that the program makes to a disk and every file that it opens there, so that a test can let any of them fail,
//! and so that none of them is led astray: whoever writes into a runs folder can lay a link where a file or a folder belongs,
//! which leads anywhere, or a pipe, which whoever opens it waits at for ever.
//!
//! A path leads to a [`Dir`] once, and no further than its user chose. From there on every name is one of a file or a folder in a
//! folder that is held open, and none is followed where it is a link, also one that took the place of what was there a moment ago.

#[cfg(unix)]
mod handles;
#[cfg(not(unix))]
mod paths;

#[cfg(unix)]
use handles::Handle;
#[cfg(not(unix))]
use paths::Handle;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::SystemTime;

/// What is told of a name at which something else than a plain file stands,
pub(super) const NOT_PLAIN: io::ErrorKind = io::ErrorKind::InvalidInput;
/// and of one at which something else than a folder stands.
pub(super) const NO_FOLDER: io::ErrorKind = io::ErrorKind::NotADirectory;

/// What stands at a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A plain file.
    File,
    /// A folder.
    Folder,
    /// A link, a pipe, a device, a socket.
    Other,
}

/// A folder that is held open.
#[derive(Debug)]
pub(super) struct Dir(Handle);

impl Dir {
    /// The folder at a path that the user chose: links are followed.
    pub(super) fn open(path: &Path) -> io::Result<Dir> {
        gate()?;
        Handle::open(path).map(Dir)
    }

    /// The folder of that name.
    pub(super) fn folder(&self, name: impl AsRef<OsStr>) -> io::Result<Dir> {
        gate()?;
        let name = name.as_ref();
        self.0.folder(name).map(Dir).map_err(|error| match error.kind() {
            NO_FOLDER => {
                io::Error::new(NO_FOLDER, format!("{} is no folder but a link or a file: remove it", name.display()))
            }
            _ => error,
        })
    }

    /// Makes a folder; one that is there already will do.
    pub(super) fn make_folder(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        gate()?;
        match self.0.make_folder(name.as_ref()) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        }
    }

    /// Opens a plain file to read.
    pub(super) fn read(&self, name: impl AsRef<OsStr>) -> io::Result<(File, Metadata)> {
        self.plain(name.as_ref(), Handle::read)
    }

    /// Opens a plain file to read and write, made if it isn't there.
    pub(super) fn read_and_write(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        Ok(self.plain(name.as_ref(), Handle::read_and_write)?.0)
    }

    /// Opens what is a plain file or nothing yet.
    fn plain(
        &self,
        name: &OsStr,
        open: impl FnOnce(&Handle, &OsStr) -> io::Result<File>,
    ) -> io::Result<(File, Metadata)> {
        gate()?;
        let not_plain = || {
            let told =
                format!("{} is no plain file but a link, a folder, a pipe or a device: remove it", name.display());
            io::Error::new(NOT_PLAIN, told)
        };
        // Opening a device may do something.
        if self.0.look(name).is_ok_and(|(kind, _)| kind != Kind::File) {
            return Err(not_plain());
        }
        let file = open(&self.0, name).map_err(|error| match error.kind() {
            NOT_PLAIN => not_plain(),
            _ => error,
        })?;
        let metadata = file.metadata()?;
        if metadata.is_file() { Ok((file, metadata)) } else { Err(not_plain()) }
    }

    /// Writes a new file in the place of whatever stands there, and waits until the disk has it.
    pub(super) fn write(&self, name: impl AsRef<OsStr>, bytes: &[u8]) -> io::Result<()> {
        let name = name.as_ref();
        match self.remove(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // A new one only: what stands there now came since, and may be a link.
        let (mut file, _) = self.plain(name, Handle::write_new)?;
        append(&mut file, bytes)?;
        gate()?;
        file.sync_all()
    }

    /// Removes a file, or a link and not what it leads to.
    pub(super) fn remove(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        gate()?;
        self.0.remove(name.as_ref())
    }

    /// Removes a folder with all that is in it.
    pub(super) fn remove_folder(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        let name = name.as_ref();
        let folder = self.folder(name)?;
        for (name, kind) in folder.entries()? {
            match kind {
                Kind::Folder => folder.remove_folder(name)?,
                _ => folder.remove(name)?,
            }
        }
        gate()?;
        self.0.remove_empty_folder(name)
    }

    /// Moves a file or a folder to another folder, over what may stand there.
    pub(super) fn rename(&self, from: impl AsRef<OsStr>, folder: &Dir, to: impl AsRef<OsStr>) -> io::Result<()> {
        gate()?;
        self.0.rename(from.as_ref(), &folder.0, to.as_ref())
    }

    /// What stands at a name, and its size.
    pub(super) fn look(&self, name: impl AsRef<OsStr>) -> io::Result<(Kind, u64)> {
        self.0.look(name.as_ref())
    }

    /// Every name, and what stands there.
    pub(super) fn entries(&self) -> io::Result<Vec<(OsString, Kind)>> {
        self.0.entries()
    }

    /// Waits until the disk has the names that the folder holds.
    pub(super) fn sync(&self) -> io::Result<()> {
        gate()?;
        self.0.sync()
    }

    /// When something came or went in it last, or what was said of that.
    pub(super) fn modified(&self) -> io::Result<SystemTime> {
        self.0.as_file()?.metadata()?.modified()
    }

    /// Says that it changed now.
    pub(super) fn touch(&self) -> io::Result<()> {
        self.0.as_file()?.set_modified(SystemTime::now())
    }
}

/// All that a file holds.
pub(super) fn whole(mut file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Makes a folder that the user chose, and those above it, where they aren't there.
pub(super) fn make_folders(path: &Path) -> io::Result<()> {
    gate()?;
    fs::create_dir_all(path)
}

/// Removes a folder that the user chose, with all that is in it.
pub(super) fn remove_folders(path: &Path) -> io::Result<()> {
    gate()?;
    fs::remove_dir_all(path)
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
    use std::path::Path;
    use tempfile::TempDir;

    /// A folder for a test that lets each change fail in turn: in memory, where the system has a place there, since a disk would
    /// be waited for thousands of times.
    pub(crate) fn home() -> TempDir {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
    }

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
