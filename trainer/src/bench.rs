//! How fast training is on this machine: the same step as [`crate::train::train`]'s on images already in memory, its
//! convolutions one by one, and a whole epoch.

use crate::data::{Dataset, Images, PIXELS};
use crate::device;
use crate::event::{CLASSES, DataInfo, RunEvent};
use crate::feed::Feed;
use crate::loss::CenterLoss;
use crate::network::CenterNet;
use crate::ops::conv2d::{self, ConvShape};
use crate::ops::matmul::{Into, Matrix, matmul};
use crate::optim::Sgd;
use crate::spec::RunSpec;
use crate::train::{TrainError, predict, train};
use candle_core::{Device, Result};
use rayon::prelude::*;
use serde::Serialize;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Test images of a whole epoch, as many as MNIST has.
const TEST_IMAGES: usize = 10_000;
/// Side of the square matrices whose product tells what the cores can do at best.
const GEMM_SIDE: usize = 768;

/// What was measured. Times are wall time, medians over the steps.
#[derive(Clone, Debug, Serialize)]
pub struct StepTimes {
    /// Images of a step.
    pub batch_size: usize,
    /// A step: forward, backward, both optimisers.
    pub step_ms: f64,
    /// Shortest step.
    pub min_ms: f64,
    /// Forward pass and loss.
    pub forward_ms: f64,
    /// Every gradient.
    pub backward_ms: f64,
    /// Both optimisers.
    pub optimiser_ms: f64,
    /// Images a second at the median step.
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
    let net_sgd = Sgd::new(net.variables(), spec.momentum)?;
    let center_sgd = Sgd::new(vec![loss.centers.clone()], 0.0)?;
    let images = noise(spec.batch_size)?;
    let feed = Feed::new(&images, device)?;
    let batch = feed.order(&(0..spec.batch_size as u32).collect::<Vec<_>>())?;

    let mut times = [const { Vec::new() }; 4];
    for step in 0..=steps {
        let parts = device::compute(device, || {
            let begun = Instant::now();
            let (pixels, labels) = feed.batch(&batch)?;
            let (output, tape) = net.forward_train(&pixels)?;
            let losses = loss.forward(&output, &labels)?;
            let forward = begun.elapsed();
            let mut optimising = Duration::ZERO;
            let gradients = net.backward(tape, &losses.total, |variable, gradient| {
                let begun = Instant::now();
                net_sgd.step_one(variable, gradient, spec.lr)?;
                optimising += begun.elapsed();
                Ok(())
            })?;
            let backward = begun.elapsed() - forward - optimising;
            center_sgd.step(&gradients, spec.center_lr)?;
            losses.total.to_scalar::<f32>()?;
            let all = begun.elapsed();
            Result::Ok([all, forward, backward, all - forward - backward])
        })?;
        if step > 0 {
            times.iter_mut().zip(parts).for_each(|(times, part)| times.push(part.as_secs_f64() * 1e3));
        }
    }
    let begun = Instant::now();
    predict(&net, &images, device)?;
    let eval = begun.elapsed().as_secs_f64();

    let [step_ms, forward_ms, backward_ms, optimiser_ms] = times.each_mut().map(|times| median(times));
    Ok(StepTimes {
        batch_size: spec.batch_size,
        step_ms,
        min_ms: times[0][0],
        forward_ms,
        backward_ms,
        optimiser_ms,
        images_per_s: spec.batch_size as f64 / step_ms * 1e3,
        eval_images_per_s: spec.batch_size as f64 / eval,
        threads: rayon::current_num_threads(),
        peak_rss_mb: peak_rss_mb(),
    })
}

/// A convolution of the network, without what follows it in its block.
#[derive(Clone, Debug, Serialize)]
pub struct LayerTimes {
    /// Pixels along one side.
    pub side: usize,
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Forward, median.
    pub forward_ms: f64,
    /// Both gradients (the first layer: the weight's alone), median.
    pub backward_ms: f64,
    /// 10⁹ floating-point operations a second in the matrix products that are left, maps and all else in the time.
    pub gflops: f64,
    /// What a plain sum would have to reach to be as fast: 25 products for each output and pair of channels.
    pub direct_gflops: f64,
}

/// Times every convolution of `spec`'s network, each `repeats` times.
///
/// # Errors
/// If the device fails.
pub fn layers(spec: &RunSpec, repeats: usize, device: &Device) -> Result<Vec<LayerTimes>> {
    let net = CenterNet::new(spec.network, spec.width, spec.seed, device)?;
    let shapes = net.conv_shapes(spec.batch_size)?;
    Ok(shapes.into_iter().enumerate().map(|(index, shape)| layer(shape, index > 0, repeats)).collect())
}

fn layer(shape: ConvShape, wants_dx: bool, repeats: usize) -> LayerTimes {
    let numbers = |len: usize| (0..len).map(|i| (i % 251) as f32 / 251.0 - 0.5).collect::<Vec<_>>();
    let (x, weight) = (numbers(shape.input_len()), numbers(shape.weight_len()));
    let (mut z, mut dx, mut dw) = (numbers(shape.output_len()), x.clone(), weight.clone());
    let (mut forward, mut backward) = (Vec::new(), Vec::new());
    for repeat in 0..=repeats {
        let begun = Instant::now();
        conv2d::forward(shape, &x, &weight, &mut z);
        let half = begun.elapsed();
        conv2d::backward(shape, &x, &weight, &z, wants_dx.then_some(&mut dx), &mut dw);
        if repeat > 0 {
            forward.push(half.as_secs_f64() * 1e3);
            backward.push((begun.elapsed() - half).as_secs_f64() * 1e3);
        }
    }
    let (forward_ms, backward_ms) = (median(&mut forward), median(&mut backward));
    let passes = if wants_dx { 3 } else { 2 };
    let rate = |products: usize| (2 * passes * products) as f64 / (forward_ms + backward_ms) / 1e6;
    let direct = shape.output_len() * shape.in_channels * conv2d::KERNEL * conv2d::KERNEL;
    LayerTimes {
        side: shape.side,
        in_channels: shape.in_channels,
        out_channels: shape.out_channels,
        forward_ms,
        backward_ms,
        gflops: rate(conv2d::products(shape)),
        direct_gflops: rate(direct),
    }
}

/// What the cores reach together in one large matrix product a thread: 10⁹ floating-point operations a second.
pub fn gemm_gflops() -> f64 {
    let threads = rayon::current_num_threads();
    let a = vec![0.5f32; GEMM_SIDE * GEMM_SIDE];
    let mut products = vec![vec![0.0f32; GEMM_SIDE * GEMM_SIDE]; threads];
    let mut times = Vec::new();
    for _ in 0..9 {
        let begun = Instant::now();
        products.par_iter_mut().for_each(|product| {
            let a = Matrix::new(&a, GEMM_SIDE, GEMM_SIDE);
            matmul(product, Into::Replace, a, a);
        });
        times.push(begun.elapsed().as_secs_f64());
    }
    (2 * threads * GEMM_SIDE.pow(3)) as f64 / median(&mut times) / 1e9
}

/// Seconds of one epoch of `spec` on made-up images, evaluation of 10 000 test images, metrics and checkpoint included.
///
/// # Errors
/// As [`train`]'s.
pub fn epoch_seconds(spec: &RunSpec) -> std::result::Result<f64, TrainError> {
    let info = DataInfo {
        set: "noise".into(),
        name: "noise".into(),
        train_images: spec.train_images,
        test_images: TEST_IMAGES,
        digest: String::new(),
    };
    let data = Dataset { train: noise(spec.train_images)?, test: noise(TEST_IMAGES)?, info };
    let spec = RunSpec { epochs: 1, ..spec.clone() };
    let mut seconds = f64::NAN;
    train(&spec, &data, None, &AtomicBool::new(false), &mut |emission| {
        if let RunEvent::Epoch(report) = &emission.event {
            seconds = report.metrics["epoch_seconds"];
        }
    })?;
    Ok(seconds)
}

/// The middle one, sorted on the way; between the two middle ones where their count is even.
pub(crate) fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    let middle = times.len() / 2;
    if times.len() % 2 == 1 { times[middle] } else { (times[middle - 1] + times[middle]) / 2.0 }
}

/// `count` images of noise: the arithmetic of a step takes the same time whatever the pixels are.
pub(crate) fn noise(count: usize) -> Result<Images> {
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
