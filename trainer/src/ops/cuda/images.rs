//! A data set that stays on a GPU, and batches of it by index.

use super::block::tensor;
use super::engine::{self, Engine, Real, view};
use super::passes::{self, GatherAt};
use crate::spec::Precision;
use candle_core::{CudaStorage, Result, Storage, Tensor};
use half::bf16;

/// The images `indices` (N) of u32 of a set: (N, side, side, 1) in [0, 1], of the type that the precision asks for, and their
/// labels (N) of u32.
///
/// * `images`: (M, side, side) of u8, `labels`: (M) of u8; each index is below M
///
/// # Errors
/// If shapes or types are not as above.
pub(crate) fn gather(images: &Tensor, labels: &Tensor, indices: &Tensor) -> Result<(Tensor, Tensor)> {
    let engine = engine::of(images.device().as_cuda_device()?)?;
    match engine.precision {
        Precision::Bf16 => gather_as::<bf16>(&engine, images, labels, indices),
        Precision::F32 | Precision::Tf32 => gather_as::<f32>(&engine, images, labels, indices),
    }
}

fn gather_as<T: Real>(engine: &Engine, images: &Tensor, labels: &Tensor, indices: &Tensor) -> Result<(Tensor, Tensor)> {
    let (_, side, _) = images.dims3()?;
    let count = indices.dims1()?;
    let out = engine.scratch::<T>(count * side * side)?;
    let labels_out = engine.scratch::<u32>(count)?;
    let ((is, il), (ls, ll), (os, ol)) =
        (images.storage_and_layout(), labels.storage_and_layout(), indices.storage_and_layout());
    let at = GatherAt {
        images: engine.at(&view::<u8>(on_gpu(&is)?, il)?),
        labels: engine.at(&view::<u8>(on_gpu(&ls)?, ll)?),
        order: engine.at(&view::<u32>(on_gpu(&os)?, ol)?),
        out: engine.at(&out),
        labels_out: engine.at(&labels_out),
    };
    passes::gather(engine, T::NAME, &at, count, side * side)?;
    let shape = (count, side, side, 1).into();
    Ok((tensor(engine.wrap(out), &shape), tensor(engine.wrap(labels_out), &count.into())))
}

fn on_gpu(storage: &Storage) -> Result<&CudaStorage> {
    match storage {
        Storage::Cuda(storage) => Ok(storage),
        _ => candle_core::bail!("every tensor must be on the GPU"),
    }
}
