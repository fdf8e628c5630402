//! Files stored together, what a death leaves of them, and links that lead nowhere.

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
fn pieces_of_a_log_make_the_whole() {
    let home = tempfile::tempdir().unwrap();
    let folder = RunFolder::at(home.path().join("run"));
    folder.create().unwrap();
    let lines = (0..50).map(|n| Arc::from("x".repeat(n * n))).collect::<Vec<Arc<str>>>();
    fs::write(home.path().join("run").join(LOG), lines.join("\n") + "\ntorn").unwrap();
    for bytes in [0, 1, 100, 3000, usize::MAX] {
        let (mut found, mut place) = (Vec::new(), 0);
        loop {
            let (piece, end, more) = folder.log_piece(place, bytes).unwrap();
            assert!(!piece.is_empty() && piece.iter().rev().skip(1).map(|line| line.len()).sum::<usize>() <= bytes);
            found.extend(piece);
            assert_eq!(folder.log_place(found.len() as u64).unwrap(), end, "{bytes}");
            place = end;
            if !more {
                break;
            }
        }
        assert_eq!(found, lines, "{bytes}");
        assert_eq!(folder.log_piece(place, bytes).unwrap(), (Vec::new(), place, false));
    }
}

#[test]
fn what_a_death_left_behind_is_moved_or_deleted() {
    let home = tempfile::tempdir().unwrap();
    let folder = RunFolder::at(home.path().join("run"));
    folder.create().unwrap();
    let names = ["embeddings/a.npy", "b.txt", "c.txt"].map(|name| name.parse::<ArtifactName>().unwrap());
    let temporaries = || {
        let mut count = 0;
        let found = folder.walk(|_, _, name, _| {
            count += usize::from(name.ends_with(TEMPORARY));
            Ok(())
        });
        found.map(|()| count).unwrap()
    };
    let put = |text: &[u8]| folder.put(&[(names[0].clone(), text), (names[1].clone(), text)]);
    put(b"old").unwrap();
    // Dropped is deleted; forgotten is what a death leaves.
    drop(folder.stage(&[(names[2].clone(), b"new")]).unwrap());
    assert_eq!(temporaries(), 0);
    let staged = folder.stage(&[(names[0].clone(), b"new"), (names[1].clone(), b"new")]).unwrap();
    std::mem::forget(staged);
    let (new, old) = (digest(b"new"), digest(b"old"));
    folder.recover(&BTreeMap::from([(names[0].clone(), new.as_str()), (names[1].clone(), old.as_str())])).unwrap();
    let read = |name| folder.read(name).unwrap();
    assert_eq!((read(&names[0]), read(&names[1])), (b"new".to_vec(), b"old".to_vec()));
    assert_eq!(folder.list().unwrap().len(), 2);
    assert_eq!(temporaries(), 0);
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
        std::os::unix::fs::symlink(home.path().join("secret"), home.path().join(format!("run/.{name}.tmp"))).unwrap();
    }
    folder.put(&[("a".parse().unwrap(), b"mine")]).unwrap();
    assert_eq!(folder.read(&"a".parse().unwrap()).unwrap(), b"mine");
    folder.recover(&BTreeMap::from([("b".parse().unwrap(), digest(b"secret").as_str())])).unwrap();
    assert!(fs::symlink_metadata(home.path().join("run/.b.tmp")).is_err());
    assert_eq!(fs::read(home.path().join("secret")).unwrap(), b"secret");
    assert!(!home.path().join("new").exists() && !home.path().join("log").exists());
}

/// A runs folder with a run that holds the file, and a folder elsewhere.
#[cfg(unix)]
fn run_and_outside(file: &ArtifactName) -> (tempfile::TempDir, tempfile::TempDir, RunFolder) {
    let home = tempfile::tempdir().unwrap();
    let folder = RunFolder::below(home.path().into(), "run".into());
    folder.create().unwrap();
    folder.put(&[(file.clone(), b"mine")]).unwrap();
    (home, tempfile::tempdir().unwrap(), folder)
}

/// A run whose folders are links to folders outside that hold the same, but for their content.
#[cfg(unix)]
#[test]
fn a_link_in_the_place_of_a_folder_leads_nowhere() {
    use std::os::unix::fs::symlink;
    let file = "checkpoints/a".parse::<ArtifactName>().unwrap();
    for swapped in ["run", "run/checkpoints"] {
        let (home, outside, folder) = run_and_outside(&file);
        folder.log().unwrap().append("mine", true).unwrap();
        let (place, theirs) = (home.path().join(swapped), outside.path().join("theirs"));
        fs::rename(&place, &theirs).unwrap();
        symlink(&theirs, &place).unwrap();
        let census = || fs::read_dir(&theirs).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
        let before = census();

        assert_eq!(folder.get(&file).unwrap_err().kind(), io::ErrorKind::NotFound, "{swapped}");
        let told = folder.put(&[(file.clone(), b"more")]).unwrap_err().to_string();
        assert!(told.contains("is no folder but a link"), "{told}");
        assert_eq!(folder.list().map_or(0, |files| files.len()), usize::from(swapped != "run"), "the log alone");
        let _ = folder.recover(&BTreeMap::new());
        if swapped == "run" {
            assert_eq!(folder.log_lines().unwrap_err().kind(), io::ErrorKind::NotFound);
            assert!(folder.log().is_err() && folder.summary().is_err() && folder.sync().is_err());
            assert!(folder.create().is_err() && folder.discard().is_err());
        }
        assert_eq!(census(), before, "{swapped}");
        if swapped != "run" {
            folder.discard().unwrap();
            assert!(!home.path().join("run").exists());
        }
        assert_eq!(census(), before, "{swapped}: removing follows a link");
    }
}

/// Somebody swaps a folder for a link, and back, again and again, while the run writes and reads.
#[cfg(unix)]
#[test]
fn a_folder_that_is_swapped_meanwhile_leads_nowhere() {
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicBool, Ordering};
    let file = "checkpoints/a".parse::<ArtifactName>().unwrap();
    for swapped in ["run", "run/checkpoints"] {
        let (home, outside, folder) = run_and_outside(&file);
        fs::create_dir(outside.path().join("checkpoints")).unwrap();
        for theirs in ["a", "checkpoints/a"] {
            fs::write(outside.path().join(theirs), "theirs").unwrap();
        }
        let (place, aside, link) = (home.path().join(swapped), home.path().join("aside"), home.path().join("link"));
        symlink(outside.path(), &link).unwrap();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    for (from, to) in [(&place, &aside), (&link, &place), (&place, &link), (&aside, &place)] {
                        // Where the run made the folder anew meanwhile, the link can't take its place this time.
                        let _ = fs::rename(from, to);
                    }
                }
            });
            for _ in 0..300 {
                let _ = folder.put(&[(file.clone(), b"mine")]);
                if let Ok(found) = folder.read(&file) {
                    assert_eq!(found, b"mine", "{swapped}");
                }
                let _ = folder.recover(&BTreeMap::new());
            }
            over.store(true, Ordering::Relaxed);
        });
        for theirs in ["a", "checkpoints/a"] {
            assert_eq!(fs::read(outside.path().join(theirs)).unwrap(), b"theirs");
        }
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 2, "{swapped}");
        assert_eq!(fs::read_dir(outside.path().join("checkpoints")).unwrap().count(), 1, "{swapped}");
    }
}
