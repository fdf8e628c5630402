//! Stochastic gradient descent with momentum, in place: `v ← μ·v + g`, `p ← p − lr·v` (PyTorch's rule).

use super::slice;
use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Tensor};
use rayon::prelude::*;

/// Numbers that one task updates.
const CHUNK: usize = 1 << 16;

/// `dst ← scale_dst · dst + scale_src · src`.
struct ScaledAdd {
    scale_dst: f32,
    scale_src: f32,
}

impl InplaceOp2 for ScaledAdd {
    fn name(&self) -> &'static str {
        "scaled-add"
    }

    fn cpu_fwd(&self, dst: &mut CpuStorage, dl: &Layout, src: &CpuStorage, sl: &Layout) -> Result<()> {
        let src = slice(src, sl)?;
        let (CpuStorage::F32(dst), Some((start, end))) = (dst, dl.contiguous_offsets()) else {
            candle_core::bail!("scaled-add: the destination must be a contiguous f32 tensor")
        };
        let (scale_dst, scale_src) = (self.scale_dst, self.scale_src);
        dst[start..end].par_chunks_mut(CHUNK).zip(src.par_chunks(CHUNK)).for_each(|(dst, src)| {
            for (d, s) in dst.iter_mut().zip(src) {
                *d = scale_dst * *d + scale_src * s;
            }
        });
        Ok(())
    }
}

/// One step of one parameter: `velocity ← momentum · velocity + gradient`, `parameter ← parameter − lr · velocity`.
///
/// # Errors
/// If the shapes differ or a tensor is not contiguous f32.
pub fn momentum_step(parameter: &Tensor, velocity: &Tensor, gradient: &Tensor, lr: f64, momentum: f64) -> Result<()> {
    let gradient = gradient.contiguous()?;
    #[cfg(feature = "cuda")]
    if parameter.device().is_cuda() {
        let step = super::cuda::sgd::MomentumStep { velocity, lr: lr as f32, momentum: momentum as f32 };
        return parameter.inplace_op2(&gradient, &step);
    }
    velocity.inplace_op2(&gradient, &ScaledAdd { scale_dst: momentum as f32, scale_src: 1.0 })?;
    parameter.inplace_op2(velocity, &ScaledAdd { scale_dst: 1.0, scale_src: -lr as f32 })
}
