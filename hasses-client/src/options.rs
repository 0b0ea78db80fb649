//! How a client waits: every time and every bound that a program may want to change.

use std::time::{Duration, Instant};

/// Times and bounds of a client.
///
/// ```
/// use std::time::Duration;
/// use hasses_client::Options;
///
/// let options = Options::default().call_timeout(Duration::from_secs(2)).queue(64);
/// assert_eq!(options.connect_timeout, Duration::from_secs(5));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Longest time for one attempt to connect, resolving the name and the answer to a ping included. Default: 5 s.
    pub connect_timeout: Duration,
    /// Longest time from the start of a call to its answer; also after which a daemon that answers nothing is taken for
    /// dead and connected to anew. Default: 10 s.
    pub call_timeout: Duration,
    /// Longest pause before the first attempt to reconnect; every further one may take twice as long, and each pause is
    /// drawn at random below that (full jitter), so that a thousand clients do not come back at once. Default: 50 ms.
    pub backoff_min: Duration,
    /// Longest pause between two attempts to reconnect. Default: 5 s.
    pub backoff_max: Duration,
    /// Calls that may be sent and not answered yet; as many again may wait to be sent, and as many in line behind them.
    /// A call beyond that waits until there is room. At least 1. Default: 1024.
    pub queue: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            call_timeout: Duration::from_secs(10),
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(5),
            queue: 1024,
        }
    }
}

impl Options {
    /// Sets [`Options::connect_timeout`].
    #[must_use]
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.connect_timeout = time;
        self
    }

    /// Sets [`Options::call_timeout`].
    #[must_use]
    pub fn call_timeout(mut self, time: Duration) -> Self {
        self.call_timeout = time;
        self
    }

    /// Sets [`Options::backoff_min`].
    #[must_use]
    pub fn backoff_min(mut self, time: Duration) -> Self {
        self.backoff_min = time;
        self
    }

    /// Sets [`Options::backoff_max`].
    #[must_use]
    pub fn backoff_max(mut self, time: Duration) -> Self {
        self.backoff_max = time;
        self
    }

    /// Sets [`Options::queue`].
    #[must_use]
    pub fn queue(mut self, calls: usize) -> Self {
        self.queue = calls;
        self
    }

    /// The pause before the given attempt to reconnect, counted from 0.
    pub(crate) fn backoff(&self, attempt: u32) -> Duration {
        let longest = self.backoff_min.saturating_mul(2_u32.saturating_pow(attempt)).min(self.backoff_max);
        longest.mul_f64(fastrand::f64())
    }
}

/// `now + time`, also where somebody asked for [`Duration::MAX`] and meant "for ever".
pub(crate) fn after(now: Instant, time: Duration) -> Instant {
    const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);
    now.checked_add(time).unwrap_or(now + FOR_EVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_their_bound_and_are_spread() {
        let options = Options::default();
        for (attempt, longest) in [(0, 50), (1, 100), (3, 400), (7, 5000), (40, 5000), (u32::MAX, 5000)] {
            let longest = Duration::from_millis(longest);
            let pauses: Vec<_> = (0..200).map(|_| options.backoff(attempt)).collect();
            assert!(pauses.iter().all(|pause| *pause <= longest), "{attempt}");
            assert!(pauses.iter().any(|pause| *pause > longest / 2), "{attempt}");
            assert!(pauses.iter().any(|pause| *pause < longest / 2), "{attempt}");
        }
    }

    #[test]
    fn a_time_without_end_is_no_overflow() {
        let now = Instant::now();
        assert!(after(now, Duration::MAX) > now);
    }
}
