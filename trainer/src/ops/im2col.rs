//! The convolution as a matrix product: every output pixel's 5×5 neighbourhood becomes one row of a matrix
//! (pixels, 25·in), which is multiplied by the weight seen as (25·in, out).

use super::conv2d::{ConvShape, KERNEL, PADDING};
use super::matmul::{Into, Matrix, matmul};
use super::scratch;
use rayon::prelude::*;

/// The weight's gradient is a sum over images. It is summed in this many parts, always, so that its bits don't
/// depend on how many threads there are.
const PARTS: usize = 8;

impl ConvShape {
    fn taps(&self) -> usize {
        KERNEL * KERNEL * self.in_channels
    }

    fn image_pixels(&self) -> usize {
        self.side * self.side
    }
}

/// See [`super::conv2d::forward`].
pub fn forward(shape: ConvShape, x: &[f32], weight: &[f32], z: &mut [f32]) {
    let (pixels, taps) = (shape.image_pixels(), shape.taps());
    let (input, output) = (pixels * shape.in_channels, pixels * shape.out_channels);
    z.par_chunks_mut(output).zip(x.par_chunks(input)).for_each(|(z, x)| {
        let mut rows = scratch::take(pixels * taps);
        unfold(shape, x, &mut rows);
        matmul(z, Into::Replace, Matrix::new(&rows, pixels, taps), Matrix::new(weight, taps, shape.out_channels));
    });
}

/// See [`super::conv2d::backward`].
pub fn backward(shape: ConvShape, x: &[f32], weight: &[f32], dz: &[f32], dx: Option<&mut [f32]>, dw: &mut [f32]) {
    let (pixels, taps) = (shape.image_pixels(), shape.taps());
    let (input, output) = (pixels * shape.in_channels, pixels * shape.out_channels);

    let images_a_part = shape.batch.div_ceil(PARTS);
    let parts: Vec<Vec<f32>> = x
        .par_chunks(input * images_a_part)
        .zip(dz.par_chunks(output * images_a_part))
        .map(|(x, dz)| {
            let mut rows = scratch::take(pixels * taps);
            let mut sum = vec![0.0; dw.len()];
            for (x, dz) in x.chunks(input).zip(dz.chunks(output)) {
                unfold(shape, x, &mut rows);
                let rows = Matrix::new(&rows, pixels, taps);
                matmul(&mut sum, Into::Add, rows.t(), Matrix::new(dz, pixels, shape.out_channels));
            }
            sum
        })
        .collect();
    dw.fill(0.0);
    for part in &parts {
        dw.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }

    let Some(dx) = dx else { return };
    dx.par_chunks_mut(input).zip(dz.par_chunks(output)).for_each(|(dx, dz)| {
        let mut rows = scratch::take(pixels * taps);
        let weight = Matrix::new(weight, taps, shape.out_channels);
        matmul(&mut rows, Into::Replace, Matrix::new(dz, pixels, shape.out_channels), weight.t());
        fold(shape, &rows, dx);
    });
}

/// Rows of the kernel, and the run of its columns, that lie inside the image for the output pixel (y, x):
/// calls `f(first number in the image, first number in the row, how many numbers)`.
#[inline(always)]
fn for_each_run(shape: ConvShape, y: usize, x: usize, mut f: impl FnMut(usize, usize, usize)) {
    let (side, channels) = (shape.side, shape.in_channels);
    let first = PADDING.saturating_sub(x);
    let last = KERNEL.min(side + PADDING - x);
    for ky in PADDING.saturating_sub(y)..KERNEL.min(side + PADDING - y) {
        let image = ((y + ky - PADDING) * side + x + first - PADDING) * channels;
        f(image, (ky * KERNEL + first) * channels, (last - first) * channels);
    }
}

/// One image (H, W, in) to its rows (H·W, 25·in); zeros where the kernel hangs over the border.
fn unfold(shape: ConvShape, image: &[f32], rows: &mut [f32]) {
    for (pixel, row) in rows.chunks_exact_mut(shape.taps()).enumerate() {
        row.fill(0.0);
        for_each_run(shape, pixel / shape.side, pixel % shape.side, |from, to, len| {
            row[to..to + len].copy_from_slice(&image[from..from + len]);
        });
    }
}

/// The adjoint of [`unfold`]: adds every row (H·W, 25·in) back into the image (H, W, in).
fn fold(shape: ConvShape, rows: &[f32], image: &mut [f32]) {
    image.fill(0.0);
    for (pixel, row) in rows.chunks_exact(shape.taps()).enumerate() {
        for_each_run(shape, pixel / shape.side, pixel % shape.side, |to, from, len| {
            image[to..to + len].iter_mut().zip(&row[from..from + len]).for_each(|(sum, part)| *sum += part);
        });
    }
}
