//! The index of the window: for each topic and each prefix that was published to, the places of its events. No I/O, no clock.

use std::collections::VecDeque;
use std::sync::Arc;

use hasses_client::wire::TopicPattern;
use slab::Slab;

use crate::config::{SlowPolicy, SlowRule, slow_policy};
use crate::names::{Kind, Names, parts};

/// Number of an event since the window began; the next one has the next number.
pub(super) type Place = u64;
/// Number of a list.
pub(super) type ListKey = usize;

/// What a list takes beside its name and its places: its entries in the maps and in the slab.
const LIST_BYTES: usize = size_of::<List>() + 104;

/// The lists by name.
#[derive(Debug, Default)]
pub(super) struct Topics {
    names: Names,
    lists: Slab<List>,
    /// Memory that they take, about.
    bytes: usize,
}

/// The events of one topic or prefix.
#[derive(Debug)]
pub(super) struct List {
    name: Arc<str>,
    kind: Kind,
    policy: SlowPolicy,
    places: VecDeque<Place>,
}

impl Topics {
    /// Adds an event to the list of a pattern it was published to; gives the list.
    pub(super) fn add(&mut self, pattern: &TopicPattern, place: Place, rules: &[SlowRule]) -> ListKey {
        let key = self.names.find(pattern).unwrap_or_else(|| {
            let (name, kind) = parts(pattern);
            let policy = slow_policy(rules, name, kind);
            let name: Arc<str> = Arc::from(name);
            self.bytes += name.len() + LIST_BYTES;
            let key = self.lists.insert(List { name: name.clone(), kind, policy, places: VecDeque::new() });
            self.names.insert(name, kind, key);
            key
        });
        let places = &mut self.lists[key].places;
        // A pattern may be named twice.
        if places.back() != Some(&place) {
            places.push_back(place);
            self.bytes += size_of::<Place>();
        }
        key
    }

    /// The oldest event of all leaves a list.
    pub(super) fn remove_oldest(&mut self, key: ListKey, place: Place) {
        let Some(list) = self.lists.get_mut(key) else { return };
        if list.places.front() != Some(&place) {
            return;
        }
        list.places.pop_front();
        self.bytes -= size_of::<Place>();
        if list.places.is_empty() {
            let List { name, kind, .. } = self.lists.remove(key);
            self.bytes -= name.len() + LIST_BYTES;
            self.names.remove(&name, kind);
        } else if list.places.capacity() > 4 * list.places.len() {
            list.places.shrink_to(2 * list.places.len());
        }
    }

    /// The lists by name.
    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// One list.
    pub(super) fn list(&self, key: ListKey) -> &List {
        &self.lists[key]
    }

    /// Memory that the index takes, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// From now on these rules hold.
    pub(super) fn set_rules(&mut self, rules: &[SlowRule]) {
        for (_, list) in &mut self.lists {
            list.policy = slow_policy(rules, &list.name, list.kind);
        }
    }
}

impl List {
    /// The places, oldest first.
    pub(super) fn places(&self) -> &VecDeque<Place> {
        &self.places
    }

    /// How many of them are before `place`.
    pub(super) fn before(&self, place: Place) -> usize {
        // Most questions are about what came last.
        if self.places.back().is_none_or(|&last| last < place) {
            return self.places.len();
        }
        self.places.partition_point(|&known| known < place)
    }

    /// Only the newest event is kept for who is behind.
    pub(super) fn is_latest(&self) -> bool {
        self.policy == SlowPolicy::Latest
    }

    /// Whether a subscription to `pattern` gets what is in it.
    pub(super) fn overlaps(&self, pattern: &TopicPattern) -> bool {
        match (parts(pattern), self.kind) {
            ((name, Kind::Exact), Kind::Exact) => name == &*self.name,
            ((name, Kind::Exact), Kind::Prefix) => name.starts_with(&*self.name),
            ((prefix, Kind::Prefix), Kind::Exact) => self.name.starts_with(prefix),
            ((prefix, Kind::Prefix), Kind::Prefix) => self.name.starts_with(prefix) || prefix.starts_with(&*self.name),
        }
    }
}
