//! Draws handwriting-like digits, for machines with neither MNIST nor a network.
//!
//! Each digit is a template's strokes after an unsteady hand (jitter of the control points), a common warp, a slant and
//! a squeeze, drawn with a pen that varies, blurred, and then sized and centred as MNIST's images were: the longer side
//! 20 pixels, the center of mass in the middle. How real they are is measured by transfer: a network trained only on
//! these must recognise MNIST.

use super::centring::{Grid, LONGER_SIDE, centre};
use super::templates::{Point, Stroke, between, sin_cos, strokes};
use super::{Dataset, Images, PIXELS, SIDE};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// How many of the generated digits are for training.
pub const TRAIN_IMAGES: usize = 12_000;
const TEST_IMAGES: usize = 2_000;
/// Anything: it only has to stay the same, so that two machines draw the same digits.
const SEED: u64 = 0x00d1_6175;
/// Straight pieces between two control points.
const PIECES: usize = 6;

/// What people read.
pub const NAME: &str = "generated digits";

/// The generated digits: always the same ones, on every machine and any number of threads.
pub(super) fn dataset() -> Dataset {
    let train = images(0, TRAIN_IMAGES);
    let test = images(TRAIN_IMAGES, TEST_IMAGES);
    Dataset::new("generated", NAME, train, test)
}

/// Images `first` to `first + count` of the endless sequence of generated digits.
fn images(first: usize, count: usize) -> Images {
    let mut pixels = vec![0; count * PIXELS];
    let mut labels = vec![0; count];
    pixels.par_chunks_exact_mut(PIXELS).zip(&mut labels).enumerate().for_each(|(i, (image, label))| {
        // A stream of its own for each image: what it looks like doesn't depend on who drew the others.
        let mut rng = ChaCha8Rng::seed_from_u64(SEED);
        rng.set_stream((first + i) as u64);
        *label = rng.random_range(0..10);
        draw(*label, &mut rng, image);
    });
    Images { pixels: pixels.into(), labels: labels.into() }
}

/// A number around zero whose variance is one: the sum of four uniform ones, which needs no logarithm, whose last bit
/// would differ between machines.
fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let sum: f32 = (0..4).map(|_| rng.random::<f32>()).sum();
    (sum - 2.0) * 3.0_f32.sqrt()
}

/// Draws one digit of `class` on the black `image`.
fn draw(class: u8, rng: &mut ChaCha8Rng, image: &mut [u8]) {
    let mut curves: Vec<Stroke> = strokes(class, rng).into_iter().map(|stroke| smooth(&jitter(stroke, rng))).collect();
    warp(&mut curves, rng);
    slant(&mut curves, rng);
    // Most pens are fine, a few are broad.
    let broad = rng.random::<f32>();
    let pen = 0.65 + 0.7 * rng.random::<f32>() + 0.9 * broad * broad * broad * broad;
    fit(&mut curves, pen);
    let mut ink = [[0.0; SIDE]; SIDE];
    let paper = paper(rng);
    for curve in &curves {
        stroke_with_pen(curve, pen, &paper, rng, &mut ink);
    }
    blur(&mut ink, between(rng, 0.0, 0.14));
    let gain = between(rng, 1.05, 1.4);
    centre(&ink, gain, image);
}

/// Moves every control point a little.
fn jitter(mut stroke: Stroke, rng: &mut ChaCha8Rng) -> Stroke {
    let unsteadiness = between(rng, 0.005, 0.032);
    let mut last: Option<(Point, Point)> = None;
    for point in &mut stroke {
        // The two halves of a corner move together.
        let moved = match last {
            Some((before, after)) if before == *point => after,
            _ => point.map(|v| v + unsteadiness * normal(rng)),
        };
        last = Some((*point, moved));
        *point = moved;
    }
    stroke
}

/// A Catmull-Rom curve through the control points, as a polyline; it breaks off and starts anew at corners.
fn smooth(stroke: &[Point]) -> Stroke {
    let mut polyline = Vec::with_capacity(stroke.len() * PIECES);
    for pair in 0..stroke.len().saturating_sub(1) {
        let (b, c) = (stroke[pair], stroke[pair + 1]);
        if b == c {
            continue;
        }
        // Beyond an end or a corner the curve is thought to go straight on.
        let a = pair.checked_sub(1).map(|i| stroke[i]).filter(|&a| a != b);
        let a = a.unwrap_or([2.0 * b[0] - c[0], 2.0 * b[1] - c[1]]);
        let d = stroke.get(pair + 2).copied().filter(|&d| d != c);
        let d = d.unwrap_or([2.0 * c[0] - b[0], 2.0 * c[1] - b[1]]);
        for piece in 0..PIECES {
            let t = piece as f32 / PIECES as f32;
            polyline.push([0, 1].map(|k| {
                let (linear, square) = (c[k] - a[k], 2.0 * a[k] - 5.0 * b[k] + 4.0 * c[k] - d[k]);
                let cube = 3.0 * b[k] - a[k] - 3.0 * c[k] + d[k];
                b[k] + 0.5 * t * (linear + t * (square + t * cube))
            }));
        }
    }
    polyline.extend(stroke.last());
    polyline
}

/// Bends the plane by two slow waves along each axis.
fn warp(curves: &mut [Stroke], rng: &mut ChaCha8Rng) {
    let strength = between(rng, 0.0, 0.065);
    let waves: [[f32; 4]; 4] = std::array::from_fn(|_| {
        let (sin, cos) = sin_cos(between(rng, 0.0, 360.0));
        let degrees = between(rng, 120.0, 330.0);
        [degrees * cos, degrees * sin, between(rng, 0.0, 360.0), strength * normal(rng)]
    });
    for point in curves.iter_mut().flatten() {
        let [x, y] = *point;
        let shift = |[along_x, along_y, phase, height]: [f32; 4]| height * sin_cos(along_x * x + along_y * y + phase).0;
        *point = [x + shift(waves[0]) + shift(waves[1]), y + shift(waves[2]) + shift(waves[3])];
    }
}

/// Squeezes, slants and turns. Most people lean to the right.
fn slant(curves: &mut [Stroke], rng: &mut ChaCha8Rng) {
    let wide = rng.random::<f32>();
    let squeeze = between(rng, 0.55, 1.0) + 0.6 * wide * wide;
    let lean = 0.2 + 0.22 * normal(rng);
    let (sin, cos) = sin_cos(6.0 * normal(rng));
    for point in curves.iter_mut().flatten() {
        let x = (point[0] - 0.5) * squeeze - (point[1] - 0.5) * lean;
        let y = point[1] - 0.5;
        *point = [cos * x - sin * y, sin * x + cos * y];
    }
}

/// Scales to pixels, so that the longer side with the pen's radius `pen` is [`LONGER_SIDE`], around the middle.
fn fit(curves: &mut [Stroke], pen: f32) {
    let mut low = [f32::INFINITY; 2];
    let mut high = [f32::NEG_INFINITY; 2];
    for point in curves.iter().flatten() {
        for k in 0..2 {
            low[k] = low[k].min(point[k]);
            high[k] = high[k].max(point[k]);
        }
    }
    let scale = (LONGER_SIDE - 2.0 * pen) / (high[0] - low[0]).max(high[1] - low[1]);
    for point in curves.iter_mut().flatten() {
        for k in 0..2 {
            point[k] = (point[k] - (low[k] + high[k]) / 2.0) * scale + SIDE as f32 / 2.0;
        }
    }
}

/// How much farther than the pen the ink runs at each pixel, in pixels: scanned edges are rough.
fn paper(rng: &mut ChaCha8Rng) -> Grid {
    let roughness = between(rng, 0.0, 0.5);
    let mut paper = [[0.0; SIDE]; SIDE];
    for run in paper.iter_mut().flatten() {
        *run = between(rng, -roughness, roughness);
    }
    paper
}

/// Inks every pixel that the pen of radius `pen` covers on its way along `curve`.
fn stroke_with_pen(curve: &[Point], pen: f32, paper: &Grid, rng: &mut ChaCha8Rng, ink: &mut Grid) {
    let pressure = between(rng, 0.0, 0.25);
    let phase = between(rng, 0.0, 360.0);
    let pace = between(rng, 200.0, 600.0) / curve.len() as f32;
    for (i, ends) in curve.windows(2).enumerate() {
        let radius = pen * (1.0 + pressure * sin_cos(phase + pace * i as f32).0);
        let (a, b) = (ends[0], ends[1]);
        let along = [b[0] - a[0], b[1] - a[1]];
        let length = along[0] * along[0] + along[1] * along[1] + 1e-9;
        let reach = radius + 1.0;
        let range = |k: usize| {
            let low = (a[k].min(b[k]) - reach).floor().max(0.0) as usize;
            let high = (a[k].max(b[k]) + reach).ceil().clamp(0.0, SIDE as f32) as usize;
            low..high
        };
        for y in range(1) {
            for x in range(0) {
                let from_a = [x as f32 + 0.5 - a[0], y as f32 + 0.5 - a[1]];
                let t = ((from_a[0] * along[0] + from_a[1] * along[1]) / length).clamp(0.0, 1.0);
                let (dx, dy) = (from_a[0] - t * along[0], from_a[1] - t * along[1]);
                let cover = (radius + paper[y][x] + 0.5 - (dx * dx + dy * dy).sqrt()).clamp(0.0, 1.0);
                ink[y][x] = ink[y][x].max(cover);
            }
        }
    }
}

/// Gives each pixel's neighbours the part `share` of its ink, along both axes.
fn blur(ink: &mut Grid, share: f32) {
    let middle = 1.0 - 2.0 * share;
    let source = *ink;
    for y in 0..SIDE {
        for x in 1..SIDE - 1 {
            ink[y][x] = middle * source[y][x] + share * (source[y][x - 1] + source[y][x + 1]);
        }
    }
    let source = *ink;
    for y in 1..SIDE - 1 {
        for x in 0..SIDE {
            ink[y][x] = middle * source[y][x] + share * (source[y - 1][x] + source[y + 1][x]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digits_are_the_same_on_every_machine_and_any_number_of_threads() {
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| images(0, 300))
        };
        let alone = on(1);
        assert_eq!(alone, on(3));
        // A change of this digest means that "generated digits" of two versions of the program are different sets.
        assert_eq!(
            Dataset::new("", "", alone, Images::default()).info.digest,
            "4b8d3a66c38cf0a64f57567741defc67947c235a9be9cba8b51fb39fd8861085"
        );
    }

    #[test]
    fn every_class_has_its_share_of_both_splits() {
        let data = dataset();
        assert_eq!((data.train.len(), data.test.len()), (TRAIN_IMAGES, TEST_IMAGES));
        for images in [&data.train, &data.test] {
            for class in 0..10 {
                let share = images.labels().iter().filter(|&&l| l == class).count() as f64 / images.len() as f64;
                assert!((0.08..0.12).contains(&share), "{share} of the images show a {class}");
            }
        }
    }

    #[test]
    fn digits_have_mnists_size_and_place() {
        let images = images(0, 1000);
        for i in 0..images.len() {
            let inked = |threshold: u8| images.image(i).iter().enumerate().filter(move |&(_, &v)| v > threshold);
            let (mut mass, mut x_mass, mut y_mass) = (0.0, 0.0, 0.0);
            for (at, &value) in inked(0) {
                mass += f32::from(value);
                x_mass += f32::from(value) * ((at % SIDE) as f32 + 0.5);
                y_mass += f32::from(value) * ((at / SIDE) as f32 + 0.5);
            }
            let off = (x_mass / mass - 14.0).abs().max((y_mass / mass - 14.0).abs());
            assert!(off < 1.0, "image {i} lies {off} pixels off the middle");
            let extent = |place: fn(usize) -> usize| {
                let places = inked(127).map(|(at, _)| place(at));
                places.clone().max().unwrap() - places.min().unwrap() + 1
            };
            let longer = extent(|at| at % SIDE).max(extent(|at| at / SIDE));
            assert!((18..=22).contains(&longer), "image {i} is {longer} pixels long");
        }
    }
}
