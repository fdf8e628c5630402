//! What one epoch's training pass adds up to: the light signs of life on the way, and the metrics at its end.

use crate::event::{CLASSES, LossParts, Progress};
use crate::loss::Losses;
use crate::measure::Predictions;
use crate::network::Output;
use candle_core::{Result, Tensor};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Progress events in an epoch, when its steps are quick.
const PROGRESS_EVENTS: usize = 24;
/// Between two of them, but for the epoch's last: nobody reads faster, and everybody who watches is told each one.
const LEAST_INTERVAL: Duration = Duration::from_millis(100);
/// A progress event comes at least this often (when one step takes longer: after every step).
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// Sums over one epoch's training pass.
pub(crate) struct TrainingPass<'a> {
    epoch: u32,
    steps: usize,
    /// The images in the order in which the pass takes them, and the label of every image.
    order: &'a [u32],
    labels: &'a [u8],
    /// Steps done, and images of those that were read.
    step: usize,
    read: usize,
    /// Of the steps that weren't read yet: their losses, (3), and what they made of the images, all where the network is.
    kept: Vec<(Tensor, Output)>,
    correct: usize,
    loss: LossSum,
    since_progress: LossSum,
    last_progress: (usize, Instant),
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

impl<'a> TrainingPass<'a> {
    pub(crate) fn new(epoch: u32, steps: usize, order: &'a [u32], labels: &'a [u8]) -> TrainingPass<'a> {
        TrainingPass {
            epoch,
            steps,
            order,
            labels,
            step: 0,
            read: 0,
            kept: Vec::new(),
            correct: 0,
            loss: LossSum::default(),
            since_progress: LossSum::default(),
            last_progress: (0, Instant::now()),
            embedding: vec![[0.0; 2]; order.len()],
        }
    }

    /// Keeps what a step came to, without waiting for it.
    pub(crate) fn keep(&mut self, losses: &Losses, output: &Output) -> Result<()> {
        let losses = [&losses.total, &losses.cross_entropy, &losses.center].map(Tensor::detach);
        self.kept.push((Tensor::stack(&losses, 0)?, output.detach()));
        self.step += 1;
        Ok(())
    }

    /// Counts in what was kept, in one transfer from the device. Gives the first step whose loss is no number, from 1, and
    /// its losses; such a step's losses don't count.
    pub(crate) fn read(&mut self) -> Result<Option<(usize, LossParts)>> {
        let first_step = self.step - self.kept.len() + 1;
        let (losses, outputs): (Vec<_>, Vec<_>) = std::mem::take(&mut self.kept).into_iter().unzip();
        if outputs.is_empty() {
            return Ok(None);
        }
        let losses = Tensor::stack(&losses, 0)?.to_vec2::<f32>()?;
        let mut seen = on_host(&outputs)?;
        let mut broken = None;
        for (i, (losses, output)) in losses.iter().zip(&outputs).enumerate() {
            let [total, cross_entropy, center_loss] = [0, 1, 2].map(|part| f64::from(losses[part]));
            let parts = LossParts { total, cross_entropy, center_loss };
            let images = output.embedding.dim(0)?;
            let rest =
                Predictions { embedding: seen.embedding.split_off(images), logits: seen.logits.split_off(images) };
            self.add(parts, &std::mem::replace(&mut seen, rest));
            if broken.is_none() && !total.is_finite() {
                broken = Some((first_step + i, parts));
            }
        }
        Ok(broken)
    }

    fn add(&mut self, parts: LossParts, seen: &Predictions) {
        let batch = &self.order[self.read..self.read + seen.embedding.len()];
        for (&image, e) in batch.iter().zip(&seen.embedding) {
            self.embedding[image as usize] = *e;
        }
        let labels: Vec<u8> = batch.iter().map(|&image| self.labels[image as usize]).collect();
        self.correct += seen.correct(&labels);
        self.read += batch.len();
        if parts.total.is_finite() {
            self.loss.add(parts, batch.len());
            self.since_progress.add(parts, batch.len());
        }
    }

    /// Whether it is time for a progress event. The epoch's last step always brings one.
    pub(crate) fn progress_due(&self) -> bool {
        let (step, time) = self.last_progress;
        let enough_steps = self.step - step >= self.steps.div_ceil(PROGRESS_EVENTS);
        let (enough, passed) = (if enough_steps { LEAST_INTERVAL } else { PROGRESS_INTERVAL }, time.elapsed());
        passed >= enough || self.step == self.steps
    }

    /// A progress event, when one is due and everything was read.
    pub(crate) fn progress(&mut self) -> Option<Progress> {
        // Where every step since was left out there is no loss to tell.
        if !self.kept.is_empty() || !self.progress_due() || self.since_progress.steps == 0 {
            return None;
        }
        let sum = std::mem::take(&mut self.since_progress);
        let (_, since) = std::mem::replace(&mut self.last_progress, (self.step, Instant::now()));
        Some(Progress {
            epoch: self.epoch,
            step: self.step,
            steps: self.steps,
            loss: sum.mean(),
            images_per_s: sum.images as f64 / since.elapsed().as_secs_f64().max(1e-9),
        })
    }

    /// The epoch's training metrics.
    pub(crate) fn metrics(&self) -> BTreeMap<String, f64> {
        let loss = self.loss.mean();
        let mut metrics: BTreeMap<String, f64> = BTreeMap::from([
            ("train_loss".into(), loss.total),
            ("train_cross_entropy".into(), loss.cross_entropy),
            ("train_center_loss".into(), loss.center_loss),
            ("train_accuracy".into(), self.correct as f64 / self.order.len().max(1) as f64),
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

/// What the network made of several batches, one after another: a single transfer from a GPU.
pub(crate) fn on_host(outputs: &[Output]) -> Result<Predictions> {
    if outputs.is_empty() {
        return Ok(Predictions::default());
    }
    let rows = |of: fn(&Output) -> &Tensor| {
        let batches: Vec<&Tensor> = outputs.iter().map(of).collect();
        Tensor::cat(&batches, 0)?.to_vec2::<f32>()
    };
    let (embedding, logits) = (rows(|output| &output.embedding)?, rows(|output| &output.logits)?);
    Ok(Predictions {
        embedding: embedding.iter().map(|e| [e[0], e[1]]).collect(),
        logits: logits.iter().map(|z| std::array::from_fn::<_, CLASSES, _>(|k| z[k])).collect(),
    })
}
