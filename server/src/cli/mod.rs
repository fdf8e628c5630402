//! The command line: one file a subcommand, each with its `command` (the flags) and its `run`.

mod bench;
mod serve;
mod train;
mod transfer;
mod verify;

use crate::config::Config;
use anyhow::Context;
use clap::{ArgMatches, Args, Command};
use std::io::IsTerminal;
use std::process::ExitCode;
use tokio::signal;
use tracing_subscriber::EnvFilter;

/// Parses the command line, runs what it asks for, and says in one line what went wrong.
pub fn main() -> ExitCode {
    let matches = command().get_matches();
    // A server tells of its runs; the other commands speak for themselves.
    let level = if matches!(matches.subcommand_name(), None | Some(serve::NAME)) { "info" } else { "warn" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(std::io::stderr);
    log.with_ansi(std::io::stderr().is_terminal()).init();
    match dispatch(&matches) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("centerscope: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn command() -> Command {
    let command = Command::new("centerscope")
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(
            "Without a command: serves as `serve` does and, where there is no run yet, starts a quick comparison.",
        )
        .args_conflicts_with_subcommands(true)
        .subcommand(serve::command())
        .subcommand(train::command())
        .subcommand(verify::command())
        .subcommand(bench::command())
        .subcommand(transfer::command());
    Config::augment_args(command).about("Shows how a loss shapes feature space while it trains")
}

fn dispatch(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    match matches.subcommand() {
        Some((serve::NAME, matches)) => serve::run(matches, serve::Start::Nothing),
        Some((train::NAME, matches)) => train::run(matches),
        Some((verify::NAME, matches)) => verify::run(matches),
        Some((bench::NAME, matches)) => bench::run(matches),
        Some((transfer::NAME, matches)) => transfer::run(matches),
        _ => serve::run(matches, serve::Start::ComparisonIfEmpty),
    }
}

/// Comes true at Ctrl-C or, on Unix, at SIGTERM.
///
/// # Errors
/// The system doesn't let the program listen for signals.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    #[cfg(unix)]
    let (mut interrupt, mut terminate) = {
        use signal::unix::{SignalKind, signal};
        let hear = |kind| signal(kind).context("can't listen for signals");
        (hear(SignalKind::interrupt())?, hear(SignalKind::terminate())?)
    };
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = signal::ctrl_c().await;
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_flags_make_sense_to_clap() {
        super::command().debug_assert();
    }
}
