//! What one epoch's training pass adds up to: the light signs of life on the way, and the metrics at its end.

use crate::event::{LossParts, Progress};
use crate::measure::Predictions;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Progress events in an epoch, when its steps are quick.
const PROGRESS_EVENTS: usize = 24;
/// A progress event comes at least this often (when one step takes longer: after every step).
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// Sums over one epoch's training pass.
pub(crate) struct TrainingPass {
    epoch: u32,
    steps: usize,
    step: usize,
    images: usize,
    correct: usize,
    loss: LossSum,
    since_progress: LossSum,
    last_progress: Instant,
    /// (training images, 2): row i is image i, as the step that held it saw it.
    pub(crate) embedding: Vec<[f32; 2]>,
}

/// Losses weighted by the images they are means of.
#[derive(Default)]
struct LossSum {
    parts: LossParts,
    images: usize,
    steps: usize,
}

impl LossSum {
    fn add(&mut self, parts: LossParts, images: usize) {
        self.parts.total += parts.total * images as f64;
        self.parts.cross_entropy += parts.cross_entropy * images as f64;
        self.parts.center_loss += parts.center_loss * images as f64;
        self.images += images;
        self.steps += 1;
    }

    fn mean(&self) -> LossParts {
        let n = self.images.max(1) as f64;
        LossParts {
            total: self.parts.total / n,
            cross_entropy: self.parts.cross_entropy / n,
            center_loss: self.parts.center_loss / n,
        }
    }
}

impl TrainingPass {
    pub(crate) fn new(epoch: u32, steps: usize, images: usize) -> TrainingPass {
        TrainingPass {
            epoch,
            steps,
            step: 0,
            images,
            correct: 0,
            loss: LossSum::default(),
            since_progress: LossSum::default(),
            last_progress: Instant::now(),
            embedding: vec![[0.0; 2]; images],
        }
    }

    /// Counts one step in: what it saw and its losses, which count only where they are numbers.
    pub(crate) fn add(&mut self, parts: LossParts, seen: &Predictions, batch: &[u32], labels: &[u8]) {
        for (&image, e) in batch.iter().zip(&seen.embedding) {
            self.embedding[image as usize] = *e;
        }
        self.correct += seen.correct(labels);
        self.step += 1;
        if parts.total.is_finite() {
            self.loss.add(parts, batch.len());
            self.since_progress.add(parts, batch.len());
        }
    }

    /// A progress event, when one is due. The epoch's last step always brings one.
    pub(crate) fn progress_due(&mut self) -> Option<Progress> {
        let elapsed = self.last_progress.elapsed();
        let enough_steps = self.since_progress.steps >= self.steps.div_ceil(PROGRESS_EVENTS);
        let due = enough_steps || elapsed >= PROGRESS_INTERVAL || self.step == self.steps;
        // Where every step since was left out there is no loss to tell.
        if !due || self.since_progress.steps == 0 {
            return None;
        }
        let sum = std::mem::take(&mut self.since_progress);
        self.last_progress = Instant::now();
        Some(Progress {
            epoch: self.epoch,
            step: self.step,
            steps: self.steps,
            loss: sum.mean(),
            images_per_s: sum.images as f64 / elapsed.as_secs_f64().max(1e-9),
        })
    }

    /// The epoch's training metrics.
    pub(crate) fn metrics(&self) -> BTreeMap<String, f64> {
        let loss = self.loss.mean();
        let mut metrics: BTreeMap<String, f64> = BTreeMap::from([
            ("train_loss".into(), loss.total),
            ("train_cross_entropy".into(), loss.cross_entropy),
            ("train_center_loss".into(), loss.center_loss),
            ("train_accuracy".into(), self.correct as f64 / self.images.max(1) as f64),
        ]);
        let skipped = self.step - self.loss.steps;
        if skipped > 0 {
            metrics.insert("skipped_steps".into(), skipped as f64);
        }
        if self.loss.steps == 0 {
            metrics.retain(|name, _| name.ends_with("accuracy") || name == "skipped_steps");
        }
        metrics
    }
}
