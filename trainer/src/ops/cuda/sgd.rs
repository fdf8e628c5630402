//! A step of momentum SGD on a GPU, in one pass: see [`crate::ops::sgd`].

use super::engine::{self, view};
use super::passes;
use candle_core::{CpuStorage, CudaStorage, InplaceOp2, Layout, Result, Storage, Tensor};

/// `velocity ← momentum · velocity + gradient`, `parameter ← parameter − lr · velocity`: an op on the parameter, with the gradient.
pub(in crate::ops) struct MomentumStep<'a> {
    pub(in crate::ops) velocity: &'a Tensor,
    pub(in crate::ops) lr: f32,
    pub(in crate::ops) momentum: f32,
}

impl InplaceOp2 for MomentumStep<'_> {
    fn name(&self) -> &'static str {
        "momentum-step"
    }

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<()> {
        candle_core::bail!("momentum-step: every tensor must be on the GPU")
    }

    fn cuda_fwd(&self, parameter: &mut CudaStorage, pl: &Layout, gradient: &CudaStorage, gl: &Layout) -> Result<()> {
        let engine = engine::of(&gradient.device)?;
        // The velocity is written through a shared borrow: candle lends an op one tensor for writing, and this op has two. Nothing
        // else touches it meanwhile, since all work on it is queued in one stream by this one thread.
        let (velocity, vl) = self.velocity.storage_and_layout();
        let Storage::Cuda(velocity) = &*velocity else {
            candle_core::bail!("momentum-step: the velocity must be on the GPU")
        };
        let len = gl.shape().elem_count();
        if [pl, vl].iter().any(|layout| layout.shape().elem_count() != len) {
            candle_core::bail!("momentum-step: {:?} gradient for {:?} parameter", gl.dims(), pl.dims())
        }
        let at = [
            engine.at(&view::<f32>(parameter, pl)?),
            engine.at(&view::<f32>(velocity, vl)?),
            engine.at(&view::<f32>(gradient, gl)?),
        ];
        passes::momentum_step(&*engine, at, len, self.lr, self.momentum)
    }
}
