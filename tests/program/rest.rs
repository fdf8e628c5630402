//! The REST contract of `docs/api.md`.

use crate::support::{Site, endless, finished, tiny};
use centerscope::config::Config;
use serde_json::{Value, json};
use std::fs;

const JSON: (&str, &str) = ("Content-Type", "application/json");

#[test]
fn a_post_without_a_body_starts_the_three_variants_and_stop_stops_them() {
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(home.path());
    let reply = site.send("POST", "/runs", &[], b"");
    assert_eq!(reply.status, 201);
    let answer = reply.json();
    assert_eq!(reply.header("location"), answer["url"]);
    let runs = answer["runs"].as_array().unwrap();
    let variants = runs.iter().map(|run| run["variant"].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(variants, ["v1.0", "v1.1", "v1.2"]);
    let ids = runs.iter().map(|run| run["id"].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(answer["url"], format!("/compare?runs={}", ids.join(",")));
    for run in runs {
        let url = run["url"].as_str().unwrap();
        assert!(["SCHEDULED", "RUNNING"].contains(&run["status"].as_str().unwrap()));
        let stop = site.send("POST", &format!("{url}/stop"), &[], b"");
        // The answer tells of the end, or, on a busy machine, that it is yet to come.
        let told = stop.json();
        assert_eq!(
            (stop.status, &told["id"], &told["stopping"]),
            (202, &run["id"], &json!(told["status"] != "KILLED"))
        );
        site.events(&format!("{url}/events"), None).rest();
        let state = site.get(url).json();
        assert_eq!((state["status"].as_str(), state["reason"].as_str()), (Some("KILLED"), Some("stopped by hand")));
        assert_eq!(state["comparison"], answer["comparison"]);
        // Again, after the end: no harm.
        let again = site.send("POST", &format!("{url}/stop"), &[], b"");
        let again = (again.status, again.json());
        assert_eq!((again.0, &again.1["status"], &again.1["stopping"]), (202, &json!("KILLED"), &json!(false)));
    }
}

#[test]
fn one_run_and_a_chosen_comparison() {
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(home.path());
    let one = site.post("/runs", &tiny(json!({"network": "shallow", "distance": "squared", "name": "mine"}))).json();
    assert_eq!(one["comparison"], Value::Null);
    assert_eq!(one["runs"][0]["variant"], Value::Null);
    assert_eq!(one["runs"][0]["name"], "mine");
    assert_eq!(one["url"], one["runs"][0]["url"]);
    let two = site.post("/runs", &tiny(json!({"variants": ["v1.0", "v1.2"], "seed": 7}))).json();
    let specs = two["runs"].as_array().unwrap().iter().map(|run| site.get(run["url"].as_str().unwrap()).json());
    let specs = specs.map(|state| state["spec"].clone()).collect::<Vec<_>>();
    assert_eq!(specs.iter().map(|spec| &spec["seed"]).collect::<Vec<_>>(), [7, 7]);
    assert_eq!(specs.iter().map(|spec| &spec["network"]).collect::<Vec<_>>(), ["deep", "shallow"]);
}

#[test]
fn a_request_that_makes_no_sense_is_refused_with_a_reason() {
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(home.path());
    let large = format!("{{\"name\": \"{}\"}}", "x".repeat(70_000));
    let text = ("Content-Type", "text/plain");
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    for (status, headers, body) in [
        (400, vec![JSON], "{"),
        (400, vec![JSON], "[]"),
        (400, vec![JSON], "3"),
        (400, vec![JSON], "\u{0}"),
        (413, vec![JSON], large.as_str()),
        (415, vec![text], "{}"),
        (415, vec![form], "epochs=1"),
        (415, vec![], "{}"),
    ] {
        let reply = site.send("POST", "/runs", &headers, body.as_bytes());
        assert_eq!(reply.status, status, "{} {}", &body[..body.len().min(20)], reply.text());
        assert_eq!(reply.header("content-type"), "application/problem+json");
        let problem = reply.json();
        assert_eq!((problem["status"].as_u64(), problem["type"].as_str()), (Some(status.into()), Some("about:blank")));
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
    }
    for (field, value) in [
        ("epochs", json!(0)),
        ("epochs", json!("3")),
        ("epochs", json!(1.5)),
        ("seed", json!(-1)),
        ("lr", json!(11)),
        ("width", json!(null)),
        ("variant", json!("v9")),
        ("variants", json!([])),
        ("variants", json!(["v1.0", "v9"])),
        ("device", json!("tpu")),
        ("device", json!("cuda")),
        ("precision", json!("fp8")),
        ("name", json!("a\u{7}b")),
        ("epoch", json!(3)),
    ] {
        if field == "device" && value == "cuda" && cfg!(feature = "cuda") {
            eprintln!("SKIPPED: asking for CUDA in vain (this build may have it)");
            continue;
        }
        let reply = site.post("/runs", &json!({field: value}));
        assert_eq!(reply.status, 422, "{field} {value}");
        let problem = reply.json();
        assert_eq!((&problem["field"], &problem["value"]), (&json!(field), &value));
        assert!(problem["detail"].as_str().unwrap().starts_with(&format!("{field}: got ")), "{problem}");
        assert!(!problem["expected"].as_str().unwrap().is_empty());
    }
    let both = site.post("/runs", &json!({"variant": "v1.1", "distance": "squared"}));
    assert_eq!((both.status, both.json()["field"].as_str()), (422, Some("distance")));
    assert_eq!(site.get("/runs").json()["runs"], json!([]), "nothing was started");
}

#[test]
fn addresses_that_lead_nowhere() {
    let done = finished();
    let run = format!("/runs/{}", done.ids[0]);
    for (status, method, target) in [
        (404, "GET", "/nothing".into()),
        (404, "GET", "/runs/nonsense".into()),
        (404, "GET", "/runs/01a20bc0-95e5-75ae-bf61-e46d29aa5d9a".into()),
        (404, "POST", "/runs/nonsense/stop".into()),
        (404, "GET", format!("/runs/{}", done.ids[0].to_uppercase())),
        (404, "GET", format!("{run}/embeddings/99")),
        (404, "GET", format!("{run}/embeddings/0")),
        (404, "GET", format!("{run}/embeddings/x")),
        (400, "GET", format!("{run}/embeddings/1?split=both")),
        (400, "GET", format!("{run}/embeddings/1?format=xml")),
        (400, "GET", format!("{run}/metrics?format=xml")),
        (404, "GET", format!("{run}/artifacts/nothing.txt")),
        (400, "GET", "/compare/alignment".into()),
        (400, "GET", format!("/compare/alignment?runs={}&reference={}", done.ids[0], done.ids[1])),
        (404, "GET", "/compare/alignment?runs=01a20bc0-95e5-75ae-bf61-e46d29aa5d9a".into()),
        (404, "GET", "/runs/%ff".into()),
        (405, "PUT", run.clone()),
        (404, "DELETE", "/runs/nonsense".into()),
        (404, "DELETE", "/runs/01a20bc0-95e5-75ae-bf61-e46d29aa5d9a".into()),
        (404, "POST", "/runs/01a20bc0-95e5-75ae-bf61-e46d29aa5d9a/restore".into()),
        (405, "GET", format!("{run}/stop")),
        (404, "GET", "/static/nothing.js".into()),
    ] {
        let reply = done.site.send(method, &target, &[], b"");
        assert_eq!(reply.status, status, "{method} {target}");
        assert_eq!(reply.header("content-type"), "application/problem+json", "{method} {target}");
        assert_eq!(reply.json()["status"], status);
        if status == 405 {
            assert!(!reply.header("allow").is_empty());
        }
    }
}

#[test]
fn no_address_passes_over_a_parameter_that_it_does_not_take() {
    let done = finished();
    let document = done.site.get("/openapi.json").json();
    let fill = [
        ("id", done.ids[0].as_str()),
        ("epoch", "1"),
        ("set", "mnist"),
        ("split", "test"),
        ("index", "0"),
        ("name", "spec.json"),
    ];
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let target = fill.iter().fold(path.clone(), |path, (name, value)| path.replace(&format!("{{{name}}}"), value));
        for (method, operation) in item.as_object().unwrap() {
            let refused = |query: &str, field: &str| {
                let reply = done.site.send(&method.to_uppercase(), &format!("{target}?{query}"), &[], b"");
                assert_eq!(reply.header("content-type"), "application/problem+json", "{method} {target}?{query}");
                let problem = reply.json();
                assert_eq!((reply.status, problem["field"].as_str()), (400, Some(field)), "{method} {target}?{query}");
                problem["expected"].as_str().unwrap().to_string()
            };
            let told = refused("nonsense=1", "nonsense");
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            for parameter in parameters.filter(|parameter| parameter["in"] == "query") {
                let name = parameter["name"].as_str().unwrap();
                assert!(told.contains(name), "{method} {target}: {told}");
                if parameter["x-repeats"] != true {
                    refused(&format!("{name}=1&{name}=1"), name);
                }
                asked += 1;
            }
            assert!(operation["responses"]["400"].is_object(), "{method} {path}");
        }
    }
    assert!(asked > 40, "{asked} parameters");
    // The page of a run keeps there what it shows.
    assert_eq!(done.site.get_page(&format!("/runs/{}?epoch=1&hide=3", done.ids[0])).status, 200);
}

#[test]
fn a_run_is_told_in_full() {
    let done = finished();
    let list = done.site.get("/runs").json();
    let ids = list["runs"].as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(ids, done.ids.iter().rev().map(String::as_str).collect::<Vec<_>>(), "newest first");

    let state = done.site.get(&format!("/runs/{}", done.ids[0])).json();
    for (name, value) in list["runs"][2].as_object().unwrap() {
        assert_eq!(&state[name], value, "{name} of the summary is in the state");
    }
    assert_eq!(state["name"], "shared · V1.0");
    assert_eq!(state["status"], "FINISHED");
    assert_eq!((state["epoch"].as_u64(), state["epochs"].as_u64()), (Some(2), Some(2)));
    assert_eq!(state["data"]["name"], "generated digits");
    assert_eq!((state["train_images"].as_u64(), state["steps_per_epoch"].as_u64()), (Some(3200), Some(100)));
    assert!(state["created_ms"].as_u64() <= state["started_ms"].as_u64());
    assert!(state["started_ms"].as_u64() <= state["ended_ms"].as_u64());
    let history = state["history"].as_array().unwrap();
    assert_eq!(history.len(), 2);
    let last = &history[1];
    assert_eq!(state["test_accuracy"], last["metrics"]["test_accuracy"]);
    let counted = last["confusion"].as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap());
    assert_eq!(counted.map(|n| n.as_u64().unwrap()).sum::<u64>(), state["data"]["test_images"].as_u64().unwrap());
    assert_eq!(last["geometry"]["weight"].as_array().unwrap().len(), 10);
    assert!(!state["progress"].as_array().unwrap().is_empty());
}

#[test]
fn metrics_as_json_and_as_csv_agree() {
    let done = finished();
    let target = format!("/runs/{}/metrics", done.ids[1]);
    let json = done.site.get(&target).json();
    let csv = done.site.get(&format!("{target}?format=csv"));
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(csv.body, done.site.send("GET", &target, &[("Accept", "text/csv")], b"").body);
    assert_eq!(csv.body, fs::read(done.runs_dir.join(&done.ids[1]).join("metrics.csv")).unwrap());
    let text = csv.text();
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    assert_eq!(lines.clone().count(), 2);
    for (row, epoch) in lines.zip(json["epochs"].as_array().unwrap()) {
        assert_eq!(row.len(), header.len());
        for (name, value) in header.iter().zip(row) {
            assert_eq!(epoch[*name].as_f64().unwrap(), value.parse::<f64>().unwrap(), "{name}");
        }
    }
    let known = json["metrics"].as_array().unwrap();
    assert_eq!(done.site.get("/metrics-table").json()["metrics"].as_array().unwrap(), known);
    assert!(known.iter().any(|m| m["name"] == "test_accuracy" && m["higher_is_better"] == true));
}

#[test]
fn a_full_queue_says_so_and_a_waiting_run_can_be_stopped() {
    let home = tempfile::tempdir().unwrap();
    let site = Site::with(Config { jobs: 1, ..Config::for_testing(home.path()) }).unwrap();
    let finished = site.tiny_run();
    let first = site.start_runs(endless(json!({"variant": "v1.0"}))).remove(0);
    site.events(&format!("/runs/{first}/events"), None).until("preparing");
    let mut waiting = Vec::new();
    for _ in 0..20 {
        waiting.extend(site.start_runs(endless(json!({"variants": ["v1.0", "v1.1", "v1.2", "v1.0", "v1.1"]}))));
    }
    let reply = site.post("/runs", &tiny(json!({"variant": "v1.0"})));
    assert_eq!(reply.status, 429, "{}", reply.text());
    assert_eq!(site.get("/runs").json()["total"], 102);

    let stop = site.send("POST", &format!("/runs/{}/stop", waiting[50]), &[], b"");
    assert_eq!((stop.status, stop.json()["status"].as_str()), (202, Some("KILLED")));
    assert_eq!(site.post("/runs", &tiny(json!({"variant": "v1.0"}))).status, 201, "there is room again");

    // Who goes on asking is told when to come back, instead of what is full, whichever way runs come about.
    for (target, body) in [
        ("/runs".into(), tiny(json!({"variant": "v1.0"}))),
        (format!("/runs/{finished}/fork"), json!({"epoch": 1})),
        (format!("/runs/{}/resume", waiting[50]), json!({})),
    ] {
        let mut asked = 0;
        let slower = loop {
            let reply = site.post(&target, &body);
            assert_eq!(reply.status, 429, "{target}: {}", reply.text());
            asked += 1;
            assert!(asked < 5000, "{target}: {}", reply.text());
            if reply.text().contains("times a second") {
                break reply;
            }
        };
        assert!(slower.header("retry-after").parse::<u64>().unwrap() >= 1, "{target}");
    }
}

#[test]
fn a_disk_that_refuses_fails_the_run_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(home.path());
    let id = site.start_runs(endless(json!({"variant": "v1.0"}))).remove(0);
    // A file where the folder of the embeddings must go: the first epoch can't be stored.
    fs::write(home.path().join(&id).join("embeddings"), "in the way").unwrap();
    let last = site.events(&format!("/runs/{id}/events"), None).rest().pop().unwrap().json();
    assert_eq!(last["type"], "failed");
    assert!(last["reason"].as_str().unwrap().contains("can't write to the run's folder"), "{last}");
    assert_eq!(site.get(&format!("/runs/{id}")).json()["status"], "FAILED");
    assert_eq!(site.get(&format!("/runs/{}", site.tiny_run())).json()["status"], "FINISHED");
}

#[test]
fn the_server_is_well() {
    assert_eq!(finished().site.get("/healthz").text(), "ok");
}
