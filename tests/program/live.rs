//! The live streams: every line once, in order, whatever happens to the connection.

use crate::support::{Event, Site, endless, finished, tiny};
use centerscope::config::Config;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;

#[test]
fn a_stream_tells_the_log_line_by_line_and_resumes_anywhere() {
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(home.path());
    let id = site.start_runs(tiny(json!({"variant": "v1.1"}))).remove(0);
    let all = site.events(&format!("/runs/{id}/events"), None).rest();

    let types = all.iter().map(|e| e.json()["type"].as_str().unwrap().to_string()).collect::<Vec<_>>();
    assert_eq!(types.first().unwrap(), "scheduled");
    assert_eq!(types.last().unwrap(), "finished");
    assert!(types.iter().position(|t| t == "preparing") < types.iter().position(|t| t == "started"));
    assert_eq!(types.iter().filter(|t| *t == "epoch").count(), 2);
    for (index, event) in all.iter().enumerate() {
        assert_eq!(event.id, (index + 1).to_string());
        assert_eq!(event.json()["seq"], index + 1);
    }
    let log = fs::read_to_string(home.path().join(&id).join("events.jsonl")).unwrap();
    assert_eq!(log.lines().collect::<Vec<_>>(), all.iter().map(|e| e.data.as_str()).collect::<Vec<_>>());

    for position in 0..=all.len() {
        let rest = site.events(&format!("/runs/{id}/events"), Some(&position.to_string())).rest();
        assert_eq!(rest, all[position..], "after {position}");
    }
    let rest = site.events(&format!("/runs/{id}/events?after=2"), None).rest();
    assert_eq!(rest, all[2..]);
}

#[test]
fn a_stream_of_several_runs_resumes_without_loss_or_repetition() {
    let done = finished();
    let target = format!("/events?runs={}", done.ids.join(","));
    let by_run = |events: &[Event]| {
        let mut runs = BTreeMap::<String, Vec<String>>::new();
        for event in events {
            let mut line = event.json();
            let run = line.as_object_mut().unwrap().remove("run").unwrap();
            runs.entry(run.as_str().unwrap().into()).or_default().push(line.to_string());
        }
        runs
    };
    let all = done.site.events(&target, None).rest();
    let whole = by_run(&all);
    assert_eq!(whole.len(), 3);
    for (id, lines) in &whole {
        let alone = done.site.events(&format!("/runs/{id}/events"), None).rest();
        assert_eq!(&alone.iter().map(|e| e.json().to_string()).collect::<Vec<_>>(), lines);
    }
    for cut in [1, all.len() / 2, all.len()] {
        let mut pieces = all[..cut].to_vec();
        pieces.extend(done.site.events(&target, Some(&all[cut - 1].id)).rest());
        assert_eq!(by_run(&pieces), whole, "cut after {cut}");
    }
}

#[test]
fn a_watcher_that_does_not_read_holds_nobody_up_and_misses_nothing() {
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(home.path());
    let id = site.start_runs(tiny(json!({"variant": "v1.0"}))).remove(0);
    let asleep = site.events(&format!("/runs/{id}/events"), None);
    let all = site.events(&format!("/runs/{id}/events"), None).rest();
    assert_eq!(asleep.rest(), all);
}

#[test]
fn many_watchers_come_and_go_and_those_who_stay_miss_nothing() {
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(home.path());
    let id = site.start_runs(endless(json!({"variant": "v1.0"}))).remove(0);
    let target = format!("/runs/{id}/events");
    let watchers = (0..100).map(|_| site.events(&target, None)).collect::<Vec<_>>();
    assert_eq!(site.gauge("centerscope_watchers"), 100.0);
    for _ in 0..1000 {
        drop(site.events(&target, None));
    }
    assert_eq!(site.gauge("centerscope_watchers_opened_total"), 1100.0);
    site.post(&format!("/runs/{id}/stop"), &json!({}));
    let all = site.events(&target, None).rest();
    for watcher in watchers {
        assert_eq!(watcher.rest(), all);
    }
    // Nothing is kept for those who left; the server notices when it next has something to say, or at once.
    while site.gauge("centerscope_watchers") > 0.0 {
        std::thread::yield_now();
    }
}

#[test]
fn a_full_house_turns_watchers_away() {
    let home = tempfile::tempdir().unwrap();
    let site = Site::with(Config { watchers: 2, ..Config::for_testing(home.path()) }).unwrap();
    let id = site.start_runs(endless(json!({"variant": "v1.0"}))).remove(0);
    let target = format!("/runs/{id}/events");
    let inside = [site.events(&target, None), site.events(&target, None)];
    let refused = site.get(&target);
    assert_eq!(refused.status, 503);
    assert!(refused.json()["detail"].as_str().unwrap().contains("--watchers"));
    assert_eq!(site.get("/runs").status, 200, "pages are served");
    for several in [format!("/events?runs={id}"), "/events?runs=nonsense".into()] {
        assert_eq!(site.get(&several).status, 503, "{several}: nothing is looked for");
    }
    drop(inside);
    while site.get_head(&target) == 503 {
        std::thread::yield_now();
    }
}

#[test]
fn a_position_that_is_none_is_an_error() {
    let done = finished();
    let one = format!("/runs/{}/events", done.ids[0]);
    let several = format!("/events?runs={}", done.ids.join(","));
    for (target, position) in [(&one, "x"), (&one, "1.2"), (&one, "-1"), (&several, "1.2"), (&several, "1.2.3.4")] {
        let reply = done.site.send("GET", target, &[("Last-Event-ID", position)], b"");
        assert_eq!(reply.status, 400, "{target} {position}");
    }
    assert_eq!(done.site.get("/events").status, 400);
    let many = (0..17).map(|n| n.to_string()).collect::<Vec<_>>();
    assert_eq!(done.site.get(&format!("/events?runs={}", many.join(","))).status, 400);
    assert_eq!(done.site.get("/events?runs=nonsense").status, 404);
}

#[test]
fn the_end_of_the_server_is_told_to_the_watchers() {
    let home = tempfile::tempdir().unwrap();
    let mut site = Site::start(home.path());
    let id = site.start_runs(endless(json!({"variant": "v1.0"}))).remove(0);
    let mut watcher = site.events(&format!("/runs/{id}/events"), None);
    watcher.until("progress");
    site.ask_to_end();
    let rest = watcher.collect::<Vec<_>>();
    let [.., killed, shutdown] = rest.as_slice() else { panic!("{rest:?}") };
    assert_eq!(killed.json()["type"], "killed");
    assert_eq!(killed.json()["reason"], "the server was stopped");
    assert_eq!(shutdown.kind, "shutdown");
}
