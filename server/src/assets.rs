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

/// A script or a style sheet as text, as it is sent.
pub(crate) fn text(path: &str) -> Option<String> {
    let text = String::from_utf8_lossy(&Files::get(path)?.data).into_owned();
    Some(if path.starts_with("js/") { without_comments(&text) } else { text })
}

/// Our scripts without indentation and without the lines that are comment and nothing else: a quarter of what is sent.
/// Works line by line, so no line within a text of several lines may begin like a comment.
fn without_comments(script: &str) -> String {
    let mut out = String::with_capacity(script.len());
    let mut in_comment = false;
    for line in script.lines().map(str::trim) {
        in_comment |= line.starts_with("/*");
        if !in_comment && !line.starts_with("//") && !line.is_empty() {
            out.extend([line, "\n"]);
        }
        in_comment &= !line.ends_with("*/");
    }
    out
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
    let tag = format!("W/\"{tag}\"");
    // Asked for anew each time, so that an upgrade shows at once; the answer is nearly always 304.
    let head = [(ETAG, tag.clone()), (CACHE_CONTROL, "no-cache".into())];
    let known =
        headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).is_some_and(|tags| tags.contains(&tag[2..]));
    if known {
        return Ok((StatusCode::NOT_MODIFIED, head).into_response());
    }
    let body = match path.starts_with("js/") {
        true => without_comments(&String::from_utf8_lossy(&file.data)).into_bytes(),
        false => file.data.into_owned(),
    };
    Ok((head, [(CONTENT_TYPE, content_type(&path))], body).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_lose_their_comments_and_nothing_else() {
        let script = "// A file.\n\n/**\n * Doubles.\n */\nexport const f = (x) => {\n  /** One line. */\n  const url = \"//a\"; // stays\n  return 2 * x;\n};\n";
        assert_eq!(
            without_comments(script),
            "export const f = (x) => {\nconst url = \"//a\"; // stays\nreturn 2 * x;\n};\n"
        );
    }
}
