//! Checkpoints: everything that training has learned, as safetensors under PyTorch's names and in PyTorch's layouts.
//!
//! | name | what |
//! |---|---|
//! | `hidden.I.0.weight`, `hidden.I.1.{weight,bias,running_mean,running_var}`, `fc.*`, `out.*` | the network |
//! | `centers` | class centers, (10, 2) |
//! | `momentum.NAME` | the velocity of each trainable tensor |
//!
//! The metadata's one entry, `centerscope`, is JSON: an [`About`]. Random state and the place in the data need none: they
//! follow from seed and epoch.

use crate::event::CLASSES;
use crate::loss::CenterLoss;
use crate::network::{self, CenterNet, EMBEDDING, Shapes};
use crate::optim::Sgd;
use crate::spec::{Network, RunSpec, SpecError};
use candle_core::{Device, Result, Tensor};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensorError, SafeTensors};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// The artifact with the state after the last epoch.
pub const LAST: &str = "checkpoints/last.safetensors";
/// The artifact with the state after the epoch of the best test accuracy.
pub const BEST: &str = "checkpoints/best.safetensors";
/// The artifact of a forked run with the other run's state, which it begins with.
pub const START: &str = "checkpoints/start.safetensors";
/// Written into every checkpoint's metadata.
const FORMAT: &str = "centerscope-checkpoint/1";
/// The metadata's key.
const ABOUT: &str = "centerscope";
/// What a run's checkpoints may fill where nothing else was asked for, in bytes.
const ROOM: u64 = 1_000_000_000;

/// Name of the artifact with the state after `epoch`: `checkpoints/epoch-0004.safetensors`.
pub fn kept_artifact(epoch: u32) -> String {
    format!("checkpoints/epoch-{epoch:04}.safetensors")
}

/// Epochs between two kept checkpoints such that a run's checkpoints fill about a gigabyte at most, last and best
/// included; 0 (none kept) where those two fill it already.
pub fn default_every(network: Network, width: f64, epochs: u32) -> u32 {
    let (trainable, stats) = network::shapes(network, width);
    let numbers = |tensors: &Shapes| tensors.iter().map(|(_, s)| s.iter().product::<usize>()).sum();
    let (trainable, stats): (usize, usize) = (numbers(&trainable), numbers(&stats));
    let size = 4 * (2 * trainable + stats + CLASSES * EMBEDDING) as u64;
    match (ROOM / size).saturating_sub(2) {
        0 => 0,
        room => u64::from(epochs).div_ceil(room) as u32,
    }
}

/// What a checkpoint says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    format: String,
    /// Epochs done.
    pub epoch: u32,
    /// Best test accuracy of the run so far, 0 to 1.
    #[serde(default)]
    pub best_accuracy: Option<f64>,
    /// What the run does.
    pub spec: RunSpec,
}

impl About {
    /// The state of a run of `spec` after `epoch`.
    pub fn new(spec: &RunSpec, epoch: u32, best_accuracy: Option<f64>) -> About {
        About { format: FORMAT.into(), epoch, best_accuracy, spec: spec.clone() }
    }
}

/// The state that `about` tells of, as the bytes of a safetensors file.
///
/// # Errors
/// If the device fails.
pub fn save(about: &About, net: &CenterNet, loss: &CenterLoss, sgd: &Sgd) -> Result<Vec<u8>> {
    let mut tensors = net.export(|v| Ok(v.as_tensor().clone()))?;
    tensors.push(("centers".into(), loss.centers.as_tensor().clone()));
    for (name, velocity) in net.export(|v| sgd.velocity(v))? {
        tensors.push((format!("momentum.{name}"), velocity));
    }
    tensors.extend(net.export_stats()?);
    let mut arrays: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::with_capacity(tensors.len());
    for (name, tensor) in &tensors {
        arrays.push((name.clone(), tensor.dims().to_vec(), bytes(&numbers(tensor)?)));
    }
    let views = arrays
        .iter()
        .map(|(name, shape, data)| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), data)?)))
        .collect::<std::result::Result<Vec<_>, SafeTensorError>>()
        .map_err(candle_core::Error::wrap)?;
    let about = serde_json::to_string(about).map_err(candle_core::Error::wrap)?;
    // One entry: a map of several would be written in an order of its own at every call, and equal states would differ.
    let metadata = HashMap::from([(ABOUT.to_string(), about)]);
    safetensors::serialize(views, Some(metadata)).map_err(candle_core::Error::wrap)
}

fn numbers(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1::<f32>()
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// A checkpoint that was read and found whole: every tensor of its network is there, in its shape, and no other.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// What it says of itself.
    pub about: About,
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

/// Why bytes are no checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// They are no safetensors file.
    #[error("it is no safetensors file: {0}")]
    Format(#[from] SafeTensorError),
    /// They say nothing of a run.
    #[error("it does not say which run and epoch it belongs to")]
    About,
    /// They tell of a run that nobody could have asked for.
    #[error("it belongs to no possible run: {0}")]
    Spec(#[from] SpecError),
    /// A tensor is missing, has another shape, or has no place in the network.
    #[error("its tensor `{0}` does not fit its network")]
    Tensor(String),
}

/// Reads and checks the bytes of a checkpoint; whatever they hold, nothing larger than they are is allocated.
///
/// # Errors
/// See [`CheckpointError`].
pub fn load(bytes: &[u8]) -> std::result::Result<Checkpoint, CheckpointError> {
    let (_, metadata) = SafeTensors::read_metadata(bytes)?;
    let about = metadata.metadata().as_ref().and_then(|entries| entries.get(ABOUT));
    let about = about.and_then(|text| serde_json::from_str::<About>(text).ok());
    let about = about.filter(|about| about.format == FORMAT).ok_or(CheckpointError::About)?;
    about.spec.check()?;

    let file = SafeTensors::deserialize(bytes)?;
    let (trainable, stats) = network::shapes(about.spec.network, about.spec.width);
    let momentum =
        trainable.iter().map(|(name, shape)| (format!("momentum.{name}"), shape.clone())).collect::<Vec<_>>();
    let centers = ("centers".to_string(), vec![CLASSES, EMBEDDING]);
    let mut tensors = BTreeMap::new();
    for (name, shape) in trainable.into_iter().chain(stats).chain(momentum).chain([centers]) {
        let found = file.tensor(&name).ok().filter(|t| t.dtype() == Dtype::F32 && t.shape() == shape);
        let Some(found) = found else { return Err(CheckpointError::Tensor(name)) };
        let values = found.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        tensors.insert(name, (shape, values));
    }
    match file.names().into_iter().find(|name| !tensors.contains_key(*name)) {
        Some(stranger) => Err(CheckpointError::Tensor(stranger.into())),
        None => Ok(Checkpoint { about, tensors }),
    }
}

impl Checkpoint {
    /// The network as it was, ready for [`CenterNet::forward_eval`].
    ///
    /// # Errors
    /// If the device has no memory left.
    pub fn network(&self, device: &Device) -> Result<CenterNet> {
        let RunSpec { network, width, seed, .. } = self.about.spec;
        let net = CenterNet::new(network, width, seed, device)?;
        self.restore_network(&net, device)?;
        Ok(net)
    }

    /// The class centers.
    pub fn centers(&self) -> [[f32; EMBEDDING]; CLASSES] {
        let values = &self.tensors["centers"].1;
        std::array::from_fn(|k| [values[EMBEDDING * k], values[EMBEDDING * k + 1]])
    }

    /// Puts everything back where [`save`] took it from.
    ///
    /// # Errors
    /// If the network is another, or the device has no memory left.
    pub fn restore(&self, net: &CenterNet, loss: &CenterLoss, sgd: &mut Sgd, device: &Device) -> Result<()> {
        self.restore_network(net, device)?;
        loss.centers.set(&self.tensor("centers", device)?)?;
        net.import(|name| self.tensor(&format!("momentum.{name}"), device), |v, tensor| sgd.set_velocity(v, tensor))
    }

    fn restore_network(&self, net: &CenterNet, device: &Device) -> Result<()> {
        net.import_stats(|name| self.tensor(name, device))?;
        net.import(|name| self.tensor(name, device), |variable, tensor| variable.set(tensor))
    }

    fn tensor(&self, name: &str, device: &Device) -> Result<Tensor> {
        match self.tensors.get(name) {
            Some((shape, values)) => Tensor::from_slice(values, shape.as_slice(), device),
            None => candle_core::bail!("the checkpoint is of another network: it has no tensor `{name}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Distance, Profile};
    use candle_core::DType;

    fn state(network: Network) -> (RunSpec, CenterNet, CenterLoss, Sgd) {
        let spec = RunSpec { width: 0.0625, ..RunSpec::preset(Profile::Quick, network, Distance::Root) };
        let net = CenterNet::new(network, spec.width, 7, &Device::Cpu).unwrap();
        let loss = CenterLoss::new(spec.distance, spec.lambda, 7, &Device::Cpu).unwrap();
        let mut sgd = Sgd::new(net.variables(), spec.momentum).unwrap();
        for (n, variable) in net.variables().iter().enumerate() {
            let velocity = variable.affine(0.5, n as f64).unwrap();
            sgd.set_velocity(variable, &velocity).unwrap();
        }
        (spec, net, loss, sgd)
    }

    #[test]
    fn what_was_saved_comes_back_to_the_bit() {
        for network in [Network::Deep, Network::Shallow] {
            let (spec, net, loss, sgd) = state(network);
            let saved = save(&About::new(&spec, 3, Some(0.5)), &net, &loss, &sgd).unwrap();
            let read = load(&saved).unwrap();
            assert_eq!((read.about.epoch, read.about.best_accuracy, &read.about.spec), (3, Some(0.5), &spec));

            let other = CenterNet::new(network, spec.width, 8, &Device::Cpu).unwrap();
            let other_loss = CenterLoss::new(spec.distance, spec.lambda, 8, &Device::Cpu).unwrap();
            let mut other_sgd = Sgd::new(other.variables(), spec.momentum).unwrap();
            read.restore(&other, &other_loss, &mut other_sgd, &Device::Cpu).unwrap();
            assert!(save(&read.about, &other, &other_loss, &other_sgd).unwrap() == saved);

            let images = Tensor::rand(0f32, 1.0, (2, 28, 28, 1), &Device::Cpu).unwrap();
            let logits = |net: &CenterNet| net.forward_eval(&images).unwrap().logits.to_vec2::<f32>().unwrap();
            assert_eq!(logits(&read.network(&Device::Cpu).unwrap()), logits(&net));
            assert_eq!(read.centers()[9][1], loss.centers.to_vec2::<f32>().unwrap()[9][1]);
        }
    }

    #[test]
    fn a_damaged_or_hostile_file_is_an_error() {
        let (spec, net, loss, sgd) = state(Network::Shallow);
        let saved = save(&About::new(&spec, 3, None), &net, &loss, &sgd).unwrap();
        for cut in [0, 7, 8, 100, saved.len() / 2, saved.len() - 1] {
            assert!(matches!(load(&saved[..cut]), Err(CheckpointError::Format(_))), "cut at {cut}");
        }
        // A small file that speaks of a large network costs nothing: the shapes are compared first.
        let claims = |about: serde_json::Value| {
            let zero = Tensor::zeros(1, DType::F32, &Device::Cpu).unwrap();
            let data = bytes(&numbers(&zero).unwrap());
            let views = [("fc.bias", TensorView::new(Dtype::F32, vec![1], &data).unwrap())];
            let metadata = HashMap::from([(ABOUT.to_string(), about.to_string())]);
            load(&safetensors::serialize(views, Some(metadata)).unwrap())
        };
        let mut about = serde_json::to_value(About::new(&spec, 1, None)).unwrap();
        about["spec"]["width"] = 2.0.into();
        assert!(matches!(claims(about.clone()), Err(CheckpointError::Tensor(_))));
        about["spec"]["width"] = 1e9.into();
        assert!(matches!(claims(about.clone()), Err(CheckpointError::Spec(_))));
        about["format"] = "centerscope-checkpoint/9".into();
        assert!(matches!(claims(about), Err(CheckpointError::About)));
        let other = RunSpec { network: Network::Deep, ..spec };
        let mixed = save(&About::new(&other, 3, None), &net, &loss, &sgd).unwrap();
        assert!(matches!(load(&mixed), Err(CheckpointError::Tensor(_))));
    }

    #[test]
    fn the_kept_checkpoints_of_a_run_fill_about_a_gigabyte_at_most() {
        let every = |width, epochs| default_every(Network::Deep, width, epochs);
        assert_eq!([every(0.25, 8), every(0.25, 1000), every(1.0, 16), every(2.0, 16)], [1, 8, 3, 0]);
    }
}
