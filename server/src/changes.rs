//! Which runs changed since when: what the stream of summaries pulls from.
//!
//! Each change gives the run a new, larger stamp, and only the latest of each run is kept: a watcher that comes late, or
//! is slow, gets every run that changed once, as it is now. So this never holds more than one stamp a run.

use crate::runs::now_ms;
use crate::store::RunId;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// The changes since this server started.
#[derive(Debug)]
pub struct Changes {
    /// Tells the stamps of this server from those of an earlier one in the same folder.
    boot: u64,
    /// Locked for moments only.
    stamps: Mutex<Stamps>,
    bell: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Stamps {
    last: u64,
    of: HashMap<RunId, u64>,
    order: BTreeMap<u64, RunId>,
}

/// Up to where a watcher knows everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    boot: u64,
    stamp: u64,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.boot, self.stamp)
    }
}

impl std::str::FromStr for Position {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Position, Self::Err> {
        let (boot, stamp) = text.split_once('.').unwrap_or((text, ""));
        Ok(Position { boot: boot.parse()?, stamp: stamp.parse()? })
    }
}

impl Default for Changes {
    fn default() -> Changes {
        Changes { boot: now_ms(), stamps: Mutex::default(), bell: watch::Sender::new(()) }
    }
}

impl Changes {
    /// A run changed, came or went.
    pub fn touch(&self, id: RunId) {
        let mut stamps = self.stamps();
        stamps.last += 1;
        let stamp = stamps.last;
        if let Some(before) = stamps.of.insert(id, stamp) {
            stamps.order.remove(&before);
        }
        stamps.order.insert(stamp, id);
        drop(stamps);
        self.bell.send_replace(());
    }

    /// The position of whoever looks at all runs now.
    pub fn now(&self) -> Position {
        Position { boot: self.boot, stamp: self.stamps().last }
    }

    /// The runs that changed after a position, in that order and at most so many, and the position after them. One of an earlier server lies
    /// before everything: whatever changed meanwhile did so as this one opened the runs.
    pub fn since(&self, position: Position, most: usize) -> (Vec<RunId>, Position) {
        let stamps = self.stamps();
        let after = if position.boot == self.boot { position.stamp } else { 0 };
        let taken = stamps.order.range(after.saturating_add(1)..).take(most).collect::<Vec<_>>();
        let stamp =
            if taken.len() < most { stamps.last } else { taken.last().map_or(stamps.last, |(stamp, _)| **stamp) };
        (taken.into_iter().map(|(_, id)| *id).collect(), Position { boot: self.boot, stamp })
    }

    /// Rings at each change.
    pub fn bell(&self) -> watch::Receiver<()> {
        self.bell.subscribe()
    }

    fn stamps(&self) -> MutexGuard<'_, Stamps> {
        self.stamps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_changed_often_is_told_once() {
        let changes = Changes::default();
        let start = changes.now();
        let [a, b] = [RunId::fresh(), RunId::fresh()];
        [a, b, a].into_iter().for_each(|id| changes.touch(id));
        let (ids, position) = changes.since(start, 9);
        assert_eq!(ids, [b, a]);
        assert_eq!(changes.since(position, 9), (vec![], position));
        changes.touch(b);
        assert_eq!(changes.since(position, 9).0, [b]);
        let earlier = "1.99".parse().unwrap();
        assert_eq!(changes.since(earlier, 9).0, [a, b], "a position of an earlier server");
        let (first, position) = changes.since(earlier, 1);
        assert_eq!((first, changes.since(position, 9).0), (vec![a], vec![b]));
        assert_eq!(changes.since(format!("{}.{}", changes.boot, u64::MAX).parse().unwrap(), 9).0, []);
        assert!(["", "7", "7.", "a.1", "1.-1"].iter().all(|bad| bad.parse::<Position>().is_err()));
    }
}
