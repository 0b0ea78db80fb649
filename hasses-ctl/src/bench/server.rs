//! The server's process as a measurement sees it: what it had used at one moment.

use std::io;
use std::time::Duration;

use super::clock;
use super::daemon::Daemon;
use super::plan::Plan;
use super::usage::{Cpu, Processes};
use crate::failure::Failure;

/// The process under load, where it is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Server {
    processes: Option<(u32, Processes)>,
}

/// One moment.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    pub(super) time: u64,
    pub(super) cpu: Option<Cpu>,
}

impl Server {
    /// The process that was named, or else the one behind the control channel.
    ///
    /// # Errors
    /// The one that was named cannot be looked at.
    pub(super) fn find(plan: &Plan) -> Result<Self, Failure> {
        if let Some(pid) = plan.pid {
            let processes = Processes::of(pid).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => Failure::usage(format!("--pid {pid}: there is no such process")),
                _ => Failure::usage(format!("--pid {pid}: {error}")),
            })?;
            return Ok(Self { processes: Some((pid, processes)) });
        }
        let pid = plan.place.daemon.as_ref().and_then(Daemon::process);
        Ok(Self { processes: pid.and_then(|pid| Some((pid, Processes::of(pid).ok()?))) })
    }

    /// Its process id, and the number of processes.
    pub(super) fn identity(self) -> Option<(u32, usize)> {
        self.processes.map(|(pid, processes)| (pid, processes.count()))
    }

    /// What it had used once it had come to rest; the time is taken first.
    pub(super) fn at_rest(self) -> Moment {
        let time = clock::now();
        Moment { time, cpu: self.processes.and_then(|(_, processes)| processes.cpu().ok()) }
    }

    /// What it has used before something begins; the time is taken last.
    pub(super) fn before(self) -> Moment {
        let moment = self.at_rest();
        Moment { time: clock::now(), ..moment }
    }

    /// Its resident memory.
    pub(super) fn resident(self) -> Option<u64> {
        self.processes.and_then(|(_, processes)| processes.resident().ok())
    }
}

impl Moment {
    /// The time since an earlier one.
    pub(super) fn since(&self, before: &Self) -> Duration {
        clock::between(before.time, self.time)
    }

    /// The CPU time since an earlier one.
    pub(super) fn cpu_since(&self, before: &Self) -> Option<Duration> {
        Some(self.cpu.as_ref()?.since(before.cpu.as_ref()?))
    }

    /// The share of the time in which its busiest thread was busy.
    pub(super) fn busy_since(&self, before: &Self) -> Option<f64> {
        let busiest = self.cpu.as_ref()?.busiest_since(before.cpu.as_ref()?);
        Some(busiest.as_secs_f64() / self.since(before).as_secs_f64().max(f64::MIN_POSITIVE))
    }
}
