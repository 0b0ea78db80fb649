//! Reading the window: what a subscription is owed, in order, a slice at a time. No I/O, no clock.
//!
//! One way serves all who are not live: those who come back with a last event id, those who fell behind, and those who ask
//! for the newest events of their topics. A slice costs what it gives: the lists of the topics that overlap are merged from
//! the cursor on. Only where those lists are more than the events behind the cursor, or than a slice may look at (a wide
//! prefix, `*`), the events are gone through instead.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::ControlFlow;

use hasses_client::wire::{EventId, SubscriberId, TopicPattern};

use super::topics::{List, ListKey, Place};
use super::window::{Entry, Window};
use crate::names::{Kind, parts};
use crate::sse::Rendered;

/// Events that one slice gives at most.
const MOST_EVENTS: usize = 64;
/// Bytes after which a slice ends; what ends it may be larger.
const MOST_BYTES: usize = 64 * 1024;
/// Lists or events that one slice looks at; of events fewer, where they are compared with several patterns.
const MOST_LOOKS: u64 = 4096;

/// What a subscription is owed.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// What it subscribed to.
    pub patterns: &'a [TopicPattern],
    /// Everything up to here it has.
    pub after: EventId,
    /// Nothing behind this: it is not live there yet.
    pub up_to: EventId,
    /// Of each topic only so many events, the newest, of those up to this id.
    pub newest: Option<(usize, EventId)>,
    /// Events that are not for this id are left out.
    pub id: Option<&'a SubscriberId>,
}

/// What a slice gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slice {
    /// All there is.
    Whole,
    /// There may be more behind this event.
    UpTo(EventId),
    /// Retention has passed the cursor: something that was owed may be gone. Nothing was given.
    Gone,
}

/// How the events of an ask are found.
enum Way {
    /// By these lists; each with where it begins.
    Lists(Vec<(ListKey, usize)>),
    /// One by one.
    Scan,
}

impl Window {
    /// Gives the next events of an ask, in order. What is superseded on a topic of which only the newest counts is left out.
    pub fn read(&self, ask: &Ask<'_>, out: &mut Vec<Rendered>) -> Slice {
        // The newest events of a topic are those that are here: where some leave, nothing is lost that was promised.
        let promised = ask.newest.map_or(ask.after, |(_, up_to)| up_to.max(ask.after));
        if promised < self.forgotten() {
            return Slice::Gone;
        }
        let range = (self.behind(ask.after), self.behind(ask.up_to));
        let (mut given, mut bytes) = (0, 0);
        let rest = self.walk(ask, range, |entry| {
            out.push(entry.rendered.clone());
            bytes += entry.rendered.len();
            given += 1;
            if given >= MOST_EVENTS || bytes >= MOST_BYTES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        rest.map_or(Slice::Whole, Slice::UpTo)
    }

    /// How many events an ask is owed.
    #[must_use]
    pub fn count(&self, ask: &Ask<'_>) -> u64 {
        let (from, to) = (self.behind(ask.after), self.behind(ask.up_to));
        let excepted = ask.id.is_some() && self.excepting > 0;
        if ask.newest.is_none() && ask.patterns.iter().any(is_everything) && !self.has_latest() && !excepted {
            return to.saturating_sub(from);
        }
        match self.way(ask, (from, to)) {
            Way::Lists(lists) if (lists.len() == 1 || self.in_several == 0) && !excepted => {
                let counted =
                    |&(key, start): &(ListKey, usize)| self.topics.list(key).before(to).saturating_sub(start) as u64;
                lists.iter().map(counted).sum()
            }
            Way::Lists(lists) => {
                let mut count = 0;
                self.merge(&lists, to, |entry| {
                    count += u64::from(!is_excepted(entry, ask));
                    ControlFlow::Continue(())
                });
                count
            }
            Way::Scan => self.count_all(ask, (from, to)),
        }
    }

    /// Goes through all events at once, which a slice never does. So where they are many, the patterns are compared with each list
    /// once, and not with each event.
    fn count_all(&self, ask: &Ask<'_>, (from, to): (Place, Place)) -> u64 {
        let comparisons = to.saturating_sub(from) * ask.patterns.len() as u64;
        let many = comparisons > self.entries.len() as u64;
        let overlapped = many.then(|| self.overlapped(ask.patterns));
        let overlaps = |key: ListKey, list: &List| match &overlapped {
            Some(overlapped) => overlapped.get(key) == Some(&true),
            None => overlaps(list, ask.patterns),
        };
        let is_owed = |&place: &Place| {
            let owed = |entry| !is_excepted(entry, ask) && self.is_owed(entry, place, ask, to, overlaps);
            self.at(place).is_some_and(owed)
        };
        (from..to).filter(is_owed).count() as u64
    }

    /// Which lists overlap any of the patterns, by their number. A pattern that another one holds, as `a*` does `ab`, is left out: the
    /// lists of a hundred that are within each other would be gone through a hundred times.
    fn overlapped(&self, patterns: &[TopicPattern]) -> Vec<bool> {
        let mut sorted: Vec<&TopicPattern> = patterns.iter().collect();
        sorted.sort_unstable_by_key(|pattern| {
            let (name, kind) = parts(pattern);
            (name, kind == Kind::Exact)
        });
        let mut overlapped = Vec::new();
        let mut holder = None;
        for pattern in sorted {
            let (name, kind) = parts(pattern);
            if holder.is_some_and(|prefix| name.starts_with(prefix)) {
                continue;
            }
            if kind == Kind::Prefix {
                holder = Some(name);
            }
            let _ = self.topics.names().overlapping(pattern, |key| {
                if overlapped.len() <= key {
                    overlapped.resize(key + 1, false);
                }
                overlapped[key] = true;
                ControlFlow::Continue(())
            });
        }
        overlapped
    }

    /// Visits the events of an ask between two places. Gives up to where it came, where that is not the end.
    fn walk(
        &self,
        ask: &Ask<'_>,
        range: (Place, Place),
        mut visit: impl FnMut(&Entry) -> ControlFlow<()>,
    ) -> Option<EventId> {
        let mut visit = |entry: &Entry| {
            if is_excepted(entry, ask) { ControlFlow::Continue(()) } else { visit(entry) }
        };
        match self.way(ask, range) {
            Way::Lists(lists) => self.merge(&lists, range.1, visit),
            Way::Scan => {
                let looks = (MOST_LOOKS / ask.patterns.len().max(1) as u64).max(MOST_EVENTS as u64);
                let end = range.1.min(range.0 + looks);
                let overlaps = |_, list: &List| overlaps(list, ask.patterns);
                for place in range.0..end {
                    let Some(entry) = self.at(place) else { break };
                    if self.is_owed(entry, place, ask, range.1, overlaps) && visit(entry).is_break() {
                        return Some(entry.id);
                    }
                }
                if end < range.1 { self.at(end - 1).map(|entry| entry.id) } else { None }
            }
        }
    }

    fn way(&self, ask: &Ask<'_>, (from, to): (Place, Place)) -> Way {
        let mut found: Vec<(ListKey, usize)> = Vec::new();
        // To go through an event is to compare it with each pattern.
        let most = (to.saturating_sub(from) * ask.patterns.len() as u64).min(MOST_LOOKS);
        let mut visited = 0;
        for pattern in ask.patterns {
            let everything = is_everything(pattern) && ask.newest.is_none();
            let walked = self.topics.names().overlapping(pattern, |key| {
                visited += 1;
                if everything || visited > most {
                    return ControlFlow::Break(());
                }
                let list = self.topics.list(key);
                if let Some(start) = start(list, from, to, self.newest_bound(ask)) {
                    found.push((key, start));
                }
                ControlFlow::Continue(())
            });
            if walked.is_break() {
                return Way::Scan;
            }
        }
        if ask.patterns.len() > 1 {
            // Patterns may overlap in what they name.
            found.sort_unstable();
            found.dedup();
        }
        Way::Lists(found)
    }

    /// How many of each list count, and up to which place.
    fn newest_bound(&self, ask: &Ask<'_>) -> Option<(usize, Place)> {
        ask.newest.map(|(most, up_to)| (most, self.behind(up_to)))
    }

    fn merge(
        &self,
        lists: &[(ListKey, usize)],
        to: Place,
        mut visit: impl FnMut(&Entry) -> ControlFlow<()>,
    ) -> Option<EventId> {
        if let [(key, start)] = lists {
            // Most subscriptions name one topic.
            let places = self.topics.list(*key).places().range(*start..).take_while(|&&place| place < to);
            for entry in places.filter_map(|&place| self.at(place)) {
                if visit(entry).is_break() {
                    return Some(entry.id);
                }
            }
            return None;
        }
        let place_of = |key: ListKey, nth: usize| self.topics.list(key).places().get(nth).filter(|&&place| place < to);
        let heads = lists.iter().filter_map(|&(key, nth)| Some(Reverse((*place_of(key, nth)?, key, nth))));
        let mut heads: BinaryHeap<_> = heads.collect();
        let mut last = None;
        while let Some(Reverse((place, key, nth))) = heads.pop() {
            if let Some(&next) = place_of(key, nth + 1) {
                heads.push(Reverse((next, key, nth + 1)));
            }
            // An event may stand in several of the lists.
            if last.replace(place) == Some(place) {
                continue;
            }
            if let Some(entry) = self.at(place)
                && visit(entry).is_break()
            {
                return Some(entry.id);
            }
        }
        None
    }

    /// Whether an event is for the patterns of an ask, and counts on one of the topics by which it is. `overlaps` says which
    /// lists the patterns overlap.
    fn is_owed(
        &self,
        entry: &Entry,
        place: Place,
        ask: &Ask<'_>,
        to: Place,
        overlaps: impl Fn(ListKey, &List) -> bool,
    ) -> bool {
        let newest = self.newest_bound(ask);
        let mut owed = false;
        entry.lists.each(|key| {
            let list = self.topics.list(key);
            if !owed && overlaps(key, list) {
                let all_count = !list.is_latest() && newest.is_none();
                owed = all_count || start(list, place, to, newest) == Some(list.before(place));
            }
        });
        owed
    }
}

fn overlaps(list: &List, patterns: &[TopicPattern]) -> bool {
    patterns.iter().any(|pattern| list.overlaps(pattern))
}

/// Whether it is not for whom is asked for.
fn is_excepted(entry: &Entry, ask: &Ask<'_>) -> bool {
    entry.except.is_some() && entry.except.as_ref() == ask.id
}

fn is_everything(pattern: &TopicPattern) -> bool {
    parts(pattern) == ("", Kind::Prefix)
}

/// Where a list begins for places from `from` to before `to`; `None` where nothing of it counts.
fn start(list: &List, from: Place, to: Place, newest: Option<(usize, Place)>) -> Option<usize> {
    let end = list.before(to);
    let mut start = list.before(from);
    if let Some((most, up_to)) = newest {
        start = start.max(list.before(up_to).saturating_sub(most));
    }
    if list.is_latest() {
        start = start.max(end.saturating_sub(1));
    }
    (start < end).then_some(start)
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
