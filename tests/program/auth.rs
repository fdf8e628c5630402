//! Tokens: what a server on the network asks for, and what each token opens.

use crate::support::{Site, tiny};
use centerscope::config::Config;
use centerscope::serve::ServeError;
use serde_json::json;

const CHANGE: &str = "a-token-that-changes-things";
const LOOK: &str = "a-token-that-only-looks";
const PAGE: (&str, &str) = ("Accept", "text/html");
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

fn guarded(runs_dir: &std::path::Path) -> Site {
    let config = Config { token: Some(CHANGE.into()), read_token: Some(LOOK.into()), ..Config::for_testing(runs_dir) };
    Site::with(config).unwrap()
}

#[test]
fn each_token_opens_what_it_is_for() {
    let home = tempfile::tempdir().unwrap();
    let site = guarded(home.path());
    let bearer = |token: &str| format!("Bearer {token}");
    let ask = |method: &str, target: &str, token: &str| {
        site.send(
            method,
            target,
            &[("Authorization", &bearer(token)), ("Content-Type", "application/json")],
            b"{\"epochs\": 0}",
        )
    };
    for target in ["/", "/runs", "/events?runs=x", "/metrics-table", "/runs/x", "/nothing"] {
        let refused = site.get(target);
        assert_eq!(refused.status, 401, "{target}");
        assert_eq!(refused.header("www-authenticate"), "Bearer realm=\"centerscope\"");
        assert_eq!(refused.json()["status"], 401);
        assert_eq!(ask("GET", target, "a-token-of-nobody").status, 401, "{target}");
        assert_ne!(ask("GET", target, LOOK).status, 401, "{target}");
    }
    assert_eq!(ask("POST", "/runs", "a-token-of-nobody").status, 401);
    assert_eq!(ask("POST", "/runs", LOOK).status, 403);
    assert_eq!(ask("POST", "/runs", CHANGE).status, 422, "gets as far as its content");
    // To ask is not to change, though the question is a body.
    let plan = ask("POST", "/runs/plan", LOOK);
    assert_eq!((plan.status, &plan.json()["problem"]["field"]), (200, &json!("epochs")));
    assert_eq!(ask("POST", "/runs/0198/predict", LOOK).status, 404);
    assert_eq!(ask("POST", "/runs/plan", "a-token-of-nobody").status, 401);
    let seen = ask("GET", "/runs", LOOK);
    assert_eq!((seen.status, seen.header("cache-control")), (200, "private, no-cache"));
    assert_eq!(seen.json()["runs"], json!([]), "nothing was started");
    for open in ["/healthz", "/login", "/static/css/page.css"] {
        assert_eq!(site.get(open).status, 200, "{open}");
    }
}

#[test]
fn a_browser_logs_in_and_out() {
    let home = tempfile::tempdir().unwrap();
    let site = guarded(home.path());
    let asked = site.send("GET", "/compare?runs=a,b", &[PAGE], b"");
    assert_eq!((asked.status, asked.header("location")), (303, "/login?next=%2Fcompare%3Fruns%3Da%2Cb"));
    let page = site.send("GET", asked.header("location"), &[PAGE], b"").text();
    assert!(page.contains("name=\"next\" value=\"/compare?runs=a,b\""), "{page}");

    let log_in = |token: &str, next: &str| {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("token", token)
            .append_pair("next", next)
            .finish();
        site.send("POST", "/login", &[PAGE, FORM], body.as_bytes())
    };
    let wrong = log_in("a-token-of-nobody", "/runs");
    assert_eq!((wrong.status, wrong.header("set-cookie")), (401, ""));
    assert!(wrong.text().contains("That is not the token"), "{}", wrong.text());
    assert_eq!(log_in(CHANGE, "//evil.example").header("location"), "/");

    let right = log_in(LOOK, "/runs");
    assert_eq!((right.status, right.header("location")), (303, "/runs"));
    let set = right.header("set-cookie").to_string();
    assert!(set.contains("; HttpOnly; SameSite=Strict") && !set.contains(LOOK), "{set}");
    let cookie = ("Cookie", set.split(';').next().unwrap());
    assert_eq!(site.send("GET", "/runs", &[PAGE, cookie], b"").status, 200);
    assert_eq!(site.send("POST", "/runs", &[PAGE, cookie], b"").status, 403);
    assert!(site.send("GET", "/login", &[PAGE, cookie], b"").text().contains("action=\"/logout\""));

    let out = site.send("POST", "/logout", &[PAGE, cookie], b"");
    assert!(out.header("set-cookie").starts_with("centerscope=; Path=/; Max-Age=0;"), "{}", out.header("set-cookie"));
}

#[test]
fn the_network_demands_a_token() {
    let home = tempfile::tempdir().unwrap();
    let site = Site::with(Config { host: "0.0.0.0".into(), ..Config::for_testing(home.path()) }).unwrap();
    assert_eq!(site.get("/runs").status, 401);
    assert_eq!(site.post("/runs", &tiny(json!({}))).status, 401);
    let short = Config { token: Some("short".into()), ..Config::for_testing(home.path()) };
    assert!(matches!(Site::with(short), Err(ServeError::ShortToken("--token"))));
}
