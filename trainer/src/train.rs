//! The training loop, top to bottom.

use crate::checkpoint::{self, About, Checkpoint};
use crate::data::{Dataset, Images};
use crate::event::{Artifact, CLASSES, Emission, EpochReport, Geometry, LossParts, RunEvent, Split, Start};
use crate::feed::Feed;
use crate::loss::{CenterLoss, batch_sums};
use crate::measure::{Predictions, angular_margin, classes, confusion, silhouette, spread};
use crate::network::CenterNet;
use crate::ops::scratch;
use crate::optim::Sgd;
use crate::pass::{TrainingPass, on_host};
use crate::spec::{NonFinite, RunSpec};
use crate::{device, memory, npy, rng};
use candle_core::{Device, Result};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Images that one forward pass of the evaluation takes.
const EVAL_BATCH: usize = 250;

/// How a training ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All epochs are done.
    Finished,
    /// `stop` was raised.
    Stopped,
}

/// Why training can't go on. Each is a sentence for people.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The device asked for can't be had.
    #[error("{0}")]
    Device(String),
    /// The loss is no number any more.
    #[error(
        "the loss became {} in epoch {epoch}, step {step} (cross entropy {}, center loss {}): \
         try a smaller learning rate or a smaller λ", .loss.total, .loss.cross_entropy, .loss.center_loss
    )]
    Diverged {
        /// Epoch, from 1.
        epoch: u32,
        /// Step of the epoch, from 1.
        step: usize,
        /// The losses of that step.
        loss: LossParts,
    },
    /// The GPU's memory is full.
    #[error("{0}")]
    OutOfMemory(String),
    /// A tensor operation failed.
    #[error("the trainer failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// Trains as `spec` says on `data`: from the beginning, or on from a checkpoint. On a CPU, a training that goes on
/// computes to the bit what it would have computed without the break.
///
/// Calls `emit` with [`RunEvent::Started`], then progress and epoch events, in order; never with an event that ends a
/// run: that is for the caller, who knows why it ended. Looks at `stop` after every step.
///
/// # Errors
/// See [`TrainError`].
pub fn train(
    spec: &RunSpec,
    data: &Dataset,
    from: Option<&Checkpoint>,
    stop: &AtomicBool,
    emit: &mut dyn FnMut(Emission),
) -> std::result::Result<Outcome, TrainError> {
    let device = device::select(spec.device, spec.precision).map_err(TrainError::Device)?;
    train_on(&device, spec, data, from, stop, emit).map_err(|error| match error {
        TrainError::Tensor(error) if memory::is_exhausted(&error) => {
            TrainError::OutOfMemory(memory::advice(spec, data, device::memory()))
        }
        error => error,
    })
}

fn train_on(
    device: &Device,
    spec: &RunSpec,
    data: &Dataset,
    from: Option<&Checkpoint>,
    stop: &AtomicBool,
    emit: &mut dyn FnMut(Emission),
) -> std::result::Result<Outcome, TrainError> {
    let net = CenterNet::new(spec.network, spec.width, spec.seed, device)?;
    let loss = CenterLoss::new(spec.distance, spec.lambda, spec.seed, device)?;
    let mut net_sgd = Sgd::new(net.variables(), spec.momentum)?;
    let center_sgd = Sgd::new(vec![loss.centers.clone()], 0.0)?;
    let (mut done, mut best_accuracy) = (0, None);
    if let Some(checkpoint) = from {
        checkpoint.restore(&net, &loss, &mut net_sgd, device)?;
        (done, best_accuracy) = (checkpoint.about.epoch, checkpoint.about.best_accuracy);
    }

    let train_images = spec.train_images.min(data.train.len());
    let steps = train_images.div_ceil(spec.batch_size);
    let feed = Feed::new(&data.train, device)?;
    emit(RunEvent::Started(start(data, train_images, steps, &net, device)?).into());

    for epoch in done + 1..=spec.epochs {
        let epoch_begun = Instant::now();
        let lr = spec.lr_at(epoch);
        let order = rng::epoch_order(spec.seed, epoch, train_images);
        let on_device = feed.order(&order)?;
        let mut pass = TrainingPass::new(epoch, steps, &order, data.train.labels());

        for (step, batch) in order.chunks(spec.batch_size).enumerate() {
            let broken = device::compute(device, || {
                let (images, labels) = feed.batch(&on_device.narrow(0, step * spec.batch_size, batch.len())?)?;
                let (output, tape) = net.forward_train(&images)?;
                let losses = loss.forward(&output, &labels)?;
                pass.keep(&losses, &output)?;
                // To read is to wait for the device, and a GPU works on while nobody waits: it is read when there is something to
                // tell, and at every step only where the step depends on it.
                let reads = device.is_cpu() || spec.non_finite == NonFinite::Skip || pass.progress_due();
                let broken = if reads { pass.read()? } else { None };
                if broken.is_none() {
                    let gradients =
                        net.backward(tape, &losses.total, |variable, found| net_sgd.step_one(variable, found, lr))?;
                    center_sgd.step(&gradients, spec.center_lr)?;
                }
                Result::Ok(broken)
            })?;
            if let Some((step, loss)) = broken.filter(|_| spec.non_finite == NonFinite::Stop) {
                return Err(TrainError::Diverged { epoch, step, loss });
            }
            if let Some(progress) = pass.progress() {
                emit(RunEvent::Progress(progress).into());
            }
            if stop.load(Ordering::Relaxed) {
                return Ok(Outcome::Stopped);
            }
        }

        device::synchronize(device)?;
        let training_time = epoch_begun.elapsed();
        let test = predict(&net, &data.test, device)?;
        let mut metrics = pass.metrics();
        let (geometry, confusion) = measure_test(spec, &net, &loss, &test, data.test.labels(), &mut metrics)?;
        metrics.insert("learning_rate".into(), lr);
        metrics.insert("images_per_s".into(), train_images as f64 / training_time.as_secs_f64());
        metrics.insert("epoch_seconds".into(), epoch_begun.elapsed().as_secs_f64());

        let accuracy = metrics["test_accuracy"];
        let best = best_accuracy.is_none_or(|best| accuracy > best);
        if best {
            best_accuracy = Some(accuracy);
        }
        let about = About::new(spec, epoch, best_accuracy);
        // A checkpoint is several copies of the weights for a moment; the steps' buffers need not lie beside them.
        scratch::release();
        let checkpoint: Arc<[u8]> = checkpoint::save(&about, &net, &loss, &net_sgd)?.into();
        let mut artifacts = vec![
            Artifact { name: Split::Test.embedding_artifact(epoch), bytes: npy::from_pairs(&test.embedding).into() },
            Artifact { name: Split::Train.embedding_artifact(epoch), bytes: npy::from_pairs(&pass.embedding).into() },
            Artifact { name: checkpoint::LAST.into(), bytes: checkpoint.clone() },
        ];
        if best {
            artifacts.push(Artifact { name: checkpoint::BEST.into(), bytes: checkpoint.clone() });
        }
        if spec.checkpoint_every > 0 && epoch.is_multiple_of(spec.checkpoint_every) {
            artifacts.push(Artifact { name: checkpoint::kept_artifact(epoch), bytes: checkpoint });
        }
        let report = EpochReport {
            epoch,
            metrics,
            confusion,
            geometry,
            artifacts: artifacts.iter().map(|a| a.name.clone()).collect(),
            sha256: BTreeMap::new(),
        };
        emit(Emission { event: RunEvent::Epoch(Box::new(report)), artifacts });
    }
    Ok(Outcome::Finished)
}

fn start(data: &Dataset, train_images: usize, steps: usize, net: &CenterNet, device: &Device) -> Result<Start> {
    Ok(Start {
        data: data.info.clone(),
        train_images,
        steps_per_epoch: steps,
        parameters: net.parameter_count(),
        device: device::describe(device),
        precision: Some(device::precision(device)?),
        device_memory: device::memory().filter(|_| !device.is_cpu()),
        version: env!("CARGO_PKG_VERSION").into(),
        threads: Some(rayon::current_num_threads()),
        // The caller knows the program and the machine around it.
        host: None,
        commit: None,
    })
}

/// Embedding and logits of every image, in evaluation mode and in the order of the set.
///
/// # Errors
/// If the device fails.
pub fn predict(net: &CenterNet, images: &Images, device: &Device) -> Result<Predictions> {
    let feed = Feed::new(images, device)?;
    let mut outputs = Vec::new();
    for first in (0..images.len()).step_by(EVAL_BATCH) {
        let batch: Vec<u32> = (first as u32..images.len().min(first + EVAL_BATCH) as u32).collect();
        let output = device::compute(device, || net.forward_eval(&feed.batch(&feed.order(&batch)?)?.0))?;
        outputs.push(output.detach());
    }
    on_host(&outputs)
}

/// Adds the metrics of the test set to `metrics` and returns the plane they were measured in, and what was taken for what.
fn measure_test(
    spec: &RunSpec,
    net: &CenterNet,
    loss: &CenterLoss,
    test: &Predictions,
    labels: &[u8],
    metrics: &mut BTreeMap<String, f64>,
) -> Result<(Geometry, [[u32; CLASSES]; CLASSES])> {
    let centers = loss.centers.to_vec2::<f32>()?;
    let centers: [[f32; 2]; CLASSES] = std::array::from_fn(|k| [centers[k][0], centers[k][1]]);
    let n = labels.len().max(1) as f64;
    // In batches of the training's size: the center loss divides by the class counts of a batch.
    let batches = test.embedding.chunks(spec.batch_size).zip(test.logits.chunks(spec.batch_size));
    let (cross_entropy, center) = batches
        .zip(labels.chunks(spec.batch_size))
        .map(|((e, z), y)| batch_sums((spec.distance, spec.lambda), e, z, y, &centers))
        .fold((0.0, 0.0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
    let spread = spread(&test.embedding, labels);
    let (weight, bias) = net.logits_layer()?;
    let geometry = Geometry { centers, means: spread.means, weight, bias };
    let confusion = confusion(labels, &classes(&geometry, &test.embedding));
    let correct: u32 = (0..CLASSES).map(|k| confusion[k][k]).sum();
    metrics.insert("test_accuracy".into(), f64::from(correct) / n);
    metrics.insert("test_loss".into(), (cross_entropy + center) / n);
    metrics.insert("test_cross_entropy".into(), cross_entropy / n);
    metrics.insert("test_center_loss".into(), center / n);
    metrics.insert("intra_class_distance".into(), spread.intra);
    metrics.insert("inter_class_distance".into(), spread.inter);
    if spread.inter > 0.0 {
        metrics.insert("intra_inter_ratio".into(), spread.intra / spread.inter);
    }
    metrics.insert("center_gap".into(), spread.center_gap(&centers));
    metrics.extend(silhouette(&test.embedding, labels).map(|value| ("silhouette".into(), value)));
    metrics.extend(angular_margin(&test.embedding, labels, &spread).map(|value| ("angular_margin".into(), value)));
    Ok((geometry, confusion))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DataOptions, load};
    use crate::spec::{DatasetChoice, DeviceChoice, Distance, Network, Profile};

    fn tiny(network: Network, distance: Distance) -> (RunSpec, Dataset) {
        let spec = RunSpec {
            epochs: 2,
            batch_size: 8,
            width: 0.0625,
            train_images: 100,
            dataset: DatasetChoice::Generated,
            device: DeviceChoice::Cpu,
            ..RunSpec::preset(Profile::Quick, network, distance)
        };
        let data = load(spec.dataset, &DataOptions::default(), &mut |_| {}).unwrap();
        let few = |images: &Images, n: usize| {
            let pixels = (0..n).flat_map(|i| images.image(i).to_vec()).collect();
            Images::new(pixels, images.labels()[..n].to_vec()).unwrap()
        };
        let data = Dataset { train: few(&data.train, 100), test: few(&data.test, 60), info: data.info.clone() };
        (spec, data)
    }

    fn run(spec: &RunSpec, data: &Dataset) -> Vec<Emission> {
        let mut emissions = Vec::new();
        let outcome = train(spec, data, None, &AtomicBool::new(false), &mut |e| emissions.push(e)).unwrap();
        assert_eq!(outcome, Outcome::Finished);
        emissions
    }

    fn epochs(emissions: &[Emission]) -> Vec<EpochReport> {
        let reports = emissions.iter().filter_map(|e| match &e.event {
            RunEvent::Epoch(report) => Some((**report).clone()),
            _ => None,
        });
        reports.collect()
    }

    /// Every number of the reports but the clock's.
    fn timeless(emissions: &[Emission]) -> Vec<EpochReport> {
        let mut reports = epochs(emissions);
        for report in &mut reports {
            report.metrics.remove("epoch_seconds");
            report.metrics.remove("images_per_s");
        }
        reports
    }

    fn files(emissions: &[Emission]) -> BTreeMap<String, Arc<[u8]>> {
        emissions.iter().flat_map(|e| e.artifacts.clone()).map(|a| (a.name, a.bytes)).collect()
    }

    /// Two runs of one spec, on pools of one and of three threads: every number but the clock's is the same to the bit.
    #[test]
    fn one_spec_gives_the_same_bits_for_any_number_of_threads() {
        for (network, distance) in [(Network::Deep, Distance::Root), (Network::Shallow, Distance::Squared)] {
            let (spec, data) = tiny(network, distance);
            let [one, three] = [1, 3].map(|threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| run(&spec, &data))
            });
            assert_eq!(timeless(&one), timeless(&three));
            assert!(files(&one) == files(&three), "checkpoints and embeddings differ");
        }
    }

    #[test]
    fn a_run_that_goes_on_from_a_checkpoint_equals_one_without_a_break() {
        for (network, distance) in [(Network::Deep, Distance::Squared), (Network::Shallow, Distance::Root)] {
            let (spec, data) = tiny(network, distance);
            let spec = RunSpec { epochs: 3, lr_step: 1, ..spec };
            let whole = run(&spec, &data);
            let saved = checkpoint::load(&files(&whole)["checkpoints/epoch-0001.safetensors"]).unwrap();
            let mut rest = Vec::new();
            train(&spec, &data, Some(&saved), &AtomicBool::new(false), &mut |e| rest.push(e)).unwrap();
            assert_eq!(timeless(&rest), timeless(&whole)[1..]);
            let whole = files(&whole);
            for (name, bytes) in files(&rest) {
                assert!(bytes == whole[&name], "{name} differs");
            }
        }
    }

    #[test]
    fn another_seed_gives_another_run() {
        let (spec, data) = tiny(Network::Deep, Distance::Squared);
        let other = RunSpec { seed: spec.seed + 1, ..spec.clone() };
        let loss = |spec| epochs(&run(spec, &data))[0].metrics["train_loss"];
        assert_ne!(loss(&spec), loss(&other));
    }

    #[test]
    fn an_epoch_reports_every_metric_and_complete_embeddings() {
        let (spec, data) = tiny(Network::Deep, Distance::Squared);
        let emissions = run(&spec, &data);
        assert!(matches!(emissions[0].event, RunEvent::Started(_)));
        let reports = epochs(&emissions);
        assert_eq!(reports.iter().map(|r| r.epoch).collect::<Vec<_>>(), [1, 2]);
        for metric in crate::measure::METRICS.iter().filter(|m| m.name != "skipped_steps") {
            assert!(reports[1].metrics.contains_key(metric.name), "{} is missing", metric.name);
        }
        assert_eq!(reports[1].confusion.iter().flatten().sum::<u32>(), 60);
        let artifacts: BTreeMap<_, _> =
            emissions.iter().flat_map(|e| &e.artifacts).map(|a| (a.name.as_str(), &a.bytes)).collect();
        for (name, rows) in [("embeddings/test-0002.npy", 60), ("embeddings/train-0002.npy", 100)] {
            let embedding = npy::to_pairs(artifacts[name]).unwrap();
            assert_eq!(embedding.len(), rows);
            assert!(embedding.iter().all(|e| *e != [0.0; 2]), "{name}: a row was never written");
        }
        let checkpoint = safetensors::SafeTensors::deserialize(artifacts["checkpoints/last.safetensors"]).unwrap();
        assert_eq!(checkpoint.tensor("hidden.3.0.weight").unwrap().shape(), [8, 4, 5, 5]);
        assert!(checkpoint.tensor("momentum.fc.weight").is_ok() && checkpoint.tensor("hidden.0.1.running_var").is_ok());
    }

    #[test]
    fn stop_ends_the_run_before_the_next_step() {
        let (spec, data) = tiny(Network::Deep, Distance::Squared);
        let stop = AtomicBool::new(false);
        let outcome = train(&spec, &data, None, &stop, &mut |emission| {
            match emission.event {
                RunEvent::Started(_) => {}
                // The epoch's last step would tell of itself, too.
                RunEvent::Progress(progress) => assert_eq!(progress.step, 1),
                other => panic!("{other:?}"),
            }
            stop.store(true, Ordering::Relaxed);
        });
        assert_eq!(outcome.unwrap(), Outcome::Stopped);
    }

    #[test]
    fn a_loss_that_is_no_number_ends_the_run_with_its_place() {
        let (spec, data) = tiny(Network::Deep, Distance::Squared);
        let spec = RunSpec { center_lr: 10.0, lr: 10.0, lambda: 1000.0, epochs: 50, ..spec };
        let result = train(&spec, &data, None, &AtomicBool::new(false), &mut |_| {});
        assert!(matches!(result, Err(TrainError::Diverged { .. })), "{result:?}");
    }

    #[test]
    fn a_step_without_a_finite_loss_can_be_left_out() {
        let (spec, data) = tiny(Network::Shallow, Distance::Squared);
        // Such a λ is infinite in f32, and so is the loss of every step: nothing is learned, and nothing breaks.
        let spec = RunSpec { lambda: 1e300, non_finite: NonFinite::Skip, epochs: 1, ..spec };
        let emissions = run(&spec, &data);
        let [report] = epochs(&emissions).try_into().unwrap();
        assert_eq!(report.metrics["skipped_steps"], 13.0);
        assert!(!report.metrics.contains_key("train_loss") && report.metrics.contains_key("train_accuracy"));
        let saved = checkpoint::load(&files(&emissions)["checkpoints/last.safetensors"]);
        // Nor can it be asked for.
        assert!(matches!(saved, Err(checkpoint::CheckpointError::Spec(_))));
    }
}
