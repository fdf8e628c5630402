//! The course of a run: every metric by epoch, and nothing else of its log. Courses of runs that are over are kept, since
//! pages ask for those of a whole sweep again and again while one of its runs trains.

use crate::runs::{ReadError, Run};
use crate::state::RunState;
use crate::store::RunId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use trainer::event::EpochReport;
use trainer::measure::{METRICS, Metric};

/// Epochs that are kept at most, of all runs together, a run without any counting as one; about 25 MB.
const MOST_EPOCHS: usize = 100_000;

/// The metrics of an epoch, in the order of [`METRICS`].
#[derive(Clone, Debug)]
pub(crate) struct Epoch {
    /// From 1.
    pub(crate) epoch: u32,
    values: [Option<f64>; METRICS.len()],
}

impl From<&EpochReport> for Epoch {
    fn from(report: &EpochReport) -> Epoch {
        Epoch { epoch: report.epoch, values: std::array::from_fn(|at| report.metrics.get(METRICS[at].name).copied()) }
    }
}

impl Epoch {
    /// A metric after this epoch.
    pub(crate) fn value(&self, metric: &Metric) -> Option<f64> {
        self.values[METRICS.iter().position(|known| known.name == metric.name)?]
    }
}

/// The epochs of a run.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    /// In order.
    pub(crate) epochs: Arc<[Epoch]>,
}

impl From<RunState> for Course {
    fn from(state: RunState) -> Course {
        Course { epochs: state.history.iter().map(Epoch::from).collect() }
    }
}

impl Course {
    /// A metric by epoch.
    pub(crate) fn of(&self, metric: &Metric) -> impl Iterator<Item = (u32, f64)> {
        self.epochs.iter().filter_map(|epoch| Some((epoch.epoch, epoch.value(metric)?)))
    }
}

/// The courses of runs that are over, as far as they were asked for.
#[derive(Debug, Default)]
pub(crate) struct Courses(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    courses: BTreeMap<RunId, KeptCourse>,
    epochs: usize,
    /// How often one was asked for or kept.
    uses: u64,
}

#[derive(Debug)]
struct KeptCourse {
    /// The last event that it holds: a run that goes on, or is edited, has a later one.
    seq: u64,
    epochs: Arc<[Epoch]>,
    /// When it was last asked for, in uses.
    used: u64,
}

impl KeptCourse {
    fn size(&self) -> usize {
        self.epochs.len().max(1)
    }
}

impl Courses {
    /// The course of a run. Blocks on the disk where it is over and was not asked for lately.
    ///
    /// # Errors
    /// Its log can't be read.
    pub(crate) fn of(&self, run: &Run) -> Result<Course, ReadError> {
        let summary = run.summary();
        if let Some(epochs) = self.kept().get(run.id, summary.seq) {
            return Ok(Course { epochs });
        }
        let course = Course::from(run.read()?);
        if summary.status.is_over() {
            self.kept().keep(run.id, summary.seq, &course.epochs);
        }
        Ok(course)
    }

    // What is kept is replaced whole, so a panic leaves nothing half done.
    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn get(&mut self, id: RunId, seq: u64) -> Option<Arc<[Epoch]>> {
        let course = self.courses.get_mut(&id).filter(|course| course.seq == seq)?;
        self.uses += 1;
        course.used = self.uses;
        Some(course.epochs.clone())
    }

    fn keep(&mut self, id: RunId, seq: u64, epochs: &Arc<[Epoch]>) {
        self.uses += 1;
        let course = KeptCourse { seq, epochs: epochs.clone(), used: self.uses };
        self.epochs += course.size();
        self.epochs -= self.courses.insert(id, course).map_or(0, |replaced| replaced.size());
        // Those go first that nobody has asked for the longest.
        while self.epochs > MOST_EPOCHS
            && let Some(id) = self.courses.iter().min_by_key(|(_, course)| course.used).map(|(id, _)| *id)
        {
            self.epochs -= self.courses.remove(&id).map_or(0, |gone| gone.size());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::groups::tests::state;
    use trainer::spec::Distance;

    #[test]
    fn what_is_kept_has_a_bound_and_a_run_counts_once() {
        let one = Course::from(state(1, 1.0, Distance::Root, &[0.5], true)).epochs[0].clone();
        let epochs = |count: usize| Arc::<[Epoch]>::from(vec![one.clone(); count]);
        let ids = [RunId::fresh(), RunId::fresh(), RunId::fresh()];
        let half = MOST_EPOCHS / 2;
        let mut kept = Kept::default();
        kept.keep(ids[0], 1, &epochs(half - 1));
        kept.keep(ids[0], 2, &epochs(half));
        assert_eq!((kept.courses.len(), kept.epochs), (1, half));
        kept.keep(ids[1], 1, &epochs(half));
        assert!(kept.get(ids[0], 2).is_some() && kept.get(ids[1], 2).is_none(), "another event is another course");
        kept.keep(ids[2], 1, &epochs(0));
        assert_eq!(kept.courses.keys().collect::<Vec<_>>(), [&ids[0], &ids[2]], "the one that was asked for stays");
        assert_eq!(kept.epochs, half + 1);
    }
}
