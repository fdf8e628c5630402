//! Where runs are kept: the only module that knows of paths.
//!
//! Nothing unparsed reaches the file system: a run is named by a [`RunId`] and a file by an [`ArtifactName`], and both can
//! only be had by parsing. Files are written under a temporary name, flushed to the disk and renamed, so that a reader
//! sees the old content or the new and never a half; the log alone grows in place.
//!
//! | module | what it is |
//! |---|---|
//! | `names` | ids of runs, names of files |
//! | `folder` | one run's folder: files stored together, read back, listed |
//! | `log` | the log that grows |
//! | `trash` | deleted runs, until it is emptied |
//! | `disk` | every change to the disk and every file opened, in folders that are held open; a test can let any fail |

mod disk;
mod folder;
mod log;
mod names;
mod trash;

#[cfg(test)]
pub(crate) use disk::faults;
pub use folder::{ArtifactInfo, Placed, RunFolder, Staged, digest};
pub use log::Log;
pub use names::{ArtifactName, NoArtifactName, NoRunId, RunId};
pub use trash::Trash;

use disk::{Dir, Kind};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// The log's file name.
pub const LOG: &str = "events.jsonl";
/// The summary's file name.
pub const SUMMARY: &str = "run.json";

/// The file that tells which version of this program's files the folder holds.
const VERSION: &str = ".version";
/// The version that is written: 2 added runs that were resumed, forked or edited, 3 what tells that they were deleted or restored.
/// A folder without the file has 1.
const FORMAT: u32 = 3;

/// How long a server may take to let go of the folder: who starts again at once meets the one before on its way out.
const LETTING_GO: Duration = Duration::from_secs(1);

/// The folder of all runs.
#[derive(Debug)]
pub struct Store {
    root: Arc<Path>,
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
    /// A newer version of the program wrote it.
    #[error(
        "the runs folder {} has format {found}, and this centerscope knows formats up to {FORMAT}: \
         use a newer one, or choose another folder with --runs-dir", .path.display()
    )]
    Newer {
        /// The folder.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
}

impl Store {
    /// Opens the folder, made if it isn't there, for this process alone.
    ///
    /// # Errors
    /// It can't be written to, or another server uses it.
    pub fn open(root: &Path) -> Result<Store, StoreError> {
        let unwritable = |error| StoreError::Unwritable { path: root.into(), error };
        disk::make_folders(root).map_err(unwritable)?;
        let dir = Dir::open(root).map_err(unwritable)?;
        let lock = dir.read_and_write(".lock").map_err(unwritable)?;
        let started = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if started.elapsed() < LETTING_GO => thread::sleep(LETTING_GO / 20),
                Err(TryLockError::WouldBlock) => return Err(StoreError::InUse(root.into())),
                Err(TryLockError::Error(error)) => return Err(unwritable(error)),
            }
        }
        match version(&dir).map_err(unwritable)? {
            FORMAT => {}
            found if found > FORMAT => return Err(StoreError::Newer { path: root.into(), found }),
            _ => mark(&dir).map_err(unwritable)?,
        }
        Ok(Store { root: root.into(), _lock: lock })
    }

    /// When a folder came or went last.
    ///
    /// # Errors
    /// The folder can't be looked at.
    pub fn modified(&self) -> io::Result<SystemTime> {
        fs::metadata(&self.root)?.modified()
    }

    /// Every run that has a folder here, oldest first.
    ///
    /// # Errors
    /// The folder can't be listed.
    pub fn ids(&self) -> io::Result<Vec<RunId>> {
        ids_in(&Dir::open(&self.root)?)
    }

    /// Where deleted runs go.
    pub fn trash(&self) -> Trash {
        Trash::of(&self.root)
    }

    /// The folder of a run, whether it is there yet or not.
    pub fn folder(&self, id: RunId) -> RunFolder {
        RunFolder::below(self.root.clone(), id.to_string())
    }
}

/// The ids that name a folder in `dir`, oldest first; a link is none.
fn ids_in(dir: &Dir) -> io::Result<Vec<RunId>> {
    let folders = dir.entries()?.into_iter().filter(|(_, kind)| *kind == Kind::Folder);
    let mut ids = folders.filter_map(|(name, _)| name.to_str()?.parse().ok()).collect::<Vec<_>>();
    ids.sort_unstable();
    Ok(ids)
}

/// The format of a runs folder.
fn version(dir: &Dir) -> io::Result<u32> {
    match dir.read(VERSION) {
        Ok((file, _)) => {
            let bytes = disk::whole(file)?;
            let version = str::from_utf8(&bytes).ok().and_then(|text| text.trim().parse().ok());
            version.ok_or_else(|| io::Error::other(format!("{VERSION} holds no version")))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(1),
        Err(error) => Err(error),
    }
}

fn mark(dir: &Dir) -> io::Result<()> {
    let temporary = format!("{VERSION}.tmp");
    dir.write(&temporary, format!("{FORMAT}\n").as_bytes())?;
    dir.rename(&temporary, dir, VERSION)?;
    dir.sync()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_refuses_anything_at_the_start_is_told_of() {
        for good in 0.. {
            let home = tempfile::tempdir().unwrap();
            faults::plan(good, usize::MAX, [faults::EROFS, faults::EMFILE][good % 2]);
            let opened = Store::open(home.path());
            if !faults::lift() {
                assert!(opened.is_ok() && good > 5, "{good} changes only");
                break;
            }
            let told = opened.unwrap_err().to_string();
            assert!(told.contains("can't write to the runs folder") && told.contains("--runs-dir"), "{told}");
            Store::open(home.path()).unwrap();
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_the_folder_keeps_for_itself_is_no_link() {
        for name in [".lock", VERSION, ".version.tmp"] {
            let home = tempfile::tempdir().unwrap();
            let (runs, mine) = (home.path().join("runs"), home.path().join("mine"));
            fs::create_dir(&runs).unwrap();
            fs::write(&mine, "2").unwrap();
            std::os::unix::fs::symlink(&mine, runs.join(name)).unwrap();
            match Store::open(&runs) {
                // A temporary file is made anew, whatever bears its name.
                Ok(_) => assert_eq!((name, version(&Dir::open(&runs).unwrap()).unwrap()), (".version.tmp", FORMAT)),
                Err(error) => {
                    assert!(error.to_string().contains(&format!("{name} is no plain file but a link")), "{error}");
                }
            }
            assert_eq!(fs::read(&mine).unwrap(), b"2");
        }
    }

    #[test]
    fn an_older_folder_opens_and_a_newer_one_does_not() {
        let home = tempfile::tempdir().unwrap();
        drop(Store::open(home.path()).unwrap());
        assert_eq!(version(&Dir::open(home.path()).unwrap()).unwrap(), FORMAT);
        fs::write(home.path().join(VERSION), "1\n").unwrap();
        drop(Store::open(home.path()).unwrap());
        assert_eq!(version(&Dir::open(home.path()).unwrap()).unwrap(), FORMAT);
        fs::write(home.path().join(VERSION), "9\n").unwrap();
        let told = Store::open(home.path()).unwrap_err().to_string();
        assert!(told.contains("has format 9") && told.contains("up to 3"), "{told}");
        fs::write(home.path().join(VERSION), "many").unwrap();
        assert!(matches!(Store::open(home.path()), Err(StoreError::Unwritable { .. })));
    }
}
