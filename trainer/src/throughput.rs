//! How fast training is where nobody waits for a step: on a GPU, and of several runs at once. [`crate::bench`] takes a step on a CPU
//! apart.

use crate::bench::{median, noise};
use crate::data::Images;
use crate::device;
use crate::event::DeviceMemory;
use crate::feed::Feed;
use crate::loss::CenterLoss;
use crate::network::CenterNet;
use crate::optim::{Gradient, Sgd};
use crate::spec::{Precision, RunSpec};
use candle_core::{Device, Result, Tensor, Var};
use serde::Serialize;
use std::sync::Barrier;
use std::time::Instant;

/// Steps that don't count: plans are made, kernels loaded, memory taken.
const WARM_UP: usize = 5;
/// Steps between two looks at the clock.
const INNER: usize = 50;

/// What a spec's steps came to on a device.
#[derive(Clone, Debug, Serialize)]
pub struct Throughput {
    /// The device, for people.
    pub device: String,
    /// What it computed in.
    pub precision: Precision,
    /// Images of a step.
    pub batch_size: usize,
    /// Median over the rounds of a step's time: gathering, forward, backward, both optimisers. Wall time.
    pub step_ms: f64,
    /// The same in the quickest round.
    pub min_ms: f64,
    /// Images a second at the median.
    pub images_per_s: f64,
    /// A GPU's memory after the steps.
    pub device_memory: Option<DeviceMemory>,
}

/// Several specs one after another, and at once. Seconds of wall time, medians over the rounds.
#[derive(Clone, Debug, Serialize)]
pub struct Together {
    /// The device, for people.
    pub device: String,
    /// What it computed in.
    pub precision: Precision,
    /// Steps of each spec in a round.
    pub steps: usize,
    /// How often both were measured, in turns.
    pub rounds: usize,
    /// Each by itself, summed.
    pub one_after_another_s: f64,
    /// All at once, each on a thread of its own.
    pub at_once_s: f64,
}

/// A training in the middle of its steps, on images of noise.
struct Training<'a> {
    spec: &'a RunSpec,
    device: &'a Device,
    net: CenterNet,
    loss: CenterLoss,
    net_sgd: Sgd,
    center_sgd: Sgd,
    feed: Feed<'a>,
    batch: Tensor,
}

impl<'a> Training<'a> {
    fn new(spec: &'a RunSpec, images: &'a Images, device: &'a Device) -> Result<Training<'a>> {
        let net = CenterNet::new(spec.network, spec.width, spec.seed, device)?;
        let loss = CenterLoss::new(spec.distance, spec.lambda, spec.seed, device)?;
        let feed = Feed::new(images, device)?;
        let mut training = Training {
            spec,
            device,
            net_sgd: Sgd::new(net.variables(), spec.momentum)?,
            center_sgd: Sgd::new(vec![loss.centers.clone()], 0.0)?,
            batch: feed.order(&(0..images.len() as u32).collect::<Vec<_>>())?,
            net,
            loss,
            feed,
        };
        training.steps(WARM_UP)?;
        Ok(training)
    }

    /// Takes steps and waits until they are done.
    fn steps(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            device::compute(self.device, || {
                let (images, labels) = self.feed.batch(&self.batch)?;
                let (output, tape) = self.net.forward_train(&images)?;
                let loss = self.loss.forward(&output, &labels)?.total;
                let step = |variable: &Var, found: Gradient| self.net_sgd.step_one(variable, found, self.spec.lr);
                let gradients = self.net.backward(tape, &loss, step)?;
                self.center_sgd.step(&gradients, self.spec.center_lr)
            })?;
        }
        device::synchronize(self.device)
    }
}

/// Times `rounds` rounds of 50 steps.
///
/// # Errors
/// If the device fails.
pub fn measure(spec: &RunSpec, rounds: usize, device: &Device) -> Result<Throughput> {
    let images = noise(spec.batch_size)?;
    let mut training = Training::new(spec, &images, device)?;
    let mut times = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let begun = Instant::now();
        training.steps(INNER)?;
        times.push(begun.elapsed().as_secs_f64() / INNER as f64);
    }
    let median = median(&mut times);
    Ok(Throughput {
        device: device::describe(device),
        precision: device::precision(device)?,
        batch_size: spec.batch_size,
        step_ms: median * 1e3,
        min_ms: times[0] * 1e3,
        images_per_s: spec.batch_size as f64 / median,
        device_memory: device::memory().filter(|_| !device.is_cpu()),
    })
}

/// Times `steps` steps of each spec, one after another and then at once, `rounds` times. Each has its own thread, as the runs of
/// the server have.
///
/// # Errors
/// A sentence, if the device can't be had or fails.
pub fn together(specs: &[RunSpec], steps: usize, rounds: usize) -> std::result::Result<Together, String> {
    let first = specs.first().ok_or("nothing to time")?;
    let (described, precision) = {
        // Each training opens the device anew, on its own thread.
        let device = device::select(first.device, first.precision)?;
        (device::describe(&device), device::precision(&device).map_err(|error| error.to_string())?)
    };
    let (mut in_turn, mut at_once) = (Vec::new(), Vec::new());
    for _ in 0..rounds.max(1) {
        let each = specs.iter().map(|spec| seconds(std::slice::from_ref(spec), steps));
        in_turn.push(each.sum::<std::result::Result<f64, String>>()?);
        at_once.push(seconds(specs, steps)?);
    }
    Ok(Together {
        device: described,
        precision,
        steps,
        rounds: at_once.len(),
        one_after_another_s: median(&mut in_turn),
        at_once_s: median(&mut at_once),
    })
}

/// Seconds of `specs` at once: from the moment when all are ready to that when the last is done.
fn seconds<'a>(specs: &'a [RunSpec], steps: usize) -> std::result::Result<f64, String> {
    let (ready, go) = (Barrier::new(specs.len() + 1), Barrier::new(specs.len() + 1));
    std::thread::scope(|scope| {
        let work = |spec: &'a RunSpec| {
            let (ready, go) = (&ready, &go);
            scope.spawn(move || {
                let images = noise(spec.batch_size).map_err(|error| error.to_string());
                let device = device::select(spec.device, spec.precision);
                let mut training = match (&images, &device) {
                    (Ok(images), Ok(device)) => Training::new(spec, images, device).map_err(|error| error.to_string()),
                    (Err(error), _) | (_, Err(error)) => Err(error.clone()),
                };
                // Whoever failed comes to both barriers as well: the others wait for it.
                ready.wait();
                go.wait();
                match &mut training {
                    Ok(training) => training.steps(steps).map_err(|error| error.to_string()),
                    Err(error) => Err(error.clone()),
                }
            })
        };
        let threads: Vec<_> = specs.iter().map(work).collect();
        ready.wait();
        let begun = Instant::now();
        go.wait();
        let ended =
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a training broke down".into())));
        let ended = ended.collect::<Vec<_>>().into_iter().collect::<std::result::Result<Vec<()>, String>>();
        ended.map(|_| begun.elapsed().as_secs_f64())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{DeviceChoice, Distance, Network, Profile};

    #[test]
    fn steps_are_timed_alone_and_together() {
        let preset = RunSpec::preset(Profile::Quick, Network::Shallow, Distance::Root);
        let spec = RunSpec { width: 0.03125, batch_size: 2, device: DeviceChoice::Cpu, ..preset };
        let alone = measure(&spec, 2, &Device::Cpu).unwrap();
        assert!(alone.min_ms > 0.0 && alone.min_ms <= alone.step_ms && alone.precision == Precision::F32);
        let together = together(&[spec.clone(), RunSpec { seed: 2, ..spec }], 3, 2).unwrap();
        assert_eq!((together.steps, together.rounds), (3, 2));
        assert!(together.one_after_another_s > 0.0 && together.at_once_s > 0.0);
    }
}
