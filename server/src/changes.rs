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

    /// The runs that changed after a position, in that order and at most so many, and the position after them. `None` for a position of
    /// an earlier server: what changed before this one started, nobody can tell.
    pub fn since(&self, position: Position, most: usize) -> Option<(Vec<RunId>, Position)> {
        if position.boot != self.boot {
            return None;
        }
        let stamps = self.stamps();
        let taken = stamps.order.range(position.stamp.saturating_add(1)..).take(most).collect::<Vec<_>>();
        let stamp =
            if taken.len() < most { stamps.last } else { taken.last().map_or(stamps.last, |(stamp, _)| **stamp) };
        Some((taken.into_iter().map(|(_, id)| *id).collect(), Position { boot: self.boot, stamp }))
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
        let since = |position, most| changes.since(position, most).unwrap();
        let start = changes.now();
        let [a, b] = [RunId::fresh(), RunId::fresh()];
        [a, b, a].into_iter().for_each(|id| changes.touch(id));
        let (ids, position) = since(start, 9);
        assert_eq!(ids, [b, a]);
        assert_eq!(since(position, 9), (vec![], position));
        changes.touch(b);
        assert_eq!(since(position, 9).0, [b]);
        let (first, position) = since(start, 1);
        assert_eq!((first, since(position, 9).0), (vec![a], vec![b]));
        assert_eq!(since(format!("{}.{}", changes.boot, u64::MAX).parse().unwrap(), 9).0, []);
        assert_eq!(changes.since("1.99".parse().unwrap(), 9), None, "a position of an earlier server");
        assert!(["", "7", "7.", "a.1", "1.-1"].iter().all(|bad| bad.parse::<Position>().is_err()));
    }
}
