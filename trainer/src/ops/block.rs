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
    pub weight: Vec<f32>,
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
        let mut dw = vec![0.0; shape.weight_len()];
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
