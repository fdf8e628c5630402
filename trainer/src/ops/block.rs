//! Convolution 5×5 + batch-norm + ReLU (+ max-pool 2×2) as **one** differentiable op.
//!
//! One op, because candle pays a tensor of zeros and an addition for every gradient that an op returns, and because
//! little more than the convolution's output has to be kept for the backward pass. The arithmetic is in
//! [`super::conv2d`] and [`super::activation`].

use super::activation::{self, Normalise, Pooled, activate, activate_and_pool, moments};
use super::conv2d::{self, ConvShape};
use super::scratch::{self, Scratch};
use super::slice;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Storage, Tensor};
use std::sync::{Arc, Mutex, PoisonError};

/// Weight of a batch in the running statistics.
const MOMENTUM: f64 = 0.1;

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
    let (scale, bias) = norm.folded();
    let channels = scale.len();
    let scale = Tensor::from_vec(scale, channels, x.device())?;
    let bias = Tensor::from_vec(bias, channels, x.device())?;
    x.apply_op3_no_bwd(&weight.broadcast_mul(&scale)?, &bias, &FoldedBlock { pool })
}

/// What the backward pass needs of the forward pass.
struct Saved {
    /// The convolution's output, (N, H, H, out).
    z: Scratch,
    norm: Normalise,
    pooled: Option<Pooled>,
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

        let mut z = scratch::take(shape.output_len());
        conv2d::forward(shape, x, weight, &mut z);
        let (mean, var) = moments(&z, shape.out_channels);
        update(&self.stats, &mean, &var, shape.pixels());

        let norm = Normalise::new(&mean, &var, gamma, beta);
        let side = output_side(shape.side, self.pool);
        let mut y = vec![0.0; shape.batch * side * side * shape.out_channels];
        let mut pooled = self.pool.then(|| Pooled::with_len(y.len()));
        if self.pool {
            activate_and_pool(shape, &z, &norm, &mut y, pooled.as_mut());
        } else {
            activate(&z, &norm, &mut y);
        }
        *self.saved.lock().unwrap_or_else(PoisonError::into_inner) = Some(Saved { z, norm, pooled });
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
        let Some(Saved { mut z, norm, pooled }) = self.saved.lock().unwrap_or_else(PoisonError::into_inner).take()
        else {
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
            let dp = activation::backward(shape, &mut z, &norm, pooled.as_ref(), slice(gs, gl)?);
            let dx = wants_dx.then_some(dx.as_mut_slice());
            conv2d::backward(shape, slice(xs, xl)?, slice(ws, wl)?, &z, dx, &mut dw);
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
            activate_and_pool(shape, &z, &norm, &mut y, None);
        } else {
            activate(&z, &norm, &mut y);
        }
        Ok((CpuStorage::F32(y), (shape.batch, side, side, shape.out_channels).into()))
    }
}
