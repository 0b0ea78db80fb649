//! What a server has used, as the kernel accounts it to one process; for what the load generator cannot see.

use std::fs;
use std::io;

/// Bytes of a page, in which `sockstat` counts.
const PAGE: f64 = 4_096.0;

/// CPU time of all threads of a process so far, user and system, in milliseconds.
///
/// A running thread's time is brought up to date when it sleeps or at a tick, so a reading may be some milliseconds short.
pub(crate) fn cpu_milliseconds(process: u32) -> io::Result<f64> {
    let mut milliseconds = 0.0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let path = task?.path().join("schedstat");
        milliseconds +=
            first_number(&fs::read_to_string(&path)?).ok_or_else(|| unreadable(&path.to_string_lossy()))? / 1e6;
    }
    Ok(milliseconds)
}

/// Resident memory of a process in bytes.
///
/// From `smaps_rollup`, which walks the page tables: the counters in `status` may lag behind.
pub(crate) fn resident(process: u32) -> io::Result<f64> {
    let path = format!("/proc/{process}/smaps_rollup");
    let text = fs::read_to_string(&path)?;
    let kibibytes = text.lines().find_map(|line| line.strip_prefix("Rss:")).and_then(first_number);
    kibibytes.map(|kibibytes| kibibytes * 1024.0).ok_or_else(|| unreadable(&path))
}

/// Memory of all TCP sockets of the machine in bytes, those of both ends of a connection.
pub(crate) fn tcp_memory() -> io::Result<f64> {
    let path = "/proc/net/sockstat";
    let text = fs::read_to_string(path)?;
    let line = text.lines().find(|line| line.starts_with("TCP:"));
    let pages = line.and_then(|line| line.split_once(" mem ")).and_then(|(_, rest)| first_number(rest));
    pages.map(|pages| pages * PAGE).ok_or_else(|| unreadable(path))
}

fn first_number(text: &str) -> Option<f64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

fn unreadable(path: &str) -> io::Error {
    io::Error::other(format!("{path} is not as expected"))
}
