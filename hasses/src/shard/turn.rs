//! One turn of a shard, and the waiting between two: for sockets, the time, and messages from elsewhere, all in one system call.
//! Whoever has a shard can drive it turn by turn.

use std::time::Duration;

use flume::TryRecvError;
use tracing::error;

use crate::readiness::Ready;
use crate::shard::{Message, SLICE, Shard};

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
    /// Serves until it is told to end. The thread that calls this is the shard's own.
    pub fn run(mut self) {
        loop {
            match self.act() {
                Turn::Busy => {}
                Turn::Idle => self.sleep(),
                Turn::Ended => return,
            }
        }
    }

    /// Does what there is to do, a bounded share of it, without waiting for anything.
    pub fn turn(&mut self) -> Turn {
        match self.act() {
            Turn::Idle => {
                self.look(Some(Duration::ZERO));
                self.act()
            }
            turn => turn,
        }
    }

    /// Does what there is to do. Sockets are only asked where something else was: else the wait that follows asks.
    fn act(&mut self) -> Turn {
        self.now = self.shared.millis();
        let mut busy = self.take_messages();
        busy |= self.flush_slice();
        busy |= self.catch_up_slice();
        busy |= self.drain_slice();
        // What is left of the turn before would put the wait off for as long as somebody sees to it that something is.
        if busy || !self.unread.is_empty() || !self.due.is_empty() {
            self.look(Some(Duration::ZERO));
        }
        busy |= self.serve_ready();
        busy |= self.serve_due();
        self.count_deliveries();
        if let Some(deadline) = self.ending
            && (self.connections.is_empty() || self.now >= deadline)
        {
            self.close_all();
            return Turn::Ended;
        }
        if busy { Turn::Busy } else { Turn::Idle }
    }

    /// Waits until something is ready, the next time has come, or a message has.
    fn sleep(&mut self) {
        let next = self.wheel.next_due().into_iter().chain(self.ending).chain(self.next_drained()).min();
        let timeout = next.map(|at| Duration::from_millis(at.saturating_sub(self.shared.millis())));
        self.messages.sleep();
        let is_end_to_come = self.messages.is_closed() && self.ending.is_none();
        if self.messages.is_empty() && !is_end_to_come {
            self.look(timeout);
        }
        self.messages.wake();
    }

    /// Asks which sockets are ready; waits so long for one, or for the bell.
    fn look(&mut self, timeout: Option<Duration>) {
        if let Err(error) = self.readiness.take(&mut self.ready, timeout) {
            error!("asking for ready sockets failed: {error}");
        }
    }

    /// Reads from and writes to sockets that are ready; whether there were any.
    fn serve_ready(&mut self) -> bool {
        let mut ready = std::mem::take(&mut self.ready);
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

    /// Does for a slice of those connections whose time has come what it has come for; whether more are left. After a message to
    /// everybody, thousands of heartbeats are due within seconds.
    fn serve_due(&mut self) -> bool {
        let mut due = std::mem::take(&mut self.due);
        self.wheel.advance(self.now, &mut due);
        due.drain(..due.len().min(SLICE)).for_each(|key| self.on_timer(key));
        self.due = due;
        !self.due.is_empty()
    }

    fn take_messages(&mut self) -> bool {
        for taken in 0..MESSAGES {
            match self.messages.try_recv() {
                Ok(message) => self.on_message(message),
                Err(TryRecvError::Empty) => return taken > 0,
                Err(TryRecvError::Disconnected) => {
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
