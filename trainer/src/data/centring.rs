//! MNIST's layout, for whatever is drawn: the longer side 20 pixels, the center of mass in the middle of 28×28.
//!
//! As <http://yann.lecun.com/exdb/mnist/> tells it: digits were scaled to fit a box of 20×20 pixels with their aspect ratio
//! kept, which by anti-aliasing gave them grey levels, and moved so that their center of mass is in the middle of 28×28.

use super::{PIXELS, SIDE};

/// Longer side of a digit, pen included, in pixels.
pub(super) const LONGER_SIDE: f32 = 20.0;

/// A number for each pixel, by row and column.
pub(super) type Grid = [[f32; SIDE]; SIDE];

/// A drawing as MNIST would show it. `drawing`: `side` × `side` grey pixels, row by row; 0 is the background. `None` where
/// nothing is drawn, or the number of pixels is another.
pub fn like_mnist(drawing: &[u8], side: usize) -> Option<[u8; PIXELS]> {
    if drawing.len() != side.checked_mul(side)? {
        return None;
    }
    let inked = |along: fn(usize, usize) -> usize| {
        let mut places = (0..drawing.len()).filter(|&i| drawing[i] > 0).map(|i| along(i, side));
        let first = places.next()?;
        Some(places.fold((first, first + 1), |(low, high), at| (low.min(at), high.max(at + 1))))
    };
    let (left, right) = inked(|i, side| i % side)?;
    let (top, bottom) = inked(|i, side| i / side)?;
    let step = (right - left).max(bottom - top) as f32 / LONGER_SIDE;
    // Pixel x of the image covers this stretch of the drawing; the drawing's box lies in the middle.
    let stretch = |low: usize, high: usize, x: usize| {
        let from = (low + high) as f32 / 2.0 + (x as f32 - SIDE as f32 / 2.0) * step;
        (from, from + step)
    };
    let mut ink = [[0.0; SIDE]; SIDE];
    for (y, row) in ink.iter_mut().enumerate() {
        let (from_y, to_y) = stretch(top, bottom, y);
        for (x, value) in row.iter_mut().enumerate() {
            let (from_x, to_x) = stretch(left, right, x);
            // The mean over the area: what MNIST's anti-aliasing did.
            let mut sum = 0.0;
            for v in cells(from_y, to_y, side) {
                for u in cells(from_x, to_x, side) {
                    let area = overlap(from_y, to_y, v) * overlap(from_x, to_x, u);
                    sum += area * f32::from(drawing[v * side + u]) / 255.0;
                }
            }
            *value = sum / (step * step);
        }
    }
    let mut image = [0; PIXELS];
    centre(&ink, 1.0, &mut image);
    Some(image)
}

/// The pixels that the stretch from `from` to `to` touches.
fn cells(from: f32, to: f32, side: usize) -> std::ops::Range<usize> {
    (from.floor().max(0.0) as usize).min(side)..(to.ceil().max(0.0) as usize).min(side)
}

/// How much of pixel `at` lies between `from` and `to`.
fn overlap(from: f32, to: f32, at: usize) -> f32 {
    (to.min(at as f32 + 1.0) - from.max(at as f32)).max(0.0)
}

/// Writes `ink` times `gain` to `image`, moved by whole pixels so that its center of mass is in the middle.
pub(super) fn centre(ink: &Grid, gain: f32, image: &mut [u8]) {
    let (mut mass, mut mass_x, mut mass_y) = (1e-9, 0.0, 0.0);
    for (y, row) in ink.iter().enumerate() {
        for (x, &value) in row.iter().enumerate() {
            mass += value;
            mass_x += value * (x as f32 + 0.5);
            mass_y += value * (y as f32 + 0.5);
        }
    }
    let middle = SIDE as f32 / 2.0;
    let (right, down) = ((middle - mass_x / mass).round() as isize, (middle - mass_y / mass).round() as isize);
    for (i, pixel) in image.iter_mut().enumerate() {
        let from_x = ((i % SIDE) as isize).checked_sub(right).filter(|x| (0..SIDE as isize).contains(x));
        let from_y = ((i / SIDE) as isize).checked_sub(down).filter(|y| (0..SIDE as isize).contains(y));
        if let (Some(x), Some(y)) = (from_x, from_y) {
            *pixel = ((ink[y as usize][x as usize] * gain).min(1.0) * 255.0) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A filled rectangle on a drawing of `side` pixels.
    fn rectangle(side: usize, x: std::ops::Range<usize>, y: std::ops::Range<usize>) -> Vec<u8> {
        let inked = |i: usize| x.contains(&(i % side)) && y.contains(&(i / side));
        (0..side * side).map(|i| if inked(i) { 255 } else { 0 }).collect()
    }

    #[test]
    fn wherever_and_however_large_it_is_drawn_the_image_is_the_same() {
        let expected: Vec<u8> = rectangle(SIDE, 10..18, 4..24);
        for (side, x, y) in [(112, 16..48, 30..110), (28, 0..8, 8..28), (64, 2..18, 1..41), (56, 40..44, 3..13)] {
            let image = like_mnist(&rectangle(side, x, y), side).unwrap();
            let off = image.iter().zip(&expected).map(|(&a, &b)| a.abs_diff(b)).max().unwrap();
            assert!(off <= 1, "a rectangle on {side} pixels is off by {off}");
        }
    }

    #[test]
    fn it_is_the_mass_that_is_centred() {
        // A bar with a heavy foot: the box would put the foot at the bottom, the mass lifts it.
        let mut drawing = rectangle(100, 45..55, 10..70);
        for (i, ink) in rectangle(100, 20..80, 70..90).into_iter().enumerate() {
            drawing[i] = drawing[i].max(ink);
        }
        let image = like_mnist(&drawing, 100).unwrap();
        let mass = |along: fn(usize) -> usize| {
            let weighted = image.iter().enumerate().map(|(i, &v)| f64::from(v) * (along(i) as f64 + 0.5));
            weighted.sum::<f64>() / image.iter().map(|&v| f64::from(v)).sum::<f64>()
        };
        let (x, y) = (mass(|i| i % SIDE), mass(|i| i / SIDE));
        assert!((x - 14.0).abs() <= 0.51 && (y - 14.0).abs() <= 0.51, "{x}, {y}");
    }

    #[test]
    fn nothing_drawn_is_no_digit() {
        assert_eq!(like_mnist(&[0; 784], 28), None);
        assert_eq!(like_mnist(&[1; 783], 28), None);
        assert_eq!(like_mnist(&[], 0), None);
        assert_eq!(like_mnist(&[1], usize::MAX), None);
        assert!(like_mnist(&[200], 1).is_some(), "a single dot fills the box");
    }
}
