//! From the settings to a server that listens, and to its end.

use crate::config::Config;
use crate::datasets::Datasets;
use crate::runs::Registry;
use crate::scheduler::Scheduler;
use crate::store::{Store, StoreError};
use crate::{App, Phase, router};
use std::future::{Future, IntoFuture};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How long trainers may take to come to an end after Ctrl-C.
const PATIENCE: Duration = Duration::from_millis(2500);
/// How long open connections may take after that.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why the server can't start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The runs folder.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The runs folder can't be listed.
    #[error("can't read the runs folder: {0}")]
    Runs(io::Error),
    /// The address.
    #[error("can't listen on {host}:{port}: {error} (choose another with --host and --port)")]
    Listen {
        /// Host asked for.
        host: String,
        /// Port asked for.
        port: u16,
        /// What the system says.
        error: io::Error,
    },
    /// The network gave way.
    #[error("the server can't go on: {0}")]
    Network(io::Error),
}

/// A server that listens and doesn't answer yet.
#[derive(Debug)]
pub struct Server {
    /// What the handlers share.
    pub app: Arc<App>,
    /// Where it listens.
    pub address: SocketAddr,
    listener: TcpListener,
}

impl Server {
    /// Opens the runs folder and the port.
    ///
    /// # Errors
    /// The folder can't be used, or the port is taken.
    pub async fn bind(config: Config) -> Result<Server, ServeError> {
        let store = Store::open(&config.runs_dir)?;
        let refused = |error| ServeError::Listen { host: config.host.clone(), port: config.port, error };
        // Before the runs are opened, which writes: a start that fails changes nothing.
        let listener = TcpListener::bind((config.host.as_str(), config.port)).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let registry = tokio::task::spawn_blocking(|| Registry::open(store)).await;
        let registry = Arc::new(registry.map_err(io::Error::other).flatten().map_err(ServeError::Runs)?);
        let datasets = Arc::new(Datasets::new((&config.data).into()));
        let scheduler = Scheduler::new(config.jobs.into(), registry.clone(), datasets.clone());
        let app = Arc::new(App { config, registry, scheduler, datasets, phase: watch::Sender::new(Phase::Up) });
        Ok(Server { app, address, listener })
    }

    /// Answers until `stop` comes true; then stops the runs, closes the streams, and returns within five seconds.
    ///
    /// # Errors
    /// The network gave way.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), ServeError> {
        let Server { app, listener, .. } = self;
        let mut phase = app.phase.subscribe();
        let graceful = async move { drop(phase.wait_for(|&phase| phase == Phase::Down).await) };
        let serving = axum::serve(listener, router(app.clone())).with_graceful_shutdown(graceful).into_future();
        tokio::pin!(serving);
        tokio::select! {
            ended = &mut serving => return ended.map_err(ServeError::Network),
            () = stop => {}
        }
        app.phase.send_replace(Phase::Ending);
        // Requests are answered while the runs come to their ends, so that watchers see how.
        tokio::select! {
            ended = &mut serving => return ended.map_err(ServeError::Network),
            () = app.scheduler.shut_down(PATIENCE) => {}
        }
        app.phase.send_replace(Phase::Down);
        match tokio::time::timeout(LAST_WORDS, serving).await {
            Ok(ended) => ended.map_err(ServeError::Network),
            // A reader that doesn't let go of its connection doesn't keep the server from ending.
            Err(_) => Ok(()),
        }
    }
}
