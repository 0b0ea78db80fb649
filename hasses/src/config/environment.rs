//! What the defaults depend on outside of the command line, as one value, so that reading a configuration is a function
//! of its arguments.

use std::env;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread;

/// What the process finds around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// The user that the process runs as.
    pub uid: u32,
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
            runtime_dir: env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from),
            temp_dir: env::temp_dir(),
            cores: cores(),
        }
    }
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
    fn one_shard_on_up_to_two_cores_then_half_of_them() {
        for (cores, shards) in [(0, 1), (1, 1), (2, 1), (3, 1), (4, 2), (7, 3), (64, 32)] {
            assert_eq!(default_shards(cores), shards, "{cores}");
        }
    }
}
