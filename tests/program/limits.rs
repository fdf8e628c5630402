//! How long the server waits for the other end of a connection: whoever keeps it waiting is let go of, and nobody else.

use crate::support::{Site, finished};
use centerscope::config::Config;
use centerscope::limits::Patience;
use serde_json::json;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

/// Long enough for everybody, but for who is kept waiting on purpose.
const LONG: Duration = Duration::from_secs(600);
/// Soon over, and still long enough for who does what is expected, on a machine with much to do.
const SHORT: Duration = Duration::from_millis(500);

fn site(runs: &Path, patience: Patience) -> Site {
    Site::with(Config { patience, ..Config::for_testing(runs) }).unwrap()
}

/// Sends this and no more; what the server answers until it closes the connection.
fn answer(site: &Site, sent: &[u8]) -> String {
    let mut stream = TcpStream::connect(site.address).unwrap();
    stream.set_read_timeout(Some(LONG / 2)).unwrap();
    stream.write_all(sent).unwrap();
    let mut answer = Vec::new();
    // It may also be reset, with what was sent still unread.
    let read = stream.read_to_end(&mut answer);
    assert!(!read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock), "it is still open");
    String::from_utf8(answer).unwrap()
}

#[test]
fn who_is_slow_with_a_head_is_let_go_of() {
    let home = tempfile::tempdir().unwrap();
    let site = site(home.path(), Patience { head: SHORT, body: LONG, reader: LONG });
    for begun in ["", "GET", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n", "POST /runs HTTP/1.1\r\nX: y"] {
        let told = answer(&site, begun.as_bytes());
        assert!(!told.contains(" 200 "), "{begun:?}: {told}");
    }
}

#[test]
fn a_connection_without_another_request_is_closed() {
    let home = tempfile::tempdir().unwrap();
    let site = site(home.path(), Patience { head: 2 * SHORT, body: LONG, reader: LONG });
    // Nobody asked for the end of the connection.
    let told = answer(&site, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(told.starts_with("HTTP/1.1 200 ") && told.ends_with("ok"), "{told}");
    assert!(!told.to_lowercase().contains("connection: close"), "{told}");
}

#[test]
fn who_is_slow_with_a_body_is_told() {
    let home = tempfile::tempdir().unwrap();
    let site = site(home.path(), Patience { head: LONG, body: SHORT, reader: LONG });
    let head = "POST /runs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n";
    for body in ["Content-Length: 100\r\n\r\n{\"epochs\":", "Transfer-Encoding: chunked\r\n\r\n2\r\n{ \r\n"] {
        let told = answer(&site, format!("{head}{body}").as_bytes());
        assert!(told.starts_with("HTTP/1.1 408 "), "{body:?}: {told}");
        assert!(told.contains("the body did not arrive within"), "{told}");
    }
    assert_eq!(site.get("/runs").json()["total"], 0, "nothing was begun with half a body");
}

#[test]
fn a_reader_that_takes_nothing_is_cut_off_and_can_go_on() {
    let done = finished();
    let home = tempfile::tempdir().unwrap();
    // A log that is longer than what the system keeps for a reader that doesn't read.
    let id = &done.ids[0];
    let (from, to) = (done.runs_dir.join(id), home.path().join(id));
    fs::create_dir(&to).unwrap();
    let mut log = fs::read_to_string(from.join("events.jsonl")).unwrap();
    let lines = log.lines().count();
    for n in 1..=4000 {
        let line = json!({"seq": lines + n, "time_ms": n, "type": "edited", "notes": format!("{n:04000}")});
        log.push_str(&format!("{line}\n"));
    }
    fs::write(to.join("events.jsonl"), &log).unwrap();
    let site = site(home.path(), Patience { head: LONG, body: LONG, reader: SHORT });
    let (status, mut rest) = site.begin(&format!("/runs/{id}/events"));
    assert_eq!(status, 200);
    while site.gauge("centerscope_watchers") > 0.0 {
        std::thread::yield_now();
    }
    let mut taken = Vec::new();
    // Cut off, however that is told.
    let _ = rest.read_to_end(&mut taken);
    let taken = String::from_utf8_lossy(&taken);
    let events = taken.split_inclusive("\n\n").filter(|event| event.ends_with("\n\n") && event.starts_with("id: "));
    let last = events.clone().last().unwrap().lines().next().unwrap().strip_prefix("id: ").unwrap().to_string();
    let got = events.count();
    assert!(got < log.lines().count(), "it was not cut off");
    assert_eq!(last, got.to_string(), "each once, in order");
    drop(site);
    let rest = Site::start(home.path()).events(&format!("/runs/{id}/events"), Some(&last)).rest();
    assert_eq!(got + rest.len(), log.lines().count());
}

/// What the documentation promises is what a server does that nobody set up.
#[test]
fn the_limits_are_those_of_the_documentation() {
    let docs = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/api.md")).unwrap();
    let row = |what: &str| {
        let row = docs.lines().find_map(|line| line.strip_prefix(&format!("| {what} | ")));
        row.unwrap_or_else(|| panic!("no limit of {what}")).split(" | ").next().unwrap().to_string()
    };
    let Patience { head, body, reader } = Config::for_testing("runs".as_ref()).patience;
    assert_eq!(Patience::default(), Patience { head, body, reader });
    assert_eq!(row("body of a request"), format!("64 KiB, within {} s", body.as_secs()));
    assert_eq!(row("head of a request, address included"), format!("32 KiB, 64 lines, within {} s", head.as_secs()));
    assert_eq!(row("a connection without a request"), format!("{} s", head.as_secs()));
    assert_eq!(row("an answer of which the reader takes nothing"), format!("{} s", reader.as_secs()));
}
