//! Whether a run fits into this machine's memory.
//!
//! A GPU that is full says so, and its run fails. A system promises memory that it doesn't have, and ends the program that takes it,
//! with all its runs. So what a run on the CPU will need is looked at twice: against all that the machine has when it is asked
//! for, and against what is free when it begins.

use std::fs;
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
    if !is_short(spec, total) {
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

/// Whether the machine can hold the run now.
///
/// # Errors
/// A sentence that says what would fit.
pub(crate) fn check_now(spec: &RunSpec) -> Result<(), String> {
    Memory::look().map_or(Ok(()), |memory| check_now_in(spec, memory.free))
}

fn check_now_in(spec: &RunSpec, free: u64) -> Result<(), String> {
    if !is_short(spec, free) {
        return Ok(());
    }
    Err(format!(
        "batch size {} at width {} needs about {} of memory, and {} are free: {}, or resume it when other runs are over",
        spec.batch_size,
        spec.width,
        gigabytes(needed_bytes_on_cpu(spec)),
        gigabytes(free),
        advice(spec, free)
    ))
}

/// Whether a run on the CPU needs more than `room`.
fn is_short(spec: &RunSpec, room: u64) -> bool {
    device::uses_cuda(spec.device) == Ok(false) && needed_bytes_on_cpu(spec) > room
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
}

impl Memory {
    /// `None` where the system says nothing that we understand.
    fn look() -> Option<Memory> {
        let known = fs::read_to_string("/proc/meminfo").ok()?;
        let of = |name: &str| {
            let line = known.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
        };
        let machine = Memory { total: of("MemTotal:")?, free: of("MemAvailable:")? };
        Some(match Memory::of_group() {
            Some(group) => Memory { total: machine.total.min(group.total), free: machine.free.min(group.free) },
            None => machine,
        })
    }

    /// What the control group leaves, in a container or a unit of systemd.
    fn of_group() -> Option<Memory> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
        let of = |name: &str| {
            let text = fs::read_to_string(format!("/sys/fs/cgroup{path}/{name}")).ok()?;
            text.trim().parse::<u64>().ok()
        };
        let (total, used) = (of("memory.max")?, of("memory.current")?);
        // Files that are kept in case somebody reads them again make room at once.
        let idle = fs::read_to_string(format!("/sys/fs/cgroup{path}/memory.stat")).ok();
        let idle =
            idle.and_then(|stat| stat.lines().find_map(|line| line.strip_prefix("inactive_file "))?.parse().ok());
        Some(Memory { total, free: total.saturating_sub(used.saturating_sub(idle.unwrap_or(0))) })
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

    #[test]
    fn what_does_not_fit_is_refused_with_what_would() {
        let spec = largest();
        let needed = needed_bytes_on_cpu(&spec);
        assert!(check_in(&spec, needed).is_ok() && check_now_in(&spec, needed).is_ok());
        let room = needed_bytes_on_cpu(&RunSpec { batch_size: 2048, ..spec.clone() });
        let refused = check_in(&spec, room).unwrap_err();
        assert_eq!((refused.field.as_str(), &refused.value), ("batch_size", &4096.into()));
        assert!(refused.expected.ends_with(": try batch size 2048, or width 1"), "{refused}");
        let refused = check_now_in(&spec, room).unwrap_err();
        assert!(refused.contains("try batch size 2048, or width 1, or resume it"), "{refused}");
        // Where no batch is small enough, a width may be.
        let one = RunSpec { batch_size: 1, ..spec.clone() };
        assert!(check_now_in(&one, needed_bytes_on_cpu(&one) / 2).unwrap_err().contains(": try width "));
        assert!(check_now_in(&spec, 0).unwrap_err().contains(": free some of it, or"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_memory_of_this_machine_is_known_and_holds_a_small_run() {
        let memory = Memory::look().unwrap();
        assert!(memory.free <= memory.total && memory.total > 100 << 20, "{memory:?}");
        let small = RunSpec { width: 0.25, batch_size: 64, ..largest() };
        assert!(check(&small).is_ok() && check_now(&small).is_ok());
    }
}
