//! A disk that fails when it is told to: `failing_disk.c`, preloaded into the daemon.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use hasses_tests::{finish, required};
use tempfile::TempDir;

use crate::place::Place;

/// What fails: of a hundred calls so many, and with which error.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) opens: u8,
    pub(crate) writes: u8,
    pub(crate) syncs: u8,
    pub(crate) truncations: u8,
    pub(crate) error: Error,
}

/// What the system says of a disk.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Error {
    /// It is broken.
    #[default]
    InputOutput,
    /// It is full.
    NoSpace,
}

/// The library, and the file that tells it what fails.
#[derive(Debug)]
pub(crate) struct FailingDisk {
    folder: TempDir,
}

impl FailingDisk {
    /// Builds it; `None` where the compiler was left out by name. Nothing fails yet.
    pub(crate) fn build() -> Option<Self> {
        let disk = Self { folder: tempfile::tempdir().expect("a folder") };
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/crash/failing_disk.c");
        let mut command = Command::new(required("cc")?);
        command.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(disk.library()).args([source, "-ldl"]);
        let ended = finish(&mut command);
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
        disk.set(Faults::default());
        Some(disk)
    }

    /// Has the log of this place on it, as long as both are there.
    pub(crate) fn under(&self, place: Place, seed: usize) -> Place {
        let (library, control, log) = (self.library(), self.folder.path().join("faults"), place.log(""));
        place
            .with_environment("LD_PRELOAD", library.display().to_string())
            .with_environment("HASSES_FAILING", control.display().to_string())
            .with_environment("HASSES_FAILING_IN", format!("{}/", log.display()))
            .with_environment("HASSES_FAILING_SEED", seed.to_string())
    }

    /// From now on this fails.
    pub(crate) fn set(&self, Faults { opens, writes, syncs, truncations, error }: Faults) {
        let error = match error {
            Error::InputOutput => rustix::io::Errno::IO,
            Error::NoSpace => rustix::io::Errno::NOSPC,
        };
        let text = format!("{opens} {writes} {syncs} {truncations} {}\n", error.raw_os_error());
        // Whole at every moment.
        let [new, control] = ["new", "faults"].map(|name| self.folder.path().join(name));
        fs::write(&new, text).and_then(|()| fs::rename(&new, &control)).expect("it is told");
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("failing_disk.so")
    }
}
