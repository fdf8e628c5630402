//! Folders by handles of the system: what is asked of one happens in it, wherever its name leads by then.

use super::{Kind, NO_FOLDER, NOT_PLAIN};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A folder that is open.
#[derive(Debug)]
pub(super) struct Handle(File);

impl Handle {
    /// Follows links.
    pub(super) fn open(path: &Path) -> io::Result<Handle> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Handle(rustix::fs::open(path, flags, Mode::empty())?.into()))
    }

    pub(super) fn folder(&self, name: &OsStr) -> io::Result<Handle> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.0, name, flags, Mode::empty()) {
            Ok(folder) => Ok(Handle(folder.into())),
            // Systems differ in what they say of a link here.
            Err(Errno::NOTDIR | Errno::LOOP | Errno::MLINK) => Err(NO_FOLDER.into()),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn make_folder(&self, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::mkdirat(&self.0, name, Mode::from_raw_mode(0o777))?)
    }

    pub(super) fn read(&self, name: &OsStr) -> io::Result<File> {
        self.file(name, OFlags::RDONLY)
    }

    pub(super) fn read_and_write(&self, name: &OsStr) -> io::Result<File> {
        self.file(name, OFlags::RDWR | OFlags::CREATE)
    }

    pub(super) fn write_new(&self, name: &OsStr) -> io::Result<File> {
        self.file(name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)
    }

    /// Neither follows a link nor waits for a pipe.
    fn file(&self, name: &OsStr, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.0, name, flags, Mode::from_raw_mode(0o666)) {
            Ok(file) => Ok(file.into()),
            Err(Errno::LOOP | Errno::MLINK) => Err(NOT_PLAIN.into()),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::empty())?)
    }

    pub(super) fn remove_empty_folder(&self, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR)?)
    }

    pub(super) fn rename(&self, from: &OsStr, folder: &Handle, to: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.0, from, &folder.0, to)?)
    }

    pub(super) fn look(&self, name: &OsStr) -> io::Result<(Kind, u64)> {
        let stat = rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok((kind(FileType::from_raw_mode(stat.st_mode)), stat.st_size.try_into().unwrap_or(0)))
    }

    pub(super) fn entries(&self) -> io::Result<Vec<(OsString, Kind)>> {
        let mut found = Vec::new();
        for entry in Dir::read_from(&self.0)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            match entry.file_type() {
                _ if [".", ".."].map(OsStr::new).contains(&name) => {}
                // Not every file system tells; what is gone by now is left out.
                FileType::Unknown => found.extend(self.look(name).ok().map(|(kind, _)| (name.into(), kind))),
                told => found.push((name.into(), kind(told))),
            }
        }
        Ok(found)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    /// The folder as a file, for its times.
    pub(super) fn as_file(&self) -> io::Result<&File> {
        Ok(&self.0)
    }
}

fn kind(told: FileType) -> Kind {
    match told {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Folder,
        _ => Kind::Other,
    }
}
