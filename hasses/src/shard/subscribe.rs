//! How a connection becomes a subscription: its request head is read, decided about, and entered into the shard.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tracing::debug;

use crate::config::Proxies;
use crate::connection::{Connection, Peer, Phase, Received};
use crate::http::{Decision, Outlook, Parsed, Refusal, Request, Room, Status, Subscription, decide, parse_head};
use crate::index::Slot;
use crate::settings::Settings;
use crate::shard::Shard;
use crate::shared::Shared;

/// Bytes that a stream begins with behind its head, at most: a comment, a verdict and a cursor, with what they cost beside.
const MOST_NOTICES: usize = 512;
/// Reads from one connection in one turn. Whoever sends more than that without end is read on when others had their turn.
const READS: usize = 8;

impl Shard {
    /// Reads what a connection sent.
    pub(super) fn read(&mut self, slot: Slot) {
        let key = self.key(slot);
        for _ in 0..READS {
            match self.connections[slot as usize].receive(&mut self.scratch) {
                Received::More => {}
                Received::Nothing => return,
                Received::End => return self.close(slot),
                Received::GivenUp => return self.disconnect_stalled(slot),
                Received::Bytes(count) => self.on_bytes(slot, count),
            }
            // What it sent may have ended it.
            if self.slot(key).is_none() {
                return;
            }
        }
        // Edge-triggered: nobody tells again of what is left.
        self.unread.push(key);
    }

    fn on_bytes(&mut self, slot: Slot, count: usize) {
        let connection = &mut self.connections[slot as usize];
        let reinit = connection.phase == Phase::Subscribed && self.shared.reinit.load(Relaxed);
        if connection.phase != Phase::Head && !reinit {
            // Nothing that comes after the request means anything.
            return;
        }
        // A head that comes in one piece, as nearly all do, is read where it is.
        let mut held = connection.head.take();
        if let Some(held) = &mut held {
            held.extend_from_slice(&self.scratch[..count]);
        }
        let bytes = held.as_ref().map_or(&self.scratch[..count], |held| held.as_slice());
        let limits = &self.settings.limits;
        let decision = match parse_head(bytes, limits.max_head) {
            Parsed::Incomplete => {
                connection.head = held.or_else(|| Some(Box::new(self.scratch[..count].to_vec())));
                return;
            }
            Parsed::Refused(refusal) => {
                debug!("client {} ({}) is refused: {}", connection.number, connection.peer, refusal.text);
                Decision::Refuse(self.settings.endpoint.refusal(&refusal, None, self.date.now()))
            }
            // Bytes behind the head belong to no request: browsers and proxies wait for an answer before they send another.
            Parsed::Complete(request, _) => {
                let client = client_of(connection.origin(), &request, &self.settings.proxies);
                let endpoint = &self.settings.endpoint;
                let (outlook, limits) = (self.shared.outlook(), limits.query());
                if reinit {
                    let decision = decide(&request, endpoint, || Room::Free, outlook, limits, self.date.now());
                    // Any other request changes nothing, so the stream stays that of whom it is.
                    if matches!(decision, Decision::Subscribe(_)) {
                        hand_on(connection, client, &self.shared, &self.settings);
                    }
                    decision
                } else {
                    rename(connection, client);
                    let room = || room(connection, &self.shared, &self.settings);
                    decide(&request, endpoint, room, outlook, limits, self.date.now())
                }
            }
        };
        self.carry_out(slot, decision, reinit);
    }

    fn carry_out(&mut self, slot: Slot, decision: Decision, reinit: bool) {
        match decision {
            Decision::Subscribe(subscription) => self.subscribe(slot, *subscription, reinit),
            // On a stream that is under way an answer of another kind has no place.
            Decision::Answer(_) | Decision::Refuse(_) | Decision::ComeBackLater(_) if reinit => {
                let connection = &self.connections[slot as usize];
                // A client may do this without end, so it is nothing for the usual log.
                debug!("client {} ({}) sent no request that can re-initialise it", connection.number, connection.peer);
            }
            Decision::Answer(answer) => self.answer_and_end(slot, answer),
            Decision::ComeBackLater(answer) => {
                self.shared.counters.refused.fetch_add(1, Relaxed);
                let connection = &self.connections[slot as usize];
                debug!("client {} ({}) is told to come back later", connection.number, connection.peer);
                self.answer_and_end(slot, answer);
            }
            Decision::Refuse(answer) => {
                self.shared.counters.bad_requests.fetch_add(1, Relaxed);
                self.answer_and_end(slot, answer);
            }
        }
    }

    fn subscribe(&mut self, slot: Slot, subscription: Subscription, reinit: bool) {
        if reinit {
            // Whoever asks anew without reading the answers is as slow as one that does not read its events.
            let waiting = self.connections[slot as usize].outbox.cost();
            let more = subscription.head.len() + MOST_NOTICES;
            if waiting > 0 && waiting + more > self.settings.limits.outbox {
                return self.disconnect_slow(slot);
            }
            self.index.unsubscribe(slot);
            self.forget_behind(slot);
            self.shared.counters.reinits.fetch_add(1, Relaxed);
        } else {
            self.shared.counters.subscribers.fetch_add(1, Relaxed);
        }
        let counters = &self.shared.counters;
        counters.subscribed.fetch_add(1, Relaxed);
        let connection = &mut self.connections[slot as usize];
        debug!("client {} ({}) subscribes to {:?}", connection.number, connection.peer, subscription.patterns);
        connection.phase = Phase::Subscribed;
        connection.since = self.now;
        connection.written = self.now;
        connection.reinits += u32::from(reinit);
        connection.framing = subscription.framing;
        connection.id = subscription.id;
        connection.agent = subscription.agent;
        connection.notices = subscription.notices;
        let length = subscription.head.len();
        connection.outbox.push_other(Arc::from(subscription.head), 0..length, &mut self.pool);
        self.index.subscribe(slot, &subscription.patterns);
        // Firefox fires `open` only after a first byte of body, and proxies pass the head on with it.
        self.comment(slot);
        self.begin_stream(slot, subscription.patterns, subscription.last_event_id, subscription.replay);
        self.schedule(slot);
        self.touch(slot);
    }

    /// The head of a request did not come in time.
    pub(super) fn refuse_late_head(&mut self, slot: Slot) {
        let counters = &self.shared.counters;
        counters.head_timeouts.fetch_add(1, Relaxed);
        counters.bad_requests.fetch_add(1, Relaxed);
        let seconds = self.settings.limits.head_timeout.as_secs_f32();
        let text = format!("the request head was not complete within {seconds} s");
        debug!("client {}: {text}", self.number(slot));
        let refusal = Refusal::new(Status::HeadTimeout, text);
        let answer = self.settings.endpoint.refusal(&refusal, None, self.date.now());
        self.answer_and_end(slot, answer);
    }

    fn answer_and_end(&mut self, slot: Slot, answer: Vec<u8>) {
        let length = answer.len();
        let connection: &mut Connection = &mut self.connections[slot as usize];
        connection.outbox.push_other(Arc::from(answer), 0..length, &mut self.pool);
        self.begin_ending(slot);
    }

    fn number(&self, slot: Slot) -> u64 {
        self.connections[slot as usize].number
    }
}

/// Whether one more subscriber can be taken, and if not, when to come back.
fn room(connection: &mut Connection, shared: &Shared, settings: &Settings) -> Room {
    if shared.outlook() == Outlook::Serving
        && shared.counters.subscribers.load(Relaxed) < settings.max_subscribers as u64
        && enters(connection, shared, settings)
    {
        return Room::Free;
    }
    Room::Full(shared.come_back_in())
}

/// Whether one more of this address can be taken; it is counted then.
fn enters(connection: &mut Connection, shared: &Shared, settings: &Settings) -> bool {
    let (Some(limit), Some(address)) = (settings.limits.max_subscribers_per_address, connection.peer.ip()) else {
        return true;
    };
    connection.counted = shared.addresses.enter(address, limit);
    if !connection.counted {
        shared.counters.refused_by_address.fetch_add(1, Relaxed);
    }
    connection.counted
}

/// A stream is somebody else's from now on: proxies reuse their connections.
fn hand_on(connection: &mut Connection, client: Peer, shared: &Shared, settings: &Settings) {
    if let Some(before) = connection.peer.ip()
        && client.ip() != Some(before)
        && std::mem::take(&mut connection.counted)
    {
        shared.addresses.leave(before);
    }
    rename(connection, client);
    count_in(connection, shared, settings);
}

/// Counts a subscriber by its address, where that is limited and was not when it came, or is another one now. It is in, so it
/// stays, whatever the limit.
pub(super) fn count_in(connection: &mut Connection, shared: &Shared, settings: &Settings) {
    if settings.limits.max_subscribers_per_address.is_some() && !connection.counted {
        connection.counted = connection.peer.ip().is_some_and(|address| shared.addresses.enter(address, usize::MAX));
    }
}

/// It is known now who is at the other end.
fn rename(connection: &mut Connection, client: Peer) {
    let origin = connection.origin();
    connection.proxy = (client != origin).then(|| Box::new(origin));
    connection.peer = client;
}

/// Whom a request is for: where a trusted proxy sent it, the last address of `X-Forwarded-For` that is not a trusted proxy's
/// own. What stands before it was written by whom nobody vouches for.
fn client_of(origin: Peer, request: &Request<'_>, proxies: &Proxies) -> Peer {
    let mut client = origin;
    let mut named = request.forwarded_for();
    while proxies.trust(client.ip()) {
        let Some(Some(address)) = named.next() else { break };
        client = Peer::Behind(address);
    }
    client
}
