//! Numbers that describe an epoch, and [`METRICS`], the one table that says what each means.
//!
//! | module | what it measures |
//! |---|---|
//! | `predictions` | how often the network is right, and what it takes for what |
//! | `spread` | distances within and between classes, and of a learned center to its class |
//! | `silhouette` | how much nearer an image is to its own class than to the next |
//! | `angles` | the room between the directions of two classes |
//! | `nearest` | the points next to a place |
//! | `procrustes` | how one run's plane is laid over another's |
//! | `milestones` | after how many epochs an accuracy was reached |

mod angles;
mod milestones;
mod nearest;
mod predictions;
mod procrustes;
mod silhouette;
mod spread;

pub use angles::angular_margin;
pub use milestones::{MILESTONES, Milestone, reached};
pub use nearest::nearest;
pub use predictions::{Predictions, argmax, classes, confusion, softmax};
pub use procrustes::{Alignment, align};
pub use silhouette::silhouette;
pub use spread::{Spread, spread};

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
    /// Whether it is the center loss or holds it, so that runs that minimise another loss ([`crate::spec::RunSpec::shares_loss`])
    /// measure it in another unit, and neither is better.
    pub of_the_loss: bool,
    /// One sentence that says what it is.
    pub help: &'static str,
}

impl Metric {
    /// Whether `a` is better than `b`; never where neither way is.
    pub fn is_better(&self, a: f64, b: f64) -> bool {
        self.higher_is_better.is_some_and(|higher| if higher { a > b } else { a < b })
    }
}

const fn metric(
    name: &'static str,
    label: &'static str,
    unit: &'static str,
    higher_is_better: Option<bool>,
    help: &'static str,
) -> Metric {
    Metric { name, label, unit, higher_is_better, of_the_loss: false, help }
}

const fn of_the_loss(metric: Metric) -> Metric {
    Metric { of_the_loss: true, ..metric }
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
    of_the_loss(metric(
        "train_loss",
        "Training loss",
        "nats",
        Some(false),
        "Cross entropy plus center loss, mean over the training pass: what is minimised.",
    )),
    metric(
        "train_cross_entropy",
        "Training cross entropy",
        "nats",
        Some(false),
        "Mean cross entropy over the training pass.",
    ),
    of_the_loss(metric(
        "train_center_loss",
        "Training center loss",
        "",
        Some(false),
        "Mean center loss over the training pass, λ included.",
    )),
    of_the_loss(metric(
        "test_loss",
        "Test loss",
        "nats",
        Some(false),
        "Cross entropy plus center loss over the test images, in batches of the training's size.",
    )),
    metric("test_cross_entropy", "Test cross entropy", "nats", Some(false), "Mean cross entropy over the test images."),
    of_the_loss(metric(
        "test_center_loss",
        "Test center loss",
        "",
        Some(false),
        "Mean center loss over the test images, λ included.",
    )),
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
    metric(
        "silhouette",
        "Silhouette",
        "",
        Some(true),
        "From −1 to 1: how much nearer an image is to its own class than to the next one, mean over the first 1000 test images (Rousseeuw 1987).",
    ),
    metric(
        "angular_margin",
        "Angular margin",
        "°",
        Some(true),
        "Seen from the origin: the angle between the means of two classes, less the mean angle of either class's test images to their mean, for the pair with the least. Below 0 their directions overlap.",
    ),
    metric(
        "center_gap",
        "Center gap",
        "",
        Some(false),
        "Distance of a learned center to the mean of its class's test images, averaged over the classes.",
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
