//! Subscribers that are not live: they get what they are owed from the event log, a slice at a time, and are live from the
//! position on at which nothing is owed any more.
//!
//! There are three ways here: coming back with a last event id, asking for the newest events of each topic, and being too slow
//! for an outbox. Within a shard, snapshot and live meet at one position without anybody waiting: only the shard moves its
//! position on, and it reads the log up to there.

use std::sync::atomic::Ordering::Relaxed;

use hasses_client::wire::{EventId, TopicPattern};
use tracing::{debug, info};

use crate::batch::Event;
use crate::config::{SlowPolicy, slow_policy};
use crate::connection::Phase;
use crate::http::LastEventId;
use crate::index::Slot;
use crate::log::{Ask, Slice, Standing};
use crate::names::parts;
use crate::outbox::{Outbox, Pool};
use crate::shard::Shard;
use crate::sse::{Rendered, Verdict};

/// Slices of the log that are read in one turn: less than a millisecond of work, so that live events get through.
const SLICES_A_TURN: usize = 8;

/// What a subscriber is owed from the log.
#[derive(Debug)]
pub struct Behind {
    /// What it subscribed to.
    patterns: Box<[TopicPattern]>,
    /// Everything up to here it has, or will have from its outbox.
    after: EventId,
    /// It asked for so many of the newest events of each topic, of those up to the id.
    newest: Option<(usize, EventId)>,
    /// It was too slow, and did not just come.
    slow: bool,
}

impl Behind {
    /// A socket took no more: what was read for it is read again once it does, so that a slow one holds no more than an event.
    pub(super) fn let_go(&mut self, outbox: &mut Outbox, pool: &mut Pool) {
        if let Some(first) = outbox.let_go(pool) {
            self.after = first.before();
        }
    }
}

impl Shard {
    /// Decides where a new subscription begins, and tells it. `newest` is how many of the newest events it asked for.
    pub(super) fn begin_stream(
        &mut self,
        slot: Slot,
        patterns: Vec<TopicPattern>,
        last_event_id: Option<LastEventId>,
        newest: Option<usize>,
    ) {
        let position = self.position;
        let connection = &self.connections[slot as usize];
        let ask =
            Ask { patterns: &patterns, after: position, up_to: position, newest: None, id: connection.id.as_ref() };
        let mut first = None;
        let window = self.shared.log.window();
        let (verdict, after, newest) = match (last_event_id, newest) {
            // Where retention has passed the shard, which is that far behind the log, there is nothing to be read before it.
            (None, Some(most)) if window.forgotten() < position => (None, window.forgotten(), Some((most, position))),
            (None, _) => (None, position, None),
            (Some(LastEventId::Foreign), _) => (Some(Verdict::Reset), position, None),
            (Some(LastEventId::Id(id)), _) => match window.standing(id) {
                Standing::Unknown => (Some(Verdict::Reset), position, None),
                Standing::Known => {
                    let replayed = window.count(&Ask { after: id, ..ask });
                    (Some(Verdict::Resumed { replayed }), id, None)
                }
                Standing::Gap => {
                    let oldest = window.oldest();
                    if window.forgotten() > position && id <= position {
                        // Retention has passed the shard: nothing is left before its position, and all behind it comes live.
                        (Some(Verdict::Gap { oldest, replayed: 0 }), position, None)
                    } else {
                        // It begins at the edge of what is kept, and on a busy log that edge moves on before its turn comes. So
                        // it gets its first slice with the verdict, which for most is all there is.
                        let after = window.forgotten();
                        let ask = Ask { after, ..ask };
                        if after <= position {
                            let mut events = Vec::new();
                            first = Some((window.read(&ask, &mut events), events));
                        }
                        (Some(Verdict::Gap { oldest, replayed: window.count(&ask) }), after, None)
                    }
                }
            },
        };
        drop(window);
        if let Some(verdict) = verdict {
            self.tell(slot, verdict);
        }
        let nothing = matches!(verdict, Some(Verdict::Resumed { replayed: 0 })) && after <= position;
        if nothing || (after == position && newest.is_none()) {
            return self.go_live(slot, position);
        }
        let behind = Behind { patterns: patterns.into_boxed_slice(), after, newest, slow: false };
        self.connections[slot as usize].behind = Some(Box::new(behind));
        if let Some((slice, events)) = first {
            self.give(slot, slice, &events);
        }
    }

    /// Tells a subscriber what became of its last event id.
    fn tell(&mut self, slot: Slot, verdict: Verdict) {
        let counters = &self.shared.counters;
        let (counter, replayed) = match verdict {
            Verdict::Resumed { replayed } => (&counters.resumed, replayed),
            Verdict::Gap { replayed, .. } => (&counters.gaps, replayed),
            Verdict::Reset => (&counters.resets, 0),
        };
        counter.fetch_add(1, Relaxed);
        counters.replayed.fetch_add(replayed, Relaxed);
        debug!("client {} comes back: {verdict:?}", self.connections[slot as usize].number);
        let retry = self.settings.limits.retry.as_millis();
        self.notice(slot, &Rendered::verdict(verdict, retry));
    }

    /// From here on events come as they are published.
    fn go_live(&mut self, slot: Slot, position: EventId) {
        let connection = &mut self.connections[slot as usize];
        connection.behind = None;
        connection.told = self.now;
        let cursor = self.cursor(position);
        self.notice(slot, &cursor);
    }

    /// The event that tells where a subscriber stands, made anew only when the position has moved on.
    pub(super) fn cursor(&mut self, position: EventId) -> Rendered {
        match &self.cursor {
            Some((known, rendered)) if *known == position => rendered.clone(),
            _ => {
                let rendered = Rendered::cursor(position);
                self.cursor = Some((position, rendered.clone()));
                rendered
            }
        }
    }

    /// Puts an event of the daemon's own into an outbox, where its subscriber wants to be told.
    pub(super) fn notice(&mut self, slot: Slot, notice: &Rendered) {
        let connection = &mut self.connections[slot as usize];
        if connection.notices && self.settings.notices {
            let (bytes, range) = notice.framed(connection.framing);
            connection.outbox.push_other(bytes, range, &mut self.pool);
        }
    }

    /// An outbox has no room for an event: its subscriber is behind from now on.
    pub(super) fn fall_behind(&mut self, slot: Slot, event: &Event) {
        let rules = &self.settings.slow;
        let is_disconnect = |(name, kind)| slow_policy(rules, name, kind) == SlowPolicy::Disconnect;
        if !rules.is_empty() && event.topics.iter().map(parts).any(is_disconnect) {
            return self.disconnect_slow(slot);
        }
        let connection = &mut self.connections[slot as usize];
        let first = connection.outbox.let_go(&mut self.pool).unwrap_or(event.id);
        let patterns = self.index.patterns_of(slot).collect();
        let behind = Behind { patterns, after: first.before(), newest: None, slow: true };
        connection.behind = Some(Box::new(behind));
        debug!("client {} ({}) is behind from {first} on", connection.number, connection.peer);
        self.shared.counters.behind.fetch_add(1, Relaxed);
        self.shared.counters.behind_total.fetch_add(1, Relaxed);
        self.touch(slot);
    }

    /// A subscriber that is behind has an empty outbox: it gets its turn to read on.
    pub(super) fn queue_catching_up(&mut self, slot: Slot) {
        let key = self.key(slot);
        let connection = &mut self.connections[slot as usize];
        if connection.behind.is_some() && !std::mem::replace(&mut connection.queued, true) {
            self.catching_up.push_back(key);
        }
    }

    /// Reads the log for some of those that are behind; whether there were any.
    pub(super) fn catch_up_slice(&mut self) -> bool {
        let turns = self.catching_up.len().min(SLICES_A_TURN);
        for _ in 0..turns {
            let Some(key) = self.catching_up.pop_front() else { break };
            if let Some(slot) = self.slot(key) {
                self.catch_up(slot);
            }
        }
        turns > 0
    }

    /// The shard has moved on: those who were ahead of it may go on.
    pub(super) fn wake_those_ahead(&mut self) {
        self.catching_up.extend(self.ahead.drain(..));
    }

    fn catch_up(&mut self, slot: Slot) {
        let key = self.key(slot);
        let connection = &mut self.connections[slot as usize];
        connection.queued = false;
        let Some(behind) = &connection.behind else { return };
        if connection.phase != Phase::Subscribed || !connection.outbox.is_empty() {
            // Its turn comes again when that is out.
            return;
        }
        if behind.after > self.position {
            // It had events from another shard that have yet to come here.
            connection.queued = true;
            return self.ahead.push(key);
        }
        let ask = Ask {
            patterns: &behind.patterns,
            after: behind.after,
            up_to: self.position,
            newest: behind.newest,
            id: connection.id.as_ref(),
        };
        let mut events = Vec::new();
        let slice = self.shared.log.window().read(&ask, &mut events);
        if slice == Slice::Gone {
            return self.disconnect_outrun(slot);
        }
        self.give(slot, slice, &events);
        self.flush(slot);
    }

    /// Puts a slice of the log into the outbox of a subscriber that is behind. With the last it is live.
    fn give(&mut self, slot: Slot, slice: Slice, events: &[Rendered]) {
        let connection = &mut self.connections[slot as usize];
        let Some(behind) = &mut connection.behind else { return };
        // A slice is bounded, so the bound of one outbox does not matter. That of all together does; an empty one takes at
        // least one.
        let fits =
            |event: &&Rendered| connection.outbox.push(event, connection.framing, usize::MAX, &mut self.pool).is_ok();
        let fitting = events.iter().take_while(fits).count();
        if fitting < events.len() {
            // The rest is read again when these are out.
            behind.after = events[..fitting].last().and_then(Rendered::id).unwrap_or(behind.after);
            return;
        }
        match slice {
            Slice::UpTo(id) => behind.after = id,
            // Should it fall behind before these are out, it is still owed no more than the newest.
            Slice::Whole if behind.newest.is_some() && fitting > 0 => {
                behind.after = events.last().and_then(Rendered::id).unwrap_or(behind.after);
            }
            Slice::Whole => {
                if behind.slow {
                    self.shared.counters.behind.fetch_sub(1, Relaxed);
                    self.shared.counters.caught_up.fetch_add(1, Relaxed);
                }
                self.go_live(slot, self.position);
            }
            Slice::Gone => {}
        }
    }

    /// Retention has passed a subscriber that is behind. It comes back, and is told what it lost.
    fn disconnect_outrun(&mut self, slot: Slot) {
        let connection = &self.connections[slot as usize];
        info!(
            "client {} ({}) is so slow that what it has not been sent is no longer kept (--retain-bytes, --retain-age, \
             --retain-events); disconnected",
            connection.number, connection.peer
        );
        self.shared.counters.outrun.fetch_add(1, Relaxed);
        self.end_stream(slot);
    }

    /// Disconnects a subscriber whose outbox is full and whose topic has that policy, or that asks without reading.
    pub(super) fn disconnect_slow(&mut self, slot: Slot) {
        let connection = &self.connections[slot as usize];
        info!(
            "client {} ({}) is too slow: {} bytes wait, and with what they take in memory and the next event that is more \
             than --outbox {} or --outbox-total {}; disconnected",
            connection.number,
            connection.peer,
            connection.outbox.bytes(),
            self.settings.limits.outbox,
            self.settings.limits.outbox_total,
        );
        self.shared.counters.slow_disconnects.fetch_add(1, Relaxed);
        self.close(slot);
    }

    /// A subscriber leaves while it is behind.
    pub(super) fn forget_behind(&mut self, slot: Slot) {
        if let Some(behind) = self.connections[slot as usize].behind.take()
            && behind.slow
        {
            self.shared.counters.behind.fetch_sub(1, Relaxed);
        }
    }
}
