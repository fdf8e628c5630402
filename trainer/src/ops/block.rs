//! Convolution 5×5 + batch-norm + ReLU (+ max-pool 2×2) as **one** differentiable op.
//!
//! One op, because candle pays a tensor of zeros and an addition for every gradient that an op returns, and because
//! nothing but the convolution's output has to be kept for the backward pass.
//!
//! With z = x ⋆ w and, per channel over all N·H·W pixels of the batch, mean μ and variance σ²:
//! x̂ = (z − μ)/√(σ² + ε), t = γ·x̂ + β, y = max(t, 0), then the maximum of each 2×2 window (a last odd row or column
//! is dropped). Backward, with δ the gradient of t (the window's first maximum takes all of it, as in PyTorch):
//! dβ = Σδ, dγ = Σδ·x̂, dz = γ/√(σ² + ε) · (δ − dβ/n − x̂·dγ/n) (Ioffe & Szegedy, 2015).

#![expect(clippy::needless_range_loop, reason = "the loops index several arrays in step")]

use super::conv2d::{self, ConvShape};
use super::{scratch, slice};
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Storage, Tensor};
use rayon::prelude::*;
use std::sync::{Arc, Mutex, PoisonError};

/// ε of batch-norm.
const EPSILON: f64 = 1e-5;
/// Weight of a batch in the running statistics.
const MOMENTUM: f64 = 0.1;
/// Pixels whose sums are taken in f32 before they join an f64 total.
const SUM_CHUNK: usize = 1024;

/// Running mean and variance of a batch-norm layer, one number a channel each.
#[derive(Clone, Debug, PartialEq)]
pub struct RunningStats {
    /// Running mean, (C).
    pub mean: Vec<f32>,
    /// Running unbiased variance, (C).
    pub var: Vec<f32>,
}

impl RunningStats {
    /// Mean 0 and variance 1 for every channel.
    pub fn new(channels: usize) -> RunningStats {
        RunningStats { mean: vec![0.0; channels], var: vec![1.0; channels] }
    }
}

/// Running statistics that the op of each step updates.
pub type SharedStats = Arc<Mutex<RunningStats>>;

/// One block in training mode.
///
/// * `x`: (N, H, H, in), `weight`: (5, 5, in, out), `scale_shift`: (2, out), row 0 γ and row 1 β
/// * returns (N, H, H, out), or (N, ⌊H/2⌋, ⌊H/2⌋, out) with `pool`
///
/// # Errors
/// If shapes, strides or types are not as above.
pub fn forward_train(
    x: &Tensor,
    weight: &Tensor,
    scale_shift: &Tensor,
    stats: &SharedStats,
    pool: bool,
) -> Result<Tensor> {
    x.apply_op3(weight, scale_shift, Block { pool, stats: stats.clone(), saved: Mutex::new(None) })
}

/// One block in evaluation mode: the running statistics are folded into the weight, so a block is one convolution and
/// one pass over its output. Not differentiable. Shapes as in [`forward_train`].
///
/// # Errors
/// If shapes, strides or types are not as above.
pub fn forward_eval(
    x: &Tensor,
    weight: &Tensor,
    scale_shift: &Tensor,
    stats: &SharedStats,
    pool: bool,
) -> Result<Tensor> {
    let gamma_beta = scale_shift.to_vec2::<f32>()?;
    let norm = {
        let stats = stats.lock().unwrap_or_else(PoisonError::into_inner);
        let wide = |values: &[f32]| values.iter().map(|&v| v as f64).collect::<Vec<_>>();
        Normalise::new(&wide(&stats.mean), &wide(&stats.var), &gamma_beta[0], &gamma_beta[1])
    };
    let channels = norm.channels();
    let bias: Vec<f32> = (0..channels).map(|c| norm.at(c, 0.0)).collect();
    let scale = Tensor::from_vec(norm.scale, channels, x.device())?;
    let bias = Tensor::from_vec(bias, channels, x.device())?;
    x.apply_op3_no_bwd(&weight.broadcast_mul(&scale)?, &bias, &FoldedBlock { pool })
}

/// What the backward pass needs of the forward pass.
struct Saved {
    /// The convolution's output, (N, H, H, out).
    z: Vec<f32>,
    norm: Normalise,
    /// With pooling: which of its window's four pixels was the first maximum, (N, ⌊H/2⌋, ⌊H/2⌋, out).
    argmax: Vec<u8>,
}

struct Block {
    pool: bool,
    stats: SharedStats,
    /// Filled by the forward pass, taken by the one backward pass that may follow.
    saved: Mutex<Option<Saved>>,
}

struct FoldedBlock {
    pool: bool,
}

fn conv_shape(x: &Shape, weight: &Shape) -> Result<ConvShape> {
    let (batch, side, width, in_channels) = x.dims4()?;
    let (kernel_h, kernel_w, weight_in, out_channels) = weight.dims4()?;
    if (kernel_h, kernel_w) != (conv2d::KERNEL, conv2d::KERNEL) || weight_in != in_channels || side != width {
        candle_core::bail!("conv block: input {x:?} does not fit weight {weight:?}");
    }
    Ok(ConvShape { batch, side, in_channels, out_channels })
}

fn output_side(side: usize, pool: bool) -> usize {
    if pool { side / 2 } else { side }
}

/// Batch-norm's t = γ·(z − μ)/σ + β per channel, as `t = scale·(z − mean) + shift`.
///
/// Not as `scale·z + offset`, one operation less: where μ is large against σ that rounds t so coarsely that ReLU and
/// pooling fall the other way for more pixels than they must. `shift` carries what `mean` lost in rounding.
struct Normalise {
    mean: Vec<f32>,
    inverse_std: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Normalise {
    fn new(mean: &[f64], var: &[f64], gamma: &[f32], beta: &[f32]) -> Normalise {
        let inverse_std: Vec<f32> = var.iter().map(|var| (1.0 / (var + EPSILON).sqrt()) as f32).collect();
        let scale: Vec<f32> = gamma.iter().zip(&inverse_std).map(|(g, i)| g * i).collect();
        let rounded: Vec<f32> = mean.iter().map(|&m| m as f32).collect();
        let shift = (0..mean.len())
            .map(|c| (beta[c] as f64 - scale[c] as f64 * (mean[c] - rounded[c] as f64)) as f32)
            .collect();
        Normalise { mean: rounded, inverse_std, scale, shift }
    }

    /// Adds `bias`, and nothing else: for a convolution whose weight has batch-norm folded in.
    fn bias(bias: &[f32]) -> Normalise {
        let constant = |value: f32| vec![value; bias.len()];
        Normalise { mean: constant(0.0), inverse_std: constant(1.0), scale: constant(1.0), shift: bias.to_vec() }
    }

    /// t of channel `c`.
    #[inline(always)]
    fn at(&self, c: usize, z: f32) -> f32 {
        self.scale[c].mul_add(z - self.mean[c], self.shift[c])
    }

    fn channels(&self) -> usize {
        self.mean.len()
    }
}

/// Runs `f` compiled for the best instruction set of this machine: the loops inside become wide vectors.
#[inline(always)]
fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    struct Run<F>(F);
    impl<R, F: FnOnce() -> R> pulp::NullaryFnOnce for Run<F> {
        type Output = R;

        #[inline(always)]
        fn call(self) -> R {
            (self.0)()
        }
    }
    pulp::Arch::new().dispatch(Run(f))
}

/// Per-channel sums over pixels: `add(pixel, sums)` adds one pixel's terms to `K` rows of `channels` numbers. The
/// order of additions depends on the sizes alone.
fn channel_sums<const K: usize>(
    pixels: usize,
    channels: usize,
    add: impl Fn(usize, &mut [Vec<f32>; K]) + Sync,
) -> [Vec<f64>; K] {
    let parts: Vec<[Vec<f32>; K]> = (0..pixels.div_ceil(SUM_CHUNK))
        .into_par_iter()
        .map(|chunk| {
            let mut sums: [Vec<f32>; K] = std::array::from_fn(|_| vec![0.0; channels]);
            vectorised(
                #[inline(always)]
                || {
                    for pixel in chunk * SUM_CHUNK..pixels.min((chunk + 1) * SUM_CHUNK) {
                        add(pixel, &mut sums);
                    }
                },
            );
            sums
        })
        .collect();
    let mut totals: [Vec<f64>; K] = std::array::from_fn(|_| vec![0.0; channels]);
    for part in &parts {
        for (total, part) in totals.iter_mut().zip(part) {
            total.iter_mut().zip(part).for_each(|(t, p)| *t += *p as f64);
        }
    }
    totals
}

/// Mean and biased variance of each channel of `z`, (pixels, channels).
fn moments(z: &[f32], channels: usize) -> (Vec<f64>, Vec<f64>) {
    // Sums of differences to the first pixel: E[z²] − E[z]² would cancel where the mean is large against the spread.
    let origin = &z[..channels];
    let pixels = z.len() / channels;
    let [sums, squares] = channel_sums::<2>(
        pixels,
        channels,
        #[inline(always)]
        |pixel, [sums, squares]| {
            let z = &z[pixel * channels..(pixel + 1) * channels];
            let (sums, squares) = (&mut sums[..channels], &mut squares[..channels]);
            for c in 0..channels {
                let d = z[c] - origin[c];
                sums[c] += d;
                squares[c] += d * d;
            }
        },
    );
    let n = pixels as f64;
    let var = sums.iter().zip(&squares).map(|(s, q)| (q / n - (s / n) * (s / n)).max(0.0)).collect();
    let mean = sums.iter().zip(origin).map(|(s, &o)| o as f64 + s / n).collect();
    (mean, var)
}

/// `y = max(t, 0)`, over (pixels, channels).
fn activate(z: &[f32], norm: &Normalise, y: &mut [f32]) {
    let channels = norm.channels();
    let rows = channels * SUM_CHUNK;
    y.par_chunks_mut(rows).zip(z.par_chunks(rows)).for_each(|(y, z)| {
        vectorised(
            #[inline(always)]
            || {
                for (y, z) in y.chunks_exact_mut(channels).zip(z.chunks_exact(channels)) {
                    for c in 0..channels {
                        y[c] = norm.at(c, z[c]).max(0.0);
                    }
                }
            },
        )
    });
}

/// Like [`activate`], and then the maximum of each 2×2 window; `argmax` (empty when not wanted) says which pixel of
/// the window, in reading order, was the first maximum.
fn activate_and_pool(shape: ConvShape, z: &[f32], norm: &Normalise, y: &mut [f32], argmax: &mut [u8]) {
    let sign = norm.scale.iter().map(|&s| if s == 0.0 { 0.0 } else { s.signum() }).collect();
    let pooling = Pooling { shape, z, norm, sign };
    let row_len = shape.side / 2 * shape.out_channels;
    let work = |row: usize, y: &mut [f32], argmax: &mut [u8]| {
        vectorised(
            #[inline(always)]
            || pooling.row(row, y, argmax),
        )
    };
    if argmax.is_empty() {
        y.par_chunks_mut(row_len).enumerate().for_each(|(row, y)| work(row, y, &mut []));
    } else {
        let rows = y.par_chunks_mut(row_len).zip(argmax.par_chunks_mut(row_len));
        rows.enumerate().for_each(|(row, (y, argmax))| work(row, y, argmax));
    }
}

struct Pooling<'a> {
    shape: ConvShape,
    z: &'a [f32],
    norm: &'a Normalise,
    /// Whether t grows (1) or falls (−1) with z, or does neither (0), per channel.
    sign: Vec<f32>,
}

impl Pooling<'_> {
    /// Row `row` of the output, counted through the batch. The maximum is looked for among the z: one pixel of four has
    /// to be normalised, and two pixels that only rounding makes equal are still told apart.
    #[inline(always)]
    fn row(&self, row: usize, y: &mut [f32], argmax: &mut [u8]) {
        let (side, half, channels) = (self.shape.side, self.shape.side / 2, self.shape.out_channels);
        let sign = &self.sign[..channels];
        for x in 0..half {
            let first = ((row / half * side + row % half * 2) * side + 2 * x) * channels;
            let window: [&[f32]; 4] = [0, 1, side, side + 1].map(|p| &self.z[first + p * channels..][..channels]);
            let y = &mut y[x * channels..(x + 1) * channels];
            let best_of = |c: usize| {
                let (mut best, mut at) = (window[0][c] * sign[c], 0);
                for i in 1..4 {
                    let key = window[i][c] * sign[c];
                    at = if key > best { i as u8 } else { at };
                    best = if key > best { key } else { best };
                }
                (if sign[c] == 0.0 { window[0][c] } else { best * sign[c] }, at)
            };
            if argmax.is_empty() {
                for c in 0..channels {
                    y[c] = self.norm.at(c, best_of(c).0).max(0.0);
                }
            } else {
                let argmax = &mut argmax[x * channels..(x + 1) * channels];
                for c in 0..channels {
                    let (z, at) = best_of(c);
                    y[c] = self.norm.at(c, z).max(0.0);
                    argmax[c] = at;
                }
            }
        }
    }
}

impl CustomOp3 for Block {
    fn name(&self) -> &'static str {
        "conv-block"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        w: &CpuStorage,
        wl: &Layout,
        p: &CpuStorage,
        pl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let shape = conv_shape(xl.shape(), wl.shape())?;
        let (x, weight, scale_shift) = (slice(x, xl)?, slice(w, wl)?, slice(p, pl)?);
        let (gamma, beta) = scale_shift.split_at(shape.out_channels);

        let mut z = vec![0.0; shape.output_len()];
        conv2d::forward(shape, x, weight, &mut z);
        let (mean, var) = moments(&z, shape.out_channels);
        update(&self.stats, &mean, &var, shape.pixels());

        let norm = Normalise::new(&mean, &var, gamma, beta);
        let side = output_side(shape.side, self.pool);
        let mut y = vec![0.0; shape.batch * side * side * shape.out_channels];
        let mut argmax = vec![0; if self.pool { y.len() } else { 0 }];
        if self.pool {
            activate_and_pool(shape, &z, &norm, &mut y, &mut argmax);
        } else {
            activate(&z, &norm, &mut y);
        }
        *self.saved.lock().unwrap_or_else(PoisonError::into_inner) = Some(Saved { z, norm, argmax });
        Ok((CpuStorage::F32(y), (shape.batch, side, side, shape.out_channels).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        scale_shift: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Some(saved) = self.saved.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            candle_core::bail!("conv-block: one backward pass per forward pass")
        };
        let dy = dy.contiguous()?;
        let device = x.device();
        let shape = conv_shape(x.shape(), weight.shape())?;
        // Only the first block's input, the images, has no gradient to pass on.
        let wants_dx = x.track_op();

        let mut dx = vec![0.0; if wants_dx { shape.input_len() } else { 0 }];
        let mut dw = vec![0.0; shape.weight_len()];
        let dp = {
            let (xs, xl) = x.storage_and_layout();
            let (ws, wl) = weight.storage_and_layout();
            let (gs, gl) = dy.storage_and_layout();
            let (Storage::Cpu(xs), Storage::Cpu(ws), Storage::Cpu(gs)) = (&*xs, &*ws, &*gs) else {
                candle_core::bail!("conv-block: every tensor must be on the CPU")
            };
            let (dz, dp) = backward_to_z(shape, saved, slice(gs, gl)?);
            let dx = wants_dx.then_some(dx.as_mut_slice());
            conv2d::backward(shape, slice(xs, xl)?, slice(ws, wl)?, &dz, dx, &mut dw);
            dp
        };
        let dx = if wants_dx { Some(Tensor::from_vec(dx, x.shape(), device)?) } else { None };
        let dw = Tensor::from_vec(dw, weight.shape(), device)?;
        let dp = Tensor::from_vec(dp, scale_shift.shape(), device)?;
        Ok((dx, Some(dw), Some(dp)))
    }
}

/// Joins a batch to the running statistics, as PyTorch does: the variance unbiased.
fn update(stats: &SharedStats, mean: &[f64], var: &[f64], pixels: usize) {
    let n = pixels as f64;
    let unbiased = n / (n - 1.0).max(1.0);
    let mut stats = stats.lock().unwrap_or_else(PoisonError::into_inner);
    let blend = |old: &mut f32, new: f64| *old = ((1.0 - MOMENTUM) * *old as f64 + MOMENTUM * new) as f32;
    stats.mean.iter_mut().zip(mean).for_each(|(old, new)| blend(old, *new));
    stats.var.iter_mut().zip(var).for_each(|(old, new)| blend(old, new * unbiased));
}

/// From the gradient of the block's output to the gradient of z (which takes z's own buffer) and of γ and β, (2, out).
fn backward_to_z(shape: ConvShape, saved: Saved, dy: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let (side, channels) = (shape.side, shape.out_channels);
    let Saved { mut z, norm, argmax } = saved;
    let pooled = !argmax.is_empty();
    let half = side / 2;

    let [sum_delta, sum_delta_xhat] = if pooled {
        channel_sums::<2>(
            shape.batch * half * half,
            channels,
            #[inline(always)]
            |pixel, [delta, delta_xhat]| {
                let (image, y, x) = (pixel / (half * half), pixel / half % half, pixel % half);
                let first = ((image * side + 2 * y) * side + 2 * x) * channels;
                let window: [&[f32]; 4] = [0, 1, side, side + 1].map(|p| &z[first + p * channels..][..channels]);
                let dy = &dy[pixel * channels..(pixel + 1) * channels];
                let argmax = &argmax[pixel * channels..(pixel + 1) * channels];
                let (delta, delta_xhat) = (&mut delta[..channels], &mut delta_xhat[..channels]);
                for c in 0..channels {
                    let at = argmax[c];
                    let low = if at & 1 == 0 { window[0][c] } else { window[1][c] };
                    let high = if at & 1 == 0 { window[2][c] } else { window[3][c] };
                    let z = if at & 2 == 0 { low } else { high };
                    let d = if norm.at(c, z) > 0.0 { dy[c] } else { 0.0 };
                    delta[c] += d;
                    delta_xhat[c] += d * ((z - norm.mean[c]) * norm.inverse_std[c]);
                }
            },
        )
    } else {
        channel_sums::<2>(
            shape.pixels(),
            channels,
            #[inline(always)]
            |pixel, [delta, delta_xhat]| {
                let z = &z[pixel * channels..(pixel + 1) * channels];
                let dy = &dy[pixel * channels..(pixel + 1) * channels];
                let (delta, delta_xhat) = (&mut delta[..channels], &mut delta_xhat[..channels]);
                for c in 0..channels {
                    let d = if norm.at(c, z[c]) > 0.0 { dy[c] } else { 0.0 };
                    delta[c] += d;
                    delta_xhat[c] += d * ((z[c] - norm.mean[c]) * norm.inverse_std[c]);
                }
            },
        )
    };

    // dz = scale·(δ − dβ/n − x̂·dγ/n) = scale·δ + slope·(z − mean) + offset, the per-channel factors out of the loop.
    let n = shape.pixels() as f64;
    let scaled = |sum: f64, c: usize| -(norm.scale[c] as f64) * sum / n;
    let slope: Vec<f32> =
        (0..channels).map(|c| (scaled(sum_delta_xhat[c], c) * norm.inverse_std[c] as f64) as f32).collect();
    let offset: Vec<f32> = (0..channels).map(|c| scaled(sum_delta[c], c) as f32).collect();
    let to_dz = |c: usize, z: f32, d: f32| norm.scale[c] * d + (slope[c] * (z - norm.mean[c]) + offset[c]);
    z.par_chunks_mut(side * channels).enumerate().for_each(|(row, z)| {
        let (image, y) = (row / side, row % side);
        vectorised(
            #[inline(always)]
            || {
                for x in 0..side {
                    let z = &mut z[x * channels..(x + 1) * channels];
                    if !pooled {
                        let dy = &dy[(row * side + x) * channels..][..channels];
                        for c in 0..channels {
                            let d = if norm.at(c, z[c]) > 0.0 { dy[c] } else { 0.0 };
                            z[c] = to_dz(c, z[c], d);
                        }
                    } else if y / 2 < half && x / 2 < half {
                        let pixel = (image * half + y / 2) * half + x / 2;
                        let dy = &dy[pixel * channels..][..channels];
                        let argmax = &argmax[pixel * channels..][..channels];
                        let here = ((y & 1) * 2 + (x & 1)) as u8;
                        for c in 0..channels {
                            let taken = argmax[c] == here && norm.at(c, z[c]) > 0.0;
                            let d = if taken { dy[c] } else { 0.0 };
                            z[c] = to_dz(c, z[c], d);
                        }
                    } else {
                        for c in 0..channels {
                            z[c] = to_dz(c, z[c], 0.0);
                        }
                    }
                }
            },
        )
    });
    let dp = sum_delta_xhat.iter().chain(&sum_delta).map(|&sum| sum as f32).collect();
    (z, dp)
}

impl CustomOp3 for FoldedBlock {
    fn name(&self) -> &'static str {
        "folded-conv-block"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        w: &CpuStorage,
        wl: &Layout,
        b: &CpuStorage,
        bl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let shape = conv_shape(xl.shape(), wl.shape())?;
        let (x, weight, bias) = (slice(x, xl)?, slice(w, wl)?, slice(b, bl)?);
        let mut z = scratch::take(shape.output_len());
        conv2d::forward(shape, x, weight, &mut z);
        let side = output_side(shape.side, self.pool);
        let mut y = vec![0.0; shape.batch * side * side * shape.out_channels];
        let norm = Normalise::bias(bias);
        if self.pool {
            activate_and_pool(shape, &z, &norm, &mut y, &mut []);
        } else {
            activate(&z, &norm, &mut y);
        }
        Ok((CpuStorage::F32(y), (shape.batch, side, side, shape.out_channels).into()))
    }
}
