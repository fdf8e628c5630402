//! The real program, killed outright at random moments while it trains and is watched: no epoch that a watcher has seen may
//! be lost. The quick form runs always, the full one by command:
//!
//! ```sh
//! CRASH_POINTS=200 cargo test -p server --test program -- --ignored crash --nocapture
//! ```

use crate::support::{Site, tiny};
use centerscope::registry::Registry;
use centerscope::state::Status;
use centerscope::store::{Store, digest};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime};

#[test]
fn ten_kills_lose_nothing() {
    harness(10);
}

#[test]
#[ignore = "takes minutes: by command"]
fn crash_points() {
    harness(std::env::var("CRASH_POINTS").map_or(200, |points| points.parse().unwrap()));
}

/// A program that serves; killed when dropped.
struct Program {
    child: Child,
    site: Site,
}

impl Program {
    fn start(runs_dir: &Path) -> Program {
        let mut child = Command::new(env!("CARGO_BIN_EXE_centerscope"))
            .args(["serve", "--port", "0", "--resume-interrupted", "--runs-dir"])
            .arg(runs_dir)
            .envs([("CENTERSCOPE_OFFLINE", "1"), ("RUST_LOG", "error")])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap();
        Program { child, site: Site::elsewhere(address.parse().unwrap()) }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Numbers that look random (xorshift64*).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }
}

fn harness(points: usize) {
    let home = tempfile::tempdir().unwrap();
    let seed = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64 | 1;
    eprintln!("seed {seed}");
    let mut chance = Chance(seed);
    // Every line about an epoch that any watcher saw, by run.
    let mut seen = BTreeMap::<String, Vec<String>>::new();
    // The last position of any watcher, by run.
    let mut newest = BTreeMap::<String, u64>::new();
    let mut torn = 0;
    for point in 0..points {
        let program = Program::start(home.path());
        let list = program.site.get("/runs").json();
        let active = list["runs"].as_array().unwrap().iter().filter(|run| run["status"] != "FINISHED");
        let mut ids = active.map(|run| run["id"].as_str().unwrap().to_string()).collect::<Vec<_>>();
        while ids.len() < 3 {
            let spec = json!({"variant": "v1.2", "epochs": 40, "seed": ids.len(), "checkpoint_every": chance.below(3)});
            ids.extend(program.site.start_runs(tiny(spec)));
        }
        let (tell, told) = mpsc::channel();
        let watchers = ids.iter().map(|id| {
            let (lines, tell, id) = (program.site.lines(&format!("/runs/{id}/events")), tell.clone(), id.clone());
            thread::spawn(move || lines.for_each(|line| drop(tell.send((id.clone(), line)))))
        });
        let watchers = watchers.collect::<Vec<_>>();
        drop(tell);
        // Some events that are new to all watchers, and then some microseconds.
        let mut count = 0;
        let patience = chance.below(40);
        let mut note = |(id, line): (String, String)| {
            let event: Value = serde_json::from_str(&line).unwrap();
            let newest = newest.entry(id.clone()).or_default();
            if event["seq"].as_u64() > Some(*newest) {
                *newest += 1;
                count += 1;
                if event["type"] == "epoch" {
                    seen.entry(id).or_default().push(line);
                }
            }
            count
        };
        while let Ok(event) = told.recv() {
            if note(event) > patience {
                break;
            }
        }
        thread::sleep(Duration::from_micros(chance.below(20_000)));
        drop(program);
        watchers.into_iter().for_each(|watcher| watcher.join().unwrap());
        told.into_iter().for_each(|event| {
            note(event);
        });
        torn += check(home.path(), &seen, point);
    }
    let epochs = seen.values().map(Vec::len).sum::<usize>();
    eprintln!(
        "{points} kills, {} runs, {epochs} epochs seen, 0 lost; {torn} times something half done was left",
        seen.len()
    );
    assert!(epochs > 0, "nobody saw an epoch: nothing was tried");
}

/// What a new start makes of the folder, and whether there was something half done in it.
fn check(runs_dir: &Path, seen: &BTreeMap<String, Vec<String>>, point: usize) -> usize {
    let torn = seen.keys().any(|id| {
        let log = fs::read(runs_dir.join(id).join("events.jsonl")).unwrap();
        log.last() != Some(&b'\n') || temporaries(&runs_dir.join(id)) > 0
    });
    let registry = Registry::open(Store::open(runs_dir).unwrap()).unwrap();
    for (id, epochs) in seen {
        let run = registry.get(id.parse().unwrap()).unwrap_or_else(|| panic!("point {point}: run {id} is lost"));
        assert!(matches!(run.status(), Status::Interrupted | Status::Finished), "point {point}: {:?}", run.status());
        let log = fs::read_to_string(runs_dir.join(id).join("events.jsonl")).unwrap();
        let lines = log.lines().collect::<std::collections::BTreeSet<_>>();
        for epoch in epochs {
            assert!(lines.contains(epoch.as_str()), "point {point}: run {id} lost {epoch:.60}");
        }
        let state = run.read().unwrap();
        let told = state.history.iter().map(|report| report.epoch);
        assert!(told.eq(1..=state.summary.epoch), "point {point}: each epoch once, in order");
        assert!(state.damaged.is_empty(), "point {point}: {:?}", state.damaged);
        for (name, file) in &state.files {
            let sha256 = digest(&fs::read(runs_dir.join(id).join(name)).unwrap());
            assert_eq!(file.sha256.as_ref(), Some(&sha256), "point {point}: {name} of {id}");
        }
        assert_eq!(temporaries(&runs_dir.join(id)), 0, "point {point}");
    }
    torn.into()
}

fn temporaries(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let count = entries.map(|entry| match entry.file_type().unwrap().is_dir() {
        true => temporaries(&entry.path()),
        false => usize::from(entry.file_name().to_str().unwrap().ends_with(".tmp")),
    });
    count.sum()
}
