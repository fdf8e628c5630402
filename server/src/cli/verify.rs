//! `centerscope verify FILE…`: is the training what PyTorch computes in f64?

use crate::config::DataArgs;
use anyhow::{Context, bail};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use trainer::data::{self, DataOptions, Dataset};
use trainer::device;
use trainer::spec::{DatasetChoice, DeviceChoice, Precision};
use trainer::verify::{Errors, Reference};

pub(super) const NAME: &str = "verify";

pub(super) fn command() -> Command {
    let files = Arg::new("file").value_name("FILE").required(true).action(ArgAction::Append);
    let command = Command::new(NAME)
        .arg(files.value_parser(value_parser!(PathBuf)).help("Reference files (center-loss-reference/1)"))
        .arg(
            Arg::new("device")
                .long("device")
                .value_parser(["cpu", "cuda"])
                .default_value("cpu")
                .help("Where to replay them"),
        )
        .arg(
            Arg::new("precision")
                .long("precision")
                .value_parser(["f32", "tf32"])
                .default_value("f32")
                .help("What a GPU computes in; tf32 is held to 1e-2"),
        );
    DataArgs::augment_args(command)
        .about("Replay reference files and report the largest relative errors; exit code 1 above the tolerances")
}

pub(super) fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let files: Vec<&PathBuf> = matches.get_many("file").into_iter().flatten().collect();
    let options = DataOptions::from(&DataArgs::from_arg_matches(matches)?);
    let word = |flag: &str| matches.get_one::<String>(flag).map(String::as_str).unwrap_or_default();
    let choice = DeviceChoice::from_word(word("device")).context("--device")?;
    let precision = Precision::from_word(word("precision")).context("--precision")?;
    let device = device::select(choice, precision).map_err(anyhow::Error::msg)?;
    println!("{}", device::describe(&device));
    let mut mnist: Option<Dataset> = None;
    let mut failed = 0;
    println!("{:<28} {:<12} {:>10} {:>10} {:>10}", "file", "steps", "losses", "vectors", "gradients");
    for file in &files {
        let reference = read(file).with_context(|| file.display().to_string())?;
        if reference.needs_mnist() && mnist.is_none() {
            let loaded = data::load(DatasetChoice::Mnist, &options, &mut |p| eprintln!("{p}"));
            mnist = Some(loaded.with_context(|| format!("{} needs MNIST", file.display()))?);
        }
        if !verify(file, &reference, mnist.as_ref(), &device).with_context(|| file.display().to_string())? {
            failed += 1;
        }
    }
    println!("{} passed, {failed} failed", files.len() - failed);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(file: &Path) -> anyhow::Result<Reference> {
    match Reference::parse(&std::fs::read(file)?) {
        Ok(reference) => Ok(reference),
        Err(reason) => bail!(reason),
    }
}

/// Replays one file, prints its two lines, and says whether it passed.
fn verify(
    file: &Path,
    reference: &Reference,
    mnist: Option<&Dataset>,
    device: &device::Device,
) -> anyhow::Result<bool> {
    let report = reference.verify(mnist.map(|data| (&data.train, &data.test)), device)?;
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let row = |name: &str, steps: &str, errors: Errors, verdict: &str| {
        let Errors { losses, vectors, gradients } = errors;
        println!("{name:<28} {steps:<12} {losses:>10.1e} {vectors:>10.1e} {gradients:>10.1e}  {verdict}");
    };
    let verdict = match (report.passed(), report.attempts) {
        (true, 1) => "passed".to_owned(),
        (true, n) => format!("passed, least of {n} replays: near-ties fall either way"),
        (false, _) => format!("FAILED: at most {} and then {}", limits(report.first_limit), limits(report.later_limit)),
    };
    row(&name, "first", report.first(), "");
    row("", "later + eval", report.later(), &verdict);
    Ok(report.passed())
}

fn limits(errors: Errors) -> String {
    format!("{:e} / {:e} / {:e}", errors.losses, errors.vectors, errors.gradients)
}
