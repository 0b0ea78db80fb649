//! The daemon as a whole: everything is bound and opened first, so that a fault is an error at start; then it runs until it
//! is stopped.
//!
//! Threads: one for control (the hub, the control sources, accepting), one a shard, and as many for handshakes where something
//! has to come before a request. The end has two parts: a drain, in which everything goes on but for subscribing and streams end
//! one by one; and the stop, which closes what leads in, answers those who wait to be accepted, and ends what is left.

use std::future::Future;
use std::io;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use async_channel::Sender;
use hasses_adapters::{Context, Current, Inbox, Passed};
use smol::lock::Semaphore;
use smol::{Executor, Task, Timer};
use tracing::{error, warn};

use crate::clock::System;
use crate::config::Config;
use crate::connection::millis;
use crate::hub::{EVICTION, Hub};
use crate::listener::{Reception, ShardHandle};
use crate::logging::LevelSwitch;
use crate::mailbox::Mailbox;
use crate::opening::{Opened, StartError, control_settings};
use crate::service::Owner;
use crate::settings::Settings;
use crate::shard::{Message, Shard};
use crate::shared::{Listening, Shared};
use crate::tls::CertificateError;

/// Submissions that may wait for the hub. Each source connection has one under way, so more would only add to what is lost
/// sight of when the daemon ends.
const INBOX: usize = 64;
/// Messages that may wait for a shard; their bytes are bounded by the gate.
const SHARD_CHANNEL: usize = 1024;
/// Time for handshakes that are under way when the daemon stops, and between two looks at whether they are done.
const LAST_ARRIVALS: Duration = Duration::from_secs(1);
const LAST_LOOK: Duration = Duration::from_millis(5);

/// A running daemon. Dropping it stops it.
#[derive(Debug)]
pub struct Daemon {
    shared: Arc<Shared>,
    /// As it was started, or reloaded last.
    config: Config,
    descriptors: usize,
    current: Current,
    inbox: Inbox,
    passed: Passed,
    stop: Option<Sender<()>>,
    /// The thread that ends when `stop` is dropped.
    control: Option<JoinHandle<()>>,
    /// Runs what comes before a request, where that is anything.
    arrivals: Arc<Executor<'static>>,
    /// Ends the threads that do.
    stop_arrivals: Option<Sender<()>>,
    arriving: Vec<JoinHandle<()>>,
    shards: Vec<(Mailbox, JoinHandle<()>)>,
}

impl Daemon {
    /// Binds, opens and starts everything, as whoever this process is.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left open then.
    pub fn start(config: Config, log_level: LevelSwitch, passed: Passed) -> Result<Self, StartError> {
        Opened::open(config, passed, &Owner::Starter)?.start(log_level)
    }

    /// Starts what is open.
    pub(crate) fn run(opened: Opened, log_level: LevelSwitch) -> Result<Self, StartError> {
        let Opened { config, settings, descriptors, log, listeners, control_settings, sources, passed } = opened;
        let clock = Arc::new(System::start());
        let shared = Arc::new(Shared {
            listening: listeners.iter().map(|listener| listener.listening().clone()).collect(),
            sources: sources.iter().map(|source| source.address()).collect(),
            ..Shared::new(config.clone(), settings, log_level, log.log().clone(), clock)
        });

        let (shards, handles) = start_shards(&shared)?;
        let (inbox, submissions) = Inbox::new(INBOX);
        let channels = handles.iter().map(|handle| handle.mailbox.clone()).collect();
        let hub = Hub::new(shared.clone(), channels, log);
        let current = Current::new(control_settings);
        let places = shared.config.limits.max_control_connections;
        let context = Context {
            inbox: inbox.clone(),
            current: current.clone(),
            permits: Arc::new(Semaphore::new(places)),
            // A quarter, at most eight, is kept for Unix sockets; one that is the only place is anybody's.
            tcp_permits: Arc::new(Semaphore::new(places - (places / 4).min(8))),
            stats: shared.control.clone(),
            audience: shared.counters.subscribers.clone(),
        };
        let (stop, stopped) = async_channel::bounded::<()>(1);
        let arrivals = Arc::new(Executor::new());
        let (stop_arrivals, arrivals_stopped) = async_channel::bounded::<()>(1);
        let mut arriving = Vec::new();
        if shared.config.proxies.header || shared.listening.iter().any(|listening| listening.tls) {
            // As many as shards: handshakes are the one thing that wants as much of the processor.
            for nth in 0..shared.config.shards {
                let (arrivals, stopped) = (arrivals.clone(), arrivals_stopped.clone());
                let welcome = move || {
                    // Ends when the sender is dropped.
                    let _ = async_io::block_on(arrivals.run(stopped.recv()));
                };
                arriving.push(spawn(&format!("hasses-arrival-{nth}"), guarded(welcome))?);
            }
        }
        let weak = Arc::downgrade(&arrivals);
        let reception =
            Reception { shared: shared.clone(), shards: handles, arrivals: weak, complained: Arc::default() };
        let control = move || {
            let executor = Executor::new();
            let hub = executor.spawn(hub.run(submissions.clone(), Timer::interval(EVICTION)));
            let sources: Vec<_> =
                sources.into_iter().map(|source| executor.spawn(source.run(context.clone()))).collect();
            let accepting =
                listeners.into_iter().map(|it| executor.spawn(it.run(reception.clone(), stopped.clone()))).collect();
            async_io::block_on(executor.run(async {
                // Ends when the sender is dropped.
                let _ = stopped.recv().await;
                join(accepting).await;
                // The sources end with their handles; what they had submitted is still carried out.
                drop(sources);
                submissions.close();
                hub.await;
            }));
        };
        let control = Some(spawn("hasses-control", guarded(control))?);
        Ok(Self {
            shared,
            config,
            descriptors,
            current,
            inbox,
            passed,
            stop: Some(stop),
            control,
            arrivals,
            stop_arrivals: Some(stop_arrivals),
            arriving,
            shards,
        })
    }

    /// Begins to end: nobody is taken in any more, and the streams that there are end one by one, spread evenly over the drain
    /// time. Publishing goes on. The answer ends when the last stream has; then it is time to [`stop`](Self::stop).
    pub fn drain(&self) -> impl Future<Output = ()> + use<> {
        let time = millis(self.shared.settings().limits.drain);
        let until = self.shared.millis() + time;
        // The first of them ends at once, so the last does not need all of the time.
        let last = until - time / self.subscribers().max(1);
        self.shared.drained_at.store(last.max(1), Relaxed);
        let (done, drained) = async_channel::bounded::<()>(1);
        for (mailbox, _) in &self.shards {
            // A shard that is gone has no streams.
            let _ = mailbox.send_blocking(Message::Drain(until, done.clone()));
        }
        async move {
            // Ends when every shard has dropped its sender.
            let _ = drained.recv().await;
        }
    }

    /// Takes what can change while it runs from another configuration; nobody is disconnected. What cannot is logged. Gives the
    /// names of the settings that have changed.
    ///
    /// # Errors
    /// A certificate or key that cannot be used; nothing has changed then.
    pub fn reload(&mut self, mut config: Config) -> Result<Vec<&'static str>, CertificateError> {
        let later = config.keep_what_needs_a_restart(&self.config);
        let settings = Arc::new(match Settings::new(&config, self.descriptors) {
            // Root read them at the start, and the user that the daemon has become may not. The rest is no less right for that.
            Err(CertificateError::Unreadable { path, error })
                if error.kind() == io::ErrorKind::PermissionDenied
                    && config.service.user.is_some()
                    && config.certificates == self.config.certificates =>
            {
                warn!("the certificates stay as they are until a restart: {} cannot be read: {error}", path.display());
                Settings::with_tls(&config, self.descriptors, self.shared.settings().tls.clone())
            }
            settings => settings?,
        });
        if !later.is_empty() {
            warn!("changed, but in force only after a restart: {}", later.join(", "));
        }
        *self.shared.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings.clone();
        for (mailbox, _) in &self.shards {
            // A shard that is gone is ending with the daemon.
            let _ = mailbox.send_blocking(Message::Settings(settings.clone()));
        }
        self.shared.log.set(config.limits.retention(), config.slow.clone());
        self.current.exchange(control_settings(&config, &self.passed));
        self.shared.log_level.set(config.log.level);
        self.shared.reinit.store(config.allow_reinit, Relaxed);
        let changed = config.differences(&self.config);
        self.config = config;
        Ok(changed)
    }

    /// The way into the hub, for commands of the program's own.
    #[must_use]
    pub fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// Where subscribers connect, with real ports.
    #[must_use]
    pub fn listening(&self) -> &[Listening] {
        &self.shared.listening
    }

    /// Where commands come from, as URLs with real ports.
    #[must_use]
    pub fn sources(&self) -> &[String] {
        &self.shared.sources
    }

    /// Subscribers at this moment.
    #[must_use]
    pub fn subscribers(&self) -> u64 {
        self.shared.counters.subscribers.load(Relaxed)
    }

    /// Descriptors that the process may have.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        self.descriptors
    }

    /// The settings as they were started with, or reloaded last.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Subscribers at one time.
    #[must_use]
    pub fn max_subscribers(&self) -> usize {
        self.shared.settings().max_subscribers
    }

    /// Stops: nothing more is let in, whoever waits to be accepted is told to come back later, every stream gets its last chunk,
    /// and the socket files are gone when this returns.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // Also where a drain is cut short: nobody has to wait for the end of it.
        self.shared.drained_at.store(self.shared.millis().max(1), Relaxed);
        drop(self.stop.take());
        join_threads(self.control.take());
        // Whoever shakes hands now wants to be told to come back later, too.
        let begun = Instant::now();
        while !self.arrivals.is_empty() && begun.elapsed() < LAST_ARRIVALS {
            std::thread::sleep(LAST_LOOK);
        }
        drop(self.stop_arrivals.take());
        join_threads(self.arriving.drain(..));
        // All are told before one is waited for: the time that slow subscribers get is the same everywhere.
        for (mailbox, _) in &self.shards {
            // A shard that is gone has nothing to end.
            let _ = mailbox.send_blocking(Message::End);
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

fn join_threads(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    for thread in threads {
        if thread.join().is_err() {
            error!("a thread ended by a fault of the daemon; please report it");
        }
    }
}

async fn join(tasks: Vec<Task<()>>) {
    for task in tasks {
        task.await;
    }
}

type Started = (Vec<(Mailbox, JoinHandle<()>)>, Vec<ShardHandle>);

fn start_shards(shared: &Arc<Shared>) -> Result<Started, StartError> {
    let (mut shards, mut handles) = (Vec::new(), Vec::new());
    for nth in 0..shared.config.shards {
        let (mailbox, messages) = Mailbox::new(SHARD_CHANNEL).map_err(system("making an eventfd"))?;
        let load = Arc::new(AtomicUsize::new(0));
        let shard = Shard::new(shared.clone(), messages, load.clone()).map_err(system("making an epoll"))?;
        let thread = spawn(&format!("hasses-shard-{nth}"), guarded(move || shard.run()))?;
        shards.push((mailbox.clone(), thread));
        handles.push(ShardHandle { mailbox, load });
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

fn guarded(work: impl FnOnce() + Send + 'static) -> impl FnOnce() + Send + 'static {
    move || {
        let ending = AbortOnPanic;
        work();
        std::mem::forget(ending);
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map_err(system("starting a thread"))
}

fn system(doing: &'static str) -> impl Fn(io::Error) -> StartError {
    move |error| StartError::System { doing, error }
}
