//! `centerscope bench train`: how fast a training step is on this machine.

use anyhow::bail;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::{Map, Value};
use std::process::ExitCode;
use trainer::spec::{Profile, RunSpec};
use trainer::{bench, device};

pub(super) const NAME: &str = "bench";

pub(super) fn command() -> Command {
    let number =
        |name: &'static str, help: &'static str| Arg::new(name).long(name).value_parser(value_parser!(f64)).help(help);
    let train = Command::new("train")
        .about("Time training steps on made-up images")
        .arg(Arg::new("variant").long("variant").default_value("v1.0").help("v1.0, v1.1 or v1.2"))
        .arg(number("batch-size", "Images a step (default 256)"))
        .arg(number("width", "Multiplier of every channel count (default 1)"))
        .arg(Arg::new("steps").long("steps").default_value("8").value_parser(value_parser!(u16).range(1..)))
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("The figures as JSON, on the last line"));
    Command::new(NAME).about("Measure this program on this machine").subcommand_required(true).subcommand(train)
}

pub(super) fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let Some(("train", matches)) = matches.subcommand() else { bail!("bench what?") };
    let mut request = Map::new();
    for (flag, field) in [("batch-size", "batch_size"), ("width", "width")] {
        if let Some(value) = matches.get_one::<f64>(flag) {
            let whole = flag == "batch-size";
            request.insert(field.into(), if whole { Value::from(*value as u64) } else { Value::from(*value) });
        }
    }
    request.extend(matches.get_one::<String>("variant").map(|v| ("variant".to_owned(), Value::from(v.as_str()))));
    let spec = RunSpec::from_request(&request, Profile::Full)?;
    let steps = matches.get_one::<u16>("steps").copied().unwrap_or(8);
    let device = device::select(spec.device).map_err(anyhow::Error::msg)?;
    let times = bench::steps(&spec, steps.into(), &device)?;
    println!(
        "{} at batch {}, width {}: {:.1} ms a step (least {:.1}), {:.1} images/s training, {:.1} images/s evaluating, {} threads",
        spec.label(),
        times.batch_size,
        spec.width,
        times.step_ms,
        times.min_ms,
        times.images_per_s,
        times.eval_images_per_s,
        times.threads
    );
    if matches.get_flag("json") {
        println!("{}", serde_json::to_string(&times)?);
    }
    Ok(ExitCode::SUCCESS)
}
