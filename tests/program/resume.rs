//! Runs that go on: resumed after a stop or a death, or forked from a checkpoint.

use crate::support::{Site, endless, tiny};
use centerscope::config::Config;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Starts a run, stops it once `epoch` epochs are done, and gives its id.
fn stopped_after(site: &Site, request: &Value, epoch: u64) -> String {
    let id = site.start_runs(request.clone()).remove(0);
    let mut events = site.events(&format!("/runs/{id}/events"), None);
    while events.until("epoch")["epoch"] != epoch {}
    assert_eq!(site.send("POST", &format!("/runs/{id}/stop"), &[], b"").status, 202);
    events.rest();
    assert_eq!(state(site, &id)["status"], "KILLED");
    id
}

fn state(site: &Site, id: &str) -> Value {
    site.get(&format!("/runs/{id}")).json()
}

fn resume(site: &Site, id: &str) -> Value {
    let reply = site.send("POST", &format!("/runs/{id}/resume"), &[], b"");
    assert_eq!(reply.status, 202, "{}", reply.text());
    reply.json()
}

fn to_the_end(site: &Site, id: &str) -> Value {
    site.events(&format!("/runs/{id}/events"), None).rest();
    state(site, id)
}

/// The history without what the clock and the disk say.
fn computed(state: &Value) -> Value {
    let mut history = state["history"].clone();
    for report in history.as_array_mut().unwrap() {
        let metrics = report["metrics"].as_object_mut().unwrap();
        metrics.retain(|name, _| name != "epoch_seconds" && name != "images_per_s");
    }
    history
}

/// Embeddings and checkpoints, with their bytes.
fn files(runs_dir: &Path, id: &str) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for folder in ["embeddings", "checkpoints"] {
        for entry in fs::read_dir(runs_dir.join(id).join(folder)).unwrap() {
            let path = entry.unwrap().path();
            files.push((path.file_name().unwrap().to_str().unwrap().to_string(), fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}

#[test]
fn a_resumed_run_equals_an_uninterrupted_one_to_the_bit() {
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(home.path());
    let request = tiny(json!({"variant": "v1.0", "epochs": 12, "lr_step": 2, "checkpoint_every": 3}));
    let whole = site.start_runs(request.clone()).remove(0);
    let broken = stopped_after(&site, &request, 2);
    let best = state(&site, &broken)["best_test_accuracy"].clone();
    let kept = |id: &str| site.get(&format!("/runs/{id}/embeddings/1")).header("cache-control").to_string();
    assert_eq!(kept(&broken), "private, no-cache", "it may do its epochs once more");

    let resumed = resume(&site, &broken);
    assert_eq!((resumed["id"].as_str(), resumed["reason"].is_null()), (Some(broken.as_str()), true));
    resume(&site, &broken);
    assert!(resumed["best_test_accuracy"].as_f64() >= best.as_f64());
    let event = site.events(&format!("/events?runs={broken}"), None).until("resumed");
    assert!(event["epoch"].as_u64() >= Some(2) && event["run"] == broken.as_str(), "{event}");
    let (whole_state, broken_state) = (to_the_end(&site, &whole), to_the_end(&site, &broken));
    assert_eq!((broken_state["status"].as_str(), broken_state["epoch"].as_u64()), (Some("FINISHED"), Some(12)));
    assert_eq!(computed(&whole_state), computed(&broken_state));
    assert_eq!(whole_state["best_test_accuracy"], broken_state["best_test_accuracy"]);
    let (whole_files, broken_files) = (files(home.path(), &whole), files(home.path(), &broken));
    assert_eq!(whole_files.len(), 2 * 12 + 4 + 2);
    assert!(whole_files == broken_files, "embeddings or checkpoints differ");
    let log = fs::read_to_string(home.path().join(&broken).join("events.jsonl")).unwrap();
    assert_eq!(log.lines().filter(|line| line.contains("\"type\":\"resumed\"")).count(), 1, "asked twice, done once");

    assert!(kept(&broken).contains("immutable"), "a finished run does no epoch again");
    let again = site.send("POST", &format!("/runs/{broken}/resume"), &[], b"");
    assert_eq!(again.status, 409);
    assert!(again.text().contains("fork it"), "{}", again.text());
    // run.json tells what stands in the folder.
    let told: Value = serde_json::from_slice(&fs::read(home.path().join(&broken).join("run.json")).unwrap()).unwrap();
    assert_eq!(told["files"].as_object().unwrap().len(), whole_files.len());
    assert_eq!(told["files"], broken_state["files"]);
}

#[test]
fn a_damaged_checkpoint_is_named_and_the_one_before_takes_its_place() {
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(home.path());
    let id = stopped_after(&site, &endless(json!({"variant": "v1.2", "train_images": 64})), 2);
    let before = state(&site, &id);
    let last = before["epoch"].as_u64().unwrap();
    for (name, file) in before["files"].as_object().unwrap() {
        if name.starts_with("checkpoints/") && file["epoch"] == last {
            let path = home.path().join(&id).join(name);
            let mut bytes = fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(path, bytes).unwrap();
        }
    }
    let fork = site.post(&format!("/runs/{id}/fork"), &json!({"epoch": last}));
    assert_eq!(fork.status, 422);
    assert!(fork.text().contains("checkpoints/last.safetensors"), "{}", fork.text());
    let image = [("Content-Type", "application/octet-stream")];
    let seen = site.send("POST", &format!("/runs/{id}/predict?epoch={last}"), &image, &[7; 784]).json();
    assert_eq!(seen["epoch"], last - 1, "a drawing is not shown to a damaged network: {seen}");

    let resumed = resume(&site, &id);
    assert_eq!(resumed["epoch"], last - 1);
    let mut watcher = site.events(&format!("/runs/{id}/events?after={}", before["seq"]), None);
    let event = watcher.until("resumed");
    let damaged = event["damaged"].as_array().unwrap();
    assert!(damaged.iter().any(|d| d.as_str().unwrap().starts_with("checkpoints/last.safetensors: ")), "{event}");
    assert_eq!(watcher.until("epoch")["epoch"], last, "the lost epoch is done again");
    let page = site.get_page(&format!("/runs/{id}")).text();
    assert!(page.contains("checkpoints/last.safetensors: its SHA-256"), "the page names the damage");
    site.send("POST", &format!("/runs/{id}/stop"), &[], b"");
    let after = to_the_end(&site, &id);
    let epochs = after["history"].as_array().unwrap().iter().map(|r| r["epoch"].as_u64().unwrap());
    assert!(epochs.eq(1..=after["epoch"].as_u64().unwrap()), "each epoch once, in order");
}

#[test]
fn runs_that_ended_with_the_server_go_on_when_it_is_told_to() {
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(home.path());
    let by_hand = stopped_after(&site, &endless(json!({"variant": "v1.2", "train_images": 64})), 1);
    let running = site.start_runs(endless(json!({"variant": "v1.0", "train_images": 64}))).remove(0);
    let mut watchers = (0..50).map(|_| site.events(&format!("/runs/{running}/events"), None)).collect::<Vec<_>>();
    watchers.iter_mut().for_each(|watcher| drop(watcher.until("epoch")));
    drop(site);
    for watcher in watchers {
        assert_eq!(watcher.last().unwrap().kind, "shutdown", "every stream ends with the reason");
    }

    let config = Config { resume_interrupted: true, ..Config::for_testing(home.path()) };
    let site = Site::with(config).unwrap();
    let mut events = site.events(&format!("/runs/{running}/events"), None);
    let epoch = events.until("resumed")["epoch"].as_u64().unwrap();
    assert!(epoch >= 1);
    assert_eq!(events.until("epoch")["epoch"], epoch + 1);
    assert_eq!(state(&site, &by_hand)["status"], "KILLED", "what was stopped by hand stays stopped");
}

#[test]
fn a_fork_goes_on_from_another_runs_checkpoint_with_other_values() {
    let home = tempfile::tempdir().unwrap();
    let site = &Site::start(home.path());
    let parent = &site.start_runs(tiny(json!({"variant": "v1.0", "name": "parent"}))).remove(0);
    to_the_end(site, parent);
    let fork = |body: Value| site.post(&format!("/runs/{parent}/fork"), &body);
    let reply = fork(json!({"epoch": 1, "epochs": 3, "lambda": 0.25}));
    assert_eq!(reply.status, 201, "{}", reply.text());
    let answer = reply.json();
    let id = answer["runs"][0]["id"].as_str().unwrap();
    assert_eq!(answer["url"], format!("/compare?runs={parent},{id}"));
    assert_eq!(reply.header("location"), answer["url"]);
    let forked = to_the_end(site, id);
    assert_eq!((forked["status"].as_str(), forked["epoch"].as_u64()), (Some("FINISHED"), Some(3)));
    assert_eq!((forked["fork"]["run"].as_str(), forked["fork"]["epoch"].as_u64()), (Some(parent.as_str()), Some(1)));
    assert_eq!(forked["name"], "parent from epoch 1, epochs 3, lambda 0.25");
    assert_eq!((forked["spec"]["lambda"].as_f64(), forked["spec"]["width"].as_f64()), (Some(0.25), Some(0.03125)));
    let epochs = forked["history"].as_array().unwrap().iter().map(|r| r["epoch"].as_u64().unwrap());
    assert_eq!(epochs.collect::<Vec<_>>(), [2, 3], "its epochs count on");
    assert!(forked["files"]["checkpoints/start.safetensors"]["sha256"].is_string());

    // Whoever sets it beside its run is told whence it comes, and nothing claims that its settings were its own all along.
    let diff = site.get(&format!("/diff?runs={parent},{id}")).json();
    let lineage = diff["circumstances"].as_array().unwrap().iter().find(|row| row["field"] == "forked_from").unwrap();
    assert_eq!(lineage["values"], json!([null, format!("{parent} after epoch 1")]));
    assert!(site.get_page(&format!("/diff?runs={parent},{id}")).text().contains("after epoch 1"));
    let claims = site.get("/claims?field=lambda&a=0.25&b=1&metric=test_accuracy&at=best").json();
    assert_eq!(claims["claims"][0]["findings"][0]["pairs"], json!([]), "{claims}");

    // Nor does a mean mix the two, whatever they are grouped by; and the page says so.
    let groups = site.get(&format!("/groups?runs={parent},{id}&by=")).json();
    assert_eq!(groups["by"], json!(["fork"]), "{groups}");
    let labels = groups["groups"].as_array().unwrap().iter().map(|group| group["label"].as_str().unwrap());
    assert_eq!(labels.collect::<Vec<_>>(), ["no fork", "forked after epoch 1"]);
    assert_eq!((&groups["data"][0]["runs"], groups["data"].as_array().unwrap().len()), (&json!(2), 1));
    let images = format!("Images: {} (", groups["data"][0]["name"].as_str().unwrap());
    assert!(site.get_page(&format!("/groups?runs={parent},{id}")).text().contains(&images));

    // Its page has the request that repeats it, to the bit, and no command that would train something else.
    let page = site.get_page(&format!("/runs/{id}")).text().replace("&#34;", "\"").replace("&#39;", "'");
    assert!(page.contains("A fork begins with another run’s checkpoint") && !page.contains("centerscope train --"));
    let (_, command) = page.split_once("curl -X POST http://").unwrap();
    assert!(command.contains(&format!("/runs/{parent}/fork ")), "{command}");
    let request = command.split_once("-d '").unwrap().1.split_once('\'').unwrap().0;
    let again = fork(serde_json::from_str(request).unwrap()).json()["runs"][0]["id"].as_str().unwrap().to_string();
    let again = to_the_end(site, &again);
    assert_eq!((&again["name"], &again["spec"]), (&forked["name"], &forked["spec"]));
    assert_eq!(again["files"]["checkpoints/last.safetensors"], forked["files"]["checkpoints/last.safetensors"]);
    let form = site.get_page(&format!("/?from={id}"));
    assert_eq!((form.status, form.header("location")), (303, format!("/runs/{id}#again").as_str()));

    // With the same values it is the parent.
    let same = fork(json!({"epoch": 1})).json()["runs"][0]["id"].as_str().unwrap().to_string();
    let (same, parent_state) = (to_the_end(site, &same), state(site, parent));
    assert_eq!(same["history"][0]["metrics"]["test_loss"], parent_state["history"][1]["metrics"]["test_loss"]);
    assert_eq!(same["history"][0]["geometry"], parent_state["history"][1]["geometry"]);

    for (body, field) in [
        (json!({}), "epoch"),
        (json!({"epoch": 9}), "epoch"),
        (json!({"epoch": "1"}), "epoch"),
        (json!({"epoch": 2}), "epochs"),
        (json!({"epoch": 1, "network": "shallow"}), "network"),
        (json!({"epoch": 1, "variant": "v1.2"}), "variant"),
        (json!({"epoch": 1, "width": 0.5}), "width"),
        (json!({"epoch": 1, "lamda": 1}), "lamda"),
    ] {
        let reply = fork(body.clone());
        assert_eq!((reply.status, reply.json()["field"].as_str()), (422, Some(field)), "{body}");
    }
    assert!(fork(json!({"epoch": 9})).text().contains("one of 1, 2"));

    let page = site.get_page(&format!("/runs/{id}")).text();
    assert!(page.contains(&format!("href=\"/runs/{parent}\"")) && page.contains("at epoch 1"), "{page}");
    let parents = site.get_page(&format!("/runs/{parent}")).text();
    assert!(parents.contains(&format!("action=\"/runs/{parent}/fork\"")), "the form is there");
    assert!(parents.contains("data-role=\"resume\" hidden"), "a finished run can't be resumed");
    assert_eq!(site.get_page(answer["url"].as_str().unwrap()).status, 200);
    let form = [("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "text/html,*/*;q=0.8")];
    let by_form = site.send("POST", &format!("/runs/{parent}/fork"), &form, b"epoch=1&lambda=&name=by+hand");
    assert_eq!(by_form.status, 303, "{}", by_form.text());
}
