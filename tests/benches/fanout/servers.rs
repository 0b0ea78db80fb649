//! The servers that are compared: how each is found, started, told to be ready, and stopped.
//!
//! A server is started through this same executable (`--guard`), which pins itself, asks the kernel to be told when the
//! benchmark dies, and then becomes the server: however the benchmark ends, no server outlives it.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group, set_parent_process_death_signal};
use tempfile::TempDir;

use crate::nchan;
use crate::options::Options;
use crate::pinning::pin_this_thread;
use crate::publisher::{Form, Publisher};
use crate::usage::Processes;

/// First argument of the executable that turns into a server.
pub(crate) const GUARD: &str = "--guard";
/// First argument of the executable that is the bare loop.
pub(crate) const FLOOR: &str = "--floor";

const START_DEADLINE: Duration = Duration::from_secs(10);
const STOP_DEADLINE: Duration = Duration::from_secs(5);
const RETRY_INTERVAL: Duration = Duration::from_millis(10);

/// One of the servers, in the order of the report.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Kind {
    /// The bare loop.
    Floor,
    /// The daemon.
    Hasses,
    /// nginx with nchan.
    Nchan,
}

impl Kind {
    /// Every server.
    pub(crate) const ALL: [Self; 3] = [Self::Floor, Self::Hasses, Self::Nchan];

    /// Its name in options and in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Hasses => "hasses",
            Self::Nchan => "nchan",
        }
    }

    fn form(self) -> Form {
        match self {
            Self::Floor | Self::Hasses => Form::Lines,
            Self::Nchan => Form::Posts,
        }
    }
}

/// The programs to start, all of them found before anything is measured.
pub(crate) struct Programs {
    core: usize,
    this: PathBuf,
    hasses: PathBuf,
    nginx: PathBuf,
}

impl Programs {
    /// Finds what the chosen servers need; builds the daemon unless its path is given.
    pub(crate) fn find(options: &Options, core: usize) -> io::Result<Self> {
        let hasses = match &options.hasses {
            _ if !options.servers.contains(&Kind::Hasses) => PathBuf::new(),
            Some(path) => path.clone(),
            None => build_hasses()?,
        };
        let nginx = if options.servers.contains(&Kind::Nchan) { nchan::find()? } else { PathBuf::new() };
        Ok(Self { core, this: env::current_exe()?, hasses, nginx })
    }

    /// The command that becomes `program`, pinned and guarded.
    fn guarded(&self, program: &Path) -> Command {
        let mut command = Command::new(&self.this);
        command.arg(GUARD).arg(self.core.to_string()).arg(program);
        command
    }
}

/// A running server; dropping it ends it.
pub(crate) struct Server {
    kind: Kind,
    child: Child,
    /// Where subscribers connect.
    pub(crate) subscribe: SocketAddr,
    publish: SocketAddr,
    // Dropped after the child has ended: fields are dropped after `Drop::drop`.
    _folder: TempDir,
}

impl Server {
    /// Starts a server and waits until it has answered a subscriber and accepted a publisher.
    pub(crate) fn start(kind: Kind, programs: &Programs) -> io::Result<Self> {
        let folder = TempDir::with_prefix("hasses-fanout-")?;
        let subscribe = free_address()?;
        let publish = if kind == Kind::Nchan { subscribe } else { free_address()? };
        let mut command = match kind {
            Kind::Floor => {
                let mut command = programs.guarded(&programs.this);
                command.args([FLOOR.to_owned(), subscribe.port().to_string(), publish.port().to_string()]);
                command
            }
            Kind::Hasses => {
                let mut command = programs.guarded(&programs.hasses);
                command.arg("--listen").arg(subscribe.to_string());
                command.arg("--control").arg(format!("unix://{}", folder.path().join("control.sock").display()));
                command.arg("--control").arg(format!("tcp://{publish}"));
                command.args(["--path", "/sse", "--log-level", "quiet"]);
                command
            }
            Kind::Nchan => {
                let configuration = folder.path().join("nginx.conf");
                fs::write(&configuration, nchan::configuration(folder.path(), subscribe))?;
                let mut command = programs.guarded(&programs.nginx);
                command.arg("-p").arg(folder.path()).arg("-c").arg(configuration).args(["-e", "stderr"]);
                command
            }
        };
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).process_group(0).spawn()?;
        let mut server = Self { kind, child, subscribe, publish, _folder: folder };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// The server's processes as they are now.
    pub(crate) fn processes(&self) -> io::Result<Processes> {
        Processes::below(self.child.id())
    }

    /// A new publisher's connection.
    pub(crate) fn publisher(&self) -> io::Result<Publisher> {
        Publisher::connect(self.publish, self.kind.form())
    }

    fn wait_until_ready(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            let name = self.kind.name();
            let Err(error) = self.probe() else {
                return Ok(());
            };
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("{name} did not start: {status}")));
            }
            if Instant::now() > deadline {
                return Err(io::Error::other(format!(
                    "{name} is not ready after {} s: {error}",
                    START_DEADLINE.as_secs()
                )));
            }
            sleep(RETRY_INTERVAL);
        }
    }

    /// Subscribes to a topic of its own, up to the first line of the answer.
    fn probe(&self) -> io::Result<()> {
        let mut stream = TcpStream::connect(self.subscribe)?;
        stream.set_read_timeout(Some(START_DEADLINE))?;
        stream
            .write_all(b"GET /sse?subscribe=probe HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")?;
        let mut line = String::new();
        BufReader::new(stream).take(1024).read_line(&mut line)?;
        if !line.starts_with("HTTP/1.1 200 ") {
            return Err(io::Error::other(format!("it answers {line:?}")));
        }
        self.publisher().map(drop)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The group, so that an nginx which does not end in time takes its worker with it.
        let group = Pid::from_child(&self.child);
        // An error of these calls means that the process is gone already.
        let _ = kill_process_group(group, Signal::TERM);
        let deadline = Instant::now() + STOP_DEADLINE;
        while let Ok(None) = self.child.try_wait() {
            if Instant::now() > deadline {
                let _ = writeln!(io::stderr(), "fanout: {} ignored SIGTERM and is killed", self.kind.name());
                break;
            }
            sleep(RETRY_INTERVAL);
        }
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Becomes the server: `CORE PROGRAM ARGUMENT…`.
pub(crate) fn guard(arguments: &[OsString]) -> io::Result<ExitCode> {
    let [core, program, arguments @ ..] = arguments else {
        return Err(io::Error::other("the guard takes a core and a program"));
    };
    let core = core.to_str().and_then(|core| core.parse().ok());
    pin_this_thread(core.ok_or_else(|| io::Error::other("the guard takes the number of a core"))?)?;
    // Holds across the exec below.
    set_parent_process_death_signal(Some(Signal::TERM))?;
    let error = Command::new(program).args(arguments).exec();
    Err(io::Error::new(error.kind(), format!("{}: {error}", program.display())))
}

/// An address that nobody listens on now.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// Builds the daemon with the release profile and returns where cargo put it.
fn build_hasses() -> io::Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let output = Command::new(cargo)
        .args([
            "build",
            "--release",
            "-p",
            "hasses",
            "--message-format",
            "json-render-diagnostics",
            "--manifest-path",
            manifest,
        ])
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other("the daemon does not build; a built one can be named: --hasses PATH"));
    }
    output
        .stdout
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(&line).ok())
        .filter(|message| message["target"]["name"] == "hasses")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .ok_or_else(|| io::Error::other("cargo build does not say where it put the daemon"))
}
