//! The daemon as a whole: everything is bound and opened first, so that a fault is an error at start; then it runs until it
//! is stopped.
//!
//! Threads: one for control (the hub, the control sources, accepting), one a shard. Stopping closes what leads in, lets the
//! shards end their streams, and waits for all of them.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use async_channel::Sender;
use event_listener::Event;
use futures_lite::future::block_on;
use hasses_adapters::{Context, ControlSource, ControlStats, Inbox, OpenError, Settings};
use hasses_client::wire::EventId;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use smol::Executor;
use smol::lock::Semaphore;
use tracing::{error, info, warn};

use crate::config::{Config, ListenAddress};
use crate::counters::Counters;
use crate::http::Endpoint;
use crate::hub::Hub;
use crate::listener::{Listener, ShardHandle};
use crate::logging::LevelSwitch;
use crate::shard::{Message, Shard};
use crate::shared::Shared;

/// Submissions that may wait for the hub. Each source connection has one under way, so more would only add to what is lost
/// sight of when the daemon ends.
const INBOX: usize = 64;
/// Messages that may wait for a shard; their bytes are bounded by the gate.
const SHARD_CHANNEL: usize = 1024;
/// Descriptors kept back for epolls, listeners, log, FIFO and what the system libraries open.
const RESERVED_DESCRIPTORS: usize = 64;
/// Connections over the limit of subscribers, so that those can be told to come back later.
const REFUSAL_CONNECTIONS: usize = 64;

/// A running daemon. Dropping it stops it.
#[derive(Debug)]
pub struct Daemon {
    shared: Arc<Shared>,
    stop: Option<Sender<()>>,
    control: Option<JoinHandle<()>>,
    shards: Vec<(Sender<Message>, JoinHandle<()>)>,
}

/// Why the daemon does not start; the operator's to mend.
#[derive(Debug)]
pub enum StartError {
    /// An SSE address cannot be listened on.
    Listen {
        /// As it was asked for.
        address: String,
        /// What the system said.
        error: io::Error,
    },
    /// A control source cannot be opened.
    Control(OpenError),
    /// The system refused something else.
    System {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

impl Daemon {
    /// Binds, opens and starts everything.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left open then.
    pub fn start(config: Config, log_level: LevelSwitch) -> Result<Self, StartError> {
        let descriptors = raise_descriptor_limit().map_err(system("raising the descriptor limit"))?;
        let listeners = config.listen.iter().map(|address| listen(address, &config)).collect::<Result<Vec<_>, _>>()?;
        let settings = settings(&config);
        let sources = config.control.iter().map(|url| hasses_adapters::open(url, &settings));
        let sources = sources.collect::<Result<Vec<_>, _>>().map_err(StartError::Control)?;
        let shared = Arc::new(shared(config, descriptors, log_level, &listeners, &sources));

        let (shards, handles) = start_shards(&shared)?;
        let (inbox, submissions) = Inbox::new(INBOX);
        let channels = handles.iter().map(|handle| handle.messages.clone()).collect();
        let hub = Hub::new(shared.clone(), channels, shared.config.limits.in_flight);
        let context = Context {
            inbox,
            settings: Arc::new(settings),
            permits: Arc::new(Semaphore::new(shared.config.limits.max_control_connections)),
            stats: shared.control.clone(),
        };
        let (stop, stopped) = async_channel::bounded::<()>(1);
        let control_shared = shared.clone();
        let control = move || {
            let ending = AbortOnPanic;
            let executor = Executor::new();
            let mut tasks = vec![executor.spawn(hub.run(submissions))];
            tasks.extend(sources.into_iter().map(|source| executor.spawn(source.run(context.clone()))));
            tasks.extend(
                listeners.into_iter().map(|it| executor.spawn(it.run(control_shared.clone(), handles.clone()))),
            );
            // Ends when the sender is dropped; the tasks end with their handles.
            let _ = async_io::block_on(executor.run(stopped.recv()));
            std::mem::forget(ending);
        };
        let control = spawn("hasses-control", control)?;
        Ok(Self { shared, stop: Some(stop), control: Some(control), shards })
    }

    /// Where subscribers connect: `127.0.0.1:8080`, with real ports, or `unix:PATH`.
    #[must_use]
    pub fn listening(&self) -> &[String] {
        &self.shared.listening
    }

    /// Where commands come from, as URLs with real ports.
    #[must_use]
    pub fn sources(&self) -> &[String] {
        &self.shared.sources
    }

    /// Subscribers at one time.
    #[must_use]
    pub fn max_subscribers(&self) -> usize {
        self.shared.max_subscribers
    }

    /// Stops: nothing more is let in, every stream gets its last chunk, and the socket files are gone when this returns.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(control) = self.control.take()
            && control.join().is_err()
        {
            error!("the control thread ended by a fault of the daemon; please report it");
        }
        // All are told before one is waited for: the time that slow subscribers get is the same everywhere.
        for (messages, _) in &self.shards {
            // A shard that is gone has nothing to end.
            let _ = block_on(messages.send(Message::End));
        }
        for (_, thread) in self.shards.drain(..) {
            if thread.join().is_err() {
                error!("a shard ended by a fault of the daemon; please report it");
            }
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
    }
}

fn listen(address: &ListenAddress, config: &Config) -> Result<Listener, StartError> {
    Listener::bind(address, config.limits.send_buffer)
        .map_err(|error| StartError::Listen { address: address.to_string(), error })
}

fn settings(config: &Config) -> Settings {
    Settings {
        delimiter: config.delimiter,
        max_message: config.limits.max_message,
        quiet_local: config.limits.quiet_local,
        quiet_remote: config.limits.quiet_remote,
        allow_remote: config.allow_remote_control,
    }
}

fn shared(
    config: Config,
    descriptors: usize,
    log_level: LevelSwitch,
    listeners: &[Listener],
    sources: &[Box<dyn ControlSource>],
) -> Shared {
    let kept_back = RESERVED_DESCRIPTORS + config.limits.max_control_connections;
    let max_connections = descriptors.saturating_sub(kept_back).max(1);
    let possible = max_connections.saturating_sub(REFUSAL_CONNECTIONS).max(1);
    let max_subscribers = config.limits.max_subscribers.unwrap_or(possible).min(possible);
    if let Some(asked) = config.limits.max_subscribers
        && asked > possible
    {
        warn!(
            "--max-subscribers {asked} is more than the limit of {descriptors} descriptors allows; {possible} it is \
             (raise it with LimitNOFILE= or ulimit -n)"
        );
    }
    Shared {
        endpoint: Endpoint { path: config.path.clone(), cors: config.cors.clone() },
        max_subscribers,
        max_connections,
        counters: Counters::default(),
        control: Arc::new(ControlStats::default()),
        log_level,
        reinit: AtomicBool::new(config.allow_reinit),
        next_client: AtomicU64::new(1),
        newest: Mutex::new(EventId::default()),
        descriptor_freed: Event::new(),
        listening: listeners.iter().map(|listener| listener.name().to_owned()).collect(),
        sources: sources.iter().map(|source| source.address()).collect(),
        started: Instant::now(),
        started_at: jiff::Timestamp::now().strftime("%FT%TZ").to_string(),
        config,
    }
}

type Started = (Vec<(Sender<Message>, JoinHandle<()>)>, Vec<ShardHandle>);

fn start_shards(shared: &Arc<Shared>) -> Result<Started, StartError> {
    let (mut shards, mut handles) = (Vec::new(), Vec::new());
    for nth in 0..shared.config.shards {
        let (messages, received) = async_channel::bounded(SHARD_CHANNEL);
        let load = Arc::new(AtomicUsize::new(0));
        let shard = Shard::new(shared.clone(), received, load.clone()).map_err(system("making an epoll"))?;
        let thread = spawn(&format!("hasses-shard-{nth}"), move || {
            let ending = AbortOnPanic;
            async_io::block_on(shard.run());
            std::mem::forget(ending);
        })?;
        shards.push((messages.clone(), thread));
        handles.push(ShardHandle { messages, load });
    }
    Ok((shards, handles))
}

/// A daemon without one of its threads would lose events in silence, so a fault there ends it: the service manager starts it
/// anew, and browsers come back.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        error!("a thread ended by a fault of the daemon; the daemon ends; please report it");
        std::process::abort();
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map_err(system("starting a thread"))
}

/// Raises the descriptor limit to what the process may have; gives it.
fn raise_descriptor_limit() -> io::Result<usize> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
        info!("the descriptor limit is raised from {} to {}", shown(current), shown(maximum));
    }
    // "Unlimited" is bounded by the kernel (fs.nr_open, a million by default).
    Ok(maximum.and_then(|maximum| usize::try_from(maximum).ok()).unwrap_or(1 << 20))
}

fn shown(limit: Option<u64>) -> String {
    limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string())
}

fn system(doing: &'static str) -> impl Fn(io::Error) -> StartError {
    move |error| StartError::System { doing, error }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { address, error } => write!(f, "cannot listen on {address}: {error}"),
            Self::Control(error) => error.fmt(f),
            Self::System { doing, error } => write!(f, "{doing} failed: {error}"),
        }
    }
}

impl std::error::Error for StartError {}
