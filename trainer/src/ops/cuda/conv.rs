//! The convolution and its two gradients by cuDNN, channels last throughout. Descriptors, algorithms and workspace are chosen
//! once per shape.
//!
//! The algorithms are those that cuDNN documents as deterministic and that use tensor cores on channels-last tensors (they are
//! PyTorch's choice too where it is asked to be deterministic): forward IMPLICIT_PRECOMP_GEMM, backward-data 1, backward-filter 1.
//! Where cuDNN refuses a shape, the plain sums of `kernels.cu` take its place.

use super::engine::{Engine, Real, cudnn_error};
use super::passes::BlockPasses;
use crate::ops::conv2d::{ConvShape, KERNEL, PADDING};
use crate::spec::Precision;
use candle_core::Result;
use candle_core::cuda_backend::cudarc::cudnn::{
    ConvBackwardData, ConvBackwardFilter, ConvDescriptor, ConvForward, FilterDescriptor, TensorDescriptor,
    result::CudnnError,
    sys::{
        cudnnConvolutionBwdDataAlgo_t as DataAlgorithm, cudnnConvolutionBwdFilterAlgo_t as FilterAlgorithm,
        cudnnConvolutionFwdAlgo_t as ForwardAlgorithm, cudnnConvolutionMode_t, cudnnMathType_t, cudnnTensorFormat_t,
    },
};
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, DevicePtr, DevicePtrMut};
use std::rc::Rc;

const FORWARD: ForwardAlgorithm = ForwardAlgorithm::CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM;
const DATA: DataAlgorithm = DataAlgorithm::CUDNN_CONVOLUTION_BWD_DATA_ALGO_1;
const FILTER: FilterAlgorithm = FilterAlgorithm::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1;
/// Workspaces above this are refused, so that memory stays bounded: the plain sums need none.
const MOST_WORKSPACE: usize = 2 << 30;

/// How the convolutions of one shape are done. Each workspace is in bytes; `None` where cuDNN refuses the shape.
pub(super) struct Plan<T> {
    /// The arithmetic is f32 in every precision; `T` is what the tensors hold.
    conv: ConvDescriptor<f32>,
    x: TensorDescriptor<T>,
    weight: FilterDescriptor<T>,
    z: TensorDescriptor<T>,
    forward: Option<usize>,
    data: Option<usize>,
    filter: Option<usize>,
}

impl<T: Real> Plan<T> {
    fn new(engine: &Engine, shape: ConvShape) -> Result<Plan<T>> {
        let ConvShape { batch, side, in_channels, out_channels } = shape;
        let dims = |channels: usize| [batch, channels, side, side].map(|n| n as i32);
        let filter = [out_channels, in_channels, KERNEL, KERNEL].map(|n| n as i32);
        let pad = [PADDING as i32; 2];
        let nhwc = cudnnTensorFormat_t::CUDNN_TENSOR_NHWC;
        let cudnn = &engine.cudnn;
        // cuDNN takes sizes in the order N, C, H, W whatever the format; a filter of the format NHWC lies as (out, H, W, in).
        let plan = || -> std::result::Result<Plan<T>, CudnnError> {
            let mut plan = Plan {
                conv: cudnn.create_conv2d::<f32>(
                    pad,
                    [1, 1],
                    [1, 1],
                    cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION,
                )?,
                x: cudnn.create_4d_tensor::<T>(nhwc, dims(in_channels))?,
                weight: cudnn.create_4d_filter::<T>(nhwc, filter)?,
                z: cudnn.create_4d_tensor::<T>(nhwc, dims(out_channels))?,
                forward: None,
                data: None,
                filter: None,
            };
            plan.conv.set_math_type(match engine.precision {
                // Without this, Ampere and later round every product of an f32 convolution to TF32.
                Precision::F32 => cudnnMathType_t::CUDNN_FMA_MATH,
                Precision::Tf32 => cudnnMathType_t::CUDNN_DEFAULT_MATH,
                Precision::Bf16 => cudnnMathType_t::CUDNN_TENSOR_OP_MATH,
            })?;
            Ok(plan)
        };
        let mut plan: Plan<T> = plan().map_err(cudnn_error)?;
        let affordable = |bytes: usize| (bytes <= MOST_WORKSPACE).then_some(bytes);
        plan.forward = plan.forward_op().get_workspace_size(FORWARD).ok().and_then(affordable);
        plan.data = plan.data_op().get_workspace_size(DATA).ok().and_then(affordable);
        plan.filter = plan.filter_op().get_workspace_size(FILTER).ok().and_then(affordable);
        Ok(plan)
    }

    fn forward_op(&self) -> ConvForward<'_, T, f32, T> {
        ConvForward { conv: &self.conv, x: &self.x, w: &self.weight, y: &self.z }
    }

    fn data_op(&self) -> ConvBackwardData<'_, T, f32, T> {
        ConvBackwardData { conv: &self.conv, dx: &self.x, w: &self.weight, dy: &self.z }
    }

    fn filter_op(&self) -> ConvBackwardFilter<'_, T, f32, T> {
        ConvBackwardFilter { conv: &self.conv, x: &self.x, dw: &self.weight, dy: &self.z }
    }
}

impl Engine {
    fn plan<T: Real>(&self, shape: ConvShape) -> Result<Rc<Plan<T>>> {
        let key = [shape.batch, shape.side, shape.in_channels, shape.out_channels];
        if let Some(plan) = T::plans(self).borrow().get(&key) {
            return Ok(plan.clone());
        }
        let plan = Rc::new(Plan::new(self, shape)?);
        T::plans(self).borrow_mut().insert(key, plan.clone());
        Ok(plan)
    }

    /// Calls `work` with a workspace of at least `bytes`, or with none for 0. False where cuDNN refuses the work, before (no
    /// `bytes`) or now.
    fn with_workspace(
        &self,
        bytes: Option<usize>,
        work: impl FnOnce(Option<&mut CudaSlice<u8>>) -> std::result::Result<(), CudnnError>,
    ) -> Result<bool> {
        let Some(bytes) = bytes else { return Ok(false) };
        let mut workspace = self.workspace.borrow_mut();
        if bytes > 0 && workspace.as_ref().is_none_or(|workspace| workspace.len() < bytes) {
            // The smaller one goes first.
            *workspace = None;
            *workspace = Some(self.scratch(bytes)?);
        }
        match work(workspace.as_mut().filter(|_| bytes > 0)) {
            Ok(()) => Ok(true),
            // cuDNN 9 has several such statuses, for several reasons.
            Err(error) if error.to_string().starts_with("CUDNN_STATUS_NOT_SUPPORTED") => Ok(false),
            Err(error) => Err(cudnn_error(error)),
        }
    }

    /// z = x ⋆ weight, with `weight` (out, 5, 5, in).
    pub(super) fn conv_forward<T: Real>(
        &self,
        passes: &BlockPasses<'_>,
        x: &impl DevicePtr<T>,
        weight: &impl DevicePtr<T>,
        z: &mut impl DevicePtrMut<T>,
    ) -> Result<()> {
        let plan = self.plan::<T>(passes.shape)?;
        let done = self.with_workspace(plan.forward, |workspace| {
            // SAFETY: the descriptors are those of `shape`, which the slices have by construction.
            unsafe { plan.forward_op().launch(FORWARD, workspace, (T::ONE, T::ZERO), x, weight, z) }
        })?;
        if !done {
            passes.conv_forward(self.at(x), self.at(weight), self.at_mut(z))?;
        }
        Ok(())
    }

    /// The gradient of x, given that of z.
    pub(super) fn conv_backward_data<T: Real>(
        &self,
        passes: &BlockPasses<'_>,
        dz: &impl DevicePtr<T>,
        weight: &impl DevicePtr<T>,
        dx: &mut impl DevicePtrMut<T>,
    ) -> Result<()> {
        let plan = self.plan::<T>(passes.shape)?;
        let done = self.with_workspace(plan.data, |workspace| {
            // SAFETY: as in `conv_forward`.
            unsafe { plan.data_op().launch(DATA, workspace, (T::ONE, T::ZERO), dx, weight, dz) }
        })?;
        if !done {
            passes.conv_backward_data(self.at(dz), self.at(weight), self.at_mut(dx))?;
        }
        Ok(())
    }

    /// The gradient of the weight, given that of z.
    pub(super) fn conv_backward_filter<T: Real>(
        &self,
        passes: &BlockPasses<'_>,
        x: &impl DevicePtr<T>,
        dz: &impl DevicePtr<T>,
        dw: &mut impl DevicePtrMut<T>,
    ) -> Result<()> {
        let plan = self.plan::<T>(passes.shape)?;
        let done = self.with_workspace(plan.filter, |workspace| {
            // SAFETY: as in `conv_forward`.
            unsafe { plan.filter_op().launch(FILTER, workspace, (T::ONE, T::ZERO), x, dw, dz) }
        })?;
        if !done {
            passes.conv_backward_filter(self.at(x), self.at(dz), self.at_mut(dw))?;
        }
        Ok(())
    }
}
