//! Many runs in one folder: each is listed exactly once, however the list is sorted and paged.

use crate::support::Site;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use url::form_urlencoded::byte_serialize;

/// Runs in the folder; by command ten thousand are measured (docs/benchmarks.md).
const RUNS: usize = 1000;
/// Runs of a page: no divisor of the former, so that the last page is a short one.
const PAGE: usize = 270;

/// A page of the list, as far as it matters here.
#[derive(Deserialize)]
struct Page {
    runs: Vec<Listed>,
    next: Option<String>,
    total: usize,
}

#[derive(Deserialize)]
struct Listed {
    id: String,
}

#[test]
fn a_thousand_runs_are_each_listed_once_in_every_order() {
    let home = tempfile::tempdir().unwrap();
    let made = Command::new(env!("CARGO_BIN_EXE_centerscope"))
        .args(["bench", "runs", "--make", &RUNS.to_string(), "--dir"])
        .arg(home.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    // What the folders say of themselves.
    let mut folders = BTreeSet::new();
    let mut statuses = BTreeMap::<String, u64>::new();
    for entry in fs::read_dir(home.path()).unwrap().map(Result::unwrap) {
        let summary = serde_json::from_slice::<Value>(&fs::read(entry.path().join("run.json")).unwrap()).unwrap();
        *statuses.entry(summary["status"].as_str().unwrap().into()).or_default() += 1;
        folders.insert(entry.file_name().into_string().unwrap());
    }
    assert_eq!(folders.len(), RUNS);

    let site = Site::start(home.path());
    let fields = site.get("/runs/fields").json();
    let fields = fields["fields"].as_array().unwrap().iter().filter(|field| field["kind"] != "curve");
    let fields = fields.map(|field| field["name"].as_str().unwrap());
    let orders = fields.flat_map(|field| [field.to_string(), format!("-{field}")]).collect::<Vec<_>>();
    assert!(orders.len() > 60, "{orders:?}");
    for sort in &orders {
        let (mut paged, mut cursor) = (Vec::new(), String::new());
        loop {
            let list = site.get(&format!("/runs?sort={sort}&limit={PAGE}{cursor}"));
            let list = serde_json::from_slice::<Page>(&list.body).unwrap();
            assert_eq!(list.total, RUNS, "{sort}");
            paged.extend(list.runs.into_iter().map(|run| run.id));
            let Some(next) = list.next else { break };
            assert!(paged.len() < RUNS, "{sort}: more pages than runs");
            cursor = format!("&cursor={}", byte_serialize(next.as_bytes()).collect::<String>());
        }
        assert_eq!(paged.len(), RUNS, "{sort}");
        assert_eq!(paged.iter().cloned().collect::<BTreeSet<_>>(), folders, "{sort}");
        let at_once = site.get(&format!("/runs?sort={sort}&format=ids")).json();
        assert_eq!(at_once["ids"], serde_json::json!(paged), "{sort}: pages make another order than the whole");
    }

    let facets = site.get("/runs/facets").json();
    let facets = facets["facets"].as_array().unwrap();
    let of =
        |name: &str| facets.iter().find(|facet| facet["field"] == name).unwrap()["values"].as_array().unwrap().iter();
    let counted =
        of("status").map(|value| (value["value"].as_str().unwrap().to_string(), value["count"].as_u64().unwrap()));
    assert_eq!(counted.filter(|(_, count)| *count > 0).collect::<BTreeMap<_, _>>(), statuses);
    assert_eq!(of("variant").map(|value| value["count"].as_u64().unwrap()).sum::<u64>(), RUNS as u64);
    for (query, fits) in
        [("status+%3D+failed", statuses["FAILED"]), ("not+status+%3D+failed", RUNS as u64 - statuses["FAILED"])]
    {
        assert_eq!(site.get(&format!("/runs?limit=1&query={query}")).json()["total"], fits, "{query}");
    }

    let newest = folders.last().unwrap();
    for page in ["/", "/runs"] {
        let reply = site.get_page(page);
        assert_eq!(reply.status, 200, "{page}");
        assert!(reply.text().contains(newest.as_str()), "{page} does not show the newest run");
    }
    let (first, last) = (folders.first().unwrap(), newest);
    for id in [first, last] {
        assert_eq!(site.get(&format!("/runs/{id}")).json()["id"], id.as_str());
        assert_eq!(site.get_page(&format!("/runs/{id}")).status, 200);
    }
}
