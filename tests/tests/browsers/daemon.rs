//! The real daemon, which can go and come back at the same address.

use std::net::TcpListener;
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;
use std::process::Command;

use hasses_tests::{Authority, DEADLINE, Publisher, Running, binary, own_address};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Becomes the daemon of its arguments, with its standard input as the socket that a service manager passes.
const HAND_OVER: &str = r#"
exec 3<&0 </dev/null
export LISTEN_FDS=1 LISTEN_PID=$$ LISTEN_FDNAMES=sse
exec "$@"
"#;

/// A daemon for the pages of one test.
pub(crate) struct Daemon {
    /// `None` where it has ended.
    running: Option<Running>,
    folder: TempDir,
    flags: Vec<String>,
    scheme: Scheme,
    /// Its socket, where that outlives it.
    socket: Option<TcpListener>,
    /// `ADDR:PORT` for subscribers.
    pub(crate) address: String,
}

/// How subscribers connect.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// The beginning of URLs, and the flag.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Http => ("http://", "--listen"),
            Self::Https => ("https://", "--listen-tls"),
        }
    }
}

impl Daemon {
    /// One whose log is in memory, and so as old as itself.
    pub(crate) fn start(flags: &[&str]) -> Self {
        Self::with(Scheme::Http, folder(), None, owned(flags))
    }

    /// One whose log is on disk, and outlives it.
    pub(crate) fn lasting(flags: &[&str]) -> Self {
        let folder = folder();
        let flags = [log_in(&folder), owned(flags)].concat();
        Self::with(Scheme::Http, folder, None, flags)
    }

    /// The same, and whoever connects while it is away waits for it, since its socket belongs to a service manager.
    pub(crate) fn handed_over(flags: &[&str]) -> Self {
        let folder = folder();
        let flags = [log_in(&folder), owned(flags)].concat();
        let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
        Self::with(Scheme::Http, folder, Some(socket), flags)
    }

    /// One whose log is on disk, and that is reached with TLS only.
    pub(crate) fn secured(authority: &Authority, flags: &[&str]) -> Self {
        let folder = folder();
        let certificate = authority.issue(&[&own_address().ip().to_string()]).save(folder.path(), "server");
        let [chain, key] = [&certificate.certificate, &certificate.key].map(|path| path.display().to_string());
        let flags = [log_in(&folder), owned(&["--tls-cert", &chain, "--tls-key", &key]), owned(flags)].concat();
        Self::with(Scheme::Https, folder, None, flags)
    }

    fn with(scheme: Scheme, folder: TempDir, socket: Option<TcpListener>, flags: Vec<String>) -> Self {
        // Nobody else takes the port while the daemon is away.
        let address = format!("{}:0", own_address().ip());
        let mut daemon = Self { running: None, folder, flags, scheme, socket, address };
        daemon.start_again();
        let said = daemon.running.as_ref().expect("it runs").said(&format!("subscribers: {}", scheme.names().0));
        said.trim_end_matches("/sse").clone_into(&mut daemon.address);
        daemon
    }

    /// What a page subscribes to.
    pub(crate) fn url(&self, query: &str) -> String {
        format!("{}/sse?{query}", self.origin())
    }

    pub(crate) fn origin(&self) -> String {
        format!("{}{}", self.scheme.names().0, self.address)
    }

    /// The URL for its publishers.
    pub(crate) fn control(&self) -> String {
        format!("unix://{}", self.folder.path().join("control.sock").display())
    }

    /// SIGTERM, and its end.
    pub(crate) fn stop(&mut self) {
        let mut running = self.running.take().expect("it runs");
        running.signal(Signal::TERM);
        assert_eq!(running.exit_code(), 0);
    }

    /// SIGKILL, and its end.
    pub(crate) fn kill(&mut self) {
        drop(self.running.take().expect("it runs"));
    }

    /// Starts it anew where it was.
    pub(crate) fn start_again(&mut self) {
        let control = self.control();
        let listen = if self.socket.is_some() { "systemd:sse" } else { &self.address };
        let fixed = [self.scheme.names().1, listen, "--control", &control];
        let arguments = fixed.into_iter().chain(self.flags.iter().map(String::as_str));
        self.running = Some(match &self.socket {
            None => Running::start(self.folder.path(), arguments),
            Some(socket) => {
                let mut command = Command::new("sh");
                command.args(["-c", HAND_OVER, "sh"]).arg(binary("hasses")).args(arguments);
                let socket = OwnedFd::from(socket.try_clone().expect("a second handle"));
                Running::with_input(&mut command, socket, &self.folder.path().join("output.log"), "room for ")
            }
        });
    }

    /// Gives it another value of a flag, for its next start.
    pub(crate) fn set(&mut self, flag: &str, value: &str) {
        let at = self.flags.iter().position(|known| known == flag).expect("it has the flag");
        value.clone_into(&mut self.flags[at + 1]);
    }

    /// Waits until somebody has connected to the socket of a daemon that is away.
    pub(crate) fn is_awaited(&self) {
        let socket = self.socket.as_ref().expect("its socket outlives it");
        let deadline = DEADLINE.try_into().expect("a time");
        let ready = poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&deadline)).expect("the socket can be asked");
        assert_eq!(ready, 1, "nobody connected");
    }

    pub(crate) fn publisher(&self) -> Publisher {
        Publisher::unix(&self.folder.path().join("control.sock"))
    }

    /// Publishes something that must reach exactly one subscriber; gives its id.
    pub(crate) fn publish(&self, command: &Value) -> String {
        self.publish_to(1, command)
    }

    /// The same for another number of subscribers.
    pub(crate) fn publish_to(&self, count: u64, command: &Value) -> String {
        publish(&mut self.publisher(), count, command)
    }

    /// Publishes these numbers to `room`, each to so many subscribers.
    pub(crate) fn publish_numbers(&self, count: u64, numbers: RangeInclusive<u64>) {
        let mut publisher = self.publisher();
        for number in numbers {
            publish(&mut publisher, count, &json!({"topic": "room", "data": number}));
        }
    }
}

fn publish(publisher: &mut Publisher, count: u64, command: &Value) -> String {
    let mut command = command.clone();
    command["cmd"] = json!("publish");
    let answer = publisher.ask(&command);
    assert_eq!(answer["matched"], count, "{command}: {answer}");
    answer["id"].as_str().expect("an id").to_owned()
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn log_in(folder: &TempDir) -> Vec<String> {
    vec!["--log-dir".to_owned(), folder.path().join("log").display().to_string()]
}

fn owned(flags: &[&str]) -> Vec<String> {
    flags.iter().map(|&flag| flag.to_owned()).collect()
}
