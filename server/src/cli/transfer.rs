//! `centerscope transfer`: how real the generated digits are: a network trained only on them reads MNIST.

use crate::config::DataArgs;
use crate::text;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, value_parser};
use serde_json::{Map, Value};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use trainer::data::{self, Dataset};
use trainer::event::{Emission, RunEvent};
use trainer::spec::{DatasetChoice, Profile, RunSpec};
use trainer::train::train;

pub(super) const NAME: &str = "transfer";

pub(super) fn command() -> Command {
    let command = Command::new(NAME)
        .arg(Arg::new("variant").long("variant").default_value("v1.0").help("v1.0, v1.1 or v1.2"))
        .arg(Arg::new("seed").long("seed").default_value("1").value_parser(value_parser!(u64)));
    DataArgs::augment_args(command).about("Train on generated digits (profile quick) and test on MNIST")
}

pub(super) fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let mut request = Map::new();
    request.extend(matches.get_one::<String>("variant").map(|v| ("variant".to_owned(), Value::from(v.as_str()))));
    request.extend(matches.get_one::<u64>("seed").map(|&seed| ("seed".to_owned(), Value::from(seed))));
    let spec = RunSpec::from_request(&request, Profile::Quick)?;
    let options = (&DataArgs::from_arg_matches(matches)?).into();

    let mut said = String::new();
    let mut say = |progress: &data::DataProgress| {
        let text = progress.to_string();
        if text != said {
            eprintln!("{text}");
            said = text;
        }
    };
    let mnist = data::load(DatasetChoice::Mnist, &options, &mut say)?;
    let generated = data::load(DatasetChoice::Generated, &options, &mut say)?;
    let name = format!("{}, tested on {}", generated.info.name, mnist.info.name);
    let both = Dataset::new("generated", &name, generated.train, mnist.test);
    println!("{}: {name}", spec.label());

    let mut tell = |emission: Emission| {
        if let RunEvent::Epoch(report) = emission.event {
            let metric = |name: &str| text::percent(report.metrics.get(name).copied());
            let (train, test) = (metric("train_accuracy"), metric("test_accuracy"));
            println!("epoch {}: training accuracy {train}, on MNIST's test images {test}", report.epoch);
        }
    };
    train(&spec, &both, None, &AtomicBool::new(false), &mut tell)?;
    Ok(ExitCode::SUCCESS)
}
