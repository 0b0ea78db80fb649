//! Which core runs what, and how many descriptors a process may have: the two things a server inherits from us.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores of a measurement.
pub(crate) struct Cores {
    /// Runs the server under test, and nothing else of ours.
    pub(crate) server: usize,
    /// Runs the load generator.
    pub(crate) loader: usize,
    /// A second one for a server with two shards, where there is one.
    pub(crate) second: Option<usize>,
}

impl Cores {
    /// The first cores that this process may use.
    pub(crate) fn of_this_process() -> io::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        match (cores.next(), cores.next()) {
            (Some(server), Some(loader)) => Ok(Self { server, loader, second: cores.next() }),
            _ => Err(io::Error::other("two cores are needed, one for the server and one for the load generator")),
        }
    }
}

/// Binds the calling thread, and every process that it starts later, to these cores.
pub(crate) fn pin_this_thread(cores: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for core in cores {
        set.set(*core);
    }
    Ok(sched_setaffinity(None, &set)?)
}

/// Raises the soft limit of open descriptors to the hard one; an error if `needed` are not allowed.
pub(crate) fn raise_descriptor_limit(needed: u64) -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    // No limit is `None`.
    if let Some(maximum) = limit.maximum.filter(|maximum| *maximum < needed) {
        return Err(io::Error::other(format!(
            "{needed} descriptors are needed, the hard limit is {maximum} (ulimit -Hn)"
        )));
    }
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?)
}
