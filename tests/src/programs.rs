//! The real binaries, and programs of the system that tests need.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::wait_for;

/// The Debian packages of the programs that tests use.
const PACKAGES: &[(&str, &str)] = &[
    ("apache2", "apache2-bin"),
    ("bash", "bash"),
    ("caddy", "caddy"),
    ("cc", "gcc libc6-dev"),
    ("certutil", "libnss3-tools"),
    ("chromium", "chromium"),
    ("curl", "curl"),
    ("firefox-esr", "firefox-esr"),
    ("groff", "groff-base"),
    ("haproxy", "haproxy"),
    ("nc", "netcat-openbsd"),
    ("nginx", "nginx libnginx-mod-stream"),
    ("openssl", "openssl"),
    ("php", "php-cli"),
    ("python3", "python3"),
    ("setpriv", "util-linux"),
    ("start-stop-daemon", "dpkg"),
    ("systemd-analyze", "systemd"),
    ("unshare", "util-linux"),
];

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
#[expect(clippy::print_stderr, reason = "what is left out shall be seen")]
pub fn required(program: &str) -> Option<PathBuf> {
    let left_out = std::env::var("HASSES_TESTS_WITHOUT").unwrap_or_default();
    if left_out.split(',').any(|name| name == program) {
        eprintln!("left out, as asked: what needs {program}");
        return None;
    }
    let package = PACKAGES.iter().find(|(known, _)| *known == program).map_or(program, |(_, package)| package);
    let paths = std::env::var_os("PATH").unwrap_or_default();
    // Servers lie where the path of an ordinary user does not lead.
    let folders = std::env::split_paths(&paths).chain(["/usr/local/sbin".into(), "/usr/sbin".into()]);
    let found = folders.map(|folder| folder.join(program)).find(|path| path.is_file());
    Some(found.unwrap_or_else(|| panic!("{program} is missing: install the package {package}")))
}

/// Whether this is root; says so where it is not, since then a test leaves something out.
#[must_use]
#[expect(clippy::print_stderr, reason = "what is left out shall be seen")]
pub fn runs_as_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("left out: only root can do this");
    }
    is_root
}

/// A port on which nobody listened a moment ago, for switches that take a number other than 0. Somebody may be quicker: whoever
/// uses it tries again with another.
///
/// # Panics
/// There is none.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code.
    pub code: i32,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

/// Runs a program to its end.
///
/// # Panics
/// It cannot be started, is ended by a signal, or does not end.
pub fn finish(command: &mut Command) -> Finished {
    // Files, not pipes: nobody has to read while it runs.
    let mut files = [(); 2].map(|()| tempfile::tempfile().expect("a temporary file"));
    let [stdout, stderr] = files.each_ref().map(|file| file.try_clone().expect("a second handle"));
    let mut running = Running { child: spawn(command, stdout, stderr), log: PathBuf::new() };
    let code = running.exit_code();
    let [stdout, stderr] = files.each_mut().map(|file| {
        let mut text = String::new();
        file.rewind().and_then(|()| file.read_to_string(&mut text)).expect("text");
        text
    });
    Finished { code, stdout, stderr }
}

fn spawn(command: &mut Command, stdout: File, stderr: File) -> Child {
    spawn_with(command, Stdio::null(), stdout, stderr)
}

fn spawn_with(command: &mut Command, stdin: impl Into<Stdio>, stdout: File, stderr: File) -> Child {
    command.stdin(stdin).stdout(stdout).stderr(stderr);
    command.spawn().unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"))
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
        Self::from_command(Command::new(binary("hasses")).args(arguments), &folder.join("output.log"), "room for ")
    }

    /// The same, with its log in `folder/hasses.log`, which becomes its output here.
    ///
    /// # Panics
    /// It ends instead.
    pub fn start_logging(folder: &Path, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        let log = folder.join("hasses.log");
        let mut command = Command::new(binary("hasses"));
        command.arg("--log-file").arg(&log).args(arguments);
        Self::logging(&mut command, &folder.join("output.log"), &log, "room for ")
    }

    /// Starts a command that becomes a daemon which logs into `log`, and waits until it says `greeting` there.
    ///
    /// # Panics
    /// It ends instead.
    pub fn logging(command: &mut Command, output: &Path, log: &Path, greeting: &str) -> Self {
        let mut running = Self { child: spawn_into(command, output), log: log.to_owned() };
        let printed = || std::fs::read_to_string(output).unwrap_or_default();
        assert!(running.says(greeting), "it ended without saying {greeting:?}: {}{}", printed(), running.output());
        running
    }

    /// Starts a command that becomes the daemon, with its output in `log`, and waits until it says `greeting`.
    ///
    /// # Panics
    /// It ends instead.
    pub fn from_command(command: &mut Command, log: &Path, greeting: &str) -> Self {
        Self::try_from_command(command, log, greeting).unwrap_or_else(|output| panic!("it ended: {output}"))
    }

    /// The same, with this as its standard input.
    ///
    /// # Panics
    /// It ends instead.
    pub fn with_input(command: &mut Command, input: impl Into<Stdio>, log: &Path, greeting: &str) -> Self {
        let output = File::create(log).expect("a file for its output");
        let child = spawn_with(command, input, output.try_clone().expect("a second handle"), output);
        let mut running = Self { child, log: log.to_owned() };
        assert!(running.says(greeting), "it ended: {}", running.output());
        running
    }

    /// The same as [`from_command`](Self::from_command), where it may end instead.
    ///
    /// # Errors
    /// What it printed up to its end.
    ///
    /// # Panics
    /// It does neither.
    pub fn try_from_command(command: &mut Command, log: &Path, greeting: &str) -> Result<Self, String> {
        let mut running = Self { child: spawn_into(command, log), log: log.to_owned() };
        if running.says(greeting) { Ok(running) } else { Err(running.output()) }
    }

    /// Starts a command with its output in `log`, and waits for nothing.
    pub fn begin(command: &mut Command, log: &Path) -> Self {
        Self { child: spawn_into(command, log), log: log.to_owned() }
    }

    /// Waits until its output holds `text`.
    ///
    /// # Panics
    /// It ends instead.
    pub fn wait_until_it_says(&mut self, text: &str) {
        assert!(self.says(text), "it ended without saying {text:?}: {}", self.output());
    }

    /// Waits until its output holds `text`; `false` where it ends instead.
    fn says(&mut self, text: &str) -> bool {
        wait_for(text, || {
            // Asked first: what it says before its end is in the output then.
            let ended = self.child.try_wait().expect("its state").is_some();
            if self.output().contains(text) {
                return Some(true);
            }
            ended.then_some(false)
        })
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

    /// Sends a signal.
    ///
    /// # Panics
    /// It cannot be sent.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is there");
    }

    /// Waits for its end; gives the exit code.
    ///
    /// # Panics
    /// It was ended by a signal, or does not end.
    pub fn exit_code(&mut self) -> i32 {
        let status = wait_for("the program's end", || self.child.try_wait().expect("its state"));
        status.code().unwrap_or_else(|| panic!("it ended with {status}"))
    }
}

fn spawn_into(command: &mut Command, path: &Path) -> Child {
    let output = File::create(path).expect("a file for its output");
    spawn(command, output.try_clone().expect("a second handle"), output)
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
