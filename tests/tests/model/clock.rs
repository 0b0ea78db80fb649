//! A clock that goes on when it is told to.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hasses::clock::Clock;

/// Some time in 2027.
const BEGIN: u64 = 1_800_000_000_000;

#[derive(Debug)]
pub(crate) struct Stepped {
    millis: AtomicU64,
    wall: AtomicU64,
}

impl Stepped {
    pub(crate) fn new() -> Self {
        Self { millis: AtomicU64::new(0), wall: AtomicU64::new(BEGIN) }
    }

    /// Time goes by.
    pub(crate) fn advance(&self, millis: u64) {
        self.millis.fetch_add(millis, Relaxed);
        self.wall.fetch_add(millis, Relaxed);
    }

    /// Somebody sets the clock of the machine.
    pub(crate) fn set_wall(&self, by: i64) {
        let wall = self.wall.load(Relaxed).saturating_add_signed(by);
        self.wall.store(wall, Relaxed);
    }
}

impl Clock for Stepped {
    fn millis(&self) -> u64 {
        self.millis.load(Relaxed)
    }

    fn wall(&self) -> u64 {
        self.wall.load(Relaxed)
    }
}
