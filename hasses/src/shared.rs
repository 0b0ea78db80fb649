//! What every thread of one daemon sees: settings that hold for its life, switches, counters.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};

use event_listener::Event;
use hasses_adapters::ControlStats;
use hasses_client::wire::{Reply, StatusReport};

use crate::addresses::Addresses;
use crate::batch::Found;
use crate::clock::Clock;
use crate::config::Config;
use crate::counters::Counters;
use crate::http::Outlook;
use crate::log::Log;
use crate::logging::LevelSwitch;
use crate::settings::Settings;

/// The common ground of hub, shards and listeners.
#[derive(Debug)]
pub struct Shared {
    /// As it was started.
    pub config: Config,
    /// What can change while it runs.
    pub settings: Mutex<Arc<Settings>>,
    /// Subscribers by client address.
    pub addresses: Addresses,
    /// The counters.
    pub counters: Counters,
    /// The counters of the control sources.
    pub control: Arc<ControlStats>,
    /// How much is logged.
    pub log_level: LevelSwitch,
    /// A subscribed connection may send a new request.
    pub reinit: AtomicBool,
    /// Number of the next connection.
    pub next_client: AtomicU64,
    /// The event log.
    pub log: Arc<Log>,
    /// When the last stream ends, in milliseconds since the start; 0 as long as the daemon goes on.
    pub drained_at: AtomicU64,
    /// A connection was closed: its descriptor can be used again.
    pub descriptor_freed: Event,
    /// Where subscribers connect, with real ports, as an operator writes it.
    pub listening: Vec<Listening>,
    /// Where commands come from, with real ports.
    pub sources: Vec<String>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// When the daemon started, for people, RFC 3339.
    pub started_at: String,
}

/// An SSE address.
#[derive(Clone, Debug)]
pub struct Listening {
    /// `127.0.0.1:8080`, with the real port, or `unix:PATH`.
    pub address: String,
    /// It speaks TLS.
    pub tls: bool,
}

impl Listening {
    /// With the path, as an operator writes it.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        if self.address.starts_with("unix:") {
            format!("{} ({scheme}, path {path})", self.address)
        } else {
            format!("{scheme}://{}{path}", self.address)
        }
    }
}

impl Shared {
    /// The common ground of a daemon that starts now. Where it listens and has its commands from is not known yet.
    #[must_use]
    pub fn new(
        config: Config,
        settings: Settings,
        log_level: LevelSwitch,
        log: Arc<Log>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            settings: Mutex::new(Arc::new(settings)),
            addresses: Addresses::default(),
            counters: Counters::default(),
            control: Arc::new(ControlStats::default()),
            log_level,
            reinit: AtomicBool::new(config.allow_reinit),
            next_client: AtomicU64::new(1),
            log,
            drained_at: AtomicU64::new(0),
            descriptor_freed: Event::new(),
            listening: Vec::new(),
            sources: Vec::new(),
            clock,
            started_at: jiff::Timestamp::now().strftime("%FT%TZ").to_string(),
            config,
        }
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A connection was closed, and its descriptor can be used again.
    pub fn count_closed(&self) {
        self.counters.connections.fetch_sub(1, Relaxed);
        self.descriptor_freed.notify_additional(1);
    }

    /// The answer to `status`; `found` has what the shards know.
    #[must_use]
    pub fn status(&self, found: &Found) -> Reply {
        let count = |counter: &AtomicU64| counter.load(Relaxed);
        let (counters, settings) = (&self.counters, self.settings());
        let window = self.log.window();
        let (holdings, position) = (window.holdings(), window.newest());
        drop(window);
        Reply::Status(Box::new(StatusReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            compiled: env!("HASSES_COMPILED").to_owned(),
            pid: std::process::id(),
            uid: rustix::process::getuid().as_raw(),
            started_at: self.started_at.clone(),
            uptime_seconds: self.millis() / 1000,
            tls: self.listening.iter().any(|listening| listening.tls),
            log_level: Some(self.log_level.level()),
            reinit: self.reinit.load(Relaxed),
            cors_origins: settings.endpoint.cors.origins.clone(),
            listen: self.listening.iter().map(|listening| listening.url(&self.config.path)).collect(),
            sources: self.sources.clone(),
            shards: self.config.shards as u64,
            connections: count(&counters.connections),
            subscribers: count(&counters.subscribers),
            connections_peak: count(&counters.connections_peak),
            topics: found.distinct + distinct(found),
            queued_bytes: found.number,
            control_connections: count(&self.control.connections),
            subscribed_total: count(&counters.subscribed),
            reinits_total: count(&counters.reinits),
            messages_total: count(&counters.messages),
            deliveries_total: count(&counters.deliveries),
            unmatched_total: count(&counters.unmatched),
            refused_total: count(&counters.refused),
            refused_by_address_total: count(&counters.refused_by_address),
            handshake_failures_total: count(&counters.handshake_failures),
            proxy_header_failures_total: count(&counters.proxy_header_failures),
            bad_requests_total: count(&counters.bad_requests),
            head_timeouts_total: count(&counters.head_timeouts),
            slow_disconnects_total: count(&counters.slow_disconnects),
            outrun_total: count(&counters.outrun),
            stalled_total: count(&counters.stalled),
            behind: count(&counters.behind),
            behind_total: count(&counters.behind_total),
            caught_up_total: count(&counters.caught_up),
            resumed_total: count(&counters.resumed),
            gaps_total: count(&counters.gaps),
            resets_total: count(&counters.resets),
            replayed_total: count(&counters.replayed),
            duplicates_total: count(&counters.duplicates),
            not_stored_total: count(&counters.not_stored),
            log_directory: self.config.log_directory.as_ref().map(|path| path.display().to_string()),
            log_events: holdings.events as u64,
            log_bytes: holdings.bytes as u64,
            log_evicted_total: holdings.evicted,
            oldest: holdings.oldest,
            draining: self.outlook() == Outlook::Draining,
            aged_out_total: count(&counters.aged_out),
            kicked_total: count(&counters.kicked),
            accept_pauses_total: count(&counters.accept_pauses),
            refused_commands_total: count(&self.control.refused_commands),
            repaired_utf8_total: count(&self.control.repaired_utf8),
            position,
            limits: self.limits(&settings),
        }))
    }

    fn limits(&self, settings: &Settings) -> BTreeMap<String, u64> {
        let config = Config { limits: settings.limits.clone(), ..self.config.clone() };
        let mut limits: BTreeMap<_, _> = config.quantities().map(|(name, value)| (name.to_owned(), value)).collect();
        // What holds, not what was asked for.
        limits.insert("max-subscribers".to_owned(), settings.max_subscribers as u64);
        limits
    }

    /// Whether the daemon goes on.
    #[must_use]
    pub fn outlook(&self) -> Outlook {
        if self.drained_at.load(Relaxed) == 0 { Outlook::Serving } else { Outlook::Draining }
    }

    /// When a browser that cannot be served now is to come back, in milliseconds: the `retry` setting and at random up to as
    /// much again, so that those who were refused together do not come back together; later than the end of a drain.
    #[must_use]
    pub fn come_back_in(&self) -> u128 {
        let shortest = self.settings().limits.retry.as_millis();
        let left = self.drained_at.load(Relaxed).saturating_sub(self.millis());
        u128::from(left) + shortest + u128::from(fastrand::u64(0..=u64::try_from(shortest).unwrap_or(0)))
    }

    /// Milliseconds since the start, the clock of the shards.
    #[must_use]
    pub fn millis(&self) -> u64 {
        self.clock.millis()
    }
}

/// One topic may stand in several shards.
fn distinct(found: &Found) -> u64 {
    let mut names: Vec<_> = found.topics.iter().map(|topic| &topic.topic).collect();
    names.sort_unstable();
    names.dedup();
    names.len() as u64
}
