//! Stochastic gradient descent with momentum, in place: `v ← μ·v + g`, `p ← p − lr·v` (PyTorch's rule).

use super::with_numbers;
use candle_core::{CpuStorage, InplaceOp1, Layout, Result, Tensor};
use rayon::prelude::*;

/// Numbers that one task updates.
const CHUNK: usize = 1 << 16;

/// The gradient of a variable, lent.
#[derive(Clone, Copy)]
pub enum Gradient<'a> {
    /// As candle has it.
    Tensor(&'a Tensor),
    /// Its numbers in the variable's order, where the variable is on a CPU.
    Numbers(&'a [f32]),
}

impl Gradient<'_> {
    /// A tensor of its own, for a gradient of `variable`.
    ///
    /// # Errors
    /// If there are not as many numbers as the variable has.
    pub fn to_tensor(self, variable: &Tensor) -> Result<Tensor> {
        match self {
            Gradient::Tensor(tensor) => Ok(tensor.clone()),
            Gradient::Numbers(numbers) => Tensor::from_slice(numbers, variable.shape(), variable.device()),
        }
    }
}

/// `dst ← scale_dst · dst + scale_src · src`.
struct ScaledAdd<'a> {
    scale_dst: f32,
    scale_src: f32,
    src: &'a [f32],
}

impl InplaceOp1 for ScaledAdd<'_> {
    fn name(&self) -> &'static str {
        "scaled-add"
    }

    fn cpu_fwd(&self, dst: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let (CpuStorage::F32(dst), Some((start, end))) = (dst, layout.contiguous_offsets()) else {
            candle_core::bail!("scaled-add: the destination must be a contiguous f32 tensor")
        };
        let ScaledAdd { scale_dst, scale_src, src } = *self;
        if src.len() != end - start {
            candle_core::bail!("scaled-add: {} numbers to {:?}", src.len(), layout.dims())
        }
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
pub fn momentum_step(
    parameter: &Tensor,
    velocity: &Tensor,
    gradient: Gradient<'_>,
    lr: f64,
    momentum: f64,
) -> Result<()> {
    #[cfg(feature = "cuda")]
    if parameter.device().is_cuda() {
        let step = super::cuda::sgd::MomentumStep { velocity, lr: lr as f32, momentum: momentum as f32 };
        return parameter.inplace_op2(&gradient.to_tensor(parameter)?.contiguous()?, &step);
    }
    let accelerate = |src: &[f32]| velocity.inplace_op1(&ScaledAdd { scale_dst: momentum as f32, scale_src: 1.0, src });
    match gradient {
        Gradient::Tensor(tensor) => with_numbers(&tensor.contiguous()?, accelerate)??,
        Gradient::Numbers(numbers) => accelerate(numbers)?,
    }
    let move_on = |src: &[f32]| parameter.inplace_op1(&ScaledAdd { scale_dst: 1.0, scale_src: -lr as f32, src });
    with_numbers(velocity, move_on)?
}
