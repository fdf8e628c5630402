//! One live stream for a list of any length: the summaries of the runs that changed, as they are now.
//!
//! A watcher keeps a position among all changes (see [`crate::changes`]), waits for the bell, and takes what changed since.
//! It is told at most a few times a second, so that a list costs the same however many runs train.

use crate::changes::Position;
use crate::error::Error;
use crate::limits::{Client, Place};
use crate::live::{KEEP_ALIVE, SHUTDOWN, event_stream};
use crate::state::Summary;
use crate::store::RunId;
use crate::{App, Phase};
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Changes that come within this time are told together.
const TOGETHER: Duration = Duration::from_millis(250);
/// Runs told at once, at most.
const MOST: usize = 200;

#[derive(Deserialize)]
pub(crate) struct Start {
    after: Option<String>,
}

#[derive(Serialize)]
struct Told<'a> {
    runs: Vec<&'a Summary>,
    gone: Vec<RunId>,
}

struct Watcher {
    app: Arc<App>,
    position: Position,
    bell: watch::Receiver<()>,
    phase: watch::Receiver<Phase>,
    greeted: bool,
    /// Held as long as the stream is open.
    _place: Place,
}

/// `GET /events/summaries`
pub(crate) async fn watch(
    State(app): State<Arc<App>>,
    client: Client,
    Query(start): Query<Start>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let last = headers.get("last-event-id").map(|value| value.to_str().unwrap_or("?"));
    let position = match last.or(start.after.as_deref()).filter(|text| !text.is_empty()) {
        None => app.registry.changes.now(),
        Some(text) => {
            let wrong = |_| Error::parameter("after", text, "the `position` of a list or the id of an event");
            text.parse().map_err(wrong)?
        }
    };
    let place = app.streams.enter(client)?;
    let (bell, phase) = (app.registry.changes.bell(), app.phase.subscribe());
    let watcher = Watcher { app, position, bell, phase, greeted: false, _place: place };
    let body = stream::unfold(Some(watcher), async |watcher| {
        let mut watcher = watcher?;
        let (text, more) = watcher.next().await;
        Some((Ok::<_, Infallible>(Bytes::from(text)), more.then_some(watcher)))
    });
    Ok(event_stream(Body::from_stream(body)))
}

impl Watcher {
    /// The next piece of the stream, and whether another one follows.
    async fn next(&mut self) -> (String, bool) {
        if !std::mem::replace(&mut self.greeted, true) {
            return (": centerscope\nretry: 1000\n\n".into(), true);
        }
        loop {
            // Marked before the look: a change that comes meanwhile rings again.
            self.bell.mark_unchanged();
            if self.is_behind() {
                tokio::select! {
                    () = tokio::time::sleep(TOGETHER) => {}
                    _ = self.phase.wait_for(|&phase| phase == Phase::Down) => {}
                }
                // Looked at only now: what was made before the wait would be told after it was changed again.
                if let Some(text) = self.changed() {
                    return (text, true);
                }
            }
            tokio::select! {
                // What changed last is told before the server's own end, where both are news.
                biased;
                _ = self.bell.changed() => {}
                _ = self.phase.wait_for(|&phase| phase == Phase::Down) => return (SHUTDOWN.into(), false),
                () = tokio::time::sleep(KEEP_ALIVE) => return (": keep-alive\n\n".into(), true),
            }
        }
    }

    /// Whether there is something to tell.
    fn is_behind(&self) -> bool {
        self.app.registry.changes.since(self.position, 1).is_none_or(|(ids, _)| !ids.is_empty())
    }

    /// What changed since the position, which moves; to whoever knew the runs before this server started: to load them anew.
    fn changed(&mut self) -> Option<String> {
        let registry = &self.app.registry;
        let Some((ids, position)) = registry.changes.since(self.position, MOST) else {
            self.position = registry.changes.now();
            return Some(format!("id: {}\nevent: reload\ndata: {{}}\n\n", self.position));
        };
        self.position = position;
        if ids.is_empty() {
            return None;
        }
        let (mut runs, mut gone) = (Vec::new(), Vec::new());
        for id in ids {
            match registry.get(id) {
                Some(run) => runs.push(run.summary()),
                None => gone.push(id),
            }
        }
        let told = Told { runs: runs.iter().map(|run| &**run).collect(), gone };
        // A summary was made from JSON, so it can be told in JSON.
        let data = serde_json::to_string(&told).unwrap_or_default();
        Some(format!("id: {position}\ndata: {data}\n\n"))
    }
}
