//! A bound in bytes on what is under way from the hub to the shards. Whoever would go over it waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use event_listener::Event;

/// Counts bytes under way and holds back who would exceed the limit.
#[derive(Debug)]
pub struct Gate {
    limit: usize,
    used: AtomicUsize,
    freed: Event,
}

/// Bytes that passed the gate; dropping it gives them back.
#[derive(Debug)]
pub struct Pass {
    gate: Arc<Gate>,
    bytes: usize,
}

impl Gate {
    /// A gate that lets `limit` bytes be under way.
    #[must_use]
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicUsize::new(0), freed: Event::new() })
    }

    /// Waits until `bytes` fit. When nothing is under way anything fits. There is one caller at a time, the hub, so between
    /// its look and its addition the figure only falls.
    pub async fn pass(self: &Arc<Self>, bytes: usize) -> Pass {
        loop {
            if self.fits(bytes) {
                break;
            }
            let freed = self.freed.listen();
            if self.fits(bytes) {
                break;
            }
            freed.await;
        }
        self.used.fetch_add(bytes, Ordering::AcqRel);
        Pass { gate: self.clone(), bytes }
    }

    fn fits(&self, bytes: usize) -> bool {
        let used = self.used.load(Ordering::Acquire);
        used == 0 || used + bytes <= self.limit
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.gate.used.fetch_sub(self.bytes, Ordering::AcqRel);
        self.gate.freed.notify(1);
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::{block_on, poll_once};

    use super::*;

    #[test]
    fn who_would_exceed_the_limit_waits_and_one_always_passes() {
        block_on(async {
            let gate = Gate::new(100);
            let huge = gate.pass(1000).await;
            let mut waiting = Box::pin(gate.pass(10));
            assert!(poll_once(&mut waiting).await.is_none());
            drop(huge);
            let first = waiting.await;
            let second = gate.pass(90).await;
            let mut third = Box::pin(gate.pass(1));
            assert!(poll_once(&mut third).await.is_none());
            drop(first);
            let _third = third.await;
            drop(second);
        });
    }
}
