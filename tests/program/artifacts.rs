//! The files of a run, the images behind its points, and what must never be served.

use crate::support::{Site, finished};
use centerscope::limits::ARCHIVES;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;

#[test]
fn every_file_is_listed_and_served_as_it_is() {
    let done = finished();
    let id = &done.ids[0];
    let list = done.site.get(&format!("/runs/{id}/artifacts")).json();
    let list = list["artifacts"].as_array().unwrap();
    let names = list.iter().map(|file| file["name"].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(
        names,
        [
            "README.md",
            "checkpoints/best.safetensors",
            "checkpoints/epoch-0001.safetensors",
            "checkpoints/epoch-0002.safetensors",
            "checkpoints/last.safetensors",
            "confusion.csv",
            "embeddings/test-0001.npy",
            "embeddings/test-0002.npy",
            "embeddings/train-0001.npy",
            "embeddings/train-0002.npy",
            "events.jsonl",
            "metrics.csv",
            "progress.npy",
            "run.json",
            "spec.json",
        ]
    );
    for file in list {
        let reply = done.site.get(file["url"].as_str().unwrap());
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("content-type"), file["content_type"]);
        assert_eq!(reply.body.len() as u64, file["size_bytes"].as_u64().unwrap());
        assert_eq!(reply.body, fs::read(done.runs_dir.join(id).join(file["name"].as_str().unwrap())).unwrap());
        assert!(reply.header("content-disposition").starts_with("attachment; filename=\""));
    }
    let confusion = fs::read_to_string(done.runs_dir.join(id).join("confusion.csv")).unwrap();
    assert_eq!(confusion.lines().count(), 1 + 2 * 10);
}

#[test]
fn a_file_is_sent_once_or_in_parts() {
    let done = finished();
    let target = format!("/runs/{}/artifacts/spec.json", done.ids[0]);
    let whole = done.site.get(&target);
    let tag = whole.header("etag").to_string();
    let ask = |headers: &[(&str, &str)]| done.site.send("GET", &target, headers, b"");

    for known in [tag.clone(), format!("\"x\", W/{tag}"), "*".into()] {
        let reply = ask(&[("If-None-Match", &known)]);
        assert_eq!((reply.status, reply.body.len()), (304, 0), "{known}");
        assert_eq!(reply.header("etag"), tag);
    }
    assert_eq!(ask(&[("If-None-Match", "\"x\"")]).status, 200);

    let part = ask(&[("Range", "bytes=2-5")]);
    assert_eq!((part.status, part.body.as_slice()), (206, &whole.body[2..6]));
    assert_eq!(part.header("content-range"), format!("bytes 2-5/{}", whole.body.len()));
    let tail = ask(&[("Range", "bytes=-7"), ("If-Range", &tag)]);
    assert_eq!((tail.status, tail.body.as_slice()), (206, &whole.body[whole.body.len() - 7..]));
    assert_eq!(ask(&[("Range", "bytes=2-5"), ("If-Range", "\"x\"")]).body, whole.body);
    let beyond = ask(&[("Range", "bytes=999999-")]);
    assert_eq!(beyond.status, 416);
    assert_eq!(beyond.header("content-range"), format!("bytes */{}", whole.body.len()));

    let head = done.site.send("HEAD", &target, &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), whole.body.len().to_string());
}

#[test]
fn the_archive_holds_the_whole_run() {
    let done = finished();
    let id = &done.ids[2];
    let reply = done.site.get(&format!("/runs/{id}/archive"));
    assert_eq!(reply.header("content-type"), "application/gzip");
    assert_eq!(reply.header("content-disposition"), format!("attachment; filename=\"centerscope-{id}.tar.gz\""));
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(reply.body.as_slice()));
    let mut files = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(entry.path().unwrap().to_str().unwrap().to_string(), bytes);
    }
    let list = done.site.get(&format!("/runs/{id}/artifacts")).json();
    let list = list["artifacts"].as_array().unwrap();
    assert_eq!(files.len(), list.len());
    for file in list {
        let name = file["name"].as_str().unwrap();
        let stored = fs::read(done.runs_dir.join(id).join(name)).unwrap();
        assert_eq!(files[&format!("centerscope-{id}/{name}")], stored, "{name}");
    }
}

#[test]
fn slow_readers_of_archives_hold_their_own_places_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(home.path());
    let id = site.tiny_run();
    // More than fits between the server and a reader that takes nothing, and nothing that packs smaller.
    let noise = (0..3 << 20).flat_map(|_| rand::random::<u64>().to_le_bytes()).collect::<Vec<_>>();
    fs::write(home.path().join(&id).join("noise.bin"), noise).unwrap();
    let target = format!("/runs/{id}/archive");
    let mut slow = (0..ARCHIVES).map(|_| site.begin(&target)).collect::<Vec<_>>();
    assert!(slow.iter().all(|(status, _)| *status == 200));
    let refused = site.get(&target);
    assert_eq!((refused.status, refused.header("retry-after")), (429, "5"));
    assert!(refused.text().contains("try again when one is done"), "{}", refused.text());
    let page = site.get_page(&target).text();
    assert!(!page.contains("run to end"), "no run has to end for that: {page}");
    assert_eq!(site.get(&format!("/runs/{id}/artifacts/noise.bin")).status, 200, "files one by one go on");
    drop(slow.pop());
    // The server hears of it in its own time.
    assert!((0..100_000).any(|_| site.get_head(&target) == 200));
}

#[test]
fn the_compact_embedding_is_the_npy_file_in_fewer_bits() {
    let done = finished();
    for (split, count) in [("test", 2000), ("train", 3200)] {
        let target = format!("/runs/{}/embeddings/2?split={split}", done.ids[1]);
        let compact = done.site.get(&target).body;
        let npy = done.site.get(&format!("{target}&format=npy")).body;
        assert_eq!(&compact[..4], b"CSE1");
        assert_eq!(u32::from_le_bytes(compact[4..8].try_into().unwrap()), count);
        assert_eq!(compact.len(), 24 + 4 * count as usize);
        let float = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap());
        let bounds = compact[8..24].chunks(4).map(float).collect::<Vec<_>>();
        let exact = npy[npy.len() - 8 * count as usize..].chunks(4).map(float);
        let words = compact[24..].chunks(2).map(|b| u16::from_le_bytes(b.try_into().unwrap()));
        for (i, (exact, word)) in exact.zip(words).enumerate() {
            let (low, high) = if i % 2 == 0 { (bounds[0], bounds[1]) } else { (bounds[2], bounds[3]) };
            let value = low + (high - low) * f32::from(word) / 65534.0;
            assert!((value - exact).abs() <= (high - low) / 65534.0, "{split} {i}: {value} for {exact}");
        }
    }
}

#[test]
fn predictions_add_up_to_the_confusion_matrix() {
    let done = finished();
    let state = done.site.get(&format!("/runs/{}", done.ids[0])).json();
    let set = state["data"]["set"].as_str().unwrap();
    let labels = done.site.get(&format!("/data/{set}/labels/test")).body;
    for report in state["history"].as_array().unwrap() {
        let target = format!("/runs/{}/embeddings/{}?split=test", done.ids[0], report["epoch"]);
        let points = done.site.get(&target).body;
        let all = done.site.get(&format!("{target}&predictions=1")).body;
        let (same, predictions) = all.split_at(points.len());
        assert_eq!((same, predictions.len()), (&points[..], labels.len()));
        let mut confusion = [[0u64; 10]; 10];
        for (&label, &prediction) in labels.iter().zip(predictions) {
            confusion[label as usize][prediction as usize] += 1;
        }
        assert_eq!(serde_json::json!(confusion), report["confusion"]);
        let right = (0..10).map(|k| confusion[k][k]).sum::<u64>();
        assert_eq!(right as f64 / labels.len() as f64, report["metrics"]["test_accuracy"].as_f64().unwrap());
    }
    let train = done.site.get(&format!("/runs/{}/embeddings/1?split=train&predictions=1", done.ids[0]));
    assert_eq!((train.status, train.text().contains("training images have none")), (400, true));
}

/// Width, height and grey pixels of a picture.
fn grey(file: &[u8]) -> (u32, u32, Vec<u8>) {
    let mut png = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
    let mut pixels = vec![0; png.output_buffer_size().unwrap()];
    let info = png.next_frame(&mut pixels).unwrap();
    assert_eq!(info.color_type, png::ColorType::Grayscale);
    (info.width, info.height, pixels)
}

#[test]
fn a_sheet_holds_the_images_in_the_order_asked_for() {
    let site = &finished().site;
    let indices = (0..20).map(|n| (1999 - 7 * n).to_string()).collect::<Vec<_>>();
    let (width, height, sheet) =
        grey(&site.get(&format!("/data/generated/sheet/test?indices={}", indices.join(","))).body);
    assert_eq!((width, height), (16 * 28, 2 * 28));
    for (n, index) in indices.iter().enumerate() {
        let (_, _, image) = grey(&site.get(&format!("/data/generated/images/test/{index}.png")).body);
        for y in 0..28 {
            let at = (n / 16 * 28 + y) * 16 * 28 + n % 16 * 28;
            assert_eq!(sheet[at..at + 28], image[28 * y..28 * y + 28], "row {y} of image {index}");
        }
    }
    let many = vec!["1"; 257].join(",");
    for (status, wrong) in [(404, "2000"), (400, "1,x"), (400, ""), (400, "1,,2"), (400, &many)] {
        assert_eq!(site.get(&format!("/data/generated/sheet/test?indices={wrong}")).status, status, "{wrong}");
    }
    assert_eq!(site.get("/data/generated/sheet/test").status, 400);
}

#[test]
fn images_and_labels_of_the_set_in_use() {
    let site = &finished().site;
    let labels = site.get("/data/generated/labels/test").body;
    assert_eq!((labels.len(), *labels.iter().max().unwrap()), (2000, 9));
    assert_eq!(site.get("/data/generated/labels/train").body.len(), 12_000);
    let reply = site.get("/data/generated/images/test/1999.png");
    assert_eq!(reply.header("content-type"), "image/png");
    let (width, height, pixels) = grey(&reply.body);
    assert_eq!((width, height), (28, 28));
    assert!(pixels.iter().any(|&p| p > 128) && pixels.contains(&0), "a digit on a background");
    for target in [
        "/data/generated/images/test/2000.png",
        "/data/generated/images/test/x.png",
        "/data/generated/images/test/1",
        "/data/generated/images/both/1.png",
        "/data/letters/labels/test",
        "/data/auto/labels/test",
        "/data/..%2f..%2fetc/labels/test",
    ] {
        assert_eq!(site.get(target).status, 404, "{target}");
    }
}

#[test]
fn nothing_outside_a_runs_folder_can_be_had() {
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(&home.path().join("runs"));
    fs::write(home.path().join("secret.txt"), "SECRET").unwrap();
    let id = site.tiny_run();
    #[cfg(unix)]
    {
        let run = home.path().join("runs").join(&id);
        std::os::unix::fs::symlink(home.path().join("secret.txt"), run.join("link.txt")).unwrap();
        std::os::unix::fs::symlink(home.path(), run.join("out")).unwrap();
    }
    let secret = home.path().join("secret.txt").display().to_string();
    let run = format!("/runs/{id}/artifacts");
    for target in [
        format!("{run}/../../../secret.txt"),
        format!("{run}/..%2f..%2fsecret.txt"),
        format!("{run}/%2e%2e/%2e%2e/secret.txt"),
        format!("{run}/embeddings/../../../secret.txt"),
        format!("{run}/{secret}"),
        format!("{run}/%2f{}", &secret[1..]),
        format!("{run}/secret.txt%00"),
        format!("{run}/..%5c..%5csecret.txt"),
        format!("{run}/link.txt"),
        format!("{run}/out/secret.txt"),
        format!("{run}/.hidden"),
        format!("{run}/embeddings"),
        format!("{run}/"),
        "/runs/../../secret.txt".into(),
        "/runs/..%2f..%2fsecret.txt/artifacts/x".into(),
        "/static/../../secret.txt".into(),
        "/static/..%2fCargo.toml".into(),
        "/static/%2e%2e/Cargo.toml".into(),
        "/static//etc/passwd".into(),
    ] {
        let reply = site.get(&target);
        assert_eq!(reply.status, 404, "{target}: {}", reply.text());
    }
    let listed = site.get(&run).text();
    assert!(!listed.contains("link.txt") && !listed.contains("secret"), "{listed}");
    let packed = site.get(&format!("/runs/{id}/archive")).body;
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut unpacked).unwrap();
    assert!(!unpacked.windows(6).any(|w| w == b"SECRET"));
}
