//! The events that the daemon holds in memory, in their order: what is replayed comes from here. No I/O, no clock.
//!
//! Bounded by bytes, age and count at once. An event leaves at the old end, at amortised constant cost; with the last of its
//! topic goes the topic, and with each goes its publisher's key.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use hasses_client::wire::{EventId, Publish, PublishKey, SubscriberId};

use super::store::History;
use super::topics::{ListKey, Place, Topics};
use crate::config::{SlowPolicy, SlowRule};
use crate::sse::Rendered;
use crate::wheel::Millis;

/// How much the log keeps: whichever bound is reached first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Bytes of memory, index and keys included. The newest event stays, however large.
    pub bytes: usize,
    /// Age of the oldest event; `None` is no limit.
    pub age: Option<Duration>,
    /// Number of events.
    pub events: usize,
}

/// What a window holds, in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Number of events.
    pub events: usize,
    /// Memory that they take with index and keys, about.
    pub bytes: usize,
    /// Id of the oldest; where there is none, the newest that ever was.
    pub oldest: EventId,
    /// Events let go since the start.
    pub evicted: u64,
}

/// Events in their order.
#[derive(Debug)]
pub struct Window {
    history: History,
    pub(super) entries: VecDeque<Entry>,
    /// Place of the first entry.
    pub(super) first: Place,
    pub(super) topics: Topics,
    keys: HashMap<Arc<str>, EventId>,
    /// Memory of entries and keys, about.
    bytes: usize,
    retention: Retention,
    rules: Vec<SlowRule>,
    evicted: u64,
    /// Entries that stand in several lists, and entries that are not for everybody: they make counting more than a subtraction.
    pub(super) in_several: usize,
    pub(super) excepting: usize,
}

/// One event.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: EventId,
    pub(super) rendered: Rendered,
    pub(super) lists: Lists,
    pub(super) except: Option<SubscriberId>,
    key: Option<Arc<str>>,
    at: i64,
}

/// The lists that an event stands in.
#[derive(Debug)]
pub(super) enum Lists {
    One(ListKey),
    Several(Box<[ListKey]>),
}

/// How a last event id stands to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Everything after it is here.
    Known,
    /// Something after it may have been let go.
    Gap,
    /// It is not of this log.
    Unknown,
}

impl Window {
    /// An empty window over a store with this history.
    #[must_use]
    pub fn new(history: History, retention: Retention, rules: Vec<SlowRule>) -> Self {
        Self {
            history,
            entries: VecDeque::new(),
            first: 0,
            topics: Topics::default(),
            keys: HashMap::new(),
            bytes: 0,
            retention,
            rules,
            evicted: 0,
            in_several: 0,
            excepting: 0,
        }
    }

    /// Adds the newest event, which came `at` by the daemon's clock: below zero where that was before its start.
    pub fn push(&mut self, id: EventId, publish: &Publish, rendered: Rendered, at: i64) {
        let place = self.first + self.entries.len() as u64;
        let lists = match publish.topics.single() {
            Some(topic) => Lists::One(self.topics.add(topic, place, &self.rules)),
            None => {
                Lists::Several(publish.topics.iter().map(|topic| self.topics.add(topic, place, &self.rules)).collect())
            }
        };
        let key: Option<Arc<str>> = publish.key.as_ref().map(|key| Arc::from(key.as_str()));
        if let Some(key) = &key {
            self.keys.insert(key.clone(), id);
        }
        let entry = Entry { id, rendered, lists, except: publish.except.clone(), key, at };
        self.bytes += entry.bytes();
        self.in_several += usize::from(entry.is_in_several());
        self.excepting += usize::from(entry.except.is_some());
        self.entries.push_back(entry);
        self.history.newest = id;
    }

    /// All events of a store have been added; this is its history. What was over a bound may have been let go already.
    pub fn loaded(&mut self, history: History) {
        let forgotten = history.forgotten.max(self.history.forgotten);
        self.history = History { forgotten, ..history };
    }

    /// Lets go of what is over a bound. Gives the newest event that is gone now, where any is.
    pub fn evict(&mut self, now: Millis) -> Option<EventId> {
        let before = self.evicted;
        while let Some(oldest) = self.entries.front() {
            let age = self.retention.age.map(crate::connection::millis);
            let too_old = age.is_some_and(|age| oldest.age(now) > age);
            let too_many = self.entries.len() > self.retention.events;
            let too_large = self.bytes() > self.retention.bytes && self.entries.len() > 1;
            if !(too_old || too_many || too_large) {
                break;
            }
            self.pop();
        }
        if self.entries.capacity() > 4 * self.entries.len().max(1024) {
            self.entries.shrink_to(2 * self.entries.len());
            self.keys.shrink_to(2 * self.keys.len());
        }
        (self.evicted > before).then_some(self.history.forgotten)
    }

    fn pop(&mut self) {
        let Some(entry) = self.entries.pop_front() else { return };
        entry.lists.each(|list| self.topics.remove_oldest(list, self.first));
        // Where others write to the same store, a later event may have the key as well.
        if let Some(key) = &entry.key
            && self.keys.get(key) == Some(&entry.id)
        {
            self.keys.remove(key);
        }
        self.bytes -= entry.bytes();
        self.in_several -= usize::from(entry.is_in_several());
        self.excepting -= usize::from(entry.except.is_some());
        self.first += 1;
        self.evicted += 1;
        self.history.forgotten = entry.id;
    }

    /// The id of the event that a publisher's key was accepted with, as long as the event is here.
    #[must_use]
    pub fn accepted(&self, key: &PublishKey) -> Option<EventId> {
        self.keys.get(key.as_str()).copied()
    }

    /// How a last event id stands to what is here.
    #[must_use]
    pub fn standing(&self, id: EventId) -> Standing {
        let History { birth, forgotten, .. } = self.history;
        if id < birth {
            Standing::Unknown
        } else if id < forgotten {
            Standing::Gap
        } else if id == forgotten || self.entries.binary_search_by_key(&id, |entry| entry.id).is_ok() {
            Standing::Known
        } else {
            // Every id that was ever given out is an event's: this one is from the future, or from an order that went
            // another way (a log that lost its last events with the machine, or was put back).
            Standing::Unknown
        }
    }

    /// The newest event that ever was in the log, or the log's birth.
    #[must_use]
    pub fn newest(&self) -> EventId {
        self.history.newest
    }

    /// The newest event that is not here any more, or the log's birth.
    #[must_use]
    pub fn forgotten(&self) -> EventId {
        self.history.forgotten
    }

    /// The oldest event that is here; where there is none, the newest that ever was.
    #[must_use]
    pub fn oldest(&self) -> EventId {
        self.entries.front().map_or(self.history.newest, |entry| entry.id)
    }

    /// For how long events are kept as things go, in milliseconds; `None` as long as none had to leave.
    #[must_use]
    pub fn reach(&self, now: Millis) -> Option<Millis> {
        let age = self.retention.age.map(crate::connection::millis);
        let oldest = self.entries.front().filter(|_| self.evicted > 0).map(|entry| entry.age(now));
        age.into_iter().chain(oldest).min()
    }

    /// What it holds.
    #[must_use]
    pub fn holdings(&self) -> Holdings {
        let (events, oldest) = (self.entries.len(), self.oldest());
        Holdings { events, bytes: self.bytes(), oldest, evicted: self.evicted }
    }

    /// From now on these bounds and rules hold.
    pub fn set(&mut self, retention: Retention, rules: Vec<SlowRule>) {
        self.retention = retention;
        if self.rules != rules {
            self.topics.set_rules(&rules);
            self.rules = rules;
        }
    }

    fn bytes(&self) -> usize {
        self.bytes + self.topics.bytes()
    }

    /// There may be topics of which only the newest event is kept for who is behind.
    pub(super) fn has_latest(&self) -> bool {
        self.rules.iter().any(|rule| rule.policy == SlowPolicy::Latest)
    }

    /// The place of the first entry with an id greater than `id`.
    pub(super) fn behind(&self, id: EventId) -> Place {
        if self.history.newest <= id {
            return self.first + self.entries.len() as u64;
        }
        self.first + self.entries.partition_point(|entry| entry.id <= id) as u64
    }

    /// The entry at a place that is known to be here.
    pub(super) fn at(&self, place: Place) -> Option<&Entry> {
        self.entries.get(usize::try_from(place.checked_sub(self.first)?).ok()?)
    }
}

impl Entry {
    fn age(&self, now: Millis) -> Millis {
        u64::try_from(signed(now).saturating_sub(self.at)).unwrap_or(0)
    }

    /// Memory that it takes, about; its places in lists are counted there.
    fn bytes(&self) -> usize {
        // An allocation has a header of two words, and two counters where it is shared; a key stands in the map as well.
        let key = self.key.as_ref().map_or(0, |key| key.len() + 96);
        let except = self.except.as_ref().map_or(0, |id| id.as_str().len() + 16);
        let lists = match &self.lists {
            Lists::One(_) => 0,
            Lists::Several(lists) => size_of_val(&**lists) + 16,
        };
        size_of::<Self>() + self.rendered.len() + 32 + key + except + lists
    }

    fn is_in_several(&self) -> bool {
        matches!(self.lists, Lists::Several(_))
    }
}

/// Milliseconds of the daemon's clock fit for half a billion years.
#[must_use]
pub fn signed(at: Millis) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}

impl Lists {
    pub(super) fn each(&self, mut visit: impl FnMut(ListKey)) {
        match self {
            Self::One(list) => visit(*list),
            Self::Several(lists) => lists.iter().for_each(|&list| visit(list)),
        }
    }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
