//! The command line.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn centerscope(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_centerscope"));
    command.current_dir(folder).env("CENTERSCOPE_OFFLINE", "1").env_remove("RUST_LOG");
    command
}

fn one_line(output: &Output) -> String {
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    told
}

#[test]
fn a_start_that_fails_says_why_in_one_line() {
    let home = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let told = one_line(&centerscope(home.path()).args(["serve", "--port", &port]).output().unwrap());
    assert!(told.contains(&port) && told.contains("--port"), "{told}");

    fs::write(home.path().join("file"), "").unwrap();
    let told =
        one_line(&centerscope(home.path()).args(["serve", "--port", "0", "--runs-dir", "file"]).output().unwrap());
    assert!(told.contains("runs folder file") && told.contains("--runs-dir"), "{told}");
}

#[test]
fn train_leaves_the_artifacts_without_a_server() {
    let home = tempfile::tempdir().unwrap();
    let tiny = ["--dataset", "generated", "--train-images", "64", "--width", "0.03125", "--batch-size", "32"];
    let train = |more: &[&str]| centerscope(home.path()).arg("train").args(tiny).args(more).output().unwrap();
    let output = train(&["--variant", "v1.1", "--epochs", "1", "--out", "mine"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("epoch 1: ") && told.contains("artifacts in mine"), "{told}");
    for name in ["spec.json", "run.json", "events.jsonl", "metrics.csv", "confusion.csv", "README.md"] {
        assert!(home.path().join("mine").join(name).is_file(), "{name}");
    }
    assert!(home.path().join("mine/embeddings/test-0001.npy").is_file());
    assert!(home.path().join("mine/checkpoints/last.safetensors").is_file());

    let told = one_line(&train(&["--out", "mine"]));
    assert!(told.contains("mine is not an empty folder: choose another --out, or empty it"), "{told}");
    // What could not begin leaves nothing that would be in the way of the next try.
    let none = ["--dataset", "mnist", "--data-dir", "nowhere", "--epochs", "1", "--out", "again"];
    for _ in 0..2 {
        let told = one_line(&centerscope(home.path()).arg("train").args(none).output().unwrap());
        assert!(told.contains("nowhere"), "{told}");
    }
    assert!(!home.path().join("again").exists());
    let told = one_line(&train(&["--epochs", "0", "--out", "other"]));
    assert!(told.contains("epochs: got 0, expected a whole number from 1 to 1000"), "{told}");
    assert!(!home.path().join("other").exists());
}

#[test]
fn doctor_says_what_is_here_and_cuda_in_vain_says_what_is_missing() {
    let home = tempfile::tempdir().unwrap();
    let output = centerscope(home.path()).arg("doctor").output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}");
    for line in ["Centerscope  ", "CPU  ", "GPU  ", "device auto  trains on the ", "images  "] {
        assert!(told.lines().any(|l| l.replace(' ', "").starts_with(&line.replace(' ', ""))), "{line}: {told}");
    }
    let Some(reason) = told.lines().find_map(|line| line.strip_prefix("GPU          not used: ")) else {
        eprintln!("SKIPPED: asking for CUDA in vain (there is a GPU here)");
        return;
    };
    for command in [&["bench", "train", "--device", "cuda"][..], &["verify", "--device", "cuda", "any.json"]] {
        let told = one_line(&centerscope(home.path()).args(command).output().unwrap());
        assert!(told.contains(reason), "{told}");
    }
    let tiny = ["--variant", "v1.1", "--device", "cuda", "--out", "mine"];
    let told = one_line(&centerscope(home.path()).arg("train").args(tiny).output().unwrap());
    assert!(told.contains("device: got \"cuda\"") && told.contains(reason), "{told}");
    assert!(!home.path().join("mine").exists());
}

#[cfg(unix)]
#[test]
fn a_bare_start_shows_the_comparison_and_ends_when_asked() {
    let home = tempfile::tempdir().unwrap();
    let mut child =
        centerscope(home.path()).args(["--port", "0"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert!(line.contains("http://127.0.0.1:"), "{line}");
    // One line of the log a run: all three are scheduled.
    let mut log = BufReader::new(child.stderr.take().unwrap());
    for _ in 0..3 {
        let mut line = String::new();
        log.read_line(&mut line).unwrap();
        assert!(line.contains("run scheduled"), "{line}");
    }
    let asked = std::time::Instant::now();
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    assert!(child.wait().unwrap().success(), "{rest}");
    assert!(asked.elapsed().as_secs_f64() < 5.0, "took {:?}", asked.elapsed());
    let runs = fs::read_dir(home.path().join("runs")).unwrap().map(|entry| entry.unwrap().path().join("run.json"));
    let summaries = runs.filter_map(|path| fs::read_to_string(path).ok()).collect::<Vec<_>>();
    assert_eq!(summaries.len(), 3);
    for summary in summaries {
        let summary = serde_json::from_str::<serde_json::Value>(&summary).unwrap();
        assert_eq!(summary["status"], "KILLED");
    }
}
