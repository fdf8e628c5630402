//! Where to train, and what of CUDA is there.
//!
//! Nothing of CUDA is touched before its libraries are known to open: a program built with CUDA has to start, and to say what
//! is missing, on a machine without.

use crate::event::DeviceMemory;
use crate::spec::{DeviceChoice, Precision};
pub use candle_core::Device;
use candle_core::Result;

/// The device for a choice, for work on this thread. `precision` is what a GPU will compute in.
///
/// # Errors
/// A sentence for people where the choice is CUDA and CUDA can't be used.
pub fn select(choice: DeviceChoice, precision: Precision) -> std::result::Result<Device, String> {
    if uses_cuda(choice)? { open_cuda(precision) } else { Ok(Device::Cpu) }
}

/// Whether a choice means a GPU here.
///
/// # Errors
/// As [`select`].
pub fn uses_cuda(choice: DeviceChoice) -> std::result::Result<bool, String> {
    match choice {
        DeviceChoice::Cpu => Ok(false),
        DeviceChoice::Auto => Ok(gpu().is_ok()),
        DeviceChoice::Cuda => gpu().map(|_| true),
    }
}

/// Whether `select` would find a device, and why not.
///
/// # Errors
/// As [`select`].
pub fn check(choice: DeviceChoice, precision: Precision) -> std::result::Result<(), String> {
    if uses_cuda(choice)? && precision == Precision::Bf16 {
        let gpu = gpu()?;
        if gpu.compute_capability < (8, 0) {
            let (major, minor) = gpu.compute_capability;
            return Err(format!(
                "precision \"bf16\" needs a GPU of compute capability 8.0 or higher, and {} has {major}.{minor}: use \"tf32\" or \"f32\"",
                gpu.name
            ));
        }
    }
    Ok(())
}

/// The device in words: `CPU (2 threads)`, `NVIDIA H100 (CUDA)`.
pub fn describe(device: &Device) -> String {
    match device {
        Device::Cpu => {
            let threads = rayon::current_num_threads();
            format!("CPU ({threads} thread{})", if threads == 1 { "" } else { "s" })
        }
        other => gpu().map_or_else(|_| format!("{:?}", other.location()), |gpu| format!("{} (CUDA)", gpu.name)),
    }
}

/// The CPU in words, with the instruction sets that the trainer has loops for: `2 threads; avx2 + fma, avx512f`.
pub fn describe_cpu() -> String {
    let threads = rayon::current_num_threads();
    let features: Vec<&str> = [
        #[cfg(target_arch = "x86_64")]
        (std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma"), "avx2 + fma"),
        #[cfg(target_arch = "x86_64")]
        (std::arch::is_x86_feature_detected!("avx512f"), "avx512f"),
        #[cfg(target_arch = "aarch64")]
        (std::arch::is_aarch64_feature_detected!("neon"), "neon"),
    ]
    .into_iter()
    .filter_map(|(there, name): (bool, &str)| there.then_some(name))
    .collect();
    let features = if features.is_empty() { "no vector instructions".into() } else { features.join(", ") };
    format!("{threads} thread{}; {features}", if threads == 1 { "" } else { "s" })
}

/// The GPU that is used, and the libraries that drive it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// `NVIDIA H100 80GB HBM3`
    pub name: String,
    /// Major and minor.
    pub compute_capability: (i32, i32),
    /// The newest CUDA that the driver knows: `13.0`.
    pub driver: String,
    /// `9.10.2`
    pub cudnn: String,
}

/// The GPU that is used; looked for once.
///
/// # Errors
/// A sentence that says what is missing and how to get it.
pub fn gpu() -> std::result::Result<&'static Gpu, String> {
    #[cfg(feature = "cuda")]
    {
        static FOUND: std::sync::OnceLock<std::result::Result<Gpu, String>> = std::sync::OnceLock::new();
        FOUND.get_or_init(cuda::find).as_ref().map_err(Clone::clone)
    }
    #[cfg(not(feature = "cuda"))]
    Err("this program was built without CUDA: use device \"cpu\" or \"auto\", or build it with --features cuda".into())
}

/// What the GPU's memory holds now, all programs together. Cheap enough for every look at the metrics; `None` where no GPU is
/// used.
pub fn memory() -> Option<DeviceMemory> {
    #[cfg(feature = "cuda")]
    return cuda::memory();
    #[cfg(not(feature = "cuda"))]
    None
}

/// The type of a network's activations on a device.
///
/// # Errors
/// If [`select`] gave the device to another thread.
#[cfg(feature = "cuda")]
pub(crate) fn activation_type(device: &Device) -> Result<candle_core::DType> {
    use candle_core::DType;
    Ok(if precision(device)? == Precision::Bf16 { DType::BF16 } else { DType::F32 })
}

/// What a device computes in.
///
/// # Errors
/// If [`select`] gave the device to another thread.
pub(crate) fn precision(device: &Device) -> Result<Precision> {
    #[cfg(feature = "cuda")]
    if let Device::Cuda(device) = device {
        return Ok(crate::ops::cuda::engine::of(device)?.precision);
    }
    debug_assert!(device.is_cpu());
    Ok(Precision::F32)
}

/// Does a piece of a training's arithmetic, as a whole, on one of the threads that all trainings share: so there are never more
/// threads computing than the pool has, however many trainings go on, and while one of them does what can't be cut up the other
/// threads help another one. For a GPU the work stays on the thread that opened it.
pub(crate) fn compute<R: Send>(device: &Device, work: impl FnOnce() -> R + Send) -> R {
    if device.is_cpu() { rayon::scope(|_| work()) } else { work() }
}

/// Waits until a GPU has done what it was told to do.
///
/// # Errors
/// If the device failed meanwhile.
pub(crate) fn synchronize(device: &Device) -> Result<()> {
    if device.is_cpu() { Ok(()) } else { device.synchronize() }
}

#[cfg(feature = "cuda")]
fn open_cuda(precision: Precision) -> std::result::Result<Device, String> {
    crate::ops::cuda::engine::open(precision)
        .map_err(|error| format!("the GPU can't be used: {error}; centerscope doctor says what was found"))
}

#[cfg(not(feature = "cuda"))]
fn open_cuda(_: Precision) -> std::result::Result<Device, String> {
    gpu().map(|_| Device::Cpu)
}

#[cfg(feature = "cuda")]
mod cuda {
    use super::Gpu;
    use crate::event::DeviceMemory;
    use candle_core::cuda_backend::cudarc::cudnn::result::get_version;
    use candle_core::cuda_backend::cudarc::driver::{CudaContext, sys};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::{Arc, OnceLock};

    /// CUDA's major version that the program was built for.
    const MAJOR: &str = env!("CENTERSCOPE_CUDA_MAJOR");

    /// The context that answers for the memory; made once a GPU was found.
    static CONTEXT: OnceLock<Arc<CudaContext>> = OnceLock::new();

    pub(super) fn find() -> Result<Gpu, String> {
        if !opens("libcuda.so.1") {
            return Err(
                "no NVIDIA driver was found (libcuda.so.1 does not open): install it, or use device \"cpu\"".into()
            );
        }
        for library in [format!("libcublas.so.{MAJOR}"), format!("libcublasLt.so.{MAJOR}"), "libcurand.so.10".into()] {
            if !opens(&library) {
                return Err(format!(
                    "{library} was not found: install CUDA {MAJOR}'s libraries (`pip install nvidia-cublas nvidia-curand` has them too) and \
                     put their folders on LD_LIBRARY_PATH"
                ));
            }
        }
        if !opens("libcudnn.so.9") {
            return Err(format!(
                "libcudnn.so.9 was not found: install cuDNN 9 for CUDA {MAJOR} (`pip install nvidia-cudnn-cu{MAJOR}` has it too) and put \
                 its folder on LD_LIBRARY_PATH"
            ));
        }
        // cudarc panics where a library lacks what it looks for: an older driver, say.
        let asked = catch_unwind(AssertUnwindSafe(ask));
        asked.unwrap_or_else(|_| {
            Err("the NVIDIA driver is too old for this program: update it, or use device \"cpu\"".into())
        })
    }

    /// Whether a library is there.
    fn opens(name: &str) -> bool {
        // SAFETY: the libraries named are NVIDIA's, made to be opened by any program at any time.
        match unsafe { libloading::Library::new(name) } {
            Ok(library) => {
                // It stays open: closing a driver only to open it again is slow.
                std::mem::forget(library);
                true
            }
            Err(_) => false,
        }
    }

    fn ask() -> Result<Gpu, String> {
        let no_answer = |error| format!("the NVIDIA driver does not answer ({error}): use device \"cpu\"");
        match CudaContext::device_count() {
            Ok(1..) => {}
            Ok(_) => return Err("the NVIDIA driver sees no GPU: use device \"cpu\"".into()),
            Err(error) => return Err(no_answer(error)),
        }
        let context = CudaContext::new(0).map_err(no_answer)?;
        let compute_capability = context.compute_capability().map_err(no_answer)?;
        let name = context.name().map_err(no_answer)?;
        if compute_capability < (7, 5) {
            let (major, minor) = compute_capability;
            return Err(format!(
                "{name} has compute capability {major}.{minor}, and 7.5 is the least: use device \"cpu\""
            ));
        }
        let mut driver = 0;
        // SAFETY: writes one whole number to the place given.
        unsafe { sys::cuDriverGetVersion(&mut driver) }.result().map_err(no_answer)?;
        let cudnn = get_version();
        let gpu = Gpu {
            name,
            compute_capability,
            driver: format!("{}.{}", driver / 1000, driver % 1000 / 10),
            cudnn: format!("{}.{}.{}", cudnn / 10_000, cudnn / 100 % 100, cudnn % 100),
        };
        CONTEXT.get_or_init(|| context);
        Ok(gpu)
    }

    pub(super) fn memory() -> Option<DeviceMemory> {
        let (free, total) = CONTEXT.get()?.mem_get_info().ok()?;
        Some(DeviceMemory { used_bytes: (total - free) as u64, total_bytes: total as u64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_always_finds_a_device_and_cuda_says_what_is_missing() {
        assert!(select(DeviceChoice::Cpu, Precision::Bf16).unwrap().is_cpu());
        assert!(check(DeviceChoice::Auto, Precision::Tf32).is_ok());
        match gpu() {
            Ok(gpu) => assert!(gpu.compute_capability >= (7, 5)),
            Err(reason) => {
                assert!(select(DeviceChoice::Auto, Precision::Tf32).unwrap().is_cpu());
                assert_eq!(select(DeviceChoice::Cuda, Precision::Tf32).unwrap_err(), reason);
                assert!(reason.contains('"') || reason.contains("LD_LIBRARY_PATH"), "{reason}");
            }
        }
    }
}
