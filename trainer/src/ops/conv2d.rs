//! The 5×5 convolution, stride 1, padding 2, no bias, and its two gradients.

use super::{im2col, winograd};

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

/// Winograd's maps need channels to fill vectors,
const WINOGRAD_CHANNELS: usize = 8;
/// and with fewer products than this for each tap there is little to save: the direct sum is preferred for its smaller
/// rounding errors.
const WINOGRAD_PRODUCTS: usize = 1 << 22;

impl ConvShape {
    fn pays_for_winograd(self) -> bool {
        self.in_channels >= WINOGRAD_CHANNELS
            && self.pixels() * self.in_channels * self.out_channels >= WINOGRAD_PRODUCTS
    }
}

/// Multiplications that one pass (forward, or one of the two gradients) leaves to matrix products.
pub fn products(shape: ConvShape) -> usize {
    let pairs = shape.in_channels * shape.out_channels;
    if shape.pays_for_winograd() { winograd::products(shape) } else { shape.pixels() * KERNEL * KERNEL * pairs }
}

/// `z = x ⋆ weight`, the cross-correlation that every deep-learning library calls convolution.
pub fn forward(shape: ConvShape, x: &[f32], weight: &[f32], z: &mut [f32]) {
    if shape.pays_for_winograd() {
        winograd::forward(shape, x, weight, z);
    } else {
        im2col::forward(shape, x, weight, z);
    }
}

/// The gradients of the weight and, where it is wanted, of the input, given the gradient `dz` of the output.
pub fn backward(shape: ConvShape, x: &[f32], weight: &[f32], dz: &[f32], dx: Option<&mut [f32]>, dw: &mut [f32]) {
    if shape.pays_for_winograd() {
        winograd::backward(shape, x, weight, dz, dx, dw);
    } else {
        im2col::backward(shape, x, weight, dz, dx, dw);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    type Forward = fn(ConvShape, &[f32], &[f32], &mut [f32]);
    type Backward = fn(ConvShape, &[f32], &[f32], &[f32], Option<&mut [f32]>, &mut [f32]);

    /// Every algorithm, with the relative rms error that single precision leaves it.
    const ALGORITHMS: [(&str, Forward, Backward, f64); 2] = [
        ("im2col", im2col::forward, im2col::backward, 1e-6),
        ("winograd", winograd::forward, winograd::backward, 1e-5),
    ];

    /// Odd and even sides, channel counts that fill no vector, a batch of one.
    const SHAPES: [(usize, usize, usize, usize); 9] = [
        (2, 28, 1, 3),
        (3, 28, 8, 16),
        (2, 14, 5, 7),
        (3, 14, 16, 24),
        (1, 7, 32, 8),
        (5, 7, 9, 33),
        (40, 7, 16, 16),
        (7, 3, 24, 10),
        (1, 1, 2, 2),
    ];

    fn random(rng: &mut ChaCha8Rng, len: usize) -> Vec<f32> {
        (0..len).map(|_| rng.random_range(-1.0..1.0)).collect()
    }

    /// Calls `f(index of x, index of w, index of z)` for each product of the convolution.
    fn for_products(shape: ConvShape, mut f: impl FnMut(usize, usize, usize)) {
        let (side, ci, co) = (shape.side, shape.in_channels, shape.out_channels);
        for pixel in 0..shape.pixels() {
            let (n, y, x) = (pixel / (side * side), pixel / side % side, pixel % side);
            for tap in 0..KERNEL * KERNEL {
                let (iy, ix) = (y + tap / KERNEL, x + tap % KERNEL);
                if iy < PADDING || ix < PADDING || iy - PADDING >= side || ix - PADDING >= side {
                    continue;
                }
                let from = (n * side + iy - PADDING) * side + ix - PADDING;
                for (i, o) in (0..ci).flat_map(|i| (0..co).map(move |o| (i, o))) {
                    f(from * ci + i, (tap * ci + i) * co + o, pixel * co + o);
                }
            }
        }
    }

    fn relative_rms(found: &[f32], exact: &[f64]) -> f64 {
        let difference: f64 = found.iter().zip(exact).map(|(f, e)| (*f as f64 - e).powi(2)).sum();
        (difference / exact.iter().map(|e| e * e).sum::<f64>()).sqrt()
    }

    /// The three results of each algorithm against plain sums in f64.
    #[test]
    fn every_algorithm_agrees_with_plain_sums() {
        for (batch, side, in_channels, out_channels) in SHAPES {
            let shape = ConvShape { batch, side, in_channels, out_channels };
            let mut rng = ChaCha8Rng::seed_from_u64(7);
            let (x, w) = (random(&mut rng, shape.input_len()), random(&mut rng, shape.weight_len()));
            let dz = random(&mut rng, shape.output_len());
            let (mut z, mut dx, mut dw) = (vec![0.0; dz.len()], vec![0.0; x.len()], vec![0.0; w.len()]);
            for_products(shape, |ix, iw, iz| {
                z[iz] += x[ix] as f64 * w[iw] as f64;
                dx[ix] += dz[iz] as f64 * w[iw] as f64;
                dw[iw] += dz[iz] as f64 * x[ix] as f64;
            });
            for (name, forward, backward, tolerance) in ALGORITHMS {
                // Whatever the outputs hold before is overwritten.
                let (mut fz, mut fdx, mut fdw) = (vec![9.0; dz.len()], vec![9.0; x.len()], vec![9.0; w.len()]);
                forward(shape, &x, &w, &mut fz);
                backward(shape, &x, &w, &dz, Some(&mut fdx), &mut fdw);
                for (what, found, exact) in [("z", &fz, &z), ("dx", &fdx, &dx), ("dw", &fdw, &dw)] {
                    let error = relative_rms(found, exact);
                    assert!(error < tolerance, "{name} {shape:?}: {what} is off by {error:e}");
                }
                let mut only_dw = vec![9.0; w.len()];
                backward(shape, &x, &w, &dz, None, &mut only_dw);
                assert!(only_dw == fdw, "{name} {shape:?}: dw depends on whether dx is wanted");
            }
        }
    }
}
