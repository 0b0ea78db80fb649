//! Everything that a daemon binds, opens and reads before it runs, so that a fault is an error at start.
//!
//! No thread is started here: between this and [`Opened::start`] the process may become another user.

use std::fmt;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use hasses_adapters::{ControlSource, OpenError, Passed, SourceUrl, advice};
use tracing::info;

use crate::config::{Config, ListenAddress};
use crate::daemon::Daemon;
use crate::listener::Listener;
use crate::log::{Appender, Disk, DiskError, History, Memory, Ordered, Window, now};
use crate::logging::LevelSwitch;
use crate::service::{Group, Owner, Refused};
use crate::settings::{Settings, raise_descriptor_limit};
use crate::sse::Rendered;
use crate::tls::CertificateError;

/// What is open, and the settings that it was opened with.
pub struct Opened {
    pub(crate) config: Config,
    pub(crate) settings: Settings,
    pub(crate) descriptors: usize,
    pub(crate) log: Appender,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) control_settings: hasses_adapters::Settings,
    pub(crate) sources: Vec<Box<dyn ControlSource>>,
    pub(crate) passed: Passed,
}

/// Why the daemon does not start; the operator's to mend.
#[derive(Debug)]
pub enum StartError {
    /// An SSE address cannot be listened on.
    Listen {
        /// As it was asked for.
        address: ListenAddress,
        /// What the system said.
        error: io::Error,
    },
    /// A certificate or key cannot be used.
    Certificate(CertificateError),
    /// The directory of the event log cannot be made.
    LogDirectory {
        /// Where.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The event log cannot be opened.
    Log(DiskError),
    /// A control source cannot be opened.
    Control(OpenError),
    /// One of these was tried as another user, or cannot be given to that user.
    Refused(Box<Refused<Self>>),
    /// The system refused something else.
    System {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

impl Opened {
    /// Reads certificates, binds and opens; sockets and FIFOs with a path become the owner's.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left open then.
    pub fn open(config: Config, passed: Passed, owner: &Owner) -> Result<Self, StartError> {
        let descriptors = raise_descriptor_limit()
            .map_err(|error| StartError::System { doing: "raising the descriptor limit", error })?;
        let settings = Settings::new(&config, descriptors).map_err(StartError::Certificate)?;
        let log = log(&config, owner)?;
        let listeners = listeners(&config, &passed, owner)?;
        let control_settings = control_settings(&config, &passed);
        let sources = config.control.iter().map(|url| source(url, &control_settings, owner));
        let sources = sources.collect::<Result<Vec<_>, _>>()?;
        Ok(Self { config, settings, descriptors, log, listeners, control_settings, sources, passed })
    }

    /// Starts the daemon.
    ///
    /// # Errors
    /// The system refuses a thread or an epoll; nothing is left open then.
    pub fn start(self, log_level: LevelSwitch) -> Result<Daemon, StartError> {
        Daemon::run(self, log_level)
    }
}

/// The event log, with what it holds.
fn log(config: &Config, owner: &Owner) -> Result<Appender, StartError> {
    let (retention, rules) = (config.limits.retention(), config.slow.clone());
    let Some(directory) = &config.log_directory else {
        let (store, history) = Memory::new();
        return Ok(Appender::new(Box::new(store), Window::new(history, retention, rules)));
    };
    let begun = Instant::now();
    let mut window = Window::new(History::default(), retention, rules);
    let (today, mut scratch) = (now(), Vec::new());
    let load = |it: Ordered| {
        // By the machine's clock, since that of the daemon begins now.
        let age = i64::try_from(today.saturating_sub(it.id.millis)).unwrap_or(i64::MAX);
        window.push(it.id, &it.publish, Rendered::event(it.id, &it.publish, &mut scratch), -age);
    };
    let make = || make_private(directory).map_err(|error| StartError::LogDirectory { path: directory.clone(), error });
    owner.make(directory, Group::Theirs, make)?;
    let open = || Disk::open(directory, config.durability, load).map_err(StartError::Log);
    let (store, history) = owner.act(directory, open)?;
    window.loaded(history);
    info!("its events take {} MiB of memory and were read in {:.2?}", window.holdings().bytes >> 20, begun.elapsed());
    Ok(Appender::new(Box::new(store), window))
}

/// A directory that nobody else may look into: whoever reads it reads every event.
fn make_private(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn listeners(config: &Config, passed: &Passed, owner: &Owner) -> Result<Vec<Listener>, StartError> {
    let plain = config.listen.iter().map(|address| (address, false));
    let secured = config.listen_tls.iter().map(|address| (address, true));
    let bind = |(address, tls): (&ListenAddress, bool)| {
        let bind = || {
            Listener::bind(address, tls, &config.limits, passed)
                .map_err(|error| StartError::Listen { address: address.clone(), error })
        };
        match address {
            ListenAddress::Unix(path) => Ok(owner.make(path, Group::Theirs, bind)?),
            ListenAddress::Tcp(_) | ListenAddress::Systemd(_) => bind(),
        }
    };
    plain.chain(secured).map(bind).collect()
}

fn source(
    url: &SourceUrl,
    settings: &hasses_adapters::Settings,
    owner: &Owner,
) -> Result<Box<dyn ControlSource>, StartError> {
    let open = || hasses_adapters::open(url, settings).map_err(StartError::Control);
    let group = if url.option("group").is_some() { Group::Kept } else { Group::Theirs };
    match url.scheme() {
        "unix" | "fifo" => Ok(owner.make(Path::new(url.target()), group, open)?),
        _ => open(),
    }
}

/// How control streams are read, by a configuration.
pub(crate) fn control_settings(config: &Config, passed: &Passed) -> hasses_adapters::Settings {
    hasses_adapters::Settings {
        delimiter: config.delimiter,
        max_message: config.limits.max_message,
        quiet_local: config.limits.quiet_local,
        quiet_remote: config.limits.quiet_remote,
        allow_remote: config.allow_remote_control,
        passed: passed.clone(),
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("config", &self.config).finish_non_exhaustive()
    }
}

impl From<Refused<Self>> for StartError {
    fn from(refused: Refused<Self>) -> Self {
        match refused {
            Refused::Made { error, user: None } => error,
            refused => Self::Refused(Box::new(refused)),
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { address, error } => {
                let port = match address {
                    ListenAddress::Tcp(address) => Some(address.port()),
                    ListenAddress::Unix(_) | ListenAddress::Systemd(_) => None,
                };
                write!(f, "cannot listen on {address}: {error}{}", advice(error, port))
            }
            Self::Certificate(error) => write!(f, "TLS: {error}"),
            Self::LogDirectory { path, error } => {
                write!(f, "cannot make the directory {} of the event log: {error}", path.display())
            }
            Self::Log(error) => error.fmt(f),
            Self::Control(error) => error.fmt(f),
            Self::Refused(refused) => refused.fmt(f),
            Self::System { doing, error } => write!(f, "{doing} failed: {error}"),
        }
    }
}

impl std::error::Error for StartError {}
