//! Where the order of events comes from, and where they are kept beyond this process.
//!
//! A store gives ids and keeps events; what is served from memory is the [`Window`](super::Window)'s, whichever the store. So
//! another ordered log (a Redis stream that several daemons share) is one more implementation of [`Store`], and neither hub nor
//! shards nor subscribers know of it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use hasses_client::wire::{EventId, Publish};

use crate::clock::{Clock, System};

/// What a store does, some time.
pub type Storing<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Gives publishes their place in the order, and keeps them.
pub trait Store: fmt::Debug + Send + Sync {
    /// Gives each publish its id, in the order given, and keeps them: all of them or none. Completes when they are as durable as
    /// was asked for. What others have put into the same order in between stands at its place in the answer.
    ///
    /// The caller awaits one call before it makes the next, and never drops one that is under way, unless the daemon ends.
    ///
    /// # Errors
    /// None of them was kept. A later call may succeed.
    fn append(&mut self, publishes: Vec<Publish>) -> Storing<'_, Result<Vec<Ordered>, StoreError>>;

    /// The next events that others have put into the same order. Dropping the future loses none of them. A store with one
    /// writer never has any.
    fn others(&mut self) -> Storing<'_, Vec<Ordered>> {
        Box::pin(std::future::pending())
    }

    /// Events up to this one need not be kept any longer. Cheap; the store does it when it suits it.
    fn forget(&mut self, up_to: EventId);

    /// Waits until everything is kept as well as it can be, and lets go of it: the daemon ends.
    fn close(&mut self) -> Storing<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// A publish with its place in the order.
#[derive(Clone, Debug, PartialEq)]
pub struct Ordered {
    /// Its id.
    pub id: EventId,
    /// What was published.
    pub publish: Publish,
    /// It is one of those that the call was about, and not somebody else's.
    pub own: bool,
}

/// What a store held when it was opened. Its events were handed out one by one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The place in the order at which the log was born: no event has this id or an earlier one.
    pub birth: EventId,
    /// The newest event that was ever in the log, or its birth.
    pub newest: EventId,
    /// The newest event that the log has let go of, or its birth.
    pub forgotten: EventId,
}

/// Why publishes were not kept: a full disk, a failing one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError(
    /// For the publisher and the log; one line, in lower case, without a full stop.
    pub String,
);

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StoreError {}

/// The store of a log in memory: it only gives ids, and ends with the process.
#[derive(Debug)]
pub struct Memory {
    newest: EventId,
    clock: Arc<dyn Clock>,
}

impl Memory {
    /// A log that is born now.
    #[must_use]
    pub fn new() -> (Self, History) {
        Self::with_clock(Arc::new(System::start()))
    }

    /// The same by another clock.
    #[must_use]
    pub fn with_clock(clock: Arc<dyn Clock>) -> (Self, History) {
        let birth = EventId { millis: clock.wall(), sequence: 0 };
        (Self { newest: birth, clock }, History { birth, newest: birth, forgotten: birth })
    }
}

impl Store for Memory {
    fn append(&mut self, publishes: Vec<Publish>) -> Storing<'_, Result<Vec<Ordered>, StoreError>> {
        let now = self.clock.wall();
        let ordered = publishes.into_iter().map(|publish| {
            self.newest = self.newest.next(now);
            Ordered { id: self.newest, publish, own: true }
        });
        Box::pin(std::future::ready(Ok(ordered.collect())))
    }

    fn forget(&mut self, _: EventId) {}
}

/// Milliseconds since 1970.
#[must_use]
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // They fit into 64 bits for half a billion years.
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
