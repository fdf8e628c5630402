//! Who may look and who may change: tokens, as a bearer header or as the cookie of the login page.
//!
//! On a loopback address there is no token unless one is asked for: whoever can reach the server owns the machine. On any
//! other address there always is one. Kept are digests alone, and digests are what is compared, in constant time.

use crate::error::{Error, wants_html};
use crate::limits::Client;
use crate::pages::LoginPage;
use crate::{App, views};
use axum::body::Bytes;
use axum::extract::{Query, Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, COOKIE, SET_COOKIE};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;
use subtle::{Choice, ConstantTimeEq};

/// Characters of a token at least: shorter ones can be guessed.
pub const SHORTEST: usize = 16;
/// The cookie's name.
const COOKIE_NAME: &str = "centerscope";
/// How long a browser keeps the cookie, in seconds: thirty days.
const COOKIE_AGE_S: u32 = 30 * 24 * 3600;
/// What anybody may have: it says nothing of any run.
const OPEN: [&str; 4] = ["/login", "/logout", "/healthz", "/readyz"];

/// What a request may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Nothing but logging in.
    Nothing,
    /// Read everything.
    Look,
    /// Start, stop and edit as well.
    Change,
}

/// The tokens in force.
#[derive(Debug, Default)]
pub struct Auth {
    change: Option<Secret>,
    look: Option<Secret>,
}

/// A token, by what it can be recognised but not told.
struct Secret {
    token: [u8; 32],
    session: [u8; 32],
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// What the cookie holds: it opens the same doors as the token, but a stolen one doesn't tell the token.
fn session(token: &str) -> String {
    digest(&format!("centerscope session {token}")).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Secret {
    fn new(token: &str) -> Secret {
        Secret { token: digest(token), session: digest(&session(token)) }
    }
}

impl Auth {
    /// The tokens that change and that only look; without either, everybody may do everything.
    pub fn new(change: Option<&str>, look: Option<&str>) -> Auth {
        Auth { change: change.map(Secret::new), look: look.map(Secret::new) }
    }

    /// A token that nobody can guess: 192 random bits in hexadecimal.
    pub fn fresh_token() -> String {
        rand::random::<[u8; 24]>().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether a token is asked for.
    pub fn is_on(&self) -> bool {
        self.change.is_some() || self.look.is_some()
    }

    fn by_token(&self, token: &str) -> Access {
        self.known(&digest(token), |secret| &secret.token)
    }

    /// Compares with both secrets whatever the first says, so that the time tells nothing.
    fn known(&self, presented: &[u8; 32], part: impl Fn(&Secret) -> &[u8; 32]) -> Access {
        let same =
            |secret: &Option<Secret>| secret.as_ref().map_or(Choice::from(0), |secret| part(secret).ct_eq(presented));
        let (change, look) = (same(&self.change), same(&self.look));
        match (change.into(), look.into()) {
            (true, _) => Access::Change,
            (false, true) => Access::Look,
            (false, false) => Access::Nothing,
        }
    }

    /// What a request with these headers may do.
    fn access(&self, headers: &HeaderMap) -> Access {
        if !self.is_on() {
            return Access::Change;
        }
        let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer = bearer.and_then(|value| value.split_once(' '));
        let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let cookies = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
        let sessions = cookies.filter(|(name, _)| *name == COOKIE_NAME);
        let sessions = sessions.map(|(_, value)| self.known(&digest(value), |secret| &secret.session));
        let bearer = bearer.map(|(_, token)| self.by_token(token.trim()));
        bearer.into_iter().chain(sessions).max().unwrap_or(Access::Nothing)
    }
}

/// Middleware: lets through what the sender may do.
pub(crate) async fn check(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if !app.auth.is_on() || OPEN.contains(&path) || path.starts_with("/static/") {
        return next.run(request).await;
    }
    let safe = request.method().is_safe();
    match app.auth.access(request.headers()) {
        Access::Nothing if safe && wants_html(request.headers()) => to_login(&request).into_response(),
        Access::Nothing => {
            let detail = "this server asks for a token: send it as `Authorization: Bearer …`, or log in at /login";
            Error::Unauthorized(detail.into()).into_response()
        }
        Access::Look if !safe && !only_asks(path) => {
            let detail = "your token may look but not change anything: log in with the other one at /login";
            Error::Forbidden(detail.into()).into_response()
        }
        Access::Look | Access::Change => {
            let mut response = next.run(request).await;
            // What only some may see is nothing for a cache that others share.
            let headers = response.headers_mut();
            headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
            response
        }
    }
}

/// Whether a POST to this address changes nothing: its body is the question.
fn only_asks(path: &str) -> bool {
    matches!(
        path.split('/').collect::<Vec<_>>()[..],
        ["", "runs", "plan"] | ["", "runs", _, "predict"] | ["", "compare", "predict"]
    )
}

fn to_login(request: &Request) -> Redirect {
    let wanted = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("next", wanted).finish();
    Redirect::to(&format!("/login?{query}"))
}

/// Where to go after the login: an address of ours, whatever the form says.
fn onward(next: Option<&str>) -> &str {
    let ours = |next: &&str| {
        let plain = next.starts_with('/') && !next.starts_with("//");
        plain && !next.contains(|c: char| c == '\\' || c.is_control() || !c.is_ascii())
    };
    next.filter(ours).unwrap_or("/")
}

#[derive(Deserialize)]
pub(crate) struct Wanted {
    next: Option<String>,
}

/// `GET /login`
pub(crate) async fn page(
    State(app): State<Arc<App>>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    views::page(&LoginPage::new(access_now(&app, &headers), onward(wanted.next.as_deref()), false))
}

/// What the visitor may do already; `None` where no token is asked for.
fn access_now(app: &App, headers: &HeaderMap) -> Option<Access> {
    app.auth.is_on().then(|| app.auth.access(headers))
}

/// `POST /login`
pub(crate) async fn log_in(
    State(app): State<Arc<App>>,
    client: Client,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Error> {
    let field = |wanted: &str| form_urlencoded::parse(&body).find(|(name, _)| name == wanted).map(|(_, value)| value);
    let (token, next) = (field("token").unwrap_or_default(), field("next"));
    let next = onward(next.as_deref());
    let token = token.trim();
    if app.auth.is_on() && app.auth.by_token(token) == Access::Nothing {
        tracing::warn!(client = %client.0, "a login with a wrong token was refused");
        if !wants_html(&headers) {
            return Err(Error::Unauthorized(
                "that is not the token: it is printed where the server was started".into(),
            ));
        }
        let page = views::page(&LoginPage::new(Some(Access::Nothing), next, true))?;
        return Ok((StatusCode::UNAUTHORIZED, page).into_response());
    }
    Ok((cookie(&headers, &session(token), COOKIE_AGE_S), Redirect::to(next)).into_response())
}

/// `POST /logout`
pub(crate) async fn log_out(headers: HeaderMap) -> Response {
    (cookie(&headers, "", 0), Redirect::to("/login")).into_response()
}

fn cookie(headers: &HeaderMap, value: &str, age_s: u32) -> [(HeaderName, String); 1] {
    // A browser keeps a `Secure` cookie only where the connection is encrypted, and only a proxy can say that it is.
    let encrypted = headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
    let secure = if encrypted { "; Secure" } else { "" };
    let cookie = format!("{COOKIE_NAME}={value}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Strict{secure}");
    [(SET_COOKIE, cookie)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGE: &str = "0123456789abcdef-change";
    const LOOK: &str = "0123456789abcdef-look";

    fn access(auth: &Auth, name: &'static str, value: &str) -> Access {
        auth.access(&HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]))
    }

    #[test]
    fn a_token_opens_what_it_is_for() {
        let auth = Auth::new(Some(CHANGE), Some(LOOK));
        for (header, expected) in [
            (format!("Bearer {CHANGE}"), Access::Change),
            (format!("bearer  {LOOK}"), Access::Look),
            (format!("Basic {CHANGE}"), Access::Nothing),
            (CHANGE.into(), Access::Nothing),
            ("Bearer ".into(), Access::Nothing),
            (format!("Bearer {CHANGE}x"), Access::Nothing),
            (format!("Bearer {}", session(CHANGE)), Access::Nothing),
        ] {
            assert_eq!(access(&auth, "authorization", &header), expected, "{header}");
        }
        for (header, expected) in [
            (format!("a=b; centerscope={}", session(CHANGE)), Access::Change),
            (format!("centerscope={}", session(LOOK)), Access::Look),
            (format!("centerscope={CHANGE}"), Access::Nothing),
            (format!("centerscope=; centerscope={}", session(LOOK)), Access::Look),
            ("centerscope".into(), Access::Nothing),
        ] {
            assert_eq!(access(&auth, "cookie", &header), expected, "{header}");
        }
        assert_eq!(Auth::new(Some(CHANGE), None).access(&HeaderMap::new()), Access::Nothing);
        assert_eq!(Auth::default().access(&HeaderMap::new()), Access::Change);
    }

    #[test]
    fn asking_is_not_changing() {
        assert!(only_asks("/runs/plan") && only_asks("/runs/0198/predict") && only_asks("/compare/predict"));
        for changing in
            ["/runs", "/runs/", "/runs/0198", "/runs/plan/stop", "/runs/plan/", "/runs/a/b/predict", "/plan"]
        {
            assert!(!only_asks(changing), "{changing}");
        }
    }

    #[test]
    fn a_login_leads_to_our_own_pages_only() {
        assert_eq!(onward(Some("/compare?runs=a,b")), "/compare?runs=a,b");
        for foreign in ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "", "/a\r\nb", "/ü"] {
            assert_eq!(onward(Some(foreign)), "/", "{foreign}");
        }
        assert_eq!(onward(None), "/");
    }

    #[test]
    fn tokens_are_long_different_and_never_told() {
        let (a, b) = (Auth::fresh_token(), Auth::fresh_token());
        assert!(a.len() >= 3 * SHORTEST && a != b);
        assert!(!format!("{:?}", Auth::new(Some(&a), None)).contains(&a));
    }
}
