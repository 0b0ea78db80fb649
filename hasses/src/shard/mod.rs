//! A shard: one thread that owns its subscribers, their topics and their sockets.
//!
//! Each turn takes what waits in the channel from the hub, puts pointers to the shared bytes into the outboxes of those who
//! match, and then writes to each subscriber touched, once, however many events that were. The writing is cut into slices,
//! between which new events and new bytes get through. No turn ever waits for a subscriber.

mod catch_up;
mod drain;
mod fan_out;
mod life;
mod query;
mod subscribe;
mod turn;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};

use async_channel::Sender;
use hasses_client::wire::EventId;
use slab::Slab;

pub use self::catch_up::Behind;
use self::drain::Drain;
use self::fan_out::Company;
pub use self::turn::Turn;
use crate::arrival::Newcomer;
use crate::batch::{Batch, Step};
use crate::connection::{Connection, Flushed, Phase};
use crate::http::Date;
use crate::index::{Index, Slot};
use crate::mailbox::Messages;
use crate::outbox::Pool;
use crate::readiness::{Readiness, Ready};
use crate::settings::Settings;
use crate::shared::Shared;
use crate::sse::Rendered;
use crate::wheel::{Millis, Wheel};

/// Subscribers written to in one turn: some milliseconds of work.
const SLICE: usize = 512;
/// An event that reaches no more than so many does not wait behind one that reaches thousands.
const FEW: usize = 64;
/// Bytes read from a socket at one time. A browser's request head has less than 2 KiB.
const READ_BYTES: usize = 16 * 1024;

/// What a shard is told.
#[derive(Debug)]
pub enum Message {
    /// Commands, in the hub's order.
    Batch(Arc<Batch>),
    /// A connection to serve.
    Adopt(Newcomer),
    /// Settings that hold from now on.
    Settings(Arc<Settings>),
    /// End every stream, spread until a time of the daemon's clock; the sender is dropped when that is done.
    Drain(Millis, Sender<()>),
    /// End every stream that is left, then yourself.
    End,
}

/// The state of one shard.
#[derive(Debug)]
pub struct Shard {
    shared: Arc<Shared>,
    settings: Arc<Settings>,
    messages: Messages,
    /// Connections of this shard, seen by those who choose a shard for the next.
    load: Arc<AtomicUsize>,
    readiness: Readiness,
    connections: Slab<Connection>,
    index: Index,
    pool: Pool,
    wheel: Wheel<u64>,
    /// Those to be written to.
    touched: VecDeque<Slot>,
    /// Those to be written to before these: what is for them is for few.
    hurried: VecDeque<Slot>,
    /// Connections that sent more than one turn reads.
    unread: Vec<u64>,
    /// What the sockets said, and what the wheel said as far as it has not been seen to.
    ready: Vec<Ready>,
    due: Vec<u64>,
    scratch: Box<[u8]>,
    date: Date,
    now: Millis,
    stamp: u32,
    generation: u32,
    comment: Rendered,
    /// The newest event of the order that has come here.
    position: EventId,
    /// The event that tells where a subscriber stands, as it was told last.
    cursor: Option<(EventId, Rendered)>,
    /// Those that are behind and can be read for.
    catching_up: VecDeque<u64>,
    /// Those that had later events from another shard before they came here.
    ahead: Vec<u64>,
    /// After so much silence a heartbeat tells where a subscriber stands, and when that was looked up.
    silence: (Millis, Millis),
    delivered: u64,
    drain: Option<Drain>,
    /// Ends at this time at the latest.
    ending: Option<Millis>,
}

impl Shard {
    /// A shard without connections.
    ///
    /// # Errors
    /// What the system said to a new epoll.
    pub fn new(shared: Arc<Shared>, messages: Messages, load: Arc<AtomicUsize>) -> io::Result<Self> {
        let settings = shared.settings();
        let position = shared.log.window().newest();
        let readiness = Readiness::new(&messages)?;
        Ok(Self {
            now: shared.millis(),
            pool: Pool::new(settings.limits.outbox_total / shared.config.shards),
            position,
            cursor: None,
            catching_up: VecDeque::new(),
            ahead: Vec::new(),
            silence: (0, 0),
            drain: None,
            settings,
            shared,
            messages,
            load,
            readiness,
            connections: Slab::new(),
            index: Index::default(),
            wheel: Wheel::new(),
            touched: VecDeque::new(),
            hurried: VecDeque::new(),
            unread: Vec::new(),
            ready: Vec::new(),
            due: Vec::new(),
            scratch: vec![0; READ_BYTES].into_boxed_slice(),
            date: Date::default(),
            stamp: 0,
            generation: 0,
            comment: Rendered::comment(),
            delivered: 0,
            ending: None,
        })
    }

    fn on_message(&mut self, message: Message) {
        match message {
            Message::Batch(batch) => self.on_batch(&batch),
            Message::Adopt(newcomer) => self.adopt(newcomer),
            Message::Settings(settings) => self.take_settings(settings),
            Message::Drain(until, done) => self.begin_drain(until, done),
            Message::End => self.end_all(),
        }
    }

    fn on_batch(&mut self, batch: &Batch) {
        let last = batch.steps.len().saturating_sub(1);
        let shared = self.shared.clone();
        let done = || batch.shard_is_done(|found| shared.status(found), &shared.counters.unmatched);
        for (nth, step) in batch.steps.iter().enumerate() {
            match step {
                Step::Event(event) if nth == last && self.messages.is_empty() => {
                    // Where the answer is known before the writing it is given before, so that the publisher's next events come
                    // while these are written, and go out together.
                    if let Some(matched) = self.reach(event) {
                        event.matched.fetch_add(matched, AcqRel);
                        done();
                        self.fan_out(event, Company::Alone);
                        return self.wake_those_ahead();
                    }
                    event.matched.fetch_add(self.fan_out(event, Company::Alone), AcqRel);
                }
                Step::Event(event) | Step::Other(event) => {
                    event.matched.fetch_add(self.fan_out(event, Company::Others), AcqRel);
                }
                Step::Query(query) => self.answer(query),
                Step::Done(_) => {}
            }
        }
        self.wake_those_ahead();
        done();
    }

    /// Slot and generation in one number.
    fn key(&self, slot: Slot) -> u64 {
        u64::from(self.connections[slot as usize].generation) << 32 | u64::from(slot)
    }

    /// The slot that a key names, unless its connection is gone.
    #[expect(clippy::cast_possible_truncation, reason = "a key is two halves of 32 bits")]
    fn slot(&self, key: u64) -> Option<Slot> {
        let (generation, slot) = ((key >> 32) as u32, key as u32);
        self.connections.get(slot as usize).filter(|known| known.generation == generation).map(|_| slot)
    }

    fn on_ready(&mut self, key: u64, read: bool, write: bool) {
        if write && let Some(slot) = self.slot(key) {
            self.flush(slot);
        }
        if read && let Some(slot) = self.slot(key) {
            self.read(slot);
        }
    }

    /// Puts a connection on the list of those to be written to, before those who are there because of an event for thousands.
    fn touch(&mut self, slot: Slot) {
        let connection = &mut self.connections[slot as usize];
        if !connection.touched {
            connection.touched = true;
            self.hurried.push_back(slot);
        }
    }

    /// Writes to a slice of those who are to be written to, and to one of those who come first; whether there were any.
    fn flush_slice(&mut self) -> bool {
        let any = !self.touched.is_empty() || !self.hurried.is_empty();
        for _ in 0..self.hurried.len().min(SLICE) {
            let Some(slot) = self.hurried.pop_front() else { break };
            self.flush_touched(slot);
        }
        for _ in 0..self.touched.len().min(SLICE) {
            let Some(slot) = self.touched.pop_front() else { break };
            self.flush_touched(slot);
        }
        any
    }

    fn flush_touched(&mut self, slot: Slot) {
        // It may have been closed since; a newcomer in its place has nothing to write.
        if let Some(connection) = self.connections.get_mut(slot as usize) {
            connection.touched = false;
            self.flush(slot);
        }
    }

    /// Writes what waits for a connection, and does what follows from it.
    fn flush(&mut self, slot: Slot) {
        let connection = &mut self.connections[slot as usize];
        let (flushed, events) = flush_counted(connection, &mut self.pool, self.now);
        self.delivered += events;
        match flushed {
            Flushed::All if connection.behind.is_some() => {
                self.unblock(slot);
                self.queue_catching_up(slot);
            }
            Flushed::All if connection.phase == Phase::Ending => {
                connection.shut_down();
                if self.ending.is_some() {
                    self.close(slot);
                }
            }
            Flushed::All => self.unblock(slot),
            Flushed::Blocked => {
                if let Some(behind) = &mut connection.behind {
                    behind.let_go(&mut connection.outbox, &mut self.pool);
                }
                if !std::mem::replace(&mut connection.blocked, true) {
                    // Its time to make progress begins.
                    connection.written = self.now;
                    self.schedule(slot);
                }
                let connection = &mut self.connections[slot as usize];
                if !std::mem::replace(&mut connection.watches_writing, true) {
                    let watched = self.readiness.watch_writing(&self.connections[slot as usize], self.key(slot));
                    if watched.is_err() {
                        self.close(slot);
                    }
                }
            }
            Flushed::Broken => self.close(slot),
            Flushed::GivenUp => self.disconnect_stalled(slot),
        }
    }

    /// A socket has taken everything. Its heartbeat is due sooner than its progress would have been.
    fn unblock(&mut self, slot: Slot) {
        if std::mem::take(&mut self.connections[slot as usize].blocked) {
            self.schedule(slot);
        }
    }

    fn count_deliveries(&mut self) {
        if self.delivered > 0 {
            self.shared.counters.deliveries.fetch_add(std::mem::take(&mut self.delivered), Relaxed);
        }
    }
}

fn flush_counted(connection: &mut Connection, pool: &mut Pool, now: Millis) -> (Flushed, u64) {
    let (flushed, events) = connection.flush(pool, now);
    connection.delivered += events;
    (flushed, events)
}

/// Slots count descriptors, of which there are fewer than 2^31.
#[expect(clippy::cast_possible_truncation, reason = "see above")]
fn narrow(slot: usize) -> Slot {
    slot as Slot
}
