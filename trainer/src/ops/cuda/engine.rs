//! A GPU as one run has it: a stream of its own, a cuDNN handle, the precision, and scratch that is used again.

use super::conv::Plan;
use super::passes::{Address, Geometry, Machine, Word};
use crate::spec::Precision;
use candle_core::cuda_backend::cudarc::cudnn::{Cudnn, CudnnDataType};
use candle_core::cuda_backend::cudarc::driver::{
    CudaSlice, CudaView, DevicePtr, DevicePtrMut, DeviceRepr, LaunchConfig, PushKernelArg, result, sys,
};
use candle_core::cuda_backend::{CudaDType, CudaDevice, DeviceId, WrapErr};
use candle_core::{CudaStorage, Device, Layout, Result};
use half::bf16;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// `kernels.cu`, compiled by `build.rs` for the oldest GPUs that are supported; the driver compiles it on for the one that is there.
const PTX: &str = include_str!(concat!(env!("OUT_DIR"), "/kernels.ptx"));

/// Plans of the convolutions of one type, by (batch, side, in, out).
pub(super) type Plans<T> = RefCell<HashMap<[usize; 4], Rc<Plan<T>>>>;

/// See the module.
pub(crate) struct Engine {
    pub(crate) precision: Precision,
    pub(super) device: CudaDevice,
    pub(super) cudnn: Arc<Cudnn>,
    plans_f32: Plans<f32>,
    plans_bf16: Plans<bf16>,
    /// What cuDNN's algorithms scribble on. One buffer is enough: the work of a stream is done one piece after another.
    pub(super) workspace: RefCell<Option<CudaSlice<u8>>>,
}

thread_local! {
    // A cuDNN handle belongs to the thread that made it, and so does a run: its engine goes when its thread ends.
    static ENGINES: RefCell<HashMap<DeviceId, Rc<Engine>>> = RefCell::new(HashMap::new());
}

/// The first GPU, with a stream of its own, for work on this thread.
///
/// # Errors
/// If CUDA fails; see [`crate::device`] for what has to be there.
pub(crate) fn open(precision: Precision) -> Result<Device> {
    let device = CudaDevice::new_with_stream(0)?;
    // SAFETY: every tensor of this device is made, used and freed on its one stream, whose order is all that is needed.
    unsafe { device.disable_event_tracking() };
    keep_freed_memory(&device)?;
    let cudnn = Cudnn::new(device.cuda_stream()).map_err(cudnn_error)?;
    let engine = Engine {
        precision,
        device: device.clone(),
        cudnn,
        plans_f32: RefCell::default(),
        plans_bf16: RefCell::default(),
        workspace: RefCell::new(None),
    };
    ENGINES.with_borrow_mut(|engines| engines.insert(device.id(), Rc::new(engine)));
    Ok(Device::Cuda(device))
}

/// The engine of a device that [`open`] gave to this thread.
///
/// # Errors
/// If it gave it to another, or didn't.
pub(crate) fn of(device: &CudaDevice) -> Result<Rc<Engine>> {
    let found = ENGINES.with_borrow(|engines| engines.get(&device.id()).cloned());
    found.ok_or_else(|| candle_core::Error::Msg("this GPU was opened by another thread".into()))
}

/// Freed memory goes back to the pool, not to the driver: a step frees and takes the same sizes again and again. It serves the
/// other runs of this program as well, since they share the pool.
fn keep_freed_memory(device: &CudaDevice) -> Result<()> {
    let Some(pool) = memory_pool(device)? else { return Ok(()) };
    let mut threshold = u64::MAX;
    let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    // SAFETY: the pool is the driver's own, and the attribute's value is a u64 (`cuuint64_t`).
    unsafe { result::mem_pool::set_attribute(pool, attribute, (&raw mut threshold).cast()) }.w()
}

/// The pool that a device's memory comes from, where the driver has such.
fn memory_pool(device: &CudaDevice) -> Result<Option<sys::CUmemoryPool>> {
    let stream = device.cuda_stream();
    let context = stream.context();
    if !context.has_async_alloc() {
        return Ok(None);
    }
    let mut pool = std::ptr::null_mut();
    // SAFETY: the device is that of a living context, and one pointer is written to the place given.
    unsafe { sys::cuDeviceGetDefaultMemPool(&mut pool, context.cu_device()) }.result().w()?;
    Ok(Some(pool))
}

/// What the run no longer uses goes back to the driver when the run is over, for other programs.
impl Drop for Engine {
    fn drop(&mut self) {
        *self.workspace.borrow_mut() = None;
        if self.device.cuda_stream().synchronize().is_ok()
            && let Ok(Some(pool)) = memory_pool(&self.device)
        {
            // SAFETY: the pool is the driver's own; memory in use stays. A failure leaves the memory for the next run.
            let _ = unsafe { result::mem_pool::trim_to(pool, 0) };
        }
    }
}

/// cuDNN's complaint as candle's.
pub(super) fn cudnn_error(error: candle_core::cuda_backend::cudarc::cudnn::result::CudnnError) -> candle_core::Error {
    candle_core::Error::Cuda(Box::new(error))
}

impl Engine {
    /// `len` numbers of any value: whoever takes them writes before reading.
    pub(super) fn scratch<T: DeviceRepr>(&self, len: usize) -> Result<CudaSlice<T>> {
        // SAFETY: each caller hands the memory to a kernel that writes all of it before anything reads.
        unsafe { self.device.alloc::<T>(len) }
    }

    /// Where a slice lies.
    pub(super) fn at<T>(&self, slice: &impl DevicePtr<T>) -> Address {
        // The guard that comes with the address records events, of which there are none (see `open`); the memory outlives
        // the launch because it is freed in the stream's order.
        Address(slice.device_ptr(&self.device.cuda_stream()).0)
    }

    /// Where a slice lies that will be written.
    pub(super) fn at_mut<T>(&self, slice: &mut impl DevicePtrMut<T>) -> Address {
        Address(slice.device_ptr_mut(&self.device.cuda_stream()).0)
    }

    pub(super) fn wrap<T: CudaDType>(&self, slice: CudaSlice<T>) -> CudaStorage {
        CudaStorage::wrap_cuda_slice(slice, self.device.clone())
    }
}

impl Machine for Engine {
    fn launch(&self, kernel: &str, geometry: Geometry, operands: &[Word]) -> Result<()> {
        let function = self.device.get_or_load_custom_func(kernel, "centerscope", PTX)?;
        let mut launch = function.builder();
        for Word(word) in operands {
            launch.arg(word);
        }
        let [grid, block] = [geometry.grid, geometry.block].map(|[x, y]| (x as u32, y as u32, 1));
        // SAFETY: `passes` launches each kernel with the operands it takes – the tests run the same launches on the host – and
        // the driver reads of each word as many low bytes as the operand has.
        unsafe { launch.launch(LaunchConfig { grid_dim: grid, block_dim: block, shared_mem_bytes: 0 }) }.w()?;
        Ok(())
    }
}

/// A type that activations can have.
pub(super) trait Real: CudaDType + CudnnDataType + DeviceRepr + Copy {
    /// Suffix of its kernels.
    const NAME: &'static str;
    const ZERO: Self;
    const ONE: Self;

    fn plans(engine: &Engine) -> &Plans<Self>;
}

impl Real for f32 {
    const NAME: &'static str = "f32";
    const ZERO: f32 = 0.0;
    const ONE: f32 = 1.0;

    fn plans(engine: &Engine) -> &Plans<f32> {
        &engine.plans_f32
    }
}

impl Real for bf16 {
    const NAME: &'static str = "bf16";
    const ZERO: bf16 = bf16::ZERO;
    const ONE: bf16 = bf16::ONE;

    fn plans(engine: &Engine) -> &Plans<bf16> {
        &engine.plans_bf16
    }
}

/// The numbers behind a contiguous tensor on a GPU.
pub(super) fn view<'a, T: CudaDType>(storage: &'a CudaStorage, layout: &Layout) -> Result<CudaView<'a, T>> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        candle_core::bail!("expected a contiguous tensor, got strides {:?}", layout.stride())
    };
    Ok(storage.as_cuda_slice::<T>()?.slice(start..end))
}
