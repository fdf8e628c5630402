//! The command line: one file a subcommand, each with its `command` (the flags) and its `run`.

mod bench;
mod bench_runs;
mod config;
mod doctor;
mod serve;
mod train;
mod transfer;
mod trash;
mod verify;

use crate::config::{Config, LogFormat};
use anyhow::Context;
use clap::{ArgMatches, Args, Command};
use config::File;
use std::io::IsTerminal;
use std::process::ExitCode;
use tokio::signal;
use tracing_subscriber::EnvFilter;

/// Parses the command line, runs what it asks for, and says in one line what went wrong.
pub fn main() -> ExitCode {
    match parse().and_then(|(matches, file)| dispatch(&matches, file.as_ref())) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("centerscope: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The command line, with the settings of a file as defaults where it names one.
fn parse() -> anyhow::Result<(ArgMatches, Option<File>)> {
    let matches = command(None).get_matches();
    let file = File::of(settings(&matches))?;
    let matches = match &file {
        Some(_) => command(file.as_ref()).get_matches(),
        None => matches,
    };
    start_log(&matches);
    Ok((matches, file))
}

/// What was said of the server: after the subcommand's name where there is one.
fn settings(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, matches)| matches)
}

fn start_log(matches: &ArgMatches) {
    // A server tells of its runs; the other commands speak for themselves.
    let level = if matches!(matches.subcommand_name(), None | Some(serve::NAME)) { "info" } else { "warn" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(std::io::stderr);
    match settings(matches).try_get_one::<LogFormat>("log_format") {
        Ok(Some(LogFormat::Json)) => log.json().flatten_event(true).with_current_span(false).init(),
        _ => log.with_ansi(std::io::stderr().is_terminal()).init(),
    }
}

fn command(file: Option<&File>) -> Command {
    let with_file = |command: Command| match file {
        Some(file) => file.apply(command),
        None => command,
    };
    let command = Command::new("centerscope")
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(
            "Without a command: serves as `serve` does and, where there is no run yet, starts a quick comparison.",
        )
        .args_conflicts_with_subcommands(true)
        .subcommand(with_file(serve::command()))
        .subcommand(with_file(config::command()))
        .subcommand(train::command())
        .subcommand(verify::command())
        .subcommand(bench::command())
        .subcommand(transfer::command())
        .subcommand(trash::command())
        .subcommand(doctor::command());
    with_file(Config::augment_args(command)).about("Shows how a loss shapes feature space while it trains")
}

fn dispatch(matches: &ArgMatches, file: Option<&File>) -> anyhow::Result<ExitCode> {
    match matches.subcommand() {
        Some((serve::NAME, matches)) => serve::run(matches, serve::Start::Nothing),
        Some((config::NAME, matches)) => config::run(matches, file),
        Some((train::NAME, matches)) => train::run(matches),
        Some((verify::NAME, matches)) => verify::run(matches),
        Some((bench::NAME, matches)) => bench::run(matches),
        Some((transfer::NAME, matches)) => transfer::run(matches),
        Some((trash::NAME, matches)) => trash::run(matches),
        Some((doctor::NAME, matches)) => doctor::run(matches),
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
        super::command(None).debug_assert();
    }
}
