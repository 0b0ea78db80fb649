//! A daemon without threads: its hub, its log and a shard, with subscribers on socket pairs, driven turn by turn.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use hasses::arrival::Newcomer;
use hasses::clock::Clock;
use hasses::config::Config;
use hasses::connection::Peer;
use hasses::hub;
use hasses::log::{Appender, Memory, Window};
use hasses::logging::{self, LevelSwitch};
use hasses::mailbox::Mailbox;
use hasses::settings::Settings;
use hasses::shard::{Message, Shard, Turn};
use hasses::shared::Shared;
use hasses_adapters::Inbox;
use hasses_client::wire::TopicPattern;
use smol::channel::{Sender, bounded};

/// Messages that wait for the shard, and newcomers that it is given at one time.
const CHANNEL: usize = 1024;
/// Submissions that wait for the hub.
const INBOX: usize = 64;

/// A clock that stands still: nothing is due while something is counted.
#[derive(Debug)]
pub(crate) struct Still;

impl Clock for Still {
    fn millis(&self) -> u64 {
        0
    }

    fn wall(&self) -> u64 {
        1_800_000_000_000
    }
}

/// The hub at its work.
pub(crate) type Hub = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(crate) struct Stage {
    pub(crate) shared: Arc<Shared>,
    pub(crate) inbox: Inbox,
    hub: Option<Hub>,
    shard: Shard,
    mailbox: Mailbox,
    /// Keeps the hub from seeing the end of its ticks.
    _ticks: Sender<()>,
    subscribers: Vec<UnixStream>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(Still);
        let (memory, history) = Memory::with_clock(clock.clone());
        let config = Config { shards: 1, ..Config::default() };
        let window = Window::new(history, config.limits.retention(), config.slow.clone());
        let appender = Appender::new(Box::new(memory), window);
        let settings = Settings::with_tls(&config, 100_000, None);
        // As in the daemon, where each look at whether a line is to be logged costs something.
        let level = LevelSwitch::new(config.log.level);
        logging::init(&config.log, &level).expect("nothing logs yet");
        let shared = Arc::new(Shared::new(config, settings, level, appender.log().clone(), clock));
        let (mailbox, messages) = Mailbox::new(CHANNEL).expect("a bell");
        let shard = Shard::new(shared.clone(), messages, Arc::new(AtomicUsize::new(0))).expect("an epoll");
        let (inbox, submissions) = Inbox::new(INBOX);
        let (ticks, ticking) = bounded(1);
        let hub = hub::Hub::new(shared.clone(), vec![mailbox.clone()], appender).run(submissions, Box::pin(ticking));
        Self { shared, inbox, hub: Some(Box::pin(hub)), shard, mailbox, _ticks: ticks, subscribers: Vec::new() }
    }

    /// The hub, to be driven.
    pub(crate) fn take_hub(&mut self) -> Hub {
        self.hub.take().expect("it was not taken before")
    }

    /// Connects a subscriber that has sent its request; the shard does not know it yet.
    pub(crate) fn connect(&mut self, request: &str) {
        let (mut ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        ours.write_all(request.as_bytes()).expect("room for a request");
        theirs.set_nonblocking(true).expect("a socket");
        self.shared.counters.connections.fetch_add(1, Relaxed);
        let newcomer = Newcomer { socket: theirs.into(), peer: Peer::Unix, tls: None };
        self.mailbox.send_blocking(Message::Adopt(newcomer)).expect("a shard");
        self.subscribers.push(ours);
    }

    /// Subscribes so many, and waits until they are.
    pub(crate) fn subscribe(&mut self, count: usize, topic: impl Fn(usize) -> String) {
        for nth in 0..count {
            self.connect(&format!("GET /sse?topic={} HTTP/1.1\r\nHost: localhost\r\n\r\n", topic(nth)));
            if nth % CHANNEL == CHANNEL - 1 {
                self.turn_until_idle();
            }
        }
        self.turn_until_idle();
        assert_eq!(self.shared.counters.subscribers.load(Relaxed), self.subscribers.len() as u64);
    }

    /// One turn of the shard.
    pub(crate) fn turn(&mut self) -> Turn {
        self.shard.turn()
    }

    /// Turns until nothing is left to do.
    pub(crate) fn turn_until_idle(&mut self) {
        while self.turn() == Turn::Busy {}
    }

    /// Events written to subscribers so far.
    pub(crate) fn deliveries(&self) -> u64 {
        self.shared.counters.deliveries.load(Relaxed)
    }
}

pub(crate) fn pattern(name: &str) -> TopicPattern {
    TopicPattern::new(name).expect("a topic")
}
