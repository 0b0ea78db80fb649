//! The event log: every accepted publish is here, with its place in the order, before anybody is sent it.
//!
//! The hub appends ([`Appender`], the only writer), the shards read ([`Log`]). What is served is held in memory by the
//! [`Window`]; where the order comes from and what outlives the process is a [`Store`]'s business, so that another ordered log
//! can take its place. No lock is held while anything is waited for: readers and the writer share the window for microseconds.

mod disk;
#[cfg(test)]
mod naive;
mod read;
mod store;
mod topics;
mod window;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hasses_client::wire::{ErrorCode, EventId, Failure, Publish};

pub use disk::{Disk, DiskError};
pub use read::{Ask, Slice};
pub use store::{History, Memory, Ordered, Store, StoreError, Storing, now};
pub use window::{Holdings, Retention, Standing, Window, signed};

use crate::batch::Event;
use crate::config::SlowRule;
use crate::sse::Rendered;
use crate::wheel::Millis;

/// What shards read from.
#[derive(Debug)]
pub struct Log(Mutex<Window>);

/// What the hub appends by.
#[derive(Debug)]
pub struct Appender {
    store: Box<dyn Store>,
    log: Arc<Log>,
    scratch: Vec<u8>,
}

/// What became of a publish.
#[derive(Debug)]
pub enum Outcome {
    /// It is in the log, and to be sent.
    Event(Event),
    /// Its key had been accepted before, with this event.
    Duplicate(EventId),
    /// It was not kept.
    Refused(Failure),
    /// It is somebody else's, and to be sent before those that follow.
    Other(Event),
}

impl Log {
    /// A log that serves this window.
    #[must_use]
    pub fn new(window: Window) -> Self {
        Self(Mutex::new(window))
    }

    /// The window, for a look that takes microseconds.
    pub fn window(&self) -> MutexGuard<'_, Window> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on these bounds and rules hold.
    pub fn set(&self, retention: Retention, rules: Vec<SlowRule>) {
        self.window().set(retention, rules);
    }
}

impl Appender {
    /// The writer of a log.
    #[must_use]
    pub fn new(store: Box<dyn Store>, window: Window) -> Self {
        Self { store, log: Arc::new(Log::new(window)), scratch: Vec::new() }
    }

    /// What shards read from.
    #[must_use]
    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Appends publishes in their order; gives what became of each, and between them what others have appended. `now` is when
    /// they came.
    pub async fn append(&mut self, publishes: Vec<Publish>, now: Millis) -> Vec<Outcome> {
        let (fresh, known) = self.sift(publishes);
        let refused;
        let ordered = match if fresh.is_empty() { Ok(Vec::new()) } else { self.store.append(fresh).await } {
            Ok(ordered) => {
                refused = None;
                ordered
            }
            Err(error) => {
                refused = Some(Failure::new(ErrorCode::NotStored, error.to_string()));
                Vec::new()
            }
        };
        let mut kept = self.keep(ordered, now).into_iter();
        let mut ids = Vec::new();
        let mut outcomes = Vec::with_capacity(known.len());
        for known in known {
            let outcome = match (known, &refused) {
                (Known::No | Known::Within(_), Some(failure)) => Outcome::Refused(failure.clone()),
                (Known::Log(id), _) => Outcome::Duplicate(id),
                (Known::Within(nth), None) => ids.get(nth).copied().map_or_else(lost, Outcome::Duplicate),
                (Known::No, None) => loop {
                    match kept.next() {
                        Some(other @ Outcome::Other(_)) => outcomes.push(other),
                        Some(outcome) => {
                            if let Outcome::Event(event) = &outcome {
                                ids.push(event.id);
                            }
                            break outcome;
                        }
                        None => break lost(),
                    }
                },
            };
            outcomes.push(outcome);
        }
        outcomes.extend(kept);
        outcomes
    }

    /// The next events that others have appended to the same log.
    pub async fn others(&mut self) -> Vec<Ordered> {
        self.store.others().await
    }

    /// Enters events of the store into the window.
    pub fn keep(&mut self, ordered: Vec<Ordered>, now: Millis) -> Vec<Outcome> {
        let rendered: Vec<_> =
            ordered.iter().map(|it| Rendered::event(it.id, &it.publish, &mut self.scratch)).collect();
        if self.scratch.capacity() > 1 << 16 {
            self.scratch = Vec::new();
        }
        let mut window = self.log.window();
        for (ordered, rendered) in ordered.iter().zip(&rendered) {
            window.push(ordered.id, &ordered.publish, rendered.clone(), signed(now));
        }
        drop(window);
        self.evict(now);
        let events = ordered.into_iter().zip(rendered).map(|(ordered, rendered)| {
            let event = Event::new(ordered.id, ordered.publish, rendered);
            if ordered.own { Outcome::Event(event) } else { Outcome::Other(event) }
        });
        events.collect()
    }

    /// Lets go of what is over a bound.
    pub fn evict(&mut self, now: Millis) {
        let forgotten = self.log.window().evict(now);
        if let Some(forgotten) = forgotten {
            self.store.forget(forgotten);
        }
    }

    /// Lets go of the store: the daemon ends.
    pub async fn close(mut self) {
        self.store.close().await;
    }

    /// Takes out what carries a key that was accepted before, in the log or among these.
    fn sift(&self, publishes: Vec<Publish>) -> (Vec<Publish>, Vec<Known>) {
        if publishes.iter().all(|publish| publish.key.is_none()) {
            let known = publishes.iter().map(|_| Known::No).collect();
            return (publishes, known);
        }
        let mut within: HashMap<&str, usize> = HashMap::new();
        let mut count = 0;
        let window = self.log.window();
        let known = publishes.iter().map(|publish| {
            if let Some(key) = &publish.key {
                if let Some(id) = window.accepted(key) {
                    return Known::Log(id);
                }
                match within.entry(key.as_str()) {
                    Entry::Occupied(first) => return Known::Within(*first.get()),
                    Entry::Vacant(none) => none.insert(count),
                };
            }
            count += 1;
            Known::No
        });
        let known: Vec<Known> = known.collect();
        drop(window);
        let is_fresh = |(publish, known)| matches!(known, &Known::No).then_some(publish);
        (publishes.into_iter().zip(&known).filter_map(is_fresh).collect(), known)
    }
}

/// A store gives as many as it was given. Where one does not, nobody is told that something was kept.
fn lost() -> Outcome {
    Outcome::Refused(Failure::new(ErrorCode::Internal, "the event log lost it"))
}

/// Whether a key was accepted before.
#[derive(Clone, Copy, Debug)]
enum Known {
    /// It was not, or there is none.
    No,
    /// With an event of the log.
    Log(EventId),
    /// With the publish of this number among those that are being appended.
    Within(usize),
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
