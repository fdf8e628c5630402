//! Runs that leave the folder and come into it.

use crate::support::{Site, endless};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

fn ids(list: &Value) -> Vec<&str> {
    list["runs"].as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap()).collect()
}

#[test]
fn a_run_whose_folder_somebody_took_away_is_gone_until_it_is_put_back() {
    let home = tempfile::tempdir().unwrap();
    let (runs, aside) = (home.path().join("runs"), home.path().join("aside"));
    let site = Site::start(&runs);
    let ids_made = [site.tiny_run(), site.tiny_run()];
    let [seen, unseen] = &ids_made;
    let take_away = |id: &str| fs::rename(runs.join(id), &aside).unwrap();
    let put_back = |id: &str| fs::rename(&aside, runs.join(id)).unwrap();

    // Whatever is asked for first.
    for target in ["", "/metrics", "/events", "/artifacts/metrics.csv"] {
        take_away(seen);
        let reply = site.get(&format!("/runs/{seen}{target}"));
        assert_eq!(reply.status, 404, "{target}: {}", reply.text());
        assert_eq!(ids(&site.get("/runs").json()), [unseen.as_str()]);
        assert_eq!(site.get(&format!("/runs/{seen}")).status, 404);
        assert_eq!(site.send("DELETE", &format!("/runs/{seen}"), &[], b"").status, 404);
        put_back(seen);
        assert_eq!(ids(&site.get("/runs").json()).len(), 2);
        assert_eq!(site.get(&format!("/runs/{seen}/events")).status, 200);
    }
    take_away(unseen);
    assert_eq!(site.send("DELETE", &format!("/runs/{unseen}"), &[], b"").status, 204, "gone is gone");
    assert_eq!(ids(&site.get("/runs").json()), [seen.as_str()]);
    fs::remove_dir_all(&aside).unwrap();

    // One that trains fails, and then it is gone, too.
    let running = site.start_runs(endless(json!({"variant": "v1.0", "train_images": 64}))).remove(0);
    let mut events = site.events(&format!("/runs/{running}/events"), None);
    events.until("epoch");
    take_away(&running);
    assert!(events.until("failed")["reason"].as_str().unwrap().contains("can't write to the run's folder"));
    assert_eq!(ids(&site.get("/runs").json()), [seen.as_str()]);
}

#[test]
fn a_deleted_run_comes_back_until_the_trash_is_emptied() {
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(home.path());
    let id = site.tiny_run();
    let before = site.get(&format!("/runs/{id}")).json();
    let ask = |method: &str, what: &str| site.send(method, &format!("/runs/{id}{what}"), &[], b"");
    for _ in 0..2 {
        assert_eq!(ask("DELETE", "").status, 204, "deleted is deleted");
        assert_eq!(site.get(&format!("/runs/{id}")).status, 404);
    }
    assert_eq!((ids(&site.get("/runs").json()).len(), ids(&site.get("/trash").json())), (0, vec![id.as_str()]));
    assert_eq!(ask("POST", "/resume").status, 404);
    let deleted_ms = site.get("/trash").json()["runs"][0]["deleted_ms"].clone();
    for _ in 0..2 {
        assert_eq!(ask("POST", "/restore").status, 200);
        let mut after = site.get(&format!("/runs/{id}")).json();
        assert_eq!(after["seq"], before["seq"].as_u64().unwrap() + 2);
        after["seq"] = before["seq"].clone();
        assert_eq!(after, before, "nothing else is changed");
    }
    let log = site.events(&format!("/runs/{id}/events"), None).rest();
    let [.., deleted, restored] = &log[..] else { panic!("{log:?}") };
    assert_eq!((&deleted.json()["type"], &deleted.json()["time_ms"]), (&json!("deleted"), &deleted_ms));
    assert_eq!(restored.json()["type"], "restored");
    let page = || site.get_page("/trash").text();
    assert!(page().contains("Nothing is in the trash"), "{}", page());
    let form = |target: &str| site.send("POST", target, &[("Accept", "text/html")], b"");
    let run = site.get_page(&format!("/runs/{id}")).text();
    assert!(run.contains(&format!("action=\"/runs/{id}/delete\" data-role=\"delete\">")), "{run}");
    let deleted = form(&format!("/runs/{id}/delete"));
    assert_eq!((deleted.status, deleted.header("location")), (303, "/trash"), "where the way back is");
    assert!(site.get_page("/runs").text().contains("href=\"/trash\""));
    let shown = page();
    for text in ["V1.0", "FINISHED", "centerscope trash empty", &format!("action=\"/runs/{id}/restore\"")] {
        assert!(shown.contains(text), "the trash does not show {text}: {shown}");
    }
    assert_eq!((&site.get("/trash?limit=1").json()["total"], site.get("/trash?limt=1").status), (&json!(1), 400));
    let size = site.get("/trash").json()["runs"][0]["size_bytes"].as_f64().unwrap();
    assert!(size > 10_000.0);
    assert_eq!([site.gauge("centerscope_trash_bytes"), site.gauge("centerscope_runs_folder_bytes")], [size; 2]);

    let running = site.start_runs(endless(json!({"variant": "v1.0"}))).remove(0);
    let refused = site.send("DELETE", &format!("/runs/{running}"), &[], b"");
    assert_eq!(refused.status, 409);
    assert!(refused.text().contains("stop it first"), "{}", refused.text());

    let command = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_centerscope"));
        command.arg("trash").args(words).arg("--runs-dir").arg(home.path()).output().unwrap()
    };
    let trash = |words: &[&str]| {
        let output = command(words);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(trash(&["list"]).starts_with(&id));
    assert!(trash(&["restore", &id]).starts_with(&format!("{id} is back")));
    assert!(ids(&site.get("/runs").json()).contains(&id.as_str()), "the server sees it come");
    let told = String::from_utf8(command(&["restore", &id]).stderr).unwrap();
    assert!(told.contains("has no run") && told.contains("trash list"), "{told}");
    assert_eq!(ask("DELETE", "").status, 204);
    let page = site.get_page(&format!("/runs/{running}")).text();
    assert!(page.contains("data-role=\"delete\" hidden"), "one that trains is stopped first");
    assert_eq!(trash(&["empty"]), "1 runs deleted for good\n");
    assert_eq!(trash(&["list"]), "");
    assert_eq!(ask("POST", "/restore").status, 404);
    assert_eq!(ask("DELETE", "").status, 404);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

#[test]
fn a_run_that_is_copied_in_appears_once_it_is_whole() {
    let (there, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let other = Site::start(there.path());
    let id = other.tiny_run();
    let site = Site::start(here.path());
    assert_eq!(ids(&site.get("/runs").json()).len(), 0);

    let (from, to) = (there.path().join(&id), here.path().join(&id));
    copy(&from, &to);
    let log = fs::read(to.join("events.jsonl")).unwrap();
    fs::write(to.join("events.jsonl"), &log[..log.len() / 2]).unwrap();
    assert_eq!(ids(&site.get("/runs").json()).len(), 0, "its log is still on its way");
    assert_eq!(fs::read(to.join("events.jsonl")).unwrap().len(), log.len() / 2, "nothing was written to it");
    fs::write(to.join("events.jsonl"), &log).unwrap();
    assert_eq!(ids(&site.get("/runs").json()), [id.as_str()]);
    assert_eq!(site.get(&format!("/runs/{id}")).json(), other.get(&format!("/runs/{id}")).json());
}
