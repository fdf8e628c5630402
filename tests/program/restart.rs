//! What a new start makes of the runs of the past.

use crate::support::{Site, endless};
use centerscope::config::Config;
use centerscope::serve::ServeError;
use centerscope::store::{RunId, StoreError};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

#[test]
fn every_run_is_there_again() {
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(home.path());
    let finished = site.tiny_run();
    let running = site.start_runs(endless(json!({"variant": "v1.2"}))).remove(0);
    site.events(&format!("/runs/{running}/events"), None).until("progress");
    let before = site.get(&format!("/runs/{finished}")).json();
    let lines = site.events(&format!("/runs/{finished}/events"), None).rest();
    drop(site);

    let site = Site::start(home.path());
    assert_eq!(site.get(&format!("/runs/{finished}")).json(), before);
    assert_eq!(site.events(&format!("/runs/{finished}/events"), None).rest(), lines);
    let killed = site.get(&format!("/runs/{running}")).json();
    assert_eq!(
        (killed["status"].as_str(), killed["reason"].as_str()),
        (Some("KILLED"), Some("the server was stopped"))
    );
    let list = site.get("/runs").json();
    let ids = list["runs"].as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(ids, [running.as_str(), finished.as_str()]);
}

#[test]
fn what_the_summary_of_an_older_version_lacks_is_read_in_the_log_once() {
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(home.path());
    let id = site.tiny_run();
    let digest = || Site::start(home.path()).get("/runs").json()["runs"][0]["data_digest"].clone();
    drop(site);
    let [summary, log] = ["run.json", "events.jsonl"].map(|name| home.path().join(&id).join(name));
    let told = fs::read(&summary).unwrap();
    let whole = serde_json::from_slice::<Value>(&told).unwrap();
    let mut older = whole.clone();
    older.as_object_mut().unwrap().remove("data_digest");
    fs::write(&summary, older.to_string()).unwrap();
    assert_eq!(digest(), whole["data_digest"]);
    assert_eq!(serde_json::from_slice::<Value>(&fs::read(&summary).unwrap()).unwrap(), whole);
    // A log that doesn't tell any more, and is as long as before.
    let lines = fs::read_to_string(&log).unwrap().replace("\"started\"", "\"statred\"");
    fs::write(&log, lines).unwrap();
    assert!(whole["data_digest"].is_string() && digest() == whole["data_digest"]);
}

/// The folder of a run that saw `data`, whose server was killed in the middle of a line.
fn torn_run(runs_dir: &Path, data: &str) -> String {
    let id = RunId::fresh().to_string();
    let folder = runs_dir.join(&id);
    fs::create_dir_all(&folder).unwrap();
    let spec = json!({"network": "deep", "distance": "root", "lambda": 1.0, "seed": 3, "epochs": 9, "batch_size": 64,
        "lr": 0.01, "center_lr": 0.5, "momentum": 0.9, "lr_step": 20, "lr_gamma": 0.8, "width": 0.25,
        "train_images": 12000, "dataset": "auto", "device": "auto"});
    let data = json!({"set": "mnist", "name": data, "train_images": 60000, "test_images": 10000, "digest": data});
    let lines = [
        json!({"seq": 1, "time_ms": 1000, "type": "scheduled", "name": "torn", "comparison": null, "spec": spec}),
        json!({"seq": 2, "time_ms": 2000, "type": "started", "data": data, "train_images": 12000,
            "steps_per_epoch": 188, "parameters": 9, "device": "CPU", "version": "0"}),
    ];
    let log = format!("{}\n{}\n{{\"seq\":3,\"time_ms\":30", lines[0], lines[1]);
    fs::write(folder.join("events.jsonl"), log).unwrap();
    id
}

#[test]
fn runs_that_saw_different_images_are_not_compared() {
    let home = tempfile::tempdir().unwrap();
    let [a, b, c] = ["MNIST", "MNIST", "generated digits"].map(|data| torn_run(home.path(), data));
    let site = Site::start(home.path());
    assert_eq!(site.get_page(&format!("/compare?runs={a},{b}")).status, 200);
    let refused = site.get_page(&format!("/compare?runs={a},{b},{c}"));
    assert!(refused.text().contains("compare runs of one data set"), "{}", refused.text());
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("MNIST and generated digits"), "{}", refused.text());
}

#[test]
fn a_run_whose_server_died_is_interrupted_once() {
    let home = tempfile::tempdir().unwrap();
    let id = torn_run(home.path(), "MNIST");
    for _ in 0..2 {
        let site = Site::start(home.path());
        let state = site.get(&format!("/runs/{id}")).json();
        assert_eq!((state["status"].as_str(), state["name"].as_str()), (Some("INTERRUPTED"), Some("torn")));
        assert_eq!(state["seq"], 3);
        let log = fs::read_to_string(home.path().join(&id).join("events.jsonl")).unwrap();
        let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
        assert_eq!(lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(lines[2]["type"], "interrupted");
    }
}

#[test]
fn a_folder_that_holds_no_run_is_left_out() {
    let home = tempfile::tempdir().unwrap();
    let good = torn_run(home.path(), "MNIST");
    let bad = [RunId::fresh(), RunId::fresh(), RunId::fresh()].map(|id| home.path().join(id.to_string()));
    bad.iter().for_each(|folder| fs::create_dir(folder).unwrap());
    fs::write(bad[1].join("events.jsonl"), "not json\n").unwrap();
    fs::write(bad[2].join("events.jsonl"), [0xff, b'\n']).unwrap();
    fs::write(home.path().join("notes.txt"), "mine").unwrap();
    let site = Site::start(home.path());
    let list = site.get("/runs").json();
    assert_eq!(list["runs"].as_array().unwrap().len(), 1);
    assert_eq!(list["runs"][0]["id"], good);
}

#[test]
fn two_servers_do_not_share_a_folder() {
    let home = tempfile::tempdir().unwrap();
    let first = Site::start(home.path());
    let second = Site::with(Config::for_testing(home.path()));
    assert!(matches!(second.err(), Some(ServeError::Store(StoreError::InUse(_)))));
    drop(first);
    Site::start(home.path());
}
