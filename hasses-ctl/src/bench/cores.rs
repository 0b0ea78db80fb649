//! Which cores threads run on.

use rustix::io::Errno;

use crate::failure::Failure;

/// Binds this thread, and those that it starts, to these cores; to any where there are none.
pub(super) fn pin(cores: &[usize]) -> Result<(), Failure> {
    if cores.is_empty() {
        return Ok(());
    }
    let mut set = rustix::thread::CpuSet::new();
    cores.iter().for_each(|core| set.set(*core));
    rustix::thread::sched_setaffinity(None, &set).map_err(|error| {
        let list = |cores: &[usize]| cores.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        let why = if error == Errno::INVAL { String::new() } else { format!(": {error}") };
        let (cores, all) = (list(cores), list(&all()));
        Failure::usage(format!("--cores {cores}: this process cannot run there, but on {all}{why}"))
    })
}

/// The cores that this thread may run on.
fn all() -> Vec<usize> {
    let set = rustix::thread::sched_getaffinity(None).unwrap_or_default();
    (0..rustix::thread::CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect()
}

/// Binds the thread of this rank among so many to a core of its own, where there are enough of them.
pub(super) fn pin_to(cores: &[usize], rank: usize, threads: usize) -> Result<(), Failure> {
    match cores.get(rank) {
        Some(core) if cores.len() >= threads => pin(&[*core]),
        _ => Ok(()),
    }
}
