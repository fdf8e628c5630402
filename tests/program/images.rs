//! Folders of images in MNIST's format: what one of them taught a run is never shown with the images of another.

use crate::support::{Site, tiny};
use centerscope::config::{Config, DataArgs};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Writes four files of 64 and 20 images; `first` is the label of the first one.
pub(crate) fn write_images(folder: &Path, first: u8) {
    fs::create_dir(folder).unwrap();
    for (part, count) in [("train", 64u32), ("t10k", 20)] {
        let labels = (0..count).map(|i| (i as u8 + first) % 10).collect::<Vec<_>>();
        let pixels = labels.iter().flat_map(|label| vec![label * 20; 28 * 28]).collect::<Vec<_>>();
        let head = |kind: u32, sizes: &[u32]| [&[kind], sizes].concat().iter().flat_map(|n| n.to_be_bytes()).collect();
        let (images, names): (Vec<u8>, Vec<u8>) = (head(0x803, &[count, 28, 28]), head(0x801, &[count]));
        fs::write(folder.join(format!("{part}-images-idx3-ubyte")), [images, pixels].concat()).unwrap();
        fs::write(folder.join(format!("{part}-labels-idx1-ubyte")), [names, labels].concat()).unwrap();
    }
}

fn serve(home: &Path, images: &str) -> Site {
    let data = DataArgs { data_dir: Some(home.join(images)), offline: true };
    Site::with(Config { data, ..Config::for_testing(&home.join("runs")) }).unwrap()
}

/// The state of a run that this request starts, once it is over.
fn run(site: &Site, target: &str, request: &Value) -> Value {
    let started = site.post(target, request).json();
    let id = started["runs"][0]["id"].as_str().unwrap_or_else(|| panic!("{started}"));
    site.events(&format!("/runs/{id}/events"), None).rest();
    site.get(&format!("/runs/{id}")).json()
}

#[test]
fn a_run_is_shown_with_the_images_it_saw_or_with_none() {
    let home = tempfile::tempdir().unwrap();
    write_images(&home.path().join("fashion"), 3);
    write_images(&home.path().join("letters"), 4);
    let request = tiny(json!({"variant": "v1.2", "dataset": "mnist", "checkpoint_every": 1}));

    let monday = serve(home.path(), "fashion");
    let seen = run(&monday, "/runs", &request);
    let (id, digest) = (seen["id"].as_str().unwrap(), seen["data"]["digest"].as_str().unwrap());
    assert_eq!(seen["data_digest"], digest);
    let addresses = [
        format!("/data/mnist/labels/test?digest={digest}"),
        format!("/data/mnist/images/test/0.png?digest={digest}"),
        format!("/data/mnist/sheet/test?indices=0,1&digest={digest}"),
        format!("/compare/replay?runs={id}"),
    ];
    for target in &addresses {
        assert_eq!(monday.get(target).status, 200, "{target}");
    }
    assert_eq!(monday.get(&addresses[0]).body[0], 3);
    assert!(monday.get(&addresses[0]).header("cache-control").contains("immutable"), "the digest says which they are");
    let forked = run(&monday, &format!("/runs/{id}/fork"), &json!({"epoch": 1}));
    assert_eq!((&forked["status"], &forked["fork"]["data"]), (&json!("FINISHED"), &seen["data"]));
    drop(monday);

    let tuesday = serve(home.path(), "letters");
    let by_word = tuesday.get("/data/mnist/labels/test");
    assert_eq!((by_word.body[0], by_word.header("cache-control")), (4, "private, no-cache"), "a word says not which");
    for target in &addresses {
        let reply = tuesday.get(target);
        assert_eq!(reply.status, 404, "{target}");
        assert!(reply.text().contains(&digest[..12]) && reply.text().contains("CENTERSCOPE_DATA"), "{}", reply.text());
    }
    let image = [("Content-Type", "application/octet-stream")];
    let near = tuesday.send("POST", &format!("/runs/{id}/predict"), &image, &[7; 784]).json();
    assert_eq!(near["nearest"][0]["label"], Value::Null, "{near}");

    // A fork goes on with the images of its run, unless it is told to take others.
    let fork = format!("/runs/{id}/fork");
    let refused = run(&tuesday, &fork, &json!({"epoch": 1}));
    assert_eq!(refused["status"], "FAILED");
    assert!(refused["reason"].as_str().unwrap().contains("other images"), "{refused}");
    let moved = run(&tuesday, &fork, &json!({"epoch": 1, "dataset": "generated"}));
    assert_eq!((&moved["status"], &moved["data_name"]), (&json!("FINISHED"), &json!("generated digits")));

    // Both folders are sets in MNIST's format, and no comparison mixes them.
    let own = run(&tuesday, "/runs", &request);
    let own = own["id"].as_str().unwrap();
    assert_eq!(tuesday.get_page(&format!("/compare?runs={own}")).status, 200);
    assert_eq!(tuesday.get_page(&format!("/compare?runs={own},{id}")).status, 422);
}
