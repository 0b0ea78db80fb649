//! The store of the model: the daemon's own in memory, with an account of every event that it has given a place, and with the
//! troubles of other stores: it fails, it takes its time, and others write to it.

use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;

use hasses::log::{Memory, Ordered, Store, StoreError, Storing};
use hasses_client::wire::{EventId, Publish};

/// What the model sees and decides of the store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account(Arc<Mutex<Entries>>);

#[derive(Debug, Default)]
pub(crate) struct Entries {
    /// Every event there was, in order.
    pub(crate) events: Vec<Ordered>,
    /// The next append fails.
    pub(crate) fails: bool,
    /// The next append is ready after so many looks.
    pub(crate) slow: usize,
    /// What others append just before the next publish.
    pub(crate) between: Vec<Publish>,
    /// What others append whenever that may be.
    pub(crate) alone: Vec<Publish>,
}

#[derive(Debug)]
pub(crate) struct Ledger {
    memory: Memory,
    account: Account,
}

impl Account {
    pub(crate) fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().expect("nothing panics with it")
    }
}

impl Ledger {
    pub(crate) fn new(memory: Memory, account: Account) -> Self {
        Self { memory, account }
    }

    /// Gives publishes their place; the first `others` are not the caller's own.
    async fn enter(&mut self, publishes: Vec<Publish>, others: usize) -> Result<Vec<Ordered>, StoreError> {
        let mut ordered = self.memory.append(publishes).await?;
        ordered.iter_mut().take(others).for_each(|it| it.own = false);
        self.account.entries().events.extend(ordered.iter().cloned());
        Ok(ordered)
    }
}

impl Store for Ledger {
    fn append(&mut self, publishes: Vec<Publish>) -> Storing<'_, Result<Vec<Ordered>, StoreError>> {
        Box::pin(async move {
            let mut looks = take(&mut self.account.entries().slow);
            poll_fn(|_| {
                looks = looks.saturating_sub(1);
                if looks == 0 { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            let (fails, others) = {
                let mut entries = self.account.entries();
                (take(&mut entries.fails), take(&mut entries.between))
            };
            if fails {
                return Err(StoreError("no space left on device".to_owned()));
            }
            // The first of the caller's own, those of others, the rest.
            let mut own: VecDeque<Publish> = publishes.into();
            let mut ordered = self.enter(own.drain(..1).collect(), 0).await?;
            let count = others.len();
            ordered.extend(self.enter(others.into_iter().chain(own).collect(), count).await?);
            Ok(ordered)
        })
    }

    fn others(&mut self) -> Storing<'_, Vec<Ordered>> {
        Box::pin(async {
            let alone = take(&mut self.account.entries().alone);
            let count = alone.len();
            match self.enter(alone, count).await {
                Ok(ordered) if count > 0 => ordered,
                _ => pending().await,
            }
        })
    }

    fn forget(&mut self, _: EventId) {}
}
