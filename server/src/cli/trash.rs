//! `centerscope trash`: what was deleted, its way back, and its end.

use crate::store::{RunId, Trash};
use anyhow::{Context, bail};
use clap::{Arg, ArgMatches, Command, value_parser};
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

pub(super) const NAME: &str = "trash";

pub(super) fn command() -> Command {
    let folder =
        Arg::new("runs-dir").long("runs-dir").env("CENTERSCOPE_RUNS_DIR").value_name("DIR").default_value("runs");
    let folder = folder.value_parser(value_parser!(PathBuf)).global(true).help("Folder of the runs");
    let id = Arg::new("id").value_name("ID").required(true).help("Its id, as `list` shows it");
    let id = id.value_parser(|text: &str| text.parse::<RunId>().map_err(|_| "not the id of a run"));
    Command::new(NAME)
        .about("List deleted runs, bring one back, or delete them for good")
        .arg(folder)
        .subcommand_required(true)
        .subcommand(Command::new("list").about("List the runs in the trash"))
        .subcommand(Command::new("restore").about("Bring a run back; a server may be running").arg(id))
        .subcommand(Command::new("empty").about("Delete the runs in the trash for good; a server may be running"))
}

pub(super) fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let (name, matches) = matches.subcommand().context("say list, restore or empty")?;
    let folder = matches.get_one::<PathBuf>("runs-dir").context("--runs-dir is missing")?;
    let trash = Trash::of(folder);
    let unreadable = || format!("can't use the trash of {}", folder.display());
    if let Some(id) = matches.try_get_one::<RunId>("id").ok().flatten() {
        let told = match trash.restore(*id) {
            Ok(()) => format!("{id} is back in {}", folder.display()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                bail!("the trash of {} has no run {id}: `centerscope trash list` shows what it has", folder.display())
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                bail!("another run {id} has taken its place in {}: move that one away first", folder.display())
            }
            Err(error) => return Err(error).with_context(unreadable),
        };
        println!("{told}");
        return Ok(ExitCode::SUCCESS);
    }
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
