//! Where calls wait for the thread that does the I/O: bounded, in their order, and with a line of callers behind it.
//!
//! A call for which there is room is admitted. For any other its caller stands in line until others have ended, or is told at
//! once, as it likes. Nobody overtakes: as long as there is a line, whoever comes stands behind it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::call::Call;
use super::room::Account;
use crate::error::{Error, QueueLimit};
use crate::options::Options;

/// What a client holds: calls that were made and have no outcome yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backlog {
    /// Calls in the queue, sent or not; at most [`Options::queue`].
    pub calls: usize,
    /// Their bytes, as lines of the control protocol; at most [`Options::queue_bytes`], unless one call alone has more.
    pub bytes: usize,
    /// Calls whose callers wait until there is room for them in the queue.
    pub blocked: usize,
}

/// The callers' end; the clones of a client share one. When it is dropped, the driver ends.
pub(crate) struct Entrance {
    shared: Arc<Shared>,
    /// Wakes the driver. It has room for one ring, which is enough to be awake. A channel of flume's, since its ends are in any
    /// executor's tasks and in plain threads alike.
    bell: flume::Sender<()>,
}

/// The driver's end. When it is dropped, every call ends as [`Error::Closed`].
pub(crate) struct Exit {
    shared: Arc<Shared>,
    bell: flume::Receiver<()>,
    call_timeout: Duration,
}

struct Shared {
    account: Arc<Account>,
    state: Mutex<State>,
    /// Calls that their callers dropped since the driver last looked: they take room that others could have.
    dropped: AtomicUsize,
}

#[derive(Default)]
struct State {
    /// Admitted, and not taken by the driver yet.
    admitted: VecDeque<Call>,
    /// Those for which there is no room yet, each with a caller that waits.
    line: VecDeque<Call>,
    closed: bool,
}

/// What a caller does when there is no room for its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenFull {
    /// It stands in line.
    Wait,
    /// It goes away.
    Leave,
}

/// A call that was not taken in.
pub(crate) enum Turned {
    /// The driver has ended.
    Away,
    /// There is no room for it.
    Back(Box<Call>, QueueLimit),
}

/// Somebody waits for an outcome. Dropping it says that nobody does any more.
pub(crate) struct Attention<'a>(Option<&'a Entrance>);

/// Both ends of a queue.
pub(crate) fn queue(options: &Options) -> (Entrance, Exit) {
    let account = Arc::new(Account::new(options));
    let shared = Arc::new(Shared { account, state: Mutex::default(), dropped: AtomicUsize::new(0) });
    let (bell, rung) = flume::bounded(1);
    (Entrance { shared: Arc::clone(&shared), bell }, Exit { shared, bell: rung, call_timeout: options.call_timeout })
}

impl Entrance {
    /// Takes a call in.
    ///
    /// # Errors
    /// It was not taken in.
    pub(crate) fn push(&self, mut call: Call, when_full: WhenFull) -> Result<(), Turned> {
        let account = &self.shared.account;
        let mut state = self.shared.state();
        if state.closed {
            return Err(Turned::Away);
        }
        let room = match state.line.front() {
            None => account.take(call.line.len()),
            Some(first) => Err(account.limit(first.line.len()).unwrap_or(account.most_calls())),
        };
        let end = match room {
            Ok(room) => {
                call.room = Some(room);
                &mut state.admitted
            }
            Err(_) if when_full == WhenFull::Wait => &mut state.line,
            Err(limit) => return Err(Turned::Back(Box::new(call), limit)),
        };
        end.push_back(call);
        let first = end.len() == 1;
        drop(state);
        // When the first came the driver was woken, and it has not been here since.
        if first {
            self.ring();
        }
        Ok(())
    }

    /// Says that somebody waits for outcomes.
    pub(crate) fn attend(&self) -> Attention<'_> {
        Attention(Some(self))
    }

    pub(crate) fn backlog(&self) -> Backlog {
        let state = self.shared.state();
        let (calls, bytes) = self.shared.account.held();
        Backlog { calls, bytes, blocked: state.line.len() }
    }

    fn ring(&self) {
        // A bell that was rung already, or that nobody hears any more, is as good.
        let _ = self.bell.try_send(());
    }
}

impl Attention<'_> {
    /// Every outcome has come.
    pub(crate) fn end(mut self) {
        self.0 = None;
    }
}

impl Drop for Attention<'_> {
    fn drop(&mut self) {
        if let Some(entrance) = self.0 {
            entrance.shared.dropped.fetch_add(1, Relaxed);
            entrance.ring();
        }
    }
}

impl Exit {
    /// Takes what was admitted, and admits as many of the line as there is room for. Calls that were dropped leave their room
    /// to others, and whoever has stood in line for all of its time is sent away.
    pub(crate) fn take(&mut self, waiting: &mut VecDeque<Call>, now: Instant) {
        // What is dropped from here on rings again.
        let dropped = self.shared.dropped.swap(0, Relaxed) > 0;
        let mut late = Vec::new();
        let mut state = self.shared.state();
        let State { admitted, line, .. } = &mut *state;
        waiting.append(admitted);
        if dropped {
            waiting.retain(|call| !call.caller.has_gone());
            line.retain(|call| !call.caller.has_gone());
        }
        while let Some(mut call) = line.pop_front() {
            if call.deadline <= now {
                late.push(call);
                continue;
            }
            match self.shared.account.take(call.line.len()) {
                Ok(room) => call.room = Some(room),
                Err(_) => {
                    line.push_front(call);
                    break;
                }
            }
            waiting.push_back(call);
        }
        drop(state);
        for call in late {
            let account = &self.shared.account;
            let limit = account.limit(call.line.len()).unwrap_or(account.most_calls());
            call.end(Err(Error::QueueFull { limit, waited: self.call_timeout }));
        }
    }

    /// Whether [`Exit::take`] would bring something at once.
    pub(crate) fn has_more(&self) -> bool {
        let state = self.shared.state();
        let fits = |call: &Call| self.shared.account.limit(call.line.len()).is_none();
        !state.admitted.is_empty() || state.line.front().is_some_and(fits)
    }

    /// When the time of the first in line runs out.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.shared.state().line.front().map(|call| call.deadline)
    }

    /// Waits until there is something new; `false` once nobody is left who could call.
    pub(crate) async fn rung(&self) -> bool {
        self.bell.recv_async().await.is_ok()
    }
}

impl Drop for Exit {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.closed = true;
        let left = (std::mem::take(&mut state.admitted), std::mem::take(&mut state.line));
        drop(state);
        // Dropping a call tells its caller.
        drop(left);
    }
}

impl Shared {
    /// Nothing panics while it holds the lock, and every state in between is one to go on from.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
