//! Topics and prefixes by name: which of them a pattern overlaps. No I/O, no clock.
//!
//! Exact topics and prefixes stand in ordered maps, so a prefix walks one range, and a topic finds the prefixes that it begins
//! with in a few steps, however many there are. Exact topics stand in a hash map as well: they are what is asked for most, and with
//! thousands of them an ordered map costs a microsecond of cache misses. Its hash is keyed, since names come from outside. The
//! subscriptions of a shard and the event log both look names up here.

use std::collections::{BTreeMap, HashMap};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use hasses_client::wire::TopicPattern;

/// A hash map of so few is not worth making smaller.
const LEAST: usize = 1024;

/// Names with a number for each.
#[derive(Debug, Default)]
pub struct Names {
    /// The same as `ordered`.
    exact: HashMap<Arc<str>, usize>,
    ordered: BTreeMap<Arc<str>, usize>,
    prefixes: BTreeMap<Arc<str>, usize>,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Itself.
    Exact,
    /// All topics that begin so.
    Prefix,
}

impl Names {
    /// The number of exactly this topic or prefix.
    #[must_use]
    pub fn find(&self, pattern: &TopicPattern) -> Option<usize> {
        match parts(pattern) {
            (name, Kind::Exact) => self.exact.get(name).copied(),
            (name, Kind::Prefix) => self.prefixes.get(name).copied(),
        }
    }

    /// Adds a name that is not there yet.
    pub fn insert(&mut self, name: Arc<str>, kind: Kind, number: usize) {
        match kind {
            Kind::Exact => {
                self.exact.insert(name.clone(), number);
                self.ordered.insert(name, number);
            }
            Kind::Prefix => {
                self.prefixes.insert(name, number);
            }
        }
    }

    /// Takes a name away.
    pub fn remove(&mut self, name: &str, kind: Kind) {
        match kind {
            Kind::Exact => {
                self.exact.remove(name);
                self.ordered.remove(name);
                if self.exact.capacity() > 4 * self.exact.len().max(LEAST) {
                    self.exact.shrink_to(2 * self.exact.len());
                }
            }
            Kind::Prefix => {
                self.prefixes.remove(name);
            }
        }
    }

    /// Visits the number of each name that overlaps a pattern, until told to stop.
    pub fn overlapping(
        &self,
        pattern: &TopicPattern,
        mut visit: impl FnMut(usize) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match pattern {
            TopicPattern::Exact(topic) => {
                if let Some(&number) = self.exact.get(topic.as_str()) {
                    visit(number)?;
                }
                self.beginnings_of(topic.as_str(), visit)
            }
            TopicPattern::Prefix(prefix) => {
                let prefix = prefix.as_str();
                for names in [&self.ordered, &self.prefixes] {
                    let from = (Bound::Included(prefix), Bound::Unbounded);
                    for (_, &number) in names.range::<str, _>(from).take_while(|(name, _)| name.starts_with(prefix)) {
                        visit(number)?;
                    }
                }
                // The prefix itself was in the range just walked.
                match prefix.char_indices().next_back() {
                    Some((last, _)) => self.beginnings_of(&prefix[..last], visit),
                    None => ControlFlow::Continue(()),
                }
            }
        }
    }

    /// Visits every prefix that `text` begins with.
    ///
    /// The greatest name not above `text` either is such a prefix, or differs from `text` at some byte; no prefix of `text`
    /// that is longer than what they have in common can stand in the map, since it would lie between the two.
    fn beginnings_of(&self, text: &str, mut visit: impl FnMut(usize) -> ControlFlow<()>) -> ControlFlow<()> {
        if self.prefixes.is_empty() {
            return ControlFlow::Continue(());
        }
        let mut probe = text;
        while let Some((name, &number)) =
            self.prefixes.range::<str, _>((Bound::Unbounded, Bound::Included(probe))).next_back()
        {
            if probe.starts_with(&**name) {
                visit(number)?;
                let Some((last, _)) = name.char_indices().next_back() else { break };
                probe = &probe[..last];
            } else {
                let mut common = probe.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
                while !probe.is_char_boundary(common) {
                    common -= 1;
                }
                probe = &probe[..common];
            }
        }
        ControlFlow::Continue(())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.prefixes.is_empty()
    }
}

/// The name of a pattern, without the `*` of a prefix, and what it stands for.
#[must_use]
pub fn parts(pattern: &TopicPattern) -> (&str, Kind) {
    match pattern {
        TopicPattern::Exact(topic) => (topic.as_str(), Kind::Exact),
        TopicPattern::Prefix(prefix) => (prefix.as_str(), Kind::Prefix),
    }
}
