//! What goes wrong, in two renderings: a page for browsers and `application/problem+json` (RFC 9457) for programs.
//!
//! A handler returns an [`Error`] and knows nothing of the reader; `render` wraps every route, sees the request's
//! `Accept`, and turns the answer into a page where a person waits for it. It also gives a body to the errors of the
//! framework, so that no failure is a bare line of text.

use crate::checkpoints::NoCheckpoint;
use crate::limits::BODY_BYTES;
use crate::pages::ErrorPage;
use crate::query::QueryError;
use crate::runs::{ReadError, RecordError};
use crate::scheduler::SubmitError;
use askama::Template;
use axum::extract::Request;
use axum::http::header::{
    ACCEPT, ALLOW, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use serde_json::{Value, json};
use std::io;
use trainer::spec::SpecError;

/// Why a request isn't answered as hoped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// 400: it can't be understood.
    #[error("{0}")]
    BadRequest(String),
    /// 401: it says nothing of who sends it, or nothing true.
    #[error("{0}")]
    Unauthorized(String),
    /// 400: a parameter of the address.
    #[error("{detail}")]
    Parameter {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        detail: String,
        /// More members of the answer: `expected`, `position`, `length`.
        more: Value,
    },
    /// 400: a parameter that the address doesn't take, or not twice.
    #[error(transparent)]
    Address(SpecError),
    /// 403: it comes from another site, or from somebody who may only look.
    #[error("{0}")]
    Forbidden(String),
    /// 404: there is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// 408: the body took too long.
    #[error("{0}")]
    TooSlow(String),
    /// 409: the run isn't in a state for that.
    #[error("{0}")]
    Conflict(String),
    /// 413: the body is too large.
    #[error("the body is larger than {} KiB", BODY_BYTES / 1024)]
    TooLarge,
    /// 415: the body is no JSON.
    #[error("{0}")]
    MediaType(String),
    /// 416: the file has no such range.
    #[error("the file has {size} bytes: ask for a range within them")]
    Range {
        /// Size of the file.
        size: u64,
    },
    /// 421: it is meant for another host.
    #[error("{0}")]
    Misdirected(String),
    /// 422: a field's value.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// 422: it can be understood and makes no sense.
    #[error("{0}")]
    Unprocessable(String),
    /// 429: the queue is full.
    #[error("{0}")]
    QueueFull(String),
    /// 429: too much of something at once.
    #[error("{detail}")]
    TooMany {
        /// What, and what to do.
        detail: String,
        /// When to try again, in seconds.
        retry_s: u64,
    },
    /// 503: the server is about to end.
    #[error("{0}")]
    Unavailable(String),
    /// 500: the machine.
    #[error("{0}")]
    Internal(String),
}

impl From<tokio::sync::AcquireError> for Error {
    fn from(_: tokio::sync::AcquireError) -> Error {
        Error::Unavailable("the server is about to end".into())
    }
}

/// Marks a response as a failure that [`render`] may word anew.
#[derive(Clone, Debug)]
struct Problem {
    detail: String,
}

impl Error {
    /// A parameter of the address that isn't as expected.
    pub fn parameter(field: &'static str, got: &str, expected: impl Into<String>) -> Error {
        let expected = expected.into();
        let detail = format!("{field}: got `{got}`, expected {expected}");
        Error::Parameter { field, detail, more: json!({"value": got, "expected": expected}) }
    }

    /// A run that isn't there.
    pub fn no_run() -> Error {
        Error::NotFound("there is no run of that id here: /runs lists those that are, /trash what was deleted".into())
    }

    /// A run whose files aren't there any more.
    fn lost_run() -> Error {
        Error::NotFound(
            "the run's files are gone: somebody deleted or moved them while the server ran; put them back".into(),
        )
    }

    /// The members of the answer besides those that every failure has.
    fn more(&self) -> Value {
        match self {
            Error::Spec(e) | Error::Address(e) => json!({"field": e.field, "value": e.value, "expected": e.expected}),
            Error::Parameter { field, more, .. } => {
                let mut members = json!({"field": field});
                if let (Value::Object(members), Value::Object(more)) = (&mut members, more) {
                    members.extend(more.clone());
                }
                members
            }
            _ => json!({}),
        }
    }

    /// The failure as `application/problem+json` tells it.
    pub(crate) fn problem(&self) -> Value {
        members(self.status(), &self.to_string(), self.more())
    }

    fn status(&self) -> StatusCode {
        match self {
            Error::BadRequest(_) | Error::Parameter { .. } | Error::Address(_) => StatusCode::BAD_REQUEST,
            Error::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Error::Forbidden(_) => StatusCode::FORBIDDEN,
            Error::NotFound(_) => StatusCode::NOT_FOUND,
            Error::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Error::Conflict(_) => StatusCode::CONFLICT,
            Error::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Error::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Error::Range { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
            Error::Misdirected(_) => StatusCode::MISDIRECTED_REQUEST,
            Error::Spec(_) | Error::Unprocessable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Error::QueueFull(_) | Error::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Error::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Error {
        match error {
            ReadError::Disk(cause) if cause.kind() == io::ErrorKind::NotFound => Error::lost_run(),
            error => Error::Internal(error.to_string()),
        }
    }
}

impl From<RecordError> for Error {
    fn from(error: RecordError) -> Error {
        match error {
            RecordError::NotOver | RecordError::Stopping | RecordError::Finished => Error::Conflict(error.to_string()),
            RecordError::Gone => Error::NotFound(error.to_string()),
            RecordError::Checkpoint(none) => none.into(),
            RecordError::Disk(cause) if cause.kind() == io::ErrorKind::NotFound => Error::lost_run(),
            _ => Error::Internal(error.to_string()),
        }
    }
}

impl From<NoCheckpoint> for Error {
    fn from(error: NoCheckpoint) -> Error {
        Error::Unprocessable(error.to_string())
    }
}

impl From<QueryError> for Error {
    fn from(error: QueryError) -> Error {
        Error::Parameter { field: "query", detail: error.to_string(), more: error.members() }
    }
}

impl From<SubmitError> for Error {
    fn from(error: SubmitError) -> Error {
        match error {
            SubmitError::Full { .. } => Error::QueueFull(error.to_string()),
            SubmitError::Closed => Error::Unavailable(error.to_string()),
            SubmitError::Record(error) => error.into(),
        }
    }
}

impl From<tokio::task::JoinError> for Error {
    fn from(error: tokio::task::JoinError) -> Error {
        Error::Internal(format!("a task of the server broke down: {error}"))
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let detail = self.to_string();
        if let Error::Internal(_) = self {
            tracing::error!(detail, "a request failed");
        }
        let mut response = problem(self.status(), &detail, self.more());
        let more = match self {
            Error::Range { size } => Some((CONTENT_RANGE, format!("bytes */{size}"))),
            Error::Unauthorized(_) => Some((WWW_AUTHENTICATE, "Bearer realm=\"centerscope\"".into())),
            Error::TooMany { retry_s, .. } => Some((RETRY_AFTER, retry_s.to_string())),
            _ => None,
        };
        if let Some((name, value)) = more
            && let Ok(value) = HeaderValue::from_str(&value)
        {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

fn title(status: StatusCode) -> &'static str {
    match status {
        // RFC 9110 renamed them; the http crate keeps the old names.
        StatusCode::UNPROCESSABLE_ENTITY => "Unprocessable Content",
        StatusCode::PAYLOAD_TOO_LARGE => "Content Too Large",
        other => other.canonical_reason().unwrap_or("Error"),
    }
}

fn members(status: StatusCode, detail: &str, more: Value) -> Value {
    let mut body = json!({"type": "about:blank", "title": title(status), "status": status.as_u16(), "detail": detail});
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more);
    }
    body
}

fn problem(status: StatusCode, detail: &str, more: Value) -> Response {
    let body = members(status, detail, more);
    let mut response = (status, [(CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response();
    response.extensions_mut().insert(Problem { detail: detail.into() });
    response
}

/// Middleware: gives every failure the rendering that its reader can use.
pub(crate) async fn render(request: Request, next: Next) -> Response {
    let html = wants_html(request.headers());
    let mut response = next.run(request).await;
    let status = response.status();
    // 304 and the like are no failures; nor is an answer that says what it is by itself.
    let page_already = html && response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == HTML);
    if (status.is_client_error() || status.is_server_error()) && !page_already {
        let problem_told = response.extensions_mut().remove::<Problem>();
        let detail = problem_told.as_ref().map_or_else(|| framework_detail(status).into(), |p| p.detail.clone());
        let anew = match (html, problem_told) {
            // A page that tells the failure where it was typed.
            (true, None) if is_page(&response) => None,
            (true, _) => Some(error_page(status, detail, response.headers().contains_key(RETRY_AFTER))),
            (false, None) => Some(problem(status, &detail, json!({}))),
            (false, Some(_)) => None,
        };
        if let Some(mut anew) = anew {
            for name in [ALLOW, CONTENT_RANGE, RETRY_AFTER, WWW_AUTHENTICATE] {
                if let Some(value) = response.headers_mut().remove(&name) {
                    anew.headers_mut().insert(name, value);
                }
            }
            anew.headers_mut().remove(CONTENT_LENGTH);
            response = anew;
        }
        response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    }
    response
}

fn is_page(response: &Response) -> bool {
    response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

/// How pages are sent.
const HTML: &str = "text/html; charset=utf-8";

fn framework_detail(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "there is nothing at this address",
        StatusCode::METHOD_NOT_ALLOWED => "this address does not take that method: see the Allow header",
        StatusCode::BAD_REQUEST => "the address can't be understood",
        _ => "the request can't be answered",
    }
}

/// `soon`: whether it is worth another try in a moment.
fn error_page(status: StatusCode, detail: String, soon: bool) -> Response {
    let next = match status {
        StatusCode::NOT_FOUND => "It may never have been here, or it was deleted. All runs stand at /runs.",
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST => {
            "Go back, change what is named above, and try again."
        }
        StatusCode::TOO_MANY_REQUESTS if soon => "Nothing is wrong with the request: only its time.",
        StatusCode::TOO_MANY_REQUESTS => "Wait for a run to end, or stop one, and try again.",
        StatusCode::UNAUTHORIZED => "Log in at /login, then try again.",
        StatusCode::FORBIDDEN => "Nothing was changed.",
        StatusCode::MISDIRECTED_REQUEST => "Open Centerscope at the address it printed when it started.",
        status if status.is_server_error() => "The log of the server says more. Your other runs go on.",
        _ => "Go back to the home page and try again from there.",
    };
    let page = ErrorPage {
        status: status.as_u16(),
        title: title(status).into(),
        detail: detail.clone(),
        next,
        version: env!("CARGO_PKG_VERSION"),
    };
    match page.render() {
        Ok(page) => (status, Html(page)).into_response(),
        Err(_) => problem(status, &detail, json!({})),
    }
}

/// Whether the reader is a browser that wants a page: `text/html` named outright, and no less than JSON.
pub(crate) fn wants_html(headers: &HeaderMap) -> bool {
    let ranges = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
    let (mut html, mut json) = (0.0, 0.0);
    for range in ranges {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let q = parts.find_map(|p| p.strip_prefix("q=")).map_or(1.0, |q| q.parse::<f32>().unwrap_or(0.0));
        match kind {
            "text/html" | "application/xhtml+xml" => html = f32::max(html, q),
            "application/json" => json = q,
            _ => {}
        }
    }
    html > 0.0 && html >= json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_asks_for_html_gets_it() {
        let wants = |accept: &str| wants_html(&HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]));
        assert!(wants("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
        assert!(!wants("*/*"));
        assert!(!wants("application/json"));
        assert!(!wants("application/json, text/html;q=0.5"));
        assert!(!wants("text/html;q=0"));
        assert!(!wants_html(&HeaderMap::new()));
    }
}
