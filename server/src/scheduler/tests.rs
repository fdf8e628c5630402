//! Stop, resume, fork, delete and restore in any order, each perhaps twice at once, against the real scheduler.

use super::*;
use crate::fake;
use crate::state::RunState;
use crate::store::Store;
use proptest::prelude::*;
use std::sync::mpsc;
use tokio::runtime::Runtime;

/// What somebody does. Runs are named by their place in the order of their making.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Submit {
        epochs: u32,
    },
    Stop(usize),
    Resume(usize),
    Fork(usize),
    Delete(usize),
    Restore(usize),
    /// Waits until the run is over.
    Await(usize),
}

fn deeds() -> impl Strategy<Value = Vec<(Deed, bool)>> {
    let which = 0..6usize;
    let deed = prop_oneof![
        3 => (1..40u32).prop_map(|epochs| Deed::Submit { epochs }),
        2 => which.clone().prop_map(Deed::Stop),
        3 => which.clone().prop_map(Deed::Resume),
        2 => which.clone().prop_map(Deed::Fork),
        2 => which.clone().prop_map(Deed::Delete),
        2 => which.clone().prop_map(Deed::Restore),
        1 => which.prop_map(Deed::Await),
    ];
    prop::collection::vec((deed, any::<bool>()), 1..16)
}

struct World {
    registry: Arc<Registry>,
    scheduler: Arc<Scheduler>,
    runtime: Runtime,
    /// Every run that was ever made.
    made: Mutex<Vec<Arc<Run>>>,
}

impl World {
    fn new(folder: &std::path::Path) -> World {
        let registry = Arc::new(Registry::open(Store::open(folder).unwrap()).unwrap());
        let scheduler = Scheduler::new(2, registry.clone(), Box::new(fake::train));
        World { registry, scheduler, runtime: Runtime::new().unwrap(), made: Mutex::default() }
    }

    /// The run as the registry has it, or as it was when it was made.
    fn run(&self, place: usize) -> Option<Arc<Run>> {
        let made = self.made.lock().unwrap().get(place).cloned()?;
        Some(self.registry.get(made.id).unwrap_or(made))
    }

    fn submit(&self, order: Order) {
        let runs = self.scheduler.submit(vec![order]).unwrap();
        self.made.lock().unwrap().extend(runs);
    }

    /// Does it; what makes no sense just then has to be refused, and nothing else may happen.
    fn carry_out(&self, deed: Deed) {
        use Deed::{Await, Delete, Fork, Restore, Resume, Stop, Submit};
        let place = match deed {
            Submit { epochs } => {
                return self.submit(Order {
                    name: "made".into(),
                    spec: fake::spec(epochs),
                    comparison: None,
                    sweep: None,
                    fork: None,
                });
            }
            Stop(place) | Resume(place) | Fork(place) | Delete(place) | Restore(place) | Await(place) => place,
        };
        let Some(run) = self.run(place) else { return };
        match deed {
            Submit { .. } => {}
            Stop(_) => self.scheduler.stop(&run, "stopped by hand"),
            Resume(_) => match self.scheduler.resume(&run) {
                Ok(())
                | Err(SubmitError::Record(RecordError::Stopping | RecordError::Finished | RecordError::Gone)) => {}
                Err(error) => panic!("{error}"),
            },
            Fork(_) => {
                // A run that was just deleted has no folder to read.
                let Ok(state) = run.read() else { return };
                let Ok((epoch, _)) = checkpoints::newest(&run.folder, &state) else { return };
                let Ok((_, bytes)) = checkpoints::at(&run.folder, &state, epoch) else { return };
                let sha256 = crate::store::digest(&bytes);
                let from = trainer::event::Fork { run: run.id.to_string(), epoch, sha256, data: None };
                self.submit(Order {
                    name: "fork".into(),
                    spec: fake::spec(epoch + 3),
                    comparison: None,
                    sweep: None,
                    fork: Some((from, bytes)),
                });
            }
            Delete(_) => match self.registry.delete(&run) {
                Ok(()) | Err(RecordError::NotOver | RecordError::Stopping | RecordError::Gone) => {}
                Err(error) => panic!("{error}"),
            },
            Restore(_) => {
                if let Err(error) = self.registry.restore(run.id) {
                    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
                }
            }
            Await(_) => {
                let mut bell = run.bell();
                let over = async { while !run.status().is_over() && bell.changed().await.is_ok() {} };
                self.runtime.block_on(over);
            }
        }
    }

    /// What must hold at the end, whatever was done.
    fn check(&self) {
        self.runtime.block_on(self.scheduler.shut_down(Duration::from_secs(60)));
        assert_eq!(*self.scheduler.running.borrow(), 0);
        let desk = self.scheduler.desk();
        assert_eq!((desk.waiting.len(), desk.reserved, desk.running.len()), (0, 0, 0));
        let trashed = self.registry.trashed().unwrap();
        for run in self.made.lock().unwrap().iter() {
            let here = self.registry.get(run.id);
            let gone = trashed.iter().find(|t| t.id == run.id);
            let says = gone.map(|t| t.summary.as_ref().is_some_and(|summary| summary.deleted_ms.is_some()));
            assert_ne!(says, Some(false), "what is deleted says so");
            let gone = gone.is_some();
            assert!(here.is_some() != gone, "each run is in one place");
            let Some(run) = here else { continue };
            let lines = run.folder.log_lines().unwrap();
            let state = RunState::replay(run.id, lines.iter().map(|line| &**line)).unwrap();
            assert!(state.summary.status.is_over(), "{:?}", state.summary);
            assert_eq!(state.summary, *run.summary(), "memory is the replay of the log");
            assert_eq!(state.summary.seq as usize, lines.len());
            assert_eq!(state.summary.deleted_ms, None, "what is here says so");
            let first = state.summary.fork.as_ref().map_or(1, |fork| fork.epoch + 1);
            let epochs = state.history.iter().map(|report| report.epoch);
            assert!(epochs.eq(first..=state.summary.epoch), "each epoch once, in order");
            if state.summary.status == Status::Finished {
                assert_eq!(state.summary.epoch, state.summary.spec.epochs);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_deeds_leaves_every_run_whole(deeds in deeds()) {
        let (done, ended) = mpsc::channel();
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().to_path_buf();
        let work = thread::spawn(move || {
            let world = World::new(&folder);
            for (deed, twice) in deeds {
                thread::scope(|scope| {
                    if twice {
                        scope.spawn(|| world.carry_out(deed));
                    }
                    world.carry_out(deed);
                });
            }
            world.check();
            done.send(()).unwrap();
        });
        // Disconnected: an assertion failed. Timed out: a deadlock.
        match ended.recv_timeout(Duration::from_secs(180)) {
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("deadlock"),
            _ => prop_assert!(work.join().is_ok()),
        }
    }
}
