//! How much anybody may ask for at once: sizes, times, and how many. `docs/api.md` lists them for readers.

use crate::error::Error;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The largest body of a request, in bytes.
pub const BODY_BYTES: usize = 64 * 1024;
/// How long a body may take to arrive.
pub const BODY_PATIENCE: Duration = Duration::from_secs(15);
/// The largest head of a request, address included, in bytes.
pub const HEAD_BYTES: usize = 32 * 1024;
/// Header lines of a request at most.
pub const HEADERS: usize = 64;
/// How long a head may take to arrive, and how long a connection may wait for its next request.
pub const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// How long a reader may take nothing of its answer before it is cut off; a stream resumes.
pub const READER_PATIENCE: Duration = Duration::from_secs(120);
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

/// Asks the system for as many open files and connections as it lets this process have: each live stream is one.
pub fn raise_handles() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        // Where it refuses, there are as many as there were.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
}

/// How many files and connections this process may have open; `None` where nothing bounds them.
fn handles() -> Option<usize> {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit};
        getrlimit(Resource::Nofile).current.map(|handles| usize::try_from(handles).unwrap_or(usize::MAX))
    }
    #[cfg(not(unix))]
    None
}

/// Whether the system refused because too many files and connections are open.
pub(crate) fn lacks_handles(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
    }
    #[cfg(not(unix))]
    {
        let _ = error;
        false
    }
}

/// Open files that connections leave alone: the program's own, and those of each run that trains.
const OWN_HANDLES: usize = 32;
const HANDLES_OF_A_RUN: usize = 4;

/// How many connections there may be, and how many of them live streams, so that no run lacks a file because of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) connections: usize,
    pub(crate) streams: usize,
}

impl Room {
    /// For `streams` live streams, or as many as this process may have files open.
    pub(crate) fn look(streams: usize, jobs: usize) -> Room {
        let wanted = Room { connections: CONNECTIONS + streams, streams };
        let Some(handles) = handles() else { return wanted };
        let room = wanted.within(handles.saturating_sub(OWN_HANDLES + jobs * HANDLES_OF_A_RUN));
        if room != wanted {
            tracing::warn!(
                "{handles} files may be open at once, so there may be {} connections, {} of them live streams, instead of {} and \
                 {streams}: raise the limit (`ulimit -n`) for more",
                room.connections,
                room.streams,
                wanted.connections
            );
        }
        room
    }

    /// A connection that is no live stream may be reading a file.
    fn within(self, handles: usize) -> Room {
        let Room { connections, streams } = self;
        if 2 * connections - streams <= handles {
            return self;
        }
        let connections = (handles / 2).max(8);
        Room { connections, streams: streams.min(connections / 2) }
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
pub(crate) async fn read_body(request: Request, next: Next) -> Response {
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
    match tokio::time::timeout(BODY_PATIENCE, read).await {
        Ok(Ok(body)) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Ok(Err(error)) => error.into_response(),
        Err(_) => {
            let detail = format!("the body did not arrive within {} s: send it again, faster", BODY_PATIENCE.as_secs());
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

/// How many live streams are open, and whose.
#[derive(Debug)]
pub struct Streams {
    most: usize,
    /// Locked for a look.
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    /// Opened since the start.
    ever: u64,
    shares: Shares,
}

/// How many of something each address has.
#[derive(Debug, Default)]
struct Shares(HashMap<IpAddr, usize>);

impl Shares {
    /// One more of `client`, who may have `most`; this machine may have any number, since a proxy speaks for many.
    ///
    /// # Errors
    /// It has as many as it may: how many.
    fn enter(&mut self, client: IpAddr, most: usize) -> Result<(), usize> {
        let own = self.0.entry(Shares::of(client)).or_default();
        if *own >= most && !client.to_canonical().is_loopback() {
            return Err(*own);
        }
        *own += 1;
        Ok(())
    }

    fn leave(&mut self, client: IpAddr) {
        let client = Shares::of(client);
        if let Some(own) = self.0.get_mut(&client) {
            *own -= 1;
            if *own == 0 {
                self.0.remove(&client);
            }
        }
    }

    /// Whose share it is: an IPv6 host has all addresses of its network, a /64, to choose from.
    fn of(client: IpAddr) -> IpAddr {
        match client {
            IpAddr::V6(address) if !address.is_loopback() => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            other => other,
        }
    }
}

/// Whose connections are open.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    /// Locked for a look.
    shares: Mutex<Shares>,
}

impl Connections {
    /// Counts a connection of `client` until it is dropped; `None` where the client has its share.
    pub(crate) fn enter(self: &Arc<Self>, Client(client): Client) -> Option<Connection> {
        unpoison(&self.shares).enter(client, CONNECTIONS_OF_ONE).ok()?;
        Some(Connection { connections: self.clone(), client })
    }
}

/// A connection among those of its client.
#[derive(Debug)]
pub(crate) struct Connection {
    connections: Arc<Connections>,
    client: IpAddr,
}

impl Drop for Connection {
    fn drop(&mut self) {
        unpoison(&self.connections.shares).leave(self.client);
    }
}

impl Streams {
    /// None yet, of at most `most`.
    pub fn new(most: usize) -> Arc<Streams> {
        Arc::new(Streams { most, open: Mutex::default() })
    }

    /// A place for one stream of `client`, given back when dropped.
    ///
    /// # Errors
    /// 503 where the server has no place left, 429 where the client has its share.
    pub(crate) fn enter(self: &Arc<Self>, Client(client): Client) -> Result<Place, Error> {
        let mut open = unpoison(&self.open);
        if open.total >= self.most {
            let detail = format!(
                "{} live streams are open, which is as many as this server takes: close some, or start it with a larger --watchers",
                open.total
            );
            return Err(Error::Unavailable(detail));
        }
        open.shares.enter(client, STREAMS_OF_ONE).map_err(|own| {
            let detail =
                format!("your address has {own} live streams open, which is as many as one may have: close some");
            Error::TooMany { detail, retry_s: 5 }
        })?;
        open.total += 1;
        open.ever += 1;
        Ok(Place { streams: self.clone(), client })
    }

    /// How many there may be.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Streams open now, and opened since the start.
    pub fn count(&self) -> (usize, u64) {
        let open = unpoison(&self.open);
        (open.total, open.ever)
    }
}

/// A live stream's place among the others.
#[derive(Debug)]
pub(crate) struct Place {
    streams: Arc<Streams>,
    client: IpAddr,
}

impl Place {
    /// How many streams there are, this one among them.
    pub(crate) fn streams(&self) -> usize {
        self.streams.count().0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = unpoison(&self.streams.open);
        open.total -= 1;
        open.shares.leave(self.client);
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

    #[test]
    fn streams_are_counted_for_all_and_for_each() {
        let streams = Streams::new(STREAMS_OF_ONE + 2);
        let (near, far) = (Client(Ipv4Addr::LOCALHOST.into()), Client("192.0.2.1".parse().unwrap()));
        let mut places = (0..STREAMS_OF_ONE).map(|_| streams.enter(far).unwrap()).collect::<Vec<_>>();
        assert!(matches!(streams.enter(far), Err(Error::TooMany { .. })));
        places.push(streams.enter(near).unwrap());
        places.push(streams.enter(near).unwrap());
        assert!(matches!(streams.enter(near), Err(Error::Unavailable(_))));
        drop(places);
        assert_eq!(streams.count(), (0, STREAMS_OF_ONE as u64 + 2));
        assert!(unpoison(&streams.open).shares.0.is_empty(), "nothing is kept of who left");
        assert!(streams.enter(far).is_ok());
    }

    #[test]
    fn no_address_but_this_machine_takes_all_connections() {
        let connections = Arc::new(Connections::default());
        let [near, far, other, beside] =
            ["127.0.0.1", "192.0.2.1", "2001:db8::1", "2001:db8::2"].map(|ip| Client(ip.parse().unwrap()));
        let mut held = (0..CONNECTIONS_OF_ONE).map(|_| connections.enter(far).unwrap()).collect::<Vec<_>>();
        assert!(connections.enter(far).is_none());
        held.push(connections.enter(other).unwrap());
        held.extend((1..CONNECTIONS_OF_ONE).map(|_| connections.enter(beside).unwrap()));
        assert!(connections.enter(other).is_none(), "neighbours share");
        held.extend((0..=CONNECTIONS_OF_ONE).map(|_| connections.enter(near).unwrap()));
        held.remove(0);
        assert!(connections.enter(far).is_some(), "one was let go of");
        drop(held);
        assert!(unpoison(&connections.shares).0.is_empty(), "nothing is kept of who left");
    }

    #[test]
    fn connections_leave_files_for_the_runs() {
        let wanted = Room { connections: CONNECTIONS + 2000, streams: 2000 };
        assert_eq!(wanted.within(2 * CONNECTIONS + 2000), wanted);
        assert_eq!(wanted.within(1000), Room { connections: 500, streams: 250 });
        assert_eq!(wanted.within(0), Room { connections: 8, streams: 4 });
        let few = Room { connections: CONNECTIONS + 1, streams: 1 };
        assert_eq!(few.within(100), Room { connections: 50, streams: 1 });
    }
}
