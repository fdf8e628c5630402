//! A comparison as one file that needs no server: the page itself, with its scripts, styles, runs, points and images inside.
//!
//! There is no second implementation of anything. Every link of the page to a file is replaced by the file (modules become
//! an import map of `data:` addresses), and what the scripts would fetch lies in one compressed block, under the addresses
//! by which they ask for it.

use crate::App;
use crate::artifacts::attachment;
use crate::assets::Linked;
use crate::embeddings;
use crate::error::Error;
use crate::pages::{CompareView, ReplayPage};
use crate::runs::{Run, now_ms};
use crate::state::{RunState, Summary};
use crate::{assets, text, views};
use askama::Template;
use axum::extract::{Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use trainer::event::Split;
use trainer::measure::{METRICS, MILESTONES, classes};

/// Bytes of points and predictions at most, before the text form makes them a third larger: with the images, less than 10 MB in all.
const MOST_POINT_BYTES: usize = 4_500_000;
/// Signs of life of a run at most: enough for a curve.
const MOST_PROGRESS: usize = 400;
/// The scripts' own beginning, in place of the live page's.
const ENTRY: &str = "replay.js";

/// `GET /compare/replay?runs=a,b,c`
pub(crate) async fn read(
    State(app): State<Arc<App>>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, Error> {
    let runs = views::compared(&app, pairs)?;
    let mut states = Vec::with_capacity(runs.len());
    for run in &runs {
        states.push(run.state().await?);
    }
    let _turn = app.replays.acquire().await?;
    let made_ms = now_ms();
    let maker = app.clone();
    let page = tokio::task::spawn_blocking(move || page(&maker, &runs, states, made_ms)).await??;
    let head = [
        (CONTENT_TYPE, "text/html; charset=utf-8".to_string()),
        (CACHE_CONTROL, "no-store".into()),
        // A download: it has scripts of its own, which must not run where this server's pages do.
        (CONTENT_DISPOSITION, attachment(&format!("centerscope-{}.html", text::iso(made_ms).replace(':', "")))),
    ];
    Ok((head, page).into_response())
}

/// The whole file. Blocks on the disk.
fn page(app: &App, runs: &[Arc<Run>], mut states: Vec<RunState>, made_ms: u64) -> Result<String, Error> {
    let Some(data) = states.iter().find_map(|state| state.data.clone()) else {
        return Err(Error::Unprocessable("these runs have no points yet: come back after their first epoch".into()));
    };
    let dataset = app.datasets.look_up(&data.set, Some(&data.digest))?;
    let images = &dataset.test;

    let mut block = Block::default();
    let most = (MOST_POINT_BYTES / (5 * images.len()) / runs.len()).max(1);
    for (run, state) in runs.iter().zip(&mut states) {
        state.history = thinned(std::mem::take(&mut state.history), most);
        state.progress = thinned(std::mem::take(&mut state.progress), MOST_PROGRESS);
        for report in &state.history {
            let points = embeddings::of(&run.folder, Split::Test, report.epoch)?;
            let address = format!("/runs/{}/embeddings/{}?split=test&predictions=1", run.id, report.epoch);
            block.put(address, &[embeddings::compact(&points), classes(&report.geometry, &points)].concat());
        }
    }
    block.put(format!("/data/{}/labels/test?digest={}", data.set, data.digest), images.labels());
    let pixels = (0..images.len()).flat_map(|index| images.image(index)).copied().collect::<Vec<_>>();
    block.put(format!("/data/{}/images/test", data.set), &pixels);

    let packed = block.packed().map_err(|error| Error::Internal(format!("the points can't be packed: {error}")))?;
    let index = json!({"runs": states, "metrics": METRICS, "milestones": MILESTONES, "files": block.files});
    let summaries = states.iter().map(|state| state.summary.clone()).collect::<Vec<Summary>>();
    let page = ReplayPage {
        view: CompareView::new(&summaries),
        made_iso: text::iso(made_ms),
        made: text::date(made_ms),
        index: inside_script(&index),
        data: packed,
        version: views::VERSION,
    };
    let page = page.render().map_err(|error| Error::Internal(format!("a page could not be drawn: {error}")))?;
    Ok(self_contained(&page))
}

/// At most `most` of a list, evenly chosen, the last among them.
fn thinned<T>(list: Vec<T>, most: usize) -> Vec<T> {
    let count = list.len();
    if count <= most {
        return list;
    }
    let mut wanted = (1..=most).map(|n| n * count / most - 1).peekable();
    let chosen = list.into_iter().enumerate().filter(|(i, _)| wanted.next_if_eq(i).is_some());
    chosen.map(|(_, item)| item).collect()
}

/// Binary files one after the other.
#[derive(Default)]
struct Block {
    bytes: Vec<u8>,
    /// Address → where it begins and how long it is.
    files: BTreeMap<String, [usize; 2]>,
}

impl Block {
    fn put(&mut self, address: String, bytes: &[u8]) {
        self.files.insert(address, [self.bytes.len(), bytes.len()]);
        self.bytes.extend(bytes);
    }

    /// Compressed, as text.
    fn packed(&self) -> std::io::Result<String> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::default());
        packer.write_all(&self.bytes)?;
        Ok(BASE64_STANDARD.encode(packer.finish()?))
    }
}

/// JSON that may stand inside a `<script>`: nothing in it can end the element.
fn inside_script(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c")
}

/// The page with every file that its head names put in its place, and no link left that leads to a server.
fn self_contained(page: &str) -> String {
    let (head, body) = page.split_once("<body>").unwrap_or((page, ""));
    let mut out = String::with_capacity(page.len() + 500_000);
    for line in head.lines() {
        // The template names one file a line.
        let path = line.split_once("\"/static/").and_then(|(_, rest)| rest.split(['"', '?']).next());
        match path {
            None => out.push_str(line),
            Some("js/main.js") => {
                let map = json!({"imports": modules()});
                let entry = format!("<script type=\"module\">import \"{ENTRY}\";</script>");
                out.extend(["<script type=\"importmap\">", &map.to_string(), "</script>\n", &entry]);
            }
            Some(path) if line.starts_with("<link rel=\"stylesheet\"") => {
                out.extend(["<style>\n", &assets::plain(path).unwrap_or_default(), "</style>"]);
            }
            Some(path) if line.starts_with("<script") => {
                out.extend(["<script>\n", &assets::plain(path).unwrap_or_default(), "</script>"]);
            }
            // The icon.
            Some(_) => continue,
        }
        out.push('\n');
    }
    out.push_str("<body>");
    // A link without an address is text.
    out.push_str(&body.replace(" href=\"/", " data-href=\"/"));
    out
}

/// The entry, and the modules that it may import later, by name. An address of `data:` has no folder, so `"./x.js"` becomes the
/// bare name `"x.js"`.
fn modules() -> BTreeMap<String, String> {
    let source = |name: &str| assets::plain(&format!("js/{name}"));
    let linked = Linked::new(ENTRY, &source);
    let mut found = BTreeMap::new();
    let mut wanted = vec![ENTRY.to_string()];
    while let Some(name) = wanted.pop() {
        if found.contains_key(&name) {
            continue;
        }
        let text =
            if name == ENTRY { Some(linked.text()) } else { source(&name).map(|text| linked.module(&name, &text)) };
        let Some(text) = text else { continue };
        wanted.extend(text.split("\"./").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_string())));
        let code = BASE64_STANDARD.encode(text.replace("\"./", "\""));
        found.insert(name, format!("data:text/javascript;base64,{code}"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_spread_evenly_and_the_last_stays() {
        assert_eq!(thinned((1..=4).collect(), 9), [1, 2, 3, 4]);
        assert_eq!(thinned((1..=10).collect(), 5), [2, 4, 6, 8, 10]);
        assert_eq!(thinned((1..=10).collect(), 3), [3, 6, 10]);
    }

    #[test]
    fn every_module_comes_with_those_it_imports() {
        let modules = modules();
        for (name, address) in &modules {
            let code = BASE64_STANDARD.decode(address.split_once(',').unwrap().1).unwrap();
            let code = String::from_utf8(code).unwrap();
            assert!(!code.contains("\"./"), "{name} names a module by a path");
            for import in code.split("from \"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0)) {
                assert!(modules.contains_key(import), "{name} imports {import}, which is missing");
            }
        }
        assert!(modules.contains_key("scatter-webgl.js") && modules.contains_key(ENTRY));
        assert!(!modules.contains_key("dom.js"), "it is in the entry already");
    }

    #[test]
    fn no_name_of_a_run_ends_the_script() {
        assert_eq!(inside_script(&json!("</script><script>")), "\"\\u003c/script>\\u003cscript>\"");
    }
}
