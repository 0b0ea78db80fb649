//! The thread `hasses-log`: a commit may take milliseconds, and nobody else shall wait for it.
//!
//! It serves one request after the other; when none has come for a while it deletes what need not be kept, and then sleeps until
//! there is something to do. Dropping the other end of its channel closes the log.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use flume::{Receiver, RecvTimeoutError, Sender};
use hasses_client::wire::{EventId, Publish};

use super::keeper::{Keeper, Rest};
use crate::log::{Ordered, StoreError, now};

/// How long no request has come before what has no hurry is done: long enough that a steady stream of appends, which delete as
/// they go, is not joined by transactions of ours.
pub(super) const QUIET: Duration = Duration::from_secs(1);

/// What the thread is asked to do.
#[derive(Debug)]
pub(super) enum Request {
    /// Keep these.
    Append {
        /// In order.
        publishes: Vec<Publish>,
        /// Where the answer goes.
        answer: Sender<Result<Vec<Ordered>, StoreError>>,
    },
    /// The mark was raised while the thread slept.
    Wake,
    /// Close the log and end.
    Close {
        /// Told when the directory is free.
        answer: Sender<()>,
    },
}

/// Up to where events need not be kept. It is told often, and seldom is there a hurry, so it is no request.
#[derive(Debug, Default)]
pub(super) struct Mark(Mutex<Wanted>);

#[derive(Debug, Default)]
struct Wanted {
    up_to: EventId,
    asleep: bool,
}

impl Mark {
    /// Raises it. Whether the thread has to be woken for it.
    pub(super) fn raise(&self, up_to: EventId) -> bool {
        let mut wanted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.up_to = wanted.up_to.max(up_to);
        std::mem::take(&mut wanted.asleep)
    }

    /// Where it stands, for a thread that is awake.
    fn read(&self) -> EventId {
        let mut wanted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.asleep = false;
        wanted.up_to
    }

    /// Whether the thread sleeps until it is woken.
    #[cfg(test)]
    pub(super) fn is_asleep(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).asleep
    }

    /// The thread may sleep if it was not raised beyond what it knows.
    fn sleep(&self, known: EventId) -> bool {
        let mut wanted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.asleep = wanted.up_to <= known;
        wanted.asleep
    }
}

/// Serves requests until the log is closed, or nobody is left who could ask.
pub(super) fn run(mut keeper: Keeper, requests: &Receiver<Request>, mark: &Mark, quiet: Duration) {
    let mut asleep = false;
    loop {
        let request = match asleep {
            true => requests.recv().map_err(|_| RecvTimeoutError::Disconnected),
            false => requests.recv_timeout(quiet),
        };
        asleep = match request {
            Ok(Request::Append { publishes, answer }) => {
                keeper.forget(mark.read());
                // Who asked may have ended.
                let _ = answer.send(keeper.append(publishes, now()));
                keeper.checkpoint();
                false
            }
            Ok(Request::Wake) => false,
            Ok(Request::Close { answer }) => {
                keeper.close();
                let _ = answer.send(());
                return;
            }
            Err(RecvTimeoutError::Timeout) => rest(&mut keeper, requests, mark),
            Err(RecvTimeoutError::Disconnected) => return keeper.close(),
        };
    }
}

/// Does what has no hurry as long as nobody asks for anything. Whether nothing is left of it.
fn rest(keeper: &mut Keeper, requests: &Receiver<Request>, mark: &Mark) -> bool {
    loop {
        keeper.forget(mark.read());
        match keeper.tidy(now()) {
            Rest::More if requests.is_empty() => {}
            Rest::More | Rest::Later => return false,
            Rest::Nothing => return mark.sleep(keeper.told()),
        }
    }
}
