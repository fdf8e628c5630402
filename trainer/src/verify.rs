//! Replays a reference file – losses, gradients, centers and embeddings that PyTorch computed in f64 – and reports how
//! far this trainer is from it. The file says which weights and images to use; both can be made from formulas, so
//! that the file needs nothing beside it.
//!
//! ReLU and max-pool decide by comparing, and among the millions of comparisons of a replay a few are between numbers
//! closer than single precision can tell apart (3e-7 in the files at hand, where PyTorch's own f32 errs by 3.5e-7). Where
//! such a decision falls the other way, gradients of that step differ by far more than rounding, in a correct program
//! as well. So a replay that misses is repeated with every initial weight nudged, at random, by at most one part in
//! 2²³ (its own rounding), then two and so on, [`ATTEMPTS`] times at most, and each number counts with its least error:
//! a correct program comes close to every number for some nudge, a wrong formula misses what it computes for all of them.

use crate::data::{Images, PIXELS, SIDE};
use crate::device;
use crate::event::CLASSES;
use crate::loss::CenterLoss;
use crate::network::CenterNet;
use crate::optim::Sgd;
use crate::spec::{Precision, Variant};
use candle_core::{Device, Result, Tensor, Var};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};

/// A reference file.
#[derive(Debug, Deserialize)]
pub struct Reference {
    format: String,
    variant: Variant,
    lambda: f64,
    width: f64,
    seed: u64,
    /// `formula` or `mnist`
    images: String,
    batch_size: usize,
    first_training_image: usize,
    net_sgd: SgdSettings,
    center_sgd: SgdSettings,
    train: Vec<Step>,
    eval_first_16_test_images: Evaluation,
}

#[derive(Debug, Deserialize)]
struct SgdSettings {
    lr: f64,
    momentum: f64,
}

#[derive(Debug, Deserialize)]
struct Step {
    cross_entropy: f64,
    center_loss: f64,
    features_first_4: Vec<Vec<f64>>,
    grad_l2: BTreeMap<String, f64>,
    grad_sum: BTreeMap<String, f64>,
    grad_centers: Vec<Vec<f64>>,
    centers_after: Vec<Vec<f64>>,
}

#[derive(Debug, Deserialize)]
struct Evaluation {
    features: Vec<Vec<f64>>,
    logits: Vec<Vec<f64>>,
}

/// Relative errors of each kind of number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Errors {
    /// Cross entropy and center loss.
    pub losses: f64,
    /// Embeddings, logits, centers and the centers' gradients.
    pub vectors: f64,
    /// Norm and sum of each parameter's gradient.
    pub gradients: f64,
}

impl Errors {
    fn within(self, limit: Errors) -> bool {
        // Written so that a NaN is not within anything.
        self.losses <= limit.losses && self.vectors <= limit.vectors && self.gradients <= limit.gradients
    }
}

/// A kind of number in a reference file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Loss,
    Vector,
    Gradient,
}

/// How far one number, or one vector, of the reference was missed.
#[derive(Clone, Copy, Debug)]
struct Miss {
    /// Step, from 0; the evaluation counts as one more.
    step: usize,
    kind: Kind,
    error: f64,
}

/// The larger of two, where NaN is larger than everything (`f64::max` would hide it).
fn worst(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

/// How often a replay is tried before it counts as failed.
pub const ATTEMPTS: u32 = 12;

/// How far the replays were from their reference.
#[derive(Clone, Debug)]
pub struct Report {
    /// How many replays there were; the first has the weights of the file, to the bit.
    pub attempts: u32,
    /// The least error of each number over the replays.
    misses: Vec<Miss>,
    /// What the first step's errors may be at most.
    pub first_limit: Errors,
    /// What the others may be at most; infinite where an error is only reported.
    pub later_limit: Errors,
}

impl Report {
    /// Largest errors of the first step.
    pub fn first(&self) -> Errors {
        self.largest(|step| step == 0)
    }

    /// Largest errors of the later steps and of the evaluation.
    pub fn later(&self) -> Errors {
        self.largest(|step| step > 0)
    }

    /// Whether every error is within its limit.
    pub fn passed(&self) -> bool {
        self.first().within(self.first_limit) && self.later().within(self.later_limit)
    }

    fn largest(&self, of_step: impl Fn(usize) -> bool) -> Errors {
        let of = |kind| {
            let errors = self.misses.iter().filter(|m| m.kind == kind && of_step(m.step)).map(|m| m.error);
            errors.fold(0.0, worst)
        };
        Errors { losses: of(Kind::Loss), vectors: of(Kind::Vector), gradients: of(Kind::Gradient) }
    }
}

/// What single precision can be held to on formula images, at every step.
const FORMULA: Errors = Errors { losses: 1e-5, vectors: 3e-4, gradients: 1e-4 };
/// The first step on MNIST: real images bring near-ties in ReLU and pooling, which fall either way.
const MNIST_FIRST: Errors = Errors { losses: 1e-5, vectors: 3e-4, gradients: 2e-3 };
/// Later steps on MNIST: training amplifies what fell the other way.
const MNIST_LATER: Errors = Errors { losses: 5e-3, vectors: 2e-2, gradients: f64::INFINITY };
/// What a GPU may be off by at most, at any step, where it rounds factors to TF32.
const TF32: f64 = 1e-2;

impl Reference {
    /// Parses a reference file.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(json: &[u8]) -> std::result::Result<Reference, String> {
        let reference: Reference = serde_json::from_slice(json).map_err(|e| format!("not a reference file: {e}"))?;
        match reference.format.as_str() {
            "center-loss-reference/1" if reference.train.is_empty() => Err("it holds no training step".into()),
            "center-loss-reference/1" => Ok(reference),
            other => Err(format!("unknown format {other:?}, expected \"center-loss-reference/1\"")),
        }
    }

    /// Whether the replay needs MNIST's images.
    pub fn needs_mnist(&self) -> bool {
        self.images != "formula"
    }

    /// Replays the file until it passes, [`ATTEMPTS`] times at most. `mnist`: training and test
    /// images, for a file that [needs](Reference::needs_mnist) them.
    ///
    /// # Errors
    /// If the device fails, or images are missing.
    pub fn verify(&self, mnist: Option<(&Images, &Images)>, device: &Device) -> Result<Report> {
        let precision = device::precision(device)?;
        let mut report = self.report(1, self.replay(mnist, device, 1)?, precision);
        while !report.passed() && report.attempts < ATTEMPTS {
            let attempt = report.attempts + 1;
            let again = self.replay(mnist, device, attempt)?;
            // `f64::min` takes the number where the other is NaN; where both are, NaN stays and is within no limit.
            let least = report.misses.iter().zip(again).map(|(a, b)| Miss { error: a.error.min(b.error), ..*a });
            report = self.report(attempt, least.collect(), precision);
        }
        Ok(report)
    }

    fn report(&self, attempts: u32, misses: Vec<Miss>, precision: Precision) -> Report {
        let (first_limit, later_limit) =
            if self.needs_mnist() { (MNIST_FIRST, MNIST_LATER) } else { (FORMULA, FORMULA) };
        let least = if precision == Precision::F32 { 0.0 } else { TF32 };
        let at_least = |limit: Errors| Errors {
            losses: limit.losses.max(least),
            vectors: limit.vectors.max(least),
            gradients: limit.gradients.max(least),
        };
        Report { attempts, misses, first_limit: at_least(first_limit), later_limit: at_least(later_limit) }
    }

    /// Trains and evaluates as the file says, weights nudged from attempt 2 on.
    fn replay(&self, mnist: Option<(&Images, &Images)>, device: &Device, attempt: u32) -> Result<Vec<Miss>> {
        let (network, distance) = self.variant.parts();
        let net = CenterNet::new(network, self.width, self.seed, device)?;
        let loss = CenterLoss::new(distance, self.lambda, self.seed, device)?;
        let tensors = std::cell::Cell::new(0);
        net.fill(|number, shape, fan_in| {
            tensors.set(number + 1);
            let mut values = formula_tensor(self.seed, number, shape.iter().product(), 1.0 / (fan_in as f64).sqrt());
            if attempt > 1 {
                nudge(&mut values, attempt - 1, splitmix64(attempt as u64) ^ number);
            }
            values
        })?;
        let centers = formula_tensor(self.seed, tensors.get(), CLASSES * 2, 1.0);
        loss.centers.set(&Tensor::from_vec(centers, (CLASSES, 2), device)?)?;
        let net_sgd = Sgd::new(net.variables(), self.net_sgd.momentum)?;
        let center_sgd = Sgd::new(vec![loss.centers.clone()], self.center_sgd.momentum)?;

        let mut misses = Vec::new();
        for (step, expected) in self.train.iter().enumerate() {
            let mut note = |kind, error| misses.push(Miss { step, kind, error });
            let (images, labels) = self.batch(mnist, step, device)?;
            let (output, tape) = net.forward_train(&images)?;
            let losses = loss.forward(&output, &labels)?;
            let mut of_net = HashMap::new();
            let gradients = net.backward(tape, &losses.total, |variable, gradient| {
                of_net.insert(variable.id(), gradient.to_tensor(variable)?);
                net_sgd.step_one(variable, gradient, self.net_sgd.lr)
            })?;
            note(Kind::Loss, scalar_error(&losses.cross_entropy, expected.cross_entropy)?);
            note(Kind::Loss, scalar_error(&losses.center, expected.center_loss)?);
            note(Kind::Vector, vector_error(&output.embedding.narrow(0, 0, 4)?, &expected.features_first_4)?);

            let or_zeros =
                |gradient: Option<&Tensor>, of: &Var| gradient.map_or_else(|| of.zeros_like(), |g| Ok(g.clone()));
            let of_centers = or_zeros(gradients.get(&loss.centers), &loss.centers)?;
            note(Kind::Vector, vector_error(&of_centers, &expected.grad_centers)?);
            for (name, tensor) in net.export(|variable| or_zeros(of_net.get(&variable.id()), variable))? {
                let (norm, sum) = (expected.grad_l2.get(&name), expected.grad_sum.get(&name));
                let (Some(&norm), Some(&sum)) = (norm, sum) else {
                    candle_core::bail!("the reference file has no gradient of {name}")
                };
                note(Kind::Gradient, gradient_error(&tensor, norm, sum)?);
            }
            center_sgd.step(&gradients, self.center_sgd.lr)?;
            note(Kind::Vector, vector_error(&loss.centers, &expected.centers_after)?);
        }
        let evaluation = net.forward_eval(&self.test_images(mnist, device)?)?;
        let step = self.train.len();
        let expected = &self.eval_first_16_test_images;
        for (found, expected) in [(&evaluation.embedding, &expected.features), (&evaluation.logits, &expected.logits)] {
            misses.push(Miss { step, kind: Kind::Vector, error: vector_error(found, expected)? });
        }
        Ok(misses)
    }

    fn batch(&self, mnist: Option<(&Images, &Images)>, step: usize, device: &Device) -> Result<(Tensor, Tensor)> {
        let first = self.first_training_image + step * self.batch_size;
        let range = first..first + self.batch_size;
        if !self.needs_mnist() {
            let labels = range.clone().map(|i| formula_label(self.seed, i).into());
            return Ok((formula_images(self.seed, range.clone(), device)?, label_tensor(labels, device)?));
        }
        match mnist {
            Some((train, _)) if range.end <= train.len() => {
                let labels = label_tensor(train.labels()[range.clone()].iter().map(|&y| y.into()), device)?;
                Ok((image_tensor(range.map(|i| train.image(i)), device)?, labels))
            }
            _ => candle_core::bail!("MNIST's training images {range:?} are not there"),
        }
    }

    fn test_images(&self, mnist: Option<(&Images, &Images)>, device: &Device) -> Result<Tensor> {
        let count = self.eval_first_16_test_images.features.len();
        match mnist {
            _ if !self.needs_mnist() => {
                let first = self.first_training_image + self.train.len() * self.batch_size;
                formula_images(self.seed, first..first + count, device)
            }
            Some((_, test)) if count <= test.len() => image_tensor((0..count).map(|i| test.image(i)), device),
            _ => candle_core::bail!("MNIST's first {count} test images are not there"),
        }
    }
}

/// The output function of SplitMix64 (Steele, Lea & Flood, 2014) applied to state `x`.
fn splitmix64(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Tensor number `number` of a reference: element i is `bound · (2·(splitmix64(splitmix64(seed·1000 + number) + i) >> 40)/2²⁴ − 1)`.
fn formula_tensor(seed: u64, number: u64, len: usize, bound: f64) -> Vec<f32> {
    let state = splitmix64(seed * 1000 + number);
    let unit = |i: u64| 2.0 * (splitmix64(state.wrapping_add(i)) >> 40) as f64 / (1u64 << 24) as f64 - 1.0;
    (0..len as u64).map(|i| (unit(i) * bound) as f32).collect()
}

/// Moves each value by at most `most` parts in 2²³, up or down as `state` says.
fn nudge(values: &mut [f32], most: u32, state: u64) {
    for (i, value) in values.iter_mut().enumerate() {
        let unit = (splitmix64(state.wrapping_add(i as u64)) >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
        *value += *value * unit * most as f32 * f32::EPSILON;
    }
}

/// Images of a reference: pixel j of image i is the byte `splitmix64(splitmix64(seed·1000 + 999) + 784·i + j) >> 56`.
fn formula_images(seed: u64, range: std::ops::Range<usize>, device: &Device) -> Result<Tensor> {
    let state = splitmix64(seed * 1000 + 999);
    let pixels: Vec<u8> = (range.start * PIXELS..range.end * PIXELS)
        .map(|p| (splitmix64(state.wrapping_add(p as u64)) >> 56) as u8)
        .collect();
    image_tensor(pixels.chunks(PIXELS), device)
}

fn formula_label(seed: u64, image: usize) -> u8 {
    (splitmix64(splitmix64(seed * 1000 + 998).wrapping_add(image as u64)) % 10) as u8
}

fn image_tensor<'a>(images: impl Iterator<Item = &'a [u8]>, device: &Device) -> Result<Tensor> {
    let pixels: Vec<f32> = images.flatten().map(|&p| p as f32 / 255.0).collect();
    Tensor::from_vec(pixels.clone(), (pixels.len() / PIXELS, SIDE, SIDE, 1), device)
}

fn label_tensor(labels: impl Iterator<Item = u32>, device: &Device) -> Result<Tensor> {
    let labels: Vec<u32> = labels.collect();
    Tensor::from_slice(&labels, labels.len(), device)
}

fn scalar_error(tensor: &Tensor, expected: f64) -> Result<f64> {
    Ok((tensor.to_scalar::<f32>()? as f64 - expected).abs() / expected.abs().max(1e-3))
}

/// Norm of the difference over the norm of the reference.
fn vector_error(tensor: &Tensor, expected: &[Vec<f64>]) -> Result<f64> {
    let found = tensor.flatten_all()?.to_vec1::<f32>()?;
    let expected: Vec<f64> = expected.iter().flatten().copied().collect();
    if found.len() != expected.len() {
        candle_core::bail!("the reference file holds {} numbers where {} were computed", expected.len(), found.len());
    }
    let difference: f64 = found.iter().zip(&expected).map(|(f, e)| (*f as f64 - e).powi(2)).sum();
    Ok(difference.sqrt() / expected.iter().map(|e| e * e).sum::<f64>().sqrt())
}

/// Error of a gradient's norm, relative to it, and of its sum, relative to the norm times √(element count).
fn gradient_error(gradient: &Tensor, norm: f64, sum: f64) -> Result<f64> {
    let values = gradient.flatten_all()?.to_vec1::<f32>()?;
    let found_norm = values.iter().map(|v| (*v as f64).powi(2)).sum::<f64>().sqrt();
    let found_sum: f64 = values.iter().map(|v| *v as f64).sum();
    let norm_error = (found_norm - norm).abs() / norm;
    let sum_error = (found_sum - sum).abs() / (norm * (values.len() as f64).sqrt());
    Ok(worst(norm_error, sum_error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formula_references_are_met_within_single_precision() {
        for (name, json) in [
            ("v1.0", include_bytes!("../../tests/fixtures/formula-v1.0.json").as_slice()),
            ("v1.1", include_bytes!("../../tests/fixtures/formula-v1.1.json")),
            ("v1.2", include_bytes!("../../tests/fixtures/formula-v1.2.json")),
        ] {
            let report = Reference::parse(json).unwrap().verify(None, &Device::Cpu).unwrap();
            let (first, later) = (report.first(), report.later());

            assert!(report.passed(), "{name} after {} replays: {first:?}, {later:?}", report.attempts);
        }
    }

    #[test]
    fn a_wrong_number_in_a_reference_fails_it() {
        let mut json: serde_json::Value =
            serde_json::from_slice(include_bytes!("../../tests/fixtures/formula-v1.0.json")).unwrap();
        json["train"].as_array_mut().unwrap().truncate(2);
        json["train"][1]["center_loss"] = (json["train"][1]["center_loss"].as_f64().unwrap() * 1.001).into();
        let report = Reference::parse(json.to_string().as_bytes()).unwrap().verify(None, &Device::Cpu).unwrap();
        assert!(!report.passed(), "{:?}", report.later());
    }

    #[test]
    fn nan_is_never_within_a_limit() {
        assert!(!Errors { losses: f64::NAN, ..Errors::default() }.within(MNIST_LATER));
        assert!(worst(1.0, f64::NAN).is_nan() && worst(f64::NAN, 1.0).is_nan());
    }
}
