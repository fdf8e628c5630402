//! A network's numbers under PyTorch's names and in PyTorch's layouts: what a checkpoint holds, so that it loads into the same
//! `nn.Sequential` there.

use super::{CenterNet, EMBEDDING, Layer, plan};
use crate::event::CLASSES;
use crate::ops::conv2d::KERNEL;
use crate::spec::Network;
use candle_core::{Result, Tensor, Var};

/// Tensors by name, with their shapes.
pub type Shapes = Vec<(String, Vec<usize>)>;

/// Name and shape of each trainable tensor of a network, and of each running statistic, as [`CenterNet::export`] and
/// [`CenterNet::export_stats`] would name and shape them: known before a number is allocated.
pub fn shapes(network: Network, width: f64) -> (Shapes, Shapes) {
    let (layers, (channels, side)) = plan(network, width);
    let (mut trainable, mut stats) = (Vec::new(), Vec::new());
    for Layer { index, input, output, .. } in layers {
        trainable.push((format!("hidden.{index}.0.weight"), vec![output, input, KERNEL, KERNEL]));
        trainable.push((format!("hidden.{index}.1.weight"), vec![output]));
        trainable.push((format!("hidden.{index}.1.bias"), vec![output]));
        stats.push((format!("hidden.{index}.1.running_mean"), vec![output]));
        stats.push((format!("hidden.{index}.1.running_var"), vec![output]));
    }
    trainable.push(("fc.weight".into(), vec![EMBEDDING, channels * side * side]));
    trainable.push(("fc.bias".into(), vec![EMBEDDING]));
    trainable.push(("out.weight".into(), vec![CLASSES, EMBEDDING]));
    trainable.push(("out.bias".into(), vec![CLASSES]));
    (trainable, stats)
}

impl CenterNet {
    /// Sets the weights and biases of every convolution and linear layer: `values(number, PyTorch shape, fan_in)`, where
    /// tensors count from 0: convolutions in forward order, then fc.weight, fc.bias, out.weight, out.bias.
    ///
    /// # Errors
    /// If `values` returns another number of values than the shape holds.
    pub fn fill(&self, values: impl Fn(u64, &[usize], usize) -> Vec<f32>) -> Result<()> {
        let mut number = 0;
        let mut next = |shape: &[usize], fan_in: usize| {
            let tensor = Tensor::from_vec(values(number, shape, fan_in), shape, &self.device);
            number += 1;
            tensor
        };
        for block in &self.blocks {
            let (input, output) = block.channels()?;
            let tensor = next(&[output, input, KERNEL, KERNEL], input * KERNEL * KERNEL)?;
            block.weight.set(&conv_from_torch(&tensor)?)?;
        }
        let features = self.embed_weight.dim(1)?;
        self.embed_weight.set(&self.embed_from_torch(&next(&[EMBEDDING, features], features)?)?)?;
        self.embed_bias.set(&next(&[EMBEDDING], features)?)?;
        self.logits_weight.set(&next(&[CLASSES, EMBEDDING], EMBEDDING)?)?;
        self.logits_bias.set(&next(&[CLASSES], EMBEDDING)?)
    }

    /// A tensor of each variable – its value, its gradient, its velocity: `of` decides – under PyTorch's names and in
    /// PyTorch's layouts.
    ///
    /// # Errors
    /// Those of `of`.
    pub fn export(&self, of: impl Fn(&Var) -> Result<Tensor>) -> Result<Vec<(String, Tensor)>> {
        let mut out = Vec::new();
        for block in &self.blocks {
            let scale_shift = of(&block.scale_shift)?;
            out.push((format!("hidden.{}.0.weight", block.index), conv_to_torch(&of(&block.weight)?)?));
            out.push((format!("hidden.{}.1.weight", block.index), scale_shift.get(0)?));
            out.push((format!("hidden.{}.1.bias", block.index), scale_shift.get(1)?));
        }
        out.push(("fc.weight".into(), self.embed_to_torch(&of(&self.embed_weight)?)?));
        out.push(("fc.bias".into(), of(&self.embed_bias)?));
        out.push(("out.weight".into(), of(&self.logits_weight)?));
        out.push(("out.bias".into(), of(&self.logits_bias)?));
        Ok(out)
    }

    /// The running statistics of each batch-norm layer, under PyTorch's names.
    ///
    /// # Errors
    /// If the device fails.
    pub fn export_stats(&self) -> Result<Vec<(String, Tensor)>> {
        let mut out = Vec::new();
        for block in &self.blocks {
            out.push((format!("hidden.{}.1.running_mean", block.index), block.stats.get(0)?));
            out.push((format!("hidden.{}.1.running_var", block.index), block.stats.get(1)?));
        }
        Ok(out)
    }

    /// The way back from [`CenterNet::export`]: hands `into` each variable with the tensor that `of` has under PyTorch's
    /// name, in the variable's own layout.
    ///
    /// # Errors
    /// Those of `of` and `into`, or a tensor of another shape.
    pub fn import(
        &self,
        of: impl Fn(&str) -> Result<Tensor>,
        mut into: impl FnMut(&Var, &Tensor) -> Result<()>,
    ) -> Result<()> {
        for block in &self.blocks {
            let part = |name: &str| of(&format!("hidden.{}.{name}", block.index));
            into(&block.weight, &conv_from_torch(&part("0.weight")?)?)?;
            into(&block.scale_shift, &Tensor::stack(&[part("1.weight")?, part("1.bias")?], 0)?)?;
        }
        into(&self.embed_weight, &self.embed_from_torch(&of("fc.weight")?)?)?;
        into(&self.embed_bias, &of("fc.bias")?)?;
        into(&self.logits_weight, &of("out.weight")?)?;
        into(&self.logits_bias, &of("out.bias")?)
    }

    /// Sets the running statistics of each batch-norm layer: the way back from [`CenterNet::export_stats`].
    ///
    /// # Errors
    /// Those of `of`, or a tensor of another shape.
    pub fn import_stats(&self, of: impl Fn(&str) -> Result<Tensor>) -> Result<()> {
        for block in &self.blocks {
            let part = |name: &str| of(&format!("hidden.{}.1.{name}", block.index));
            block.stats.set(&Tensor::stack(&[part("running_mean")?, part("running_var")?], 0)?)?;
        }
        Ok(())
    }

    /// (2, H·W·C) to (2, C·H·W).
    fn embed_to_torch(&self, weight: &Tensor) -> Result<Tensor> {
        let (channels, side) = self.features;
        weight.reshape((EMBEDDING, side, side, channels))?.permute((0, 3, 1, 2))?.contiguous()?.flatten_from(1)
    }

    fn embed_from_torch(&self, weight: &Tensor) -> Result<Tensor> {
        let (channels, side) = self.features;
        weight.reshape((EMBEDDING, channels, side, side))?.permute((0, 2, 3, 1))?.contiguous()?.flatten_from(1)
    }
}

/// From that shape to (out, in, 5, 5).
fn conv_to_torch(weight: &Tensor) -> Result<Tensor> {
    let order = if weight.device().is_cpu() { [3, 2, 0, 1] } else { [0, 3, 1, 2] };
    weight.permute(order)?.contiguous()
}

fn conv_from_torch(weight: &Tensor) -> Result<Tensor> {
    let order = if weight.device().is_cpu() { [2, 3, 1, 0] } else { [0, 2, 3, 1] };
    weight.permute(order)?.contiguous()
}
