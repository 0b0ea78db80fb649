//! The event log as simple as it can be, which the window is held against: every event that ever was, in one list, each compared
//! with each pattern, one by one.

use std::collections::BTreeSet;

use hasses_client::wire::{EventId, Publish, PublishKey, SubscriberId, TopicPattern};
use proptest::prelude::*;

use super::read::Ask;
use super::store::History;
use super::window::{Retention, Standing, Window};
use crate::config::{SlowPolicy, SlowRule, slow_policy};
use crate::names::parts;
use crate::sse::{Framing, Rendered};
use crate::wheel::Millis;

#[derive(Debug)]
pub(super) struct Naive {
    pub(super) birth: EventId,
    pub(super) events: Vec<Kept>,
    /// So many of the events are gone.
    pub(super) gone: usize,
    pub(super) retention: Retention,
    pub(super) rules: Vec<SlowRule>,
}

#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) id: EventId,
    pub(super) publish: Publish,
    pub(super) at: i64,
}

impl Naive {
    pub(super) fn here(&self) -> &[Kept] {
        &self.events[self.gone..]
    }

    pub(super) fn forgotten(&self) -> EventId {
        self.events[..self.gone].last().map_or(self.birth, |event| event.id)
    }

    pub(super) fn newest(&self) -> EventId {
        self.events.last().map_or(self.birth, |event| event.id)
    }

    /// Too old, or too many, by the bounds that do not depend on how memory is counted.
    pub(super) fn must_leave(&self, now: Millis) -> bool {
        let Some(oldest) = self.here().first() else { return false };
        let age = i64::try_from(now).unwrap() - oldest.at;
        let limit = self.retention.age.map(|age| i64::try_from(age.as_millis()).unwrap());
        self.here().len() > self.retention.events || limit.is_some_and(|limit| age > limit)
    }

    pub(super) fn standing(&self, id: EventId) -> Standing {
        if id < self.birth {
            Standing::Unknown
        } else if id == self.forgotten() || self.here().iter().any(|event| event.id == id) {
            Standing::Known
        } else if id < self.forgotten() {
            Standing::Gap
        } else {
            Standing::Unknown
        }
    }

    pub(super) fn accepted(&self, key: &PublishKey) -> Option<EventId> {
        self.here().iter().rev().find(|event| event.publish.key.as_ref() == Some(key)).map(|event| event.id)
    }

    pub(super) fn owed(&self, ask: &Ask<'_>) -> Vec<EventId> {
        let within = |event: &&Kept| event.id > ask.after && event.id <= ask.up_to;
        let owed = self.here().iter().filter(within).filter(|event| self.is_owed(event, ask));
        owed.map(|event| event.id).collect()
    }

    fn is_owed(&self, event: &Kept, ask: &Ask<'_>) -> bool {
        if event.publish.except.is_some() && event.publish.except.as_ref() == ask.id {
            return false;
        }
        event.publish.topics.iter().any(|list| {
            // Events of the same list that come later.
            let later = |up_to: EventId| {
                let in_list = self.here().iter().filter(|other| other.publish.topics.iter().any(|it| it == list));
                in_list.filter(|other| other.id > event.id && other.id <= up_to).count()
            };
            let (name, kind) = parts(list);
            let superseded = slow_policy(&self.rules, name, kind) == SlowPolicy::Latest && later(ask.up_to) > 0;
            let too_many = ask.newest.is_some_and(|(most, up_to)| event.id <= up_to && later(up_to) >= most);
            ask.patterns.iter().any(|pattern| list.overlaps(pattern)) && !superseded && !too_many
        })
    }
}

/// Patterns of which many are equal, overlap, or begin alike.
pub(super) fn pattern() -> impl Strategy<Value = TopicPattern> {
    "[ab]{1,2}\\*?|b{3}|\\*".prop_map(|text| TopicPattern::new(text).unwrap())
}

pub(super) fn subscriber() -> impl Strategy<Value = SubscriberId> {
    prop::sample::select(vec!["me", "you"]).prop_map(|text| SubscriberId::new(text).unwrap())
}

pub(super) fn rules() -> impl Strategy<Value = Vec<SlowRule>> {
    let rule = (pattern(), prop::sample::select(vec![SlowPolicy::Latest, SlowPolicy::CatchUp]));
    prop::collection::vec(rule.prop_map(|(pattern, policy)| SlowRule { pattern, policy }), 0..3)
}

/// The names under which the events stand, each once.
pub(super) fn lists(events: &[Kept]) -> BTreeSet<TopicPattern> {
    events.iter().flat_map(|event| event.publish.topics.iter().cloned()).collect()
}

pub(super) const BIRTH: EventId = EventId { millis: 1000, sequence: 0 };
pub(super) const ALL: Retention = Retention { bytes: usize::MAX, age: None, events: usize::MAX };

pub(super) fn empty(retention: Retention) -> Window {
    Window::new(History { birth: BIRTH, newest: BIRTH, forgotten: BIRTH }, retention, Vec::new())
}

pub(super) fn id(millis: u64, sequence: u64) -> EventId {
    EventId { millis, sequence }
}

pub(super) fn to(topic: &str) -> Publish {
    Publish::new(TopicPattern::new(topic).unwrap(), "text")
}

pub(super) fn push(window: &mut Window, id: EventId, publish: &Publish, at: i64) {
    window.push(id, publish, Rendered::event(id, publish, &mut Vec::new()), at);
}

pub(super) fn id_of(rendered: &Rendered) -> EventId {
    Rendered::id_of(rendered.as_framed(Framing::Chunked).0).unwrap()
}
