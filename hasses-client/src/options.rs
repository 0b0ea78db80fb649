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
    /// Longest time from the start of a call to its answer, waiting for room and for the daemon included. Default: 10 s, in
    /// which a daemon is restarted.
    ///
    /// A daemon that owes an answer and has given none for half of this time is taken for dead and connected to anew: so the
    /// other half is left to ask it again.
    pub call_timeout: Duration,
    /// Longest pause before the first attempt to reconnect; every further one may take twice as long, and each pause is
    /// drawn at random below that (full jitter), so that a thousand clients do not come back at once. Default: 50 ms.
    pub backoff_min: Duration,
    /// Longest pause between two attempts to reconnect. Default: 5 s.
    pub backoff_max: Duration,
    /// Calls that the client holds at most, sent or not: those that were made and have no outcome yet. For a call beyond that
    /// [`Client::send`](crate::Client::send) and its like wait until there is room, and
    /// [`Client::try_send`](crate::Client::try_send) fails. At least 1. Default: 8192, which is a thousand publishes a
    /// second for the eight seconds that a slow restart of the daemon takes. Of these at most 1024 are under way.
    pub queue: usize,
    /// Bytes that these calls have at most, as lines of the control protocol. One call alone may have more. Default: 16 MiB,
    /// which is sixteen of the longest messages that a daemon takes unless told otherwise.
    pub queue_bytes: usize,
    /// Whether a publish is made again when its connection was lost. Default: [`Delivery::ExactlyOnce`].
    pub delivery: Delivery,
}

/// What becomes of a publish whose connection is lost before its answer came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// It is made again over the next connection, before anything that was made after it, until its time runs out. The daemon's
    /// event log takes it in once: every publish carries a key, by which the log knows it again. A key of the program's own
    /// ([`Message::key`](crate::Message::key)) serves as well; every other publish gets one from the client.
    ///
    /// A key of the client's takes 35 bytes at most on the way to the daemon, which count for its `--max-message`, and 26 of its
    /// log; both grow by one when the client has made 16 million publishes.
    #[default]
    ExactlyOnce,
    /// It ends as [`Error::FateUnknown`](crate::Error::FateUnknown), and is never sent twice. The client sets no keys.
    AtMostOnce,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            call_timeout: Duration::from_secs(10),
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(5),
            queue: 8192,
            queue_bytes: 16 * 1024 * 1024,
            delivery: Delivery::ExactlyOnce,
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

    /// Sets [`Options::queue_bytes`].
    #[must_use]
    pub fn queue_bytes(mut self, bytes: usize) -> Self {
        self.queue_bytes = bytes;
        self
    }

    /// Sets [`Options::delivery`].
    #[must_use]
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// How long a daemon may owe an answer.
    pub(crate) fn patience(&self) -> Duration {
        self.call_timeout / 2
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
