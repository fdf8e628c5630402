//! Whether a run fits into this machine's memory.
//!
//! A GPU that is full says so, and its run fails. A system promises memory that it doesn't have, and ends the program that takes it,
//! with all its runs. So what a run on the CPU will need is looked at twice: against all that the machine has when it is asked
//! for, and against what is free when it begins. Runs that begin together all see the same free memory, so what one of them was
//! promised is taken off for the next ([`promise`]).

use std::fs;
use std::sync::{Mutex, PoisonError};
use trainer::device;
use trainer::memory::{needed_bytes_on_cpu, smaller_batch, smaller_width};
use trainer::spec::{RunSpec, SpecError};

/// Whether the machine could ever hold the run.
///
/// # Errors
/// Names the field, and what would fit.
pub(crate) fn check(spec: &RunSpec) -> Result<(), SpecError> {
    Memory::look().map_or(Ok(()), |memory| check_in(spec, memory.total))
}

fn check_in(spec: &RunSpec, total: u64) -> Result<(), SpecError> {
    if !is_on_cpu(spec) || needed_bytes_on_cpu(spec) <= total {
        return Ok(());
    }
    let (needed, total_told) = (gigabytes(needed_bytes_on_cpu(spec)), gigabytes(total));
    let expected = format!(
        "a batch that fits into this machine's memory of {total_told} (at width {} it needs about {needed}): {}",
        spec.width,
        advice(spec, total)
    );
    Err(SpecError::new("batch_size", spec.batch_size.into(), expected))
}

/// What this process has promised to its runs.
static LEDGER: Ledger = Ledger(Mutex::new(Promised { bytes: 0, before: 0 }));

/// Keeps memory for a run that begins, until the promise is dropped.
///
/// # Errors
/// The machine can't hold the run now: a sentence that says what would fit.
pub(crate) fn promise(spec: &RunSpec) -> Result<Promise, String> {
    LEDGER.promise(spec, Memory::look)
}

#[derive(Debug)]
struct Ledger(Mutex<Promised>);

/// The promises to the runs under way.
#[derive(Debug)]
struct Promised {
    bytes: u64,
    /// What the process held before the first of them.
    before: u64,
}

/// Memory that is kept for a run; the next one may have it when this is dropped.
#[derive(Debug)]
pub(crate) struct Promise {
    ledger: &'static Ledger,
    bytes: u64,
}

impl Ledger {
    fn promise(&'static self, spec: &RunSpec, look: impl FnOnce() -> Option<Memory>) -> Result<Promise, String> {
        let mut promised = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let needed = if is_on_cpu(spec) { needed_bytes_on_cpu(spec) } else { 0 };
        if let Some(memory) = look() {
            if promised.bytes == 0 {
                promised.before = memory.own;
            }
            // What runs have taken of their promises is no longer free, and what they give back between two steps they will take
            // again: only what the process has not grown by since is still to come.
            let taken = memory.own.saturating_sub(promised.before);
            let room = memory.free.saturating_sub(promised.bytes.saturating_sub(taken));
            if needed > room {
                return Err(format!(
                    "batch size {} at width {} needs about {} of memory, and {} are free: {}, or resume it when other runs are over",
                    spec.batch_size,
                    spec.width,
                    gigabytes(needed),
                    gigabytes(room),
                    advice(spec, room)
                ));
            }
        }
        promised.bytes += needed;
        Ok(Promise { ledger: self, bytes: needed })
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.ledger.0.lock().unwrap_or_else(PoisonError::into_inner).bytes -= self.bytes;
    }
}

fn is_on_cpu(spec: &RunSpec) -> bool {
    device::uses_cuda(spec.device) == Ok(false)
}

/// The largest batch and the largest width, by halves, that fit into `room`.
fn advice(spec: &RunSpec, room: u64) -> String {
    let fits = |smaller: &RunSpec| needed_bytes_on_cpu(smaller) <= room;
    match (smaller_batch(spec, fits), smaller_width(spec, fits)) {
        (Some(batch), Some(width)) => format!("try batch size {batch}, or width {width}"),
        (Some(batch), None) => format!("try batch size {batch}"),
        (None, Some(width)) => format!("try width {width}"),
        (None, None) => "free some of it".into(),
    }
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

/// This machine's memory, in bytes, or what of it this program may take.
#[derive(Clone, Copy, Debug)]
struct Memory {
    total: u64,
    free: u64,
    /// What this process holds of it.
    own: u64,
}

/// The number behind a name in one of the system's tables.
pub(crate) fn figure(table: &str, name: &str) -> Option<u64> {
    let line = table.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

impl Memory {
    /// `None` where the system says nothing that we understand.
    fn look() -> Option<Memory> {
        let bytes = |table: &str, name| figure(table, name).map(|kib| kib * 1024);
        let machine = fs::read_to_string("/proc/meminfo").ok()?;
        let own = bytes(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")?;
        let (total, free) = (bytes(&machine, "MemTotal:")?, bytes(&machine, "MemAvailable:")?);
        let (of_group, left_by_group) = Memory::of_group().unwrap_or((total, free));
        Some(Memory { total: total.min(of_group), free: free.min(left_by_group), own })
    }

    /// What the control group allows and leaves, in a container or a unit of systemd.
    fn of_group() -> Option<(u64, u64)> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
        let of = |name: &str| {
            let text = fs::read_to_string(format!("/sys/fs/cgroup{path}/{name}")).ok()?;
            text.trim().parse::<u64>().ok()
        };
        let (total, used) = (of("memory.max")?, of("memory.current")?);
        // Files that are kept in case somebody reads them again make room at once.
        let idle = fs::read_to_string(format!("/sys/fs/cgroup{path}/memory.stat")).ok();
        let idle = idle.and_then(|stat| figure(&stat, "inactive_file "));
        Some((total, total.saturating_sub(used.saturating_sub(idle.unwrap_or(0)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trainer::spec::{DeviceChoice, Distance, Network, Profile};

    fn largest() -> RunSpec {
        let spec = RunSpec::preset(Profile::Full, Network::Deep, Distance::Root);
        RunSpec { width: 2.0, batch_size: 4096, device: DeviceChoice::Cpu, ..spec }
    }

    fn ledger() -> &'static Ledger {
        Box::leak(Box::new(Ledger(Mutex::new(Promised { bytes: 0, before: 0 }))))
    }

    fn left(free: u64, own: u64) -> impl FnOnce() -> Option<Memory> {
        move || Some(Memory { total: free + own, free, own })
    }

    #[test]
    fn what_does_not_fit_is_refused_with_what_would() {
        let spec = largest();
        let now = |spec: &RunSpec, free| ledger().promise(spec, left(free, 0)).map(drop);
        let needed = needed_bytes_on_cpu(&spec);
        assert!(check_in(&spec, needed).is_ok() && now(&spec, needed).is_ok());
        let room = needed_bytes_on_cpu(&RunSpec { batch_size: 2048, ..spec.clone() });
        let refused = check_in(&spec, room).unwrap_err();
        assert_eq!((refused.field.as_str(), &refused.value), ("batch_size", &4096.into()));
        assert!(refused.expected.ends_with(": try batch size 2048, or width 1"), "{refused}");
        let refused = now(&spec, room).unwrap_err();
        assert!(refused.contains("try batch size 2048, or width 1, or resume it"), "{refused}");
        // Where no batch is small enough, a width may be.
        let one = RunSpec { batch_size: 1, ..spec.clone() };
        assert!(now(&one, needed_bytes_on_cpu(&one) / 2).unwrap_err().contains(": try width "));
        assert!(now(&spec, 0).unwrap_err().contains(": free some of it, or"));
    }

    #[test]
    fn runs_that_begin_together_are_not_promised_the_same_memory() {
        let (ledger, spec) = (ledger(), largest());
        let needed = needed_bytes_on_cpu(&spec);
        let (held, free) = (1 << 30, 2 * needed);
        let first = ledger.promise(&spec, left(free, held)).unwrap();
        let second = ledger.promise(&spec, left(free, held)).unwrap();
        assert!(ledger.promise(&spec, left(free, held)).is_err(), "nothing is taken yet, and all of it is promised");
        // All taken, then half given back for a moment: there is as little for a third as before.
        assert!(ledger.promise(&spec, left(0, held + free)).is_err());
        assert!(ledger.promise(&spec, left(needed, held + needed)).is_err());
        assert!(ledger.promise(&spec, left(needed, held + 2 * needed)).is_ok(), "more became free elsewhere");
        drop(first);
        assert!(ledger.promise(&spec, left(needed, held + needed)).is_ok(), "one is over");
        drop(second);
        assert_eq!(ledger.0.lock().unwrap().bytes, 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_memory_of_this_machine_is_known_and_holds_a_small_run() {
        let memory = Memory::look().unwrap();
        assert!(memory.free <= memory.total && memory.total > 100 << 20, "{memory:?}");
        assert!((1 << 20..memory.total).contains(&memory.own), "{memory:?}");
        let small = RunSpec { width: 0.25, batch_size: 64, ..largest() };
        assert!(check(&small).is_ok() && promise(&small).is_ok());
    }
}
