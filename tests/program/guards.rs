//! What comes from elsewhere is refused, and every answer tells the browser what our pages may do.

use crate::support::{Site, finished};
use serde_json::json;

#[test]
fn a_foreign_host_name_is_refused() {
    let done = finished();
    for (host, status) in [
        ("evil.example", 421),
        ("evil.example:8080", 421),
        ("127.0.0.1.evil.example", 421),
        ("", 421),
        ("localhost:1", 200),
        ("[::1]:8080", 200),
    ] {
        let reply = done.site.send("GET", "/runs", &[("Host", host)], b"");
        assert_eq!(reply.status, status, "{host}");
    }
}

#[test]
fn a_page_of_another_site_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(home.path());
    let own = format!("http://{}", site.address);
    let refused = [
        ("Origin", "http://evil.example"),
        ("Origin", "null"),
        ("Origin", "http://127.0.0.1:1"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ];
    for header in refused {
        assert_eq!(site.send("POST", "/runs", &[header], b"").status, 403, "{header:?}");
    }
    let told = site.send("POST", "/runs", &[refused[0]], b"").text();
    assert!(told.contains("evil.example") && told.contains("--allow-host"), "{told}");
    assert_eq!(site.get("/runs").json()["runs"], json!([]));
    let own = [("Origin", own.as_str()), ("Sec-Fetch-Site", "same-origin"), ("Content-Type", "application/json")];
    assert_eq!(site.send("POST", "/runs", &own, b"{\"epochs\": 0}").status, 422, "ours gets as far as its content");
    let look = site.send("GET", "/runs", &[("Origin", "http://evil.example")], b"");
    assert_eq!(look.status, 200);
    assert_eq!(look.header("access-control-allow-origin"), "", "and can't be read from there");
}

#[test]
fn every_answer_carries_the_policy() {
    let done = finished();
    for target in ["/", "/runs", "/nothing", "/healthz", "/static/css/app.css"] {
        let reply = done.site.get_page(target);
        let policy = reply.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self' 'sha256-"), "{target}: {policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("referrer-policy"), "same-origin");
        assert_eq!(reply.header("x-frame-options"), "DENY");
    }
}
