//! A proxy of the system in front of a daemon, configured as the documentation says.

use std::fmt;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::wait_for;

/// A configuration that stands in a document.
///
/// Tests take theirs from there, so that what people read is what was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration(String);

impl Configuration {
    /// The fenced block of `document`, a path from the root of the repository, whose info string is `name`.
    ///
    /// # Panics
    /// There is none, or there are two.
    #[must_use]
    pub fn of(document: &str, name: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package lies in a folder");
        let text = std::fs::read_to_string(root.join(document)).unwrap_or_else(|error| panic!("{document}: {error}"));
        let fence = format!("\n```{name}\n");
        let mut blocks = text.split(&fence).skip(1);
        let block = blocks.next().unwrap_or_else(|| panic!("{document} has no block ```{name}"));
        assert_eq!(blocks.next(), None, "{document} has two blocks ```{name}");
        let (block, _) = block.split_once("\n```\n").expect("the block has an end");
        Self(format!("{block}\n"))
    }

    /// What is configured for one machine becomes what it is on this one.
    ///
    /// # Panics
    /// The document does not say it.
    #[must_use]
    pub fn with(self, said: &str, meant: impl fmt::Display) -> Self {
        assert!(self.0.contains(said), "the configuration has no {said:?}:\n{self}");
        Self(self.0.replace(said, &meant.to_string()))
    }

    /// What stands behind the first word `name` of a line.
    ///
    /// # Panics
    /// No line begins so.
    #[must_use]
    pub fn line(&self, name: &str) -> &str {
        let mut lines = self.0.lines().filter_map(|line| line.split_once(' '));
        let line = lines.find(|(word, _)| *word == name);
        line.unwrap_or_else(|| panic!("no line begins with {name}:\n{self}")).1.trim()
    }
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A free address on loopback on which no other process binds or connects: programs that cannot be told to take any port, and to
/// say which, keep it through a restart.
///
/// # Panics
/// There is none.
#[must_use]
pub fn own_address() -> SocketAddrV4 {
    // 127.0.0.0/8 is loopback as a whole. Process ids have 22 bits at most, so every process has an address of its own.
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let address = Ipv4Addr::new(127, 64 | (high & 63), middle, low);
    let listener = TcpListener::bind((address, 0)).expect("an address on loopback");
    let bound = listener.local_addr().expect("its address");
    let IpAddr::V4(address) = bound.ip() else { unreachable!("it was bound to IPv4") };
    SocketAddrV4::new(address, bound.port())
}

/// A proxy as one process in the foreground; killed when dropped.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    log: PathBuf,
}

impl Proxy {
    /// Starts it, its output in a file of `folder`, and waits until it listens on all of these.
    ///
    /// # Panics
    /// It ends instead.
    pub fn start(command: &mut Command, folder: &Path, listening: &[SocketAddrV4]) -> Self {
        let log = folder.join("proxy.log");
        let output = File::create(&log).expect("a file for its output");
        command.stdin(Stdio::null()).stdout(output.try_clone().expect("a second handle")).stderr(output);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
        let mut proxy = Self { child, log };
        for address in listening {
            wait_for("the proxy to listen", || {
                let ended = proxy.child.try_wait().expect("its state");
                assert_eq!(ended, None, "{command:?} ended: {}", proxy.output());
                TcpStream::connect(address).ok()
            });
        }
        proxy
    }

    /// Has it do nothing at all until it is told to [go on](Self::go_on).
    ///
    /// # Panics
    /// It has ended.
    pub fn halt(&self) {
        self.signal(Signal::STOP);
    }

    /// Has it go on.
    ///
    /// # Panics
    /// It has ended.
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is there");
    }

    /// What it has printed so far.
    #[must_use]
    pub fn output(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
