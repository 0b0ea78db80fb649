//! The life of a connection but for its subscribing: adopted, kept alive, ended, closed.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tracing::{debug, error};

use crate::arrival::Newcomer;
use crate::connection::{Connection, Phase};
use crate::index::Slot;
use crate::settings::Settings;
use crate::shard::subscribe::count_in;
use crate::shard::{Shard, narrow};
use crate::sse::{Framing, LAST_CHUNK};
use crate::wheel::Millis;

/// Time for those with a full socket to take their last bytes when the daemon ends, and for newcomers to send their request.
const LAST_GRACE: Millis = 1_000;
/// Silence after which a subscriber is told where it stands, where the log keeps long enough.
const SILENCE: Millis = 60_000;
/// Heartbeats come no sooner than this because the log keeps so little: those of ten thousand subscribers are work.
const LEAST_SILENCE: Millis = 1_000;
/// How old the answer may be how much the log keeps.
const SILENCE_LOOK: Millis = 1_000;

impl Shard {
    pub(super) fn adopt(&mut self, newcomer: Newcomer) {
        let number = self.shared.next_client.fetch_add(1, Relaxed);
        self.generation = self.generation.wrapping_add(1);
        let (peer, is_secured) = (newcomer.peer, newcomer.tls.is_some());
        let connection = Connection::new(newcomer, number, self.generation, self.now);
        debug!("client {number} connected from {peer}");
        let slot = narrow(self.connections.insert(connection));
        let watched = self.readiness.watch(&self.connections[slot as usize], self.key(slot));
        if let Err(error) = watched {
            error!("client {number} ({peer}) cannot be watched: {error}");
            return self.close(slot);
        }
        self.schedule(slot);
        if is_secured {
            // The request may have come with the end of the handshake, and then nothing tells of it; and tickets wait to go out.
            self.on_ready(self.key(slot), true, true);
        }
    }

    /// From now on these settings hold.
    pub(super) fn take_settings(&mut self, settings: Arc<Settings>) {
        self.pool.set_most(settings.limits.outbox_total / self.shared.config.shards);
        self.settings = settings;
        let slots: Vec<Slot> = self.connections.iter().map(|(slot, _)| narrow(slot)).collect();
        for slot in slots {
            // Heartbeats and ends may be due sooner now.
            self.schedule(slot);
            let connection = &mut self.connections[slot as usize];
            if connection.phase == Phase::Subscribed {
                count_in(connection, &self.shared, &self.settings);
            }
        }
    }

    /// Makes sure that the wheel brings this connection up in time.
    pub(super) fn schedule(&mut self, slot: Slot) {
        let key = self.key(slot);
        let silence = self.silence().max(LEAST_SILENCE);
        let connection = &mut self.connections[slot as usize];
        let due = connection.due(&self.settings.limits, silence);
        if due < connection.timer {
            connection.timer = self.wheel.insert(key, due);
        }
    }

    pub(super) fn on_timer(&mut self, key: u64) {
        let Some(slot) = self.slot(key) else { return };
        let silence = self.silence().max(LEAST_SILENCE);
        let limits = &self.settings.limits;
        let connection = &mut self.connections[slot as usize];
        if connection.timer > self.now {
            // It got an earlier entry since this one was made.
            return;
        }
        connection.timer = Millis::MAX;
        if self.now >= connection.due(limits, silence) {
            match connection.phase {
                Phase::Head => self.refuse_late_head(slot),
                Phase::Ending => return self.close(slot),
                Phase::Subscribed if is_too_old(connection, limits.max_age, self.now) => {
                    self.shared.counters.aged_out.fetch_add(1, Relaxed);
                    self.end_stream(slot);
                }
                Phase::Subscribed if connection.is_worn() => {
                    debug!("client {} has used up the keys of its TLS 1.2; its stream ends", connection.number);
                    self.end_stream(slot);
                }
                Phase::Subscribed if connection.blocked => self.disconnect_stalled(slot),
                Phase::Subscribed => self.heartbeat(slot),
            }
        }
        if self.slot(key).is_some() {
            self.schedule(slot);
        }
    }

    /// Something goes out though nothing happened: a comment, or where the subscriber stands, lest it falls out of what the log
    /// keeps only by hearing nothing.
    fn heartbeat(&mut self, slot: Slot) {
        let silence = self.silence();
        let connection = &mut self.connections[slot as usize];
        // What does not fit into 32 bits matters for equality as little as any other bit.
        #[expect(clippy::cast_possible_truncation, reason = "see above")]
        let delivered = connection.delivered as u32;
        if std::mem::replace(&mut connection.looked, delivered) != delivered {
            connection.told = connection.written;
        }
        let wants = connection.notices && self.settings.notices;
        // As long as something is owed, where it stands is not where the shard is.
        if wants && connection.behind.is_none() && self.now >= connection.told + silence {
            connection.told = self.now;
            let cursor = self.cursor(self.position);
            self.notice(slot, &cursor);
        } else {
            self.comment(slot);
        }
        self.flush(slot);
    }

    /// After so much silence a heartbeat tells where a subscriber stands: a minute, less where the log keeps less.
    fn silence(&mut self) -> Millis {
        let (silence, looked) = self.silence;
        if self.now < looked + SILENCE_LOOK && looked > 0 {
            return silence;
        }
        let kept = self.shared.log.window().reach(self.now);
        let silence = kept.map_or(SILENCE, |kept| SILENCE.min(kept / 2));
        self.silence = (silence, self.now);
        silence
    }

    /// A socket has taken nothing for the progress time-out.
    pub(super) fn disconnect_stalled(&mut self, slot: Slot) {
        let connection = &self.connections[slot as usize];
        debug!("client {} ({}) takes nothing any more; disconnected", connection.number, connection.peer);
        if connection.phase == Phase::Subscribed {
            self.shared.counters.stalled.fetch_add(1, Relaxed);
        }
        self.close(slot);
    }

    /// Puts a comment into the outbox.
    pub(super) fn comment(&mut self, slot: Slot) {
        let connection = &mut self.connections[slot as usize];
        let (bytes, range) = self.comment.framed(connection.framing);
        connection.outbox.push_other(bytes, range, &mut self.pool);
    }

    /// Ends a stream properly: what waits, the last chunk, the end of the connection. Several clients do not reconnect after an
    /// end without the last chunk.
    pub(super) fn end_stream(&mut self, slot: Slot) {
        self.leave(slot);
        let connection = &mut self.connections[slot as usize];
        if connection.framing == Framing::Chunked {
            connection.outbox.push_other(Arc::from(LAST_CHUNK), 0..LAST_CHUNK.len(), &mut self.pool);
        }
        self.begin_ending(slot);
    }

    /// From now on only what waits is sent.
    pub(super) fn begin_ending(&mut self, slot: Slot) {
        let key = self.key(slot);
        let connection = &mut self.connections[slot as usize];
        connection.phase = Phase::Ending;
        connection.since = self.now;
        connection.head = None;
        self.flush(slot);
        if self.slot(key).is_some() {
            self.schedule(slot);
        }
    }

    /// Takes a connection out of its topics.
    pub(super) fn leave(&mut self, slot: Slot) {
        self.forget_behind(slot);
        let connection = &mut self.connections[slot as usize];
        if connection.phase != Phase::Subscribed {
            return;
        }
        if std::mem::take(&mut connection.counted)
            && let Some(address) = connection.peer.ip()
        {
            self.shared.addresses.leave(address);
        }
        self.index.unsubscribe(slot);
        self.shared.counters.subscribers.fetch_sub(1, Relaxed);
    }

    /// Closes a connection at once.
    pub(super) fn close(&mut self, slot: Slot) {
        self.leave(slot);
        let mut connection = self.connections.remove(slot as usize);
        connection.outbox.clear(&mut self.pool);
        debug!("client {} ({}) closed after {} events", connection.number, connection.peer, connection.delivered);
        drop(connection);
        self.count_closed();
    }

    fn count_closed(&self) {
        self.load.fetch_sub(1, Relaxed);
        self.shared.count_closed();
    }

    pub(super) fn end_all(&mut self) {
        if self.ending.is_some() {
            return;
        }
        self.ending = Some(self.now + LAST_GRACE);
        let slots: Vec<Slot> = self.connections.iter().map(|(slot, _)| narrow(slot)).collect();
        for slot in slots {
            match self.connections[slot as usize].phase {
                Phase::Subscribed => self.end_for_good(slot),
                // Its request may be on its way: it is told to come back later.
                Phase::Head => {}
                Phase::Ending => self.flush(slot),
            }
        }
    }

    pub(super) fn close_all(&mut self) {
        let slots: Vec<Slot> = self.connections.iter().map(|(slot, _)| narrow(slot)).collect();
        slots.into_iter().for_each(|slot| self.close(slot));
    }
}

fn is_too_old(connection: &Connection, max_age: Option<Duration>, now: Millis) -> bool {
    max_age.is_some_and(|age| now >= connection.since + crate::connection::millis(age))
}
