//! Numbers that describe an epoch, and [`METRICS`], the one table that says what each means.

use crate::event::CLASSES;

/// What is known of a metric.
#[derive(Clone, Copy, Debug, schemars::JsonSchema, serde::Serialize)]
pub struct Metric {
    /// Its key in [`crate::event::EpochReport::metrics`].
    pub name: &'static str,
    /// A short label for tables and charts.
    pub label: &'static str,
    /// Its unit; empty where it has none.
    pub unit: &'static str,
    /// Which way is better; `None` where neither is.
    pub higher_is_better: Option<bool>,
    /// One sentence that says what it is.
    pub help: &'static str,
}

const fn metric(
    name: &'static str,
    label: &'static str,
    unit: &'static str,
    higher_is_better: Option<bool>,
    help: &'static str,
) -> Metric {
    Metric { name, label, unit, higher_is_better, help }
}

/// Every metric that the trainer reports, in the order in which tables show them.
pub const METRICS: &[Metric] = &[
    metric(
        "test_accuracy",
        "Test accuracy",
        "",
        Some(true),
        "Share of the test images whose largest logit is their label.",
    ),
    metric(
        "train_accuracy",
        "Training accuracy",
        "",
        Some(true),
        "The same over the training pass, each image as its step saw it.",
    ),
    metric(
        "train_loss",
        "Training loss",
        "nats",
        Some(false),
        "Cross entropy plus center loss, mean over the training pass: what is minimised.",
    ),
    metric(
        "train_cross_entropy",
        "Training cross entropy",
        "nats",
        Some(false),
        "Mean cross entropy over the training pass.",
    ),
    metric(
        "train_center_loss",
        "Training center loss",
        "",
        Some(false),
        "Mean center loss over the training pass, λ included.",
    ),
    metric(
        "test_loss",
        "Test loss",
        "nats",
        Some(false),
        "Cross entropy plus center loss over the test images, in batches of the training's size.",
    ),
    metric("test_cross_entropy", "Test cross entropy", "nats", Some(false), "Mean cross entropy over the test images."),
    metric(
        "test_center_loss",
        "Test center loss",
        "",
        Some(false),
        "Mean center loss over the test images, λ included.",
    ),
    metric(
        "intra_class_distance",
        "Intra-class distance",
        "",
        Some(false),
        "Mean distance of a test image's embedding to the mean of its class: how tight the clusters are.",
    ),
    metric(
        "inter_class_distance",
        "Nearest inter-class distance",
        "",
        Some(true),
        "Distance between class means, from each class to its nearest other, averaged: how far apart the clusters are.",
    ),
    metric(
        "intra_inter_ratio",
        "Intra / inter",
        "",
        Some(false),
        "Intra-class over nearest inter-class distance: cluster size against the room between clusters, whatever the scale.",
    ),
    metric(
        "skipped_steps",
        "Skipped steps",
        "",
        Some(false),
        "Steps of the epoch that were left out because their loss was NaN or infinite; told only where there were any.",
    ),
    metric("learning_rate", "Learning rate", "", None, "The network's learning rate in the epoch."),
    metric(
        "epoch_seconds",
        "Epoch time",
        "s",
        Some(false),
        "Wall time of the epoch: training, evaluation and measuring.",
    ),
    metric(
        "images_per_s",
        "Training speed",
        "images/s",
        Some(true),
        "Training images a second of training time, evaluation not counted.",
    ),
];

/// What the network makes of a set of images, on the host.
#[derive(Clone, Debug, Default)]
pub struct Predictions {
    /// (N, 2)
    pub embedding: Vec<[f32; 2]>,
    /// (N, C)
    pub logits: Vec<[f32; CLASSES]>,
}

impl Predictions {
    /// How many images have their largest logit at their label; the first counts where two are equal.
    pub fn correct(&self, labels: &[u8]) -> usize {
        self.logits.iter().zip(labels).filter(|(z, y)| argmax(z) == **y as usize).count()
    }

    /// Images by true label (row) and predicted label (column).
    pub fn confusion(&self, labels: &[u8]) -> [[u32; CLASSES]; CLASSES] {
        let mut table = [[0; CLASSES]; CLASSES];
        for (logits, &label) in self.logits.iter().zip(labels) {
            table[label as usize][argmax(logits)] += 1;
        }
        table
    }
}

/// The class of the largest logit, the first where two are equal.
pub fn argmax(logits: &[f32; CLASSES]) -> usize {
    (1..CLASSES).fold(0, |best, k| if logits[k] > logits[best] { k } else { best })
}

/// How the classes of an embedding lie to each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Spread {
    /// Mean embedding of each class, (C, 2); the origin for a class without images.
    pub means: [[f32; 2]; CLASSES],
    /// Mean distance of an embedding to its class's mean.
    pub intra: f64,
    /// Distance from each class mean to its nearest other, averaged over the classes that have images.
    pub inter: f64,
}

/// Measures `embedding` (N, 2) by `labels` (N).
pub fn spread(embedding: &[[f32; 2]], labels: &[u8]) -> Spread {
    let mut sums = [[0.0f64; 2]; CLASSES];
    let mut counts = [0usize; CLASSES];
    for (e, &y) in embedding.iter().zip(labels) {
        sums[y as usize][0] += e[0] as f64;
        sums[y as usize][1] += e[1] as f64;
        counts[y as usize] += 1;
    }
    let means: [[f64; 2]; CLASSES] = std::array::from_fn(|k| sums[k].map(|s| s / counts[k].max(1) as f64));
    let distance = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);

    let intra = embedding.iter().zip(labels).map(|(e, &y)| distance(e.map(f64::from), means[y as usize])).sum::<f64>()
        / embedding.len().max(1) as f64;
    let present: Vec<usize> = (0..CLASSES).filter(|&k| counts[k] > 0).collect();
    let nearest = |k: usize| {
        let others = present.iter().filter(|&&other| other != k);
        others.map(|&other| distance(means[k], means[other])).fold(f64::INFINITY, f64::min)
    };
    let inter =
        if present.len() < 2 { 0.0 } else { present.iter().map(|&k| nearest(k)).sum::<f64>() / present.len() as f64 };
    Spread { means: means.map(|m| m.map(|v| v as f32)), intra, inter }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_of_two_known_classes() {
        let embedding = [[0.0, 1.0], [0.0, -1.0], [3.0, 0.0], [5.0, 0.0]];
        let spread = spread(&embedding, &[1, 1, 7, 7]);
        assert_eq!((spread.means[1], spread.means[7]), ([0.0, 0.0], [4.0, 0.0]));
        assert_eq!((spread.intra, spread.inter), (1.0, 4.0));
    }

    #[test]
    fn equal_logits_predict_the_first_class() {
        let mut logits = [0.0; CLASSES];
        (logits[3], logits[8]) = (2.0, 2.0);
        let predictions = Predictions { embedding: vec![[0.0; 2]], logits: vec![logits] };
        assert_eq!((predictions.correct(&[3]), predictions.correct(&[8])), (1, 0));
        assert_eq!(predictions.confusion(&[8])[8][3], 1);
    }
}
