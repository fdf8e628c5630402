//! The data sets in memory: each is loaded once and shared by all who want it.
//!
//! A load has a thread of its own, one for each choice, and whoever wants that set meanwhile waits for the same load. So runs
//! that start together load once and each hears how far it is; one that is stopped waits no longer, while the load goes on
//! for the others and for the next.

use crate::error::Error;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use trainer::data::{self, DataError, DataOptions, DataProgress, Dataset, GENERATED_IMAGES};
use trainer::spec::DatasetChoice;

/// How often somebody who waits looks whether he is still meant to.
const LOOK: Duration = Duration::from_millis(100);

/// What finds and reads a data set.
type Load =
    dyn Fn(DatasetChoice, &DataOptions, &mut dyn FnMut(&DataProgress)) -> Result<Dataset, DataError> + Send + Sync;
/// What came of a load: the set, or a sentence that says what is missing and what to do.
type Loaded = Result<Arc<Dataset>, String>;

/// Loads data sets and keeps them.
pub struct Datasets {
    options: DataOptions,
    find: Arc<Load>,
    /// Locked only for a look.
    shelf: Arc<Mutex<Shelf>>,
}

#[derive(Default)]
struct Shelf {
    /// Each under its own name.
    here: Vec<(DatasetChoice, Arc<Dataset>)>,
    /// The loads that haven't ended, by choice and whether they keep off the network.
    under_way: Vec<(DatasetChoice, bool, Arc<Loading>)>,
    /// Whether the last search for MNIST ended with generated digits.
    fell_back: bool,
}

/// A load that somebody waits for.
#[derive(Default)]
struct Loading {
    told: Mutex<Told>,
    bell: Condvar,
}

#[derive(Default)]
struct Told {
    sentences: Vec<String>,
    outcome: Option<Loaded>,
}

impl Datasets {
    /// Nothing loaded yet.
    pub fn new(options: DataOptions) -> Datasets {
        Datasets { options, find: Arc::new(data::load), shelf: Arc::default() }
    }

    /// The data set for a run. Blocks while it is loaded, unless `stop` is raised: then there is none. `say` hears of what
    /// takes time.
    ///
    /// # Errors
    /// A sentence that says what is missing and what to do.
    pub fn load(
        &self,
        choice: DatasetChoice,
        stop: &AtomicBool,
        say: &mut dyn FnMut(&str),
    ) -> Result<Option<Arc<Dataset>>, String> {
        self.get(choice, false, stop, say).transpose()
    }

    /// The images of the set that addresses call `set`, for a picture or a label: in memory or on this machine, never a
    /// download. Where a `digest` is given they are those that it was made of, as a run saw them, or none. Blocks.
    ///
    /// # Errors
    /// They aren't here.
    pub fn look_up(&self, set: &str, digest: Option<&str>) -> Result<Arc<Dataset>, Error> {
        let choice = DatasetChoice::from_word(set).filter(|choice| *choice != DatasetChoice::Auto);
        let choice =
            choice.ok_or_else(|| Error::NotFound(format!("there is no data set `{set}`: mnist or generated")))?;
        // Keeps off the network, and so waits for no run's download.
        let found = self.get(choice, true, &AtomicBool::new(false), &mut |_| {});
        let dataset =
            found.unwrap_or_else(|| Err("the data set could not be loaded".into())).map_err(Error::NotFound)?;
        match digest {
            Some(digest) if digest != dataset.info.digest => Err(Error::NotFound(elsewhere(choice, digest, &dataset))),
            _ => Ok(dataset),
        }
    }

    /// How many training images the set of that choice holds, where that is known without loading it.
    pub fn train_images(&self, choice: DatasetChoice) -> Option<usize> {
        let shelf = lock(&self.shelf);
        let generated = choice == DatasetChoice::Generated || (choice == DatasetChoice::Auto && shelf.fell_back);
        let held = shelf.find(choice).map(|dataset| dataset.info.train_images);
        held.or(generated.then_some(GENERATED_IMAGES))
    }

    /// From memory, or by a load; `None` where `stop` was raised meanwhile.
    fn get(
        &self,
        choice: DatasetChoice,
        offline: bool,
        stop: &AtomicBool,
        say: &mut dyn FnMut(&str),
    ) -> Option<Loaded> {
        let loading = {
            let mut shelf = lock(&self.shelf);
            if let Some(found) = shelf.find(choice) {
                return Some(Ok(found));
            }
            let under_way = shelf.under_way.iter().find(|load| (load.0, load.1) == (choice, offline));
            match under_way.map(|(_, _, loading)| loading.clone()) {
                Some(loading) => loading,
                None => match self.begin(choice, offline) {
                    Ok(loading) => {
                        shelf.under_way.push((choice, offline, loading.clone()));
                        loading
                    }
                    Err(error) => return Some(Err(format!("no thread could be started: {error}; try fewer jobs"))),
                },
            }
        };
        loading.wait(stop, say)
    }

    /// Starts the thread of a load, which waits for the shelf before it ends.
    fn begin(&self, choice: DatasetChoice, offline: bool) -> io::Result<Arc<Loading>> {
        let loading = Arc::<Loading>::default();
        let options = DataOptions { offline: offline || self.options.offline, ..self.options.clone() };
        let (find, shelf, own) = (self.find.clone(), self.shelf.clone(), loading.clone());
        let work = move || {
            let mut say = |progress: &DataProgress| own.say(progress.to_string());
            let found = catch_unwind(AssertUnwindSafe(|| find(choice, &options, &mut say)));
            let found = found.map_or_else(
                |_| Err("loading the data set broke down (this is a bug: please report it)".into()),
                |found| found.map_err(|error| error.to_string()),
            );
            let mut shelf = lock(&shelf);
            let kept = found.map(|dataset| shelf.keep(choice, dataset));
            shelf.under_way.retain(|(_, _, other)| !Arc::ptr_eq(other, &own));
            drop(shelf);
            own.end(kept);
        };
        thread::Builder::new().name("data".into()).spawn(work).map(|_| loading)
    }
}

impl fmt::Debug for Datasets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datasets").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Shelf {
    /// What is in memory for a choice. Where MNIST could not be had, `Auto` looks for it again each time: its files may have
    /// been put where they belong.
    fn find(&self, choice: DatasetChoice) -> Option<Arc<Dataset>> {
        let own = if choice == DatasetChoice::Auto { DatasetChoice::Mnist } else { choice };
        self.here.iter().find(|(name, _)| *name == own).map(|(_, dataset)| dataset.clone())
    }

    /// Keeps a data set under its own name, unless another load was first.
    fn keep(&mut self, choice: DatasetChoice, dataset: Dataset) -> Arc<Dataset> {
        let own = DatasetChoice::from_word(&dataset.info.set).unwrap_or(choice);
        if choice == DatasetChoice::Auto {
            self.fell_back = own == DatasetChoice::Generated;
        }
        self.find(own).unwrap_or_else(|| {
            let dataset = Arc::new(dataset);
            self.here.push((own, dataset.clone()));
            dataset
        })
    }
}

impl Loading {
    fn say(&self, sentence: String) {
        let mut told = lock(&self.told);
        // A download repeats itself while its bytes grow.
        if told.sentences.last() != Some(&sentence) {
            told.sentences.push(sentence);
            self.bell.notify_all();
        }
    }

    fn end(&self, outcome: Loaded) {
        lock(&self.told).outcome = Some(outcome);
        self.bell.notify_all();
    }

    /// Waits for the end and passes every sentence on; `None` where `stop` was raised before.
    fn wait(&self, stop: &AtomicBool, say: &mut dyn FnMut(&str)) -> Option<Loaded> {
        let mut heard = 0;
        loop {
            let (news, outcome) = {
                let told = lock(&self.told);
                let silent = |told: &mut Told| told.sentences.len() == heard && told.outcome.is_none();
                let waited = self.bell.wait_timeout_while(told, LOOK, silent);
                let (told, _) = waited.unwrap_or_else(PoisonError::into_inner);
                (told.sentences[heard..].to_vec(), told.outcome.clone())
            };
            // Not under the lock: who hears of it may have to wait for a disk.
            news.iter().for_each(|sentence| say(sentence));
            heard += news.len();
            if outcome.is_some() {
                return outcome;
            }
            if stop.load(Ordering::Relaxed) {
                return None;
            }
        }
    }
}

/// Why images of that digest aren't those that are here.
fn elsewhere(choice: DatasetChoice, digest: &str, here: &Dataset) -> String {
    let digest = digest.chars().take(12).collect::<String>();
    match choice {
        DatasetChoice::Generated => format!(
            "the digits of digest {digest} were drawn by another version of the program: use that version to see them"
        ),
        _ => format!(
            "the images of digest {digest} are not those that this server has ({}): start it with --data-dir or \
             CENTERSCOPE_DATA set to their folder to see them",
            here.info.name
        ),
    }
}

// What the locks guard is replaced whole or appended to, so a panic leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;
    use trainer::data::{Images, PIXELS};

    static RUNNING: AtomicBool = AtomicBool::new(false);

    /// A set of one black image in each split.
    fn black(set: &str) -> Dataset {
        let image = || Images::new(vec![0; PIXELS], vec![7]).unwrap();
        Dataset::new(set, set, image(), image())
    }

    fn with(
        find: impl Fn(DatasetChoice, &mut dyn FnMut(&DataProgress)) -> Result<Dataset, DataError> + Send + Sync + 'static,
    ) -> Datasets {
        Datasets { find: Arc::new(move |choice, _, say| find(choice, say)), ..Datasets::new(DataOptions::default()) }
    }

    fn said(message: &str) -> DataProgress {
        DataProgress { message: message.into(), done_bytes: 0, total_bytes: None }
    }

    #[test]
    fn runs_share_a_load_and_one_that_is_stopped_waits_no_longer() {
        let (arrive, arrived) = mpsc::channel::<()>();
        let (arrived, loads) = (Mutex::new(arrived), Arc::new(AtomicUsize::new(0)));
        let count = loads.clone();
        let datasets = with(move |choice, say| match choice {
            DatasetChoice::Mnist => {
                count.fetch_add(1, Ordering::Relaxed);
                (0..3).for_each(|_| say(&said("downloading")));
                let _ = lock(&arrived).recv();
                Ok(black("mnist"))
            }
            _ => Ok(black("generated")),
        });
        let stop = AtomicBool::new(false);
        let mut heard = Vec::new();
        let stopped = datasets.load(DatasetChoice::Mnist, &stop, &mut |sentence| {
            heard.push(sentence.to_string());
            stop.store(true, Ordering::Relaxed);
        });
        assert!(stopped.unwrap().is_none(), "it was stopped while the download went on");
        assert_eq!(heard, ["downloading"], "each sentence once");
        // Another set waits for nothing.
        let generated = datasets.load(DatasetChoice::Generated, &RUNNING, &mut |_| {}).unwrap().unwrap();
        assert_eq!(generated.info.set, "generated");

        let load = || {
            let mut heard = 0;
            let mut say = |_: &str| {
                heard += 1;
                arrive.send(()).unwrap();
            };
            (datasets.load(DatasetChoice::Mnist, &RUNNING, &mut say).unwrap().unwrap(), heard)
        };
        let (first, second) = thread::scope(|scope| {
            let (first, second) = (scope.spawn(load), scope.spawn(load));
            (first.join().unwrap(), second.join().unwrap())
        });
        assert!(Arc::ptr_eq(&first.0, &second.0) && first.1 + second.1 >= 1, "the one that came first tells both");
        assert_eq!(loads.load(Ordering::Relaxed), 1, "one load for all");
    }

    #[test]
    fn a_load_that_breaks_down_is_told_and_tried_again() {
        let tries = AtomicUsize::new(0);
        let datasets = with(move |_, _| match tries.fetch_add(1, Ordering::Relaxed) {
            0 => panic!("out of tensors"),
            1 => Err(DataError::Absent("no such folder".into())),
            _ => Ok(black("mnist")),
        });
        let load = || datasets.load(DatasetChoice::Mnist, &RUNNING, &mut |_| {});
        assert!(load().unwrap_err().contains("broke down"));
        assert_eq!(load().unwrap_err(), "no such folder");
        assert_eq!(load().unwrap().unwrap().info.set, "mnist");
    }

    #[test]
    fn auto_looks_for_mnist_again_after_it_had_to_do_without() {
        let there = Arc::new(AtomicBool::new(false));
        let put = there.clone();
        let datasets = with(move |_, _| Ok(black(if put.load(Ordering::Relaxed) { "mnist" } else { "generated" })));
        let auto = || datasets.load(DatasetChoice::Auto, &RUNNING, &mut |_| {}).unwrap().unwrap().info.set.clone();
        assert_eq!((datasets.train_images(DatasetChoice::Auto), auto().as_str()), (None, "generated"));
        assert_eq!(datasets.train_images(DatasetChoice::Auto), Some(GENERATED_IMAGES));
        assert_eq!(datasets.train_images(DatasetChoice::Generated), Some(1), "what is in memory is counted");
        there.store(true, Ordering::Relaxed);
        assert_eq!(auto(), "mnist", "its files have been put where they belong");
        there.store(false, Ordering::Relaxed);
        assert_eq!((auto().as_str(), datasets.train_images(DatasetChoice::Auto)), ("mnist", Some(1)), "it is kept");
    }

    #[test]
    fn images_are_found_by_their_digest_and_never_mistaken() {
        let datasets = with(|choice, _| Ok(black(if choice == DatasetChoice::Mnist { "mnist" } else { "generated" })));
        let own = black("mnist").info.digest;
        assert_eq!(datasets.look_up("mnist", None).unwrap().info.digest, own);
        assert_eq!(datasets.look_up("mnist", Some(&own)).unwrap().info.digest, own);
        let other = "0123456789abcdef".repeat(4);
        for (set, advice) in [("mnist", "CENTERSCOPE_DATA"), ("generated", "another version of the program")] {
            let sentence = datasets.look_up(set, Some(&other)).unwrap_err().to_string();
            assert!(sentence.contains("0123456789ab ") && sentence.contains(advice), "{sentence}");
        }
        for unknown in ["auto", "letters"] {
            assert!(matches!(datasets.look_up(unknown, None), Err(Error::NotFound(_))));
        }
    }
}
