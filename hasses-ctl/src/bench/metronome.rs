//! Publishing at a rate: bursts go out when they are due, whatever became of those before.

use std::num::NonZeroU64;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::board::{Board, Mark};
use super::clock;
use super::measured::Ended;
use super::plan::{Amount, MAX_MESSAGES};
use super::publisher::Publisher;
use crate::failure::Failure;

/// Bytes that may wait for a server which takes them more slowly than they are due.
const MAX_BACKLOG: usize = 4 * 1024 * 1024;
/// How long to wait before looking whether the run is over.
const MAX_WAIT: Duration = Duration::from_millis(100);

/// Bursts at a rate.
#[derive(Debug)]
pub(super) struct Metronome<'a> {
    pub(super) board: &'a Board,
    pub(super) burst: u64,
    pub(super) interval: Duration,
    pub(super) patience: Duration,
}

impl Metronome<'_> {
    /// Publishes so much; gives the number of messages, once all of them are written and answered, or will not be.
    pub(super) fn run(&self, publisher: &mut Publisher, amount: Amount) -> Result<(u64, Ended), Failure> {
        // Waking up in time is what this thread is for; the kernel may add 50 µs else.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        let mut buffer = vec![0; 64 * 1024];
        let begun = clock::now();
        let due = |bursts| begun + nanoseconds(self.interval) * bursts;
        let (mut bursts, all) = (0, amount.bursts(self.burst, self.interval));
        while bursts < all && !self.board.is(Mark::Interrupted) && self.is_in_time(begun, amount) {
            self.wait_until(publisher, &mut buffer, due(bursts))?;
            let ended = self.until(publisher, &mut buffer, |publisher| publisher.backlog() <= MAX_BACKLOG)?;
            if ended == Ended::Stalled {
                return Ok((bursts * self.burst, ended));
            }
            if self.board.is(Mark::Over) || publisher.lost().is_some() {
                break;
            }
            self.board.with_traffic(|traffic| publisher.compose(self.burst, traffic));
            publisher.stamp(due(bursts));
            publisher.write();
            bursts += 1;
        }
        let ended = self.until(publisher, &mut buffer, Publisher::is_done)?;
        // The time of the last burst ends when the next one would be due, so that the rate comes out as it was kept.
        self.wait_until(publisher, &mut buffer, due(bursts))?;
        Ok((bursts * self.burst, ended))
    }

    /// Whether a server that takes bursts late still gets those that were due in a time.
    fn is_in_time(&self, begun: u64, amount: Amount) -> bool {
        match amount {
            Amount::Messages(_) => true,
            Amount::Time(time) | Amount::Either(_, time) => clock::between(begun, clock::now()) < time + self.patience,
        }
    }

    /// Waits until a time, or until the user or the run ends it.
    fn wait_until(&self, publisher: &mut Publisher, buffer: &mut [u8], time: u64) -> Result<(), Failure> {
        let is_ended = || self.board.is(Mark::Interrupted) || self.board.is(Mark::Over);
        while clock::now() < time && !is_ended() && publisher.lost().is_none() {
            self.wait(publisher, buffer, clock::between(clock::now(), time).min(MAX_WAIT))?;
        }
        Ok(())
    }

    /// Waits for the server to take or to answer, which it may not do any more.
    fn until(
        &self,
        publisher: &mut Publisher,
        buffer: &mut [u8],
        reached: impl Fn(&Publisher) -> bool,
    ) -> Result<Ended, Failure> {
        let end = clock::now() + nanoseconds(self.patience);
        while !reached(publisher) && publisher.lost().is_none() {
            if self.board.is(Mark::Over) {
                break;
            }
            if clock::now() > end {
                return Ok(Ended::Stalled);
            }
            self.wait(publisher, buffer, self.patience.min(MAX_WAIT))?;
        }
        Ok(Ended::Properly)
    }

    /// Writes what is left and reads answers, for at most so long.
    fn wait(&self, publisher: &mut Publisher, buffer: &mut [u8], patience: Duration) -> Result<(), Failure> {
        let mut wanted = PollFlags::IN;
        if !publisher.is_written() {
            wanted |= PollFlags::OUT;
        }
        let timeout = Timespec::try_from(patience).unwrap_or_default();
        let found = match poll(&mut [PollFd::new(publisher, wanted)], Some(&timeout)) {
            Ok(found) => found,
            Err(Errno::INTR) => 0,
            Err(error) => return Err(Failure::refused("system", format!("poll: {error}"))),
        };
        if found > 0 {
            publisher.write();
            publisher.read(buffer)?;
        }
        Ok(())
    }
}

impl Amount {
    /// Whether there is more to publish, after so many messages and so long.
    pub(super) fn goes_on(self, published: u64, elapsed: Duration) -> bool {
        match self {
            Self::Messages(messages) => published < messages,
            // Further ones would have no number.
            Self::Time(time) => published < MAX_MESSAGES && elapsed < time,
            Self::Either(messages, time) => published < messages && elapsed < time,
        }
    }

    /// The bursts that are due with this interval: of a time those that begin in it, of which the one at its end is none.
    pub(super) fn bursts(self, burst: u64, interval: Duration) -> u64 {
        let in_messages = |messages: u64| messages.div_ceil(burst);
        // The interval is rounded to nanoseconds, so the quotient of a rate that is kept exactly is a little off.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and far below the limit"
        )]
        let in_time = |time: Duration| (time.as_secs_f64() / interval.as_secs_f64() + 0.01) as u64;
        match self {
            Self::Messages(messages) => in_messages(messages),
            Self::Time(time) => in_time(time).max(1),
            Self::Either(messages, time) => in_messages(messages).min(in_time(time)),
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_ends_early_where_no_message_would_have_a_number() {
        let time = Duration::from_secs(9);
        for (published, elapsed, expected) in [
            (0, Duration::ZERO, true),
            (MAX_MESSAGES - 1, Duration::ZERO, true),
            (MAX_MESSAGES, Duration::ZERO, false),
            (0, time, false),
        ] {
            assert_eq!(Amount::Time(time).goes_on(published, elapsed), expected, "{published} {elapsed:?}");
        }
    }

    #[test]
    fn as_many_bursts_are_due_as_rate_times_duration_says() {
        let seconds = Duration::from_secs_f64;
        for (amount, burst, rate, expected) in [
            (Amount::Time(seconds(2.0)), 1, 10.0, 20),
            (Amount::Time(seconds(1.0)), 50, 3.0, 3),
            (Amount::Time(seconds(30.0)), 1, 7.0, 210),
            (Amount::Time(seconds(1.5)), 1, 1.0, 1),
            (Amount::Time(seconds(0.1)), 1, 1.0, 1),
            (Amount::Messages(21), 10, 5.0, 3),
            (Amount::Either(100, seconds(0.2)), 1, 10.0, 2),
            (Amount::Either(100, seconds(0.05)), 1, 10.0, 0),
            (Amount::Either(100, seconds(60.0)), 50, 10.0, 2),
        ] {
            assert_eq!(amount.bursts(burst, seconds(1.0 / rate)), expected, "{amount:?} {burst} {rate}");
        }
    }
}
