//! `centerscope trash`: what was deleted, and its end.

use crate::store::Trash;
use anyhow::Context;
use clap::{Arg, ArgMatches, Command, value_parser};
use std::path::PathBuf;
use std::process::ExitCode;

pub(super) const NAME: &str = "trash";

pub(super) fn command() -> Command {
    let folder =
        Arg::new("runs-dir").long("runs-dir").env("CENTERSCOPE_RUNS_DIR").value_name("DIR").default_value("runs");
    let folder = folder.value_parser(value_parser!(PathBuf)).global(true).help("Folder of the runs");
    Command::new(NAME)
        .about("List deleted runs, or delete them for good")
        .arg(folder)
        .subcommand_required(true)
        .subcommand(Command::new("list").about("List the runs in the trash"))
        .subcommand(Command::new("empty").about("Delete the runs in the trash for good; a server may be running"))
}

pub(super) fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let (name, matches) = matches.subcommand().context("say list or empty")?;
    let folder = matches.get_one::<PathBuf>("runs-dir").context("--runs-dir is missing")?;
    let trash = Trash::of(folder);
    let unreadable = || format!("can't use the trash of {}", folder.display());
    if name == "empty" {
        println!("{} runs deleted for good", trash.empty().with_context(unreadable)?);
        return Ok(ExitCode::SUCCESS);
    }
    for (id, run, _) in trash.list().with_context(unreadable)? {
        let name = crate::runs::read_summary(&run).map_or("(unreadable)".into(), |summary| summary.name);
        println!("{id}  {name}");
    }
    Ok(ExitCode::SUCCESS)
}
