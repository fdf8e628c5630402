//! Checkpoints: everything that training has learned, as safetensors under PyTorch's names and in PyTorch's layouts.
//!
//! | name | what |
//! |---|---|
//! | `hidden.I.0.weight`, `hidden.I.1.{weight,bias,running_mean,running_var}`, `fc.*`, `out.*` | the network |
//! | `centers` | class centers, (10, 2) |
//! | `momentum.NAME` | the velocity of each trainable tensor |
//!
//! The metadata's one entry, `centerscope`, is JSON with `format`, `epoch` and `spec`. Random state needs no place: it follows from seed and epoch.

use crate::loss::CenterLoss;
use crate::network::CenterNet;
use crate::optim::Sgd;
use crate::spec::RunSpec;
use candle_core::{Result, Tensor};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;
use std::collections::HashMap;

/// Written into every checkpoint's metadata.
const FORMAT: &str = "centerscope-checkpoint/1";

/// The state after `epoch`, as the bytes of a safetensors file.
///
/// # Errors
/// If the device fails.
pub fn save(spec: &RunSpec, epoch: u32, net: &CenterNet, loss: &CenterLoss, sgd: &Sgd) -> Result<Vec<u8>> {
    let mut tensors = net.export(|v| Ok(v.as_tensor().clone()))?;
    tensors.push(("centers".into(), loss.centers.as_tensor().clone()));
    for (name, velocity) in net.export(|v| sgd.velocity(v))? {
        tensors.push((format!("momentum.{name}"), velocity));
    }
    let mut arrays: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::with_capacity(tensors.len());
    for (name, tensor) in &tensors {
        arrays.push((name.clone(), tensor.dims().to_vec(), bytes(&numbers(tensor)?)));
    }
    for (name, values) in net.export_stats() {
        arrays.push((name, vec![values.len()], bytes(&values)));
    }
    let views = arrays
        .iter()
        .map(|(name, shape, data)| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), data)?)))
        .collect::<std::result::Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(candle_core::Error::wrap)?;
    let about = json!({"format": FORMAT, "epoch": epoch, "spec": spec}).to_string();
    // One entry: a map of several would be written in an order of its own at every call, and equal states would differ.
    let metadata = HashMap::from([("centerscope".to_string(), about)]);
    safetensors::serialize(views, Some(metadata)).map_err(candle_core::Error::wrap)
}

fn numbers(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1::<f32>()
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}
