//! Open files and connections, of which the system gives a process only so many.

use super::CONNECTIONS;
use std::io;

/// Asks the system for as many open files and connections as it lets this process have: each live stream is one.
pub fn raise_handles() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        // Where it refuses, there are as many as there were.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
}

/// How many files and connections this process may have open; `None` where nothing bounds them.
fn handles() -> Option<usize> {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit};
        getrlimit(Resource::Nofile).current.map(|handles| usize::try_from(handles).unwrap_or(usize::MAX))
    }
    #[cfg(not(unix))]
    None
}

/// Whether the system refused because too many files and connections are open.
pub(crate) fn lacks_handles(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
    }
    #[cfg(not(unix))]
    {
        let _ = error;
        false
    }
}

/// Open files that connections leave alone: the program's own, and those of each run that trains.
const OWN_HANDLES: usize = 32;
const HANDLES_OF_A_RUN: usize = 8;

/// How many connections there may be, and how many of them live streams, so that no run lacks a file because of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capacity {
    pub(crate) connections: usize,
    pub(crate) streams: usize,
}

impl Capacity {
    /// For `streams` live streams, or as many as this process may have files open.
    pub(crate) fn look(streams: usize, jobs: usize) -> Capacity {
        let wanted = Capacity { connections: CONNECTIONS + streams, streams };
        let Some(handles) = handles() else { return wanted };
        let capacity = wanted.within(handles.saturating_sub(OWN_HANDLES + jobs * HANDLES_OF_A_RUN));
        if capacity != wanted {
            tracing::warn!(
                "{handles} files may be open at once, so there may be {} connections, {} of them live streams, instead of {} and \
                 {streams}: raise the limit (`ulimit -n`) for more",
                capacity.connections,
                capacity.streams,
                wanted.connections
            );
        }
        capacity
    }

    /// A connection that is no live stream may be reading a file.
    fn within(self, handles: usize) -> Capacity {
        let Capacity { connections, streams } = self;
        if 2 * connections - streams <= handles {
            return self;
        }
        let connections = (handles / 2).max(8);
        Capacity { connections, streams: streams.min(connections / 2) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_the_runs() {
        let wanted = Capacity { connections: CONNECTIONS + 2000, streams: 2000 };
        assert_eq!(wanted.within(2 * CONNECTIONS + 2000), wanted);
        assert_eq!(wanted.within(1000), Capacity { connections: 500, streams: 250 });
        assert_eq!(wanted.within(0), Capacity { connections: 8, streams: 4 });
        let few = Capacity { connections: CONNECTIONS + 1, streams: 1 };
        assert_eq!(few.within(100), Capacity { connections: 50, streams: 1 });
    }
}
