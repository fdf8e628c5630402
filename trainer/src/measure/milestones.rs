//! How soon a run gets good: derived from its epochs, not reported by one.

use super::{Metric, metric};
use crate::event::EpochReport;
use std::collections::BTreeMap;

/// An accuracy to be reached.
#[derive(Clone, Copy, Debug, schemars::JsonSchema, serde::Serialize)]
pub struct Milestone {
    /// The test accuracy that counts as reached, 0 to 1.
    pub test_accuracy: f64,
    /// What the number of epochs until then is called.
    #[serde(flatten)]
    pub metric: Metric,
}

/// The accuracies that runs are timed to.
pub const MILESTONES: &[Milestone] = &[
    milestone(
        0.95,
        "epochs_to_95",
        "Epochs to 95 %",
        "The first epoch after which at least 95 % of the test images are recognised.",
    ),
    milestone(
        0.98,
        "epochs_to_98",
        "Epochs to 98 %",
        "The first epoch after which at least 98 % of the test images are recognised.",
    ),
    milestone(
        0.99,
        "epochs_to_99",
        "Epochs to 99 %",
        "The first epoch after which at least 99 % of the test images are recognised.",
    ),
];

const fn milestone(test_accuracy: f64, name: &'static str, label: &'static str, help: &'static str) -> Milestone {
    Milestone { test_accuracy, metric: metric(name, label, "epochs", Some(false), help) }
}

/// After how many epochs each of [`MILESTONES`] was reached, by its name; those not reached are absent.
pub fn reached(history: &[EpochReport]) -> BTreeMap<String, u32> {
    let good = |report: &&EpochReport, least| report.metrics.get("test_accuracy").is_some_and(|&a| a >= least);
    let first = |m: &Milestone| history.iter().find(|report| good(report, m.test_accuracy));
    MILESTONES.iter().filter_map(|m| Some((m.metric.name.into(), first(m)?.epoch))).collect()
}
