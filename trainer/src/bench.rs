//! How fast a training step is: the same step as [`crate::train::train`]'s, on images already in memory.

use crate::data::{Images, PIXELS};
use crate::event::CLASSES;
use crate::loss::CenterLoss;
use crate::network::CenterNet;
use crate::optim::Sgd;
use crate::spec::RunSpec;
use crate::train::{gather, predict};
use candle_core::{Device, Result};
use serde::Serialize;
use std::time::Instant;

/// What was measured. Times are wall time.
#[derive(Clone, Debug, Serialize)]
pub struct StepTimes {
    /// Images of a step.
    pub batch_size: usize,
    /// Median time of a step: forward, backward, both optimisers.
    pub step_ms: f64,
    /// Shortest step.
    pub min_ms: f64,
    /// Images a second at the median.
    pub images_per_s: f64,
    /// Images a second in evaluation mode.
    pub eval_images_per_s: f64,
    /// Threads of the pool.
    pub threads: usize,
    /// Largest resident memory of the process so far, where the system tells.
    pub peak_rss_mb: Option<u64>,
}

/// Times `steps` steps of `spec` on made-up images, after one that doesn't count.
///
/// # Errors
/// If the device fails.
pub fn steps(spec: &RunSpec, steps: usize, device: &Device) -> Result<StepTimes> {
    let net = CenterNet::new(spec.network, spec.width, spec.seed, device)?;
    let loss = CenterLoss::new(spec.distance, spec.lambda, spec.seed, device)?;
    let mut net_sgd = Sgd::new(net.variables(), spec.momentum)?;
    let mut center_sgd = Sgd::new(vec![loss.centers.clone()], 0.0)?;
    let images = noise(spec.batch_size)?;
    let batch: Vec<u32> = (0..spec.batch_size as u32).collect();

    let mut times = Vec::with_capacity(steps);
    for step in 0..=steps {
        let begun = Instant::now();
        let (pixels, labels) = gather(&images, &batch, device)?;
        let output = net.forward_train(&pixels)?;
        let losses = loss.forward(&output, &labels)?;
        let gradients = losses.total.backward()?;
        net_sgd.step(&gradients, spec.lr)?;
        center_sgd.step(&gradients, spec.center_lr)?;
        losses.total.to_scalar::<f32>()?;
        if step > 0 {
            times.push(begun.elapsed().as_secs_f64());
        }
    }
    let begun = Instant::now();
    predict(&net, &images, device)?;
    let eval = begun.elapsed().as_secs_f64();

    times.sort_by(f64::total_cmp);
    let median = if times.len() % 2 == 1 {
        times[times.len() / 2]
    } else {
        (times[times.len() / 2 - 1] + times[times.len() / 2]) / 2.0
    };
    Ok(StepTimes {
        batch_size: spec.batch_size,
        step_ms: median * 1e3,
        min_ms: times[0] * 1e3,
        images_per_s: spec.batch_size as f64 / median,
        eval_images_per_s: spec.batch_size as f64 / eval,
        threads: rayon::current_num_threads(),
        peak_rss_mb: peak_rss_mb(),
    })
}

/// `count` images of noise: the arithmetic of a step takes the same time whatever the pixels are.
fn noise(count: usize) -> Result<Images> {
    let mut state = 1u64;
    let pixels = (0..count * PIXELS).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    Images::new(pixels.collect(), (0..count).map(|i| (i % CLASSES) as u8).collect()).map_err(candle_core::Error::wrap)
}

/// Linux's `VmHWM`.
fn peak_rss_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kb| kb / 1024)
}
