//! The calm end: streams end spread evenly over a time, each after what waits for it and a reconnection time that is its own,
//! so that a fleet of browsers does not come back in the same second.

use async_channel::Sender;

use crate::index::Slot;
use crate::shard::{Phase, Shard, narrow};
use crate::sse::Rendered;
use crate::wheel::Millis;

/// A drain under way.
#[derive(Debug)]
pub(super) struct Drain {
    from: Millis,
    /// When the last stream ends.
    until: Millis,
    /// Streams that are to end, the next one last.
    left: Vec<u64>,
    all: usize,
    /// Dropped when the last has ended: whoever waits for that has the other end.
    _done: Sender<()>,
}

impl Drain {
    /// When the next stream ends; the first does at once, so that nobody waits for a single one.
    fn next(&self) -> Option<Millis> {
        let nth = self.all - self.left.len();
        // Milliseconds times descriptors fit by far.
        (!self.left.is_empty()).then(|| self.from + (self.until - self.from) * nth as u64 / self.all as u64)
    }
}

impl Shard {
    /// From now on nobody is taken in, and streams end one by one until `until`.
    pub(super) fn begin_drain(&mut self, until: Millis, done: Sender<()>) {
        let mut left: Vec<u64> = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.phase == Phase::Subscribed)
            .map(|(slot, _)| self.key(narrow(slot)))
            .collect();
        // Whoever came first is no more to blame than others.
        fastrand::shuffle(&mut left);
        let all = left.len();
        self.drain = (all > 0).then(|| Drain { from: self.now, until: until.max(self.now), left, all, _done: done });
    }

    /// Ends those streams whose time has come; whether there were any.
    pub(super) fn drain_slice(&mut self) -> bool {
        let Some(mut drain) = self.drain.take() else { return false };
        let mut ended = false;
        loop {
            // Whoever has left needs none of the time.
            while drain.left.last().is_some_and(|&key| self.stream(key).is_none()) {
                drain.left.pop();
            }
            match drain.next() {
                Some(at) if at <= self.now => {
                    if let Some(slot) = drain.left.pop().and_then(|key| self.stream(key)) {
                        self.end_for_good(slot);
                    }
                    ended = true;
                }
                Some(_) => {
                    self.drain = Some(drain);
                    return ended;
                }
                // Dropping it tells that all have ended.
                None => return ended,
            }
        }
    }

    /// The slot that a key names, unless its stream has ended.
    fn stream(&self, key: u64) -> Option<Slot> {
        self.slot(key).filter(|&slot| self.connections[slot as usize].phase == Phase::Subscribed)
    }

    /// When the next stream ends.
    pub(super) fn next_drained(&self) -> Option<Millis> {
        self.drain.as_ref().and_then(Drain::next)
    }

    /// Ends a stream because the daemon ends: its browser is told when to come back.
    pub(super) fn end_for_good(&mut self, slot: Slot) {
        let connection = &mut self.connections[slot as usize];
        let (bytes, range) = Rendered::retry(self.shared.come_back_in()).framed(connection.framing);
        connection.outbox.push_other(bytes, range, &mut self.pool);
        self.end_stream(slot);
    }
}
