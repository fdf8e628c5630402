//! `centerscope serve`, and what a bare `centerscope` does.

use crate::config::Config;
use crate::limits;
use crate::request;
use crate::serve::Server;
use crate::store::RunId;
use anyhow::Context;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use serde_json::{Map, json};
use std::process::ExitCode;
use std::time::Duration;
use tokio::runtime::Runtime;

pub(super) const NAME: &str = "serve";

/// What to start without being asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// Nothing.
    Nothing,
    /// The quick comparison where there is no run yet, so that a newcomer sees what this is for.
    ComparisonIfEmpty,
}

pub(super) fn command() -> Command {
    Config::augment_args(Command::new(NAME)).about("Serve the pages and the REST interface")
}

pub(super) fn run(matches: &ArgMatches, start: Start) -> anyhow::Result<ExitCode> {
    let config = Config::from_arg_matches(matches)?;
    limits::raise_handles();
    let runtime = Runtime::new().context("can't start the async runtime")?;
    let ended = runtime.block_on(serve(config, start));
    // A trainer in the middle of a long step does not hold up the end; its run is recorded already.
    runtime.shutdown_timeout(Duration::from_millis(100));
    ended.map(|()| ExitCode::SUCCESS)
}

async fn serve(config: Config, start: Start) -> anyhow::Result<()> {
    let stop = super::stop_signal()?;
    let server = Server::bind(config).await?;
    let app = server.app.clone();
    println!("Centerscope is at http://{}/ (Ctrl-C ends it)", server.address);
    if let Some(token) = &server.made_token {
        println!("It asks for this token, which is shown only now: {token}");
    }
    if start == Start::ComparisonIfEmpty && app.registry.newest_first().is_empty() {
        let request = Map::from_iter([("profile".into(), json!("quick"))]);
        let orders = request::plan(request)?.into_orders(&RunId::fresh().to_string());
        tokio::task::spawn_blocking(move || app.scheduler.submit(orders)).await??;
    }
    server.run(stop).await;
    Ok(())
}
