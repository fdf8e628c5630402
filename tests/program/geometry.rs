//! What the server computes about planes: alignments, and where a drawn digit lands.

use crate::support::finished;
use serde_json::Value;

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
        pairs(&report["geometry"]["means"])
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
