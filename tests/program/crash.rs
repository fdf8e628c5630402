//! The real program, killed outright at random moments while it trains and is watched: no epoch that a watcher has seen may
//! be lost. The quick form runs always, the full one by command:
//!
//! ```sh
//! CRASH_POINTS=200 cargo test -p server --test program -- --ignored crash --nocapture
//! ```

use crate::hostile::copy_run;
use crate::support::{Site, finished, tiny};
use centerscope::registry::Registry;
use centerscope::state::Status;
use centerscope::store::{Store, digest};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
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

/// Whatever was answered holds, and what was under way is done or not: no run is in both places or in none, and no log says
/// otherwise.
#[test]
fn ten_kills_while_runs_are_deleted_and_restored_leave_each_whole_in_one_place() {
    let (done, home) = (finished(), tempfile::tempdir().unwrap());
    done.ids.iter().for_each(|id| copy_run(done, id, home.path()));
    let mut chance = Chance::new();
    // Which of them were told to be deleted.
    let mut deleted = done.ids.iter().map(|id| (id.clone(), false)).collect::<BTreeMap<_, _>>();
    for point in 0..10 {
        let program = Program::start(home.path());
        let (address, mut known, (tell, told)) = (program.site.address, deleted.clone(), mpsc::channel());
        let asking = thread::spawn(move || {
            loop {
                for (id, deleted) in &mut known {
                    let (method, target) = match deleted {
                        true => ("POST", format!("/runs/{id}/restore")),
                        false => ("DELETE", format!("/runs/{id}")),
                    };
                    match ask(address, method, &target) {
                        Some(status) => assert!([200, 204].contains(&status), "{method} {target}: {status}"),
                        None => return id.clone(),
                    }
                    *deleted = !*deleted;
                    tell.send((id.clone(), *deleted)).unwrap();
                }
            }
        });
        deleted.extend((0..=chance.below(20)).map(|_| told.recv().unwrap()));
        thread::sleep(Duration::from_micros(chance.below(20_000)));
        drop(program);
        let under_way = asking.join().unwrap();
        deleted.extend(told);

        let registry = Registry::open(Store::open(home.path()).unwrap()).unwrap();
        let trashed = registry.trashed().unwrap();
        for (id, deleted) in &mut deleted {
            let here = registry.get(id.parse().unwrap());
            let gone = trashed.iter().any(|run| run.id.to_string() == *id);
            assert_ne!(here.is_some(), gone, "point {point}: {id} is in both places or in none");
            assert!(gone == *deleted || *id == under_way, "point {point}: {id} is where it was told not to be");
            *deleted = gone;
            if let Some(run) = here {
                let state = run.read().unwrap();
                assert_eq!((&state.summary, state.summary.deleted_ms), (&*run.summary(), None), "point {point}");
                assert_eq!(state.history.len(), 2, "point {point}");
            }
        }
    }
}

/// The status of an answer; `None` where the server is gone.
fn ask(address: SocketAddr, method: &str, target: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "{method} {target} HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1)?.parse().ok()
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
    /// Other numbers each time.
    fn new() -> Chance {
        let seed = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64 | 1;
        eprintln!("seed {seed}");
        Chance(seed)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }
}

fn harness(points: usize) {
    let home = tempfile::tempdir().unwrap();
    let mut chance = Chance::new();
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
