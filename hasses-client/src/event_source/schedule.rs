//! When to try again (WHATWG HTML, 9.2.3, "reestablish the connection"). No I/O, no clock.

use std::time::Duration;

/// "Probably in the region of a few seconds" (9.2.2); Chromium waits three.
pub(super) const RECONNECTION_TIME: Duration = Duration::from_secs(3);

/// Longest pause that failed attempts lead to, as long as the stream has not asked for a longer one.
pub(super) const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// Least pause where the last attempt brought nothing, so that a server that says `retry: 0` and has nothing to send is not
/// asked without a pause. Firefox always waits at least 500 ms.
const LEAST_PAUSE: Duration = Duration::from_millis(100);

/// How the last attempt went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// There was no stream.
    Failed,
    /// There was one, and nothing came in it.
    Empty,
    /// There was one, and something came.
    Fruitful,
}

/// The pauses between attempts.
#[derive(Debug)]
pub(super) struct Schedule {
    /// The reconnection time.
    time: Duration,
    max_backoff: Duration,
    /// Attempts in a row that failed.
    failures: u32,
}

impl Schedule {
    pub(super) fn new(time: Duration, max_backoff: Duration) -> Self {
        Self { time, max_backoff, failures: 0 }
    }

    /// The stream has set the reconnection time.
    pub(super) fn set(&mut self, time: Duration) {
        self.time = time;
    }

    /// The pause after an attempt.
    ///
    /// "Wait a delay equal to the reconnection time", which the server may have spread already; "optionally, wait some more", for
    /// which the standard names exponential backoff after attempts that failed: there the pause is drawn at random between the
    /// reconnection time and a bound that doubles with every failure, so that those who lost their server together do not come
    /// back together.
    pub(super) fn pause(&mut self, last: Attempt) -> Duration {
        if last != Attempt::Failed {
            self.failures = 0;
            return if last == Attempt::Empty { self.time.max(LEAST_PAUSE) } else { self.time };
        }
        self.failures = self.failures.saturating_add(1);
        let base = self.time.max(LEAST_PAUSE);
        let bound = base.saturating_mul(2_u32.saturating_pow(self.failures)).min(self.max_backoff).max(self.time);
        self.time + (bound - self.time).mul_f64(fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_reconnection_time_is_kept_to() {
        let mut schedule = Schedule::new(millis(3_000), millis(30_000));
        assert_eq!(schedule.pause(Attempt::Fruitful), millis(3_000));
        assert_eq!(schedule.pause(Attempt::Empty), millis(3_000));
        schedule.set(millis(7_321));
        assert_eq!(schedule.pause(Attempt::Empty), millis(7_321));
        schedule.set(Duration::ZERO);
        assert_eq!(schedule.pause(Attempt::Fruitful), Duration::ZERO);
        assert_eq!(schedule.pause(Attempt::Empty), LEAST_PAUSE);
    }

    #[test]
    fn pauses_grow_and_are_spread_while_attempts_fail() {
        for (time, max, failures, longest) in [
            (3_000, 30_000, 1, 6_000),
            (3_000, 30_000, 2, 12_000),
            (3_000, 30_000, 4, 30_000),
            (3_000, 30_000, 200, 30_000),
            (60_000, 30_000, 3, 60_000),
            (0, 30_000, 1, 200),
            (0, 30_000, 3, 800),
            (0, 0, 3, 0),
        ] {
            let (time, longest) = (millis(time), millis(longest));
            let pauses: Vec<Duration> = std::iter::repeat_with(|| {
                let mut schedule = Schedule::new(time, millis(max));
                (0..failures).map(|_| schedule.pause(Attempt::Failed)).last().unwrap()
            })
            .take(200)
            .collect();
            assert!(pauses.iter().all(|pause| (time..=longest).contains(pause)), "{time:?} {failures}");
            let middle = time + (longest - time) / 2;
            assert!(longest == time || pauses.iter().any(|pause| *pause < middle), "{time:?} {failures}");
            assert!(longest == time || pauses.iter().any(|pause| *pause > middle), "{time:?} {failures}");
        }
    }

    #[test]
    fn a_stream_ends_the_backoff_and_no_time_is_too_long() {
        let mut schedule = Schedule::new(millis(1), millis(30_000));
        assert!((0..10).map(|_| schedule.pause(Attempt::Failed)).all(|pause| pause >= millis(1)));
        assert_eq!(schedule.pause(Attempt::Fruitful), millis(1));
        assert!(schedule.pause(Attempt::Failed) <= millis(200));
        schedule.set(Duration::MAX);
        assert_eq!(schedule.pause(Attempt::Failed), Duration::MAX);
    }
}
