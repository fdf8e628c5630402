//! What a reader has already is not sent again, and what is text is sent small; a live stream is neither held back nor made small.

use crate::support::{Site, endless, finished};
use flate2::read::GzDecoder;
use serde_json::json;
use std::io::Read;

const GZIP: (&str, &str) = ("Accept-Encoding", "gzip");

/// Addresses of a finished run, and whether gzip pays for them.
fn addresses() -> Vec<(String, bool)> {
    let run = format!("/runs/{}", finished().ids[0]);
    vec![
        ("/runs".into(), true),
        ("/runs?format=csv".into(), true),
        ("/runs/fields".into(), true),
        (run.clone(), true),
        (format!("{run}/metrics"), true),
        (format!("{run}/progress"), true),
        ("/metrics-table".into(), true),
        ("/openapi.json".into(), true),
        (format!("{run}/artifacts"), true),
        (format!("{run}/artifacts/events.jsonl"), false),
        (format!("{run}/embeddings/1"), false),
        (format!("{run}/embeddings/1?format=npy"), false),
        ("/data/generated/labels/test".into(), false),
        ("/data/generated/images/test/0.png".into(), false),
        ("/static/js/main.js".into(), true),
        ("/static/css/page.css".into(), true),
        ("/healthz".into(), false),
    ]
}

#[test]
fn what_a_reader_has_is_not_sent_again() {
    let site = &finished().site;
    for (target, _) in addresses() {
        let whole = site.get(&target);
        assert_eq!(whole.status, 200, "{target}");
        let tag = whole.header("etag").to_string();
        assert!(tag.ends_with('"') && tag.len() > 4, "{target}: {tag}");
        for headers in [vec![("If-None-Match", tag.as_str())], vec![("If-None-Match", tag.as_str()), GZIP]] {
            let again = site.send("GET", &target, &headers, b"");
            assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, tag.as_str()), "{target}");
        }
        let other = site.send("GET", &target, &[("If-None-Match", "\"another\"")], b"");
        assert!(other.status == 200 && other.body == whole.body, "{target}");
    }
}

#[test]
fn text_is_sent_small_and_nothing_else_is() {
    let site = &finished().site;
    for (target, pays) in addresses() {
        let (plain, small) = (site.get(&target), site.send("GET", &target, &[GZIP], b""));
        assert_eq!(plain.header("content-encoding"), "", "{target}: nobody asked for it");
        assert_eq!(small.header("content-encoding"), if pays { "gzip" } else { "" }, "{target}");
        let mut body = Vec::new();
        if pays {
            assert!(small.headers("vary").any(|vary| vary.eq_ignore_ascii_case("accept-encoding")), "{target}");
            assert!(small.body.len() < plain.body.len() * 3 / 4, "{target}");
            GzDecoder::new(small.body.as_slice()).read_to_end(&mut body).unwrap();
        }
        assert!(plain.body == if pays { body } else { small.body }, "{target}");
    }
}

/// A reader that takes gzip sees each line as it is told: a run that goes on and on has no end that could empty a buffer.
#[test]
fn a_stream_is_neither_made_small_nor_held_back() {
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(home.path());
    let id = site.start_runs(endless(json!({"variant": "v1.2", "train_images": 64}))).remove(0);
    for target in [format!("/runs/{id}/events"), format!("/events?runs={id}"), "/events/summaries".into()] {
        let (head, mut events) = site.stream(&target, &[GZIP]);
        assert!(!head.to_lowercase().contains("content-encoding"), "{head}");
        assert!(!head.to_lowercase().contains("content-length"), "{head}");
        assert!(head.contains("x-accel-buffering: no"), "{head}");
        assert!(events.next().is_some(), "{target}");
    }
    site.stream(&format!("/runs/{id}/events"), &[GZIP]).1.until("epoch");
}
