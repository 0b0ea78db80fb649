//! What may happen, at random.

use hasses::config::{SlowPolicy, SlowRule};
use hasses_client::wire::TopicPattern;
use proptest::prelude::*;

/// The daemon and the browsers of one case.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) shards: usize,
    pub(crate) habits: Vec<Habit>,
    pub(crate) bounds: Bounds,
    /// Messages and bytes that may wait for a shard.
    pub(crate) channel: usize,
    pub(crate) in_flight: usize,
    /// In milliseconds.
    pub(crate) heartbeat: u64,
    pub(crate) progress_timeout: u64,
}

/// What a reload may change.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    pub(crate) outbox: usize,
    pub(crate) outbox_total: usize,
    pub(crate) retain_events: usize,
    pub(crate) retain_bytes: usize,
    /// In milliseconds.
    pub(crate) retain_age: Option<u64>,
    pub(crate) slow: Vec<SlowRule>,
}

/// How one browser subscribes, every time.
#[derive(Clone, Debug)]
pub(crate) struct Habit {
    pub(crate) patterns: Vec<TopicPattern>,
    pub(crate) id: Option<&'static str>,
    pub(crate) replay: Option<usize>,
    pub(crate) notices: bool,
    pub(crate) minor: u8,
    pub(crate) way: Way,
    /// Bytes that the kernel holds for it.
    pub(crate) send_buffer: usize,
    /// It reads nothing before the end.
    pub(crate) lazy: bool,
}

/// How a browser says what it has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    Header,
    Query,
    /// The page was rendered with an old one in its URL; the header wins.
    Both,
}

/// What a page begins with.
#[derive(Clone, Debug)]
pub(crate) enum Page {
    Fresh,
    /// It was rendered with the position of the log.
    Position,
    /// It comes back with the id of some event.
    Event(usize),
    /// It comes from another server.
    Foreign(&'static str),
    /// Its id is after or before everything, or between two.
    Beyond(i64),
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Publish {
        topics: Vec<TopicPattern>,
        count: usize,
        size: usize,
        except: Option<&'static str>,
        key: Option<u8>,
        named: bool,
    },
    /// Others write to the same log, before the next publish, or at once.
    Others {
        topic: TopicPattern,
        count: usize,
        alone: bool,
    },
    StoreFails,
    StoreIsSlow(usize),
    Kick(&'static str),
    /// The hub does what it can.
    Hub,
    /// So many messages of the hub come to a shard.
    Deliver(usize, usize),
    Advance(u64),
    SetWall(i64),
    Connect {
        browser: usize,
        shard: usize,
        at_first: usize,
    },
    Read(usize, usize),
    Leave(usize),
    HalfClose(usize),
    NewPage(usize, Page),
    Reload(Bounds),
    Drain(u64),
}

fn pattern() -> impl Strategy<Value = TopicPattern> {
    let texts = ["a", "a", "a", "b", "b", "ab", "a*", "b*", "*"];
    prop::sample::select(texts.to_vec()).prop_map(|text| TopicPattern::new(text).expect("a pattern"))
}

fn id() -> impl Strategy<Value = Option<&'static str>> {
    prop::option::weighted(0.2, prop::sample::select(vec!["me", "you"]))
}

fn bounds() -> impl Strategy<Value = Bounds> {
    let policy =
        prop_oneof![3 => Just(SlowPolicy::Latest), 1 => Just(SlowPolicy::CatchUp), 3 => Just(SlowPolicy::Disconnect)];
    let rule = (pattern(), policy).prop_map(|(pattern, policy)| SlowRule { pattern, policy });
    (
        prop_oneof![2 => 200..4000_usize, 1 => Just(256 * 1024)],
        prop_oneof![1 => 500..10_000_usize, 3 => Just(1 << 30)],
        prop_oneof![1 => 1..20_usize, 2 => 20..300_usize, 2 => Just(1_000_000)],
        prop_oneof![1 => 1000..50_000_usize, 3 => Just(1 << 30)],
        prop::option::weighted(0.3, 1..20_000_u64),
        prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(rule, 1..3)],
    )
        .prop_map(|(outbox, outbox_total, retain_events, retain_bytes, retain_age, slow)| Bounds {
            outbox,
            outbox_total,
            retain_events,
            retain_bytes,
            retain_age,
            slow,
        })
}

fn habit() -> impl Strategy<Value = Habit> {
    (
        prop::collection::vec(pattern(), 1..4),
        id(),
        prop::option::weighted(0.3, 1..5_usize),
        prop::bool::weighted(0.8),
        prop_oneof![4 => Just(1_u8), 1 => Just(0_u8)],
        prop::sample::select(vec![Way::Header, Way::Query, Way::Both]),
        prop_oneof![2 => Just(4096_usize), 1 => Just(64 * 1024)],
        prop::bool::weighted(0.3),
    )
        .prop_map(|(mut patterns, id, replay, notices, minor, way, send_buffer, lazy)| {
            patterns.sort();
            patterns.dedup();
            Habit { patterns, id, replay, notices, minor, way, send_buffer, lazy }
        })
}

pub(crate) fn setup() -> impl Strategy<Value = Setup> {
    (
        1..3_usize,
        prop::collection::vec(habit(), 1..4),
        bounds(),
        1..10_usize,
        prop_oneof![1 => 500..5000_usize, 1 => Just(1 << 24)],
        prop_oneof![1 => 100..1000_u64, 1 => Just(15_000)],
        prop_oneof![1 => 1000..5000_u64, 1 => Just(60_000)],
    )
        .prop_map(|(shards, habits, bounds, channel, in_flight, heartbeat, progress_timeout)| Setup {
            shards,
            habits,
            bounds,
            channel,
            in_flight,
            heartbeat,
            progress_timeout,
        })
}

fn publish() -> impl Strategy<Value = Step> {
    let topics = prop_oneof![4 => prop::collection::vec(pattern(), 1..2), 1 => prop::collection::vec(pattern(), 2..4)];
    let count = prop_oneof![6 => 1..4_usize, 2 => 4..30_usize, 1 => 60..150_usize];
    let size = prop_oneof![6 => 0..100_usize, 2 => 100..2000_usize, 1 => 2000..20_000_usize];
    let key = prop::option::weighted(0.2, 0..6_u8);
    (topics, count, size, id(), key, prop::bool::weighted(0.2)).prop_map(|(topics, count, size, except, key, named)| {
        // Large ones in large numbers only take time.
        let size = size.min(200_000 / count);
        Step::Publish { topics, count, size, except, key, named }
    })
}

fn page() -> impl Strategy<Value = Page> {
    prop_oneof![
        2 => Just(Page::Fresh),
        2 => Just(Page::Position),
        2 => (0..1000_usize).prop_map(Page::Event),
        1 => prop::sample::select(vec!["17", "abc-1", "1-1-1", "0-0", "1-0", "99999999999999999999-0"]).prop_map(Page::Foreign),
        1 => (-3..4_i64).prop_map(Page::Beyond),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    // Browsers and shards by number; there are less, and it goes round.
    let index = || 0..6_usize;
    let read = prop_oneof![1 => 1..200_usize, 1 => 200..3000_usize, 2 => Just(1 << 20)];
    prop_oneof![
        20 => publish(),
        3 => (pattern(), 1..4_usize, any::<bool>()).prop_map(|(topic, count, alone)| Step::Others { topic, count, alone }),
        1 => Just(Step::StoreFails),
        1 => (1..5_usize).prop_map(Step::StoreIsSlow),
        2 => prop::sample::select(vec!["me", "you"]).prop_map(Step::Kick),
        8 => Just(Step::Hub),
        20 => (index(), 1..10_usize).prop_map(|(shard, count)| Step::Deliver(shard, count)),
        6 => prop_oneof![2 => 1..3_u64, 1 => 3..200_u64, 2 => 200..3000_u64, 2 => 3000..30_000_u64].prop_map(Step::Advance),
        1 => (-100_000..100_000_i64).prop_map(Step::SetWall),
        10 => (index(), index(), prop_oneof![4 => Just(usize::MAX), 1 => 1..100_usize])
            .prop_map(|(browser, shard, at_first)| Step::Connect { browser, shard, at_first }),
        12 => (index(), read).prop_map(|(browser, count)| Step::Read(browser, count)),
        3 => index().prop_map(Step::Leave),
        1 => index().prop_map(Step::HalfClose),
        1 => (index(), page()).prop_map(|(browser, page)| Step::NewPage(browser, page)),
        1 => bounds().prop_map(Step::Reload),
    ]
}

/// Steps, each followed by so many turns of every shard; in some cases a drain stands among them.
pub(crate) fn steps() -> impl Strategy<Value = Vec<(Step, usize)>> {
    let steps = prop::collection::vec((step(), 0..4_usize), 1..100);
    (steps, prop::option::weighted(0.1, (0..100_usize, 0..5000_u64))).prop_map(|(mut steps, drain)| {
        if let Some((at, millis)) = drain {
            let at = at % steps.len();
            steps.insert(at, (Step::Drain(millis), 1));
        }
        steps
    })
}
