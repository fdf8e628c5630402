//! What the server computes about planes: alignments, and where a drawn digit lands.

use crate::support::finished;
use serde_json::{Value, json};
use trainer::data::DataOptions;
use trainer::spec::DatasetChoice;

const BYTES: (&str, &str) = ("Content-Type", "application/octet-stream");

/// Pairs of numbers.
fn pairs(value: &Value) -> Vec<[f64; 2]> {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn planes_are_laid_over_the_references() {
    let done = finished();
    let (runs, reference) = (done.ids.join(","), &done.ids[1]);
    let all = done.site.get(&format!("/compare/alignment?runs={runs}&reference={reference}")).json();
    assert_eq!(all["reference"], **reference);
    let entries = all["alignments"].as_array().unwrap();
    assert_eq!(entries.len(), 6, "three runs of two epochs: {all}");
    let means = |run: &Value, epoch: &Value| {
        let state = done.site.get(&format!("/runs/{}", run.as_str().unwrap())).json();
        let report = state["history"].as_array().unwrap().iter().find(|report| report["epoch"] == *epoch).unwrap();
        // The server computes with what f32 holds; so close together, the digits of its text are not enough.
        let means = serde_json::from_value::<Vec<[f32; 2]>>(report["geometry"]["means"].clone()).unwrap();
        means.into_iter().map(|mean| mean.map(f64::from)).collect::<Vec<_>>()
    };
    for entry in entries {
        let alignment = &entry["alignment"];
        let (matrix, scale) = (pairs(&alignment["matrix"]), alignment["scale"].as_f64().unwrap());
        let offset = serde_json::from_value::<[f64; 2]>(alignment["offset"].clone()).unwrap();
        let moved = means(&entry["run"], &entry["epoch"])
            .into_iter()
            .map(|p| [0, 1].map(|k| scale * (matrix[k][0] * p[0] + matrix[k][1] * p[1]) + offset[k]))
            .collect::<Vec<_>>();
        let fixed = means(&all["reference"], &entry["reference_epoch"]);
        let squares = |a: &[[f64; 2]], b: &[[f64; 2]]| {
            a.iter().zip(b).map(|(p, q)| (p[0] - q[0]).powi(2) + (p[1] - q[1]).powi(2)).sum::<f64>()
        };
        let middle = [0, 1].map(|k| fixed.iter().map(|p| p[k]).sum::<f64>() / fixed.len() as f64);
        let size = squares(&fixed, &vec![middle; fixed.len()]);
        // What is left of the reference's own extent after the best map: SciPy's disparity.
        let residual = alignment["residual"].as_f64().unwrap();
        assert!((squares(&moved, &fixed) / size - residual).abs() < 1e-4, "{entry}");
        if entry["run"] == all["reference"] {
            assert!(residual < 1e-9 && (scale - 1.0).abs() < 1e-9, "a plane is laid over itself as it is: {entry}");
        }
    }
    // A clock beyond the end shows the last epoch; the first run is the reference where none is named.
    let beyond = done.site.get(&format!("/compare/alignment?runs={runs}&epoch=9")).json();
    assert_eq!(beyond["reference"], *done.ids[0]);
    let epochs = beyond["alignments"].as_array().unwrap().iter().map(|entry| entry["epoch"].as_u64().unwrap());
    assert_eq!(epochs.collect::<Vec<_>>(), [2, 2, 2]);
}

#[test]
fn a_test_image_lands_where_the_run_says_it_lies() {
    let done = finished();
    let data = trainer::data::load(DatasetChoice::Generated, &DataOptions::default(), &mut |_| {}).unwrap();
    for (id, epoch) in [(&done.ids[0], 1), (&done.ids[0], 2), (&done.ids[2], 2)] {
        let file = done.site.get(&format!("/runs/{id}/embeddings/{epoch}?format=npy")).body;
        let stored = trainer::npy::to_pairs(&file).unwrap();
        let size = stored.iter().flatten().fold(0.0f32, |most, v| most.max(v.abs()));
        for image in [0, 7, 1999] {
            let pixels = data.test.image(image);
            let reply = done.site.send("POST", &format!("/runs/{id}/predict?epoch={epoch}"), &[BYTES], pixels);
            assert_eq!(reply.status, 200, "{}", reply.text());
            let answer = reply.json();
            assert_eq!((answer["epoch"].as_u64(), &answer["pixels"]), (Some(epoch), &json!(pixels)));
            let place = serde_json::from_value::<[f32; 2]>(answer["embedding"].clone()).unwrap();
            let off = (place[0] - stored[image][0]).abs().max((place[1] - stored[image][1]).abs());
            assert!(off <= 1e-5 * size, "image {image} is {off} off in a plane of size {size}");

            let chances = serde_json::from_value::<[f64; 10]>(answer["probabilities"].clone()).unwrap();
            assert!((chances.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{answer}");
            let largest = (0..10).rev().max_by(|&a, &b| chances[a].total_cmp(&chances[b])).unwrap();
            assert_eq!(answer["prediction"], largest);
            // Itself, or another that the network can't tell from it.
            let nearest = &answer["nearest"][0];
            assert!(nearest["distance"].as_f64().unwrap() <= f64::from(1e-5 * size), "{answer}");
            assert_eq!(nearest["label"], data.test.labels()[nearest["index"].as_u64().unwrap() as usize]);
            assert_eq!(answer["nearest"].as_array().unwrap().len(), 6);
        }
    }
    // The same as JSON; an epoch beyond the end is the last.
    let pixels = data.test.image(7);
    let json = done.site.post(&format!("/runs/{}/predict?epoch=99", done.ids[0]), &json!({"pixels": pixels}));
    let bytes = done.site.send("POST", &format!("/runs/{}/predict", done.ids[0]), &[BYTES], pixels);
    assert_eq!((json.status, json.json()), (200, bytes.json()));
    // All three at once.
    let together = done.site.send("POST", &format!("/compare/predict?runs={}", done.ids.join(",")), &[BYTES], pixels);
    let all = together.json();
    assert_eq!(all["pixels"], json!(pixels));
    for (id, said) in done.ids.iter().zip(all["answers"].as_array().unwrap()) {
        let mut alone = done.site.send("POST", &format!("/runs/{id}/predict"), &[BYTES], pixels).json();
        alone.as_object_mut().unwrap().remove("pixels");
        assert_eq!(*said, alone);
    }
}

#[test]
fn a_drawing_is_brought_into_mnists_layout() {
    let done = finished();
    let target = format!("/runs/{}/predict?drawing=1", done.ids[1]);
    // A bar of 8 × 20, then the same twice as large and in a corner.
    let bar = |side: usize, scale: usize, left: usize, top: usize| {
        let inked =
            |i: usize| (left..left + 8 * scale).contains(&(i % side)) && (top..top + 20 * scale).contains(&(i / side));
        (0..side * side).map(|i| if inked(i) { 255 } else { 0 }).collect::<Vec<u8>>()
    };
    let answers = [bar(28, 1, 10, 4), bar(112, 2, 90, 1)].map(|drawing| {
        let reply = done.site.send("POST", &target, &[BYTES], &drawing);
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    });
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0]["pixels"], json!(bar(28, 1, 10, 4)));

    let run = format!("/runs/{}/predict", done.ids[1]);
    for (status, target, headers, body) in [
        (422, &run, vec![BYTES], vec![0; 783]),
        (422, &target, vec![BYTES], vec![0; 784]),
        (422, &target, vec![BYTES], vec![1; 785]),
        (422, &target, vec![BYTES], vec![1; 129 * 129]),
        (413, &target, vec![BYTES], vec![1; 70_000]),
        (415, &run, vec![], vec![1; 784]),
        (400, &run, vec![("Content-Type", "application/json")], b"{\"pixels\": [256]}".to_vec()),
    ] {
        let reply = done.site.send("POST", target, &headers, &body);
        assert_eq!(reply.status, status, "{target}: {}", reply.text());
        assert!(!reply.json()["detail"].as_str().unwrap().is_empty());
    }
}
