//! Nobody waits behind a large topic for long: what a shard does turn by turn, with sockets of the test's own.

#![expect(clippy::expect_used, reason = "what cannot go on shall fail, and say where")]

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use hasses::arrival::Newcomer;
use hasses::batch::{Batch, Event, Step};
use hasses::clock::System;
use hasses::config::Config;
use hasses::connection::Peer;
use hasses::gate::Gate;
use hasses::log::{Appender, Memory, Window};
use hasses::logging::LevelSwitch;
use hasses::mailbox::Mailbox;
use hasses::settings::Settings;
use hasses::shard::{Message, Shard, Turn};
use hasses::shared::Shared;
use hasses::sse::Rendered;
use hasses_client::wire::{EventId, LogLevel, Publish, TopicPattern};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use smol::future::block_on;

/// More than are written to in one turn.
const LARGE: usize = 2_000;

struct Stage {
    shard: Shard,
    mailbox: Mailbox,
    gate: Arc<Gate>,
    id: EventId,
}

impl Stage {
    fn new() -> Self {
        let limit = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: limit, maximum: limit }).expect("the soft limit can be raised");
        let config = Config { allow_reinit: true, ..Config::default() };
        let settings = Settings::with_tls(&config, 100_000, None);
        let clock = Arc::new(System::start());
        let (memory, history) = Memory::with_clock(clock.clone());
        let window = Window::new(history, config.limits.retention(), Vec::new());
        let appender = Appender::new(Box::new(memory), window);
        let level = LevelSwitch::new(LogLevel::Quiet);
        let shared = Arc::new(Shared::new(config, settings, level, appender.log().clone(), clock));
        let (mailbox, messages) = Mailbox::new(1024).expect("a bell");
        let shard = Shard::new(shared, messages, Arc::new(AtomicUsize::new(0))).expect("an epoll");
        Self { shard, mailbox, gate: Gate::new(1 << 30), id: history.newest }
    }

    /// A connection that the shard is about to be given.
    fn connect(&self) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        ours.set_nonblocking(true).expect("a socket");
        theirs.set_nonblocking(true).expect("a socket");
        let newcomer = Newcomer { socket: theirs.into(), peer: Peer::Unix, tls: None };
        self.mailbox.send_blocking(Message::Adopt(newcomer)).expect("a shard");
        ours
    }

    fn subscribe(&mut self, topic: &str) -> UnixStream {
        let mut ours = self.connect();
        ask(&mut ours, topic);
        self.rest();
        received(&mut ours);
        ours
    }

    /// Publishes to a topic so many times at once.
    fn publish(&mut self, topic: &str, times: usize) {
        let events = (0..times).map(|_| {
            self.id = self.id.next(0);
            let publish = Publish::new(TopicPattern::new(topic).expect("a topic"), "text");
            let rendered = Rendered::event(self.id, &publish, &mut Vec::new());
            Step::Event(Event::new(self.id, publish, rendered))
        });
        let (nobody, _) = oneshot::channel();
        let batch = Batch::new(events.collect(), 1, nobody, block_on(self.gate.pass(0)));
        self.mailbox.send_blocking(Message::Batch(Arc::new(batch))).expect("a shard");
    }

    fn rest(&mut self) {
        while self.shard.turn() == Turn::Busy {}
    }
}

/// Sends the request that subscribes to a topic.
fn ask(stream: &mut UnixStream, topic: &str) {
    write!(stream, "GET /sse?subscribe={topic} HTTP/1.1\r\nHost: x\r\n\r\n").expect("the request is taken");
}

/// Events that have come.
fn received(stream: &mut UnixStream) -> usize {
    let mut bytes = vec![0; 1 << 16];
    let count = stream.read(&mut bytes).unwrap_or(0);
    String::from_utf8_lossy(&bytes[..count]).matches("data: text\n").count()
}

fn with_everything(streams: &mut [UnixStream], events: usize) -> usize {
    streams.iter_mut().filter_map(|stream| (received(stream) == events).then_some(())).count()
}

#[test]
fn an_event_for_few_does_not_wait_until_thousands_are_written_to() {
    let mut stage = Stage::new();
    let mut large: Vec<_> = (0..LARGE).map(|_| stage.subscribe("large")).collect();
    let mut small = stage.subscribe("small");
    stage.publish("large", 3);
    stage.publish("small", 2);
    stage.publish("large", 1);
    assert_eq!(stage.shard.turn(), Turn::Busy);
    assert_eq!(received(&mut small), 2, "both, after one turn");
    let served = with_everything(&mut large, 4);
    assert!(served > 0 && served < LARGE / 2, "{served} of {LARGE} in one turn: its work is bounded");
    stage.rest();
    assert_eq!(served + with_everything(&mut large, 4), LARGE, "each got all four in one write");
}

#[test]
fn an_event_for_few_does_not_wait_for_the_thousands_of_one_that_came_with_it() {
    let mut stage = Stage::new();
    let mut large: Vec<_> = (0..LARGE).map(|_| stage.subscribe("large")).collect();
    let mut small = stage.subscribe("small");
    stage.publish("small", 1);
    stage.publish("large", 1);
    assert_eq!(stage.shard.turn(), Turn::Busy);
    assert_eq!(received(&mut small), 1);
    let served = with_everything(&mut large, 1);
    assert!(served > 0 && served < LARGE / 2, "{served} of {LARGE} were written to before or behind it in one turn");
    stage.rest();
    assert_eq!(served + with_everything(&mut large, 1), LARGE);
}

#[test]
fn few_that_are_hurried_on_and_on_do_not_keep_thousands_waiting() {
    let mut stage = Stage::new();
    let mut large: Vec<_> = (0..LARGE).map(|_| stage.subscribe("large")).collect();
    let mut small = stage.subscribe("small");
    stage.publish("large", 2);
    let mut turns = 0;
    let mut served = 0;
    while served < LARGE {
        stage.publish("small", 2);
        stage.shard.turn();
        assert_eq!(received(&mut small), 2);
        served += with_everything(&mut large, 2);
        turns += 1;
        assert!(turns <= LARGE / 100, "{served} of {LARGE} after {turns} turns");
    }
}

#[test]
fn newcomers_get_in_between() {
    let mut stage = Stage::new();
    let _large: Vec<_> = (0..LARGE).map(|_| stage.subscribe("large")).collect();
    stage.publish("large", 2);
    let mut ours = stage.connect();
    ask(&mut ours, "late");
    stage.shard.turn();
    stage.shard.turn();
    let mut head = [0; 15];
    ours.read_exact(&mut head).expect("an answer after two turns, though four are needed for the others");
    assert_eq!(&head, b"HTTP/1.1 200 OK");
}

#[test]
fn whoever_sends_without_end_is_not_all_that_is_read_from() {
    let mut stage = Stage::new();
    let mut flooding = stage.subscribe("a");
    let mut late = stage.connect();
    stage.rest();
    // As much as its socket takes, again after every turn: more than one turn reads.
    let mut flood = || while flooding.write(&[b'x'; 1 << 14]).is_ok() {};
    flood();
    assert_eq!(stage.shard.turn(), Turn::Busy);
    ask(&mut late, "b");
    for _ in 0..2 {
        flood();
        stage.shard.turn();
    }
    let mut head = [0; 15];
    late.read_exact(&mut head).expect("an answer after two turns");
    assert_eq!(&head, b"HTTP/1.1 200 OK");
}

#[test]
fn whoever_asks_anew_again_and_again_has_one_place_among_those_that_are_read_for() {
    const IMPATIENT: usize = 64;
    let mut stage = Stage::new();
    let mut impatient: Vec<_> = (0..IMPATIENT).map(|_| stage.subscribe("a")).collect();
    let mut late = stage.connect();
    // From here on there is something that the newest events are looked for in.
    stage.publish("b", 1);
    stage.rest();
    for _ in 0..50 {
        for stream in &mut impatient {
            received(stream);
            ask(stream, "a&replay=1");
        }
        stage.shard.turn();
    }
    ask(&mut late, "b&replay=1");
    let mut answer = Vec::new();
    let mut turns = 0;
    while !String::from_utf8_lossy(&answer).contains("event: hasses.cursor") {
        turns += 1;
        assert!(turns < IMPATIENT, "{turns} turns, and it is still not live");
        stage.shard.turn();
        // Nothing has come yet, or this.
        let _ = late.read_to_end(&mut answer);
    }
}
