//! What a server has used, as the kernel accounts it to the server's processes.

use std::fs;
use std::io;
use std::thread::sleep;
use std::time::Duration;

/// A running thread's time is brought up to date when it sleeps or at a tick; two equal readings this far apart mean it sleeps.
const SETTLE_INTERVAL: Duration = Duration::from_millis(5);
/// A server that never comes to rest is still measured, a tick (4 ms) too short at worst.
const SETTLE_ATTEMPTS: usize = 40;

/// The processes of one server: the one that was started and all below it.
pub(crate) struct Processes {
    ids: Vec<u32>,
}

impl Processes {
    /// Finds the descendants of `root` as they are now.
    pub(crate) fn below(root: u32) -> io::Result<Self> {
        let mut ids = vec![root];
        let mut next = 0;
        while let Some(id) = ids.get(next).copied() {
            next += 1;
            for task in fs::read_dir(format!("/proc/{id}/task"))? {
                let children = fs::read_to_string(task?.path().join("children"))?;
                ids.extend(children.split_ascii_whitespace().filter_map(|child| child.parse::<u32>().ok()));
            }
        }
        Ok(Self { ids })
    }

    /// CPU time, user and system, of all threads so far, read once the server has come to rest.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        let mut before = self.cpu_now()?;
        for _ in 0..SETTLE_ATTEMPTS {
            sleep(SETTLE_INTERVAL);
            let after = self.cpu_now()?;
            if after == before {
                break;
            }
            before = after;
        }
        Ok(before)
    }

    fn cpu_now(&self) -> io::Result<Duration> {
        let mut nanoseconds = 0;
        for id in &self.ids {
            for task in fs::read_dir(format!("/proc/{id}/task"))? {
                let path = task?.path().join("schedstat");
                let text = fs::read_to_string(&path)?;
                nanoseconds += first_number(&text).ok_or_else(|| unreadable(&path.to_string_lossy()))?;
            }
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Resident memory in bytes, summed over the processes.
    ///
    /// From `smaps_rollup`, which walks the page tables: the counters in `status` may lag behind.
    pub(crate) fn resident(&self) -> io::Result<u64> {
        let mut bytes = 0;
        for id in &self.ids {
            let path = format!("/proc/{id}/smaps_rollup");
            let text = fs::read_to_string(&path)?;
            let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
            bytes += 1024 * line.and_then(first_number).ok_or_else(|| unreadable(&path))?;
        }
        Ok(bytes)
    }
}

fn first_number(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

fn unreadable(path: &str) -> io::Error {
    io::Error::other(format!("{path} is not as expected"))
}
