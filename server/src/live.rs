//! Live streams: server-sent events of one run or of several.
//!
//! A stream is a position in each log and a bell to wait for (see [`crate::runs`] for why watchers pull). It sends what
//! lies after its positions, moves them, and waits. The more streams there are, the longer each waits between two signs of life,
//! so that a crowd doesn't take the processors from those who train; epochs and all else are told at once.

use crate::api::{Found, listed};
use crate::error::Error;
use crate::limits::{Client, Place};
use crate::runs::{Bookmark, Run};
use crate::{App, Phase, views};
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures_util::future::select_all;
use futures_util::stream;
use serde::Deserialize;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Runs of one stream at most.
const MOST: usize = 16;
/// A sign of life this often, so that proxies and browsers don't take the connection for dead.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Text sent at once, about: a long log does not pile up in memory for a reader on a slow line.
const CHUNK: usize = 64 * 1024;

/// What each stream adds to the pause between two signs of life: so all of them together are woken at most 500 times a second.
const SHARE: Duration = Duration::from_millis(2);

const END: &str = "event: end\ndata: {}\n\n";
pub(crate) const SHUTDOWN: &str = "event: shutdown\ndata: {}\n\n";

#[derive(Deserialize)]
pub(crate) struct Position {
    after: Option<String>,
    #[serde(default)]
    runs: String,
}

/// `GET /runs/{id}/events`
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    Found(run): Found,
    client: Client,
    Query(query): Query<Position>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    // First: the bounds hold for those, too, whose runs are looked for.
    let place = app.streams.enter(client)?;
    let runs = present(&app, &run.id.to_string(), 1).await?;
    let positions = positions(&query, &headers, 1)?;
    Ok(answer(Watcher::new(&app, runs, positions, Form::One, place)))
}

/// `GET /events?runs=a,b,c`
pub(crate) async fn several(
    State(app): State<Arc<App>>,
    client: Client,
    Query(query): Query<Position>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let place = app.streams.enter(client)?;
    let runs = present(&app, &query.runs, MOST).await?;
    let positions = positions(&query, &headers, runs.len())?;
    Ok(answer(Watcher::new(&app, runs, positions, Form::Several, place)))
}

/// The runs that are named, without those that lost their folders: their streams would break off again and again.
async fn present(app: &Arc<App>, ids: &str, most: usize) -> Result<Vec<Arc<Run>>, Error> {
    let runs = listed(app, ids, most)?;
    // One that trains notices by itself, and its streams are what many come and go for.
    if runs.iter().any(|run| run.status().is_over()) {
        views::refresh(app).await?;
        return listed(app, ids, most);
    }
    Ok(runs)
}

/// Where to go on: `Last-Event-ID` first, since a browser that connects anew repeats the address as it was.
fn positions(query: &Position, headers: &HeaderMap, count: usize) -> Result<Vec<u64>, Error> {
    let last = headers.get("last-event-id").map(|value| value.to_str().unwrap_or("?"));
    let Some(text) = last.or(query.after.as_deref()).filter(|text| !text.is_empty()) else {
        return Ok(vec![0; count]);
    };
    let positions = text.split('.').map(str::parse).collect::<Result<Vec<u64>, _>>();
    positions.ok().filter(|positions| positions.len() == count).ok_or_else(|| {
        Error::BadRequest(format!(
            "`{text}` is no position in this stream: expected {count} whole numbers joined by dots"
        ))
    })
}

fn answer(watcher: Watcher) -> Response {
    let body = stream::unfold(Some(watcher), async |watcher| {
        let mut watcher = watcher?;
        let (text, more) = watcher.next().await;
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(text)), more.then_some(watcher)))
    });
    event_stream(Body::from_stream(body))
}

/// A response that goes on.
pub(crate) fn event_stream(body: Body) -> Response {
    // `x-accel-buffering` tells nginx not to hold events back.
    let headers = [
        (CONTENT_TYPE.as_str(), "text/event-stream"),
        (CACHE_CONTROL.as_str(), "no-store"),
        ("x-accel-buffering", "no"),
    ];
    (headers, body).into_response()
}

/// How an event is told.
#[derive(Clone, Copy)]
enum Form {
    /// The line as it stands, at its own position.
    One,
    /// The line with the run's id, at the positions in all runs.
    Several,
}

struct Watcher {
    sources: Vec<Source>,
    form: Form,
    phase: watch::Receiver<Phase>,
    greeted: bool,
    /// When something was last sent.
    sent: Instant,
    place: Place,
}

struct Source {
    run: Arc<Run>,
    mark: Bookmark,
    bell: watch::Receiver<()>,
    gong: watch::Receiver<()>,
    over: bool,
}

impl Watcher {
    fn new(app: &App, runs: Vec<Arc<Run>>, positions: Vec<u64>, form: Form, place: Place) -> Watcher {
        let sources = runs.into_iter().zip(positions).map(|(run, position)| {
            let (bell, gong) = (run.bell(), run.gong());
            Source { run, mark: Bookmark::after(position), bell, gong, over: false }
        });
        Watcher {
            sources: sources.collect(),
            form,
            phase: app.phase.subscribe(),
            greeted: false,
            sent: Instant::now(),
            place,
        }
    }

    /// The next piece of the stream, and whether another one follows.
    async fn next(&mut self) -> (String, bool) {
        let mut text = String::new();
        if !std::mem::replace(&mut self.greeted, true) {
            // Sent at once, so that the reader knows that the stream is open while the run waits in the queue.
            text.push_str(": centerscope\nretry: 1000\n\n");
        }
        loop {
            if let Err(error) = self.collect(&mut text).await {
                // The reader comes back by itself and then gets a proper error.
                tracing::error!(error, "a stream ended");
                return (text, false);
            }
            if self.sources.iter().all(|source| source.over) {
                // A reader must know whether its runs ended by themselves or with the server.
                text.push_str(if *self.phase.borrow() == Phase::Up { END } else { SHUTDOWN });
                return (text, false);
            }
            if !text.is_empty() {
                self.sent = Instant::now();
                return (text, true);
            }
            let due = self.sent + SHARE * u32::try_from(self.place.streams()).unwrap_or(u32::MAX);
            let (bells, gongs): (Vec<_>, Vec<_>) =
                self.sources.iter_mut().map(|source| (&mut source.bell, &mut source.gong)).unzip();
            let sign_of_life = async {
                tokio::time::sleep_until(due).await;
                select_all(bells.into_iter().map(|bell| Box::pin(bell.changed()))).await
            };
            let news = select_all(gongs.into_iter().map(|gong| Box::pin(gong.changed())));
            tokio::select! {
                // How a run ended with the server is told before the server's own end, where both are news.
                biased;
                _ = news => {}
                _ = sign_of_life => {}
                _ = self.phase.wait_for(|&phase| phase == Phase::Down) => return (SHUTDOWN.into(), false),
                () = tokio::time::sleep(KEEP_ALIVE) => return (": keep-alive\n\n".into(), true),
            }
        }
    }

    /// Takes what lies after the positions, up to about a chunk.
    async fn collect(&mut self, text: &mut String) -> Result<(), String> {
        for index in 0..self.sources.len() {
            let source = &mut self.sources[index];
            // A run that was over goes on when it is resumed.
            if source.over && !source.bell.has_changed().unwrap_or(false) {
                continue;
            }
            // Marked before the look: a line that comes meanwhile rings again.
            source.bell.mark_unchanged();
            source.gong.mark_unchanged();
            let room = CHUNK.saturating_sub(text.len());
            let told = source.run.lines_after(source.mark, room).await.map_err(|error| error.to_string())?;
            for line in &told.lines {
                self.sources[index].mark.position += 1;
                self.write(text, index, line);
            }
            let source = &mut self.sources[index];
            source.mark = told.next;
            source.over = told.over && !told.more;
            if told.more {
                source.gong.mark_changed();
                break;
            }
        }
        Ok(())
    }

    fn write(&self, text: &mut String, index: usize, line: &str) {
        text.push_str("id: ");
        for (n, source) in self.sources.iter().enumerate() {
            let dot = if n == 0 { "" } else { "." };
            // Writing to a string can't fail.
            let _ = write!(text, "{dot}{}", source.mark.position);
        }
        let _ = match self.form {
            Form::One => write!(text, "\ndata: {line}\n\n"),
            Form::Several => {
                // The line is an object, so what follows its first brace follows ours.
                let rest = line.strip_prefix('{').unwrap_or(line);
                write!(text, "\ndata: {{\"run\":\"{}\",{rest}\n\n", self.sources[index].run.id)
            }
        };
    }
}
