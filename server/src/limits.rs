//! How much anybody may ask for at once: sizes, times, and how many. `docs/api.md` lists them for readers.

mod handles;
mod shares;

use crate::App;
use crate::error::Error;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use handles::raise_handles;
pub(crate) use handles::{Capacity, lacks_handles};
pub use shares::Streams;
pub(crate) use shares::{Connections, Place};

/// The largest body of a request, in bytes.
pub const BODY_BYTES: usize = 64 * 1024;
/// The largest head of a request, address included, in bytes.
pub const HEAD_BYTES: usize = 32 * 1024;
/// Header lines of a request at most.
pub const HEADERS: usize = 64;
/// Connections at once, beyond the live streams.
pub const CONNECTIONS: usize = 512;
/// Connections of one address at once, its live streams among them; this machine's own is only counted in the total.
pub const CONNECTIONS_OF_ONE: usize = 128;
/// Live streams of one address at once. This machine's own is only counted in the total: a proxy has it, too.
pub const STREAMS_OF_ONE: usize = 64;
/// Archives that are packed at once: each holds a thread for as long as its reader takes.
pub const ARCHIVES: usize = 8;
/// Replays that are made at once, the others wait; training needs the processor, too.
pub const REPLAYS: usize = 2;
/// Claims that are tested at once, the others wait: one may read the logs of hundreds of runs.
pub const CLAIMS: usize = 1;
/// Requests that create or resume runs: this many at once …
pub const CREATIONS: f64 = 60.0;
/// … and then this many a second.
pub const CREATIONS_PER_S: f64 = 4.0;

/// How long the server waits for the other end of a connection. The same for every server but those of tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For the head of a request, also of a connection's next one.
    pub head: Duration,
    /// For a body.
    pub body: Duration,
    /// For a reader that takes nothing of its answer; a stream resumes.
    pub reader: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { head: Duration::from_secs(10), body: Duration::from_secs(15), reader: Duration::from_secs(120) }
    }
}

/// Who is at the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client(pub(crate) IpAddr);

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Client, Infallible> {
        // Every connection says who it is; without one (a router by itself), nobody is told apart.
        Ok(parts.extensions.get().copied().unwrap_or(Client(Ipv4Addr::UNSPECIFIED.into())))
    }
}

/// Middleware: reads the body of a request that may have one, before anything is done about it. So a slow or endless body
/// holds nothing up but its own connection.
pub(crate) async fn read_body(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let declared = body.size_hint().lower();
    let read = async {
        if declared > BODY_BYTES as u64 {
            return Err(Error::TooLarge);
        }
        let mut pieces = body.into_data_stream();
        let mut whole = Vec::with_capacity(declared as usize);
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|_| Error::BadRequest("the body could not be read to its end".into()))?;
            if whole.len() + piece.len() > BODY_BYTES {
                return Err(Error::TooLarge);
            }
            whole.extend_from_slice(&piece);
        }
        Ok(Bytes::from(whole))
    };
    let patience = app.config.patience.body;
    match tokio::time::timeout(patience, read).await {
        Ok(Ok(body)) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Ok(Err(error)) => error.into_response(),
        Err(_) => {
            let detail = format!("the body did not arrive within {} s: send it again, faster", patience.as_secs());
            Error::TooSlow(detail).into_response()
        }
    }
}

/// So many at once and then so many a second: a bucket that fills with time.
#[derive(Debug)]
pub struct Bucket {
    size: f64,
    per_s: f64,
    /// What is in it, and when that was so. Locked for a look.
    level: Mutex<(f64, Instant)>,
}

impl Bucket {
    /// A full one.
    pub fn new(size: f64, per_s: f64) -> Bucket {
        Bucket { size, per_s, level: Mutex::new((size, Instant::now())) }
    }

    /// Takes one out.
    ///
    /// # Errors
    /// It is empty: how long until there is one again.
    pub fn take(&self) -> Result<(), Duration> {
        self.take_at(Instant::now())
    }

    fn take_at(&self, now: Instant) -> Result<(), Duration> {
        let mut level = unpoison(&self.level);
        let filled = level.0 + now.saturating_duration_since(level.1).as_secs_f64() * self.per_s;
        *level = (filled.min(self.size), now.max(level.1));
        if level.0 < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - level.0) / self.per_s));
        }
        level.0 -= 1.0;
        Ok(())
    }
}

// Every change under these locks is a single step, so a panic leaves nothing half done.
fn unpoison<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_what_it_holds_and_then_what_runs_in() {
        let bucket = Bucket::new(2.0, 4.0);
        let start = Instant::now() + Duration::from_secs(1);
        assert_eq!(bucket.take_at(start), Ok(()));
        assert_eq!(bucket.take_at(start), Ok(()));
        assert_eq!(bucket.take_at(start), Err(Duration::from_millis(250)));
        assert_eq!(bucket.take_at(start + Duration::from_millis(250)), Ok(()));
        assert!(bucket.take_at(start + Duration::from_millis(250)).is_err());
        let later = start + Duration::from_secs(3600);
        assert_eq!(
            [0, 1, 2].map(|_| bucket.take_at(later).is_ok()),
            [true, true, false],
            "it holds no more than its size"
        );
        assert!(bucket.take_at(start).is_err(), "a clock that seems to go back fills nothing");
    }
}
