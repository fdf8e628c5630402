//! The list of runs, the query language over HTTP, edits, and the stream that keeps a list up to date.

use crate::support::{Site, endless, finished};
use serde_json::{Value, json};
use std::fs;

const JSON: (&str, &str) = ("Content-Type", "application/json");

/// The names of the runs of an answer, without what they have in common.
fn names(list: &Value) -> Vec<&str> {
    let runs = list["runs"].as_array().unwrap().iter();
    runs.map(|run| run["name"].as_str().unwrap().trim_start_matches("shared · ")).collect()
}

#[test]
fn a_list_is_filtered_sorted_and_paged() {
    let site = &finished().site;
    let list = |target: &str| {
        let reply = site.get(target);
        assert_eq!(reply.status, 200, "{target}: {}", reply.text());
        reply.json()
    };
    assert_eq!(names(&list("/runs?sort=name")), ["V1.0", "V1.1", "V1.2"]);
    assert_eq!(names(&list("/runs")), ["V1.2", "V1.1", "V1.0"]);
    assert_eq!(names(&list("/runs?query=variant+%3D+v1.1+or+network+%3D+shallow&sort=-name")), ["V1.2", "V1.1"]);
    assert_eq!(
        names(&list("/runs?query=shared+not+v1.0+loss+%3D+root+epoch+%3D+2+width+%3C+4%25&sort=name")),
        ["V1.1", "V1.2"]
    );
    assert_eq!(list("/runs?query=status+%3D+failed")["total"], 0);
    let ids = list(&format!("/runs?ids={}&format=ids", finished().ids[..2].join(",")));
    assert_eq!(ids["ids"].as_array().unwrap().len(), 2);

    let first = list("/runs?sort=name&limit=2");
    assert_eq!((names(&first), &first["total"]), (vec!["V1.0", "V1.1"], &json!(3)));
    let next = first["next"].as_str().unwrap().replace(' ', "%20").replace('·', "%C2%B7");
    let last = list(&format!("/runs?sort=name&limit=2&cursor={next}"));
    assert_eq!((names(&last), &last["next"]), (vec!["V1.2"], &json!(null)));

    let run = &list("/runs?limit=1")["runs"][0];
    assert_eq!(run["spec"]["width"], 0.03125);
    assert_eq!(run["metrics"]["test_accuracy"]["last"], run["test_accuracy"]);
    assert_eq!(run["curves"]["train_loss"].as_array().unwrap().len(), 2);
}

#[test]
fn what_is_wrong_with_a_list_is_told() {
    let site = &finished().site;
    let problem = |target: &str| {
        let reply = site.get(target);
        assert_eq!((reply.status, reply.header("content-type")), (400, "application/problem+json"), "{target}");
        reply.json()
    };
    let query = problem("/runs?query=accuracy+%3E+high");
    assert_eq!((&query["field"], &query["position"], &query["length"]), (&json!("query"), &json!(11), &json!(4)));
    assert_eq!(query["expected"], "a share from 0 to 1, like 0.98 or 98% for `test_accuracy`");
    for (field, value) in
        [("sort", "colour"), ("limit", "0"), ("cursor", "x"), ("ids", "x"), ("format", "xml"), ("offset", "x")]
    {
        assert_eq!(problem(&format!("/runs?{field}={value}"))["field"], field);
    }
    let unknown = site.get("/runs?quary=v1.1");
    assert_eq!((unknown.status, &unknown.json()["field"]), (400, &json!("quary")), "no parameter is passed over");
    assert!(unknown.text().contains("did you mean `query`?"), "{}", unknown.text());
    let check = site.get("/runs/check?query=seed+%3D").json();
    assert_eq!((&check["error"]["position"], &check["error"]["length"]), (&json!(6), &json!(0)));
    assert_eq!(site.get("/runs/check?query=seed+%3D+1").json(), json!({"error": null}));
    assert_eq!(problem("/events/summaries?after=x")["field"], "after");

    let page = site.get_page("/runs?query=accuracy+%3E+high");
    assert_eq!(page.status, 400);
    for text in ["value=\"accuracy &#62; high\"", "expected a share from 0 to 1", "shared · V1.0"] {
        assert!(page.text().contains(text), "the page does not show {text}");
    }
}

#[test]
fn the_table_works_without_javascript() {
    let site = &finished().site;
    let state = site.get(&format!("/runs/{}", finished().ids[0])).json();
    let page = site.get_page("/runs?query=network+%3D+deep&sort=name&limit=1").text();
    let accuracy = format!("{:.2} %", state["best_test_accuracy"].as_f64().unwrap() * 100.0);
    for text in [
        "shared · V1.0",
        "FINISHED",
        "generated digits",
        &accuracy,
        "2 / 2",
        "aria-sort=\"ascending\"",
        "/runs?query=network+%3D+deep&#38;sort=-name\"",
        "/runs?query=network+%3D+deep+and+status+%3D+%22FINISHED%22&#38;sort=name\"",
        "Next page",
    ] {
        assert!(page.contains(text), "the page does not show {text}");
    }
    assert!(!page.contains("V1.1</a>") && !page.contains(" style=\""), "{page}");
    let next = page.split("href=\"").find(|link| link.contains("cursor=")).unwrap().split('"').next().unwrap();
    let second = site.get_page(&next.replace("&#38;", "&")).text();
    assert!(second.contains("V1.1</a>") && !second.contains("V1.0</a>") && !second.contains("Next page"));
    assert!(site.get_page("/").text().contains("href=\"/runs\""));
}

#[test]
fn fields_facets_and_csv_say_what_there_is() {
    let site = &finished().site;
    let fields = site.get("/runs/fields").json();
    let field = |name: &str| fields["fields"].as_array().unwrap().iter().find(|f| f["name"] == name).unwrap().clone();
    assert_eq!(field("batch_size")["path"], "spec.batch_size");
    assert_eq!(field("variant")["values"], json!(["v1.0", "v1.1", "v1.2"]));
    assert_eq!(field("best_test_loss")["higher_is_better"], false);
    let facets = site.get("/runs/facets?query=variant+%3D+v1.0").json();
    let facet = facets["facets"].as_array().unwrap().iter().find(|f| f["field"] == "variant").unwrap();
    let counts = facet["values"].as_array().unwrap().iter().map(|v| (v["count"].clone(), v["chosen"].clone()));
    let expected = [(json!(1), json!(true)), (json!(1), json!(false)), (json!(1), json!(false))];
    assert_eq!(counts.collect::<Vec<_>>(), expected);

    let csv = site.get("/runs?format=csv&columns=name,status,lr&sort=name");
    assert!(csv.header("content-disposition").contains("runs.csv"));
    let text = csv.text();
    let lines = text.lines().collect::<Vec<_>>();
    assert_eq!((lines[0], lines.len()), ("name,status,lr", 4));
    assert_eq!(lines[1], "shared · V1.0,FINISHED,0.01");
    assert!(site.get("/runs?format=csv").text().starts_with("status,name,variant,"));

    // The circumstances are fields, too.
    let state = site.get(&format!("/runs/{}", finished().ids[0])).json();
    let columns = "threads,parameters,version,host,precision_used,epochs_to_95,fork_epoch";
    let csv = site.get(&format!("/runs?format=csv&ids={}&columns={columns}", finished().ids[0])).text();
    let told =
        ["threads", "parameters", "version", "host", "precision"].map(|name| state[name].to_string().replace('"', ""));
    let reached = state["reached"]["epochs_to_95"].as_u64().map(|n| n.to_string()).unwrap_or_default();
    assert_eq!(csv.lines().nth(1).unwrap(), format!("{},{reached},", told.join(",")));
    let version = told[2].as_str();
    let found = site.get(&format!("/runs?query=version+%3D+{version}+and+threads+%3E+0+and+commit+!%3D+none")).json();
    assert_eq!(found["total"], if state["commit"].is_null() { 0 } else { 3 });
    assert_eq!(site.get(&format!("/runs?query=version+%3D+{version}+not+host+%3D+none")).json()["total"], 3);
}

#[test]
fn edits_last_and_are_events() {
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(home.path());
    let id = site.tiny_run();
    let url = format!("/runs/{id}");
    let edit = |site: &Site, body: Value| site.send("PATCH", &url, &[JSON], body.to_string().as_bytes());
    let before = site.get(&url).json();
    let position = site.get("/runs").json()["position"].as_str().unwrap().to_string();
    let mut news = site.events(&format!("/events/summaries?after={position}"), None);

    let reply = edit(&site, json!({"name": "renamed", "tags": ["paper", "a b"], "notes": "line\nline"}));
    assert_eq!((reply.status, &reply.json()["name"]), (200, &json!("renamed")));
    // The run's own end may be told first.
    let told = news.by_ref().map(|event| event.json()).find(|told| told["runs"][0]["name"] == "renamed").unwrap();
    assert_eq!((&told["runs"][0]["id"], &told["runs"][0]["tags"]), (&json!(id), &json!(["paper", "a b"])));
    assert_eq!(told["runs"][0]["seq"], reply.json()["seq"]);
    let log = site.events(&format!("{url}/events"), None).rest();
    let last = log.last().unwrap().json();
    assert_eq!((&last["type"], &last["name"], &last["seq"]), (&json!("edited"), &json!("renamed"), &json!(log.len())));
    assert!(last.get("archived").is_none(), "what isn't edited isn't said: {last}");

    // What says nothing new is no event; what makes no sense changes nothing.
    assert_eq!(edit(&site, json!({"name": "renamed"})).status, 200);
    for (field, body) in
        [("tags", json!({"tags": ["a,b"]})), ("notes", json!({"notes": 1})), ("seed", json!({"seed": 2}))]
    {
        let wrong = edit(&site, body);
        assert_eq!((wrong.status, &wrong.json()["field"]), (422, &json!(field)));
    }
    assert_eq!(edit(&site, json!({"archived": true})).status, 200);
    assert_eq!(site.get(&url).json()["seq"], before["seq"].as_u64().unwrap() + 2);
    assert_eq!(site.get("/runs").json()["total"], 0);
    assert_eq!(site.get("/runs?query=archived+%3D+true+tag+%3D+paper").json()["total"], 1);
    drop(site);

    let site = Site::start(home.path());
    let after = site.get(&url).json();
    assert_eq!(
        (&after["name"], &after["archived"], &after["status"]),
        (&json!("renamed"), &json!(true), &json!("FINISHED"))
    );
    assert_eq!((&after["history"], &after["ended_ms"]), (&before["history"], &before["ended_ms"]));
    let summary = fs::read_to_string(home.path().join(&id).join("run.json")).unwrap();
    assert!(summary.contains("\"renamed\""), "{summary}");
}

#[test]
fn a_list_hears_of_every_run() {
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(home.path());
    let mut news = site.events("/events/summaries", None);
    let id = site.start_runs(endless(json!({"variant": "v1.2"}))).remove(0);
    let mut until = |wanted: &dyn Fn(&Value) -> bool| {
        let mut events = news.by_ref().map(|event| (event.id.clone(), event.json()));
        let found =
            events.find(|(_, told)| told["runs"].as_array().unwrap().iter().any(|run| run["id"] == id && wanted(run)));
        found.expect("the stream goes on").0
    };
    until(&|run| run["status"] == "RUNNING" && run["step"].as_u64().unwrap() > 0);
    // An edit of a run that trains, among its other events.
    let edit = json!({"tags": ["live"]}).to_string();
    assert_eq!(site.send("PATCH", &format!("/runs/{id}"), &[JSON], edit.as_bytes()).status, 200);
    let position = until(&|run| run["tags"] == json!(["live"]) && run["status"] == "RUNNING");
    assert_eq!(site.post(&format!("/runs/{id}/stop"), &json!({})).status, 202);
    until(&|run| run["status"] == "KILLED");
    // Who lost the connection hears, once, how things are now.
    let mut again = site.events("/events/summaries", Some(&position));
    let told = again.next().unwrap().json();
    assert_eq!(told["runs"].as_array().unwrap().len(), 1);

    // Of what happened before it started, a server can only say that something may have.
    let (mut site, mut news) = (site, again);
    site.ask_to_end();
    while news.next().is_some() {}
    drop(site);
    let site = Site::start(home.path());
    let mut again = site.events("/events/summaries", Some(&position));
    let told = again.next().unwrap();
    assert_eq!(
        (told.kind.as_str(), told.id),
        ("reload", site.get("/runs").json()["position"].as_str().unwrap().into())
    );
}
