//! What should be: every event in its order, and what of it a subscription is owed, told by looking at each event.

use hasses::config::{SlowPolicy, SlowRule, slow_policy};
use hasses::log::Ordered;
use hasses::names::parts;
use hasses_client::wire::{EventId, Publish, SubscriberId, TopicPattern};

#[derive(Debug, Default)]
pub(crate) struct Reference {
    pub(crate) birth: EventId,
    pub(crate) events: Vec<Known>,
    /// The newest event that retention has passed, or the birth.
    pub(crate) forgotten: EventId,
    /// The rules for slow subscribers, as they followed each other; the last are in force.
    pub(crate) rules: Vec<Vec<SlowRule>>,
    /// How often somebody has fallen behind.
    pub(crate) behind_total: u64,
}

#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) id: EventId,
    pub(crate) publish: Publish,
    /// As a page gets it.
    pub(crate) event: String,
    pub(crate) data: String,
}

/// What a subscription asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) patterns: Vec<TopicPattern>,
    pub(crate) id: Option<SubscriberId>,
    pub(crate) replay: Option<usize>,
    pub(crate) last_event_id: String,
}

/// How a subscription should begin.
#[derive(Clone, Debug)]
pub(crate) struct Beginning {
    /// The data of the verdict, where there is one.
    pub(crate) verdict: Option<String>,
    /// How many events that says are replayed.
    pub(crate) replayed: u64,
    /// Everything after this is owed.
    pub(crate) start: EventId,
    /// Of what came before that, so many of each topic.
    pub(crate) newest: Option<usize>,
    /// Where its shard stood.
    pub(crate) position: EventId,
    /// The rules that were in force, by their number.
    pub(crate) rules: usize,
    /// How often somebody had fallen behind.
    pub(crate) behind_total: u64,
}

impl Reference {
    pub(crate) fn add(&mut self, ordered: &Ordered) {
        let Ordered { id, publish, .. } = ordered;
        self.events.push(Known {
            id: *id,
            publish: publish.clone(),
            event: publish.event.as_ref().map_or("message".to_owned(), ToString::to_string),
            data: publish.data.clone(),
        });
    }

    pub(crate) fn newest(&self) -> EventId {
        self.events.last().map_or(self.birth, |event| event.id)
    }

    /// None of the events from this number on has the key of one that is here.
    pub(crate) fn check_keys(&self, from: usize) {
        for (nth, event) in self.events.iter().enumerate().skip(from) {
            let Some(key) = &event.publish.key else { continue };
            let same = self.events[..nth].iter().rfind(|known| known.publish.key.as_ref() == Some(key));
            assert!(same.is_none_or(|same| same.id <= self.forgotten), "{key:?} was accepted twice, as {}", event.id);
        }
    }

    fn here(&self) -> &[Known] {
        &self.events[self.events.partition_point(|event| event.id <= self.forgotten)..]
    }

    /// How a subscription begins that a shard enters now which has come to `position`.
    pub(crate) fn beginning(&self, asked: &Asked, position: EventId) -> Beginning {
        let rules = self.rules.len() - 1;
        let live = Beginning {
            verdict: None,
            replayed: 0,
            start: position,
            newest: None,
            position,
            rules,
            behind_total: self.behind_total,
        };
        let reset = Beginning { verdict: Some(r#"{"status":"reset"}"#.to_owned()), ..live };
        let last = asked.last_event_id.trim_matches(|c: char| c.is_ascii_whitespace());
        if last.is_empty() {
            return Beginning { newest: asked.replay, ..live };
        }
        let Ok(last) = last.parse::<EventId>() else {
            return reset;
        };
        if last == self.forgotten || self.here().iter().any(|event| event.id == last) {
            let replayed = self.count(asked, last, position);
            let verdict = format!(r#"{{"status":"resumed","replayed":{replayed}}}"#);
            return Beginning { verdict: Some(verdict), replayed, start: last, ..live };
        }
        if self.birth <= last && last < self.forgotten {
            let replayed = self.count(asked, self.forgotten, position);
            let oldest = self.here().first().map_or(self.newest(), |event| event.id);
            let verdict = format!(r#"{{"status":"gap","oldest":"{oldest}","replayed":{replayed}}}"#);
            // A shard that retention has passed still gets all behind its position.
            let start = if last <= position { self.forgotten.min(position) } else { self.forgotten };
            return Beginning { verdict: Some(verdict), replayed, start, ..live };
        }
        reset
    }

    /// How many events are sent to who has everything up to `after` and is then at `position`.
    fn count(&self, asked: &Asked, after: EventId, position: EventId) -> u64 {
        let rules = self.rules.last().map_or(&[][..], Vec::as_slice);
        let counts = |event: &&Known| {
            asked.is_for(event)
                && asked.lists(event).any(|list| !is_latest(rules, list) || self.later(list, event.id, position) == 0)
        };
        self.events.iter().filter(|event| event.id > after && event.id <= position).filter(counts).count() as u64
    }

    /// How many events up to `up_to` were published to a topic or prefix after this one.
    fn later(&self, list: &TopicPattern, id: EventId, up_to: EventId) -> usize {
        let behind = &self.events[self.events.partition_point(|event| event.id <= id)..];
        let behind = behind.iter().take_while(|event| event.id <= up_to);
        behind.filter(|event| event.publish.topics.iter().any(|it| it == list)).count()
    }

    /// Whether an event must not come: it is not among the newest that were asked for of any topic.
    pub(crate) fn is_too_old(&self, event: &Known, asked: &Asked, beginning: &Beginning) -> bool {
        event.id <= beginning.start && asked.lists(event).all(|list| self.is_cut(list, event.id, beginning))
    }

    fn is_cut(&self, list: &TopicPattern, id: EventId, beginning: &Beginning) -> bool {
        let most = beginning.newest.unwrap_or(0);
        id <= beginning.start && self.later(list, id, beginning.position) >= most
    }

    /// Whether an event that is for a subscription may be left out: by each of its topics it is not among the newest that were
    /// asked for, or is superseded while the subscription is behind; or it was, and is gone.
    pub(crate) fn may_be_left_out(
        &self,
        event: &Known,
        asked: &Asked,
        beginning: &Beginning,
        live_from: Option<EventId>,
        position: EventId,
    ) -> bool {
        if event.id <= beginning.start && event.id <= self.forgotten {
            return true;
        }
        let may_be_behind = self.behind_total > beginning.behind_total || live_from.is_none_or(|from| event.id <= from);
        asked.lists(event).all(|list| {
            let superseded =
                may_be_behind && self.may_be_latest(list, beginning) && self.later(list, event.id, position) > 0;
            self.is_cut(list, event.id, beginning) || superseded
        })
    }

    /// Whether of a topic only the newest event counted at some time since a subscription began.
    fn may_be_latest(&self, list: &TopicPattern, beginning: &Beginning) -> bool {
        self.rules[beginning.rules..].iter().any(|rules| is_latest(rules, list))
    }

    /// Whether there was such a topic.
    pub(crate) fn may_have_latest(&self, beginning: &Beginning) -> bool {
        self.rules[beginning.rules..].iter().flatten().any(|rule| rule.policy == SlowPolicy::Latest)
    }
}

impl Asked {
    /// Whether an event reaches this subscription at all.
    pub(crate) fn is_for(&self, event: &Known) -> bool {
        let excepted = event.publish.except.is_some() && event.publish.except == self.id;
        !excepted && self.lists(event).next().is_some()
    }

    /// The topics and prefixes by which it does.
    fn lists<'a>(&'a self, event: &'a Known) -> impl Iterator<Item = &'a TopicPattern> {
        event.publish.topics.iter().filter(|list| self.patterns.iter().any(|pattern| list.overlaps(pattern)))
    }
}

fn is_latest(rules: &[SlowRule], list: &TopicPattern) -> bool {
    let (name, kind) = parts(list);
    slow_policy(rules, name, kind) == SlowPolicy::Latest
}
