//! Cross entropy and center loss of a batch as one op on a GPU: see [`crate::loss`] for the formulas.

use super::block::tensor;
use super::engine::{self, view};
use super::passes::{self, LossAt};
use candle_core::cuda_backend::cudarc::driver::CudaSlice;
use candle_core::{CpuStorage, CudaStorage, CustomOp3, Layout, Result, Shape, Storage, Tensor};
use std::sync::{Mutex, PoisonError};

/// Total, cross entropy and center loss, (3), of which the total alone passes a gradient on.
///
/// * `embedding`: (N, 2), `logits`: (N, 10), `centers`: (10, 2), `labels`: (N) of u32
///
/// # Errors
/// If shapes or types are not as above.
pub(crate) fn losses([embedding, logits, centers, labels]: [&Tensor; 4], root: bool, lambda: f64) -> Result<Tensor> {
    let op = Objective { labels: labels.clone(), root, lambda: lambda as f32, saved: Mutex::new(None) };
    embedding.contiguous()?.apply_op3(&logits.contiguous()?, centers, op)
}

struct Objective {
    labels: Tensor,
    root: bool,
    lambda: f32,
    /// Gradients of the three arguments: filled by the forward pass, taken by the one backward pass that may follow.
    saved: Mutex<Option<[CudaSlice<f32>; 3]>>,
}

impl CustomOp3 for Objective {
    fn name(&self) -> &'static str {
        "objective"
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
        candle_core::bail!("objective: every tensor must be on the GPU")
    }

    fn cuda_fwd(
        &self,
        e: &CudaStorage,
        el: &Layout,
        z: &CudaStorage,
        zl: &Layout,
        c: &CudaStorage,
        cl: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let engine = engine::of(&e.device)?;
        let engine = &*engine;
        let lens = [el, zl, cl].map(|layout| layout.shape().elem_count());
        let batch = el.dims()[0];
        let (labels, ll) = self.labels.storage_and_layout();
        let Storage::Cuda(labels) = &*labels else { candle_core::bail!("objective: the labels must be on the GPU") };
        if zl.dims() != [batch, crate::event::CLASSES] || ll.dims() != [batch] {
            candle_core::bail!("objective: {:?} logits and {:?} labels for {batch} embeddings", zl.dims(), ll.dims())
        }

        let losses = engine.scratch::<f32>(3)?;
        let gradients = [engine.scratch(lens[0])?, engine.scratch(lens[1])?, engine.scratch(lens[2])?];
        let at = LossAt {
            embedding: engine.at(&view::<f32>(e, el)?),
            logits: engine.at(&view::<f32>(z, zl)?),
            centers: engine.at(&view::<f32>(c, cl)?),
            labels: engine.at(&view::<u32>(labels, ll)?),
            losses: engine.at(&losses),
            dembedding: engine.at(&gradients[0]),
            dlogits: engine.at(&gradients[1]),
            dcenters: engine.at(&gradients[2]),
        };
        passes::loss(engine, &at, batch, self.root, self.lambda)?;
        *self.saved.lock().unwrap_or_else(PoisonError::into_inner) = Some(gradients);
        Ok((engine.wrap(losses), 3.into()))
    }

    fn bwd(
        &self,
        embedding: &Tensor,
        logits: &Tensor,
        centers: &Tensor,
        _losses: &Tensor,
        dlosses: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Some(gradients) = self.saved.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            candle_core::bail!("objective: one backward pass per forward pass")
        };
        let engine = engine::of(embedding.device().as_cuda_device()?)?;
        let scale = dlosses.get(0)?;
        let [e, z, c] = gradients;
        let scaled = |gradient, like: &Tensor| tensor(engine.wrap::<f32>(gradient), like.shape()).broadcast_mul(&scale);
        Ok((Some(scaled(e, embedding)?), Some(scaled(z, logits)?), Some(scaled(c, centers)?)))
    }
}
