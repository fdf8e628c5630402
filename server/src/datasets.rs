//! The data sets in memory: each is loaded once and shared by all runs.

use std::sync::{Arc, Mutex, PoisonError};
use trainer::data::{self, DataError, DataOptions, DataProgress, Dataset};
use trainer::spec::DatasetChoice;

/// Loads data sets and keeps them.
#[derive(Debug, Default)]
pub struct Datasets {
    options: DataOptions,
    /// Locked only for a look.
    loaded: Mutex<Vec<(DatasetChoice, Arc<Dataset>)>>,
    /// Held for a whole load, a download included, so that three runs that start together load once.
    loading: Mutex<()>,
}

impl Datasets {
    /// Nothing loaded yet.
    pub fn new(options: DataOptions) -> Datasets {
        Datasets { options, ..Datasets::default() }
    }

    /// The data set for a run. Blocks while it is loaded; `say` hears of what takes time.
    ///
    /// # Errors
    /// A sentence that says what is missing and what to do.
    pub fn load(&self, choice: DatasetChoice, say: &mut dyn FnMut(&DataProgress)) -> Result<Arc<Dataset>, DataError> {
        if let Some(found) = self.loaded(choice) {
            return Ok(found);
        }
        let _one_at_a_time = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        match self.loaded(choice) {
            Some(found) => Ok(found),
            None => Ok(self.keep(choice, data::load(choice, &self.options, say)?)),
        }
    }

    /// The data set for a picture or a label: one in memory or on this machine, never a download. Blocks.
    ///
    /// # Errors
    /// It isn't here.
    pub fn look_up(&self, choice: DatasetChoice) -> Result<Arc<Dataset>, DataError> {
        if let Some(found) = self.loaded(choice) {
            return Ok(found);
        }
        // Not under `loading`: a picture must not wait for a run's download.
        let options = DataOptions { offline: true, ..self.options.clone() };
        Ok(self.keep(choice, data::load(choice, &options, &mut |_| {})?))
    }

    fn loaded(&self, choice: DatasetChoice) -> Option<Arc<Dataset>> {
        let loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.iter().find(|(for_choice, _)| *for_choice == choice).map(|(_, dataset)| dataset.clone())
    }

    /// Keeps a data set under the choice that led to it and under its own name.
    fn keep(&self, choice: DatasetChoice, dataset: Dataset) -> Arc<Dataset> {
        let own = DatasetChoice::from_word(&dataset.info.set).unwrap_or(choice);
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let known = loaded.iter().find(|(for_choice, _)| *for_choice == own).map(|(_, dataset)| dataset.clone());
        let dataset = known.unwrap_or_else(|| Arc::new(dataset));
        for choice in [choice, own] {
            if !loaded.iter().any(|(for_choice, _)| *for_choice == choice) {
                loaded.push((choice, dataset.clone()));
            }
        }
        dataset
    }
}
