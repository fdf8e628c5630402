//! Batch-norm + ReLU (+ max-pool 2×2) over the output z of a convolution, and the way back to z's gradient.
//!
//! Per channel, with mean μ and variance σ² over all n = N·H·W pixels of the batch: x̂ = (z − μ)/√(σ² + ε), t = γ·x̂ + β,
//! y = max(t, 0), then the maximum of each 2×2 window (a last odd row or column is dropped). Backward, with δ the
//! gradient of t (the window's first maximum takes all of it, as in PyTorch): dβ = Σδ, dγ = Σδ·x̂,
//! dz = γ/√(σ² + ε) · (δ − dβ/n − x̂·dγ/n) (Ioffe & Szegedy, 2015).

#![expect(clippy::needless_range_loop, reason = "the loops index several arrays in step")]

use super::channel_sums::{channel_sums, repeated, row_len, vectorised};
use super::conv2d::ConvShape;
use super::scratch::{self, Scratch};
use rayon::prelude::*;

/// ε of batch-norm.
pub(super) const EPSILON: f64 = 1e-5;
/// Rows that one task works on.
const ROWS: usize = 256;

/// Batch-norm as `t = scale·(z − mean) + shift`.
///
/// Not as `scale·z + offset`, one operation less: where μ is large against σ that rounds t so coarsely that ReLU and
/// pooling fall the other way for more pixels than they must. `shift` carries what `mean` lost in rounding.
///
/// Each array holds one number a channel, repeated to fill a row (see [`row_len`]).
pub(super) struct Normalise {
    channels: usize,
    mean: Vec<f32>,
    inverse_std: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Normalise {
    /// From the statistics and parameters of each channel.
    pub(super) fn new(mean: &[f64], var: &[f64], gamma: &[f32], beta: &[f32]) -> Normalise {
        let inverse_std: Vec<f32> = var.iter().map(|var| (1.0 / (var + EPSILON).sqrt()) as f32).collect();
        let scale: Vec<f32> = gamma.iter().zip(&inverse_std).map(|(g, i)| g * i).collect();
        let rounded: Vec<f32> = mean.iter().map(|&m| m as f32).collect();
        let shift: Vec<f32> = (0..mean.len())
            .map(|c| (beta[c] as f64 - scale[c] as f64 * (mean[c] - rounded[c] as f64)) as f32)
            .collect();
        Normalise {
            channels: mean.len(),
            mean: repeated(&rounded),
            inverse_std: repeated(&inverse_std),
            scale: repeated(&scale),
            shift: repeated(&shift),
        }
    }

    /// Adds `bias`, and nothing else: for a convolution whose weight has batch-norm folded in.
    pub(super) fn bias(bias: &[f32]) -> Normalise {
        let constant = |value: f32| vec![value; row_len(bias.len())];
        Normalise {
            channels: bias.len(),
            mean: constant(0.0),
            inverse_std: constant(1.0),
            scale: constant(1.0),
            shift: repeated(bias),
        }
    }

    /// Weight factor and bias of each channel that fold batch-norm into the convolution before it.
    pub(super) fn folded(&self) -> (Vec<f32>, Vec<f32>) {
        let row = self.row(self.channels);
        let bias = (0..self.channels).map(|c| row.at(c, 0.0)).collect();
        (self.scale[..self.channels].to_vec(), bias)
    }

    /// The first `len` places of a row.
    #[inline(always)]
    fn row(&self, len: usize) -> NormaliseRow<'_> {
        NormaliseRow { mean: &self.mean[..len], scale: &self.scale[..len], shift: &self.shift[..len] }
    }
}

/// Slices of one length: only when the compiler sees that, does it leave out the bounds checks and use vectors.
#[derive(Clone, Copy)]
struct NormaliseRow<'a> {
    mean: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
}

impl NormaliseRow<'_> {
    /// t of place `i`.
    #[inline(always)]
    fn at(self, i: usize, z: f32) -> f32 {
        self.scale[i].mul_add(z - self.mean[i], self.shift[i])
    }
}

/// Mean and biased variance of each channel of `z`, (pixels, channels).
pub(super) fn moments(z: &[f32], channels: usize) -> (Vec<f64>, Vec<f64>) {
    // Sums of differences to the first pixel: E[z²] − E[z]² would cancel where the mean is large against the spread.
    let origin = repeated(&z[..channels]);
    let [sums, squares] = channel_sums(
        z.len(),
        channels,
        #[inline(always)]
        |first, sums, squares| {
            let n = sums.len();
            let (z, origin, squares) = (&z[first..first + n], &origin[..n], &mut squares[..n]);
            for i in 0..n {
                let d = z[i] - origin[i];
                sums[i] += d;
                squares[i] += d * d;
            }
        },
    );
    let n = (z.len() / channels) as f64;
    let var = sums.iter().zip(&squares).map(|(s, q)| (q / n - (s / n) * (s / n)).max(0.0)).collect();
    let mean = sums.iter().zip(&origin).map(|(s, &o)| o as f64 + s / n).collect();
    (mean, var)
}

/// What pooling remembers for the backward pass; (N, ⌊H/2⌋, ⌊H/2⌋, C) each.
pub(super) struct Pooled {
    /// Which pixel of its window, in reading order, was the first maximum.
    argmax: Vec<u8>,
    /// That pixel's z.
    z: Scratch,
}

impl Pooled {
    /// The pixels, for comparison.
    #[cfg(test)]
    pub(super) fn argmax(&self) -> &[u8] {
        &self.argmax
    }

    /// Room for `len` outputs.
    pub(super) fn with_len(len: usize) -> Pooled {
        Pooled { argmax: vec![0; len], z: scratch::take(len) }
    }
}

/// `y = max(t, 0)`, over (pixels, channels).
pub(super) fn activate(z: &[f32], norm: &Normalise, y: &mut [f32]) {
    let row = norm.mean.len();
    y.par_chunks_mut(row * ROWS).zip(z.par_chunks(row * ROWS)).for_each(|(y, z)| {
        vectorised(
            #[inline(always)]
            || {
                for (y, z) in y.chunks_mut(row).zip(z.chunks(row)) {
                    let n = y.len();
                    let (z, norm) = (&z[..n], norm.row(n));
                    for i in 0..n {
                        y[i] = norm.at(i, z[i]).max(0.0);
                    }
                }
            },
        )
    });
}

/// Like [`activate`], and then the maximum of each 2×2 window.
pub(super) fn activate_and_pool(
    shape: ConvShape,
    z: &[f32],
    norm: &Normalise,
    y: &mut [f32],
    remember: Option<&mut Pooled>,
) {
    let sign = norm.scale.iter().map(|&s| if s == 0.0 { 0.0 } else { s.signum() }).collect();
    let pooling = Pooling { shape, z, norm, sign };
    let len = shape.side / 2 * shape.out_channels;
    match remember {
        None => y.par_chunks_mut(len).enumerate().for_each(|(row, y)| {
            vectorised(
                #[inline(always)]
                || pooling.row(row, y, &mut [], &mut []),
            )
        }),
        Some(Pooled { argmax, z }) => {
            let remember = argmax.par_chunks_mut(len).zip(z.par_chunks_mut(len));
            y.par_chunks_mut(len).zip(remember).enumerate().for_each(|(row, (y, (argmax, z)))| {
                vectorised(
                    #[inline(always)]
                    || pooling.row(row, y, argmax, z),
                )
            });
        }
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
    /// Row `row` of the output, counted through the batch; `argmax` and `top` are empty when not wanted. The maximum is
    /// looked for among the z: one pixel of four has to be normalised, and two pixels that only rounding makes equal are
    /// still told apart.
    #[inline(always)]
    fn row(&self, row: usize, y: &mut [f32], argmax: &mut [u8], top: &mut [f32]) {
        let (side, half, channels) = (self.shape.side, self.shape.side / 2, self.shape.out_channels);
        let (sign, norm) = (&self.sign[..channels], self.norm.row(channels));
        for x in 0..half {
            let first = ((row / half * side + row % half * 2) * side + 2 * x) * channels;
            let window: [&[f32]; 4] = [0, 1, side, side + 1].map(|p| &self.z[first + p * channels..][..channels]);
            let here = x * channels..(x + 1) * channels;
            let y = &mut y[here.clone()];
            let best_of = |c: usize| {
                let (mut z, mut at) = (window[0][c], 0);
                for i in 1..4 {
                    let better = window[i][c] * sign[c] > z * sign[c];
                    at = if better { i as u8 } else { at };
                    z = if better { window[i][c] } else { z };
                }
                (z, at)
            };
            if argmax.is_empty() {
                for c in 0..channels {
                    y[c] = norm.at(c, best_of(c).0).max(0.0);
                }
            } else {
                let (argmax, top) = (&mut argmax[here.clone()], &mut top[here]);
                for c in 0..channels {
                    (top[c], argmax[c]) = best_of(c);
                    y[c] = norm.at(c, top[c]).max(0.0);
                }
            }
        }
    }
}

/// From the gradient `dy` of the output to the gradient of z, which takes z's own place, and of γ and β: (2, C).
pub(super) fn backward(
    shape: ConvShape,
    z: &mut [f32],
    norm: &Normalise,
    pooled: Option<&Pooled>,
    dy: &[f32],
) -> Vec<f32> {
    let channels = shape.out_channels;
    // δ is the gradient of the output where t > 0; with pooling, only a window's maximum has any.
    let source = pooled.map_or(&*z, |pooled| &pooled.z);
    let [sum_delta, sum_moment] = channel_sums(
        dy.len(),
        channels,
        #[inline(always)]
        |first, delta, moment| {
            let n = delta.len();
            let (z, dy, moment, norm) =
                (&source[first..first + n], &dy[first..first + n], &mut moment[..n], norm.row(n));
            for i in 0..n {
                let gradient = dy[i];
                let d = if norm.at(i, z[i]) > 0.0 { gradient } else { 0.0 };
                delta[i] += d;
                moment[i] += d * (z[i] - norm.mean[i]);
            }
        },
    );
    let sum_delta_xhat = (0..channels).map(|c| sum_moment[c] * norm.inverse_std[c] as f64).collect::<Vec<_>>();

    // dz = scale·(δ − dβ/n − x̂·dγ/n) = scale·δ + slope·(z − mean) + offset, the per-channel factors out of the loop.
    let n = shape.pixels() as f64;
    let scaled = |sum: f64, c: usize| -(norm.scale[c] as f64) * sum / n;
    let slope: Vec<f32> =
        (0..channels).map(|c| (scaled(sum_delta_xhat[c], c) * norm.inverse_std[c] as f64) as f32).collect();
    let offset: Vec<f32> = (0..channels).map(|c| scaled(sum_delta[c], c) as f32).collect();
    let to_dz = ToDz { norm, slope: repeated(&slope), offset: repeated(&offset) };
    match pooled {
        None => to_dz.everywhere(z, dy),
        Some(pooled) => to_dz.through_windows(shape, z, &pooled.argmax, dy),
    }
    sum_delta_xhat.iter().chain(&sum_delta).map(|&sum| sum as f32).collect()
}

struct ToDz<'a> {
    norm: &'a Normalise,
    slope: Vec<f32>,
    offset: Vec<f32>,
}

impl ToDz<'_> {
    /// One row of z or its beginning, in place: `gradient(i)` is the output's gradient at place `i`, if t > 0 there.
    #[inline(always)]
    fn row(&self, z: &mut [f32], gradient: impl Fn(usize) -> f32) {
        let n = z.len();
        let (norm, slope, offset) = (self.norm.row(n), &self.slope[..n], &self.offset[..n]);
        for i in 0..n {
            let d = gradient(i);
            let delta = if norm.at(i, z[i]) > 0.0 { d } else { 0.0 };
            z[i] = norm.scale[i] * delta + (slope[i] * (z[i] - norm.mean[i]) + offset[i]);
        }
    }

    fn everywhere(&self, z: &mut [f32], dy: &[f32]) {
        let row = self.slope.len();
        z.par_chunks_mut(row * ROWS).zip(dy.par_chunks(row * ROWS)).for_each(|(z, dy)| {
            vectorised(
                #[inline(always)]
                || {
                    for (z, dy) in z.chunks_mut(row).zip(dy.chunks(row)) {
                        let dy = &dy[..z.len()];
                        self.row(
                            z,
                            #[inline(always)]
                            |i| dy[i],
                        );
                    }
                },
            )
        });
    }

    fn through_windows(&self, shape: ConvShape, z: &mut [f32], argmax: &[u8], dy: &[f32]) {
        let (side, half, channels) = (shape.side, shape.side / 2, shape.out_channels);
        z.par_chunks_mut(side * channels).enumerate().for_each(|(row, z)| {
            let (image, y) = (row / side, row % side);
            vectorised(
                #[inline(always)]
                || {
                    for (x, z) in z.chunks_exact_mut(channels).enumerate() {
                        if y / 2 < half && x / 2 < half {
                            let window = ((image * half + y / 2) * half + x / 2) * channels;
                            let (dy, argmax) = (&dy[window..][..z.len()], &argmax[window..][..z.len()]);
                            let here = ((y & 1) * 2 + (x & 1)) as u8;
                            self.row(
                                z,
                                #[inline(always)]
                                |i| {
                                    let gradient = dy[i];
                                    if argmax[i] == here { gradient } else { 0.0 }
                                },
                            );
                        } else {
                            self.row(
                                z,
                                #[inline(always)]
                                |_| 0.0,
                            );
                        }
                    }
                },
            )
        });
    }
}
