//! The real binaries, and programs of the system that tests need.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::wait_for;

/// The Debian packages of the programs that tests use.
const PACKAGES: &[(&str, &str)] =
    &[("curl", "curl"), ("nc", "netcat-openbsd"), ("php", "php-cli"), ("python3", "python3")];

/// A binary of the workspace, from the folder of the test programs.
///
/// # Panics
/// It was not built.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("this program has a path");
    let path = test.parent().and_then(Path::parent).expect("target/<profile>/deps").join(name);
    assert!(path.is_file(), "{} is missing: run tests/run, or `cargo build --workspace` first", path.display());
    path
}

/// A program of the system; `None` where it was left out by name (`tests/run --without`).
///
/// # Panics
/// It is missing, and was not left out.
#[must_use]
pub fn required(program: &str) -> Option<PathBuf> {
    let left_out = std::env::var("HASSES_TESTS_WITHOUT").unwrap_or_default();
    if left_out.split(',').any(|name| name == program) {
        eprintln!("left out, as asked: what needs {program}");
        return None;
    }
    let package = PACKAGES.iter().find(|(known, _)| *known == program).map_or(program, |(_, package)| package);
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).map(|folder| folder.join(program)).find(|path| path.is_file());
    Some(found.unwrap_or_else(|| panic!("{program} is missing: install the package {package}")))
}

/// A real daemon as a process; killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts the daemon with these arguments, its output in a file of `folder`, and waits until it says that it listens.
    ///
    /// # Panics
    /// It ends instead.
    pub fn start(folder: &Path, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        let log = folder.join("output.log");
        let output = std::fs::File::create(&log).expect("a log file");
        let child = Command::new(binary("hasses"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a second handle"))
            .stderr(output)
            .spawn()
            .expect("the daemon can be started");
        let mut running = Self { child, log };
        wait_for("the daemon's greeting", || {
            let ended = running.child.try_wait().expect("its state");
            assert!(ended.is_none(), "it ended with {ended:?}: {}", running.output());
            running.output().contains("room for ").then_some(())
        });
        running
    }

    /// What it has printed so far.
    #[must_use]
    pub fn output(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// What stands behind `prefix` on the first line that has it, up to the next white space.
    ///
    /// # Panics
    /// No line has it.
    #[must_use]
    pub fn said(&self, prefix: &str) -> String {
        let output = self.output();
        let rest = output.split_once(prefix).unwrap_or_else(|| panic!("no {prefix:?} in {output}")).1;
        rest.split_whitespace().next().unwrap_or_default().to_owned()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name (`TERM`).
    ///
    /// # Panics
    /// It cannot be sent.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Waits for its end; gives the exit code.
    ///
    /// # Panics
    /// It was ended by a signal, or does not end.
    pub fn exit_code(&mut self) -> i32 {
        let status = wait_for("the daemon's end", || self.child.try_wait().expect("its state"));
        status.code().unwrap_or_else(|| panic!("it ended with {status}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
