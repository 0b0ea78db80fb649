//! What the defaults depend on outside of the command line, as one value, so that reading a configuration is a function
//! of its arguments.

use std::env;
use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::thread;

/// What the process finds around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// The user that the process runs as.
    pub uid: u32,
    /// `RUNTIME_DIRECTORY`, where a service manager sets it: the folder that it made for this service.
    pub service_dir: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`, where it is set.
    pub runtime_dir: Option<PathBuf>,
    /// The folder for temporary files (`TMPDIR`, else `/tmp`).
    pub temp_dir: PathBuf,
    /// Cores that the process may use.
    pub cores: usize,
}

impl Environment {
    /// That of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self {
            uid: rustix::process::getuid().as_raw(),
            service_dir: env::var_os("RUNTIME_DIRECTORY").and_then(|folders| first(&folders)),
            runtime_dir: env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from),
            temp_dir: env::temp_dir(),
            cores: cores(),
        }
    }
}

/// `RuntimeDirectory=` may name several folders, which systemd joins with colons.
fn first(folders: &OsStr) -> Option<PathBuf> {
    folders.as_bytes().split(|byte| *byte == b':').next().map(|folder| PathBuf::from(OsStr::from_bytes(folder)))
}

pub(super) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// One shard on up to two cores: there a second one costs a small load more than it gains a large one. From three on
/// half of them, since the hub, the control sources and the network's interrupts want the other half.
pub(super) fn default_shards(cores: usize) -> usize {
    if cores <= 2 { 1 } else { cores / 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_folders_of_a_service_the_first_counts() {
        for (folders, expected) in [("/run/hasses", "/run/hasses"), ("/run/a:/run/b", "/run/a"), ("", "")] {
            assert_eq!(first(OsStr::new(folders)), Some(PathBuf::from(expected)));
        }
    }

    #[test]
    fn one_shard_on_up_to_two_cores_then_half_of_them() {
        for (cores, shards) in [(0, 1), (1, 1), (2, 1), (3, 1), (4, 2), (7, 3), (64, 32)] {
            assert_eq!(default_shards(cores), shards, "{cores}");
        }
    }
}
