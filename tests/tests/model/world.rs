//! A daemon without threads, and its browsers: the hub, the shards and the log are the real ones, over real sockets. What threads
//! and networks leave to chance, the order in which things happen, is what the steps say.

use std::mem::take;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use hasses::arrival::Newcomer;
use hasses::config::Config;
use hasses::connection::Peer;
use hasses::hub::Hub;
use hasses::log::{Appender, Memory, Window};
use hasses::logging::LevelSwitch;
use hasses::mailbox::{Mailbox, Messages};
use hasses::settings::Settings;
use hasses::shard::{Message, Shard, Turn};
use hasses::shared::Shared;
use hasses_adapters::Submission;
use hasses_client::wire::{
    Command, Disconnect, EventId, EventType, LogLevel, Publish, PublishKey, Reply, StatusReport, SubscriberId,
    TopicPattern, Topics,
};
use rustix::net::sockopt;
use smol::channel::{Receiver, Sender, bounded};
use smol::future::{block_on, poll_once};

use crate::answers::Answers;
use crate::clock::Stepped;
use crate::ledger::{Account, Ledger};
use crate::life::{Heard, Life};
use crate::reference::{Asked, Beginning, Reference};
use crate::step::{Bounds, Habit, Page, Setup, Step, Way};

pub(crate) struct World {
    clock: Arc<Stepped>,
    pub(crate) shared: Arc<Shared>,
    config: Config,
    account: Account,
    pub(crate) reference: Reference,
    hub: Pin<Box<dyn Future<Output = ()>>>,
    submissions: Sender<Submission>,
    ticks: Sender<()>,
    shards: Vec<Driven>,
    pub(crate) browsers: Vec<Browser>,
    pub(crate) answers: Answers,
    published: usize,
    /// The end of a drain.
    drained: Option<Receiver<()>>,
    pub(crate) expected: Expected,
}

/// A shard, and what waits between it and the hub.
struct Driven {
    shard: Shard,
    mailbox: Mailbox,
    from_hub: Messages,
    position: EventId,
    /// Browsers left since the last turn; of these, what those asked for whose request was not seen yet.
    left: bool,
    unseen: Vec<Asked>,
}

/// What the counters should be.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    pub(crate) subscribed: u64,
    pub(crate) resumed: u64,
    pub(crate) gaps: u64,
    pub(crate) resets: u64,
    pub(crate) replayed: u64,
    /// Streams that the daemon ended properly, and otherwise, as far as their browsers saw it.
    pub(crate) ended: u64,
    pub(crate) cut: u64,
    /// Subscriptions of those who had come further than their new shard.
    pub(crate) ahead: u64,
}

pub(crate) struct Browser {
    habit: Habit,
    pub(crate) last_event_id: String,
    pub(crate) life: Option<Life>,
}

impl World {
    pub(crate) fn new(setup: &Setup) -> Self {
        fastrand::seed(7);
        let clock = Arc::new(Stepped::new());
        let (memory, history) = Memory::with_clock(clock.clone());
        let mut config = Config { shards: setup.shards, ..Config::default() };
        // Heads that are late are no matter of the log.
        config.limits.head_timeout = Duration::from_secs(1_000_000);
        config.limits.in_flight = setup.in_flight;
        config.limits.heartbeat = Duration::from_millis(setup.heartbeat);
        config.limits.progress_timeout = Duration::from_millis(setup.progress_timeout);
        bound(&mut config, &setup.bounds);
        let account = Account::default();
        let store = Box::new(Ledger::new(memory, account.clone()));
        let window = Window::new(history, config.limits.retention(), config.slow.clone());
        let appender = Appender::new(store, window);
        let level = LevelSwitch::new(LogLevel::Quiet);
        let settings = Settings::with_tls(&config, 100_000, None);
        let shared = Arc::new(Shared::new(config.clone(), settings, level, appender.log().clone(), clock.clone()));
        let (mut to_shards, mut shards) = (Vec::new(), Vec::new());
        for _ in 0..setup.shards {
            let (to_shard, from_hub) = Mailbox::new(setup.channel).expect("a bell");
            let (mailbox, messages) = Mailbox::new(1024).expect("a bell");
            let shard = Shard::new(shared.clone(), messages, Arc::new(AtomicUsize::new(0))).expect("an epoll");
            to_shards.push(to_shard);
            shards.push(Driven { shard, mailbox, from_hub, position: history.birth, left: false, unseen: Vec::new() });
        }
        let (submissions, submitted) = bounded(10_000);
        let (ticks, ticking) = bounded(10_000);
        let hub = Box::pin(Hub::new(shared.clone(), to_shards, appender).run(submitted, Box::pin(ticking)));
        let reference = Reference {
            birth: history.birth,
            forgotten: history.birth,
            rules: vec![config.slow.clone()],
            ..Reference::default()
        };
        let browser = |habit: &Habit| Browser { habit: habit.clone(), last_event_id: String::new(), life: None };
        Self {
            clock,
            shared,
            config,
            account,
            reference,
            hub,
            submissions,
            ticks,
            shards,
            browsers: setup.habits.iter().map(browser).collect(),
            answers: Answers::default(),
            published: 0,
            drained: None,
            expected: Expected::default(),
        }
    }

    pub(crate) fn step(&mut self, step: &Step) {
        match step {
            Step::Publish { topics, count, size, except, key, named } => {
                let text = |nth: usize| format!("{nth}\n{}", "x".repeat(*size));
                let mut commands = Vec::new();
                for nth in 0..*count {
                    self.published += 1;
                    let mut publish = Publish::new(topics[0].clone(), text(self.published));
                    publish.topics = Topics::new(topics.iter().cloned()).expect("topics");
                    publish.except = except.map(|id| SubscriberId::new(id).expect("an id"));
                    publish.key =
                        key.filter(|_| nth < 2).map(|key| PublishKey::new(format!("key {key}")).expect("a key"));
                    publish.event = named.then(|| EventType::new("tick").expect("a type"));
                    commands.push(Command::Publish(publish));
                }
                self.submit(commands);
            }
            Step::Others { topic, count, alone } => {
                let others = (0..*count).map(|_| {
                    self.published += 1;
                    Publish::new(topic.clone(), format!("{} of others", self.published))
                });
                let mut entries = self.account.entries();
                if *alone { entries.alone.extend(others) } else { entries.between.extend(others) }
            }
            Step::StoreFails => self.account.entries().fails = true,
            Step::StoreIsSlow(looks) => self.account.entries().slow = *looks,
            Step::Kick(id) => {
                let id = SubscriberId::new(*id).expect("an id");
                self.submit(vec![Command::Disconnect(Disconnect::Id(id))]);
            }
            Step::Hub => self.run_hub(),
            Step::Deliver(shard, count) => {
                let nth = shard % self.shards.len();
                self.deliver(nth, *count);
            }
            Step::Advance(millis) => {
                self.clock.advance(*millis);
                self.ticks.try_send(()).expect("room");
            }
            Step::SetWall(by) => self.clock.set_wall(*by),
            Step::Connect { browser, shard, at_first } => {
                let nth = browser % self.browsers.len();
                let shard = shard % self.shards.len();
                self.connect(nth, shard, *at_first);
            }
            Step::Read(browser, count) => {
                let nth = browser % self.browsers.len();
                if !self.browsers[nth].habit.lazy {
                    self.read(nth, *count);
                }
            }
            Step::Leave(browser) => {
                let nth = browser % self.browsers.len();
                self.leave(nth);
            }
            Step::HalfClose(browser) => {
                let nth = browser % self.browsers.len();
                match &mut self.browsers[nth].life {
                    Some(life) if life.has_asked() => life.half_close(),
                    _ => self.leave(nth),
                }
            }
            Step::NewPage(browser, page) => {
                let nth = browser % self.browsers.len();
                self.leave(nth);
                self.browsers[nth].last_event_id = self.begins_with(page);
            }
            Step::Reload(bounds) => self.reload(bounds),
            Step::Drain(millis) => self.drain(*millis),
        }
    }

    fn submit(&mut self, commands: Vec<Command>) {
        let (replies, answered) = oneshot::channel();
        self.answers.ask(&commands, answered);
        self.submissions.try_send(Submission { commands, replies }).expect("room");
    }

    fn run_hub(&mut self) {
        assert!(block_on(poll_once(&mut self.hub)).is_none(), "the hub has ended");
        let before = self.reference.events.len();
        let entries = self.account.entries();
        entries.events[before..].iter().for_each(|ordered| self.reference.add(ordered));
        drop(entries);
        self.reference.forgotten = self.shared.log.window().forgotten();
        self.reference.check_keys(before);
        assert_eq!(self.shared.log.window().newest(), self.reference.newest());
    }

    fn deliver(&mut self, nth: usize, count: usize) {
        let driven = &mut self.shards[nth];
        for _ in 0..count {
            let Ok(message) = driven.from_hub.try_recv() else { break };
            if let Message::Batch(batch) = &message
                && let Some(event) = batch.steps.iter().filter_map(hasses::batch::Step::event).last()
            {
                driven.position = event.id;
            }
            driven.mailbox.send_blocking(message).expect("a shard");
        }
        // It takes them all, so that it is known where it stands.
        self.turn(nth);
    }

    /// One turn of a shard; whether it did anything.
    pub(crate) fn turn(&mut self, nth: usize) -> Turn {
        let counters = &self.shared.counters;
        let entered = || counters.subscribed.load(Relaxed) + counters.refused.load(Relaxed);
        let (entered_before, outrun_before) = (entered(), counters.outrun.load(Relaxed));
        let refused_before = counters.refused.load(Relaxed);
        self.reference.behind_total = counters.behind_total.load(Relaxed);
        let driven = &mut self.shards[nth];
        let turn = driven.shard.turn();
        let lives = self.browsers.iter_mut().filter_map(|browser| browser.life.as_mut());
        let pending: Vec<&mut Life> = lives.filter(|life| life.shard == nth && life.is_pending()).collect();
        let (left, unseen) = (take(&mut driven.left), take(&mut driven.unseen));
        assert_eq!(entered() - entered_before, (pending.len() + unseen.len()) as u64);
        let refused = counters.refused.load(Relaxed) > refused_before;
        for life in pending {
            if refused {
                life.refused = true;
                continue;
            }
            let beginning = self.reference.beginning(&life.asked, driven.position);
            self.expected.count(&beginning);
            life.begin(beginning, &self.reference);
        }
        for asked in unseen.iter().filter(|_| !refused) {
            self.expected.count(&self.reference.beginning(asked, driven.position));
        }
        if counters.outrun.load(Relaxed) > outrun_before && !left {
            let lives = self.browsers.iter().filter_map(|browser| browser.life.as_ref());
            let mut here = lives.filter(|life| life.shard == nth);
            let is_outrun = |life: &Life| life.progress().is_some_and(|at| at < self.reference.forgotten);
            assert!(here.any(is_outrun), "nobody here was outrun by retention");
        }
        self.reference.behind_total = counters.behind_total.load(Relaxed);
        turn
    }

    pub(crate) fn turn_all(&mut self) {
        for nth in 0..self.shards.len() {
            self.turn(nth);
        }
    }

    pub(crate) fn connect(&mut self, nth: usize, shard: usize, at_first: usize) {
        if self.browsers[nth].life.is_some() {
            return;
        }
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        let Browser { habit, last_event_id, .. } = &self.browsers[nth];
        sockopt::set_socket_send_buffer_size(&theirs, habit.send_buffer).expect("a size");
        ours.set_nonblocking(true).expect("a socket");
        theirs.set_nonblocking(true).expect("a socket");
        let asked = Asked {
            patterns: habit.patterns.clone(),
            id: habit.id.map(|id| SubscriberId::new(id).expect("an id")),
            replay: habit.replay,
            last_event_id: last_event_id.clone(),
        };
        let request = request(habit, last_event_id).into_bytes();
        let mut life = Life::new(ours, shard, asked, habit.notices, request);
        life.send(at_first);
        let newcomer = Newcomer { socket: theirs.into(), peer: Peer::Unix, tls: None };
        self.shared.counters.connections.fetch_add(1, Relaxed);
        self.shards[shard].mailbox.send_blocking(Message::Adopt(newcomer)).expect("a shard");
        self.browsers[nth].life = Some(life);
    }

    /// Reads, and sends what of the request is left; whether anything came or went.
    pub(crate) fn read(&mut self, nth: usize, count: usize) -> bool {
        let browser = &mut self.browsers[nth];
        let Some(life) = &mut browser.life else { return false };
        let sends = !life.has_asked();
        life.send(usize::MAX);
        let heard = life.read(count, &self.reference, self.shards[life.shard].position);
        browser.last_event_id = life.last_event_id().to_owned();
        if heard == Heard::End {
            if life.beginning.is_some() && !life.has_left {
                self.expected.ended += u64::from(life.is_over());
                self.expected.cut += u64::from(!life.is_over());
            }
            self.leave(nth);
        }
        sends || heard != Heard::Bytes(0)
    }

    pub(crate) fn leave(&mut self, nth: usize) {
        if let Some(life) = self.browsers[nth].life.take() {
            let driven = &mut self.shards[life.shard];
            driven.left = true;
            driven.unseen.extend(life.is_pending().then_some(life.asked));
        }
    }

    fn begins_with(&self, page: &Page) -> String {
        let events = &self.reference.events;
        match page {
            Page::Fresh => String::new(),
            Page::Position => self.reference.newest().to_string(),
            Page::Event(index) if events.is_empty() => format!("{}-{}", self.reference.birth.millis, index % 2),
            Page::Event(index) => events[index % events.len()].id.to_string(),
            Page::Foreign(text) => (*text).to_owned(),
            Page::Beyond(by) => {
                let EventId { millis, sequence } = self.reference.newest();
                EventId { millis: millis.saturating_add_signed(*by), sequence }.to_string()
            }
        }
    }

    fn reload(&mut self, bounds: &Bounds) {
        bound(&mut self.config, bounds);
        let settings = Arc::new(Settings::with_tls(&self.config, 100_000, None));
        *self.shared.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings.clone();
        for driven in &self.shards {
            driven.mailbox.send_blocking(Message::Settings(settings.clone())).expect("a shard");
        }
        self.shared.log.set(self.config.limits.retention(), self.config.slow.clone());
        self.reference.rules.push(self.config.slow.clone());
    }

    fn drain(&mut self, millis: u64) {
        let until = self.shared.millis() + millis;
        self.shared.drained_at.store(until.max(1), Relaxed);
        let (done, drained) = bounded(1);
        for driven in &self.shards {
            driven.mailbox.send_blocking(Message::Drain(until, done.clone())).expect("a shard");
        }
        self.drained = Some(drained);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.drained.is_some()
    }

    /// Whether every stream has ended that a drain was to end.
    pub(crate) fn is_drained(&self) -> bool {
        self.drained.as_ref().is_some_and(Receiver::is_closed)
    }

    /// Time goes by until `millis` later, and everybody does what there is to do.
    pub(crate) fn wait(&mut self, millis: u64) {
        self.clock.advance(millis);
        self.ticks.try_send(()).expect("room");
        self.rest();
    }

    /// Everything is delivered and read, until nothing happens any more.
    pub(crate) fn rest(&mut self) {
        for _ in 0..2000 {
            self.run_hub();
            let mut busy = false;
            for nth in 0..self.shards.len() {
                busy |= !self.shards[nth].from_hub.is_empty();
                self.deliver(nth, 16);
                busy |= self.turn(nth) == Turn::Busy;
            }
            for nth in 0..self.browsers.len() {
                busy |= self.read(nth, 1 << 20);
            }
            if !busy && self.submissions.is_empty() {
                self.answers.collect();
                if self.answers.is_complete() {
                    return;
                }
            }
        }
        panic!("it does not come to rest");
    }

    pub(crate) fn position(&self, shard: usize) -> EventId {
        self.shards[shard].position
    }

    pub(crate) fn shards(&self) -> usize {
        self.shards.len()
    }

    pub(crate) fn status(&mut self) -> StatusReport {
        let (replies, answered) = oneshot::channel();
        let commands = vec![Command::Status];
        self.submissions.try_send(Submission { commands, replies }).expect("room");
        self.rest();
        match answered.try_recv().expect("an answer").pop() {
            Some(Reply::Status(status)) => *status,
            other => panic!("{other:?}"),
        }
    }
}

impl Expected {
    fn count(&mut self, beginning: &Beginning) {
        self.subscribed += 1;
        self.replayed += beginning.replayed;
        self.ahead += u64::from(beginning.start > beginning.position);
        let status = |text: &str| beginning.verdict.as_ref().is_some_and(|verdict| verdict.contains(text));
        self.resumed += u64::from(status("resumed"));
        self.gaps += u64::from(status("gap"));
        self.resets += u64::from(status("reset"));
    }
}

fn bound(config: &mut Config, bounds: &Bounds) {
    config.limits.outbox = bounds.outbox;
    config.limits.outbox_total = bounds.outbox_total;
    config.limits.retain_events = bounds.retain_events;
    config.limits.retain_bytes = bounds.retain_bytes;
    config.limits.retain_age = bounds.retain_age.map(Duration::from_millis);
    config.slow.clone_from(&bounds.slow);
}

fn request(habit: &Habit, last_event_id: &str) -> String {
    let topics: Vec<String> = habit.patterns.iter().map(|pattern: &TopicPattern| format!("topic={pattern}")).collect();
    let mut request = format!("GET /sse?{}", topics.join("&"));
    let mut field = |name: &str, value: &str| request.push_str(&format!("&{name}={value}"));
    if let Some(id) = habit.id {
        field("id", id);
    }
    if let Some(replay) = habit.replay {
        field("replay", &replay.to_string());
    }
    if !habit.notices {
        field("notices", "0");
    }
    match habit.way {
        Way::Query if !last_event_id.is_empty() => field("last-event-id", last_event_id),
        Way::Both if !last_event_id.is_empty() => field("last-event-id", "1-1"),
        _ => {}
    }
    request.push_str(&format!(" HTTP/1.{}\r\nHost: localhost\r\n", habit.minor));
    if !matches!(habit.way, Way::Query) && !last_event_id.is_empty() {
        request.push_str(&format!("Last-Event-ID: {last_event_id}\r\n"));
    }
    request.push_str("\r\n");
    request
}
