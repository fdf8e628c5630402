//! What operators watch: `/metrics` for Prometheus, `/readyz`, and the log of requests.

use crate::App;
use crate::Phase;
use crate::error::Error;
use crate::limits::Client;
use crate::memory;
use crate::registry::Registry;
use crate::runs::{Run, events_recorded, now_ms};
use crate::scheduler::QUEUE;
use crate::state::Status;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::fmt::Write;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use trainer::device;

/// How old the size of the runs folder may be: adding it up means looking at every file.
const DISK_AGE: Duration = Duration::from_secs(60);
/// Free space below which the server isn't ready for more runs, in bytes.
const SPACE_FOR_A_RUN: u64 = 64 << 20;

/// What is remembered between two looks.
#[derive(Debug)]
pub struct Monitor {
    started_ms: u64,
    /// Sizes of the runs and of the trash, and when they were added up. Held while they are, so that two readers add up once.
    disk: Mutex<Option<(Instant, (u64, u64))>>,
    /// Free space of the disk that holds a folder. Blocks on it.
    free: fn(&Path) -> io::Result<Option<u64>>,
}

impl Default for Monitor {
    fn default() -> Monitor {
        Monitor { started_ms: now_ms(), disk: Mutex::default(), free: free_bytes }
    }
}

impl Monitor {
    async fn disk_bytes(&self, registry: &Arc<Registry>) -> Result<(u64, u64), Error> {
        let mut known = self.disk.lock().await;
        if let Some((when, bytes)) = *known
            && when.elapsed() < DISK_AGE
        {
            return Ok(bytes);
        }
        let registry = registry.clone();
        let bytes = tokio::task::spawn_blocking(move || registry.disk_bytes()).await?;
        let bytes = bytes.map_err(|error| Error::Internal(format!("the runs folder can't be read: {error}")))?;
        *known = Some((Instant::now(), bytes));
        Ok(bytes)
    }

    /// Whether the disk of the runs folder has space for another run: one that begins without it fails soon.
    ///
    /// # Errors
    /// 503 where it has none or the folder can't be used.
    pub(crate) async fn space_for_runs(&self, folder: &Path) -> Result<(), Error> {
        let (free, folder) = (self.free, folder.to_path_buf());
        match tokio::task::spawn_blocking(move || free(&folder)).await? {
            Err(error) => Err(Error::Unavailable(format!("the runs folder can't be used: {error}"))),
            Ok(Some(free)) if free < SPACE_FOR_A_RUN => {
                let (free, needed) = (free >> 20, SPACE_FOR_A_RUN >> 20);
                Err(Error::Unavailable(format!(
                    "the disk of the runs folder has {free} MiB left: free at least {needed} MiB (`centerscope trash empty` \
                     deletes for good what is in the trash)"
                )))
            }
            Ok(_) => Ok(()),
        }
    }
}

/// `GET /readyz`: whether runs can be started now.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Error> {
    if *app.phase.borrow() != Phase::Up {
        return Err(Error::Unavailable("the server is shutting down".into()));
    }
    app.monitor.space_for_runs(&app.config.runs_dir).await.map(|()| "ready")
}

/// `GET /metrics`, in Prometheus' text format: <https://prometheus.io/docs/instrumenting/exposition_formats/>.
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Error> {
    let mut text = Exposition(String::new());
    text.gauge("centerscope_build_info", "Version of the program.", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);

    let runs = app.registry.newest_first();
    let statuses = runs.iter().map(|run| run.peek(|summary| summary.status)).collect::<Vec<_>>();
    text.head("centerscope_runs", "gauge", "Runs by status.");
    for status in Status::ALL {
        let count = statuses.iter().filter(|one| **one == status).count();
        text.sample("centerscope_runs", &[("status", status.word())], count as f64);
    }

    let (waiting, running) = app.scheduler.load();
    text.gauge("centerscope_queue_length", "Runs that wait for a place to train.", &[], waiting as f64);
    text.gauge("centerscope_queue_limit", "Runs that may wait.", &[], QUEUE as f64);
    text.gauge("centerscope_jobs", "Runs that train.", &[], running as f64);
    text.gauge("centerscope_jobs_limit", "Runs that may train at once.", &[], app.config.jobs.into());

    text.counter("centerscope_events_total", "Events recorded since the start.", events_recorded() as f64);
    let (open, ever) = app.streams.count();
    text.gauge("centerscope_watchers", "Live streams open.", &[], open as f64);
    text.gauge("centerscope_watchers_limit", "Live streams that may be open.", &[], app.streams.most() as f64);
    text.counter("centerscope_watchers_opened_total", "Live streams opened since the start.", ever as f64);

    let training = runs.iter().zip(&statuses).filter(|(_, status)| **status == Status::Running);
    let training = training.map(|(run, _)| Training::of(run)).collect::<Vec<_>>();
    let per_run: [(&str, &str, Figure); 3] = [
        ("centerscope_run_images_per_second", "Training speed of each run under way.", |run| run.images_per_s),
        ("centerscope_run_step_seconds", "Time of a training step of each run under way.", |run| run.step_s),
        ("centerscope_run_epochs", "Epochs done of each run under way.", |run| Some(run.epochs)),
    ];
    for (name, help, value) in per_run {
        text.head(name, "gauge", help);
        for run in &training {
            if let Some(value) = value(run) {
                text.sample(name, &[("run", &run.id), ("label", &run.label)], value);
            }
        }
    }

    if let Some(memory) = device::memory() {
        let help = "The GPU's memory in use, by all programs together: the driver does not tell them apart.";
        text.gauge("centerscope_device_memory_used_bytes", help, &[], memory.used_bytes as f64);
        let help = "The GPU's memory.";
        text.gauge("centerscope_device_memory_total_bytes", help, &[], memory.total_bytes as f64);
    }
    let (runs, trash) = app.monitor.disk_bytes(&app.registry).await?;
    let help = "Size of the runs folder, its trash included, at most a minute old.";
    text.gauge("centerscope_runs_folder_bytes", help, &[], (runs + trash) as f64);
    let help = "Size of what `centerscope trash empty` would free, at most a minute old.";
    text.gauge("centerscope_trash_bytes", help, &[], trash as f64);
    let (free, folder) = (app.monitor.free, app.config.runs_dir.clone());
    let (free, process) = tokio::task::spawn_blocking(move || (free(&folder), Process::look())).await?;
    if let Ok(Some(free)) = free {
        text.gauge("centerscope_disk_free_bytes", "Free space beside the runs folder.", &[], free as f64);
    }
    let started_s = app.monitor.started_ms as f64 / 1000.0;
    text.gauge("process_start_time_seconds", "When the server started, since 1970-01-01 UTC.", &[], started_s);
    if let Some(resident) = process.resident_bytes {
        text.gauge("process_resident_memory_bytes", "Memory in use.", &[], resident as f64);
    }
    if let Some(handles) = process.open_handles {
        text.gauge("process_open_fds", "Files and connections open.", &[], handles as f64);
    }
    if let Some(threads) = process.threads {
        text.gauge("process_threads", "Threads.", &[], threads as f64);
    }
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text.0).into_response())
}

/// A run under way.
struct Training {
    id: String,
    label: String,
    images_per_s: Option<f64>,
    step_s: Option<f64>,
    epochs: f64,
}

/// One figure of a run, where there is one.
type Figure = fn(&Training) -> Option<f64>;

impl Training {
    fn of(run: &Run) -> Training {
        run.peek(|summary| {
            let images_per_s = summary.images_per_s.filter(|speed| *speed > 0.0);
            Training {
                id: summary.id.to_string(),
                label: summary.label.clone(),
                images_per_s,
                step_s: images_per_s.map(|speed| summary.spec.batch_size as f64 / speed),
                epochs: summary.epoch.into(),
            }
        })
    }
}

/// Text in Prometheus' format.
struct Exposition(String);

impl Exposition {
    // Writing to a string can't fail.
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let labels = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
        let labels = labels.collect::<Vec<_>>().join(",");
        let labels = if labels.is_empty() { labels } else { format!("{{{labels}}}") };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn gauge(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        self.head(name, "gauge", help);
        self.sample(name, labels, value);
    }

    fn counter(&mut self, name: &str, help: &str, value: f64) {
        self.head(name, "counter", help);
        self.sample(name, &[], value);
    }
}

/// What the system says of this process; nothing where it says nothing.
#[derive(Default)]
struct Process {
    resident_bytes: Option<u64>,
    open_handles: Option<u64>,
    threads: Option<u64>,
}

impl Process {
    /// Blocks on the system for a moment.
    fn look() -> Process {
        let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return Process::default() };
        let number = |name| memory::figure(&status, name);
        Process {
            resident_bytes: number("VmRSS:").map(|kib| kib * 1024),
            open_handles: std::fs::read_dir("/proc/self/fd").ok().map(|handles| handles.count() as u64),
            threads: number("Threads:"),
        }
    }
}

/// Free space of the disk that holds `folder`; `None` where the system can't say.
fn free_bytes(folder: &Path) -> io::Result<Option<u64>> {
    #[cfg(unix)]
    {
        let disk = rustix::fs::statvfs(folder)?;
        Ok(Some(disk.f_bavail.saturating_mul(disk.f_frsize)))
    }
    #[cfg(not(unix))]
    folder.metadata().map(|_| None)
}

/// Middleware: logs every request; those that change something so that they are seen.
pub(crate) async fn log(client: Client, request: Request, next: Next) -> Response {
    let (method, path, begun) = (request.method().clone(), request.uri().path().to_owned(), Instant::now());
    let response = next.run(request).await;
    let (client, status, duration_ms) = (client.0, response.status().as_u16(), begun.elapsed().as_millis() as u64);
    if method.is_safe() {
        tracing::debug!(%client, %method, path, status, duration_ms, "request");
    } else {
        tracing::info!(%client, %method, path, status, duration_ms, "request");
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::serve::Server;
    use crate::{fake, recorder, router};
    use axum::body::{Body, to_bytes};
    use axum::http::StatusCode;
    use axum::http::header::{CONTENT_TYPE, HOST};
    use tower::ServiceExt;

    #[tokio::test]
    async fn a_full_disk_gets_no_more_runs() {
        let home = tempfile::tempdir().unwrap();
        let mut server = Server::bind(Config::for_testing(home.path())).await.unwrap();
        let app = Arc::get_mut(&mut server.app).unwrap();
        app.monitor.free = |_| Ok(Some(SPACE_FOR_A_RUN - 1));
        let run = app.registry.create(fake::scheduled(2).into()).unwrap();
        let training = run.clone();
        tokio::task::spawn_blocking(move || recorder::carry_out(&training, &fake::train)).await.unwrap();
        for (method, target) in [
            ("GET", "/readyz".to_string()),
            ("POST", "/runs".into()),
            ("POST", format!("/runs/{}/resume", run.id)),
            ("POST", format!("/runs/{}/fork", run.id)),
        ] {
            let request = Request::builder().method(method).uri(&target).header(HOST, "localhost");
            let body = if target.ends_with("fork") { "{\"epoch\": 1, \"epochs\": 3}" } else { "{}" };
            let request = request.header(CONTENT_TYPE, "application/json").body(Body::from(body)).unwrap();
            let answer = router(server.app.clone()).oneshot(request).await.unwrap();
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{target}");
            let told = to_bytes(answer.into_body(), 10_000).await.unwrap();
            assert!(String::from_utf8_lossy(&told).contains("has 63 MiB left: free at least 64 MiB"), "{target}");
        }
        assert_eq!(server.app.registry.newest_first().len(), 1);
    }
}
