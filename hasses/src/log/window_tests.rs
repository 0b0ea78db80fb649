use std::collections::BTreeSet;

use hasses_client::wire::{TopicPattern, Topics};
use proptest::prelude::*;

use super::*;
use crate::log::naive::{ALL, BIRTH, Kept, Naive, empty, id, id_of, lists, pattern, push, rules, subscriber, to};
use crate::log::read::{Ask, Slice};

fn keyed(topic: &str, key: &str) -> Publish {
    Publish { key: Some(PublishKey::new(key).unwrap()), ..to(topic) }
}

/// A window and what it should be.
struct Pair {
    window: Window,
    naive: Naive,
    now: Millis,
    next: EventId,
}

#[derive(Clone, Debug)]
enum Step {
    Publish { topics: Vec<TopicPattern>, size: usize, key: Option<u8>, except: Option<SubscriberId>, later: u64 },
    Advance(Millis),
    Set(Retention, Vec<SlowRule>),
    Read(Reading),
    Standing(prop::sample::Index, i64),
}

/// Where ids are wanted, they are those of some of the events, and some that are between or beyond.
#[derive(Clone, Debug)]
struct Reading {
    patterns: Vec<TopicPattern>,
    after: prop::sample::Index,
    up_to: prop::sample::Index,
    newest: Option<(usize, prop::sample::Index)>,
    id: Option<SubscriberId>,
}

fn publish() -> impl Strategy<Value = Step> {
    let size = prop_oneof![20 => 0..100_usize, 1 => 20_000..70_000_usize];
    let key = prop::option::weighted(0.3, 0..6_u8);
    let topics = prop::collection::vec(pattern(), 1..4);
    (topics, size, key, prop::option::weighted(0.2, subscriber()), 0..3_u64)
        .prop_map(|(topics, size, key, except, later)| Step::Publish { topics, size, key, except, later })
}

fn retention() -> impl Strategy<Value = Retention> {
    let bytes = prop_oneof![Just(usize::MAX), Just(0), 200..20_000_usize];
    let age = prop::option::of((0..5000_u64).prop_map(Duration::from_millis));
    let events = prop_oneof![3 => Just(usize::MAX), 2 => 0..30_usize];
    (bytes, age, events).prop_map(|(bytes, age, events)| Retention { bytes, age, events })
}

fn reading() -> impl Strategy<Value = Reading> {
    let index = any::<prop::sample::Index>;
    let newest = prop::option::weighted(0.3, (1..5_usize, index()));
    (prop::collection::vec(pattern(), 1..4), index(), index(), newest, prop::option::of(subscriber()))
        .prop_map(|(patterns, after, up_to, newest, id)| Reading { patterns, after, up_to, newest, id })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => publish(),
        3 => (0..2000_u64).prop_map(Step::Advance),
        1 => (retention(), rules()).prop_map(|(retention, rules)| Step::Set(retention, rules)),
        6 => reading().prop_map(Step::Read),
        2 => (any::<prop::sample::Index>(), -1..2_i64).prop_map(|(index, off)| Step::Standing(index, off)),
    ]
}

impl Pair {
    fn new() -> Self {
        let naive = Naive { birth: BIRTH, events: Vec::new(), gone: 0, retention: ALL, rules: Vec::new() };
        Self { window: empty(ALL), naive, now: 0, next: BIRTH }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Publish { topics, size, key, except, later } => {
                let mut publish = Publish::new(topics[0].clone(), "x".repeat(*size));
                publish.topics = Topics::new(topics.iter().cloned()).unwrap();
                publish.key = key.map(|key| PublishKey::new(format!("key {key}")).unwrap());
                publish.except = except.clone();
                self.next = self.next.next(self.next.millis + later);
                let at = signed(self.now);
                push(&mut self.window, self.next, &publish, at);
                self.naive.events.push(Kept { id: self.next, publish, at });
                self.evict();
            }
            Step::Advance(by) => {
                self.now += by;
                self.evict();
                self.compare_with_fresh();
            }
            Step::Set(retention, rules) => {
                self.window.set(retention.clone(), rules.clone());
                self.naive.retention = retention.clone();
                self.naive.rules = rules.clone();
                self.evict();
                self.compare_with_fresh();
            }
            Step::Read(reading) => self.read(reading),
            Step::Standing(index, off) => {
                let mut id = self.place(index);
                id.sequence = id.sequence.saturating_add_signed(*off);
                assert_eq!(self.window.standing(id), self.naive.standing(id), "{id}");
            }
        }
        self.compare();
    }

    /// The id of some event, or one before or behind all.
    fn place(&self, index: &prop::sample::Index) -> EventId {
        let events = &self.naive.events;
        match index.index(events.len() + 3) {
            0 => BIRTH.before(),
            1 => BIRTH,
            nth if nth == events.len() + 2 => id(self.next.millis, self.next.sequence + 1),
            nth => events[nth - 2].id,
        }
    }

    fn evict(&mut self) {
        let before = self.naive.forgotten();
        let told = self.window.evict(self.now);
        while self.naive.must_leave(self.now) {
            self.naive.gone += 1;
        }
        // What memory costs is the window's to say; that it keeps to it, this test's.
        while self.window.holdings().events < self.naive.here().len() {
            assert!(self.naive.here().len() > 1, "the newest event stays, however large");
            self.naive.gone += 1;
        }
        let after = self.naive.forgotten();
        assert_eq!(told, (after > before).then_some(after));
    }

    fn compare(&self) {
        let (window, naive) = (&self.window, &self.naive);
        let here = naive.here();
        let holdings = window.holdings();
        assert_eq!(holdings.events, here.len());
        assert_eq!(holdings.oldest, here.first().map_or(naive.newest(), |event| event.id));
        assert_eq!(holdings.evicted, naive.gone as u64);
        assert!(holdings.bytes <= naive.retention.bytes || here.len() <= 1, "{holdings:?}");
        assert_eq!((window.newest(), window.forgotten()), (naive.newest(), naive.forgotten()));
        for key in (0..6).map(|key| PublishKey::new(format!("key {key}")).unwrap()) {
            assert_eq!(window.accepted(&key), naive.accepted(&key), "{key}");
        }
    }

    /// What is left of events that are gone: nothing.
    fn compare_with_fresh(&self) {
        let (window, here) = (&self.window, self.naive.here());
        let mut fresh = empty(ALL);
        here.iter().for_each(|event| push(&mut fresh, event.id, &event.publish, event.at));
        assert_eq!(window.holdings().bytes, fresh.holdings().bytes);
        assert_eq!((window.in_several, window.excepting), (fresh.in_several, fresh.excepting));
        let names = |window: &Window| {
            let mut names = BTreeSet::new();
            let _ = window.topics.names().overlapping(&TopicPattern::everything(), |key| {
                names.insert(key);
                std::ops::ControlFlow::Continue(())
            });
            names.len()
        };
        assert_eq!(names(window), lists(here).len());
    }

    fn read(&self, reading: &Reading) {
        let Reading { patterns, after, up_to, newest, id } = reading;
        let newest = newest.map(|(most, index)| (most, self.place(&index)));
        let (after, up_to) = (self.place(after), self.place(up_to));
        let ask = Ask { patterns, after, up_to, newest, id: id.as_ref() };
        assert_eq!(self.window.count(&ask), self.naive.owed(&ask).len() as u64, "{ask:?}");
        // Those that are gone are owed where the newest of each topic were asked for, as long as no others are gone.
        let owed_from = newest.map_or(after, |(_, up_to)| after.max(up_to));
        let mut all = Vec::new();
        let mut ask = ask;
        loop {
            let mut events = Vec::new();
            let slice = self.window.read(&ask, &mut events);
            let ids: Vec<EventId> = events.iter().map(id_of).collect();
            assert!(ids.len() <= 64);
            let bytes: usize = events.iter().rev().skip(1).map(Rendered::len).sum();
            assert!(bytes < 64 * 1024, "{bytes}");
            all.extend_from_slice(&ids);
            match slice {
                Slice::Gone => {
                    assert!(all.is_empty() && owed_from < self.naive.forgotten(), "{ask:?}");
                    return;
                }
                Slice::Whole => break,
                Slice::UpTo(id) => {
                    assert!(id > ask.after && ids.last().is_none_or(|&last| last <= id), "{ask:?}: {id}");
                    ask.after = id;
                }
            }
        }
        assert!(owed_from >= self.naive.forgotten(), "{ask:?}");
        let ask = Ask { after, ..ask };
        assert_eq!(all, self.naive.owed(&ask), "{ask:?}");
    }
}

proptest! {
    // Half of what PROPTEST_CASES says: the naive list is slow.
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 2, ..ProptestConfig::default() })]

    #[test]
    fn it_agrees_with_a_list_of_all_events(
        begin in retention(),
        rules in rules(),
        steps in prop::collection::vec(step(), 1..100),
    ) {
        let mut pair = Pair::new();
        pair.step(&Step::Set(begin, rules));
        steps.iter().for_each(|step| pair.step(step));
        // Nothing is left of those that left.
        pair.step(&Step::Set(Retention { events: 0, ..ALL }, Vec::new()));
        prop_assert_eq!(pair.window.holdings().bytes, 0);
        prop_assert!(pair.window.topics.names().is_empty());
    }
}

#[test]
fn a_key_lives_as_long_as_the_last_event_that_has_it() {
    // A store that others write to as well may give a key twice.
    let mut window = empty(Retention { events: 2, ..ALL });
    let key = PublishKey::new("k").unwrap();
    push(&mut window, id(2000, 0), &keyed("t", "k"), 0);
    push(&mut window, id(2000, 1), &keyed("t", "k"), 0);
    push(&mut window, id(2000, 2), &to("t"), 0);
    window.evict(0);
    assert_eq!(window.accepted(&key), Some(id(2000, 1)));
    push(&mut window, id(2000, 3), &to("t"), 0);
    window.evict(0);
    assert_eq!(window.accepted(&key), None);
}

#[test]
fn ages_go_by_the_daemons_clock_and_reach_back_before_its_start() {
    let hour = Duration::from_secs(3600);
    let mut window = empty(Retention { age: Some(hour), ..ALL });
    assert_eq!(window.reach(0), Some(3_600_000));
    push(&mut window, id(2000, 0), &to("t"), -3_600_000);
    push(&mut window, id(2000, 1), &to("t"), -1000);
    push(&mut window, id(2000, 2), &to("t"), 5000);
    assert_eq!(window.evict(0), None);
    assert_eq!(window.evict(1), Some(id(2000, 0)));
    // It holds for as long as the oldest is old, once others had to leave.
    assert_eq!(window.reach(1), Some(1001));
    assert_eq!(window.evict(3_599_001), Some(id(2000, 1)));
    assert_eq!(window.evict(3_605_000), None);
    assert_eq!(window.evict(3_605_001), Some(id(2000, 2)));
    assert_eq!((window.oldest(), window.forgotten()), (id(2000, 2), id(2000, 2)));
}

#[test]
fn what_was_let_go_while_loading_is_forgotten() {
    let mut window = Window::new(History::default(), Retention { events: 2, ..ALL }, Vec::new());
    for nth in 0..5 {
        push(&mut window, id(2000, nth), &to("t"), -1);
        window.evict(0);
    }
    window.loaded(History { birth: BIRTH, newest: id(2000, 4), forgotten: id(1900, 0) });
    assert_eq!((window.forgotten(), window.newest()), (id(2000, 2), id(2000, 4)));
    assert_eq!(window.standing(id(1950, 0)), Standing::Gap);
    // Where the store has let go of more, or of everything, that holds.
    let mut window = empty(ALL);
    window.loaded(History { birth: BIRTH, newest: id(2000, 4), forgotten: id(2000, 4) });
    assert_eq!((window.standing(id(2000, 4)), window.standing(id(2000, 3))), (Standing::Known, Standing::Gap));
    assert_eq!((window.oldest(), window.standing(BIRTH.before())), (id(2000, 4), Standing::Unknown));
}
