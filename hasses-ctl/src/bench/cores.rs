//! Which cores threads run on.

use crate::failure::Failure;

/// Binds this thread, and those that it starts, to these cores; to any where there are none.
pub(super) fn pin(cores: &[usize]) -> Result<(), Failure> {
    if cores.is_empty() {
        return Ok(());
    }
    let mut set = rustix::thread::CpuSet::new();
    cores.iter().for_each(|core| set.set(*core));
    rustix::thread::sched_setaffinity(None, &set)
        .map_err(|error| Failure::usage(format!("--cores {cores:?}: this process cannot run there: {error}")))
}

/// Binds the thread of this rank among so many to a core of its own, where there are enough of them.
pub(super) fn pin_to(cores: &[usize], rank: usize, threads: usize) -> Result<(), Failure> {
    match cores.get(rank) {
        Some(core) if cores.len() >= threads => pin(&[*core]),
        _ => Ok(()),
    }
}
