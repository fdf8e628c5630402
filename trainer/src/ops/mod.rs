//! What candle lacks, or does badly, for these networks.
//!
//! | module | what it is |
//! |---|---|
//! | [`block`] | convolution + batch-norm + ReLU (+ max-pool), one step forward and one back |
//! | `activation` | the block without its convolution: batch-norm, ReLU, max-pool, and back |
//! | `channel_sums` | sums over pixels for each channel |
//! | [`conv2d`] | the 5×5 convolution and its two gradients; picks the algorithm by shape |
//! | [`im2col`] | the convolution as one matrix product over unfolded images |
//! | [`winograd`] | the convolution with a sixth of the products |
//! | [`matmul`] | matrix products on slices |
//! | [`scratch`] | buffers that are used again |
//! | [`sgd`] | momentum SGD in place |
//! | `cuda` | the same on a GPU |
//!
//! Activations are NHWC: (N, H, W, C), channels last, so that every inner loop runs over channels. Weights are
//! (5, 5, in, out) on a CPU and (out, 5, 5, in) on a GPU, as cuDNN takes them. Reductions run in a fixed order, whatever the number of
//! threads.

mod activation;
pub mod block;
mod channel_sums;
pub mod conv2d;
#[cfg(any(feature = "cuda", test))]
pub(crate) mod cuda;
pub mod im2col;
pub mod matmul;
pub mod scratch;
pub mod sgd;
pub mod winograd;

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor};

/// Calls `f` with the numbers of a contiguous f32 CPU tensor.
///
/// # Errors
/// If the tensor is another.
pub(crate) fn with_numbers<R>(tensor: &Tensor, f: impl FnOnce(&[f32]) -> R) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else { candle_core::bail!("expected a tensor on the CPU") };
    Ok(f(slice(storage, layout)?))
}

/// The numbers behind a contiguous f32 CPU tensor.
fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        candle_core::bail!("expected a contiguous tensor, got strides {:?}", layout.stride())
    };
    Ok(&storage.as_slice::<f32>()?[start..end])
}
