//! The servers that are compared: how each is started, told to be ready, and stopped, and what the generator must know of it.

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use hasses_tests::{Authority, Issued};
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::kind::Kind;
use crate::nchan;
use crate::programs::{Place, Programs};

/// First argument of the executable that is the bare loop.
pub(crate) const FLOOR: &str = "--floor";

const START_DEADLINE: Duration = Duration::from_secs(10);
const STOP_DEADLINE: Duration = Duration::from_secs(5);
const RETRY_INTERVAL: Duration = Duration::from_millis(2);

/// How subscribers come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Transport {
    Plain,
    Tls,
}

/// A running server; dropping it ends it, unless somebody else has started it.
pub(crate) struct Server {
    kind: Kind,
    child: Option<Child>,
    /// Where subscribers connect.
    pub(crate) url: String,
    subscribe: SocketAddr,
    publish: SocketAddr,
    // Dropped after the child has ended: fields are dropped after `Drop::drop`.
    folder: TempDir,
    transport: Transport,
}

impl Server {
    /// Starts a server, the daemon with these further flags, and waits until it answers.
    pub(crate) fn start(
        programs: &Programs,
        kind: Kind,
        transport: Transport,
        flags: &[&str],
        place: Place,
    ) -> io::Result<Self> {
        let mut server = Self::spawn(programs, kind, transport, flags, place)?;
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Starts a server without waiting.
    pub(crate) fn spawn(
        programs: &Programs,
        kind: Kind,
        transport: Transport,
        flags: &[&str],
        place: Place,
    ) -> io::Result<Self> {
        let folder = TempDir::with_prefix("hasses-compare-")?;
        let subscribe = free_address()?;
        let publish = if kind == Kind::Nchan { subscribe } else { free_address()? };
        let scheme = if transport == Transport::Tls { "https" } else { "http" };
        let mut server = Self {
            kind,
            child: None,
            url: format!("{scheme}://{subscribe}/sse"),
            subscribe,
            publish,
            folder,
            transport,
        };
        if transport == Transport::Tls {
            server.certify()?;
        }
        let command = match kind {
            Kind::Floor => Some(server.floor(programs, place)),
            Kind::Hasses => Some(server.daemon(programs, flags, place)),
            Kind::Nchan => Some(server.nchan(programs, place)?),
            Kind::Other(other) => {
                other.url().clone_into(&mut server.url);
                None
            }
        };
        if let Some(mut command) = command {
            server.child = Some(command.stdin(Stdio::null()).stdout(Stdio::null()).process_group(0).spawn()?);
        }
        Ok(server)
    }

    /// Its process, where the benchmark has started it.
    pub(crate) fn process(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Where subscribers connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.subscribe
    }

    /// The generator's flags before its command.
    pub(crate) fn control(&self) -> Vec<String> {
        match self.kind {
            Kind::Floor | Kind::Hasses => vec!["--control".to_owned(), format!("tcp://{}", self.publish)],
            Kind::Nchan => Vec::new(),
            Kind::Other(other) => other.control().to_vec(),
        }
    }

    /// The generator's flags after it: whose CPU it is, how messages get there.
    pub(crate) fn target(&self) -> Vec<OsString> {
        let mut flags: Vec<OsString> = Vec::new();
        if let Some(process) = self.process() {
            flags.extend(["--pid".into(), process.to_string().into()]);
        }
        if self.transport == Transport::Tls {
            flags.extend(["--ca".into(), self.file("authority.pem")]);
        }
        match self.kind {
            Kind::Floor | Kind::Hasses => {}
            Kind::Nchan => {
                let post = format!("http://{}/publish?topic={{topic}}", self.publish);
                flags.extend(["--publish".into(), "post".into(), "--post".into(), post.into()]);
            }
            Kind::Other(other) => flags.extend(other.flags().iter().map(OsString::from)),
        }
        flags
    }

    fn file(&self, name: &str) -> OsString {
        self.folder.path().join(name).into()
    }

    /// Writes an authority and a certificate of it.
    fn certify(&self) -> io::Result<()> {
        let authority = Authority::default();
        let Issued { certificate, key } = authority.issue(&["127.0.0.1", "localhost"]);
        fs::write(self.file("authority.pem"), authority.pem())?;
        fs::write(self.file("certificate.pem"), certificate)?;
        fs::write(self.file("key.pem"), key)
    }

    fn floor(&self, programs: &Programs, place: Place) -> Command {
        let mut command = programs.guarded(&programs.this, place);
        command.args([FLOOR.to_owned(), self.subscribe.port().to_string(), self.publish.port().to_string()]);
        if self.transport == Transport::Tls {
            command.args([self.file("certificate.pem"), self.file("key.pem")]);
        }
        command
    }

    fn daemon(&self, programs: &Programs, flags: &[&str], place: Place) -> Command {
        let mut command = programs.guarded(&programs.hasses, place);
        match self.transport {
            Transport::Plain => command.args(["--listen".to_owned(), self.subscribe.to_string()]),
            Transport::Tls => command
                .args(["--listen-tls".to_owned(), self.subscribe.to_string()])
                .args([OsString::from("--tls-cert"), self.file("certificate.pem")])
                .args([OsString::from("--tls-key"), self.file("key.pem")]),
        };
        command.arg("--control").arg(format!("tcp://{}", self.publish));
        command.args(["--path", "/sse", "--log-level", "quiet", "--drain", "0"]).args(flags);
        command
    }

    fn nchan(&self, programs: &Programs, place: Place) -> io::Result<Command> {
        let folder = self.folder.path();
        let configuration = folder.join("nginx.conf");
        fs::write(&configuration, nchan::configuration(folder, self.subscribe))?;
        let nginx = programs.nginx.as_deref().unwrap_or(Path::new("nginx"));
        let mut command = programs.guarded(nginx, place);
        command.arg("-p").arg(folder).arg("-c").arg(configuration).args(["-e", "stderr"]);
        Ok(command)
    }

    fn wait_until_ready(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + START_DEADLINE;
        while self.child.is_some() {
            let name = self.kind.name();
            let Err(error) = self.probe() else {
                break;
            };
            if let Some(status) = self.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                return Err(io::Error::other(format!("{name} did not start: {status}")));
            }
            if Instant::now() > deadline {
                let seconds = START_DEADLINE.as_secs();
                return Err(io::Error::other(format!("{name} is not ready after {seconds} s: {error}")));
            }
            sleep(RETRY_INTERVAL);
        }
        Ok(())
    }

    /// Subscribes to a topic of its own, up to the first line of the answer; with TLS, connects.
    fn probe(&self) -> io::Result<()> {
        TcpStream::connect(self.publish)?;
        let mut stream = TcpStream::connect(self.subscribe)?;
        if self.transport == Transport::Tls {
            return Ok(());
        }
        stream.set_read_timeout(Some(START_DEADLINE))?;
        stream
            .write_all(b"GET /sse?subscribe=probe HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")?;
        let mut line = String::new();
        BufReader::new(stream).take(1024).read_line(&mut line)?;
        if line.starts_with("HTTP/1.1 200 ") {
            return Ok(());
        }
        Err(io::Error::other(format!("it answers {line:?}")))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(child) = &mut self.child else {
            return;
        };
        // The group, so that an nginx which does not end in time takes its worker with it.
        let group = Pid::from_child(child);
        // An error of these calls means that the process is gone already.
        let _ = kill_process_group(group, Signal::TERM);
        let deadline = Instant::now() + STOP_DEADLINE;
        while let Ok(None) = child.try_wait() {
            if Instant::now() > deadline {
                let _ = writeln!(io::stderr(), "compare: {} ignored SIGTERM and is killed", self.kind.name());
                break;
            }
            sleep(RETRY_INTERVAL);
        }
        let _ = kill_process_group(group, Signal::KILL);
        let _ = child.wait();
    }
}

/// An address that nobody listens on now.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
