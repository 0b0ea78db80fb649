//! A daemon in the background, as an init script has it: called, and from then on known by its pid file only.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use hasses_tests::{Finished, binary, finish, free_port, wait_for};
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, waitpid};
use tempfile::TempDir;

/// A daemon that was sent to the background; killed when dropped.
#[derive(Debug)]
pub(crate) struct Background {
    pid: Option<Pid>,
    log: PathBuf,
}

impl Background {
    /// Calls it, and waits until the call returns: from then on it serves. It must have been told these two files.
    pub(crate) fn call(command: &mut Command, pid_file: &Path, log: &Path) -> Self {
        Self::try_call(command, pid_file, log).unwrap_or_else(|ended| panic!("{ended:?}"))
    }

    /// The same, where the call may fail.
    pub(crate) fn try_call(command: &mut Command, pid_file: &Path, log: &Path) -> Result<Self, Finished> {
        adopt_orphans();
        let ended = finish(command);
        if ended.code != 0 {
            return Err(ended);
        }
        assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""), "a call that goes well says nothing");
        Ok(Self { pid: Some(read_pid(pid_file).expect("the pid file is there")), log: log.to_owned() })
    }

    /// One that may still be starting, or may not be meant to serve at all.
    pub(crate) fn adopt(pid: Pid, log: &Path) -> Self {
        Self { pid: Some(pid), log: log.to_owned() }
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid.expect("it has not ended")
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it is there");
    }

    /// Sends SIGHUP and waits for the line that ends the reload.
    pub(crate) fn reload(&self) -> String {
        let before = self.log().len();
        self.signal(Signal::HUP);
        wait_for("a reload", || {
            let said = self.log().get(before..)?.to_owned();
            (said.contains("SIGHUP: reloaded") || said.contains("SIGHUP: nothing is reloaded")).then_some(said)
        })
    }

    /// Waits for its end; gives the exit code.
    pub(crate) fn exit_code(&mut self) -> i32 {
        let pid = self.pid();
        let status = wait_for("its end", || waitpid(Some(pid), WaitOptions::NOHANG).expect("it was adopted"));
        self.pid = None;
        status.1.exit_status().unwrap_or_else(|| panic!("it ended with {:?}", status.1))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(pid) = self.pid {
            // It may have ended already.
            let _ = kill_process(pid, Signal::KILL);
            let _ = waitpid(Some(pid), WaitOptions::empty());
        }
    }
}

/// What loses its parent becomes a child of this program, which can then wait for its end.
pub(crate) fn adopt_orphans() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| set_child_subreaper(Some(getpid())).expect("orphans can be adopted"));
}

/// The number in a pid file, once it is there as a whole: it has no newline.
pub(crate) fn read_pid(path: &Path) -> Option<Pid> {
    let text = fs::read_to_string(path).ok()?;
    assert!(text.bytes().all(|byte| byte.is_ascii_digit()), "{text:?}");
    text.parse().ok().and_then(Pid::from_raw)
}

/// The daemon under classic switches, as the classic init script starts it.
pub(crate) struct Classic {
    pub(crate) daemon: Background,
    pub(crate) address: String,
    pub(crate) control: String,
    pub(crate) folder: TempDir,
}

impl Classic {
    /// With ports, path, FIFO, log and pid file, and what `more` makes of the folder for them.
    pub(crate) fn start(more: impl Fn(&Path) -> Vec<String>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let more = more(folder.path());
        // `-p=` and `-cp=` take no port 0 for "any", so ports are looked for, and others where somebody was quicker.
        for _ in 0..20 {
            let ports = [(); 2].map(|()| free_port());
            let mut command = Command::new(binary("hasses"));
            command.args([format!("-p={}", ports[0]), format!("-cp={}", ports[1]), "-murl=/sse".to_owned()]);
            for (switch, file) in [("fifo", "fifo"), ("l", "hasses.log"), ("pidfile", "hasses.pid")] {
                command.arg(format!("-{switch}={}", at(file).display()));
            }
            match Background::try_call(command.args(&more), &at("hasses.pid"), &at("hasses.log")) {
                Ok(daemon) => {
                    let [address, control] = ports.map(|port| format!("127.0.0.1:{port}"));
                    return Self { daemon, address, control, folder };
                }
                Err(ended) => assert!(ended.stderr.contains("Address already in use"), "{ended:?}"),
            }
        }
        panic!("there was no pair of free ports in 20 attempts");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
