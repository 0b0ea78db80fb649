//! Cases of an event before anybody is sent it: rendered, appended to the log, read from it again.

use std::hint::black_box;
use std::sync::Arc;

use hasses::config::Config;
use hasses::log::{Appender, Ask, Memory, Outcome, Retention, Slice, Window};
use hasses::sse::Rendered;
use hasses_client::wire::{EventId, Publish, PublishKey, TopicPattern};
use smol::future::block_on;

use crate::case::Case;
use crate::meter::Meter;
use crate::stage::{Still, pattern};

pub(crate) const CASES: &[Case] = &[
    Case { name: "render/64-bytes", per: "an event", run: |meter| render(meter, &"x".repeat(64), 1000) },
    Case { name: "render/1-kib-of-lines", per: "an event", run: |meter| render(meter, &lines(), 500) },
    Case { name: "render/64-kib", per: "an event", run: |meter| render(meter, &"x".repeat(1 << 16), 100) },
    Case { name: "append/one-topic", per: "an event", run: |meter| append(meter, 1, Keys::None, usize::MAX) },
    Case { name: "append/1000-topics", per: "an event", run: |meter| append(meter, 1000, Keys::None, usize::MAX) },
    Case { name: "append/keyed", per: "an event", run: |meter| append(meter, 1, Keys::Each, usize::MAX) },
    Case { name: "append/evicting", per: "an event", run: |meter| append(meter, 100, Keys::None, 1000) },
    Case { name: "replay/topic", per: "an event", run: |meter| replay(meter, "topic7", 100) },
    Case { name: "replay/prefix", per: "an event", run: |meter| replay(meter, "topic7*", 1100) },
    Case { name: "replay/everything", per: "an event", run: |meter| replay(meter, "*", 10_000) },
];

/// Publishes of one submission.
const BATCH: usize = 50;
const BATCHES: usize = 40;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    None,
    Each,
}

fn lines() -> String {
    format!("{}\n", "x".repeat(63)).repeat(16)
}

fn render(meter: &mut Meter, data: &str, events: usize) {
    let publish = Publish::new(pattern("room624"), data);
    let mut scratch = Vec::new();
    let mut id = EventId { millis: 1_800_000_000_000, sequence: 0 };
    meter.count(events, || {
        for _ in 0..events {
            id = id.next(id.millis);
            black_box(Rendered::event(id, black_box(&publish), &mut scratch));
        }
    });
}

/// A log in memory that keeps so many events.
fn log(events: usize) -> Appender {
    let (memory, history) = Memory::with_clock(Arc::new(Still));
    let retention = Retention { events, ..Config::default().limits.retention() };
    Appender::new(Box::new(memory), Window::new(history, retention, Vec::new()))
}

fn append(meter: &mut Meter, topics: usize, keys: Keys, kept: usize) {
    let mut log = log(kept);
    let batch = |nth: usize| -> Vec<Publish> {
        let publish = |number: usize| {
            let mut publish = Publish::new(pattern(&format!("topic{}", number % topics)), "x".repeat(64));
            publish.key =
                (keys == Keys::Each).then(|| PublishKey::new(format!("publisher-{number:06}")).expect("a key"));
            publish
        };
        (nth * BATCH..(nth + 1) * BATCH).map(publish).collect()
    };
    // As in a log that has been used: every topic is there, and what is over the bound goes.
    for nth in 0..BATCHES {
        block_on(log.append(batch(nth), 0));
    }
    for nth in BATCHES..2 * BATCHES {
        let mut publishes = Some(batch(nth));
        let mut events = 0;
        meter.count(BATCH, || {
            let outcomes = block_on(log.append(publishes.take().expect("counted once"), 0));
            events += outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Event(_))).count();
        });
        assert_eq!(events, BATCH);
    }
    assert_eq!(log.log().window().holdings().events, kept.min(2 * BATCHES * BATCH));
}

/// Of 10,000 events of 100 topics, those of a pattern.
fn replay(meter: &mut Meter, subscribed: &str, expected: usize) {
    let mut log = log(usize::MAX);
    let publish = |number: usize| Publish::new(pattern(&format!("topic{}", number % 100)), "x".repeat(64));
    block_on(log.append((0..10_000).map(publish).collect(), 0));
    let patterns: [TopicPattern; 1] = [pattern(subscribed)];
    let window = log.log().window();
    let (birth, newest) = (window.forgotten(), window.newest());
    let mut given = 0;
    meter.count(expected, || {
        let mut after = birth;
        loop {
            let mut slice = Vec::new();
            let ask = Ask { patterns: &patterns, after, up_to: newest, newest: None, id: None };
            let read = window.read(black_box(&ask), &mut slice);
            given += slice.len();
            match read {
                Slice::UpTo(id) => after = id,
                Slice::Whole | Slice::Gone => return,
            }
        }
    });
    assert_eq!(given, expected);
}
