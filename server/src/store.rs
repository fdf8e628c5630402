//! Where runs are kept: the only module that knows of paths.
//!
//! Nothing unparsed reaches the file system: a run is named by a [`RunId`] and a file by an [`ArtifactName`], and both can
//! only be had by parsing. Files are written under a temporary name, flushed to the disk and renamed, so that a reader
//! sees the old content or the new and never a half; the log alone grows in place.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use uuid::Uuid;

/// The log's file name.
pub const LOG: &str = "events.jsonl";
/// The summary's file name.
pub const SUMMARY: &str = "run.json";

/// Names a run: a UUID of version 7, so that ids sort by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(Uuid);

impl RunId {
    /// An id that no run has yet, larger than all before.
    pub fn fresh() -> RunId {
        RunId(Uuid::now_v7())
    }
}

/// A text that names no run.
#[derive(Debug, thiserror::Error)]
#[error("not a run id")]
pub struct NoRunId;

impl FromStr for RunId {
    type Err = NoRunId;

    fn from_str(text: &str) -> Result<RunId, NoRunId> {
        let id = Uuid::try_parse(text).map(RunId).map_err(|_| NoRunId)?;
        // The parser takes braces, capitals and missing hyphens too; a run has one address.
        if id.to_string() == text { Ok(id) } else { Err(NoRunId) }
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl JsonSchema for RunId {
    fn schema_name() -> Cow<'static, str> {
        "RunId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "uuid", "description": "A UUID in lower case, with hyphens."})
    }
}

impl Serialize for RunId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RunId, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Names a file of a run: a relative path of plain parts joined by `/`, none of them hidden.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ArtifactName(String);

/// A text that names no file of a run.
#[derive(Debug, thiserror::Error)]
#[error("not the name of an artifact")]
pub struct NoArtifactName;

impl FromStr for ArtifactName {
    type Err = NoArtifactName;

    fn from_str(text: &str) -> Result<ArtifactName, NoArtifactName> {
        // A leading dot is `.`, `..`, or one of our own temporary files; `\` and `:` mean something on Windows.
        let plain = |part: &str| !part.is_empty() && !part.starts_with('.');
        let odd = |c: char| c.is_control() || matches!(c, '\\' | ':');
        let fits = text.len() <= 200 && !text.contains(odd) && text.split('/').all(plain);
        if fits { Ok(ArtifactName(text.into())) } else { Err(NoArtifactName) }
    }
}

impl fmt::Display for ArtifactName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ArtifactName {
    /// The last part.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

/// A file of a run.
#[derive(Clone, Debug)]
pub struct ArtifactInfo {
    /// Its name.
    pub name: ArtifactName,
    /// Its size.
    pub size_bytes: u64,
}

/// The folder of all runs.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    /// Held as long as the store: two servers in one folder would each take the other's runs for dead.
    _lock: File,
}

/// A runs folder that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder can't be made or written to.
    #[error("can't write to the runs folder {}: {error} (choose another with --runs-dir)", .path.display())]
    Unwritable {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Another server uses it.
    #[error("another centerscope uses the runs folder {} (stop it, or choose another with --runs-dir)", .0.display())]
    InUse(PathBuf),
}

impl Store {
    /// Opens the folder, made if it isn't there, for this process alone.
    ///
    /// # Errors
    /// It can't be written to, or another server uses it.
    pub fn open(root: &Path) -> Result<Store, StoreError> {
        let unwritable = |error| StoreError::Unwritable { path: root.into(), error };
        fs::create_dir_all(root).map_err(unwritable)?;
        let options = OpenOptions::new().write(true).create(true).truncate(false).to_owned();
        let lock = options.open(root.join(".lock")).map_err(unwritable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Store { root: root.into(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse(root.into())),
            Err(TryLockError::Error(error)) => Err(unwritable(error)),
        }
    }

    /// Every run that has a folder here, oldest first.
    ///
    /// # Errors
    /// The folder can't be listed.
    pub fn ids(&self) -> io::Result<Vec<RunId>> {
        let mut ids = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            if entry.file_type()?.is_dir()
                && let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok())
            {
                ids.push(id);
            }
        }
        ids.sort_unstable();
        Ok(ids)
    }

    /// The folder of a run, whether it is there yet or not.
    pub fn folder(&self, id: RunId) -> RunFolder {
        RunFolder::at(self.root.join(id.to_string()))
    }
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

    /// Makes the folder.
    ///
    /// # Errors
    /// It can't be made, or it holds something already.
    pub fn create(&self) -> io::Result<()> {
        fs::create_dir_all(&self.path)?;
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
        fs::remove_dir_all(&self.path)
    }

    /// Stores a file, whole or not at all.
    ///
    /// # Errors
    /// It can't be written; what stood there before still stands.
    pub fn put(&self, name: &ArtifactName, bytes: &[u8]) -> io::Result<()> {
        let target = self.path.join(&name.0);
        let parent = target.parent().unwrap_or(&self.path);
        fs::create_dir_all(parent)?;
        let temporary = parent.join(format!(".{}.tmp", name.file_name()));
        let written = File::create(&temporary).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        written.and_then(|()| fs::rename(&temporary, &target)).inspect_err(|_| {
            // On a full disk the torn copy must not keep the space that the next attempt needs.
            let _ = fs::remove_file(&temporary);
        })
    }

    /// Opens a file and tells its size. Follows no link, so that nothing outside the folder can be had.
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
        let file = File::open(&path)?;
        let metadata = file.metadata()?;
        if metadata.is_file() { Ok((file, metadata)) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    /// The whole content of a file.
    ///
    /// # Errors
    /// `NotFound` where there is no such plain file.
    pub fn read(&self, name: &ArtifactName) -> io::Result<Vec<u8>> {
        let (mut file, metadata) = self.get(name)?;
        let mut bytes = Vec::with_capacity(metadata.len() as usize);
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Every file, by name; links and temporary files left out.
    ///
    /// # Errors
    /// The folder can't be listed.
    pub fn list(&self) -> io::Result<Vec<ArtifactInfo>> {
        let mut found = Vec::new();
        let mut folders = vec![(self.path.clone(), String::new())];
        while let Some((folder, prefix)) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                let Some(name) = entry.file_name().to_str().map(|name| format!("{prefix}{name}")) else { continue };
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    folders.push((entry.path(), format!("{name}/")));
                } else if kind.is_file()
                    && let Ok(name) = name.parse()
                {
                    // Between the listing and this look a temporary file may have got its final name.
                    let Ok(metadata) = entry.metadata() else { continue };
                    found.push(ArtifactInfo { name, size_bytes: metadata.len() });
                }
            }
        }
        found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
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
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(self.path.join(LOG))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let end = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |end| end as u64 + 1);
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
        Ok(Log { file, end })
    }
}

/// The log of a run, open for writing.
#[derive(Debug)]
pub struct Log {
    file: File,
    end: u64,
}

impl Log {
    /// Appends a line; `durable` waits until the disk has it.
    ///
    /// # Errors
    /// It can't be written; the log is then as it was before.
    pub fn append(&mut self, line: &str, durable: bool) -> io::Result<()> {
        let written = self.file.write_all(format!("{line}\n").as_bytes()).and_then(|()| match durable {
            true => self.file.sync_data(),
            false => Ok(()),
        });
        match written {
            Ok(()) => self.end += line.len() as u64 + 1,
            // Half a line would swallow the next one; where even this fails, the reader drops the torn end.
            Err(_) => {
                let _ = self.file.set_len(self.end);
                let _ = self.file.seek(SeekFrom::Start(self.end));
            }
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_relative_names_are_artifacts() {
        for good in ["run.json", "embeddings/test-0001.npy", "a b/ü.csv"] {
            assert!(good.parse::<ArtifactName>().is_ok(), "{good}");
        }
        for bad in
            ["", ".", "..", "../x", "a/../b", "/etc/passwd", "a//b", "a/", "a\\b", "C:x", "a\0b", ".lock", "a/.t"]
        {
            assert!(bad.parse::<ArtifactName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_id_has_one_spelling() {
        let id = RunId::fresh().to_string();
        assert!(id.parse::<RunId>().is_ok());
        for bad in [id.to_uppercase(), id.replace('-', ""), format!("{{{id}}}"), "..".into(), String::new()] {
            assert!(bad.parse::<RunId>().is_err(), "{bad}");
        }
    }

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
    }
}
