//! `centerscope bench train`: how fast a training step is on this machine. `bench watch` is in [`watch`], `bench runs` in
//! [`super::bench_runs`].

mod watch;
mod watched;

use super::bench_runs;
use anyhow::bail;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::{Map, Value, json};
use std::process::ExitCode;
use trainer::bench::StepTimes;
use trainer::spec::{DeviceChoice, Precision, Profile, RunSpec, Variant};
use trainer::throughput::{self, Throughput, Together};
use trainer::{bench, device};

pub(super) const NAME: &str = "bench";

pub(super) fn command() -> Command {
    let number =
        |name: &'static str, help: &'static str| Arg::new(name).long(name).value_parser(value_parser!(f64)).help(help);
    let flag = |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    let steps = Arg::new("steps").long("steps").default_value("8").value_parser(value_parser!(u16).range(1..));
    let train = Command::new("train")
        .about("Time training steps on made-up images")
        .arg(Arg::new("variant").long("variant").default_value("v1.0").help("v1.0, v1.1 or v1.2"))
        .arg(number("batch-size", "Images a step (default 256)"))
        .arg(number("width", "Multiplier of every channel count (default 1)"))
        .arg(number("train-images", "Images of the epoch that --epoch trains (default 60000)"))
        .arg(steps.help("Steps to time, after one that doesn't count"))
        .arg(flag("layers", "Each convolution by itself, and the rate of a large matrix product"))
        .arg(flag("epoch", "A whole epoch too, with the evaluation of 10 000 test images"))
        .arg(flag("json", "The figures as JSON, on the last line"));
    let together = Command::new("together")
        .about("Time the three variants' steps one after another and at once")
        .arg(number("batch-size", "Images a step (default 256)"))
        .arg(number("width", "Multiplier of every channel count (default 1)"))
        .arg(Arg::new("steps").long("steps").default_value("50").value_parser(value_parser!(u16).range(1..)))
        .arg(
            Arg::new("rounds")
                .long("rounds")
                .default_value("3")
                .value_parser(value_parser!(u16).range(1..))
                .help("How often, in turns; the figures are medians"),
        )
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("The figures as JSON, on the last line"));
    let where_to = |command: Command| {
        let device = Arg::new("device").long("device").value_parser(DeviceChoice::WORDS.to_vec()).default_value("cpu");
        let precision = Arg::new("precision").long("precision").value_parser(Precision::WORDS.to_vec());
        command
            .arg(device.help("Where to train; on a GPU each time is the mean of 50 steps"))
            .arg(precision.default_value("tf32").help("What a GPU computes in"))
    };
    let command = Command::new(NAME).about("Measure this program on this machine").subcommand_required(true);
    command
        .subcommand(where_to(train))
        .subcommand(where_to(together))
        .subcommand(watch::command())
        .subcommand(bench_runs::command())
}

pub(super) fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    match matches.subcommand() {
        Some(("train", matches)) => train(matches),
        Some(("together", matches)) => together(matches),
        Some(("watch", matches)) => watch::run(matches).map(|()| ExitCode::SUCCESS),
        Some(("runs", matches)) => bench_runs::run(matches),
        _ => bail!("bench what?"),
    }
}

fn spec(matches: &ArgMatches, variant: &str) -> anyhow::Result<RunSpec> {
    let mut request = Map::new();
    for (flag, field) in [("batch-size", "batch_size"), ("width", "width"), ("train-images", "train_images")] {
        if let Some(value) = matches.get_one::<f64>(flag) {
            let whole = flag != "width";
            request.insert(field.into(), if whole { Value::from(*value as u64) } else { Value::from(*value) });
        }
    }
    request.insert("variant".into(), variant.into());
    for field in ["device", "precision"] {
        request.extend(matches.get_one::<String>(field).map(|word| (field.to_owned(), Value::from(word.as_str()))));
    }
    Ok(RunSpec::from_request(&request, Profile::Full)?)
}

fn together(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let specs = Variant::WORDS.iter().map(|variant| spec(matches, variant)).collect::<anyhow::Result<Vec<_>>>()?;
    let steps = matches.get_one::<u16>("steps").copied().unwrap_or(50);
    let rounds = matches.get_one::<u16>("rounds").copied().unwrap_or(3);
    let figures = throughput::together(&specs, steps.into(), rounds.into()).map_err(anyhow::Error::msg)?;
    let Together { device, precision, one_after_another_s, at_once_s, .. } = &figures;
    println!(
        "{} on {device}, {precision}, {steps} steps each at batch {}: {one_after_another_s:.2} s one after another, {at_once_s:.2} s at once ({:.2} of it; medians of {rounds})",
        Variant::WORDS.join(", "),
        specs[0].batch_size,
        at_once_s / one_after_another_s
    );
    if matches.get_flag("json") {
        println!("{}", serde_json::to_string(&figures)?);
    }
    Ok(ExitCode::SUCCESS)
}

fn train(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let variant = matches.get_one::<String>("variant").map(String::as_str).unwrap_or_default();
    let spec = spec(matches, variant)?;
    let steps = matches.get_one::<u16>("steps").copied().unwrap_or(8);
    let device = device::select(spec.device, spec.precision).map_err(anyhow::Error::msg)?;
    if !device.is_cpu() {
        return train_on_gpu(matches, &spec, steps.into(), &device);
    }
    let times = bench::steps(&spec, steps.into(), &device)?;
    let StepTimes { batch_size, step_ms, min_ms, forward_ms, backward_ms, optimiser_ms, threads, .. } = times;
    println!("{} at batch {batch_size}, width {}, {threads} threads", spec.label(), spec.width);
    println!(
        "{step_ms:.1} ms a step (least {min_ms:.1}): forward {forward_ms:.1}, backward {backward_ms:.1}, optimisers {optimiser_ms:.1}"
    );
    println!("{:.1} images/s training, {:.1} evaluating", times.images_per_s, times.eval_images_per_s);
    let mut figures = json!(times);
    if matches.get_flag("layers") {
        let gemm = bench::gemm_gflops();
        let layers = bench::layers(&spec, steps.into(), &device)?;
        println!(
            "A large matrix product reaches {gemm:.0} GFLOP/s. Of that, with everything a convolution needs beside its products:"
        );
        println!(
            "{:>4} {:>10} {:>11} {:>12} {:>8} {:>6} {:>14}",
            "side", "channels", "forward ms", "backward ms", "GFLOP/s", "share", "as direct sum"
        );
        for layer in &layers {
            println!(
                "{:>4} {:>10} {:>11.2} {:>12.2} {:>8.0} {:>4.0} % {:>6.0} GFLOP/s",
                layer.side,
                format!("{}→{}", layer.in_channels, layer.out_channels),
                layer.forward_ms,
                layer.backward_ms,
                layer.gflops,
                layer.gflops / gemm * 100.0,
                layer.direct_gflops
            );
        }
        figures["gemm_gflops"] = json!(gemm);
        figures["layers"] = json!(layers);
    }
    if matches.get_flag("epoch") {
        let seconds = bench::epoch_seconds(&spec)?;
        println!("{seconds:.1} s an epoch of {} images, with its evaluation", spec.train_images);
        figures["epoch_seconds"] = json!(seconds);
        figures["train_images"] = json!(spec.train_images);
    }
    if matches.get_flag("json") {
        println!("{figures}");
    }
    Ok(ExitCode::SUCCESS)
}

fn train_on_gpu(
    matches: &ArgMatches,
    spec: &RunSpec,
    rounds: usize,
    device: &device::Device,
) -> anyhow::Result<ExitCode> {
    let figures = throughput::measure(spec, rounds, device)?;
    let Throughput { device, precision, batch_size, step_ms, min_ms, images_per_s, .. } = &figures;
    println!(
        "{} at batch {batch_size}, width {} on {device}, {precision}: {step_ms:.3} ms a step (least {min_ms:.3}), {images_per_s:.0} images/s",
        spec.label(),
        spec.width
    );
    if matches.get_flag("json") {
        println!("{}", serde_json::to_string(&figures)?);
    }
    Ok(ExitCode::SUCCESS)
}
