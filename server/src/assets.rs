//! Scripts and styles, inside the binary.

use crate::error::Error;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;
use std::fmt::Write;

#[derive(RustEmbed)]
#[folder = "../static"]
struct Files;

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

/// `GET /static/{path}`
pub(crate) async fn read(Path(path): Path<String>, headers: HeaderMap) -> Result<Response, Error> {
    let none = || Error::NotFound("there is no such file".into());
    // A build for development reads from the disk; nothing but plain names may get there.
    if path.split('/').any(|part| part.is_empty() || part.starts_with('.')) || path.contains(['\\', ':', '\0']) {
        return Err(none());
    }
    let file = Files::get(&path).ok_or_else(none)?;
    let hash = file.metadata.sha256_hash();
    let tag = hash.iter().take(8).fold(String::new(), |mut tag, byte| {
        let _ = write!(tag, "{byte:02x}");
        tag
    });
    let tag = format!("\"{tag}\"");
    // Asked for anew each time, so that an upgrade shows at once; the answer is nearly always 304.
    let head = [(ETAG, tag.clone()), (CACHE_CONTROL, "no-cache".into())];
    let known =
        headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).is_some_and(|tags| tags.contains(&tag));
    if known {
        return Ok((StatusCode::NOT_MODIFIED, head).into_response());
    }
    Ok((head, [(CONTENT_TYPE, content_type(&path))], file.data.into_owned()).into_response())
}
