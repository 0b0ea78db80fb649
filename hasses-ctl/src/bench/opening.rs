//! When a thread opens its next connection: not more at a time than an accept queue takes, and not faster than asked for.

use std::time::Duration;

use super::clock;
use super::crowd::Crowd;

/// Subscribers that wait for their response head at once, so that no accept queue (511 in nginx) can overflow.
const OUTSTANDING: u32 = 256;

/// The connections of one thread.
#[derive(Debug)]
pub(super) struct Opening {
    first: u32,
    rank: u32,
    threads: u32,
    /// Connections in all, and those opened so far.
    share: u32,
    opened: u32,
    /// Nanoseconds from one to the next.
    interval: Option<u64>,
    begun: u64,
}

impl Opening {
    /// The share of the thread of this rank.
    pub(super) fn new(crowd: &Crowd, rank: usize) -> Self {
        let Crowd { first, count, threads, .. } = *crowd;
        let rank = u32::try_from(rank).unwrap_or(u32::MAX);
        let share = count / threads + u32::from(rank < count % threads);
        let interval = crowd.connect_rate.map(|rate| 1_000_000_000 * u64::from(threads) / u64::from(rate));
        Self { first, rank, threads, share, opened: 0, interval, begun: clock::now() }
    }

    /// Number of the subscriber that is to be opened now, where so many of this thread have their head.
    pub(super) fn next(&mut self, subscribed: u64, now: u64) -> Option<u32> {
        let outstanding = u64::from(self.opened).saturating_sub(subscribed);
        if self.opened == self.share || outstanding >= u64::from((OUTSTANDING / self.threads).max(1)) {
            return None;
        }
        if self.due().is_some_and(|due| due > now) {
            return None;
        }
        let number = self.first + self.rank + self.opened * self.threads;
        self.opened += 1;
        Some(number)
    }

    /// Whether all of them are there.
    pub(super) fn is_over(&self, subscribed: u64) -> bool {
        subscribed >= u64::from(self.share)
    }

    /// How long there may be waited for something else: at most this.
    pub(super) fn patience(&self, now: u64, patience: Duration) -> Duration {
        match self.due() {
            // One that is overdue waits for something else.
            Some(due) if self.opened < self.share && due > now => patience.min(clock::between(now, due)),
            _ => patience,
        }
    }

    /// When the next one is due, where they are not opened as fast as can be.
    fn due(&self) -> Option<u64> {
        self.interval.map(|interval| self.begun + interval * u64::from(self.opened))
    }
}
