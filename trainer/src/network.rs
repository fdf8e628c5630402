//! The networks: a stack of conv blocks, a linear layer to the 2-D embedding, a linear layer to the logits.
//!
//! Tensors are kept channels-last (see [`crate::ops`]); `torch` has their names and layouts in PyTorch.

mod torch;

pub use torch::{Shapes, shapes};

use crate::event::CLASSES;
use crate::ops::block::{self, Parameters, RunningStats, Saved};
use crate::ops::conv2d::{ConvShape, KERNEL};
use crate::ops::scratch::{self, Scratch};
use crate::ops::with_numbers;
use crate::optim::Gradient;
use crate::rng;
use crate::spec::Network;
use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::{Linear, Module};

/// Dimensions of the embedding: it is drawn as it is, with no projection.
pub const EMBEDDING: usize = 2;

/// Output channels of each convolution, at width 1; `POOL` ends a block of the original.
const DEEP: &[usize] = &[32, 64, POOL, 128, 256, POOL, 512, 512, POOL, 256, 128, 64, POOL];
/// The shallow network is the deep one without its last four entries.
const SHALLOW_LAYERS: usize = 9;
const POOL: usize = 0;

/// A convolution as the table above lays it out.
pub(crate) struct Layer {
    /// Place in the original's `nn.Sequential`.
    index: usize,
    /// Pixels along one side, in and out alike.
    pub(crate) side: usize,
    /// Channels in.
    pub(crate) input: usize,
    /// Channels out.
    pub(crate) output: usize,
    /// Whether max-pool follows.
    pub(crate) pool: bool,
}

/// The convolutions of a network, and channels and side of the last one's output.
pub(crate) fn plan(network: Network, width: f64) -> (Vec<Layer>, (usize, usize)) {
    let table = match network {
        Network::Deep => DEEP,
        Network::Shallow => &DEEP[..SHALLOW_LAYERS],
    };
    let (mut channels, mut side) = (1, crate::data::SIDE);
    let mut layers: Vec<Layer> = Vec::new();
    for (index, &entry) in table.iter().enumerate() {
        if entry == POOL {
            if let Some(last) = layers.last_mut() {
                last.pool = true;
            }
            side /= 2;
            continue;
        }
        let output = ((entry as f64 * width) as usize).max(1);
        layers.push(Layer { index, side, input: channels, output, pool: false });
        channels = output;
    }
    (layers, (channels, side))
}

/// What a forward pass gives.
pub struct Output {
    /// (N, 2)
    pub embedding: Tensor,
    /// (N, 10)
    pub logits: Tensor,
}

/// What the backward pass needs of a forward pass in training mode.
pub enum Tape {
    /// On a CPU.
    Blocks {
        /// The last block's output, (N, features): where candle's gradient ends.
        features: Var,
        /// What each block kept, in forward order.
        saved: Vec<Saved>,
    },
    /// On a GPU candle's graph goes through the blocks.
    #[cfg(feature = "cuda")]
    Graph,
}

impl Output {
    /// The same numbers without the graph behind them, which holds the memory of the whole pass.
    pub(crate) fn detach(&self) -> Output {
        Output { embedding: self.embedding.detach(), logits: self.logits.detach() }
    }
}

/// Convolution, batch-norm, ReLU and perhaps max-pool.
struct ConvBlock {
    /// Place in the original's `nn.Sequential`, for PyTorch's names.
    index: usize,
    /// (5, 5, in, out); on a GPU (out, 5, 5, in)
    weight: Var,
    /// (2, out): γ and β
    scale_shift: Var,
    /// (2, out): running mean and variance
    stats: Var,
    pool: bool,
}

/// A network with its trainable variables.
pub struct CenterNet {
    blocks: Vec<ConvBlock>,
    /// (2, features): the features in (H, W, C) order.
    embed_weight: Var,
    embed_bias: Var,
    /// (10, 2)
    logits_weight: Var,
    logits_bias: Var,
    /// Channels and side of the last block's output.
    features: (usize, usize),
    device: Device,
}

impl CenterNet {
    /// A network with PyTorch's default initialisation (uniform in ±1/√fan_in; batch-norm 1 and 0) from `seed`.
    ///
    /// # Errors
    /// If the device has no memory left.
    pub fn new(network: Network, width: f64, seed: u64, device: &Device) -> Result<CenterNet> {
        let (layers, (channels, side)) = plan(network, width);
        let var = |shape: &[usize]| Var::zeros(shape, DType::F32, device);
        let mut blocks: Vec<ConvBlock> = Vec::new();
        for Layer { index, input, output, pool, .. } in layers {
            let scale_shift = Tensor::cat(
                &[Tensor::ones((1, output), DType::F32, device)?, Tensor::zeros((1, output), DType::F32, device)?],
                0,
            )?;
            blocks.push(ConvBlock {
                index,
                weight: var(&conv_shape(input, output, device))?,
                scale_shift: Var::from_tensor(&scale_shift)?,
                stats: RunningStats::place(output, device)?,
                pool,
            });
        }
        let net = CenterNet {
            blocks,
            embed_weight: var(&[EMBEDDING, side * side * channels])?,
            embed_bias: var(&[EMBEDDING])?,
            logits_weight: var(&[CLASSES, EMBEDDING])?,
            logits_bias: var(&[CLASSES])?,
            features: (channels, side),
            device: device.clone(),
        };
        // The linear layers have the deep network's numbers in both, so that two networks of one seed begin with the
        // same values wherever their shapes agree.
        let convolutions = net.blocks.len() as u64;
        let all = DEEP.iter().filter(|&&layer| layer != POOL).count() as u64;
        net.fill(|tensor, shape, fan_in| {
            let tensor = if tensor < convolutions { tensor } else { tensor - convolutions + all };
            rng::initial_weights(seed, tensor, shape.iter().product(), 1.0 / (fan_in as f64).sqrt())
        })?;
        Ok(net)
    }

    /// Every trainable variable.
    pub fn variables(&self) -> Vec<Var> {
        let blocks = self.blocks.iter().flat_map(|b| [&b.weight, &b.scale_shift]);
        let linear = [&self.embed_weight, &self.embed_bias, &self.logits_weight, &self.logits_bias];
        blocks.chain(linear).cloned().collect()
    }

    /// How many trainable numbers there are.
    pub fn parameter_count(&self) -> usize {
        self.variables().iter().map(|v| v.elem_count()).sum()
    }

    /// Training mode: batch statistics, which also move the running ones. `images`: (N, 28, 28, 1) in [0, 1].
    ///
    /// # Errors
    /// If the shape is another.
    pub fn forward_train(&self, images: &Tensor) -> Result<(Output, Tape)> {
        #[cfg(feature = "cuda")]
        if self.device.is_cuda() {
            return Ok((self.forward_on_gpu(images, crate::ops::cuda::block::forward_train)?, Tape::Graph));
        }
        let mut saved = Vec::with_capacity(self.blocks.len());
        let features = self.forward_blocks(images, |block, shape, x, parameters| {
            let mut stats = RunningStats::of(&block.stats)?;
            let (y, kept) = block::forward_train(shape, x, parameters, &mut stats, block.pool);
            stats.put(&block.stats)?;
            saved.push(kept);
            Ok(y)
        })?;
        let features = Var::from_tensor(&features)?;
        Ok((self.head(&features)?, Tape::Blocks { features, saved }))
    }

    /// The gradients of `loss`, a scalar of the output that came with `tape`: `found(variable, gradient)` is called for each
    /// trainable variable as soon as its gradient is known, which it may then change: a network's gradients need not all be
    /// held at once. Returns those of the other variables that the loss depends on.
    ///
    /// # Errors
    /// Those of `found`, or if the device fails.
    pub fn backward(
        &self,
        tape: Tape,
        loss: &Tensor,
        mut found: impl FnMut(&Var, Gradient<'_>) -> Result<()>,
    ) -> Result<GradStore> {
        // Candle differentiates the loss and the linear layers; from the features down it is a walk back along the tape.
        let mut gradients = loss.backward()?;
        for variable in self.variables() {
            if let Some(gradient) = gradients.remove(&variable) {
                found(&variable, Gradient::Tensor(&gradient))?;
            }
        }
        let (features, saved) = match tape {
            Tape::Blocks { features, saved } => (features, saved),
            #[cfg(feature = "cuda")]
            Tape::Graph => return Ok(gradients),
        };
        let Some(dy) = gradients.remove(&features) else { return Ok(gradients) };
        let mut dy = scratch::copy(&dy.flatten_all()?.to_vec1::<f32>()?);
        for (index, (block, saved)) in self.blocks.iter().zip(saved).enumerate().rev() {
            // Only the first block's input, the images, has no use for a gradient.
            let gradients = with_numbers(&block.weight, |weight| saved.backward(weight, dy, index > 0))?;
            found(&block.weight, Gradient::Numbers(&gradients.weight))?;
            found(&block.scale_shift, Gradient::Numbers(&gradients.scale_shift))?;
            let Some(dx) = gradients.x else { break };
            dy = dx;
        }
        Ok(gradients)
    }

    /// Evaluation mode: running statistics; not differentiable. `images`: (N, 28, 28, 1) in [0, 1].
    ///
    /// # Errors
    /// If the shape is another.
    pub fn forward_eval(&self, images: &Tensor) -> Result<Output> {
        #[cfg(feature = "cuda")]
        if self.device.is_cuda() {
            return self.forward_on_gpu(images, crate::ops::cuda::block::forward_eval);
        }
        let features = self.forward_blocks(images, |block, shape, x, parameters| {
            Ok(block::forward_eval(shape, &x, parameters, &RunningStats::of(&block.stats)?, block.pool))
        })?;
        self.head(&features)
    }

    /// Runs the blocks one after the other as nodes of candle's graph.
    #[cfg(feature = "cuda")]
    fn forward_on_gpu(
        &self,
        images: &Tensor,
        run: impl Fn(&Tensor, &Tensor, &Tensor, &Var, bool) -> Result<Tensor>,
    ) -> Result<Output> {
        let mut hidden = images.to_dtype(crate::device::activation_type(&self.device)?)?;
        for block in &self.blocks {
            let weight = block.weight.to_dtype(hidden.dtype())?;
            hidden = run(&hidden, &weight, &block.scale_shift, &block.stats, block.pool)?;
        }
        self.head(&hidden.flatten_from(1)?.to_dtype(DType::F32)?)
    }

    /// Runs the blocks one after the other: `run(block, shape, input, parameters)` gives a block's output. Returns the last one's:
    /// (N, features).
    fn forward_blocks(
        &self,
        images: &Tensor,
        mut run: impl FnMut(&ConvBlock, ConvShape, Scratch, Parameters<'_>) -> Result<Scratch>,
    ) -> Result<Tensor> {
        let (batch, height, width, channels) = images.dims4()?;
        if (height, width, channels) != (crate::data::SIDE, crate::data::SIDE, 1) {
            candle_core::bail!("expected images of (N, 28, 28, 1), got {:?}", images.shape());
        }
        let mut hidden = with_numbers(images, scratch::copy)?;
        for (block, shape) in self.blocks.iter().zip(self.conv_shapes(batch)?) {
            hidden = with_numbers(&block.weight, |weight| {
                with_numbers(&block.scale_shift, |scale_shift| {
                    run(block, shape, hidden, Parameters { weight, scale_shift })
                })
            })???;
        }
        Tensor::from_slice(&hidden, (batch, hidden.len() / batch.max(1)), &self.device)
    }

    /// The sizes of each block's convolution for a batch, in forward order.
    ///
    /// # Errors
    /// Never: every weight has four dimensions.
    pub fn conv_shapes(&self, batch: usize) -> Result<Vec<ConvShape>> {
        let mut side = crate::data::SIDE;
        let shape_of = |block: &ConvBlock| {
            let (in_channels, out_channels) = block.channels()?;
            let shape = ConvShape { batch, side, in_channels, out_channels };
            side = if block.pool { side / 2 } else { side };
            Ok(shape)
        };
        self.blocks.iter().map(shape_of).collect()
    }

    /// The linear layers. `features`: (N, features).
    fn head(&self, features: &Tensor) -> Result<Output> {
        let linear = |w: &Var, b: &Var| Linear::new(w.as_tensor().clone(), Some(b.as_tensor().clone()));
        let embedding = linear(&self.embed_weight, &self.embed_bias).forward(features)?;
        let logits = linear(&self.logits_weight, &self.logits_bias).forward(&embedding)?;
        Ok(Output { embedding, logits })
    }

    /// Weight (10, 2) and bias (10) of the layer from embedding to logits: they draw the decision regions.
    ///
    /// # Errors
    /// If the device fails.
    pub fn logits_layer(&self) -> Result<([[f32; EMBEDDING]; CLASSES], [f32; CLASSES])> {
        let (weight, bias) = (self.logits_weight.to_vec2::<f32>()?, self.logits_bias.to_vec1::<f32>()?);
        Ok((std::array::from_fn(|k| [weight[k][0], weight[k][1]]), std::array::from_fn(|k| bias[k])))
    }
}

impl ConvBlock {
    /// Channels of the input and of the output.
    fn channels(&self) -> Result<(usize, usize)> {
        let (a, _, c, d) = self.weight.dims4()?;
        Ok(if self.weight.device().is_cpu() { (c, d) } else { (d, a) })
    }
}

/// Shape of a convolution's weight where the network is: see [`ConvBlock`].
fn conv_shape(input: usize, output: usize, device: &Device) -> [usize; 4] {
    if device.is_cpu() { [KERNEL, KERNEL, input, output] } else { [output, KERNEL, KERNEL, input] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// What pairs runs by seed: deep and shallow begin with the same numbers in every tensor that both have.
    #[test]
    fn networks_of_one_seed_begin_alike_where_their_shapes_agree() {
        let initial = |network| {
            let net = CenterNet::new(network, 0.125, 3, &Device::Cpu).unwrap();
            net.export(|v| Ok(v.as_tensor().clone())).unwrap().into_iter().collect::<BTreeMap<_, _>>()
        };
        let (deep, shallow) = (initial(Network::Deep), initial(Network::Shallow));
        let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for (name, tensor) in &shallow {
            let (deep, shallow) = (flat(&deep[name]), flat(tensor));
            match name.as_str() {
                "fc.weight" => assert_ne!(deep.len(), shallow.len(), "it reads features of another size"),
                // PyTorch draws a bias within 1/√fan_in: the same draw, within other bounds.
                "fc.bias" => assert!((deep[0] / shallow[0] - deep[1] / shallow[1]).abs() < 1e-4),
                _ => assert_eq!(deep, shallow, "{name}"),
            }
        }
        assert_ne!(flat(&deep["out.weight"]), vec![0.0; CLASSES * EMBEDDING]);
    }
}
