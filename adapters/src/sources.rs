//! The trait of a control source, and the one table of those that exist.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hasses_client::wire::Delimiter;
use smol::lock::Semaphore;

use crate::error::OpenError;
use crate::inbox::Inbox;
use crate::passed::Passed;
use crate::url::SourceUrl;
use crate::{fifo, systemd, tcp, unix};

/// Something outside that commands come from, opened and ready.
///
/// Opening happens before, in [`SourceKind::open`], so that a port in use is an error at start.
pub trait ControlSource: Send {
    /// Where it listens, for the log: with the real port where port 0 was asked for.
    fn address(&self) -> String;

    /// Serves until the future is dropped. A fault of one publisher never ends it.
    fn run(self: Box<Self>, context: Context) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// What [`SourceKind::open`] gives.
pub type Opened = Result<Box<dyn ControlSource>, OpenError>;

/// One line of the table of sources.
#[derive(Debug)]
pub struct SourceKind {
    /// What the URL begins with.
    pub scheme: &'static str,
    /// How the URL is written, for help and errors.
    pub form: &'static str,
    /// One sentence for help and docs.
    pub about: &'static str,
    /// Names of the `?name=value` options.
    pub options: &'static [&'static str],
    /// Checks what follows the scheme, options included, without side effects and without a look at the system.
    pub check: fn(&SourceUrl) -> Result<(), String>,
    /// Binds or opens it.
    pub open: fn(&SourceUrl, &Settings) -> Opened,
}

/// Every control source there is. `--help`, the docs and error texts list what stands here.
pub const SOURCES: &[SourceKind] = &[
    SourceKind {
        scheme: "tcp",
        form: "tcp://ADDR:PORT",
        about: "a TCP port; loopback only unless --allow-remote-control is given",
        options: &[],
        check: tcp::check,
        open: tcp::open,
    },
    SourceKind {
        scheme: "unix",
        form: "unix:///PATH[?mode=0660][&group=NAME]",
        about: "a Unix socket, mode 0600 unless set",
        options: &["mode", "group"],
        check: unix::check,
        open: unix::open,
    },
    SourceKind {
        scheme: "fifo",
        form: "fifo:///PATH[?form=json][&mode=0660][&group=NAME]",
        about: "a FIFO, made if missing with mode 0666 less the umask; it has no way back, so faults are logged",
        options: &["form", "mode", "group"],
        check: fifo::check,
        open: fifo::open,
    },
    SourceKind {
        scheme: "systemd",
        form: "systemd://NAME",
        about: "a TCP or Unix socket that systemd opened (FileDescriptorName=NAME in its socket unit)",
        options: &[],
        check: systemd::check,
        open: systemd::open,
    },
];

/// Opens the source that a URL names.
///
/// # Errors
/// [`OpenError`], which says what the operator can do.
pub fn open(url: &SourceUrl, settings: &Settings) -> Opened {
    match SOURCES.iter().find(|kind| kind.scheme == url.scheme()) {
        Some(kind) => (kind.open)(url, settings),
        None => Err(OpenError::BadUrl { url: url.to_string(), why: "its scheme is not known".to_owned() }),
    }
}

/// How control streams are read.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What ends a message of classic text.
    pub delimiter: Delimiter,
    /// Longest message in bytes.
    pub max_message: usize,
    /// Quiet time that ends a classic message without terminator: Unix socket, FIFO, loopback TCP.
    pub quiet_local: Duration,
    /// The same on other TCP.
    pub quiet_remote: Duration,
    /// TCP may bind to more than loopback.
    pub allow_remote: bool,
    /// Sockets that the service manager passed.
    pub passed: Passed,
}

/// The settings in force. They may be exchanged while sources run; each session keeps those it began with.
#[derive(Clone, Debug)]
pub struct Current(Arc<Mutex<Arc<Settings>>>);

impl Current {
    /// These.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(Mutex::new(Arc::new(settings))))
    }

    /// Those in force.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on these are in force.
    pub fn exchange(&self, settings: Settings) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }
}

/// What a running source works with.
#[derive(Clone, Debug)]
pub struct Context {
    /// Where commands go.
    pub inbox: Inbox,
    /// How streams are read.
    pub current: Current,
    /// One permit a control connection, all sources together.
    pub permits: Arc<Semaphore>,
    /// One permit more for each that comes over TCP; some less than the others, so that the machine's own administrator gets in
    /// over a Unix socket when publishers have taken all.
    pub tcp_permits: Arc<Semaphore>,
    /// Counters of all sources together.
    pub stats: Arc<ControlStats>,
    /// Subscribers at this moment: so many may each publish reach.
    pub audience: Arc<AtomicU64>,
}

/// Counters of all control sources together.
#[derive(Debug, Default)]
pub struct ControlStats {
    /// Open connections.
    pub connections: AtomicU64,
    /// Commands and messages refused, in either form.
    pub refused_commands: AtomicU64,
    /// Classic messages in which invalid UTF-8 was replaced.
    pub repaired_utf8: AtomicU64,
}
