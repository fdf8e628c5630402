//! Runs that were deleted: moved aside, so that a slip of the hand costs nothing, until somebody empties the trash.

use super::disk::{self, Dir, Kind};
use super::{RunFolder, RunId, ids_in};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

/// The trash's name in the runs folder.
const TRASH: &str = ".trash";

/// The trash of a runs folder.
#[derive(Clone, Debug)]
pub struct Trash {
    runs: Arc<Path>,
}

impl Trash {
    /// The trash of the runs folder `runs`, whether there is anything in it or not.
    pub fn of(runs: &Path) -> Trash {
        Trash { runs: runs.into() }
    }

    /// Moves a run's folder into the trash.
    ///
    /// # Errors
    /// `NotFound` where there is no such folder, `AlreadyExists` where the trash holds a run of that id.
    pub fn put(&self, id: RunId) -> io::Result<()> {
        let (runs, home) = self.open()?;
        shift(id, &runs, &home)?;
        // When it was deleted; a system that doesn't take it shows another time and nothing else.
        let _ = home.folder(id.to_string()).and_then(|folder| folder.touch());
        home.sync()?;
        runs.sync()
    }

    /// Moves a run's folder back.
    ///
    /// # Errors
    /// `NotFound` where the trash has no such run, `AlreadyExists` where another run of that id took its place.
    pub fn restore(&self, id: RunId) -> io::Result<()> {
        let (runs, home) = self.open()?;
        shift(id, &home, &runs)?;
        runs.sync()?;
        home.sync()
    }

    /// The runs in the trash, oldest first, and when each was deleted.
    ///
    /// # Errors
    /// It can't be listed.
    pub fn list(&self) -> io::Result<Vec<(RunId, RunFolder, SystemTime)>> {
        let Some(home) = self.home()? else { return Ok(Vec::new()) };
        let mut runs = Vec::new();
        for id in ids_in(&home)? {
            let folder = match home.folder(id.to_string()) {
                // Restored or emptied since the listing.
                Err(error) if [io::ErrorKind::NotFound, disk::NO_FOLDER].contains(&error.kind()) => continue,
                folder => folder?,
            };
            let place = RunFolder::below(self.runs.clone(), format!("{TRASH}/{id}"));
            runs.push((id, place, folder.modified()?));
        }
        Ok(runs)
    }

    /// Deletes what is in the trash for good, and says how many runs that were. Also while a server uses the folder.
    ///
    /// # Errors
    /// Something can't be deleted; what came before it is gone.
    pub fn empty(&self) -> io::Result<usize> {
        let Some(home) = self.home()? else { return Ok(0) };
        let ids = ids_in(&home)?;
        for id in &ids {
            // Under a name that nobody restores from, so that no half of a run comes back.
            home.rename(id.to_string(), &home, format!(".{id}"))?;
        }
        // Those of an earlier attempt, too.
        for (name, kind) in home.entries()? {
            let is_run = name.to_str().and_then(|name| name.strip_prefix('.')?.parse::<RunId>().ok()).is_some();
            if is_run && kind == Kind::Folder {
                home.remove_folder(name)?;
            }
        }
        Ok(ids.len())
    }

    /// The runs folder, and the trash's in it, made if it isn't there.
    fn open(&self) -> io::Result<(Dir, Dir)> {
        let runs = Dir::open(&self.runs)?;
        runs.make_folder(TRASH)?;
        let home = runs.folder(TRASH)?;
        Ok((runs, home))
    }

    /// The trash's folder, where there is one.
    fn home(&self) -> io::Result<Option<Dir>> {
        match Dir::open(&self.runs)?.folder(TRASH) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            home => home.map(Some),
        }
    }
}

/// Moves a run's folder to a place where nothing is.
fn shift(id: RunId, from: &Dir, to: &Dir) -> io::Result<()> {
    let name = id.to_string();
    match (from.look(&name)?.0, to.look(&name)) {
        (Kind::Folder, Err(_)) => from.rename(&name, to, &name),
        (Kind::Folder, Ok(_)) => Err(io::ErrorKind::AlreadyExists.into()),
        // A link could lead anywhere.
        _ => Err(io::Error::new(disk::NO_FOLDER, format!("{name} is no folder"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::faults;
    use std::fs;

    fn runs() -> (tempfile::TempDir, RunId, Trash) {
        let home = faults::home();
        let id = RunId::fresh();
        fs::create_dir(home.path().join(id.to_string())).unwrap();
        fs::write(home.path().join(id.to_string()).join("run.json"), "{}").unwrap();
        let trash = Trash::of(home.path());
        (home, id, trash)
    }

    #[test]
    fn what_was_deleted_comes_back_until_the_trash_is_emptied() {
        let (home, id, trash) = runs();
        let file = home.path().join(id.to_string()).join("run.json");
        assert!(trash.list().unwrap().is_empty());
        trash.put(id).unwrap();
        assert!(!file.exists());
        assert_eq!(trash.put(id).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(trash.list().unwrap()[0].0, id);
        trash.restore(id).unwrap();
        assert!(file.exists());
        assert_eq!(trash.restore(id).unwrap_err().kind(), io::ErrorKind::NotFound);
        trash.put(id).unwrap();
        fs::create_dir(file.parent().unwrap()).unwrap();
        assert_eq!(trash.restore(id).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(trash.put(id).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!((trash.empty().unwrap(), trash.empty().unwrap()), (1, 0));
        assert_eq!(fs::read_dir(home.path().join(TRASH)).unwrap().count(), 0);
    }

    #[test]
    fn a_disk_that_fails_loses_no_run_on_its_way() {
        for good in 0.. {
            let (home, id, trash) = runs();
            let places = [home.path().join(id.to_string()), home.path().join(TRASH).join(id.to_string())];
            let whole = || places.each_ref().map(|place| place.join("run.json").exists());
            faults::plan(good, usize::MAX, faults::EROFS);
            let moved = trash.put(id).and_then(|()| trash.restore(id)).and_then(|()| trash.put(id));
            let emptied = moved.and_then(|()| trash.empty());
            if !faults::lift() {
                assert!(emptied.is_ok() && good > 5, "{good} changes only");
                break;
            }
            let place = format!("change {good}: {emptied:?}");
            assert!(emptied.is_err(), "{place}");
            match whole() {
                // It was being deleted for good.
                [false, false] => assert_eq!(trash.empty().unwrap(), 0, "{place}"),
                [true, false] => trash.put(id).unwrap(),
                [false, true] => trash.restore(id).unwrap(),
                [true, true] => panic!("{place}: it is in both places"),
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_neither_moved_nor_followed() {
        use std::os::unix::fs::symlink;
        let (home, id, trash) = runs();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("mine"), "mine").unwrap();
        let other = RunId::fresh();
        symlink(outside.path(), home.path().join(other.to_string())).unwrap();
        assert!(trash.put(other).is_err());
        symlink(outside.path(), home.path().join(id.to_string()).join("out")).unwrap();
        trash.put(id).unwrap();
        trash.empty().unwrap();
        assert!(outside.path().join("mine").exists());
        fs::remove_dir(home.path().join(TRASH)).unwrap();
        symlink(outside.path(), home.path().join(TRASH)).unwrap();
        assert!(trash.list().is_err() && trash.empty().is_err() && trash.put(id).is_err());
    }
}
