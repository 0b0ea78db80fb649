//! What a subscriber has to get next, of each publisher.

use std::collections::BTreeMap;

use crate::publisher::TOPICS;

/// The numbers of each publisher that come to one subscriber.
#[derive(Clone, Debug)]
pub(crate) struct Sequences {
    /// Of which topics, a bit each.
    topics: u64,
    last: BTreeMap<u64, u64>,
    /// Whose next event may be any later one, since the stream has told of a gap, or has only begun.
    may_skip: BTreeMap<u64, bool>,
    may_begin: bool,
}

impl Sequences {
    /// Of these topics, from anywhere on.
    pub(crate) fn new(topics: impl IntoIterator<Item = u64>) -> Self {
        let topics = topics.into_iter().fold(0, |all, topic| all | bit(topic));
        Self { topics, last: BTreeMap::new(), may_skip: BTreeMap::new(), may_begin: true }
    }

    /// An event has come.
    pub(crate) fn take(&mut self, publisher: u64, number: u64) -> Result<(), String> {
        if !self.wants(number) {
            return Err(format!("event {number} of publisher {publisher} is of a topic that was not subscribed to"));
        }
        let may_skip = self.may_skip.insert(publisher, false).unwrap_or(self.may_begin);
        let last = self.last.insert(publisher, number).unwrap_or(0);
        let expected = (last + 1..).find(|number| self.wants(*number)).unwrap_or(0);
        if number == expected || may_skip && number > expected {
            return Ok(());
        }
        let what = if number > expected { "is missing" } else { "was there before" };
        let which = if number > expected { expected } else { number };
        Err(format!("event {which} of publisher {publisher} {what}: {number} came behind {last}"))
    }

    /// The stream has told that something may be missing.
    pub(crate) fn skip(&mut self) {
        self.may_begin = true;
        self.may_skip.clear();
    }

    /// Whether everything up to these numbers has come.
    pub(crate) fn is_complete(&self, newest: &BTreeMap<u64, u64>) -> bool {
        newest.iter().all(|(publisher, newest)| {
            let last = self.last.get(publisher).copied().unwrap_or(0);
            !(last + 1..=*newest).any(|number| self.wants(number))
        })
    }

    /// The last numbers, in words.
    pub(crate) fn standing(&self) -> String {
        format!("{:?}", self.last)
    }

    fn wants(&self, number: u64) -> bool {
        self.topics & bit(number) != 0
    }
}

fn bit(number: u64) -> u64 {
    1 << (number % TOPICS)
}

/// Whose an event is, its number, and when it was made, in microseconds since 1970.
pub(crate) fn read(data: &str) -> Option<(u64, u64, u128)> {
    let mut words = data.split(' ');
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}
