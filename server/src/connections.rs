//! Connections: accepted, timed, and closed. What `axum::serve` does, with the limits that it has no knobs for.

use crate::limits::{Client, Connections, HEAD_BYTES, HEADERS, Patience, lacks_handles};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

/// How often the log says that somebody found no place.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Answers by `router`, `most` connections at once, until `stop` comes true, then waits until every connection is done.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    most: usize,
    patience: Patience,
    stop: impl Future<Output = ()>,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(patience.head).max_headers(HEADERS).max_header_size(HEAD_BYTES);
    let places = Arc::new(Semaphore::new(most));
    let connections = Arc::new(Connections::default());
    let (mut full, mut greedy) = (Warning::default(), Warning::default());
    let graceful = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        if places.available_permits() == 0 && full.is_due() {
            tracing::warn!(
                "{most} connections are open, which is as many as there may be: others wait until one is closed"
            );
        }
        let accepted = async {
            // A full house leaves newcomers in the system's queue. The semaphore is never closed.
            let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
            Ok::<_, io::Error>((listener.accept().await?, place))
        };
        let ((stream, address), place) = tokio::select! {
            accepted = accepted => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    rest(&error).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        let client = Client(address.ip().to_canonical());
        let Some(counted) = connections.enter(client) else {
            if greedy.is_due() {
                tracing::warn!(client = %client.0, "an address has as many connections as one may have: others of it are closed");
            }
            continue;
        };
        let service = router.clone().map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(client);
            request.map(Body::new)
        });
        let connection = http.serve_connection(timed(stream, patience.reader), TowerToHyperService::new(service));
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(client = %client.0, %error, "a connection broke off");
            }
            drop((place, counted));
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

/// A connection whose reader has to keep reading.
fn timed(stream: TcpStream, patience: Duration) -> TokioIo<std::pin::Pin<Box<TimeoutStream<TcpStream>>>> {
    // An event is a small packet that must not wait for the reader's word on the one before.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(patience));
    TokioIo::new(Box::pin(stream))
}

/// A line of the log that would come again and again.
#[derive(Default)]
struct Warning(Option<Instant>);

impl Warning {
    fn is_due(&mut self) -> bool {
        let due = self.0.is_none_or(|last| last.elapsed() > TOLD_EVERY);
        if due {
            self.0 = Some(Instant::now());
        }
        due
    }
}

/// Waits where accepting again at once would fail again: no handles are left, say.
async fn rest(error: &io::Error) {
    let own = [io::ErrorKind::ConnectionRefused, io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset];
    if !own.contains(&error.kind()) {
        let advice = if lacks_handles(error) { ": allow it more open files (`ulimit -n`)" } else { "" };
        tracing::error!(%error, "no connection can be accepted for a moment{advice}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
