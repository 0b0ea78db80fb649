//! The bound of a client's queue: how many calls it holds that have no outcome yet, and how many bytes of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::error::QueueLimit;
use crate::options::Options;

/// The account of what is held.
///
/// Room is taken by one at a time, under the queue's lock, and given back at any time. So what is read here may be too much by
/// what is just being given back, and is never too little.
#[derive(Debug)]
pub(super) struct Account {
    most_calls: usize,
    most_bytes: usize,
    calls: AtomicUsize,
    bytes: AtomicUsize,
}

/// The share of one call; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Room {
    account: Arc<Account>,
    bytes: usize,
}

impl Account {
    pub(super) fn new(options: &Options) -> Self {
        let (calls, bytes) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { most_calls: options.queue.max(1), most_bytes: options.queue_bytes, calls, bytes }
    }

    /// Room for a call of so many bytes. One call always fits, however long.
    ///
    /// # Errors
    /// The bound that is in the way.
    pub(super) fn take(self: &Arc<Self>, bytes: usize) -> Result<Room, QueueLimit> {
        if let Some(limit) = self.limit(bytes) {
            return Err(limit);
        }
        self.calls.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
        Ok(Room { account: Arc::clone(self), bytes })
    }

    /// The bound that a call of so many bytes would pass.
    pub(super) fn limit(&self, bytes: usize) -> Option<QueueLimit> {
        let (calls, held) = self.held();
        if calls >= self.most_calls {
            Some(QueueLimit::Calls(self.most_calls))
        } else if calls > 0 && held.saturating_add(bytes) > self.most_bytes {
            Some(QueueLimit::Bytes(self.most_bytes))
        } else {
            None
        }
    }

    /// The bound on calls.
    pub(super) fn most_calls(&self) -> QueueLimit {
        QueueLimit::Calls(self.most_calls)
    }

    /// Calls, and their bytes.
    pub(super) fn held(&self) -> (usize, usize) {
        (self.calls.load(Relaxed), self.bytes.load(Relaxed))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.account.calls.fetch_sub(1, Relaxed);
        self.account.bytes.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(calls: usize, bytes: usize) -> Arc<Account> {
        Arc::new(Account::new(&Options::default().queue(calls).queue_bytes(bytes)))
    }

    #[test]
    fn calls_and_bytes_are_bounded_together_and_come_back() {
        let account = account(3, 100);
        let first = account.take(60).unwrap();
        let _second = account.take(40).unwrap();
        assert_eq!(account.take(1).unwrap_err(), QueueLimit::Bytes(100));
        let third = account.take(0).unwrap();
        assert_eq!(account.take(0).unwrap_err(), QueueLimit::Calls(3));
        assert_eq!(account.held(), (3, 100));
        drop((first, third));
        assert_eq!(account.held(), (1, 40));
        account.take(60).unwrap();
    }

    #[test]
    fn one_call_always_fits() {
        let account = account(0, 0);
        let long = account.take(usize::MAX).unwrap();
        assert_eq!(account.take(1).unwrap_err(), QueueLimit::Calls(1));
        drop(long);
        assert_eq!(account.held(), (0, 0));
    }
}
