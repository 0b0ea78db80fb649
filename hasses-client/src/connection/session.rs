//! The calls on one connection: what is written, in which order the answers belong to it, and what becomes of it when the
//! connection is lost.
//!
//! A call is in exactly one place. Nothing of it was written: it waits outside, in the queue, and survives the connection.
//! From its first written byte on it is here, and its fate is unknown if the connection is lost.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::time::{Duration, Instant};

use futures_lite::future;

use super::call::{Call, Caller, excerpt};
use super::handshake::{Connection, ended};
use crate::error::{Error, again};
use crate::options::{self, Options};

/// Lines that go into one write at most. Linux takes 1024; from some hundred on the call itself no longer counts.
const LINES_A_WRITE: usize = 256;

/// A connection and the calls that were written to it.
pub(crate) struct Session {
    connection: Connection,
    /// What is left of the line that a full socket took only in part; its call is the last in `unanswered`.
    rest: Vec<u8>,
    rest_start: usize,
    /// In the order written, which is the order of the answers.
    unanswered: VecDeque<Unanswered>,
    /// How many may be in it.
    most: usize,
    /// Longest time that the daemon may take for one.
    patience: Duration,
    /// The socket took in no more at the last attempt.
    full: bool,
}

struct Unanswered {
    /// `None` once the call's time ran out; its answer is then still to be read, and dropped.
    caller: Option<Caller>,
    deadline: Instant,
    written: Instant,
}

impl Session {
    pub(crate) fn new(connection: Connection, options: &Options) -> Self {
        let (most, patience) = (options.queue.max(1), options.call_timeout);
        Self { connection, rest: Vec::new(), rest_start: 0, unanswered: VecDeque::new(), most, patience, full: false }
    }

    /// Whether everything written was answered.
    pub(crate) fn is_idle(&self) -> bool {
        self.unanswered.is_empty()
    }

    /// Writes as many of the calls as the socket and the bound on unanswered calls allow, all that wait in one write.
    pub(crate) fn flush(&mut self, waiting: &mut VecDeque<Call>, now: Instant) -> io::Result<()> {
        self.full = false;
        loop {
            // A call that was dropped before it was written never happens.
            while waiting.front().is_some_and(|call| call.caller.has_gone()) {
                waiting.pop_front();
            }
            let mut slices = [IoSlice::new(&[]); LINES_A_WRITE];
            let mut used = 0;
            if self.rest_start < self.rest.len() {
                slices[0] = IoSlice::new(&self.rest[self.rest_start..]);
                used = 1;
            }
            let allowed = self.most.saturating_sub(self.unanswered.len());
            let sendable = waiting.iter().take(allowed).take_while(|call| !call.caller.has_gone());
            for (slice, call) in slices[used..].iter_mut().zip(sendable) {
                *slice = IoSlice::new(&call.line);
                used += 1;
            }
            if used == 0 {
                return Ok(());
            }
            match self.connection.stream.write(&slices[..used]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.advance(waiting, written, now),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.full = true;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Moves the calls over of which the socket took `written` bytes.
    fn advance(&mut self, waiting: &mut VecDeque<Call>, mut written: usize, now: Instant) {
        let of_rest = written.min(self.rest.len() - self.rest_start);
        self.rest_start += of_rest;
        written -= of_rest;
        if self.rest_start == self.rest.len() {
            (self.rest, self.rest_start) = (Vec::new(), 0);
        }
        while written > 0 {
            // The socket cannot have taken more than it was given.
            let Some(call) = waiting.pop_front() else { break };
            let of_call = written.min(call.line.len());
            written -= of_call;
            if of_call < call.line.len() {
                (self.rest, self.rest_start) = (call.line, of_call);
            }
            self.unanswered.push_back(Unanswered { caller: Some(call.caller), deadline: call.deadline, written: now });
        }
    }

    /// Hands every answer that has come to its call.
    pub(crate) fn receive(&mut self) -> io::Result<()> {
        loop {
            let more = match self.connection.answers.fill(|room| self.connection.stream.read(room)) {
                Ok((0, _)) => return Err(ended()),
                Ok((_, more)) => more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            while let Some(line) = self.connection.answers.next_line() {
                // From something that is no answer on nothing could be matched to its call any more.
                if line.first() != Some(&b'{') {
                    return Err(out_of_step(format!("the daemon sent {}, which is no answer", excerpt(line))));
                }
                let Some(call) = self.unanswered.pop_front() else {
                    return Err(out_of_step(format!("the daemon answered what was not asked: {}", excerpt(line))));
                };
                if let Some(caller) = call.caller {
                    caller.answer(Ok(line.to_vec()));
                }
            }
            if !more {
                return Ok(());
            }
        }
    }

    /// Ends the calls whose time has run out; an error where the daemon is to be taken for dead.
    pub(crate) fn expire(&mut self, now: Instant) -> io::Result<()> {
        let silent = || io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {:?}", self.patience));
        if self.unanswered.front().is_some_and(|oldest| options::after(oldest.written, self.patience) <= now) {
            return Err(silent());
        }
        for call in self.unanswered.iter_mut().take_while(|call| call.deadline <= now) {
            if let Some(caller) = call.caller.take() {
                caller.answer(Err(Error::FateUnknown { source: silent() }));
            }
        }
        Ok(())
    }

    /// When [`Session::expire`] has something to do next.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let silence = self.unanswered.front().map(|oldest| options::after(oldest.written, self.patience));
        let call = self.unanswered.iter().find(|call| call.caller.is_some()).map(|call| call.deadline);
        [silence, call].into_iter().flatten().min()
    }

    /// Waits until [`Session::receive`] or [`Session::flush`] can do more.
    pub(crate) async fn ready(&self) {
        let writable = async {
            if self.full {
                let _ = self.connection.stream.writable().await;
            } else {
                future::pending::<()>().await;
            }
        };
        // What is wrong with the socket shows at the next read.
        let readable = async {
            let _ = self.connection.stream.readable().await;
        };
        future::or(readable, writable).await;
    }

    /// The connection is lost: nobody knows what became of the calls that were written.
    pub(crate) fn lose(self, reason: &io::Error) {
        for call in self.unanswered {
            if let Some(caller) = call.caller {
                caller.answer(Err(Error::FateUnknown { source: again(reason) }));
            }
        }
    }
}

fn out_of_step(error: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
