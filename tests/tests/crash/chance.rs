//! Chance with a seed, which a failure tells, so that the same run can be had again.

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fastrand::Rng;

/// Random numbers that a seed decides.
#[derive(Debug)]
pub(crate) struct Chance {
    seed: u64,
    rng: Rng,
}

impl Chance {
    /// From the seed in `HASSES_CRASH_SEED`, or a new one.
    pub(crate) fn new() -> Self {
        let given = std::env::var("HASSES_CRASH_SEED").ok();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
        let seed = given.map_or_else(
            || u64::from(since.subsec_nanos()) ^ since.as_secs(),
            |seed| seed.parse().expect("HASSES_CRASH_SEED is a number"),
        );
        Self { seed, rng: Rng::with_seed(seed) }
    }

    /// A number of this range.
    pub(crate) fn number(&mut self, range: Range<usize>) -> usize {
        self.rng.usize(range)
    }

    /// Whether one thing of so many happens.
    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.rng.usize(..count) == 0
    }

    /// One of these.
    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.rng.usize(..of.len())]
    }

    /// Lets some time of less than this pass: whatever is under way elsewhere is then at any point of its way.
    pub(crate) fn pause(&mut self, below: Duration) {
        let pause = below.mul_f64(self.rng.f64());
        let begun = std::time::Instant::now();
        while let Some(rest) = pause.checked_sub(begun.elapsed()) {
            std::thread::park_timeout(rest);
        }
    }
}

impl Drop for Chance {
    #[expect(clippy::print_stderr, reason = "with it the run can be had again")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to have this run again: HASSES_CRASH_SEED={}", self.seed);
        }
    }
}
