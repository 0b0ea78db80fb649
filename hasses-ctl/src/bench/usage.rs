//! What processes have used, as the kernel accounts it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::thread::sleep;
use std::time::Duration;

/// A running thread's time is brought up to date when it sleeps or at a tick; two equal readings this far apart mean it sleeps.
const SETTLE_INTERVAL: Duration = Duration::from_millis(5);
/// A server that never comes to rest is still measured, a tick (4 ms) too short at worst.
const SETTLE_ATTEMPTS: usize = 40;

/// A process and all below it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Processes {
    root: u32,
}

/// CPU time so far, user and system, of each thread in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cpu {
    threads: BTreeMap<u32, u64>,
}

impl Processes {
    /// The process of this number, if its usage can be read.
    pub(super) fn of(root: u32) -> io::Result<Self> {
        let processes = Self { root };
        processes.cpu_now()?;
        processes.resident()?;
        Ok(processes)
    }

    /// How many there are now.
    pub(super) fn count(self) -> usize {
        self.ids().map_or(0, |ids| ids.len())
    }

    /// CPU time of all threads so far, read once they have come to rest.
    pub(super) fn cpu(self) -> io::Result<Cpu> {
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

    /// CPU time of all threads so far, a tick old where they run.
    pub(super) fn cpu_now(self) -> io::Result<Cpu> {
        let mut threads = BTreeMap::new();
        for id in self.ids()? {
            for thread in self.threads(id)? {
                // A thread may end at any time.
                let path = format!("/proc/{id}/task/{thread}/schedstat");
                let time = fs::read_to_string(path).ok().and_then(|text| first_number(&text));
                threads.extend(time.map(|time| (thread, time)));
            }
        }
        Ok(Cpu { threads })
    }

    /// Resident memory in bytes, summed over the processes.
    ///
    /// From `smaps_rollup`, which walks the page tables: the counters in `status` may lag behind.
    pub(super) fn resident(self) -> io::Result<u64> {
        let mut bytes = 0;
        for id in self.ids()? {
            match fs::read_to_string(format!("/proc/{id}/smaps_rollup")) {
                Ok(text) => {
                    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
                    bytes += 1024 * line.and_then(first_number).unwrap_or(0);
                }
                Err(error) if id == self.root => return Err(error),
                // It may have ended since.
                Err(_) => {}
            }
        }
        Ok(bytes)
    }

    /// The processes as they are now.
    fn ids(self) -> io::Result<Vec<u32>> {
        let mut ids = vec![self.root];
        let mut next = 0;
        while let Some(id) = ids.get(next).copied() {
            next += 1;
            for thread in self.threads(id)? {
                let children = fs::read_to_string(format!("/proc/{id}/task/{thread}/children")).unwrap_or_default();
                ids.extend(children.split_ascii_whitespace().filter_map(|child| child.parse::<u32>().ok()));
            }
        }
        Ok(ids)
    }

    /// The threads of one of them; none where it has ended, unless that is the first one.
    fn threads(self, id: u32) -> io::Result<Vec<u32>> {
        let tasks = match fs::read_dir(format!("/proc/{id}/task")) {
            Err(error) if id == self.root => return Err(error),
            tasks => tasks.into_iter().flatten().flatten(),
        };
        Ok(tasks.filter_map(|task| task.file_name().to_str()?.parse().ok()).collect())
    }
}

impl Cpu {
    /// The time since an earlier reading, all threads together.
    pub(super) fn since(&self, before: &Self) -> Duration {
        Duration::from_nanos(self.growth(before).sum())
    }

    /// The same of the thread that had most.
    pub(super) fn busiest_since(&self, before: &Self) -> Duration {
        Duration::from_nanos(self.growth(before).max().unwrap_or(0))
    }

    /// The time of one thread.
    pub(super) fn of_thread(&self, thread: u32) -> u64 {
        self.threads.get(&thread).copied().unwrap_or(0)
    }

    fn growth(&self, before: &Self) -> impl Iterator<Item = u64> {
        self.threads.iter().map(|(thread, time)| time.saturating_sub(before.of_thread(*thread)))
    }
}

fn first_number(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read() {
        let this = Processes::of(std::process::id()).unwrap();
        assert!(this.count() >= 1 && this.resident().unwrap() > 0);
        let before = this.cpu_now().unwrap();
        assert!(!before.threads.is_empty());
        assert!(Processes::of(u32::MAX).is_err());
    }

    #[test]
    fn time_since_an_earlier_reading_counts_new_threads_too() {
        let cpu = |threads: &[(u32, u64)]| Cpu { threads: threads.iter().copied().collect() };
        let (before, after) = (cpu(&[(1, 10), (2, 5)]), cpu(&[(1, 30), (3, 7)]));
        assert_eq!(after.since(&before), Duration::from_nanos(27));
        assert_eq!(after.busiest_since(&before), Duration::from_nanos(20));
        assert_eq!((after.of_thread(3), after.of_thread(2)), (7, 0));
    }
}
