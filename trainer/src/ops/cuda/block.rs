//! The conv block on a GPU: see [`crate::ops::block`] for what it computes.

use super::engine::{self, Engine, Real, view};
use super::passes::{self, BackwardAt, BlockPasses, PooledAt, partial_len};
use crate::ops::conv2d::{ConvShape, KERNEL};
use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::driver::CudaSlice;
use candle_core::op::BackpropOp;
use candle_core::{CpuStorage, CudaStorage, CustomOp3, DType, InplaceOp1, Layout, Result, Shape, Storage, Tensor, Var};
use half::bf16;
use std::sync::{Mutex, PoisonError};

/// A tensor as an op gets it.
type Operand<'a> = (&'a CudaStorage, &'a Layout);

/// What the backward pass needs of the forward pass.
struct Saved {
    /// The convolution's output, (N, H, H, out).
    z: CudaStorage,
    /// (4, out): see `kernels.cu`.
    norm: CudaSlice<f32>,
    pooled: Option<Pooled>,
}

/// See [`PooledAt`].
struct Pooled {
    argmax: CudaSlice<u8>,
    top: CudaStorage,
}

/// One block in training mode, as a node of candle's graph; the batch joins `stats` (2, out).
///
/// * `x`: (N, H, H, in), `weight`: (out, 5, 5, in), both f32 or both bf16, `scale_shift`: (2, out), row 0 γ and row 1 β
/// * returns (N, H, H, out), or (N, ⌊H/2⌋, ⌊H/2⌋, out) with `pool`
///
/// # Errors
/// If shapes, strides or types are not as above, or CUDA fails.
pub(crate) fn forward_train(
    x: &Tensor,
    weight: &Tensor,
    scale_shift: &Tensor,
    stats: &Var,
    pool: bool,
) -> Result<Tensor> {
    x.apply_op3(weight, scale_shift, TrainBlock { pool, stats: stats.clone(), saved: Mutex::new(None) })
}

/// One block in evaluation mode, with the running statistics; not differentiable. Shapes as in [`forward_train`].
///
/// # Errors
/// As [`forward_train`].
pub(crate) fn forward_eval(
    x: &Tensor,
    weight: &Tensor,
    scale_shift: &Tensor,
    stats: &Var,
    pool: bool,
) -> Result<Tensor> {
    x.apply_op3_no_bwd(weight, scale_shift, &EvalBlock { pool, stats })
}

fn conv_shape(x: &Shape, weight: &Shape) -> Result<ConvShape> {
    let (batch, side, width, in_channels) = x.dims4()?;
    let (out_channels, kernel_h, kernel_w, weight_in) = weight.dims4()?;
    if (kernel_h, kernel_w) != (KERNEL, KERNEL) || weight_in != in_channels || side != width {
        candle_core::bail!("conv block: input {x:?} does not fit weight {weight:?}");
    }
    Ok(ConvShape { batch, side, in_channels, out_channels })
}

struct TrainBlock {
    pool: bool,
    stats: Var,
    /// Filled by the forward pass, taken by the one backward pass that may follow.
    saved: Mutex<Option<Saved>>,
}

impl CustomOp3 for TrainBlock {
    fn name(&self) -> &'static str {
        "conv-block"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        candle_core::bail!("conv-block: every tensor must be on the GPU")
    }

    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        xl: &Layout,
        w: &CudaStorage,
        wl: &Layout,
        p: &CudaStorage,
        pl: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let shape = conv_shape(xl.shape(), wl.shape())?;
        let operands = [(x, xl), (w, wl), (p, pl)];
        let (y, y_shape, saved) = match x.dtype() {
            DType::BF16 => forward_train_as::<bf16>(shape, self.pool, &self.stats, operands)?,
            _ => forward_train_as::<f32>(shape, self.pool, &self.stats, operands)?,
        };
        *self.saved.lock().unwrap_or_else(PoisonError::into_inner) = Some(saved);
        Ok((y, y_shape))
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
        let shape = conv_shape(x.shape(), weight.shape())?;
        let operands = [x, weight, scale_shift, &dy.contiguous()?];
        // Only the first block's input, the images, has no gradient to pass on.
        let wants_dx = x.track_op();
        let (dx, dw, dp) = match x.dtype() {
            DType::BF16 => backward_as::<bf16>(shape, saved, operands, wants_dx)?,
            _ => backward_as::<f32>(shape, saved, operands, wants_dx)?,
        };
        Ok((dx, Some(dw), Some(dp)))
    }
}

fn forward_train_as<T: Real>(
    shape: ConvShape,
    pool: bool,
    stats: &Tensor,
    [x, weight, scale_shift]: [Operand<'_>; 3],
) -> Result<(CudaStorage, Shape, Saved)> {
    let engine = engine::of(&x.0.device)?;
    let engine = &*engine;
    let passes = BlockPasses { machine: engine, shape, real: T::NAME, pool };
    let mut z = engine.scratch::<T>(shape.output_len())?;
    engine.conv_forward(&passes, &view::<T>(x.0, x.1)?, &view::<T>(weight.0, weight.1)?, &mut z)?;

    let norm = engine.scratch::<f32>(4 * shape.out_channels)?;
    stats.inplace_op1(&JoinBatch { engine, passes, z: &z, scale_shift, norm: &norm })?;

    let y = engine.scratch::<T>(passes.output_len())?;
    let pooled = if pool {
        Some((engine.scratch::<u8>(passes.output_len())?, engine.scratch::<T>(passes.output_len())?))
    } else {
        None
    };
    let pooled_at = pooled.as_ref().map(|(argmax, top)| PooledAt { argmax: engine.at(argmax), top: engine.at(top) });
    passes.activate(engine.at(&z), engine.at(&norm), engine.at(&y), pooled_at)?;

    let pooled = pooled.map(|(argmax, top)| Pooled { argmax, top: engine.wrap(top) });
    Ok((engine.wrap(y), output_shape(shape, pool), Saved { z: engine.wrap(z), norm, pooled }))
}

/// Batch-norm's statistics of `z`, to `norm` and into the running statistics, on which this op is applied.
struct JoinBatch<'a, T> {
    engine: &'a Engine,
    passes: BlockPasses<'a>,
    z: &'a CudaSlice<T>,
    scale_shift: Operand<'a>,
    norm: &'a CudaSlice<f32>,
}

impl<T: Real> InplaceOp1 for JoinBatch<'_, T> {
    fn name(&self) -> &'static str {
        "join-batch"
    }

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Layout) -> Result<()> {
        candle_core::bail!("the running statistics must be on the GPU")
    }

    fn cuda_fwd(&self, stats: &mut CudaStorage, layout: &Layout) -> Result<()> {
        let engine = self.engine;
        let shape = self.passes.shape;
        let partial = engine.scratch::<f32>(partial_len(shape.pixels(), shape.out_channels))?;
        self.passes.batch_norm(
            engine.at(self.z),
            engine.at(&view::<f32>(self.scale_shift.0, self.scale_shift.1)?),
            engine.at(&view::<f32>(stats, layout)?),
            engine.at(self.norm),
            engine.at(&partial),
        )
    }
}

/// The gradients of x (where wanted), weight and scale_shift, given that of the output.
fn backward_as<T: Real>(
    shape: ConvShape,
    mut saved: Saved,
    [x, weight, scale_shift, dy]: [&Tensor; 4],
    wants_dx: bool,
) -> Result<(Option<Tensor>, Tensor, Tensor)> {
    let (xs, xl) = x.storage_and_layout();
    let (ws, wl) = weight.storage_and_layout();
    let (gs, gl) = dy.storage_and_layout();
    let (Storage::Cuda(xs), Storage::Cuda(ws), Storage::Cuda(gs)) = (&*xs, &*ws, &*gs) else {
        candle_core::bail!("conv-block: every tensor must be on the GPU")
    };
    let engine = engine::of(&xs.device)?;
    let engine = &*engine;
    let passes = BlockPasses { machine: engine, shape, real: T::NAME, pool: saved.pooled.is_some() };

    let channels = shape.out_channels;
    let dparams = engine.scratch::<f32>(2 * channels)?;
    let line = engine.scratch::<f32>(2 * channels)?;
    let partial = engine.scratch::<f32>(partial_len(passes.output_len() / channels, channels))?;
    let pooled = match &saved.pooled {
        None => None,
        Some(Pooled { argmax, top }) => {
            Some(PooledAt { argmax: engine.at(argmax), top: engine.at(top.as_cuda_slice::<T>()?) })
        }
    };
    let z = saved.z.as_cuda_slice_mut::<T>()?;
    passes.backward(&BackwardAt {
        z: engine.at_mut(z),
        norm: engine.at(&saved.norm),
        dy: engine.at(&view::<T>(gs, gl)?),
        pooled,
        partial: engine.at(&partial),
        dparams: engine.at(&dparams),
        line: engine.at(&line),
    })?;
    let dz = &*z;

    let mut dw = engine.scratch::<T>(shape.weight_len())?;
    engine.conv_backward_filter(&passes, &view::<T>(xs, xl)?, dz, &mut dw)?;
    let dx = if wants_dx {
        let mut dx = engine.scratch::<T>(shape.input_len())?;
        engine.conv_backward_data(&passes, dz, &view::<T>(ws, wl)?, &mut dx)?;
        Some(tensor(engine.wrap(dx), x.shape()))
    } else {
        None
    };
    Ok((dx, tensor(engine.wrap(dw), weight.shape()), tensor(engine.wrap(dparams), scale_shift.shape())))
}

/// The block in evaluation mode, with the running statistics (2, out).
struct EvalBlock<'a> {
    pool: bool,
    stats: &'a Tensor,
}

impl CustomOp3 for EvalBlock<'_> {
    fn name(&self) -> &'static str {
        "eval-block"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        candle_core::bail!("eval-block: every tensor must be on the GPU")
    }

    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        xl: &Layout,
        w: &CudaStorage,
        wl: &Layout,
        p: &CudaStorage,
        pl: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let shape = conv_shape(xl.shape(), wl.shape())?;
        let operands = [(x, xl), (w, wl), (p, pl)];
        match x.dtype() {
            DType::BF16 => forward_eval_as::<bf16>(shape, self.pool, self.stats, operands),
            _ => forward_eval_as::<f32>(shape, self.pool, self.stats, operands),
        }
    }
}

fn forward_eval_as<T: Real>(
    shape: ConvShape,
    pool: bool,
    stats: &Tensor,
    [x, weight, scale_shift]: [Operand<'_>; 3],
) -> Result<(CudaStorage, Shape)> {
    let engine = engine::of(&x.0.device)?;
    let engine = &*engine;
    let passes = BlockPasses { machine: engine, shape, real: T::NAME, pool };
    let mut z = engine.scratch::<T>(shape.output_len())?;
    engine.conv_forward(&passes, &view::<T>(x.0, x.1)?, &view::<T>(weight.0, weight.1)?, &mut z)?;

    let norm = engine.scratch::<f32>(4 * shape.out_channels)?;
    {
        let (storage, layout) = stats.storage_and_layout();
        let Storage::Cuda(storage) = &*storage else { candle_core::bail!("the running statistics must be on the GPU") };
        let stats = engine.at(&view::<f32>(storage, layout)?);
        let scale_shift = engine.at(&view::<f32>(scale_shift.0, scale_shift.1)?);
        passes::norm_from_stats(engine, stats, scale_shift, engine.at(&norm), shape.out_channels)?;
    }
    let y = engine.scratch::<T>(passes.output_len())?;
    passes.activate(engine.at(&z), engine.at(&norm), engine.at(&y), None)?;
    Ok((engine.wrap(y), output_shape(shape, pool)))
}

fn output_shape(shape: ConvShape, pool: bool) -> Shape {
    let side = if pool { shape.side / 2 } else { shape.side };
    (shape.batch, side, side, shape.out_channels).into()
}

pub(super) fn tensor(storage: CudaStorage, shape: &Shape) -> Tensor {
    Tensor::from_storage(Storage::Cuda(storage), shape, BackpropOp::none(), false)
}
