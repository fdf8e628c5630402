//! From the settings to a server that listens, and to its end.

use crate::auth::{Auth, SHORTEST};
use crate::config::Config;
use crate::datasets::Datasets;
use crate::limits::{ARCHIVES, Bucket, CLAIMS, CREATIONS, CREATIONS_PER_S, Capacity, REPLAYS, Streams};
use crate::monitor::Monitor;
use crate::recorder;
use crate::registry::Registry;
use crate::runs::Run;
use crate::scheduler::Scheduler;
use crate::store::{Store, StoreError};
use crate::{App, Phase, background, connections, router};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use trainer::event::Emission;

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
    /// A token.
    #[error("{0} is shorter than {SHORTEST} characters and could be guessed: take a longer one")]
    ShortToken(&'static str),
}

/// A server that listens and doesn't answer yet.
#[derive(Debug)]
pub struct Server {
    /// What the handlers share.
    pub app: Arc<App>,
    /// Where it listens.
    pub address: SocketAddr,
    /// The token that was made because the address demands one and none was given. It is kept nowhere else.
    pub made_token: Option<String>,
    /// Connections at once.
    connections: usize,
    listener: TcpListener,
}

impl Server {
    /// Opens the runs folder and the port.
    ///
    /// # Errors
    /// The folder can't be used, or the port is taken.
    pub async fn bind(config: Config) -> Result<Server, ServeError> {
        for (flag, token) in [("--token", &config.token), ("--read-token", &config.read_token)] {
            if token.as_ref().is_some_and(|token| token.chars().count() < SHORTEST) {
                return Err(ServeError::ShortToken(flag));
            }
        }
        let store = Store::open(&config.runs_dir)?;
        let refused = |error| ServeError::Listen { host: config.host.clone(), port: config.port, error };
        // Before the runs are opened, which writes: a start that fails changes nothing.
        let listener = TcpListener::bind((config.host.as_str(), config.port)).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let token = config.token.as_deref();
        // On this machine a token is a matter of choice, on a network it is not.
        let made = token.is_none() && (config.read_token.is_some() || !address.ip().to_canonical().is_loopback());
        let made = made.then(Auth::fresh_token);
        let auth = Auth::new(token.or(made.as_deref()), config.read_token.as_deref());
        let registry = tokio::task::spawn_blocking(|| Registry::open(store)).await;
        let registry = Arc::new(registry.map_err(io::Error::other).flatten().map_err(ServeError::Runs)?);
        let datasets = Arc::new(Datasets::new((&config.data).into()));
        let images = datasets.clone();
        let work = Box::new(move |run: &Run, emit: &mut dyn FnMut(Emission)| recorder::train_run(run, &images, emit));
        background::let_training_give_way();
        let scheduler = Scheduler::new(config.jobs.into(), registry.clone(), work);
        let monitor = Monitor::default();
        if config.resume_interrupted {
            match monitor.space_for_runs(&config.runs_dir).await {
                Ok(()) => {
                    let scheduler = scheduler.clone();
                    tokio::task::spawn_blocking(move || scheduler.resume_interrupted())
                        .await
                        .map_err(|error| ServeError::Runs(io::Error::other(error)))?;
                }
                Err(error) => tracing::warn!(%error, "no run is resumed"),
            }
        }
        let Capacity { connections, streams } = Capacity::look(config.watchers.into(), config.jobs.into());
        let streams = Streams::new(streams);
        let creations = Bucket::new(CREATIONS, CREATIONS_PER_S);
        let app = Arc::new(App {
            config,
            registry,
            scheduler,
            datasets,
            auth,
            streams,
            creations,
            archives: Arc::new(Semaphore::new(ARCHIVES)),
            replays: Semaphore::new(REPLAYS),
            turns: Arc::new(Semaphore::new(CLAIMS)),
            monitor,
            courses: Default::default(),
            facets: Default::default(),
            networks: Default::default(),
            phase: watch::Sender::new(Phase::Up),
        });
        Ok(Server { app, address, made_token: made, connections, listener })
    }

    /// Answers until `stop` comes true; then stops the runs, closes the streams, and returns within five seconds.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) {
        let Server { app, listener, connections, .. } = self;
        let mut phase = app.phase.subscribe();
        let graceful = async move { drop(phase.wait_for(|&phase| phase == Phase::Down).await) };
        let patience = app.config.patience;
        let serving = tokio::spawn(connections::serve(listener, router(app.clone()), connections, patience, graceful));
        stop.await;
        app.phase.send_replace(Phase::Ending);
        // Requests are answered while the runs come to their ends, so that watchers see how.
        app.scheduler.shut_down(PATIENCE).await;
        app.phase.send_replace(Phase::Down);
        // A reader that doesn't let go of its connection doesn't keep the server from ending.
        let _ = tokio::time::timeout(LAST_WORDS, serving).await;
    }
}
