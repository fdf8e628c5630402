//! The pages without JavaScript: every number is in the HTML, and the forms work.

use crate::support::{Site, finished, tiny};
use serde_json::json;

const FORM: [(&str, &str); 2] =
    [("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "text/html,*/*;q=0.8")];

#[test]
fn pages_show_the_numbers() {
    let done = finished();
    let id = &done.ids[0];
    let state = done.site.get(&format!("/runs/{id}")).json();
    let accuracy = format!("{:.1} %", state["test_accuracy"].as_f64().unwrap() * 100.0);
    let compare = format!("/compare?runs={}", done.ids.join(","));
    for target in ["/", &compare, &format!("/runs/{id}")] {
        let page = done.site.get_page(target);
        assert_eq!(page.status, 200, "{target}");
        assert!(page.header("content-type").starts_with("text/html"));
        let html = page.text();
        for text in ["shared · V1.0", "FINISHED", &accuracy, "generated digits"] {
            assert!(html.contains(text), "{target} does not show {text}");
        }
        // What the head begins with is the one script that the policy lets stand in a page.
        let scripts = html.split("<script").skip(1).filter(|tag| !tag.split('>').next().unwrap().contains(" src="));
        assert!(scripts.count() == 1 && !html.contains(" style=\""), "{target}: nothing inline under this policy");
    }
    // The page that needs no server has what the live one asks for.
    let replay = done.site.get(&format!("/compare/replay?runs={}", done.ids.join(","))).text();
    let known = done.site.get("/metrics-table").json();
    assert!(replay.contains(&format!("\"milestones\":{}", known["milestones"])), "the milestones are missing");
    let run = done.site.get_page(&format!("/runs/{id}")).text();
    for text in ["embeddings/test-0002.npy", "/archive", "batch_size", "0.03125", "Intra-class distance"] {
        assert!(run.contains(text), "the run's page does not show {text}");
    }
    let home = done.site.get_page("/").text();
    for text in ["<form", "name=\"epochs\"", "name=\"variants\""] {
        assert!(home.contains(text), "the home page does not show {text}");
    }
}

#[test]
fn failures_are_pages_for_people() {
    let done = finished();
    let unknown = "01a20bc0-95e5-75ae-bf61-e46d29aa5d9a";
    for (status, target) in [
        (404, "/nothing".to_string()),
        (404, format!("/runs/{unknown}")),
        (404, format!("/compare?runs={unknown}")),
        (400, "/compare".to_string()),
        (400, "/compare?runs=1,2,3,4,5,6,7".to_string()),
    ] {
        let page = done.site.get_page(&target);
        assert_eq!(page.status, status, "{target}");
        assert!(page.header("content-type").starts_with("text/html"), "{target}");
        assert!(page.text().contains(&status.to_string()), "{target}");
    }
}

#[test]
fn what_a_name_holds_is_text() {
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(home.path());
    let request = tiny(json!({"variant": "v1.0", "name": "<script>alert(1)</script>\"'&"}));
    let id = site.start_runs(request).remove(0);
    site.events(&format!("/runs/{id}/events"), None).rest();
    for target in ["/".to_string(), format!("/runs/{id}"), format!("/compare?runs={id}")] {
        let html = site.get_page(&target).text();
        assert!(!html.contains("<script>alert"), "{target}");
        assert!(html.contains("&#60;script&#62;alert(1)"), "{target}");
    }
}

#[test]
fn the_forms_work_without_javascript() {
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(home.path());
    let fields = "dataset=generated&train_images=64&width=0.03125&epochs=1&batch_size=32&device=&seed=&name=by+hand%21";
    let reply = site.send("POST", "/runs", &FORM, format!("variants=v1.0&variants=v1.2&{fields}").as_bytes());
    assert_eq!(reply.status, 303, "{}", reply.text());
    let ids = reply.header("location").strip_prefix("/compare?runs=").unwrap().split(',').collect::<Vec<_>>();
    assert_eq!(ids.len(), 2);
    let state = site.get(&format!("/runs/{}", ids[1])).json();
    assert_eq!((state["name"].as_str(), state["variant"].as_str()), (Some("by hand! · V1.2"), Some("v1.2")));
    assert_eq!((state["spec"]["width"].as_f64(), state["seed"].as_u64()), (Some(0.03125), Some(1)));

    let stop = site.send("POST", &format!("/runs/{}/stop", ids[0]), &FORM, b"");
    assert_eq!((stop.status, stop.header("location")), (303, format!("/runs/{}", ids[0]).as_str()));

    let wrong = site.send("POST", "/runs", &FORM, b"epochs=many");
    assert_eq!(wrong.status, 422);
    assert!(wrong.header("content-type").starts_with("text/html"));
    assert!(wrong.text().contains("a whole number from 1 to 1000"), "{}", wrong.text());
}
