//! Everything random of a run, from its seed: one ChaCha8 generator, with an independent stream for each purpose.
//!
//! Streams instead of one long sequence: the order of epoch 7 does not depend on what was drawn before it, so a resumed
//! run goes on exactly as it would have, and two runs of one seed see the same images in the same order even when
//! their networks differ.

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

const CENTERS: u64 = 1 << 32;
const ORDER: u64 = 2 << 32;

fn stream(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

/// Initial values of the network's parameter tensor number `tensor`: uniform in ±`bound`.
pub(crate) fn initial_weights(seed: u64, tensor: u64, len: usize, bound: f64) -> Vec<f32> {
    let mut rng = stream(seed, tensor);
    (0..len).map(|_| rng.random_range(-bound..=bound) as f32).collect()
}

/// Initial class centers: (`classes`, 2) numbers from N(0, 1).
pub(crate) fn initial_centers(seed: u64, classes: usize) -> Vec<f32> {
    let mut rng = stream(seed, CENTERS);
    let normal = StandardNormal;
    (0..classes * 2).map(|_| Distribution::<f32>::sample(&normal, &mut rng)).collect()
}

/// The order of the training images in `epoch`: a permutation of 0..`images`.
pub(crate) fn epoch_order(seed: u64, epoch: u32, images: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..images as u32).collect();
    order.shuffle(&mut stream(seed, ORDER + epoch as u64));
    order
}
