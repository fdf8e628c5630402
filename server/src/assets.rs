//! Scripts and styles, inside the binary, as they are sent: few files, without comments, compressed once.

mod linked;

use crate::conditional::IMMUTABLE;
use crate::error::Error;
use axum::body::Bytes;
use axum::extract::{Path, Query};
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use flate2::Compression;
use flate2::write::GzEncoder;
pub(crate) use linked::Linked;
use rust_embed::RustEmbed;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::Write;
use std::sync::{LazyLock, Mutex};

#[derive(RustEmbed)]
#[folder = "../static"]
struct Files;

/// The script that every page begins with: sent with all that it imports.
const MAIN: &str = "main.js";
/// The style sheets, one after the other: a later one has the last word.
const STYLES: &str = "css/all.css";
const SHEETS: [&str; 19] = [
    "vendor/uPlot.min.css",
    "css/tokens.css",
    "css/page.css",
    "css/palette.css",
    "css/comparison.css",
    "css/clock.css",
    "css/selection.css",
    "css/draw.css",
    "css/charts.css",
    "css/tables.css",
    "css/filter.css",
    "css/grid.css",
    "css/in-place.css",
    "css/bulk.css",
    "css/dialogs.css",
    "css/save.css",
    "css/form.css",
    "css/groups.css",
    "css/narrow.css",
];

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("json") => "application/json",
        _ => "text/plain; charset=utf-8",
    }
}

/// What runs before the first paint, to stand in each page: a request for it would hold the paint up.
pub(crate) fn head() -> &'static str {
    static HEAD: LazyLock<String> = LazyLock::new(|| without_comments(include_str!("../../static/js/head.js")));
    &HEAD
}

/// The address of the style sheets as they are now: a browser that has them need not ask.
pub(crate) fn styles() -> String {
    let tag = Sent::of(STYLES).map(|sent| sent.tag).unwrap_or_default();
    format!("/static/{STYLES}?v={tag}")
}

/// A script or a style sheet as text, each module by itself.
pub(crate) fn plain(path: &str) -> Option<String> {
    if path == STYLES {
        return SHEETS.iter().map(|sheet| plain(sheet)).collect();
    }
    let text = String::from_utf8_lossy(&Files::get(path)?.data).into_owned();
    Some(if path.starts_with("js/") { without_comments(&text) } else { text })
}

/// Every script of ours, by name.
#[cfg(test)]
pub(crate) fn scripts() -> Vec<String> {
    Files::iter().filter_map(|path| path.strip_prefix("js/").map(str::to_owned)).collect()
}

/// Our scripts without indentation and without comments: a quarter of what is sent. Works line by line, so no line within a text of
/// several lines may begin like a comment, and a comment behind code stays where a quotation mark in it may be a text's end.
fn without_comments(script: &str) -> String {
    let mut out = String::with_capacity(script.len());
    let mut in_comment = false;
    for line in script.lines().map(str::trim) {
        in_comment |= line.starts_with("/*");
        if !in_comment && !line.starts_with("//") && !line.is_empty() {
            let behind = line.split_once(" // ").filter(|(_, comment)| !comment.contains(['"', '\'', '`']));
            out.extend([behind.map_or(line, |(code, _)| code), "\n"]);
        }
        in_comment &= !line.ends_with("*/");
    }
    out
}

/// A file as it is sent.
#[derive(Clone)]
struct Sent {
    /// Of the content, whatever it is compressed with.
    tag: String,
    plain: Bytes,
    /// The same in gzip, where that is shorter.
    packed: Option<Bytes>,
}

impl Sent {
    fn of(path: &str) -> Option<Sent> {
        /// Nothing changes under a program that has its files inside; a build for development reads them from the disk.
        static KEPT: LazyLock<Mutex<HashMap<String, Sent>>> = LazyLock::new(Mutex::default);
        let kept = || KEPT.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(sent) = kept().get(path).filter(|_| !cfg!(debug_assertions)) {
            return Some(sent.clone());
        }
        let plain: Bytes = match path.strip_prefix("js/") {
            Some(name) => {
                let linked = Linked::new(MAIN, &|name| plain(&format!("js/{name}")));
                let text = if name == MAIN { linked.text() } else { linked.module(name, &plain(path)?) };
                text.into()
            }
            None if path == STYLES => plain(path)?.into(),
            None => Files::get(path)?.data.into_owned().into(),
        };
        let tag = Sha256::digest(&plain).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let packed = gzip(&plain).filter(|packed| packed.len() < plain.len()).map(Bytes::from);
        let sent = Sent { tag, plain, packed };
        kept().insert(path.into(), sent.clone());
        Some(sent)
    }
}

fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(bytes).ok()?;
    packer.finish().ok()
}

/// Which content a page was written for.
#[derive(Deserialize)]
pub(crate) struct Version {
    v: Option<String>,
}

/// `GET /static/{path}`
pub(crate) async fn read(
    Path(path): Path<String>,
    Query(version): Query<Version>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let none = || Error::NotFound("there is no such file".into());
    // A build for development reads from the disk; nothing but plain names may get there.
    if path.split('/').any(|part| part.is_empty() || part.starts_with('.')) || path.contains(['\\', ':', '\0']) {
        return Err(none());
    }
    let sent = Sent::of(&path).ok_or_else(none)?;
    let has =
        |name, what: &str| headers.get(name).and_then(|value| value.to_str().ok()).is_some_and(|v| v.contains(what));
    // Asked for anew each time, so that an upgrade shows at once, and nearly always answered 304; unless the address names the content.
    let kept = if version.v.as_ref() == Some(&sent.tag) { IMMUTABLE } else { "no-cache" };
    let head =
        [(ETAG, format!("W/\"{}\"", sent.tag)), (CACHE_CONTROL, kept.into()), (VARY, ACCEPT_ENCODING.to_string())];
    if has(IF_NONE_MATCH, &sent.tag) {
        return Ok((StatusCode::NOT_MODIFIED, head).into_response());
    }
    let head = (head, [(CONTENT_TYPE, content_type(&path))]);
    match sent.packed.filter(|_| has(ACCEPT_ENCODING, "gzip")) {
        Some(packed) => Ok((head.0, head.1, [(CONTENT_ENCODING, "gzip")], packed).into_response()),
        None => Ok((head.0, head.1, sent.plain).into_response()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_style_sheet_is_sent() {
        let all = plain(STYLES).unwrap();
        for path in Files::iter().filter(|path| path.ends_with(".css")) {
            assert!(all.contains(&plain(&path).unwrap()), "{path} is missing in SHEETS");
        }
    }

    #[test]
    fn scripts_lose_their_comments_and_nothing_else() {
        let script = "// A file.\n\n/**\n * Doubles.\n */\nexport const f = (x) => {\n  /** One line. */\n  const url = \"//a\"; // goes\n  const text = \"a // b\"; // \"stays\"\n  return 2 * x;\n};\n";
        assert_eq!(
            without_comments(script),
            "export const f = (x) => {\nconst url = \"//a\";\nconst text = \"a // b\"; // \"stays\"\nreturn 2 * x;\n};\n"
        );
    }
}
