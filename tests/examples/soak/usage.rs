//! What the daemon uses: memory, descriptors, disk; and whether that grows.

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Until then a daemon fills its log and its buffers.
const WARMING_UP: Duration = Duration::from_secs(60);
/// Lives that are shorter say nothing about growth.
const LONG: Duration = Duration::from_secs(240);
/// What counts as growth: more than this part of what was...
const PART: u64 = 10;
/// ...and more than so many KiB, or descriptors.
const SLACK_KIB: u64 = 8 * 1024;
const SLACK_DESCRIPTORS: u64 = 10;

/// What it uses at one time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Resident memory, in KiB.
    memory: u64,
    descriptors: u64,
    /// Files of the log, in KiB.
    disk: u64,
}

impl Usage {
    /// Looks; `None` where the process is gone.
    pub(crate) fn of(pid: u32, log: &Path) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let memory = memory.split_whitespace().next()?.parse().ok()?;
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64;
        let files = fs::read_dir(log).ok()?.filter_map(|file| file.ok()?.metadata().ok());
        let disk = files.map(|file| file.len()).sum::<u64>() / 1024;
        Some(Self { memory, descriptors, disk })
    }

    fn max(self, other: Self) -> Self {
        Self {
            memory: self.memory.max(other.memory),
            descriptors: self.descriptors.max(other.descriptors),
            disk: self.disk.max(other.disk),
        }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memory, descriptors, disk } = self;
        write!(f, "{} MiB, {descriptors} descriptors, {} MiB of log", memory / 1024, disk / 1024)
    }
}

/// What one daemon used over its life.
#[derive(Debug)]
pub(crate) struct Life {
    begun: Instant,
    looks: Vec<(Duration, Usage)>,
}

impl Life {
    /// It begins.
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now(), looks: Vec::new() }
    }

    /// One more look.
    pub(crate) fn add(&mut self, usage: Usage) {
        self.looks.push((self.begun.elapsed(), usage));
    }

    /// How it has grown from the first half to the last quarter, in words, where it has; `None` for short lives.
    pub(crate) fn growth(&self) -> Option<Result<String, String>> {
        let whole = self.looks.last()?.0;
        if whole < LONG {
            return None;
        }
        let most = |from: Duration, to: Duration| {
            let within = self.looks.iter().filter(|(at, _)| (from..=to).contains(at));
            within.map(|(_, usage)| *usage).reduce(Usage::max).unwrap_or_default()
        };
        let (first, last) = (most(WARMING_UP, whole / 2), most(whole * 3 / 4, whole));
        let grew = |first: u64, last: u64, slack: u64| last > first + first / PART && last > first + slack;
        let words = format!("in {} s: at first {first}; in the end {last}", whole.as_secs());
        let has_grown = grew(first.memory, last.memory, SLACK_KIB)
            || grew(first.descriptors, last.descriptors, SLACK_DESCRIPTORS)
            || grew(first.disk, last.disk, SLACK_KIB);
        Some(if has_grown { Err(words) } else { Ok(words) })
    }
}
