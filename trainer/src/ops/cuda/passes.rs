//! Which kernel is launched on what, in which order and geometry: said once, for the GPU and for the C++ machine on which the
//! test suite runs the kernels.

use super::super::activation::EPSILON;
use super::super::block::MOMENTUM;
use super::super::conv2d::ConvShape;
use candle_core::Result;

/// Threads of a block where each thread has a number of its own.
const THREADS: usize = 256;
/// As in `kernels.cu`: a block that sums over pixels.
const CHANNELS: usize = 32;
const LANES: usize = 8;
/// Pixels that a thread sums at least, and blocks that a sum is spread over at most: sizes alone decide, so that sums have
/// the same bits on every GPU.
const PIXELS_A_THREAD: usize = 16;
const BLOCKS: usize = 1024;
/// As in `kernels.cu`.
const LOSS_THREADS: usize = 256;

/// A place in the memory of whatever runs the kernels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address(pub(super) u64);

impl Address {
    const NULL: Address = Address(0);
}

/// An operand of a kernel in the low bytes of a word: an address, a whole number (i32) or an f32.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word(pub(super) u64);

impl From<Address> for Word {
    fn from(address: Address) -> Word {
        Word(address.0)
    }
}

impl From<usize> for Word {
    fn from(number: usize) -> Word {
        debug_assert!(i32::try_from(number).is_ok(), "kernels count in 32 bits");
        Word(number as u64)
    }
}

impl From<f32> for Word {
    fn from(number: f32) -> Word {
        Word(number.to_bits().into())
    }
}

/// Blocks of a grid and threads of a block, along x and y.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) grid: [usize; 2],
    pub(super) block: [usize; 2],
}

impl Geometry {
    /// A thread for each of `len` numbers.
    fn each(len: usize) -> Geometry {
        Geometry { grid: [len.div_ceil(THREADS), 1], block: [THREADS, 1] }
    }

    /// Sums over `pixels` for each channel, in parts along y.
    fn sums(pixels: usize, channels: usize) -> Geometry {
        Geometry { grid: [channels.div_ceil(CHANNELS), parts(pixels, channels)], block: [CHANNELS, LANES] }
    }

    /// The parts of such sums together.
    fn totals(channels: usize) -> Geometry {
        Geometry { grid: [channels.div_ceil(CHANNELS), 1], block: [CHANNELS, LANES] }
    }
}

fn parts(pixels: usize, channels: usize) -> usize {
    pixels.div_ceil(LANES * PIXELS_A_THREAD).clamp(1, (BLOCKS / channels.div_ceil(CHANNELS)).max(1))
}

/// Floats that the partial sums over `pixels` take.
pub(super) fn partial_len(pixels: usize, channels: usize) -> usize {
    parts(pixels, channels) * 2 * channels
}

/// Whatever runs kernels, one after another.
pub(super) trait Machine {
    /// Launches the kernel of that name.
    fn launch(&self, kernel: &str, geometry: Geometry, operands: &[Word]) -> Result<()>;
}

macro_rules! words {
    ($($operand:expr),+ $(,)?) => { &[$(Word::from($operand)),+] };
}

/// Where a pooling pass keeps what the way back needs: (N, ⌊H/2⌋, ⌊H/2⌋, C) each.
#[derive(Clone, Copy)]
pub(super) struct PooledAt {
    /// Bytes: which pixel of its window was the first maximum.
    pub(super) argmax: Address,
    /// That pixel's z.
    pub(super) top: Address,
}

/// The passes of one block. `real` is the suffix of the kernels for the activations' type: `f32` or `bf16`.
#[derive(Clone, Copy)]
pub(super) struct BlockPasses<'a> {
    pub(super) machine: &'a dyn Machine,
    pub(super) shape: ConvShape,
    pub(super) real: &'static str,
    pub(super) pool: bool,
}

impl BlockPasses<'_> {
    fn launch(&self, kernel: &str, geometry: Geometry, operands: &[Word]) -> Result<()> {
        self.machine.launch(&format!("{kernel}_{}", self.real), geometry, operands)
    }

    /// Numbers of the block's output.
    pub(super) fn output_len(&self) -> usize {
        let side = if self.pool { self.shape.side / 2 } else { self.shape.side };
        self.shape.batch * side * side * self.shape.out_channels
    }

    /// From the convolution's output to `norm` (4, C); the batch joins `stats` (2, C). `partial`: [`partial_len`] floats of
    /// all pixels.
    pub(super) fn batch_norm(
        &self,
        z: Address,
        gamma_beta: Address,
        stats: Address,
        norm: Address,
        partial: Address,
    ) -> Result<()> {
        let (pixels, channels) = (self.shape.pixels(), self.shape.out_channels);
        let geometry = Geometry::sums(pixels, channels);
        self.launch("moment_sums", geometry, words![z, partial, pixels, channels])?;
        let parts = geometry.grid[1];
        self.launch(
            "moments",
            Geometry::totals(channels),
            words![partial, z, gamma_beta, stats, norm, parts, pixels, channels, EPSILON as f32, MOMENTUM as f32],
        )
    }

    /// ReLU, and max-pool where the block has one: from z to the block's output. `pooled`: where to keep what the way back
    /// needs, if it will be gone.
    pub(super) fn activate(&self, z: Address, norm: Address, y: Address, pooled: Option<PooledAt>) -> Result<()> {
        let (len, channels) = (self.output_len(), self.shape.out_channels);
        if !self.pool {
            return self.launch("activate", Geometry::each(len), words![z, norm, y, len, channels]);
        }
        let PooledAt { argmax, top } = pooled.unwrap_or(PooledAt { argmax: Address::NULL, top: Address::NULL });
        let operands = words![z, norm, y, argmax, top, self.shape.side, len, channels];
        self.launch("activate_and_pool", Geometry::each(len), operands)
    }

    /// From the gradient `dy` of the output to the gradient of z, in z's place, and to that of γ and β: `dparams` (2, C).
    /// `line` (2, C) is scratch, `partial` as well: [`partial_len`] floats of the output's pixels.
    pub(super) fn backward(&self, at: &BackwardAt) -> Result<()> {
        let (channels, output) = (self.shape.out_channels, self.output_len());
        let source = at.pooled.map_or(at.z, |pooled| pooled.top);
        let geometry = Geometry::sums(output / channels, channels);
        self.launch(
            "gradient_sums",
            geometry,
            words![source, at.dy, at.norm, at.partial, output / channels, channels],
        )?;
        let parts = geometry.grid[1];
        let totals = words![at.partial, at.norm, at.dparams, at.line, parts, self.shape.pixels(), channels];
        self.machine.launch("gradient_totals", Geometry::totals(channels), totals)?;
        let len = self.shape.output_len();
        match at.pooled {
            None => self.launch("to_dz", Geometry::each(len), words![at.z, at.norm, at.line, at.dy, len, channels]),
            Some(PooledAt { argmax, .. }) => {
                let operands = words![at.z, at.norm, at.line, at.dy, argmax, self.shape.side, len, channels];
                self.launch("to_dz_through_windows", Geometry::each(len), operands)
            }
        }
    }

    /// The convolution as a plain sum, for shapes that cuDNN refuses: x, weight (out, 5, 5, in) and z.
    pub(super) fn conv_forward(&self, x: Address, weight: Address, z: Address) -> Result<()> {
        self.conv("conv_forward", self.shape.output_len(), [x, weight, z])
    }

    /// Its gradient with respect to x.
    pub(super) fn conv_backward_data(&self, dz: Address, weight: Address, dx: Address) -> Result<()> {
        self.conv("conv_backward_data", self.shape.input_len(), [dz, weight, dx])
    }

    /// Its gradient with respect to the weight.
    pub(super) fn conv_backward_filter(&self, x: Address, dz: Address, dw: Address) -> Result<()> {
        self.conv("conv_backward_filter", self.shape.weight_len(), [x, dz, dw])
    }

    fn conv(&self, kernel: &str, len: usize, [a, b, c]: [Address; 3]) -> Result<()> {
        let ConvShape { batch, side, in_channels, out_channels } = self.shape;
        self.launch(kernel, Geometry::each(len), words![a, b, c, batch, side, in_channels, out_channels])
    }
}

/// Operands of [`BlockPasses::backward`].
pub(super) struct BackwardAt {
    pub(super) z: Address,
    pub(super) norm: Address,
    pub(super) dy: Address,
    pub(super) pooled: Option<PooledAt>,
    pub(super) partial: Address,
    pub(super) dparams: Address,
    pub(super) line: Address,
}

/// Batch-norm in evaluation mode: `norm` (4, C) from the running statistics (2, C).
pub(super) fn norm_from_stats(
    machine: &dyn Machine,
    stats: Address,
    gamma_beta: Address,
    norm: Address,
    channels: usize,
) -> Result<()> {
    let operands = words![stats, gamma_beta, norm, channels, EPSILON as f32];
    machine.launch("norm_from_stats", Geometry::each(channels), operands)
}

/// Operands of [`gather`]: the data set (bytes), the indices to take, and where the images and labels go.
pub(super) struct GatherAt {
    pub(super) images: Address,
    pub(super) labels: Address,
    pub(super) order: Address,
    pub(super) out: Address,
    pub(super) labels_out: Address,
}

/// `count` images of `pixels` pixels by index, in [0, 1], and their labels.
pub(super) fn gather(machine: &dyn Machine, real: &str, at: &GatherAt, count: usize, pixels: usize) -> Result<()> {
    let operands = words![at.images, at.labels, at.order, at.out, at.labels_out, count, pixels];
    machine.launch(&format!("gather_{real}"), Geometry::each(count * pixels), operands)
}

/// Operands of [`loss`]; each gradient has the shape of what it is the gradient of.
pub(super) struct LossAt {
    pub(super) embedding: Address,
    pub(super) logits: Address,
    pub(super) centers: Address,
    pub(super) labels: Address,
    /// Total, cross entropy, center loss.
    pub(super) losses: Address,
    pub(super) dembedding: Address,
    pub(super) dlogits: Address,
    pub(super) dcenters: Address,
}

/// Cross entropy and center loss of a batch, and their gradients.
pub(super) fn loss(machine: &dyn Machine, at: &LossAt, batch: usize, root: bool, lambda: f32) -> Result<()> {
    let LossAt { embedding, logits, centers, labels, losses, dembedding, dlogits, dcenters } = *at;
    let geometry = Geometry { grid: [1, 1], block: [LOSS_THREADS, 1] };
    let operands = words![
        embedding,
        logits,
        centers,
        labels,
        losses,
        dembedding,
        dlogits,
        dcenters,
        batch,
        usize::from(root),
        lambda
    ];
    machine.launch("loss", geometry, operands)
}

/// One step of momentum SGD over `len` numbers: parameter, velocity, gradient.
pub(super) fn momentum_step(
    machine: &dyn Machine,
    [parameter, velocity, gradient]: [Address; 3],
    len: usize,
    lr: f32,
    momentum: f32,
) -> Result<()> {
    let operands = words![parameter, velocity, gradient, len, lr, momentum];
    machine.launch("momentum_step", Geometry::each(len), operands)
}
