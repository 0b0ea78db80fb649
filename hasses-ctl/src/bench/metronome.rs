//! Publishing at a rate: bursts go out when they are due, whatever became of those before.

use std::num::NonZeroU64;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::board::{Board, Mark};
use super::clock;
use super::plan::Amount;
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
    /// Publishes so much; gives the number of messages, once all of them are written and answered.
    pub(super) fn run(&self, publisher: &mut Publisher, amount: Amount) -> Result<u64, Failure> {
        // Waking up in time is what this thread is for; the kernel may add 50 µs else.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        let mut buffer = vec![0; 64 * 1024];
        let begun = clock::now();
        let (mut bursts, mut published) = (0, 0);
        while amount.goes_on(published, clock::between(begun, clock::now())) && !self.board.is(Mark::Interrupted) {
            let due = begun + nanoseconds(self.interval) * bursts;
            while clock::now() < due {
                self.wait(publisher, &mut buffer, clock::between(clock::now(), due).min(MAX_WAIT))?;
                if self.board.is(Mark::Over) {
                    return Ok(published);
                }
            }
            self.until(publisher, &mut buffer, |publisher| publisher.backlog() <= MAX_BACKLOG)?;
            self.board.with_traffic(|traffic| publisher.compose(self.burst, traffic));
            publisher.stamp(due);
            publisher.write()?;
            (bursts, published) = (bursts + 1, published + self.burst);
        }
        self.until(publisher, &mut buffer, Publisher::is_done)?;
        Ok(published)
    }

    /// Waits for the server to take or to answer.
    fn until(
        &self,
        publisher: &mut Publisher,
        buffer: &mut [u8],
        reached: impl Fn(&Publisher) -> bool,
    ) -> Result<(), Failure> {
        let end = clock::now() + nanoseconds(self.patience);
        while !reached(publisher) {
            if self.board.is(Mark::Over) {
                return Ok(());
            }
            if clock::now() > end {
                let seconds = self.patience.as_secs_f64();
                return Err(Failure::unreachable(format!(
                    "the server has not taken or not answered what was published for {seconds} s"
                )));
            }
            self.wait(publisher, buffer, self.patience.min(MAX_WAIT))?;
        }
        Ok(())
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
            publisher.write()?;
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
            Self::Time(time) => elapsed < time,
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
