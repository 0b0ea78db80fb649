//! Which subscribers a topic reaches. No I/O, no clock.
//!
//! The cost of a look-up grows with the subscribers that match, not with those that are there. Joining and leaving are
//! independent of how many others subscribed to the same topic.

use std::ops::ControlFlow;
use std::sync::Arc;

use hasses_client::wire::TopicPattern;
use slab::Slab;

use crate::names::{Kind, Names, parts};

/// Number of a subscriber within its shard.
pub type Slot = u32;

/// The subscriptions of one shard.
#[derive(Debug, Default)]
pub struct Index {
    names: Names,
    topics: Slab<Entry>,
    /// What each subscriber subscribed to, by slot.
    memberships: Vec<Box<[Membership]>>,
}

#[derive(Debug)]
struct Entry {
    name: Arc<str>,
    kind: Kind,
    members: Vec<Member>,
}

/// One subscriber in the list of a topic; `nth` is the membership that points back here.
#[derive(Clone, Copy, Debug)]
struct Member {
    slot: Slot,
    nth: u32,
}

/// One topic of a subscriber; `position` is its place in the list of that topic.
#[derive(Clone, Copy, Debug)]
struct Membership {
    topic: u32,
    position: u32,
}

impl Index {
    /// Subscribes `slot` to patterns; one that is named twice counts once. The slot must not be subscribed already.
    pub fn subscribe(&mut self, slot: Slot, patterns: &[TopicPattern]) {
        let mut memberships: Vec<Membership> = Vec::with_capacity(patterns.len());
        for pattern in patterns {
            let topic = self.entry(pattern);
            if memberships.iter().any(|known| known.topic as usize == topic) {
                continue;
            }
            let members = &mut self.topics[topic].members;
            memberships.push(Membership { topic: narrow(topic), position: narrow(members.len()) });
            members.push(Member { slot, nth: narrow(memberships.len() - 1) });
        }
        let at = slot as usize;
        if self.memberships.len() <= at {
            self.memberships.resize_with(at + 1, Box::default);
        }
        self.memberships[at] = memberships.into_boxed_slice();
    }

    /// Takes a subscriber out of everything it subscribed to.
    pub fn unsubscribe(&mut self, slot: Slot) {
        let Some(memberships) = self.memberships.get_mut(slot as usize).map(std::mem::take) else { return };
        for Membership { topic, position } in memberships {
            let entry = &mut self.topics[topic as usize];
            entry.members.swap_remove(position as usize);
            if let Some(moved) = entry.members.get(position as usize) {
                self.memberships[moved.slot as usize][moved.nth as usize].position = position;
            } else if entry.members.is_empty() {
                let entry = self.topics.remove(topic as usize);
                self.names.remove(&entry.name, entry.kind);
            } else if entry.members.capacity() > 4 * entry.members.len() {
                entry.members.shrink_to(2 * entry.members.len());
            }
        }
    }

    /// Calls `reach` for each subscriber that a publish to `pattern` reaches; for one that several of its subscriptions
    /// match, several times.
    pub fn matching(&self, pattern: &TopicPattern, mut reach: impl FnMut(Slot)) {
        self.overlapping(pattern, |entry| entry.members.iter().for_each(|member| reach(member.slot)));
    }

    /// How many subscribers a publish to an exact topic reaches, where one list holds them all, and so none twice.
    #[must_use]
    pub fn members_of_only(&self, pattern: &TopicPattern) -> Option<usize> {
        let TopicPattern::Exact(_) = pattern else { return None };
        let (mut lists, mut members) = (0, 0);
        self.overlapping(pattern, |entry| {
            lists += 1;
            members += entry.members.len();
        });
        (lists <= 1).then_some(members)
    }

    /// Subscribers of exactly this topic or prefix.
    #[must_use]
    pub fn count_exactly(&self, pattern: &TopicPattern) -> usize {
        self.names.find(pattern).map_or(0, |topic| self.topics[topic].members.len())
    }

    /// Names of what a subscriber subscribed to, in its order; prefixes end in `*`.
    pub fn names_of(&self, slot: Slot) -> impl Iterator<Item = String> {
        let memberships = self.memberships.get(slot as usize).map_or(&[][..], |memberships| memberships);
        memberships.iter().map(|membership| self.topics[membership.topic as usize].name())
    }

    /// What a subscriber subscribed to.
    pub fn patterns_of(&self, slot: Slot) -> impl Iterator<Item = TopicPattern> {
        // A name that came from a pattern makes it again.
        self.names_of(slot).filter_map(|name| TopicPattern::new(name).ok())
    }

    /// Every topic and prefix with the number of its subscribers, in no order.
    pub fn topics(&self) -> impl Iterator<Item = (String, usize)> {
        self.topics.iter().map(|(_, entry)| (entry.name(), entry.members.len()))
    }

    /// How many topics and prefixes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.topics.len()
    }

    /// Whether nobody subscribed to anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    fn entry(&mut self, pattern: &TopicPattern) -> usize {
        if let Some(topic) = self.names.find(pattern) {
            return topic;
        }
        let (name, kind) = parts(pattern);
        let name: Arc<str> = Arc::from(name);
        let topic = self.topics.insert(Entry { name: name.clone(), kind, members: Vec::new() });
        self.names.insert(name, kind, topic);
        topic
    }

    fn overlapping(&self, pattern: &TopicPattern, mut visit: impl FnMut(&Entry)) {
        let _ = self.names.overlapping(pattern, |topic| {
            visit(&self.topics[topic]);
            ControlFlow::Continue(())
        });
    }
}

impl Entry {
    fn name(&self) -> String {
        match self.kind {
            Kind::Exact => self.name.to_string(),
            Kind::Prefix => format!("{}*", self.name),
        }
    }
}

/// Counts of subscribers and topics stay far below 2^32: a descriptor or some bytes of memory stand behind each.
#[expect(clippy::cast_possible_truncation, reason = "see above")]
fn narrow(count: usize) -> u32 {
    count as u32
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> TopicPattern {
        TopicPattern::new(text).unwrap()
    }

    fn reached(index: &Index, publish: &str) -> Vec<Slot> {
        let mut slots = Vec::new();
        index.matching(&pattern(publish), |slot| slots.push(slot));
        slots.sort_unstable();
        slots
    }

    #[test]
    fn exact_and_prefix_publishes_reach_what_overlaps() {
        let mut index = Index::default();
        for (slot, text) in ["room", "room1", "ro*", "room1*", "*", "x", "ü*", "übung"].into_iter().enumerate() {
            index.subscribe(narrow(slot), &[pattern(text)]);
        }
        for (publish, slots) in [
            ("room", &[0, 2, 4][..]),
            ("room1", &[1, 2, 3, 4]),
            ("room12", &[2, 3, 4]),
            ("roo*", &[0, 1, 2, 3, 4]),
            ("room1*", &[1, 2, 3, 4]),
            ("r*", &[0, 1, 2, 3, 4]),
            ("*", &[0, 1, 2, 3, 4, 5, 6, 7]),
            ("y", &[4]),
            ("übung", &[4, 6, 7]),
            ("ö", &[4]),
        ] {
            assert_eq!(reached(&index, publish), slots, "{publish}");
        }
    }

    #[test]
    fn a_reach_is_known_where_one_list_holds_it() {
        let mut index = Index::default();
        index.subscribe(0, &[pattern("room"), pattern("x")]);
        index.subscribe(1, &[pattern("room")]);
        index.subscribe(2, &[pattern("x*")]);
        for (publish, reach) in [("room", Some(2)), ("nobody", Some(0)), ("xy", Some(1)), ("x", None), ("roo*", None)] {
            assert_eq!(index.members_of_only(&pattern(publish)), reach, "{publish}");
        }
    }

    #[test]
    fn nothing_is_left_of_those_who_left() {
        let mut index = Index::default();
        for slot in 0..100 {
            index.subscribe(slot, &[pattern("all"), pattern(&format!("own{slot}")), pattern("a*"), pattern("all")]);
        }
        assert_eq!(index.names_of(7).collect::<Vec<_>>(), ["all", "own7", "a*"]);
        for slot in (0..100).filter(|slot| slot % 10 != 7) {
            index.unsubscribe(slot);
        }
        assert_eq!(reached(&index, "own7"), [7]);
        assert_eq!(index.count_exactly(&pattern("all")), 10);
        assert_eq!(index.len(), 12);
        for slot in (0..100).filter(|slot| slot % 10 == 7) {
            index.unsubscribe(slot);
            index.unsubscribe(slot);
        }
        assert!(index.is_empty() && index.names.is_empty());
    }

    proptest! {
        #[test]
        fn it_agrees_with_comparing_every_subscription(
            subscriptions in prop::collection::vec(prop::collection::vec("[aäb]{1,4}\\*?|\\*", 1..4), 1..20),
            leaving in prop::collection::vec(any::<bool>(), 20),
            publishes in prop::collection::vec("[aäb]{1,5}\\*?|\\*", 1..20),
        ) {
            let mut index = Index::default();
            let subscriptions: Vec<Vec<TopicPattern>> =
                subscriptions.iter().map(|texts| texts.iter().map(|text| pattern(text)).collect()).collect();
            for (slot, patterns) in subscriptions.iter().enumerate() {
                index.subscribe(narrow(slot), patterns);
            }
            for slot in (0..subscriptions.len()).filter(|&slot| leaving[slot]) {
                index.unsubscribe(narrow(slot));
            }
            for publish in publishes {
                let expected: BTreeSet<Slot> = subscriptions
                    .iter()
                    .enumerate()
                    .filter(|(slot, patterns)| !leaving[*slot] && patterns.iter().any(|known| pattern(&publish).overlaps(known)))
                    .map(|(slot, _)| narrow(slot))
                    .collect();
                let found: BTreeSet<Slot> = reached(&index, &publish).into_iter().collect();
                prop_assert_eq!(found, expected, "{}", publish);
            }
        }
    }
}
