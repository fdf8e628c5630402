//! The hostile requests, and how each is to be refused.

use super::words::{BODIES, HOSTS, MALFORMED, NAMES, NO, ORIGINS, POSITIONS, RANGES, RAW, TYPES};

/// A request and the answers that are right.
pub(super) struct Probe {
    pub(super) what: String,
    pub(super) right: Vec<u16>,
    pub(super) bytes: Vec<u8>,
}

fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.0\r\nContent-Length: {}\r\n", body.len());
    let hosts: &[(&str, &str)] =
        if headers.iter().any(|(name, _)| *name == "Host") { &[] } else { &[("Host", "localhost")] };
    hosts.iter().chain(headers).for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    [head.as_bytes(), b"\r\n", body].concat()
}

pub(super) fn probes(run: &str, secret: &str) -> Vec<Probe> {
    let mut probes = Vec::new();
    let mut add =
        |right: &[u16], what: String, bytes: Vec<u8>| probes.push(Probe { what, right: right.to_vec(), bytes });
    let places = [
        format!("{run}/artifacts/"),
        "/static/".into(),
        "/runs/".into(),
        format!("{run}/embeddings/"),
        "/data/generated/images/test/".into(),
        "/data/".into(),
        "/".into(),
    ];
    for place in &places {
        for name in NAMES {
            // A query at the end of a place that is a page asks for that page.
            let page = place.as_str() == "/" && (name.starts_with('?') || *name == ".");
            let target = format!("{place}{}", name.replace('@', secret));
            let right = if page { &[200, 404][..] } else { NO };
            add(right, format!("GET {target}"), request("GET", &target, &[], b""));
        }
        let long = format!("{place}{}", "a".repeat(3000));
        add(NO, format!("a long name in {place}"), request("GET", &long, &[], b""));
        let deep = format!("{place}{}", "a/".repeat(3000));
        add(NO, format!("a deep name in {place}"), request("GET", &deep, &[], b""));
    }
    for number in ["0", "-1", "4294967296", "18446744073709551616", "1e1", "1.0", "NaN", "0x1", "\u{661}", "1;", "'"] {
        let encoded = url::form_urlencoded::byte_serialize(number.as_bytes()).collect::<String>();
        for target in [format!("{run}/embeddings/{encoded}"), format!("/data/generated/images/train/{encoded}.png")] {
            // Image 0 is there.
            let right = if target.ends_with("/0.png") { &[200][..] } else { NO };
            add(right, format!("GET {target}"), request("GET", &target, &[], b""));
        }
    }
    for query in
        ["runs=", "runs=..%2f..", "runs=%00", "runs=a,b,c,d,e,f,g", "runs=,,,,", "Runs=x", "", "runs=x&after=-1"]
    {
        for page in ["/compare", "/events"] {
            let target = format!("{page}?{query}");
            add(NO, format!("GET {target}"), request("GET", &target, &[], b""));
        }
    }
    for method in ["PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "PROPFIND", "FROBNICATE"] {
        for target in
            ["/", "/healthz", "/events", "/compare", "/static/css/page.css", &format!("{run}/artifacts/run.json")]
        {
            add(&[405], format!("{method} {target}"), request(method, target, &[], b""));
        }
    }
    for range in RANGES {
        let bytes = request("GET", &format!("{run}/artifacts/metrics.csv"), &[("Range", range)], b"");
        add(&[200, 206, 416], format!("Range: {range}"), bytes);
    }
    for position in POSITIONS {
        let target = format!("{run}/events");
        add(&[400], format!("Last-Event-ID: {position}"), request("GET", &target, &[("Last-Event-ID", position)], b""));
    }
    let json = ("Content-Type", "application/json");
    for (status, body) in BODIES {
        let what = format!("POST /runs {}", String::from_utf8_lossy(body));
        add(&[*status], what, request("POST", "/runs", &[json], body));
    }
    for (what, body) in [
        ("deep lists", "[".repeat(30_000)),
        ("deep objects", "{\"a\":".repeat(10_000)),
        ("a deep value", format!("{{\"seed\": {}1{}}}", "[".repeat(200), "]".repeat(200))),
        ("a huge number", format!("{{\"lr\": {}}}", "9".repeat(50_000))),
    ] {
        add(&[400], format!("POST /runs with {what}"), request("POST", "/runs", &[json], body.as_bytes()));
    }
    for (status, length) in [(422, 121), (422, 60_000), (413, 70_000)] {
        let body = format!("{{\"name\": \"{}\"}}", "x".repeat(length));
        add(
            &[status],
            format!("POST /runs with a name of {length}"),
            request("POST", "/runs", &[json], body.as_bytes()),
        );
    }
    for kind in TYPES {
        let bytes = request("POST", "/runs", &[("Content-Type", kind)], b"{\"seed\": 1}");
        add(&[415], format!("Content-Type: {kind}"), bytes);
    }
    for origin in ORIGINS {
        let origin = origin.replace("SELF", "localhost");
        for (target, body) in [("/runs".into(), &b"{}"[..]), (format!("{run}/stop"), b"")] {
            let bytes = request("POST", &target, &[json, ("Origin", &origin)], body);
            add(&[403], format!("POST {target} from {origin}"), bytes);
        }
    }
    for site in ["cross-site", "same-site", "Same-Origin", "", "same-origin, none"] {
        let bytes = request("POST", "/runs", &[json, ("Sec-Fetch-Site", site)], b"{}");
        add(&[403], format!("POST /runs, Sec-Fetch-Site: {site}"), bytes);
    }
    for host in HOSTS {
        add(&[421], format!("Host: {host}"), request("GET", "/runs", &[("Host", host)], b""));
    }
    for raw in RAW {
        add(MALFORMED, format!("{:?}", String::from_utf8_lossy(raw)), raw.to_vec());
    }
    let many = "X: y\r\n".repeat(1000);
    let large = format!("X: {}\r\n", "y".repeat(100_000));
    for (what, more) in [("many headers", many), ("a large header", large)] {
        // It may hang up while the request is still being sent.
        add(&[0, 431], what.into(), format!("GET / HTTP/1.0\r\nHost: localhost\r\n{more}\r\n").into_bytes());
    }
    probes
}
