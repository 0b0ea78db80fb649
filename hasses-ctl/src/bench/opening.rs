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
    /// When the first one is due.
    begun: u64,
}

impl Opening {
    /// The share of the thread of this rank, from now on.
    pub(super) fn new(crowd: &Crowd, rank: usize, now: u64) -> Self {
        let Crowd { first, count, threads, .. } = *crowd;
        let rank = u32::try_from(rank).unwrap_or(u32::MAX);
        let share = count / threads + u32::from(rank < count % threads);
        let interval = crowd.connect_rate.map(|rate| 1_000_000_000 * u64::from(threads) / u64::from(rate));
        // Threads take turns: together they would open one each at once.
        let turn = interval.map_or(0, |interval| interval / u64::from(threads) * u64::from(rank));
        Self { first, rank, threads, share, opened: 0, interval, begun: now + turn }
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

#[cfg(test)]
mod tests {
    use super::super::crowd::Conduct;
    use super::super::plan::Manner;
    use super::*;

    #[test]
    fn threads_share_the_rate_at_which_connections_are_opened() {
        let crowd = Crowd {
            first: 10,
            count: 8,
            threads: 4,
            connect_rate: Some(2),
            manner: Manner::Sleep,
            conduct: Conduct::Reads,
            bookmark: None,
        };
        let mut openings: Vec<_> = (0..4).map(|rank| Opening::new(&crowd, rank, 0)).collect();
        let mut opened = Vec::new();
        for half in 0..8 {
            opened.extend(openings.iter_mut().filter_map(|opening| opening.next(0, half * 500_000_000)));
            assert_eq!(opened.len() as u64, half + 1, "{opened:?}");
        }
        assert_eq!(opened, (10..18).collect::<Vec<_>>());
        assert!(openings.iter().all(|opening| opening.is_over(2) && !opening.is_over(1)));
    }
}
