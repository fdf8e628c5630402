//! Folders by paths, where the system has no handles for them: whoever swaps a folder for a link between a look and what
//! follows it can still lead it astray.

use super::{Kind, NO_FOLDER, NOT_PLAIN};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// A folder that was there.
#[derive(Debug)]
pub(super) struct Handle(PathBuf);

impl Handle {
    /// Follows links.
    pub(super) fn open(path: &Path) -> io::Result<Handle> {
        if fs::metadata(path)?.is_dir() { Ok(Handle(path.into())) } else { Err(NO_FOLDER.into()) }
    }

    pub(super) fn folder(&self, name: &OsStr) -> io::Result<Handle> {
        match self.look(name)? {
            (Kind::Folder, _) => Ok(Handle(self.0.join(name))),
            _ => Err(NO_FOLDER.into()),
        }
    }

    pub(super) fn make_folder(&self, name: &OsStr) -> io::Result<()> {
        fs::create_dir(self.0.join(name))
    }

    pub(super) fn read(&self, name: &OsStr) -> io::Result<File> {
        self.file(name, OpenOptions::new().read(true))
    }

    pub(super) fn read_and_write(&self, name: &OsStr) -> io::Result<File> {
        self.file(name, OpenOptions::new().read(true).write(true).create(true).truncate(false))
    }

    pub(super) fn write_new(&self, name: &OsStr) -> io::Result<File> {
        self.file(name, OpenOptions::new().write(true).create_new(true))
    }

    fn file(&self, name: &OsStr, options: &OpenOptions) -> io::Result<File> {
        match self.look(name) {
            Ok((Kind::Folder | Kind::Other, _)) => Err(NOT_PLAIN.into()),
            _ => options.open(self.0.join(name)),
        }
    }

    pub(super) fn remove(&self, name: &OsStr) -> io::Result<()> {
        fs::remove_file(self.0.join(name))
    }

    pub(super) fn remove_empty_folder(&self, name: &OsStr) -> io::Result<()> {
        fs::remove_dir(self.0.join(name))
    }

    pub(super) fn rename(&self, from: &OsStr, folder: &Handle, to: &OsStr) -> io::Result<()> {
        fs::rename(self.0.join(from), folder.0.join(to))
    }

    pub(super) fn look(&self, name: &OsStr) -> io::Result<(Kind, u64)> {
        let metadata = fs::symlink_metadata(self.0.join(name))?;
        Ok((kind(metadata.file_type()), metadata.len()))
    }

    pub(super) fn entries(&self) -> io::Result<Vec<(OsString, Kind)>> {
        let entries = fs::read_dir(&self.0)?;
        entries.map(|entry| entry.and_then(|entry| Ok((entry.file_name(), kind(entry.file_type()?))))).collect()
    }

    /// A folder can't be opened like a file, and names are as durable as the system makes them.
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn as_file(&self) -> io::Result<File> {
        File::open(&self.0)
    }
}

fn kind(told: fs::FileType) -> Kind {
    match () {
        () if told.is_file() => Kind::File,
        () if told.is_dir() => Kind::Folder,
        () => Kind::Other,
    }
}
