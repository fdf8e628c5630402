//! What operators rely on: metrics, readiness, logs, settings.

use crate::support::{Site, finished};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

#[test]
fn prometheus_can_read_the_metrics() {
    let reply = finished().site.get("/metrics");
    assert_eq!(reply.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let text = reply.text();
    let mut family = "";
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family = help.split(' ').next().unwrap();
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(name == family && ["gauge", "counter"].contains(&kind), "{line}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().unwrap().is_finite(), "{line}");
            assert_eq!(name.split('{').next().unwrap(), family, "{line}");
            assert!(name.ends_with('}') || !name.contains('{'), "{line}");
        }
    }
    assert!(text.contains("\ncenterscope_runs{status=\"FINISHED\"} 3\n"), "{text}");
    let site = &finished().site;
    assert!(site.gauge("centerscope_events_total") >= 15.0);
    assert!(site.gauge("centerscope_runs_folder_bytes") > 100_000.0);
    assert_eq!(site.gauge("centerscope_queue_limit"), 100.0);
    if cfg!(target_os = "linux") {
        assert!(site.gauge("process_resident_memory_bytes") > 1e6);
        assert!(site.gauge("centerscope_disk_free_bytes") > 0.0);
    }
}

#[test]
fn a_server_is_ready_while_its_folder_is_there() {
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(&home.path().join("runs"));
    assert_eq!(site.get("/readyz").text(), "ready");
    fs::rename(home.path().join("runs"), home.path().join("elsewhere")).unwrap();
    let reply = site.get("/readyz");
    assert_eq!(reply.status, 503);
    assert!(reply.json()["detail"].as_str().unwrap().contains("runs folder"));
    assert_eq!(site.get("/healthz").text(), "ok");
    fs::rename(home.path().join("elsewhere"), home.path().join("runs")).unwrap();
}

#[test]
fn a_short_series_is_told_whole_and_a_bound_out_of_range_is_refused() {
    let done = finished();
    let progress = done.site.get(&format!("/runs/{}/progress", done.ids[0])).json();
    let state = done.site.get(&format!("/runs/{}", done.ids[0])).json();
    let lines = state["progress"].as_array().unwrap();
    assert_eq!(progress["rows"], lines.len());
    let told = lines.iter().map(|line| line["loss"]["total"].clone()).collect::<Value>();
    assert_eq!(progress["series"]["loss"]["value"], told);
    let epochs = done.site.get(&format!("/runs/{}/metrics?points=9", done.ids[0])).json();
    assert_eq!((&epochs["rows"], &epochs["series"]["test_accuracy"]["at"]), (&json!(2), &json!([1.0, 2.0])));
    for bad in ["progress?points=0", "progress?points=10001", "metrics?points=x"] {
        assert_eq!(done.site.get(&format!("/runs/{}/{bad}", done.ids[0])).status, 400, "{bad}");
    }
}

fn centerscope(folder: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_centerscope"));
    command.current_dir(folder).env("CENTERSCOPE_OFFLINE", "1").env_remove("RUST_LOG");
    command
}

#[test]
fn the_settings_in_force_are_told_with_whence() {
    let home = tempfile::tempdir().unwrap();
    let file = "port = 9000\njobs = 2\nruns-dir = \"from file\"\nallow-host = [\"a.example\", \"b.example\"]\ntoken = \"a-token-of-the-file\"\n";
    fs::write(home.path().join("my.toml"), file).unwrap();
    let mut command = centerscope(home.path());
    let output =
        command.env("CENTERSCOPE_JOBS", "4").args(["config", "--config", "my.toml", "--host", "::1"]).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    for line in [
        "host = \"::1\"  # --host",
        "port = 9000  # my.toml",
        "runs-dir = \"from file\"  # my.toml",
        "jobs = 4  # CENTERSCOPE_JOBS",
        "allow-host = [\"a.example\", \"b.example\"]  # my.toml",
        "# token is set and not shown  # my.toml",
        "# read-token is not set",
        "watchers = 2000  # default",
        "offline = true  # CENTERSCOPE_OFFLINE",
    ] {
        assert!(told.lines().any(|one| one == line), "{line} in {told}");
    }
    assert!(!told.contains("a-token-of-the-file"), "{told}");
    // What is printed is a file of settings itself.
    fs::write(home.path().join("again.toml"), &told).unwrap();
    let again = centerscope(home.path()).args(["config", "--config", "again.toml"]).output().unwrap();
    assert!(String::from_utf8_lossy(&again.stdout).contains("port = 9000  # again.toml"), "{again:?}");

    for (bad, why) in [
        ("prot = 1", "no setting `prot`"),
        ("port = [", "is no TOML"),
        ("port = \"x\"", "--port"),
        ("port = {}", "port takes"),
    ] {
        fs::write(home.path().join("bad.toml"), bad).unwrap();
        let output = centerscope(home.path()).args(["config", "--config", "bad.toml"]).output().unwrap();
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains(why), "{bad}: {output:?}");
    }
}

#[cfg(unix)]
#[test]
fn the_log_can_be_read_by_programs() {
    let home = tempfile::tempdir().unwrap();
    let mut command = centerscope(home.path());
    command.args(["serve", "--port", "0", "--log-format", "json"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.split_once("http://").unwrap().1.split_once('/').unwrap().0.parse().unwrap();
    let site = Site::elsewhere(address);
    assert_eq!(site.post("/runs", &json!({"epochs": 0})).status, 422);
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let line = serde_json::from_str::<Value>(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert_eq!((&line["level"], &line["message"], &line["status"]), (&json!("INFO"), &json!("request"), &json!(422)));
    assert_eq!(
        (&line["method"], &line["path"], &line["client"]),
        (&json!("POST"), &json!("/runs"), &json!("127.0.0.1"))
    );
    child.kill().unwrap();
    child.wait().unwrap();
}
