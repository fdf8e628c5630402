//! Convolution 5×5 + batch-norm + ReLU (+ max-pool 2×2) as **one** step forward and one back, on the CPU.
//!
//! Not a node of candle's graph: for every gradient that a node returns candle fills a tensor with zeros and adds, which
//! costs more passes over memory than the activations themselves need. The blocks of a network form a chain, so its
//! gradient is a walk back along the [`Saved`] of each block. The arithmetic is in [`super::conv2d`] and
//! [`super::activation`].

use super::activation::{self, Normalise, Pooled, activate, activate_and_pool, moments};
use super::conv2d::{self, ConvShape};
use super::scratch::{self, Scratch};
use candle_core::{DType, Device, Result, Tensor, Var};

/// Weight of a batch in the running statistics.
pub(super) const MOMENTUM: f64 = 0.1;

/// Running mean and variance of a batch-norm layer, one number a channel each.
#[derive(Clone, Debug, PartialEq)]
pub struct RunningStats {
    /// Running mean, (C).
    pub mean: Vec<f32>,
    /// Running unbiased variance, (C).
    pub var: Vec<f32>,
}

impl RunningStats {
    /// A place for them where a network lives, (2, C): row 0 the means, at first 0, row 1 the variances, at first 1.
    ///
    /// # Errors
    /// If the device has no memory left.
    pub fn place(channels: usize, device: &Device) -> Result<Var> {
        let mean = Tensor::zeros((1, channels), DType::F32, device)?;
        Var::from_tensor(&Tensor::cat(&[&mean, &mean.ones_like()?], 0)?)
    }

    /// Those in such a place.
    ///
    /// # Errors
    /// If the place has another shape.
    pub fn of(place: &Var) -> Result<RunningStats> {
        let rows: [Vec<f32>; 2] = place
            .to_vec2()?
            .try_into()
            .map_err(|_| candle_core::Error::Msg("two rows of running statistics".into()).bt())?;
        let [mean, var] = rows;
        Ok(RunningStats { mean, var })
    }

    /// Puts them there.
    ///
    /// # Errors
    /// If the place has another shape.
    pub fn put(&self, place: &Var) -> Result<()> {
        let numbers = [self.mean.as_slice(), &self.var].concat();
        place.set(&Tensor::from_vec(numbers, place.shape(), place.device())?)
    }

    /// Joins a batch, as PyTorch does: its variance unbiased. `mean`, `var` (biased): (C), over `pixels` numbers each.
    pub fn join(&mut self, mean: &[f64], var: &[f64], pixels: usize) {
        let n = pixels as f64;
        let unbiased = n / (n - 1.0).max(1.0);
        let blend = |old: &mut f32, new: f64| *old = ((1.0 - MOMENTUM) * *old as f64 + MOMENTUM * new) as f32;
        self.mean.iter_mut().zip(mean).for_each(|(old, new)| blend(old, *new));
        self.var.iter_mut().zip(var).for_each(|(old, new)| blend(old, new * unbiased));
    }
}

/// A block's trainable numbers.
#[derive(Clone, Copy)]
pub struct Parameters<'a> {
    /// (5, 5, in, out)
    pub weight: &'a [f32],
    /// (2, out): γ, then β.
    pub scale_shift: &'a [f32],
}

/// What the backward pass needs of the forward pass.
pub struct Saved {
    shape: ConvShape,
    /// The input, (N, H, H, in).
    x: Scratch,
    /// The convolution's output, (N, H, H, out).
    z: Scratch,
    norm: Normalise,
    pooled: Option<Pooled>,
}

/// The gradients of a block.
pub struct Gradients {
    /// Of the input, (N, H, H, in), where it was wanted.
    pub x: Option<Scratch>,
    /// (5, 5, in, out)
    pub weight: Scratch,
    /// (2, out)
    pub scale_shift: Vec<f32>,
}

/// Numbers of a block's output: (N, H, H, out), or (N, ⌊H/2⌋, ⌊H/2⌋, out) with `pool`.
fn output_len(shape: ConvShape, pool: bool) -> usize {
    let side = if pool { shape.side / 2 } else { shape.side };
    shape.batch * side * side * shape.out_channels
}

/// One block in training mode: batch statistics, which also move the running ones. `x`: (N, H, H, in).
/// Returns the output, see [`output_len`].
pub fn forward_train(
    shape: ConvShape,
    x: Scratch,
    parameters: Parameters<'_>,
    stats: &mut RunningStats,
    pool: bool,
) -> (Scratch, Saved) {
    let mut z = scratch::take(shape.output_len());
    conv2d::forward(shape, &x, parameters.weight, &mut z);
    let (mean, var) = moments(&z, shape.out_channels);
    stats.join(&mean, &var, shape.pixels());

    let (gamma, beta) = parameters.scale_shift.split_at(shape.out_channels);
    let norm = Normalise::new(&mean, &var, gamma, beta);
    let mut y = scratch::take(output_len(shape, pool));
    let mut pooled = pool.then(|| Pooled::with_len(y.len()));
    match &mut pooled {
        Some(pooled) => activate_and_pool(shape, &z, &norm, &mut y, Some(pooled)),
        None => activate(&z, &norm, &mut y),
    }
    (y, Saved { shape, x, z, norm, pooled })
}

impl Saved {
    /// From the gradient `dy` of the output to all others. The input's costs a third of the work and can be left out.
    pub fn backward(self, weight: &[f32], dy: Scratch, wants_dx: bool) -> Gradients {
        let Saved { shape, x, mut z, norm, pooled } = self;
        let scale_shift = activation::backward(shape, &mut z, &norm, pooled.as_ref(), &dy);
        drop((dy, pooled));
        let mut dx = wants_dx.then(|| scratch::take(shape.input_len()));
        let mut dw = scratch::take(shape.weight_len());
        conv2d::backward(shape, &x, weight, &z, dx.as_deref_mut(), &mut dw);
        Gradients { x: dx, weight: dw, scale_shift }
    }
}

/// One block in evaluation mode: the running statistics are folded into the weight, so a block is one convolution and
/// one pass over its output. Shapes as in [`forward_train`].
pub fn forward_eval(
    shape: ConvShape,
    x: &[f32],
    parameters: Parameters<'_>,
    stats: &RunningStats,
    pool: bool,
) -> Scratch {
    let (gamma, beta) = parameters.scale_shift.split_at(shape.out_channels);
    let wide = |values: &[f32]| values.iter().map(|&v| v as f64).collect::<Vec<_>>();
    let (scale, bias) = Normalise::new(&wide(&stats.mean), &wide(&stats.var), gamma, beta).folded();
    let mut weight = scratch::take(parameters.weight.len());
    let rows = weight.chunks_exact_mut(scale.len()).zip(parameters.weight.chunks_exact(scale.len()));
    rows.for_each(|(to, from)| (0..scale.len()).for_each(|c| to[c] = from[c] * scale[c]));

    let mut z = scratch::take(shape.output_len());
    conv2d::forward(shape, x, &weight, &mut z);
    let mut y = scratch::take(output_len(shape, pool));
    let norm = Normalise::bias(&bias);
    if pool {
        activate_and_pool(shape, &z, &norm, &mut y, None)
    } else {
        activate(&z, &norm, &mut y)
    }
    y
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::conv2d::{KERNEL, PADDING};
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// (batch, side, in, out): a batch of one, odd sides, channels that fill no vector, one image channel as in the first block.
    const SHAPES: [(usize, usize, usize, usize); 5] =
        [(1, 7, 3, 5), (3, 5, 2, 4), (2, 6, 5, 3), (4, 3, 3, 2), (1, 8, 1, 3)];

    /// The convolution in f64.
    fn convolved(shape: ConvShape, x: &[f64], w: &[f64]) -> Vec<f64> {
        let (side, ci, co) = (shape.side, shape.in_channels, shape.out_channels);
        let mut z = vec![0.0; shape.output_len()];
        for (pixel, z) in z.chunks_mut(co).enumerate() {
            let (n, y, x0) = (pixel / (side * side), pixel / side % side, pixel % side);
            for tap in 0..KERNEL * KERNEL {
                let (iy, ix) = ((y + tap / KERNEL).wrapping_sub(PADDING), (x0 + tap % KERNEL).wrapping_sub(PADDING));
                if iy < side && ix < side {
                    for i in 0..ci {
                        let input = x[((n * side + iy) * side + ix) * ci + i];
                        (0..co).for_each(|o| z[o] += input * w[(tap * ci + i) * co + o]);
                    }
                }
            }
        }
        z
    }

    /// Mean and biased variance of each channel.
    fn moments_of(z: &[f64], channels: usize) -> (Vec<f64>, Vec<f64>) {
        let pixels = (z.len() / channels) as f64;
        let mean =
            |o: usize, f: &dyn Fn(f64) -> f64| z.iter().skip(o).step_by(channels).map(|&z| f(z)).sum::<f64>() / pixels;
        let means = (0..channels).map(|o| mean(o, &|z| z)).collect::<Vec<_>>();
        let vars = means.iter().enumerate().map(|(o, m)| mean(o, &|z| (z - m).powi(2))).collect();
        (means, vars)
    }

    /// The block without pooling in f64, as its formulas read: with the batch's moments, or with `stats`.
    fn plain(shape: ConvShape, x: &[f64], w: &[f64], scale_shift: &[f64], stats: Option<(&[f64], &[f64])>) -> Vec<f64> {
        let co = shape.out_channels;
        let mut y = convolved(shape, x, w);
        let (mean, var) = stats.map_or_else(|| moments_of(&y, co), |(mean, var)| (mean.to_vec(), var.to_vec()));
        for (i, y) in y.iter_mut().enumerate() {
            let o = i % co;
            *y = (scale_shift[o] * (*y - mean[o]) / (var[o] + activation::EPSILON).sqrt() + scale_shift[co + o])
                .max(0.0);
        }
        y
    }

    /// The maximum of each 2×2 window; a last odd row or column is dropped.
    fn pooled(shape: ConvShape, y: &[f64]) -> Vec<f64> {
        let (side, half, co) = (shape.side, shape.side / 2, shape.out_channels);
        let at = |n: usize, row: usize, column: usize, o: usize| y[((n * side + row) * side + column) * co + o];
        let places = (0..shape.batch * half * half).flat_map(|place| (0..co).map(move |o| (place, o)));
        places
            .map(|(place, o)| {
                let (n, row, column) = (place / (half * half), place / half % half * 2, place % half * 2);
                let window = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(r, c)| at(n, row + r, column + c, o));
                window.into_iter().fold(f64::MIN, f64::max)
            })
            .collect()
    }

    fn wide(values: &[f32]) -> Vec<f64> {
        values.iter().map(|&v| v as f64).collect()
    }

    #[track_caller]
    fn assert_near(found: &[f32], exact: &[f64], what: &str) {
        let square = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
        let error = square(&mut found.iter().zip(exact).map(|(&f, e)| f as f64 - e));
        let error = error / square(&mut exact.iter().copied());
        assert!(found.len() == exact.len() && error < 2e-5, "{what} is off by {error:e}");
    }

    /// Output, gradients (by finite differences, in f64) and what the running statistics become.
    #[test]
    fn a_block_agrees_with_its_formulas_and_finite_differences() {
        for ((batch, side, in_channels, out_channels), pool) in SHAPES.into_iter().flat_map(|s| [(s, false), (s, true)])
        {
            let shape = ConvShape { batch, side, in_channels, out_channels };
            let mut rng = ChaCha8Rng::seed_from_u64(11);
            let mut random = |len: usize| (0..len).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<f32>>();
            let (x, weight) = (random(shape.input_len()), random(shape.weight_len()));
            let (scale_shift, dy) = (random(2 * out_channels), random(output_len(shape, pool)));
            let parameters = Parameters { weight: &weight, scale_shift: &scale_shift };
            let output = |x: &[f64], w: &[f64], s: &[f64], stats| {
                let y = plain(shape, x, w, s, stats);
                if pool { pooled(shape, &y) } else { y }
            };
            let name = |what: &str| format!("{what} of {shape:?}, pool: {pool},");

            let mut stats = RunningStats { mean: vec![0.5; out_channels], var: vec![2.0; out_channels] };
            let (y, saved) = forward_train(shape, scratch::copy(&x), parameters, &mut stats, pool);
            let exact = [wide(&x), wide(&weight), wide(&scale_shift)];
            assert_near(&y, &output(&exact[0], &exact[1], &exact[2], None), &name("y"));

            // The loss Σ dy·y, moved by each number of each argument in turn.
            let dy_wide = wide(&dy);
            let slopes = |argument: usize| {
                let mut moved = exact.clone();
                let mut loss_at = |i: usize, value: f64| {
                    moved[argument][i] = value;
                    let y = output(&moved[0], &moved[1], &moved[2], None);
                    moved[argument][i] = exact[argument][i];
                    y.iter().zip(&dy_wide).map(|(y, dy)| y * dy).sum::<f64>()
                };
                let step = 1e-6;
                let slope = |(i, &v): (usize, &f64)| (loss_at(i, v + step) - loss_at(i, v - step)) / (2.0 * step);
                exact[argument].iter().enumerate().map(slope).collect::<Vec<_>>()
            };
            let found = saved.backward(&weight, scratch::copy(&dy), true);
            assert_near(&found.x.unwrap(), &slopes(0), &name("dx"));
            assert_near(&found.weight, &slopes(1), &name("dw"));
            assert_near(&found.scale_shift, &slopes(2), &name("dγ, dβ"));

            // A tenth of the batch's moments, its variance unbiased, to nine tenths of what was there.
            let (mean, var) = moments_of(&convolved(shape, &exact[0], &exact[1]), out_channels);
            let unbiased = shape.pixels() as f64 / (shape.pixels() as f64 - 1.0);
            let joined = |before: f64, batch: f64| 0.9 * before + 0.1 * batch;
            let mean = mean.iter().map(|&mean| joined(0.5, mean)).collect::<Vec<_>>();
            let var = var.iter().map(|&var| joined(2.0, var * unbiased)).collect::<Vec<_>>();
            assert_near(&stats.mean, &mean, &name("running mean"));
            assert_near(&stats.var, &var, &name("running variance"));
            let y = forward_eval(shape, &x, parameters, &stats, pool);
            assert_near(&y, &output(&exact[0], &exact[1], &exact[2], Some((&mean, &var))), &name("y in evaluation"));
        }
    }
}
