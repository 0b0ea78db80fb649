//! One turn of a shard, and the waiting between two. Only the waiting is async: whoever has a shard can drive it turn by turn.

use std::time::Duration;

use async_channel::TryRecvError;
use futures_lite::FutureExt as _;
use smol::Timer;
use tracing::error;

use crate::readiness::Ready;
use crate::shard::{Message, Shard};

/// Messages taken in one turn.
const MESSAGES: usize = 64;

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// There may be more to do at once.
    Busy,
    /// There is nothing to do until something happens.
    Idle,
    /// It was told to end, and has.
    Ended,
}

impl Shard {
    /// Serves until it is told to end.
    pub async fn run(mut self) {
        let mut timer = Timer::never();
        let mut timer_at = None;
        loop {
            match self.turn() {
                Turn::Busy => continue,
                Turn::Idle => {}
                Turn::Ended => return,
            }
            let next = self.wheel.next_due().into_iter().chain(self.ending).chain(self.next_drained()).min();
            if next != timer_at {
                timer_at = next;
                timer = match next {
                    Some(at) => Timer::after(Duration::from_millis(at.saturating_sub(self.shared.millis()))),
                    None => Timer::never(),
                };
            }
            let message = async {
                match self.messages.recv().await {
                    Ok(message) => Some(message),
                    Err(_) if self.ending.is_some() => std::future::pending().await,
                    Err(_) => Some(Message::End),
                }
            };
            let readable = async {
                if let Err(error) = self.readiness.wait().await {
                    error!("waiting for ready sockets failed: {error}");
                }
                None
            };
            let expired = async {
                (&mut timer).await;
                None
            };
            if let Some(message) = message.or(readable).or(expired).await {
                self.now = self.shared.millis();
                self.on_message(message);
            } else {
                timer_at = timer_at.filter(|&at| self.shared.millis() < at);
            }
        }
    }

    /// Does what there is to do, a bounded share of it, without waiting for anything.
    pub fn turn(&mut self) -> Turn {
        self.now = self.shared.millis();
        let mut busy = self.take_messages();
        busy |= self.flush_slice();
        busy |= self.catch_up_slice();
        busy |= self.drain_slice();
        busy |= self.serve_ready();
        self.serve_due();
        self.count_deliveries();
        if let Some(deadline) = self.ending
            && (self.connections.is_empty() || self.now >= deadline)
        {
            self.close_all();
            return Turn::Ended;
        }
        if busy { Turn::Busy } else { Turn::Idle }
    }

    /// Reads from and writes to sockets that are ready; whether there were any.
    fn serve_ready(&mut self) -> bool {
        let mut ready = std::mem::take(&mut self.ready);
        if let Err(error) = self.readiness.take(&mut ready) {
            error!("asking for ready sockets failed: {error}");
        }
        if !self.unread.is_empty() {
            ready.extend(self.unread.drain(..).map(|key| Ready { key, read: true, write: false }));
            once_each(&mut ready);
        }
        let any = !ready.is_empty();
        for Ready { key, read, write } in ready.drain(..) {
            self.on_ready(key, read, write);
        }
        self.ready = ready;
        any
    }

    /// Does for connections what their time has come for.
    fn serve_due(&mut self) {
        let mut due = std::mem::take(&mut self.due);
        self.wheel.advance(self.now, &mut due);
        due.drain(..).for_each(|key| self.on_timer(key));
        self.due = due;
    }

    fn take_messages(&mut self) -> bool {
        for taken in 0..MESSAGES {
            match self.messages.try_recv() {
                Ok(message) => self.on_message(message),
                Err(TryRecvError::Empty) => return taken > 0,
                Err(TryRecvError::Closed) => {
                    if self.ending.is_none() {
                        self.on_message(Message::End);
                    }
                    return taken > 0;
                }
            }
        }
        true
    }
}

/// Joins what happened to one socket: whoever sends without end is reported by the kernel as well as kept in mind, and would
/// have one more turn each time.
fn once_each(ready: &mut Vec<Ready>) {
    ready.sort_unstable_by_key(|it| it.key);
    ready.dedup_by(|again, first| {
        let same = again.key == first.key;
        if same {
            first.read |= again.read;
            first.write |= again.write;
        }
        same
    });
}
