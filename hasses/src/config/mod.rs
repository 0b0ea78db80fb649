//! Everything the daemon is told, after flags, classic switches and files have been read.
//!
//! The rest of the daemon sees only [`Config`]; where a value came from is this folder's business. [`load`] is the one
//! way in: it reads, and changes nothing outside.
//!
//! Flags and keys of the configuration file are one table (`settings`), the limits among them a table of their own
//! (`quantities`). Classic switches are apart from both (`classic`).

mod address;
mod arguments;
mod check;
mod classic;
mod classic_file;
mod command_line;
mod completions;
mod cors;
mod default_socket;
mod delimiter;
mod environment;
mod error;
mod file;
mod help;
mod load;
mod manual;
mod proxies;
mod quantities;
mod reload;
mod settings;
mod slow;
mod words;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use hasses_adapters::SourceUrl;
use hasses_client::wire::{DEFAULT_MAX_MESSAGE_BYTES, Delimiter, LogLevel};

use crate::http::QueryLimits;
use crate::log::Retention;

pub use check::describe;
pub use default_socket::DefaultSocket;
pub use environment::Environment;
pub use error::ConfigError;
pub use load::{Invocation, load};
pub use proxies::{Proxies, TrustedProxy};
pub use slow::{SlowPolicy, SlowRule, slow_policy};

/// What the daemon does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where subscribers connect; one at least, here or among `listen_tls`.
    pub listen: Vec<ListenAddress>,
    /// The same over TLS.
    pub listen_tls: Vec<ListenAddress>,
    /// What TLS shows for the daemon; empty where nothing listens with TLS.
    pub certificates: Certificates,
    /// The proxies in front.
    pub proxies: Proxies,
    /// The one URL path that subscribes; begins with `/`.
    pub path: String,
    /// Where commands come from. May be empty (nothing can be published then; a warning says so).
    pub control: Vec<SourceUrl>,
    /// TCP control may bind to more than loopback. Classic switches imply it.
    pub allow_remote_control: bool,
    /// What `Access-Control-Allow-Origin` says.
    pub cors: Cors,
    /// What is logged, where to, and how.
    pub log: Log,
    /// What ends a message of classic text.
    pub delimiter: Delimiter,
    /// A subscribed connection may send a new request and is subscribed anew.
    pub allow_reinit: bool,
    /// Where events are kept over restarts; `None` is in memory.
    pub log_directory: Option<PathBuf>,
    /// What an acknowledged event there survives.
    pub durability: Durability,
    /// What becomes of slow subscribers, by topic; the first rule that covers a topic holds.
    pub slow: Vec<SlowRule>,
    /// Subscribers are told where they stand and what they lost.
    pub notices: bool,
    /// Threads that hold subscribers. At least 1.
    pub shards: usize,
    /// The limits.
    pub limits: Limits,
    /// How it runs as a service.
    pub service: Service,
    /// Started by classic switches: a line at start says where the modern default would be safer.
    pub classic: bool,
    /// The control socket that `control` names because nobody named another: its folder is to be made before it is
    /// opened ([`DefaultSocket::make_folder`]).
    pub default_socket: Option<DefaultSocket>,
    /// What is to be logged at start: one sentence a line.
    pub notes: Vec<String>,
}

impl Default for Config {
    /// The modern defaults, without a control source: which one is the default depends on the user.
    fn default() -> Self {
        Self {
            listen: vec![ListenAddress::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)))],
            listen_tls: Vec::new(),
            certificates: Certificates::default(),
            proxies: Proxies::default(),
            path: "/sse".to_owned(),
            control: Vec::new(),
            allow_remote_control: false,
            cors: Cors { origins: vec!["*".to_owned()], credentials: false },
            log: Log { level: LogLevel::Normal, file: None, format: LogFormat::Text },
            delimiter: Delimiter::Default,
            allow_reinit: false,
            log_directory: None,
            durability: Durability::Os,
            slow: Vec::new(),
            notices: true,
            shards: environment::default_shards(environment::cores()),
            limits: Limits::default(),
            service: Service::default(),
            classic: false,
            default_socket: None,
            notes: Vec::new(),
        }
    }
}

/// An address of the SSE endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// IPv4 or IPv6, with port; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
    /// A socket that the service manager passes under this name (`FileDescriptorName=` of systemd).
    Systemd(String),
}

/// The files of TLS certificates: the first chain goes with the first key, and so on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificates {
    /// PEM files, each with a certificate and those that lead to its root.
    pub chains: Vec<PathBuf>,
    /// PEM files, each with a private key: PKCS#8, PKCS#1 or SEC1.
    pub keys: Vec<PathBuf>,
}

/// How the daemon runs as a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// It goes to the background once it serves.
    pub background: bool,
    /// Holds its process id while it runs.
    pub pid_file: Option<PathBuf>,
    /// `NAME` or `NAME:GROUP`: whom it becomes after everything that needs privileges is open.
    pub user: Option<String>,
}

/// What an acknowledged event in the log directory survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process, however it comes.
    #[default]
    Os,
    /// That of the machine.
    Disk,
}

/// What other origins may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// `["*"]`, or origins as browsers send them (`https://example.com`); the one that matches is echoed.
    pub origins: Vec<String>,
    /// Send `Access-Control-Allow-Credentials: true`; only with explicit origins.
    pub credentials: bool,
}

/// What is logged, where to, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// How much.
    pub level: LogLevel,
    /// Where to; `None` is standard output.
    pub file: Option<PathBuf>,
    /// How a line looks.
    pub format: LogFormat,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// `2026-01-31 13:45:07 hasses: text`, local time.
    Text,
    /// The text alone (classic's `-nodaemon`).
    Bare,
    /// One JSON object a line.
    Json,
}

/// Every limit. What happens at each stands in the README.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest message on a control channel in bytes.
    pub max_message: usize,
    /// Longest request head in bytes.
    pub max_head: usize,
    /// Time in which a request head must be complete.
    pub head_timeout: Duration,
    /// Topics that one subscription may name.
    pub max_topics: usize,
    /// Subscribers at one time; `None` is what the descriptor limit allows.
    pub max_subscribers: Option<usize>,
    /// Subscribers of one client address at one time (of one /64 for IPv6); `None` is no limit.
    pub max_subscribers_per_address: Option<usize>,
    /// Control connections at one time, all sources together.
    pub max_control_connections: usize,
    /// Bytes of memory for events that are kept to be sent again.
    pub retain_bytes: usize,
    /// Time that an event is kept; `None` is no limit.
    pub retain_age: Option<Duration>,
    /// Events that are kept.
    pub retain_events: usize,
    /// Newest events of each topic that a subscriber may ask for.
    pub max_replay: usize,
    /// Bytes that may wait for one subscriber before it is behind; one event always fits, however large.
    pub outbox: usize,
    /// The same for all subscribers together.
    pub outbox_total: usize,
    /// Bytes that the kernel may hold for one subscriber (`SO_SNDBUF`).
    pub send_buffer: usize,
    /// Bytes of publishes on their way from the hub to the shards.
    pub in_flight: usize,
    /// A comment goes out when nothing else did for so long.
    pub heartbeat: Duration,
    /// A subscriber whose socket takes nothing for so long is disconnected.
    pub progress_timeout: Duration,
    /// The ends of all streams are spread over this time when the daemon ends.
    pub drain: Duration,
    /// A subscriber is ended after so long; `None` is never.
    pub max_age: Option<Duration>,
    /// Browsers that are told to come back later wait so long, plus up to as much again.
    pub retry: Duration,
    /// Quiet time that ends a classic message without terminator on a Unix socket, a FIFO and loopback TCP.
    pub quiet_local: Duration,
    /// The same on other TCP.
    pub quiet_remote: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message: DEFAULT_MAX_MESSAGE_BYTES,
            // nginx allows 4 x 8 KiB, node 16 KiB, Apache 8 KiB a line.
            max_head: 16 * 1024,
            head_timeout: Duration::from_secs(20),
            max_topics: 256,
            max_subscribers: None,
            // An office behind one address is no attack, and a proxy that is not trusted yet is one address too.
            max_subscribers_per_address: None,
            max_control_connections: 256,
            // A quarter of a million events of 100 bytes, in the memory of a small machine.
            retain_bytes: 64 * 1024 * 1024,
            // A page that was away for longer has better ways to its state than an hour of events.
            retain_age: Some(Duration::from_secs(3600)),
            // What a start reads from a log directory in a few seconds.
            retain_events: 1_000_000,
            max_replay: 1000,
            // What does not fit is read from the log once there is room, so this is for bursts, not for slow phases.
            outbox: 256 * 1024,
            outbox_total: 128 * 1024 * 1024,
            // Unlimited, one stalled subscriber absorbs 3.6 MB in the kernel, and some hundreds exhaust its TCP memory.
            send_buffer: 64 * 1024,
            in_flight: 16 * 1024 * 1024,
            heartbeat: Duration::from_secs(15),
            // nginx's send_timeout.
            progress_timeout: Duration::from_secs(60),
            drain: Duration::from_secs(10),
            max_age: None,
            retry: Duration::from_secs(5),
            quiet_local: Duration::from_millis(2),
            quiet_remote: Duration::from_millis(250),
        }
    }
}

impl Limits {
    /// What a query may ask for at most.
    #[must_use]
    pub fn query(&self) -> QueryLimits {
        QueryLimits { topics: self.max_topics, replay: self.max_replay }
    }

    /// How much the event log keeps.
    #[must_use]
    pub fn retention(&self) -> Retention {
        Retention { bytes: self.retain_bytes, age: self.retain_age, events: self.retain_events }
    }
}
