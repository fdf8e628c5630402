//! The folder of one run and its files.

use super::{ArtifactName, LOG, Log, disk};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The end of a temporary file's name; a dot stands at its beginning.
const TEMPORARY: &str = ".tmp";

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
    path: PathBuf,
}

impl RunFolder {
    /// The folder at `path`, whether it is there yet or not.
    pub fn at(path: PathBuf) -> RunFolder {
        RunFolder { path }
    }

    /// Whether there is certainly no such folder.
    pub fn is_gone(&self) -> bool {
        fs::symlink_metadata(&self.path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    /// Makes the folder.
    ///
    /// # Errors
    /// It can't be made, or it holds something already.
    pub fn create(&self) -> io::Result<()> {
        disk::make_folders(&self.path)?;
        match fs::read_dir(&self.path)?.next() {
            None => Ok(()),
            Some(_) => Err(io::Error::new(io::ErrorKind::AlreadyExists, "the folder is not empty")),
        }
    }

    /// Deletes the folder and all that is in it.
    ///
    /// # Errors
    /// It can't be deleted.
    pub fn discard(&self) -> io::Result<()> {
        disk::remove_folder(&self.path)
    }

    /// Writes files beside the places where they belong, all or none, and waits until the disk has them.
    ///
    /// # Errors
    /// They can't be written; what stood there before still stands.
    pub fn stage(&self, files: &[(ArtifactName, &[u8])]) -> io::Result<Staged> {
        let mut staged = Staged { moves: Vec::new() };
        for (name, bytes) in files {
            let parent = self.parent(name)?;
            let temporary = parent.join(format!(".{}{TEMPORARY}", name.file_name()));
            staged.moves.push((temporary.clone(), parent.join(name.file_name())));
            disk::write(&temporary, bytes)?;
        }
        staged.folders().into_iter().try_for_each(disk::sync_folder)?;
        Ok(staged)
    }

    /// Stores files, each whole or not at all.
    ///
    /// # Errors
    /// One can't be written; what stood there before still stands.
    pub fn put(&self, files: &[(ArtifactName, &[u8])]) -> io::Result<()> {
        self.stage(files)?.place()?.sync()
    }

    /// The folder that a file belongs into, made where it isn't there. A link in its place is no folder of this run.
    fn parent(&self, name: &ArtifactName) -> io::Result<PathBuf> {
        let mut folder = self.path.clone();
        let mut parts = name.0.split('/').collect::<Vec<_>>();
        parts.pop();
        for part in parts {
            let above = folder.clone();
            folder.push(part);
            match fs::symlink_metadata(&folder) {
                Ok(metadata) if metadata.is_dir() => {}
                Ok(_) => return Err(io::Error::new(io::ErrorKind::NotADirectory, format!("{part} is no folder"))),
                Err(_) => {
                    disk::make_folder(&folder)?;
                    disk::sync_folder(&above)?;
                }
            }
        }
        Ok(folder)
    }

    /// Clears up after a death in the middle of storing: a temporary file whose digest the log tells of is moved to its
    /// place, any other is deleted. `digests`: SHA-256 by name.
    ///
    /// # Errors
    /// The folder can't be listed or changed.
    pub fn recover(&self, digests: &BTreeMap<ArtifactName, &str>) -> io::Result<()> {
        for (name, temporary) in self.temporaries()? {
            let wanted = name.and_then(|name| Some((self.path.join(&name.0), *digests.get(&name)?)));
            match wanted {
                Some((target, known)) if holds(&temporary, known)? => disk::rename(&temporary, &target)?,
                _ => disk::remove(&temporary)?,
            }
        }
        Ok(())
    }

    /// Temporary files, and links and the like with such names, and the names they were written for.
    fn temporaries(&self) -> io::Result<Vec<(Option<ArtifactName>, PathBuf)>> {
        let mut found = Vec::new();
        self.walk(|prefix, entry, _| {
            let file_name = entry.file_name();
            let hidden = file_name.to_str().and_then(|name| name.strip_prefix('.')?.strip_suffix(TEMPORARY));
            if let Some(name) = hidden {
                found.push((format!("{prefix}{name}").parse().ok(), entry.path()));
            }
        })?;
        Ok(found)
    }

    /// Shows all that is no folder, with the prefix of its name and whether it is a plain file; follows no link.
    fn walk(&self, mut show: impl FnMut(&str, &fs::DirEntry, bool)) -> io::Result<()> {
        let mut folders = vec![(self.path.clone(), String::new())];
        while let Some((folder, prefix)) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                let kind = entry.file_type()?;
                if !kind.is_dir() {
                    show(&prefix, &entry, kind.is_file());
                } else if let Some(name) = entry.file_name().to_str() {
                    folders.push((entry.path(), format!("{prefix}{name}/")));
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
        let mut path = self.path.clone();
        for part in name.0.split('/') {
            path.push(part);
            if fs::symlink_metadata(&path)?.file_type().is_symlink() {
                return Err(io::ErrorKind::NotFound.into());
            }
        }
        disk::open(&path).map_err(|error| match error.kind() {
            disk::NOT_PLAIN => io::ErrorKind::NotFound.into(),
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
        self.walk(|prefix, entry, plain| {
            let name = entry.file_name().to_str().and_then(|name| format!("{prefix}{name}").parse().ok());
            // Between the listing and this look a temporary file may have got its final name.
            if let (true, Some(name), Ok(metadata)) = (plain, name, entry.metadata()) {
                found.push(ArtifactInfo { name, size_bytes: metadata.len() });
            }
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

    /// Opens the log for writing, made if it isn't there. A torn last line is cut off.
    ///
    /// # Errors
    /// It can't be opened or cut.
    pub fn log(&self) -> io::Result<Log> {
        let mut file = disk::open_or_make(&self.path.join(LOG))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let end = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |end| end as u64 + 1);
        disk::cut(&file, end)?;
        file.seek(SeekFrom::Start(end))?;
        Ok(Log { file, end, torn: false })
    }

    /// Bytes of the log.
    ///
    /// # Errors
    /// There is none.
    pub fn log_size(&self) -> io::Result<u64> {
        Ok(fs::symlink_metadata(self.path.join(LOG))?.len())
    }

    /// Waits until the disk has the folder's own name and those of its files.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn sync(&self) -> io::Result<()> {
        disk::sync_folder(&self.path)?;
        match self.path.parent() {
            Some(above) if !above.as_os_str().is_empty() => disk::sync_folder(above),
            _ => disk::sync_folder(Path::new(".")),
        }
    }
}

/// Files that are written and not yet in their places. Dropped, they are deleted.
#[derive(Debug)]
pub struct Staged {
    moves: Vec<(PathBuf, PathBuf)>,
}

impl Staged {
    /// Moves the files to their places. Should the disk forget a move, the file waits for [`RunFolder::recover`].
    ///
    /// # Errors
    /// One can't be moved: it waits likewise.
    pub fn place(mut self) -> io::Result<Placed> {
        let folders = self.folders().into_iter().map(Path::to_path_buf).collect();
        let moves = std::mem::take(&mut self.moves);
        moves.iter().try_for_each(|(from, to)| disk::rename(from, to))?;
        Ok(Placed { folders })
    }

    /// Leaves the files where they are, for [`RunFolder::recover`].
    pub fn leave(mut self) {
        self.moves.clear();
    }

    fn folders(&self) -> BTreeSet<&Path> {
        self.moves.iter().filter_map(|(_, to)| to.parent()).collect()
    }
}

/// Files that stand in their places.
#[derive(Debug)]
#[must_use]
pub struct Placed {
    folders: Vec<PathBuf>,
}

impl Placed {
    /// Waits until the disk has the files' new names.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn sync(self) -> io::Result<()> {
        self.folders.iter().try_for_each(|folder| disk::sync_folder(folder))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // On a full disk a torn copy must not keep the space that the next attempt needs.
        self.moves.iter().for_each(|(temporary, _)| drop(disk::remove(temporary)));
    }
}

/// Whether a temporary file has that SHA-256; a link or the like has none.
fn holds(temporary: &Path, known: &str) -> io::Result<bool> {
    match disk::open(temporary) {
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
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_is_cut_off_and_never_read() {
        let home = tempfile::tempdir().unwrap();
        let folder = RunFolder::at(home.path().join("run"));
        folder.create().unwrap();
        folder.log().unwrap().append("one", true).unwrap();
        fs::write(home.path().join("run").join(LOG), "one\ntw").unwrap();
        assert_eq!(folder.log_lines().unwrap(), ["one".into()]);
        folder.log().unwrap().append("two", true).unwrap();
        assert_eq!(folder.log_lines().unwrap(), ["one".into(), "two".into()]);
    }

    #[test]
    fn what_a_death_left_behind_is_moved_or_deleted() {
        let home = tempfile::tempdir().unwrap();
        let folder = RunFolder::at(home.path().join("run"));
        folder.create().unwrap();
        let names = ["embeddings/a.npy", "b.txt", "c.txt"].map(|name| name.parse::<ArtifactName>().unwrap());
        let put = |text: &[u8]| folder.put(&[(names[0].clone(), text), (names[1].clone(), text)]);
        put(b"old").unwrap();
        // Dropped is deleted; forgotten is what a death leaves.
        drop(folder.stage(&[(names[2].clone(), b"new")]).unwrap());
        assert!(folder.temporaries().unwrap().is_empty());
        let staged = folder.stage(&[(names[0].clone(), b"new"), (names[1].clone(), b"new")]).unwrap();
        std::mem::forget(staged);
        let (new, old) = (digest(b"new"), digest(b"old"));
        folder.recover(&BTreeMap::from([(names[0].clone(), new.as_str()), (names[1].clone(), old.as_str())])).unwrap();
        let read = |name| folder.read(name).unwrap();
        assert_eq!((read(&names[0]), read(&names[1])), (b"new".to_vec(), b"old".to_vec()));
        assert_eq!(folder.list().unwrap().len(), 2);
        assert!(folder.temporaries().unwrap().is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn links_lead_nowhere() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("secret"), "secret").unwrap();
        fs::create_dir(home.path().join("run")).unwrap();
        let folder = RunFolder::at(home.path().join("run"));
        std::os::unix::fs::symlink(home.path(), home.path().join("run/out")).unwrap();
        std::os::unix::fs::symlink(home.path().join("secret"), home.path().join("run/link")).unwrap();
        assert!(folder.list().unwrap().is_empty());
        for name in ["link", "out/secret", "out"] {
            assert_eq!(folder.get(&name.parse().unwrap()).unwrap_err().kind(), io::ErrorKind::NotFound, "{name}");
        }
        assert!(folder.put(&[("out/new".parse().unwrap(), b"x")]).is_err());
        std::os::unix::fs::symlink(home.path().join("log"), home.path().join("run").join(LOG)).unwrap();
        assert!(folder.log().unwrap_err().to_string().contains("events.jsonl is no plain file"));
        for name in ["a", "b"] {
            std::os::unix::fs::symlink(home.path().join("secret"), home.path().join(format!("run/.{name}.tmp")))
                .unwrap();
        }
        folder.put(&[("a".parse().unwrap(), b"mine")]).unwrap();
        assert_eq!(folder.read(&"a".parse().unwrap()).unwrap(), b"mine");
        folder.recover(&BTreeMap::from([("b".parse().unwrap(), digest(b"secret").as_str())])).unwrap();
        assert!(folder.temporaries().unwrap().is_empty());
        assert_eq!(fs::read(home.path().join("secret")).unwrap(), b"secret");
        assert!(!home.path().join("new").exists() && !home.path().join("log").exists());
    }
}
