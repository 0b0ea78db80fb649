//! Topics and prefixes by name: which of them a pattern overlaps. No I/O, no clock.
//!
//! Names stand in ordered maps, so that a prefix walks one range, and in hash maps as well: looking one up is what is done for every
//! event, and with thousands of them an ordered map costs a microsecond of cache misses. A topic finds the prefixes that it begins
//! with by asking for each length that any has. The hashes are keyed, since names come from outside. The subscriptions of a shard
//! and the event log both look names up here.

use std::collections::{BTreeMap, HashMap};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use hasses_client::wire::TopicPattern;

/// A hash map of so few is not worth making smaller.
const LEAST: usize = 1024;

/// Names with a number for each.
#[derive(Debug, Default)]
pub struct Names {
    exact: Table,
    prefixes: Table,
    /// How many prefixes have each length in bytes that any has.
    lengths: BTreeMap<usize, usize>,
}

/// Names of one kind.
#[derive(Debug, Default)]
struct Table {
    hashed: HashMap<Arc<str>, usize>,
    /// The same.
    ordered: BTreeMap<Arc<str>, usize>,
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
            (name, Kind::Exact) => self.exact.find(name),
            (name, Kind::Prefix) => self.prefixes.find(name),
        }
    }

    /// Adds a name that is not there yet.
    pub fn insert(&mut self, name: Arc<str>, kind: Kind, number: usize) {
        match kind {
            Kind::Exact => self.exact.insert(name, number),
            Kind::Prefix => {
                *self.lengths.entry(name.len()).or_default() += 1;
                self.prefixes.insert(name, number);
            }
        }
    }

    /// Takes a name away that is there.
    pub fn remove(&mut self, name: &str, kind: Kind) {
        match kind {
            Kind::Exact => self.exact.remove(name),
            Kind::Prefix => {
                if let Some(count) = self.lengths.get_mut(&name.len()) {
                    *count -= 1;
                    if *count == 0 {
                        self.lengths.remove(&name.len());
                    }
                }
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
                if let Some(number) = self.exact.find(topic.as_str()) {
                    visit(number)?;
                }
                self.beginnings_of(topic.as_str(), visit)
            }
            TopicPattern::Prefix(prefix) => {
                let prefix = prefix.as_str();
                for names in [&self.exact.ordered, &self.prefixes.ordered] {
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

    /// Visits every prefix that `text` begins with, the longest first.
    fn beginnings_of(&self, text: &str, mut visit: impl FnMut(usize) -> ControlFlow<()>) -> ControlFlow<()> {
        for (&length, _) in self.lengths.range(..=text.len()).rev() {
            // Within a character no prefix ends.
            if let Some(number) = text.get(..length).and_then(|beginning| self.prefixes.find(beginning)) {
                visit(number)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exact.hashed.is_empty() && self.prefixes.hashed.is_empty()
    }
}

impl Table {
    fn find(&self, name: &str) -> Option<usize> {
        self.hashed.get(name).copied()
    }

    fn insert(&mut self, name: Arc<str>, number: usize) {
        self.hashed.insert(name.clone(), number);
        self.ordered.insert(name, number);
    }

    fn remove(&mut self, name: &str) {
        self.hashed.remove(name);
        self.ordered.remove(name);
        if self.hashed.capacity() > 4 * self.hashed.len().max(LEAST) {
            self.hashed.shrink_to(2 * self.hashed.len());
        }
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
