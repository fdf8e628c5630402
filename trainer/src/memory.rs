//! What a run needs of memory, a GPU's or this machine's, and what to ask for where it isn't there.

use crate::data::{Dataset, PIXELS};
use crate::event::DeviceMemory;
use crate::network::{Layer, plan};
use crate::ops::conv2d::KERNEL;
use crate::ops::winograd;
use crate::spec::{Precision, RunSpec};

/// Room for what is not counted: cuDNN's workspace, its own and the driver's code, fragments.
const RESERVE: u64 = 1 << 30;
/// The least width that a spec can ask for.
const LEAST_WIDTH: f64 = 0.03125;

/// Bytes that a run of `spec` needs on a GPU, as far as they can be counted; images of the data set not included.
pub fn needed_bytes(spec: &RunSpec) -> u64 {
    let (fixed, per_image) = parts(spec);
    fixed + per_image * spec.batch_size as u64
}

/// Bytes that a run of `spec` needs on the CPU, as far as they can be counted; images of the data set not included.
pub fn needed_bytes_on_cpu(spec: &RunSpec) -> u64 {
    let spec = RunSpec { precision: Precision::F32, ..spec.clone() };
    let pairs = plan(spec.network, spec.width).0.into_iter().map(|layer| (layer.input * layer.output) as u64).max();
    // The planes of the largest weight, those of its gradient, and the weight turned.
    let planes = pairs.unwrap_or(0) * (2 * winograd::PLANES + KERNEL * KERNEL) as u64 * 4;
    needed_bytes(&spec) - RESERVE + planes
}

/// Bytes whatever the batch, and bytes for each image of a batch.
fn parts(spec: &RunSpec) -> (u64, u64) {
    let number = if spec.precision == Precision::Bf16 { 2 } else { 4 };
    let (mut weights, mut kept, mut widest) = (0, 0, 0);
    for Layer { side, input, output, pool, .. } in plan(spec.network, spec.width).0 {
        let (z, y) = ((side * side * output) as u64, if pool { side / 2 } else { side });
        let y = (y * y * output) as u64;
        weights += (KERNEL * KERNEL * input * output) as u64;
        // The convolution's output, the block's, and of a pooling block the maxima and where they were.
        kept += (z + y) * number + if pool { y * (number + 1) } else { 0 };
        widest = widest.max(z).max((side * side * input) as u64);
    }
    // Each weight, its velocity and its gradient in single precision; in bf16 a copy and its gradient as well.
    let copies = if number == 2 { 4 } else { 0 };
    // On the way back: a gradient, the one before, and the two that candle adds up.
    let passing = 4 * widest * number;
    (RESERVE + weights * (12 + copies), kept + passing + (PIXELS as u64) * number)
}

/// Whether an error says that a GPU's memory is full.
pub(crate) fn is_exhausted(error: &candle_core::Error) -> bool {
    let message = error.to_string();
    // The driver's word, cuBLAS's and cuDNN's.
    ["OUT_OF_MEMORY", "ALLOC_FAILED"].iter().any(|word| message.contains(word))
}

/// What to do when a run of `spec` finds the GPU's memory full, `memory` being what it holds then.
pub(crate) fn advice(spec: &RunSpec, data: &Dataset, memory: Option<DeviceMemory>) -> String {
    let needed = needed_bytes(spec) + ((data.train.len() + data.test.len()) * PIXELS) as u64;
    let memory = memory.unwrap_or(DeviceMemory { used_bytes: needed, total_bytes: needed });
    // The driver doesn't tell whose memory it is: this run's share is taken to be all that it needs.
    let others = memory.used_bytes.saturating_sub(needed);
    let room = memory.total_bytes.saturating_sub(others);
    let gigabytes = |bytes: u64| bytes as f64 / 1e9;
    let full = format!(
        "the GPU's memory is full: batch size {} at width {} needs about {:.1} GB, and of {:.1} GB about {:.1} GB can be had",
        spec.batch_size,
        spec.width,
        gigabytes(needed),
        gigabytes(memory.total_bytes),
        gigabytes(room)
    );
    let fits = |smaller: &RunSpec| needed_bytes(smaller) <= room;
    match (smaller_batch(spec, fits), smaller_width(spec, fits)) {
        (Some(batch), Some(width)) => format!("{full}; try batch size {batch}, or width {width}"),
        (Some(batch), None) => format!("{full}; try batch size {batch}"),
        (None, Some(width)) => format!("{full}; try width {width}"),
        (None, None) => format!("{full}; stop other runs or programs on this GPU, or use device \"cpu\""),
    }
}

/// The batch size, halved until such a run fits: at least once, since it didn't as it was.
pub fn smaller_batch(spec: &RunSpec, fits: impl Fn(&RunSpec) -> bool) -> Option<usize> {
    let halves =
        std::iter::successors(Some(spec.batch_size / 2), |batch| Some(batch / 2)).take_while(|&batch| batch > 0);
    halves.into_iter().find(|&batch_size| fits(&RunSpec { batch_size, ..spec.clone() }))
}

/// The width, likewise.
pub fn smaller_width(spec: &RunSpec, fits: impl Fn(&RunSpec) -> bool) -> Option<f64> {
    let halves = std::iter::successors(Some(spec.width / 2.0), |width| Some(width / 2.0));
    let mut allowed = halves.take_while(|&width| width >= LEAST_WIDTH);
    allowed.find(|&width| fits(&RunSpec { width, ..spec.clone() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DataOptions, Images, load};
    use crate::spec::{DatasetChoice, Distance, Network, Profile};

    fn full() -> RunSpec {
        RunSpec::preset(Profile::Full, Network::Deep, Distance::Squared)
    }

    #[test]
    fn the_need_grows_with_batch_and_width_and_shrinks_with_bf16() {
        let spec = full();
        let needed = needed_bytes(&spec);
        assert!(needed_bytes(&RunSpec { batch_size: 512, ..spec.clone() }) > needed);
        assert!(needed_bytes(&RunSpec { width: 2.0, ..spec.clone() }) > needed);
        assert!(needed_bytes(&RunSpec { precision: Precision::Bf16, ..spec.clone() }) < needed);
        // By hand: the first block's z and y at 28×28, 32 channels, are 25.7 MB each; all of a batch is more than ten times that.
        assert!((1 << 30..8 << 30).contains(&needed), "{needed}");
    }

    #[test]
    fn a_full_memory_is_told_with_what_would_fit() {
        let spec = RunSpec { batch_size: 4096, ..full() };
        let options = DataOptions { offline: true, ..DataOptions::default() };
        let mut data = load(DatasetChoice::Generated, &options, &mut |_| {}).unwrap();
        (data.train, data.test) = (Images::default(), Images::default());
        let memory = |total_bytes| Some(DeviceMemory { used_bytes: total_bytes, total_bytes });
        for total in [8u64 << 30, 16 << 30] {
            let sentence = advice(&spec, &data, memory(total));
            let batch = smaller_batch(&spec, |smaller| needed_bytes(smaller) <= total).unwrap();
            assert!(batch < 4096 && sentence.contains(&format!("try batch size {batch}, or width ")), "{sentence}");
            assert!(needed_bytes(&RunSpec { batch_size: batch, ..spec.clone() }) <= total);
        }
        assert!(advice(&spec, &data, memory(1 << 20)).contains("device \"cpu\""));
    }

    #[test]
    fn the_drivers_words_for_a_full_memory_are_known() {
        let says = |text: &str| is_exhausted(&candle_core::Error::Msg(text.into()));
        assert!(says("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")"));
        assert!(says("CUDNN_STATUS_ALLOC_FAILED") && says("CUBLAS_STATUS_ALLOC_FAILED"));
        assert!(!says("CUDA_ERROR_ILLEGAL_ADDRESS"));
    }
}
