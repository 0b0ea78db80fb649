//! Cases of the index: who is reached by a topic.

use std::hint::black_box;

use hasses::index::{Index, Slot};
use hasses_client::wire::TopicPattern;

use crate::case::Case;
use crate::meter::Meter;
use crate::stage::pattern;

pub(crate) const CASES: &[Case] = &[
    Case { name: "index/subscribe", per: "a topic", run: subscribe },
    Case { name: "index/unsubscribe", per: "a topic", run: unsubscribe },
    Case { name: "index/topic-of-1", per: "a lookup", run: |meter| look_up(meter, 1, "topic", "") },
    Case { name: "index/topic-of-100", per: "a lookup", run: |meter| look_up(meter, 100, "topic", "") },
    Case { name: "index/topic-of-15000", per: "a lookup", run: |meter| look_up(meter, 15_000, "topic", "") },
    Case { name: "index/topic-by-1000-prefixes", per: "a lookup", run: |meter| look_up(meter, 1000, "room", "/*") },
    Case { name: "index/prefix-over-100-topics", per: "a lookup", run: prefix_publish },
];

const SUBSCRIBERS: Slot = 1000;

/// What a subscriber has: a topic of its own, one of everybody's, a prefix of ten.
fn patterns(slot: Slot) -> [TopicPattern; 3] {
    [pattern(&format!("user{slot}")), pattern("lobby"), pattern(&format!("room{}/*", slot / 10))]
}

fn subscribe(meter: &mut Meter) {
    let mut index = Index::default();
    let all: Vec<_> = (0..2 * SUBSCRIBERS).map(patterns).collect();
    let (before, after) = all.split_at(SUBSCRIBERS as usize);
    (0..).zip(before).for_each(|(slot, patterns)| index.subscribe(slot, patterns));
    meter.count(3 * after.len(), || {
        (SUBSCRIBERS..).zip(after).for_each(|(slot, patterns)| index.subscribe(slot, patterns));
    });
    assert_eq!(index.count_exactly(&pattern("lobby")), all.len());
}

fn unsubscribe(meter: &mut Meter) {
    let mut index = Index::default();
    (0..2 * SUBSCRIBERS).for_each(|slot| index.subscribe(slot, &patterns(slot)));
    meter.count(3 * SUBSCRIBERS as usize, || (0..SUBSCRIBERS).for_each(|slot| index.unsubscribe(2 * slot)));
    assert_eq!(index.count_exactly(&pattern("lobby")), SUBSCRIBERS as usize);
}

/// Looks up a topic that one of so many subscriptions matches.
fn look_up(meter: &mut Meter, subscriptions: Slot, name: &str, end: &str) {
    const LOOKUPS: Slot = 2000;
    let mut index = Index::default();
    for slot in 0..subscriptions {
        index.subscribe(slot, &[pattern(&format!("{name}{slot}{end}"))]);
    }
    let end = end.replace('*', "17");
    // Far from one another, as publishes are: a prime that divides no number of subscriptions here.
    let topic = |nth: Slot| pattern(&format!("{name}{}{end}", nth * 7919 % subscriptions));
    let topics: Vec<TopicPattern> = (0..LOOKUPS).map(topic).collect();
    let mut reached = 0;
    meter.count(topics.len(), || {
        topics.iter().for_each(|topic| {
            index.matching(black_box(topic), |slot| reached += usize::from(black_box(slot) < subscriptions));
        });
    });
    assert_eq!(reached, topics.len());
}

fn prefix_publish(meter: &mut Meter) {
    const LOOKUPS: usize = 100;
    let mut index = Index::default();
    for slot in 0..10_000 {
        index.subscribe(slot, &[pattern(&format!("room{}/{}", slot / 100, slot % 100))]);
    }
    let prefixes: Vec<TopicPattern> = (0..LOOKUPS).map(|nth| pattern(&format!("room{nth}/*"))).collect();
    let mut reached = 0;
    meter.count(LOOKUPS, || {
        prefixes.iter().for_each(|prefix| {
            index.matching(black_box(prefix), |slot| reached += usize::from(black_box(slot) < 10_000));
        });
    });
    assert_eq!(reached, 100 * LOOKUPS);
}
