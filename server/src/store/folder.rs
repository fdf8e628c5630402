//! The folder of one run and its files.

use super::disk::{self, Dir, Kind};
use super::{ArtifactName, LOG, Log, SUMMARY};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The end of a temporary file's name; a dot stands at its beginning.
const TEMPORARY: &str = ".tmp";

/// Read of a log at once.
const PIECE: usize = 64 * 1024;

/// A file of a run.
#[derive(Clone, Debug)]
pub struct ArtifactInfo {
    /// Its name.
    pub name: ArtifactName,
    /// Its size.
    pub size_bytes: u64,
}

/// The folder of one run.
#[derive(Clone, Debug)]
pub struct RunFolder {
    /// Chosen by the user: it may be a link, or lead through some.
    root: Arc<Path>,
    /// The way on from there, on which no link is followed.
    below: String,
}

impl RunFolder {
    /// The folder at a path that the user chose, whether it is there yet or not.
    pub fn at(path: PathBuf) -> RunFolder {
        RunFolder::below(path.into(), String::new())
    }

    /// A folder in one that the user chose; the names of those on the way are joined by `/`.
    pub(super) fn below(root: Arc<Path>, below: String) -> RunFolder {
        RunFolder { root, below }
    }

    /// The folder itself.
    fn dir(&self) -> io::Result<Dir> {
        descend(Dir::open(&self.root)?, names(&self.below))
    }

    /// The folder around it, and its name there; `None` where the user chose it as it is.
    fn around(&self) -> io::Result<Option<(Dir, &str)>> {
        let mut way = names(&self.below);
        let Some(name) = way.next_back() else { return Ok(None) };
        Ok(Some((descend(Dir::open(&self.root)?, way)?, name)))
    }

    /// Whether there is certainly no such folder.
    pub fn is_gone(&self) -> bool {
        fs::symlink_metadata(self.root.join(&self.below)).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    /// Makes the folder.
    ///
    /// # Errors
    /// It can't be made, or it holds something already.
    pub fn create(&self) -> io::Result<()> {
        disk::make_folders(&self.root)?;
        if let Some((around, name)) = self.around()? {
            around.make_folder(name)?;
        }
        match self.dir()?.entries()?.is_empty() {
            true => Ok(()),
            false => Err(io::Error::new(io::ErrorKind::AlreadyExists, "the folder is not empty")),
        }
    }

    /// Deletes the folder and all that is in it.
    ///
    /// # Errors
    /// It can't be deleted.
    pub fn discard(&self) -> io::Result<()> {
        match self.around()? {
            Some((around, name)) => around.remove_folder(name),
            None => disk::remove_folders(&self.root),
        }
    }

    /// Writes files beside the places where they belong, all or none, and waits until the disk has them.
    ///
    /// # Errors
    /// They can't be written; what stood there before still stands.
    pub fn stage(&self, files: &[(ArtifactName, &[u8])]) -> io::Result<Staged> {
        let mut staged = Staged { folders: BTreeMap::new() };
        for (name, bytes) in files {
            let (way, name) = name.parts();
            if !staged.folders.contains_key(way) {
                staged.folders.insert(way.into(), (descend_or_make(self.dir()?, way)?, Vec::new()));
            }
            let Some((folder, names)) = staged.folders.get_mut(way) else { continue };
            names.push(name.into());
            folder.write(temporary(name), bytes)?;
        }
        staged.folders.values().try_for_each(|(folder, _)| folder.sync())?;
        Ok(staged)
    }

    /// Stores files, each whole or not at all.
    ///
    /// # Errors
    /// One can't be written; what stood there before still stands.
    pub fn put(&self, files: &[(ArtifactName, &[u8])]) -> io::Result<()> {
        self.stage(files)?.place()?.sync()
    }

    /// Clears up after a death in the middle of storing: a temporary file whose digest the log tells of is moved to its
    /// place, any other is deleted. `digests`: SHA-256 by name.
    ///
    /// # Errors
    /// The folder can't be listed or changed.
    pub fn recover(&self, digests: &BTreeMap<ArtifactName, &str>) -> io::Result<()> {
        // Also links and the like with such names.
        self.walk(|prefix, folder, temporary, _| {
            let Some(name) = temporary.strip_prefix('.').and_then(|name| name.strip_suffix(TEMPORARY)) else {
                return Ok(());
            };
            let known = format!("{prefix}{name}").parse().ok().and_then(|name| digests.get(&name));
            match known {
                Some(known) if holds(folder, temporary, known)? => folder.rename(temporary, folder, name),
                _ => folder.remove(temporary),
            }
        })
    }

    /// Shows all that is no folder: the prefix of its name, the folder it is in, its name there, and whether it is a plain
    /// file. What lies so deep that it can be no artifact is left out.
    fn walk(&self, mut show: impl FnMut(&str, &Dir, &str, bool) -> io::Result<()>) -> io::Result<()> {
        let mut prefixes = vec![String::new()];
        while let Some(prefix) = prefixes.pop() {
            let folder = descend(self.dir()?, names(&prefix))?;
            for (name, kind) in folder.entries()? {
                let Some(name) = name.to_str() else { continue };
                match kind {
                    Kind::Folder if format!("{prefix}{name}").parse::<ArtifactName>().is_ok() => {
                        prefixes.push(format!("{prefix}{name}/"));
                    }
                    Kind::Folder => {}
                    kind => show(&prefix, &folder, name, kind == Kind::File)?,
                }
            }
        }
        Ok(())
    }

    /// Opens a file and tells its size. Follows no link, so that nothing outside the folder can be had, and waits for no pipe.
    ///
    /// # Errors
    /// `NotFound` where there is no such plain file.
    pub fn get(&self, name: &ArtifactName) -> io::Result<(File, fs::Metadata)> {
        let (way, name) = name.parts();
        let folder = self.dir().and_then(|dir| descend(dir, names(way)));
        folder.and_then(|folder| folder.read(name)).map_err(|error| match error.kind() {
            disk::NOT_PLAIN | disk::NO_FOLDER => io::ErrorKind::NotFound.into(),
            _ => error,
        })
    }

    /// The whole content of a file.
    ///
    /// # Errors
    /// `NotFound` where there is no such plain file.
    pub fn read(&self, name: &ArtifactName) -> io::Result<Vec<u8>> {
        disk::whole(self.get(name)?.0)
    }

    /// Every file, by name; links and temporary files left out.
    ///
    /// # Errors
    /// The folder can't be listed.
    pub fn list(&self) -> io::Result<Vec<ArtifactInfo>> {
        let mut found = Vec::new();
        self.walk(|prefix, folder, name, plain| {
            let artifact = format!("{prefix}{name}").parse();
            // Between the listing and this look a temporary file may have got its final name.
            if let (true, Ok(artifact), Ok((Kind::File, size_bytes))) = (plain, artifact, folder.look(name)) {
                found.push(ArtifactInfo { name: artifact, size_bytes });
            }
            Ok(())
        })?;
        found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// Size of all files together.
    ///
    /// # Errors
    /// The folder can't be listed.
    pub fn size_bytes(&self) -> io::Result<u64> {
        Ok(self.list()?.iter().map(|file| file.size_bytes).sum())
    }

    /// The complete lines of the log; a torn last one is left out.
    ///
    /// # Errors
    /// There is no log, or it is no text.
    pub fn log_lines(&self) -> io::Result<Vec<Arc<str>>> {
        let bytes = self.read(&ArtifactName(LOG.into()))?;
        let complete = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |end| end + 1);
        let text = std::str::from_utf8(&bytes[..complete])
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(text.lines().map(Arc::from).collect())
    }

    /// Complete lines of the log from a byte on at which one begins, up to about `bytes` of them and one at least; the byte at
    /// which the next begins, and whether there is one already. Of a long log no more is read than that.
    ///
    /// # Errors
    /// There is no log, or it is no text.
    pub fn log_piece(&self, from: u64, bytes: usize) -> io::Result<(Vec<Arc<str>>, u64, bool)> {
        let (mut file, _) = self.get(&ArtifactName(LOG.into()))?;
        file.seek(SeekFrom::Start(from))?;
        let mut log = BufReader::with_capacity(PIECE, file);
        let (mut lines, mut end, mut line) = (Vec::new(), from, Vec::new());
        loop {
            line.clear();
            log.read_until(b'\n', &mut line)?;
            let Some(text) = line.strip_suffix(b"\n") else { return Ok((lines, end, false)) };
            if end - from > bytes as u64 {
                return Ok((lines, end, true));
            }
            let text = std::str::from_utf8(text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            lines.push(text.into());
            end += line.len() as u64;
        }
    }

    /// The byte at which line `after` + 1 of the log begins, or would.
    ///
    /// # Errors
    /// There is no log.
    pub fn log_place(&self, after: u64) -> io::Result<u64> {
        let mut log = BufReader::with_capacity(PIECE, self.get(&ArtifactName(LOG.into()))?.0);
        let mut place = 0;
        for _ in 0..after {
            match log.skip_until(b'\n')? {
                0 => break,
                skipped => place += skipped as u64,
            }
        }
        Ok(place)
    }

    /// Opens the log for writing, made if it isn't there. A torn last line is cut off.
    ///
    /// # Errors
    /// It can't be opened or cut.
    pub fn log(&self) -> io::Result<Log> {
        let mut file = self.dir()?.read_and_write(LOG)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let end = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |end| end as u64 + 1);
        disk::cut(&file, end)?;
        file.seek(SeekFrom::Start(end))?;
        Ok(Log { file, end, torn: false })
    }

    /// What the summary's file holds, and how many bytes the log has, where there is one.
    ///
    /// # Errors
    /// `NotFound` where there is no summary.
    pub fn summary(&self) -> io::Result<(Vec<u8>, Option<u64>)> {
        // In one look: a start does this for every run.
        let dir = self.dir()?;
        Ok((disk::whole(dir.read(SUMMARY)?.0)?, dir.look(LOG).ok().map(|(_, size)| size)))
    }

    /// Waits until the disk has the folder's own name and those of its files.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn sync(&self) -> io::Result<()> {
        self.dir()?.sync()?;
        match self.around()? {
            Some((around, _)) => around.sync(),
            None => match self.root.parent().filter(|above| !above.as_os_str().is_empty()) {
                Some(above) => Dir::open(above)?.sync(),
                None => Dir::open(Path::new("."))?.sync(),
            },
        }
    }
}

/// The names of folders that `/` joins.
fn names(way: &str) -> impl DoubleEndedIterator<Item = &str> {
    way.split('/').filter(|name| !name.is_empty())
}

/// The folder at the end of the way. A link on it leads nowhere.
fn descend<'a>(dir: Dir, mut way: impl Iterator<Item = &'a str>) -> io::Result<Dir> {
    way.try_fold(dir, |dir, name| dir.folder(name))
}

/// The same, made where it isn't there.
fn descend_or_make(dir: Dir, way: &str) -> io::Result<Dir> {
    names(way).try_fold(dir, |dir, name| match dir.folder(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            dir.make_folder(name)?;
            dir.sync()?;
            dir.folder(name)
        }
        found => found,
    })
}

/// What a file is called until it is in its place.
fn temporary(name: &str) -> String {
    format!(".{name}{TEMPORARY}")
}

/// Files that are written and not yet in their places. Dropped, they are deleted.
#[derive(Debug)]
pub struct Staged {
    /// By the way to each folder: the folder, and the names of the files in it.
    folders: BTreeMap<String, (Dir, Vec<String>)>,
}

impl Staged {
    /// Moves the files to their places. Should the disk forget a move, the file waits for [`RunFolder::recover`].
    ///
    /// # Errors
    /// One can't be moved: it waits likewise.
    pub fn place(mut self) -> io::Result<Placed> {
        let mut placed = Placed { folders: Vec::new() };
        for (folder, names) in std::mem::take(&mut self.folders).into_values() {
            names.iter().try_for_each(|name| folder.rename(temporary(name), &folder, name))?;
            placed.folders.push(folder);
        }
        Ok(placed)
    }

    /// Leaves the files where they are, for [`RunFolder::recover`].
    pub fn leave(mut self) {
        self.folders.clear();
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // On a full disk a torn copy must not keep the space that the next attempt needs.
        for (folder, names) in self.folders.values() {
            names.iter().for_each(|name| drop(folder.remove(temporary(name))));
        }
    }
}

/// Files that stand in their places.
#[derive(Debug)]
#[must_use]
pub struct Placed {
    folders: Vec<Dir>,
}

impl Placed {
    /// Waits until the disk has the files' new names.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn sync(self) -> io::Result<()> {
        self.folders.iter().try_for_each(Dir::sync)
    }
}

/// Whether a temporary file has that SHA-256; a link or the like has none.
fn holds(folder: &Dir, temporary: &str, known: &str) -> io::Result<bool> {
    match folder.read(temporary) {
        Ok((file, _)) => Ok(digest(&disk::whole(file)?) == known),
        Err(error) if error.kind() == disk::NOT_PLAIN => Ok(false),
        Err(error) => Err(error),
    }
}

/// SHA-256 in hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

#[cfg(test)]
mod tests;
