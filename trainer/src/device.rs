//! Where to train.

use crate::spec::DeviceChoice;
use candle_core::Device;

/// The device for a choice.
///
/// # Errors
/// A sentence for people where the choice is CUDA and CUDA can't be used.
pub fn select(choice: DeviceChoice) -> Result<Device, String> {
    match choice {
        DeviceChoice::Auto | DeviceChoice::Cpu => Ok(Device::Cpu),
        DeviceChoice::Cuda => Err(cuda_unavailable()),
    }
}

/// Whether `select` would succeed, and why not.
///
/// # Errors
/// As [`select`].
pub fn check(choice: DeviceChoice) -> Result<(), String> {
    select(choice).map(|_| ())
}

/// The device in words: `CPU (2 threads)`.
pub fn describe(device: &Device) -> String {
    match device {
        Device::Cpu => {
            let threads = rayon::current_num_threads();
            format!("CPU ({threads} thread{})", if threads == 1 { "" } else { "s" })
        }
        other => format!("{:?}", other.location()),
    }
}

fn cuda_unavailable() -> String {
    if cfg!(feature = "cuda") {
        "the training kernels of this version run on the CPU only: use device \"cpu\" or \"auto\"".into()
    } else {
        "this program was built without CUDA: use device \"cpu\" or \"auto\"".into()
    }
}
