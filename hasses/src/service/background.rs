//! Going to the background: the process that was called starts itself anew and waits until that one serves.
//!
//! The new process is a session of its own. Its standard output is a pipe to the caller, on which it says that it serves; its
//! standard error stays the caller's until then, so that faults of the start are seen where it was called. The caller exits
//! with 0 once it is told, else with the code of the process that ended instead. A daemon that cannot tell, because its caller
//! is gone (Ctrl-C), ends: nobody would know of it.
//!
//! Neither forks: a fork of a process with threads is safe only for code that this one has not. Neither changes its folder:
//! relative names on the command line shall mean the same at a reload. Whoever starts it in a folder that is to be unmounted
//! says `cd /` before.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Command, ExitCode, Stdio};

use rustix::process::{getppid, setsid};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use crate::config::{Config, ListenAddress};

/// Holds the number of the process that was called.
const MARK: &str = "HASSES_BACKGROUND";

/// The way back to whoever called, as long as the start takes.
#[derive(Debug)]
pub struct Caller {
    null: File,
    pipe: OwnedFd,
}

/// Which of the two processes this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Neither: it serves where it was called.
    Foreground,
    /// The one that was called.
    Caller,
    /// The one that the caller started.
    Background,
}

/// Why a configuration cannot be served in the background, if so.
#[must_use]
pub fn fault(config: &Config) -> Option<&'static str> {
    let is_passed = config.listen.iter().chain(&config.listen_tls).any(|at| matches!(at, ListenAddress::Systemd(_)))
        || config.control.iter().any(|url| url.scheme() == "systemd");
    (config.service.background && is_passed).then_some(
        "background: a socket that the service manager passes is for the process that it starts; leave background out",
    )
}

/// Finds out the role of this process.
///
/// # Errors
/// The caller is gone already, or what is asked for cannot be done in the background.
pub fn role(config: &Config) -> Result<Role, String> {
    if !config.service.background {
        return Ok(Role::Foreground);
    }
    if let Some(fault) = fault(config) {
        return Err(fault.to_owned());
    }
    match std::env::var(MARK) {
        Err(_) => Ok(Role::Caller),
        Ok(caller) if Some(caller.as_str()) == getppid().map(|pid| pid.to_string()).as_deref() => Ok(Role::Background),
        // Started by somebody who does not wait any more.
        Ok(caller) => Err(format!("process {caller}, which sent it to the background ({MARK}), is gone")),
    }
}

/// Starts this program anew, and waits until it serves or ends.
///
/// # Errors
/// It cannot be started, or was killed.
pub fn start(arguments: &[OsString]) -> Result<ExitCode, String> {
    let failed = |error: io::Error| format!("cannot go to the background: {error}");
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    command.args(arguments).env(MARK, std::process::id().to_string());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(failed)?;
    let mut told = Vec::new();
    if let Some(mut pipe) = child.stdout.take() {
        pipe.read_to_end(&mut told).map_err(failed)?;
    }
    if !told.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let status = child.wait().map_err(failed)?;
    match status.code().and_then(|code| u8::try_from(code).ok()) {
        // It has said why on standard error. It never ends without a word and well.
        Some(code) => Ok(ExitCode::from(code.max(1))),
        None => Err(format!("the daemon ended before it served: {status}")),
    }
}

impl Caller {
    /// Leaves the caller's session, and opens what is needed later, when rights may be fewer.
    ///
    /// # Errors
    /// What the system said.
    pub fn leave() -> io::Result<Self> {
        // It leads a session already where somebody else has seen to that.
        let _ = setsid();
        let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
        let pipe = rustix::io::fcntl_dupfd_cloexec(io::stdout(), 3)?;
        Ok(Self { null, pipe })
    }

    /// Lets go of the caller's terminal and says that the daemon serves.
    ///
    /// # Errors
    /// The caller is gone.
    pub fn tell(self) -> io::Result<()> {
        dup2_stdin(&self.null)?;
        dup2_stdout(&self.null)?;
        dup2_stderr(&self.null)?;
        File::from(self.pipe).write_all(b"serving\n")
    }
}
