//! `centerscope doctor`: what this machine has to train with, and what is missing.

use crate::config::DataArgs;
use crate::text;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use std::process::ExitCode;
use trainer::data::{self, DataError, DataOptions};
use trainer::device::{self, Gpu};
use trainer::spec::{DatasetChoice, DeviceChoice};

pub(super) const NAME: &str = "doctor";

pub(super) fn command() -> Command {
    DataArgs::augment_args(Command::new(NAME)).about("Say what this machine has to train with, and what is missing")
}

pub(super) fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let say = |what: &str, found: &str| println!("{what:<12} {found}");
    say("Centerscope", env!("CARGO_PKG_VERSION"));
    say("CPU", &device::describe_cpu());
    match device::gpu() {
        Ok(Gpu { name, compute_capability: (major, minor), driver, cudnn }) => {
            say("GPU", &format!("{name}, compute capability {major}.{minor}"));
            say("libraries", &format!("a driver for CUDA up to {driver}, cuDNN {cudnn}"));
            if let Some(memory) = device::memory() {
                let (used, total) = (text::size(memory.used_bytes), text::size(memory.total_bytes));
                say("GPU memory", &format!("{used} of {total} in use"));
            }
        }
        Err(reason) => say("GPU", &format!("not used: {reason}")),
    }
    let auto = if device::uses_cuda(DeviceChoice::Auto) == Ok(true) { "on the GPU" } else { "on the CPU" };
    say("device auto", &format!("trains {auto}"));

    // Only what is here already: to be asked how things are is no reason for a download.
    let asked: DataOptions = (&DataArgs::from_arg_matches(matches)?).into();
    let options = DataOptions { offline: true, ..asked.clone() };
    match data::load(DatasetChoice::Mnist, &options, &mut |_| {}) {
        Ok(set) => {
            let count = |n: usize| text::thousands(n as u64);
            let (train, test) = (count(set.train.len()), count(set.test.len()));
            say("images", &format!("{}: {train} to train on, {test} to test on", set.info.name));
        }
        Err(DataError::Absent(_)) if !asked.offline => {
            say("images", "MNIST is not on this machine yet: the first run that needs it downloads it (11 MB)");
        }
        Err(reason) => say("images", &format!("{reason}")),
    }
    Ok(ExitCode::SUCCESS)
}
