//! What every request must pass and every response carries.
//!
//! Who may ask at all is for [`crate::auth`]. The danger here is a web page elsewhere that uses the browser of somebody
//! who may: by a name of its own that leads here (DNS rebinding, hence the check of `Host`), or by a request
//! across sites (hence `Origin` and `Sec-Fetch-Site` on whatever changes something).

use crate::App;
use crate::assets;
use crate::config::Config;
use crate::error::Error;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_SECURITY_POLICY, HOST, HeaderName, ORIGIN};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

/// Of scripts within a page, the one that every page has.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let head = BASE64_STANDARD.encode(Sha256::digest(assets::head()));
    let policy = format!(
        "default-src 'none'; script-src 'self' 'sha256-{head}'; style-src 'self'; img-src 'self' blob: data:; \
         connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

const HEADERS: [(&str, &str); 6] = [
    ("x-content-type-options", "nosniff"),
    // Not `no-referrer`: a browser would send our own forms with `Origin: null`, which `check` refuses.
    ("referrer-policy", "same-origin"),
    ("x-frame-options", "DENY"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
];

/// Middleware: refuses what comes from elsewhere.
pub(crate) async fn check(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match allowed(&request, &app.config) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// Middleware: tells the browser what our pages may do.
pub(crate) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    // A stricter policy of the answer's own stays.
    response.headers_mut().entry(CONTENT_SECURITY_POLICY).or_insert_with(|| POLICY.clone());
    for (name, value) in HEADERS {
        response.headers_mut().entry(HeaderName::from_static(name)).or_insert(HeaderValue::from_static(value));
    }
    response
}

fn allowed(request: &Request, config: &Config) -> Result<(), Error> {
    let headers = request.headers();
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok()).unwrap_or_default();
    // One that a proxy before us may have read otherwise than we do.
    let another = request.uri().authority().is_some_and(|authority| !authority.as_str().eq_ignore_ascii_case(host));
    if hosts.next().is_some() || another {
        return Err(Error::BadRequest("the request names several hosts: send one Host header".into()));
    }
    if !host_allowed(host, config) {
        return Err(Error::Misdirected(format!(
            "this server does not answer to the host name `{host}`: use the address it printed when it started, \
             or start it with --allow-host and that name"
        )));
    }
    if request.method().is_safe() {
        return Ok(());
    }
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    let same_origin =
        |origin: &str| origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host));
    if let Some(origin) = text(ORIGIN)
        && !same_origin(origin)
    {
        return Err(Error::Forbidden(format!(
            "the request comes from a page of `{origin}`, and here only pages of `{host}` may change anything: if both are \
             this server, a proxy between them does not pass on `Host`; have it do so, and start the server with \
             --allow-host and that name"
        )));
    }
    match text(HeaderName::from_static("sec-fetch-site")) {
        None | Some("same-origin" | "none") => Ok(()),
        Some(_) => Err(Error::Forbidden(
            "a page of another site may not change anything here: open this server's own page and do it there".into(),
        )),
    }
}

/// Whether the `Host` header names this machine, or what the server was told to listen on or to answer to; any port.
fn host_allowed(host: &str, config: &Config) -> bool {
    let bound = config.host.as_str();
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').unwrap_or_default(),
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    if !port.is_empty() && port.strip_prefix(':').is_none_or(|port| port.parse::<u16>().is_err()) {
        return false;
    }
    let address = name.parse::<IpAddr>().ok();
    // Bound to every address, the server can't know its own; an address in figures is never rebound by DNS.
    let bound_to_all = bound.parse::<IpAddr>().is_ok_and(|bound| bound.is_unspecified());
    name.eq_ignore_ascii_case("localhost")
        || name.eq_ignore_ascii_case(bound)
        || config.allow_host.iter().any(|allowed| name.eq_ignore_ascii_case(allowed))
        || address.is_some_and(|address| bound_to_all || address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_name_is_refused() {
        let bound = |host: &str| Config { host: host.into(), ..Config::for_testing("runs".as_ref()) };
        let local = bound("127.0.0.1");
        for good in ["localhost", "LOCALHOST:8080", "127.0.0.1:9", "[::1]:8080", "[::1]"] {
            assert!(host_allowed(good, &local), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "localhost.evil.example",
            "192.168.1.5",
            "[::1",
            "127.0.0.1.evil.example:80",
            "[::1]x",
            "localhost:x",
        ] {
            assert!(!host_allowed(bad, &local), "{bad}");
        }
        assert!(host_allowed("192.168.1.5:8080", &bound("0.0.0.0")));
        assert!(host_allowed("gpubox:8080", &bound("gpubox")));
        assert!(!host_allowed("evil.example", &bound("0.0.0.0")));
        let behind_a_proxy = Config { allow_host: vec!["runs.example".into()], ..local };
        assert!(host_allowed("Runs.Example", &behind_a_proxy));
        assert!(!host_allowed("evil.runs.example", &behind_a_proxy));
    }
}
