//! What a summary keeps of a run's epochs: [`Figures`], each metric's last and best value, and [`Curves`], the course of
//! loss and accuracy in few points, so that a table can sort by any metric and draw each row's course without a log.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use trainer::event::EpochReport;
use trainer::measure::METRICS;

/// Points of a curve at most.
const POINTS: usize = 32;

/// A metric of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figure {
    /// After the last epoch that reported it.
    pub last: f64,
    /// The best of all epochs; `None` where neither way is better.
    pub best: Option<f64>,
}

/// Every metric of a run, by name. Names that the trainer knows are not stored again for each run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, Figure>", into = "BTreeMap<String, Figure>")]
pub struct Figures(Vec<(Cow<'static, str>, Figure)>);

impl Figures {
    /// The metric of that name.
    pub fn get(&self, name: &str) -> Option<Figure> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, figure)| *figure)
    }

    /// Takes in one more epoch.
    pub fn take(&mut self, report: &EpochReport) {
        for (name, &last) in &report.metrics {
            let metric = METRICS.iter().find(|m| m.name == name && m.higher_is_better.is_some());
            let better = |best: Option<f64>| {
                metric.map(|metric| best.filter(|&best| !metric.is_better(last, best)).unwrap_or(last))
            };
            match self.0.iter_mut().find(|(known, _)| known == name) {
                None => self.0.push((interned(name), Figure { last, best: better(None) })),
                Some((_, figure)) => *figure = Figure { last, best: better(figure.best) },
            }
        }
        // In memory as in JSON, so that a summary read back is equal.
        self.0.sort_by(|a, b| a.0.cmp(&b.0));
    }
}

fn interned(name: &str) -> Cow<'static, str> {
    let known = METRICS.iter().find(|m| m.name == name);
    known.map_or_else(|| Cow::Owned(name.into()), |m| Cow::Borrowed(m.name))
}

impl From<BTreeMap<String, Figure>> for Figures {
    fn from(map: BTreeMap<String, Figure>) -> Figures {
        Figures(map.into_iter().map(|(name, figure)| (interned(&name), figure)).collect())
    }
}

impl From<Figures> for BTreeMap<String, Figure> {
    fn from(figures: Figures) -> BTreeMap<String, Figure> {
        figures.0.into_iter().map(|(name, figure)| (name.into_owned(), figure)).collect()
    }
}

/// The course of a run, one value an epoch; of many epochs some at even distances, the first and the last among them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Curves {
    /// Training loss.
    pub train_loss: Vec<f32>,
    /// Test accuracy, 0 to 1.
    pub test_accuracy: Vec<f32>,
}

impl Curves {
    /// The curves of these epochs.
    pub fn of(history: &[EpochReport]) -> Curves {
        Curves { train_loss: curve(history, "train_loss"), test_accuracy: curve(history, "test_accuracy") }
    }
}

fn curve(history: &[EpochReport], metric: &str) -> Vec<f32> {
    let count = history.len().min(POINTS);
    let chosen = (0..count).map(|i| if count == 1 { 0 } else { i * (history.len() - 1) / (count - 1) });
    chosen.filter_map(|i| history[i].metrics.get(metric).map(|&value| short(value))).collect()
}

/// Four significant digits: more than a drawing in a row can show, and short in JSON.
fn short(value: f64) -> f32 {
    format!("{value:.3e}").parse().unwrap_or(value as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use trainer::event::{CLASSES, Geometry};

    fn epoch(epoch: u32, metrics: &[(&str, f64)]) -> EpochReport {
        let zeros = [[0.0; 2]; CLASSES];
        EpochReport {
            epoch,
            metrics: metrics.iter().map(|&(name, value)| (name.into(), value)).collect(),
            confusion: Default::default(),
            geometry: Geometry { centers: zeros, means: zeros, weight: zeros, bias: [0.0; CLASSES] },
            artifacts: Vec::new(),
            sha256: BTreeMap::new(),
        }
    }

    #[test]
    fn the_best_is_the_largest_or_the_least_as_the_metric_has_it() {
        let mut figures = Figures::default();
        for (n, accuracy, loss) in [(1, 0.5, 2.0), (2, 0.9, 0.5), (3, 0.8, 0.7)] {
            let own = [("test_accuracy", accuracy), ("train_loss", loss), ("learning_rate", 0.1), ("of_mine", loss)];
            figures.take(&epoch(n, &own));
        }
        assert_eq!(figures.get("test_accuracy"), Some(Figure { last: 0.8, best: Some(0.9) }));
        assert_eq!(figures.get("train_loss"), Some(Figure { last: 0.7, best: Some(0.5) }));
        assert_eq!(figures.get("of_mine"), Some(Figure { last: 0.7, best: None }));
        assert_eq!(figures.get("test_loss"), None);
        let json = serde_json::to_string(&figures).unwrap();
        assert_eq!(serde_json::from_str::<Figures>(&json).unwrap(), figures);
    }

    #[test]
    fn a_long_course_keeps_its_ends_in_few_points() {
        let history = (1..=1000).map(|n| epoch(n, &[("train_loss", 1.0 / f64::from(n)), ("test_accuracy", 0.98765)]));
        let history = history.collect::<Vec<_>>();
        let curves = Curves::of(&history);
        assert_eq!(curves.train_loss.len(), POINTS);
        assert_eq!((curves.train_loss[0], curves.train_loss[POINTS - 1]), (1.0, 0.001));
        assert_eq!(serde_json::to_string(&curves.test_accuracy[..1]).unwrap(), "[0.9877]");
        assert_eq!(Curves::of(&history[..1]).train_loss, [1.0]);
        assert_eq!(Curves::of(&[]), Curves::default());
    }
}
