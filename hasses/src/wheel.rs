//! A coarse timer wheel: one for all deadlines and heartbeats of a shard. No clock; its owner says what time it is.
//!
//! An entry is not cancelled. When it comes up, its owner looks at what the subscriber needs now and puts it in again. So a
//! delivery, which puts a heartbeat off, costs the wheel nothing.

/// Milliseconds since the shard began.
pub type Millis = u64;

/// Every deadline is met within this.
const TICK: Millis = 100;
/// Deadlines further away than all slots come up early, and are put in again.
const SLOTS: usize = 512;

/// Entries by when they come up.
#[derive(Debug)]
pub struct Wheel<K> {
    slots: Vec<Vec<K>>,
    /// The tick that comes up next.
    next: u64,
    entries: usize,
}

impl<K> Wheel<K> {
    /// An empty wheel.
    #[must_use]
    pub fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| Vec::new()).collect(), next: 0, entries: 0 }
    }

    /// Puts an entry in for `due`; gives when it will come up: at most 100 ms later, or earlier where `due` is beyond the
    /// wheel's reach.
    pub fn insert(&mut self, key: K, due: Millis) -> Millis {
        let tick = due.div_ceil(TICK).clamp(self.next, self.next + SLOTS as u64 - 1);
        self.slots[Self::slot(tick)].push(key);
        self.entries += 1;
        tick * TICK
    }

    /// Moves what is due at `now` into `due`.
    pub fn advance(&mut self, now: Millis, due: &mut Vec<K>) {
        let last = now / TICK;
        if self.entries == 0 {
            self.next = self.next.max(last + 1);
        }
        while self.next <= last {
            let slot = &mut self.slots[Self::slot(self.next)];
            self.entries -= slot.len();
            due.append(slot);
            // A storm of connections may have made it large.
            if slot.capacity() > 1024 {
                *slot = Vec::new();
            }
            self.next += 1;
        }
    }

    /// When the next entry comes up.
    #[must_use]
    pub fn next_due(&self) -> Option<Millis> {
        if self.entries == 0 {
            return None;
        }
        (self.next..self.next + SLOTS as u64)
            .find(|&tick| !self.slots[Self::slot(tick)].is_empty())
            .map(|tick| tick * TICK)
    }

    fn slot(tick: u64) -> usize {
        // The remainder is below SLOTS.
        #[expect(clippy::cast_possible_truncation, reason = "see above")]
        let slot = (tick % SLOTS as u64) as usize;
        slot
    }
}

impl<K> Default for Wheel<K> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_up_once_when_they_are_due() {
        let mut wheel = Wheel::new();
        let mut due = Vec::new();
        assert_eq!(wheel.next_due(), None);
        for at in [0, 1, 100, 101, 250, 15_000] {
            wheel.insert(at, at);
        }
        wheel.advance(0, &mut due);
        assert_eq!(due, [0]);
        assert_eq!(wheel.next_due(), Some(100));
        wheel.advance(199, &mut due);
        assert_eq!(due, [0, 1, 100]);
        wheel.advance(300, &mut due);
        assert_eq!(due, [0, 1, 100, 101, 250]);
        wheel.advance(14_999, &mut due);
        assert_eq!(due.len(), 5);
        wheel.advance(1_000_000, &mut due);
        assert_eq!(due.len(), 6);
        assert_eq!(wheel.next_due(), None);
    }

    #[test]
    fn a_deadline_beyond_reach_comes_up_early_and_one_in_the_past_at_once() {
        let mut wheel = Wheel::new();
        let mut due = Vec::new();
        wheel.advance(5_000, &mut due);
        wheel.insert("far", 3_600_000);
        wheel.insert("past", 0);
        wheel.advance(5_100, &mut due);
        assert_eq!(due, ["past"]);
        wheel.advance(5_000 + TICK * (SLOTS as u64 + 1), &mut due);
        assert_eq!(due, ["past", "far"]);
    }
}
