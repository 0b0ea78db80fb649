//! An event to everybody whom it reaches. No I/O, but for a subscriber whose outbox is full, which is given one chance.

use std::sync::atomic::Ordering::{AcqRel, Relaxed};

use tracing::info;

use crate::batch::Event;
use crate::index::Slot;
use crate::shard::{Shard, flush_counted};

impl Shard {
    /// Puts an event into the outbox of everybody whom it reaches.
    pub(super) fn fan_out(&mut self, event: &Event) {
        self.stamp = self.stamp.wrapping_add(1);
        let stamp = self.stamp;
        let limit = self.shared.config.limits.outbox;
        let mut matched = 0;
        let mut slow = Vec::new();
        let Self { index, connections, pool, touched, now, delivered, .. } = self;
        for pattern in event.publish.topics.iter() {
            index.matching(pattern, |slot| {
                let connection = &mut connections[slot as usize];
                if connection.stamp == stamp {
                    return;
                }
                connection.stamp = stamp;
                if event.publish.except.is_some() && event.publish.except == connection.id {
                    return;
                }
                matched += 1;
                let framing = connection.framing;
                let mut pushed = connection.outbox.push(&event.rendered, framing, limit, pool);
                if pushed.is_err() {
                    // Full only because this turn has not written yet?
                    *delivered += flush_counted(connection, pool, *now).1;
                    pushed = connection.outbox.push(&event.rendered, framing, limit, pool);
                }
                if pushed.is_err() {
                    slow.push(slot);
                } else if !connection.touched {
                    connection.touched = true;
                    touched.push_back(slot);
                }
            });
        }
        event.matched.fetch_add(matched, AcqRel);
        for slot in slow {
            self.disconnect_slow(slot);
        }
    }

    fn disconnect_slow(&mut self, slot: Slot) {
        let connection = &self.connections[slot as usize];
        let lost = connection.outbox.bytes();
        let counters = &self.shared.counters;
        counters.slow_disconnects.fetch_add(1, Relaxed);
        counters.slow_lost_bytes.fetch_add(lost as u64, Relaxed);
        info!("client {} ({}) is too slow: {lost} bytes wait for it; disconnected", connection.number, connection.peer);
        self.close(slot);
    }
}
