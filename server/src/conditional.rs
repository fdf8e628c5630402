//! Answers that the reader has already, and answers made small: `ETag` with `If-None-Match`, and gzip.

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::Request;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH,
};
use axum::http::{Extensions, HeaderMap, Method, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use tower_http::compression::predicate::{Predicate, SizeAbove};

/// `Cache-Control` of what never changes at its address.
pub(crate) const IMMUTABLE: &str = "private, max-age=31536000, immutable";

/// `Cache-Control` of what is kept, but asked for anew each time.
pub(crate) const ASKED_ANEW: &str = "private, no-cache";

/// The tag of an answer by a hash of what is in it. Weak: gzip may make other bytes of the same answer.
pub(crate) fn weak(hash: &[u8]) -> String {
    hash.iter().take(8).fold("W/\"".to_string(), |mut tag, byte| {
        let _ = write!(tag, "{byte:02x}");
        tag
    }) + "\""
}

/// Whether the reader has the answer of that tag.
pub(crate) fn known(headers: &HeaderMap, tag: &str) -> bool {
    headers.get(IF_NONE_MATCH).is_some_and(|tags| is_among(tag, tags))
}

fn is_among(tag: &str, tags: &HeaderValue) -> bool {
    tags.to_str().is_ok_and(|tags| tags == "*" || tags.contains(&tag[2..]))
}

/// Middleware: gives every answer that is whole in memory an `ETag`, and answers 304 where the reader has it.
pub(crate) async fn answer(request: Request, next: Next) -> Response {
    let asked = (request.method() == Method::GET).then(|| request.headers().get(IF_NONE_MATCH).cloned());
    let response = next.run(request).await;
    // A stream has no size; a file, a script or a style has a tag of its own.
    let whole = response.body().size_hint().exact().is_some() && !response.headers().contains_key(ETAG);
    let Some(known) = asked.filter(|_| whole && response.status() == StatusCode::OK) else { return response };
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let tag = weak(&Sha256::digest(&bytes));
    let known = known.is_some_and(|tags| is_among(&tag, &tags));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        parts.headers.insert(ETAG, tag);
    }
    parts.headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static(ASKED_ANEW));
    if !known {
        return Response::from_parts(parts, Body::from(bytes));
    }
    parts.status = StatusCode::NOT_MODIFIED;
    parts.headers.remove(CONTENT_TYPE);
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::empty())
}

/// Bytes below which gzip isn't worth its head.
const SMALLEST: u16 = 1024;

/// When an answer is worth making small.
pub(crate) fn pays() -> impl Predicate {
    SizeAbove::new(SMALLEST).and(shrinks)
}

/// Whether gzip pays: for text, but not for a stream, whose events must not wait for a full block, not for a file whose parts
/// are asked for by its bytes, and not for a page to take away, most of which is compressed already.
fn shrinks(_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let text = kind.starts_with("text/") && !kind.starts_with("text/event-stream");
    let text = text || kind.starts_with("application/json") || kind.starts_with("image/svg");
    let table = kind.starts_with("text/csv") && !headers.contains_key(ACCEPT_RANGES);
    text && (table || !headers.contains_key(CONTENT_DISPOSITION))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_shrinks_but_neither_streams_nor_files_to_take_away() {
        let shrinks_as = |pairs: &[(axum::http::HeaderName, &'static str)]| {
            let headers = pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
            shrinks(StatusCode::OK, Version::HTTP_11, &headers.collect(), &Extensions::new())
        };
        assert!(shrinks_as(&[(CONTENT_TYPE, "application/json")]));
        assert!(shrinks_as(&[(CONTENT_TYPE, "text/javascript; charset=utf-8")]));
        assert!(!shrinks_as(&[(CONTENT_TYPE, "text/event-stream")]));
        assert!(!shrinks_as(&[(CONTENT_TYPE, "application/octet-stream")]));
        assert!(shrinks_as(&[(CONTENT_TYPE, "text/csv"), (CONTENT_DISPOSITION, "attachment")]));
        assert!(!shrinks_as(&[
            (CONTENT_TYPE, "text/csv"),
            (CONTENT_DISPOSITION, "attachment"),
            (ACCEPT_RANGES, "bytes")
        ]));
        assert!(!shrinks_as(&[(CONTENT_TYPE, "text/html"), (CONTENT_DISPOSITION, "attachment")]));
    }
}
