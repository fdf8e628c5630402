//! Requests that nobody means well by: each is refused with the right status, nothing outside the runs folder is read or
//! touched, and the server serves on.

use crate::support::{Finished, Site, finished};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

/// What must never be seen in an answer.
const CANARY: &str = "CANARY-6f1d";
/// An answer by which a request for a file or a page is refused.
const NO: &[u16] = &[400, 404, 405, 414, 431];
/// A request that is no proper HTTP: refused, or cut off without a word (0).
const MALFORMED: &[u16] = &[0, 400, 404, 405, 413, 414, 415, 421, 431, 501, 505];

/// Ways to leave a folder, or to name what isn't a file. `@` stands for the canary's absolute path.
pub(crate) const NAMES: &[&str] = &[
    "../secret.txt",
    "../../secret.txt",
    "../../../secret.txt",
    "../../../../../../../../etc/passwd",
    "..%2fsecret.txt",
    "..%2f..%2fsecret.txt",
    "%2e%2e/%2e%2e/secret.txt",
    "%2e%2e%2f%2e%2e%2fsecret.txt",
    "%252e%252e%252fsecret.txt",
    "..%252f..%252fsecret.txt",
    "..%c0%afsecret.txt",
    "..%e0%80%afsecret.txt",
    "..%5c..%5csecret.txt",
    "....//....//secret.txt",
    "..;/..;/secret.txt",
    "./../../secret.txt",
    "embeddings/../../../secret.txt",
    "@",
    "/@",
    "%2f@",
    "file://@",
    "//etc/passwd",
    "%2fetc%2fpasswd",
    "C:%5cWindows%5cwin.ini",
    "%5c%5chost%5cshare",
    "secret.txt%00",
    "%00",
    "metrics.csv%00.png",
    "metrics.csv/",
    "metrics.csv/.",
    "metrics.csv/../metrics.csv",
    "metrics.csv%3a%3a$DATA",
    "metrics.csv%0d%0aX-Injected:%20yes",
    ".lock",
    ".run.json.tmp",
    ".",
    "..",
    "%2e",
    "~",
    "$HOME",
    "%ff%fe",
    "%e2%80%ae",
    "%",
    "%zz",
    "%u002e%u002e/secret.txt",
    "link.txt",
    "out/secret.txt",
    "embeddings",
    "*",
    "?file=../../secret.txt",
];

pub(crate) const RANGES: &[&str] = &[
    "bytes=",
    "bytes",
    "=",
    "bytes=--1",
    "bytes=a-b",
    "bytes=1-2-3",
    "bytes=0x0-0x5",
    "bytes= 0 - 1",
    "bytes=5-2",
    "bytes=-0",
    "bytes=0-18446744073709551615",
    "bytes=0-18446744073709551616",
    "bytes=18446744073709551615-",
    "bytes=99999999999999999999-",
    "bytes=-99999999999999999999",
    "bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7,8-8",
    "items=0-1",
    "bytes=\u{661}-\u{662}",
];

pub(crate) const POSITIONS: &[&str] = &[
    "-1",
    "1.2",
    "NaN",
    "Infinity",
    "1e3",
    "0x1",
    "18446744073709551616",
    "1 OR 1=1",
    "../1",
    "\u{661}",
    "1,2",
    ".",
    "%31",
];

/// Bodies of `POST /runs`, as JSON, and how each is refused.
pub(crate) const BODIES: &[(u16, &[u8])] = &[
    (400, b"{"),
    (400, b"}"),
    (400, b"[]"),
    (400, b"null"),
    (400, b"true"),
    (400, b"3"),
    (400, b"\"{}\""),
    (400, b"{}{}"),
    (400, b"{} trailing"),
    (400, b"{'seed': 1}"),
    (400, b"{\"seed\": 1,}"),
    (400, b"{/* */}"),
    (400, b"{\"seed\": NaN}"),
    (400, b"{\"lr\": Infinity}"),
    (400, b"{\"lr\": -Infinity}"),
    (400, b"{\"lr\": 1e999}"),
    (400, b"{\"lr\": 0x1}"),
    (400, b"{\"seed\": 01}"),
    (400, b"{\"seed\": 1, \"seed\": 2}"),
    (400, b"{\"variant\": \"v1.0\", \"variant\": \"v1.0\"}"),
    (400, b"{\"name\": \"\\ud800\"}"),
    (400, b"{\"name\": \"\xff\xfe\"}"),
    (400, b"{\"name\": \"a\nb\"}"),
    (400, b"\xef\xbb\xbf{}"),
    (400, b"\xff\xfe{\0}\0"),
    (400, b"\0"),
    (400, b"\x1f\x8b\x08\0\0\0\0\0"),
    (422, b"{\"seed\": 99999999999999999999}"),
    (422, b"{\"seed\": -1}"),
    (422, b"{\"seed\": 9007199254740992}"),
    (422, b"{\"epochs\": 4294967297}"),
    (422, b"{\"epochs\": 1.0}"),
    (422, b"{\"epochs\": 0}"),
    (422, b"{\"epochs\": 1001}"),
    (422, b"{\"epochs\": \"1\"}"),
    (422, b"{\"epochs\": [[1]]}"),
    (422, b"{\"epochs\": null}"),
    (422, b"{\"batch_size\": 4097}"),
    (422, b"{\"batch_size\": -32}"),
    (422, b"{\"width\": 1e-320}"),
    (422, b"{\"width\": 1e300}"),
    (422, b"{\"lr\": -1}"),
    (422, b"{\"train_images\": 60001}"),
    (422, b"{\"name\": \"\"}"),
    (422, b"{\"name\": \"  \"}"),
    (422, b"{\"name\": \"\\u0000\"}"),
    (422, b"{\"name\": \"a\\u001b[31mb\"}"),
    (422, b"{\"name\": {\"toString\": 1}}"),
    (422, b"{\"variant\": {\"$gt\": \"\"}}"),
    (422, b"{\"variant\": \"v1.0' OR '1'='1\"}"),
    (422, b"{\"variants\": []}"),
    (422, b"{\"variants\": [\"v1.0\",\"v1.0\",\"v1.0\",\"v1.0\",\"v1.0\",\"v1.0\",\"v1.0\"]}"),
    (422, b"{\"variants\": [[[[\"v1.0\"]]]]}"),
    (422, b"{\"dataset\": \"../../etc\"}"),
    (422, b"{\"dataset\": \"/etc/passwd\"}"),
    (422, b"{\"device\": \"cuda:99\"}"),
    (422, b"{\"__proto__\": {}}"),
    (422, b"{\"\": 1}"),
    (422, b"{\"id\": \"00000000-0000-7000-8000-000000000000\"}"),
];

/// Content types that are none of ours.
const TYPES: &[&str] = &[
    "",
    "text/plain",
    "text/json",
    "application/jsonx",
    "application/xml",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/json; charset=utf-16",
    "application/json; charset=latin1",
    "application/json; a=b; charset=\"utf-7\"",
    "json",
    ";",
];

const ORIGINS: &[&str] = &[
    "http://evil.example",
    "https://evil.example:8080",
    "null",
    "",
    "file://",
    "http://localhost.evil.example",
    "http://evil.example/@SELF",
    "http://SELF.evil.example",
    "http://SELF@evil.example",
    "SELF",
];

const HOSTS: &[&str] = &[
    "",
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost.",
    "localhost@evil.example",
    "evil.example#localhost",
    "localhost/evil.example",
    "[::1",
    "[::1]evil.example",
    "[]",
    ":80",
    "0x7f.1",
    "2130706433",
    "localhost,evil.example",
    "10.0.0.1",
];

/// Whole requests that break the rules of HTTP.
const RAW: &[&[u8]] = &[
    b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET /\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\nHost: localhost\nHost: localhost\n\n",
    b"GET http://evil.example/runs HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET http://evil.example/runs HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"GET /runs HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    b"GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET \\..\\secret.txt HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET secret.txt HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"G@T / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"get /runs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"CONNECT localhost:22 HTTP/1.1\r\nHost: localhost:22\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n folded\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n",
    b"POST /runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    b"POST /runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 18446744073709551615\r\n\r\n",
    b"POST /runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n{}",
    b"POST /runs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    b"POST /runs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}\r\n",
    b"POST /runs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{}",
    b"POST /runs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, identity\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\r\n\r\n",
];

/// A request and the answers that are right.
struct Probe {
    what: String,
    right: Vec<u16>,
    bytes: Vec<u8>,
}

fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.0\r\nContent-Length: {}\r\n", body.len());
    let hosts: &[(&str, &str)] =
        if headers.iter().any(|(name, _)| *name == "Host") { &[] } else { &[("Host", "localhost")] };
    hosts.iter().chain(headers).for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    [head.as_bytes(), b"\r\n", body].concat()
}

fn probes(run: &str, secret: &str) -> Vec<Probe> {
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

/// Every file and folder below `folder`, links not followed: when it changed, and what is in it.
fn census(folder: &Path) -> BTreeMap<String, (SystemTime, Option<Vec<u8>>)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let content = metadata.is_file().then(|| fs::read(&path).unwrap());
            found.insert(path.display().to_string(), (metadata.modified().unwrap(), content));
            if metadata.is_dir() {
                folders.push(path);
            }
        }
    }
    found
}

/// Copies a finished run into another folder of runs.
fn copy_run(done: &Finished, id: &str, runs: &Path) {
    for folder in ["", "embeddings", "checkpoints"] {
        let (from, to) = (done.runs_dir.join(id).join(folder), runs.join(id).join(folder));
        fs::create_dir_all(&to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[cfg(unix)]
#[test]
fn links_and_pipes_in_a_run_lead_nowhere_and_hold_nothing_up() {
    use std::os::unix::fs::symlink;
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
    let listed = || {
        let list = site.get("/runs").json();
        let ids = list["runs"].as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap().to_string());
        ids.collect::<BTreeSet<_>>()
    };
    assert_eq!(listed(), BTreeSet::from([edited.to_string(), mended.to_string()]));
    assert!(runs.join(mended).join("run.json").is_file(), "made anew from the log");
    assert!(
        fs::symlink_metadata(runs.join(mended).join(&temporary[0])).is_err(),
        "a link with such a name is cleared away"
    );
    assert_eq!(site.get(&format!("/runs/{edited}/artifacts/notes.txt")).status, 404);
    assert_eq!(site.get(&format!("/runs/{edited}/archive")).status, 200);
    let json = ("Content-Type", "application/json");
    let reply = site.send("PATCH", &format!("/runs/{edited}"), &[json], b"{\"notes\": \"hi\"}");
    assert_eq!(reply.status, 200, "{}", reply.text());
    for name in ["run.json", "metrics.csv"] {
        assert!(fs::symlink_metadata(runs.join(edited).join(name)).unwrap().is_file(), "{name}");
    }
    // One that comes while the server runs.
    let later = runs.join("01a20bc0-95e5-75ae-bf61-e46d29aa5d9a");
    fs::create_dir(&later).unwrap();
    pipe(&later.join("run.json"));
    assert_eq!(listed().len(), 2);
    assert_eq!(census(&mine), before, "something outside was touched");
}

#[test]
fn nothing_hostile_gets_in_or_out() {
    let done = finished();
    let home = tempfile::tempdir().unwrap();
    let (runs, secret) = (home.path().join("runs"), home.path().join("secret.txt"));
    fs::write(&secret, CANARY).unwrap();
    fs::create_dir_all(home.path().join("other")).unwrap();
    let id = &done.ids[0];
    copy_run(done, id, &runs);
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        symlink(&secret, runs.join(id).join("link.txt")).unwrap();
        symlink(home.path(), runs.join(id).join("out")).unwrap();
        // A run's folder that leads out.
        symlink(home.path().join("other"), runs.join("01a20bc0-95e5-75ae-bf61-e46d29aa5d9a")).unwrap();
    }
    let site = Site::start(&runs);
    let listed = site.get("/runs").json();
    let before = census(home.path());

    let run = format!("/runs/{id}");
    let probes = probes(&run, secret.to_str().unwrap());
    assert!(probes.len() >= 150, "{} requests", probes.len());
    let mut wrong = Vec::new();
    for Probe { what, right, bytes } in &probes {
        // A request that is no proper HTTP may be one that the server waits for the rest of.
        let reply = site.send_raw(bytes, right == MALFORMED);
        let status = reply.as_ref().map_or(0, |reply| reply.status);
        let told = reply.as_ref().map_or(String::new(), |reply| reply.text());
        let leaked = told.contains(CANARY) || told.contains("root:") || told.contains("panicked");
        let injected = reply.is_some_and(|reply| !reply.header("x-injected").is_empty());
        if !right.contains(&status) || leaked || injected {
            let (what, told) = (what.chars().take(120).collect::<String>(), told.chars().take(200).collect::<String>());
            wrong.push(format!("{what}: {status}, not {right:?} {told}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} requests:\n{}", wrong.len(), probes.len(), wrong.join("\n"));

    assert_eq!(census(home.path()), before, "something was touched");
    assert_eq!(site.get("/healthz").text(), "ok");
    assert_eq!(site.get("/runs").json(), listed, "a run was started or changed");
}
