//! The 5×5 convolution, stride 1, padding 2, no bias, and its two gradients.

use super::im2col;

/// Taps along one side of the kernel.
pub const KERNEL: usize = 5;
/// Rows and columns of zeros around the image.
pub const PADDING: usize = 2;

/// Sizes of a convolution; images are square.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Images.
    pub batch: usize,
    /// Pixels along one side, of input and output alike.
    pub side: usize,
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the output.
    pub out_channels: usize,
}

impl ConvShape {
    /// Pixels of the whole batch.
    pub fn pixels(&self) -> usize {
        self.batch * self.side * self.side
    }

    /// Numbers in the input, (N, H, W, in).
    pub fn input_len(&self) -> usize {
        self.pixels() * self.in_channels
    }

    /// Numbers in the output, (N, H, W, out).
    pub fn output_len(&self) -> usize {
        self.pixels() * self.out_channels
    }

    /// Numbers in the weight, (5, 5, in, out).
    pub fn weight_len(&self) -> usize {
        KERNEL * KERNEL * self.in_channels * self.out_channels
    }
}

/// `z = x ⋆ weight`, the cross-correlation that every deep-learning library calls convolution.
pub fn forward(shape: ConvShape, x: &[f32], weight: &[f32], z: &mut [f32]) {
    im2col::forward(shape, x, weight, z);
}

/// The gradients of the weight and, where it is wanted, of the input, given the gradient `dz` of the output.
pub fn backward(shape: ConvShape, x: &[f32], weight: &[f32], dz: &[f32], dx: Option<&mut [f32]>, dw: &mut [f32]) {
    im2col::backward(shape, x, weight, dz, dx, dw);
}
