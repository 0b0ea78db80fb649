//! Nothing lost: subscribers that come back, that are slow, that are told to come back by a daemon that ends; and what they are
//! told.

#![expect(clippy::expect_used, reason = "what a test needs and cannot have is a failure of that test")]

mod accept_queue;
mod cursors;
mod drain;
mod gaps;
mod keys;
mod last_event_id;
mod newest;
mod notices;
mod order;
mod outrun;
mod policies;
mod position;
mod reload;
mod resume;
mod shards;
mod slow;
mod stalled;

use std::sync::mpsc::{Sender, TryRecvError, channel};
use std::thread::JoinHandle;

use hasses::config::Config;
use hasses_client::wire::EventId;
use hasses_tests::{Publisher, Stream, Subscriber, TestDaemon};
use serde_json::{Value, json};

/// A request for a subscription, with further header lines.
fn request(query: &str, headers: &[&str]) -> String {
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    format!("GET /sse?{query} HTTP/1.1\r\nHost: x\r\n{lines}\r\n")
}

/// Comes back as a browser does, up to the first comment.
fn come_back(daemon: &TestDaemon, query: &str, id: &str) -> Subscriber {
    come_back_to(&daemon.address(), query, id)
}

/// The same by an address.
fn come_back_to(address: &str, query: &str, id: &str) -> Subscriber {
    let mut stream = Stream::connect(address);
    stream.send(request(query, &[&format!("Last-Event-ID: {id}")]));
    stream.begun()
}

/// What a subscriber is told of the id that it came back with; it must be the next event.
fn verdict(subscriber: &mut Subscriber) -> Value {
    let event = subscriber.any_event();
    assert_eq!((event.event.as_str(), event.id.as_str()), ("hasses.resume", ""), "a verdict without an id: {event:?}");
    assert!(!event.retry.is_empty(), "the usual reconnection time holds again: {event:?}");
    serde_json::from_str(&event.data).expect("JSON")
}

/// Where a subscriber stands, as it is told; that must be the next event.
fn cursor(subscriber: &mut Subscriber) -> String {
    let event = subscriber.any_event();
    assert_eq!((event.event.as_str(), event.data.as_str()), ("hasses.cursor", "{}"), "a cursor: {event:?}");
    event.id.parse::<EventId>().expect("an id");
    event.id
}

/// Everything that was missed is there.
fn resumed(replayed: usize) -> Value {
    json!({"status": "resumed", "replayed": replayed})
}

/// Something is not.
fn gap(oldest: &str, replayed: usize) -> Value {
    json!({"status": "gap", "oldest": oldest, "replayed": replayed})
}

/// The id is not of this log.
fn reset() -> Value {
    json!({"status": "reset"})
}

/// Publishes; gives the id.
fn publish(publisher: &mut Publisher, topic: &str, data: &str) -> String {
    publish_by(publisher, &json!({"cmd": "publish", "topic": topic, "data": data}))
}

/// Publishes by a command; gives the id.
fn publish_by(publisher: &mut Publisher, command: &Value) -> String {
    let answer = publisher.ask(command);
    answer["id"].as_str().unwrap_or_else(|| panic!("{command}: {answer}")).to_owned()
}

/// Publishes many, without waiting for one before the next is sent; gives the ids.
fn publish_all(publisher: &mut Publisher, topic: &str, all: impl IntoIterator<Item = String>) -> Vec<String> {
    // Answers that nobody reads would hold the publisher back.
    const UNDER_WAY: usize = 64;
    let (mut ids, mut waiting) = (Vec::new(), 0);
    let mut answer = |publisher: &mut Publisher| {
        let answer = publisher.answer();
        ids.push(answer["id"].as_str().unwrap_or_else(|| panic!("refused: {answer}")).to_owned());
    };
    for data in all {
        publisher.send(&json!({"cmd": "publish", "topic": topic, "data": data}).to_string());
        waiting += 1;
        if waiting == UNDER_WAY {
            answer(publisher);
            waiting -= 1;
        }
    }
    (0..waiting).for_each(|_| answer(publisher));
    ids
}

/// What comes up to the cursor, which ends what was owed; gives the data, and the cursor.
fn replay(subscriber: &mut Subscriber) -> (Vec<String>, String) {
    let mut data = Vec::new();
    loop {
        let event = subscriber.any_event();
        if event.event == "hasses.cursor" {
            return (data, event.id);
        }
        assert!(!event.event.starts_with("hasses."), "{event:?}");
        data.push(event.data);
    }
}

/// A stream on which little fits into the buffers of the system, so that whoever does not read is soon seen to be slow. With
/// less than this the system drops what its own window had room for, and sends it again after seconds.
fn narrow(address: &str) -> Stream {
    let stream = Stream::connect(address);
    stream.bound_unread(64 * 1024);
    stream
}

/// A daemon of which the same holds.
fn narrow_daemon(change: impl FnOnce(&mut Config)) -> TestDaemon {
    TestDaemon::with(|config| {
        config.limits.send_buffer = 16 * 1024;
        config.limits.outbox = 64 * 1024;
        change(config);
    })
}

/// A subscriber that reads nothing unless it is told to.
fn slow_subscriber(daemon: &TestDaemon, query: &str) -> Subscriber {
    let mut stream = narrow(&daemon.address());
    stream.send(request(query, &[]));
    stream.subscribed()
}

/// Numbered texts of about so many bytes.
fn numbered(numbers: std::ops::Range<usize>, bytes: usize) -> impl Iterator<Item = String> {
    let filler = "x".repeat(bytes);
    numbers.map(move |nth| format!("{nth} {filler}"))
}

/// The number of a numbered text.
fn number(data: &str) -> usize {
    data.split_once(' ').and_then(|(number, _)| number.parse().ok()).unwrap_or_else(|| panic!("no number: {data:?}"))
}

/// Numbers that look random and are the same in every run.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    /// A number below `sides`.
    fn roll(&mut self, sides: usize) -> usize {
        // Knuth's MMIX; its high bits are the better ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }
}

/// Somebody who publishes as fast as it goes until told to end.
#[derive(Debug)]
struct Flood {
    stop: Sender<()>,
    publishing: JoinHandle<usize>,
}

impl Flood {
    /// Begins to publish; `what` gives topic and data of each event by its number.
    fn begin(mut publisher: Publisher, what: impl Fn(usize) -> (&'static str, String) + Send + 'static) -> Self {
        const AT_ONCE: usize = 100;
        let (stop, stopped) = channel();
        let publishing = std::thread::spawn(move || {
            let mut sent = 0;
            while stopped.try_recv() == Err(TryRecvError::Empty) {
                for (topic, data) in (sent..sent + AT_ONCE).map(&what) {
                    publisher.send(&json!({"cmd": "publish", "topic": topic, "data": data}).to_string());
                }
                (0..AT_ONCE).for_each(|_| assert_eq!(publisher.answer()["ok"], true));
                sent += AT_ONCE;
            }
            sent
        });
        Self { stop, publishing }
    }

    /// Ends it; gives how many events there were.
    fn end(self) -> usize {
        drop(self.stop);
        self.publishing.join().expect("everything was accepted")
    }
}
