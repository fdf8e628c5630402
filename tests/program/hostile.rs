//! Requests that nobody means well by: each is refused with the right status, nothing outside the runs folder is read or
//! touched, and the server serves on.

#[cfg(unix)]
mod links;
mod probes;
mod words;

use crate::support::{Finished, Site, finished};
use probes::{Probe, probes};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;
use words::MALFORMED;
pub(crate) use words::{BODIES, NAMES, POSITIONS, RANGES};

/// What must never be seen in an answer.
const CANARY: &str = "CANARY-6f1d";

/// Every file and folder below `folder`, links not followed: when it changed, and what is in it.
fn census(folder: &Path) -> BTreeMap<String, (SystemTime, Option<Vec<u8>>)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let content = metadata.is_file().then(|| fs::read(&path).unwrap());
            found.insert(path.display().to_string(), (metadata.modified().unwrap(), content));
            if metadata.is_dir() {
                folders.push(path);
            }
        }
    }
    found
}

/// Copies a finished run into another folder of runs.
pub(crate) fn copy_run(done: &Finished, id: &str, runs: &Path) {
    for folder in ["", "embeddings", "checkpoints"] {
        let (from, to) = (done.runs_dir.join(id).join(folder), runs.join(id).join(folder));
        fs::create_dir_all(&to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn nothing_hostile_gets_in_or_out() {
    let done = finished();
    let home = tempfile::tempdir().unwrap();
    let (runs, secret) = (home.path().join("runs"), home.path().join("secret.txt"));
    fs::write(&secret, CANARY).unwrap();
    fs::create_dir_all(home.path().join("other")).unwrap();
    let id = &done.ids[0];
    copy_run(done, id, &runs);
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        symlink(&secret, runs.join(id).join("link.txt")).unwrap();
        symlink(home.path(), runs.join(id).join("out")).unwrap();
        // A run's folder that leads out.
        symlink(home.path().join("other"), runs.join("01a20bc0-95e5-75ae-bf61-e46d29aa5d9a")).unwrap();
    }
    let site = Site::start(&runs);
    let listed = site.get("/runs").json();
    let before = census(home.path());

    let run = format!("/runs/{id}");
    let probes = probes(&run, secret.to_str().unwrap());
    assert!(probes.len() >= 150, "{} requests", probes.len());
    let mut wrong = Vec::new();
    for Probe { what, right, bytes } in &probes {
        // A request that is no proper HTTP may be one that the server waits for the rest of.
        let reply = site.send_raw(bytes, right == MALFORMED);
        let status = reply.as_ref().map_or(0, |reply| reply.status);
        let told = reply.as_ref().map_or(String::new(), |reply| reply.text());
        let leaked = told.contains(CANARY) || told.contains("root:") || told.contains("panicked");
        let injected = reply.is_some_and(|reply| !reply.header("x-injected").is_empty());
        if !right.contains(&status) || leaked || injected {
            let (what, told) = (what.chars().take(120).collect::<String>(), told.chars().take(200).collect::<String>());
            wrong.push(format!("{what}: {status}, not {right:?} {told}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} requests:\n{}", wrong.len(), probes.len(), wrong.join("\n"));

    assert_eq!(census(home.path()), before, "something was touched");
    assert_eq!(site.get("/healthz").text(), "ok");
    assert_eq!(site.get("/runs").json(), listed, "a run was started or changed");
}
