//! Chance with a seed.

use std::ops::Range;
use std::time::Duration;

use fastrand::Rng;

/// Random numbers that a seed decides; how threads interleave it does not.
#[derive(Debug)]
pub(crate) struct Chance(Rng);

impl Chance {
    /// From this seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(Rng::with_seed(seed))
    }

    /// Another one, for a thread of its own.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.0.fork())
    }

    /// A number of this range.
    pub(crate) fn number(&mut self, range: Range<u64>) -> u64 {
        self.0.u64(range)
    }

    /// A time in this range of milliseconds.
    pub(crate) fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.number(range))
    }

    /// Whether one thing of so many happens.
    pub(crate) fn one_in(&mut self, count: u64) -> bool {
        self.number(0..count) == 0
    }
}
