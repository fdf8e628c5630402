//! Links, pipes and the like in a runs folder: none of them is followed or waited for.

use super::{CANARY, census, copy_run};
use crate::support::{Site, finished};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

const JSON: (&str, &str) = ("Content-Type", "application/json");

/// The runs of the list, oldest first.
fn listed(site: &Site) -> Vec<String> {
    let list = site.get("/runs").json();
    let mut ids =
        list["runs"].as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap().to_string()).collect::<Vec<_>>();
    ids.sort_unstable();
    ids
}

#[test]
fn links_and_pipes_in_a_run_lead_nowhere_and_hold_nothing_up() {
    let done = finished();
    let home = tempfile::tempdir().unwrap();
    let (runs, mine) = (home.path().join("runs"), home.path().join("mine"));
    fs::create_dir(&mine).unwrap();
    let pipe = |path: &Path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    let [edited, mended, broken] = [0, 1, 2].map(|n| done.ids[n].as_str());
    [edited, mended, broken].iter().for_each(|id| copy_run(done, id, &runs));
    // Where the program writes: what is behind the links is somebody's own.
    let temporary = ["metrics.csv", "confusion.csv", "progress.npy", "run.json"].map(|name| format!(".{name}.tmp"));
    for name in temporary.iter().map(String::as_str).chain(["anything.tmp"]) {
        fs::write(mine.join(name), CANARY).unwrap();
        symlink(mine.join(name), runs.join(edited).join(name)).unwrap();
    }
    symlink(mine.join(&temporary[0]), runs.join(mended).join(&temporary[0])).unwrap();
    symlink(mine.join(&temporary[0]), runs.join(".version.tmp")).unwrap();
    let before = census(&mine);
    // Where it reads: who opens a pipe waits for somebody who writes.
    pipe(&runs.join(edited).join("notes.txt"));
    fs::remove_file(runs.join(mended).join("run.json")).unwrap();
    pipe(&runs.join(mended).join("run.json"));
    fs::remove_file(runs.join(broken).join("events.jsonl")).unwrap();
    pipe(&runs.join(broken).join("events.jsonl"));

    let site = Site::start(&runs);
    assert_eq!(listed(&site), [edited, mended]);
    assert!(runs.join(mended).join("run.json").is_file(), "made anew from the log");
    assert!(
        fs::symlink_metadata(runs.join(mended).join(&temporary[0])).is_err(),
        "a link with such a name is cleared away"
    );
    assert_eq!(site.get(&format!("/runs/{edited}/artifacts/notes.txt")).status, 404);
    assert_eq!(site.get(&format!("/runs/{edited}/archive")).status, 200);
    let reply = site.send("PATCH", &format!("/runs/{edited}"), &[JSON], b"{\"notes\": \"hi\"}");
    assert_eq!(reply.status, 200, "{}", reply.text());
    for name in ["run.json", "metrics.csv"] {
        assert!(fs::symlink_metadata(runs.join(edited).join(name)).unwrap().is_file(), "{name}");
    }
    // One that comes while the server runs.
    let later = runs.join("01a20bc0-95e5-75ae-bf61-e46d29aa5d9a");
    fs::create_dir(&later).unwrap();
    pipe(&later.join("run.json"));
    assert_eq!(listed(&site).len(), 2);
    assert_eq!(census(&mine), before, "something outside was touched");
}

/// Whoever can write into the runs folder swaps folders for links to others that look the same.
#[test]
fn folders_that_are_links_lead_nowhere() {
    let done = finished();
    let home = tempfile::tempdir().unwrap();
    let (runs, mine) = (home.path().join("runs"), home.path().join("mine"));
    let [within, swapped] = [0, 1].map(|n| done.ids[n].as_str());
    [within, swapped].iter().for_each(|id| copy_run(done, id, &runs));
    copy_run(done, swapped, &mine);
    let site = Site::start(&runs);
    for folder in ["embeddings", "checkpoints"] {
        fs::rename(runs.join(within).join(folder), mine.join(folder)).unwrap();
        symlink(mine.join(folder), runs.join(within).join(folder)).unwrap();
    }
    fs::remove_dir_all(runs.join(swapped)).unwrap();
    symlink(mine.join(swapped), runs.join(swapped)).unwrap();
    let before = census(&mine);

    let ask = |method: &str, id: &str, what: &str, body: Value| {
        site.send(method, &format!("/runs/{id}{what}"), &[JSON], body.to_string().as_bytes()).status
    };
    for file in ["embeddings/1", "artifacts/embeddings/test-0001.npy", "artifacts/checkpoints/last.safetensors"] {
        assert_eq!(ask("GET", within, &format!("/{file}"), json!(null)), 404, "{file}");
    }
    let list = site.get(&format!("/runs/{within}/artifacts")).text();
    assert!(list.contains("metrics.csv") && !list.contains("embeddings/") && !list.contains("checkpoints/"), "{list}");
    assert!(ask("POST", within, "/predict", json!({"pixels": vec![0; 784]})) >= 400);
    assert!(ask("POST", within, "/fork", json!({"epoch": 1, "epochs": 3})) >= 400);
    // What the run itself holds is edited, deleted and restored.
    assert_eq!(ask("PATCH", within, "", json!({"notes": "hi"})), 200);
    assert_eq!(ask("DELETE", within, "", json!({})), 204);
    assert_eq!(ask("POST", within, "/restore", json!({})), 200);

    // Of a run whose whole folder is a link, nothing is read, written or moved.
    for what in ["/artifacts", "/artifacts/metrics.csv", "/archive", "/metrics", "/embeddings/1"] {
        let status = ask("GET", swapped, what, json!(null));
        assert!(status >= 400, "{what}: {status}");
    }
    for (method, what) in [("PATCH", ""), ("POST", "/resume"), ("DELETE", "")] {
        let status = ask(method, swapped, what, json!({"notes": "hi"}));
        assert!(status >= 400, "{method} {what}: {status}");
    }
    assert!(fs::symlink_metadata(runs.join(swapped)).unwrap().is_symlink(), "it was moved");
    drop(site);
    assert_eq!(listed(&Site::start(&runs)), [within], "a start takes a link for a run");
    assert_eq!(census(&mine), before, "something outside was touched");
}

#[test]
fn a_trash_that_is_a_link_neither_takes_nor_gives() {
    let done = finished();
    let home = tempfile::tempdir().unwrap();
    let (runs, mine) = (home.path().join("runs"), home.path().join("mine"));
    let [here, there] = [0, 1].map(|n| done.ids[n].as_str());
    copy_run(done, here, &runs);
    copy_run(done, there, &mine);
    symlink(&mine, runs.join(".trash")).unwrap();
    let before = census(&mine);
    let site = Site::start(&runs);
    let run = format!("/runs/{here}");
    for (method, target) in [("DELETE", &run), ("POST", &format!("/runs/{there}/restore")), ("GET", &"/trash".into())] {
        assert_eq!(site.send(method, target, &[], b"").status, 500, "{method} {target}");
    }
    assert_eq!(listed(&site), [here]);
    let types =
        site.events(&format!("{run}/events"), None).rest().into_iter().map(|event| event.json()["type"].clone());
    assert!(types.collect::<Vec<_>>().ends_with(&[json!("deleted"), json!("restored")]), "what was tried is told");
    assert!(site.get(&run).json().get("deleted_ms").is_none());
    assert_eq!(census(&mine), before, "something outside was touched");
}
