//! The calls on one connection: what is written, in which order the answers belong to it, and what becomes of it when the
//! connection is lost.
//!
//! A call is in exactly one place. Nothing of it was written to this connection: it waits outside, in the queue. From its first
//! written byte on it is here until it is answered. If the connection is lost before, it goes back to the head of the queue where
//! it may be made again, and else its fate is unknown.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::time::{Duration, Instant};

use futures_lite::future;

use super::call::{Again, Call, excerpt, expire};
use super::handshake::{Connection, ended};
use crate::error::{Error, again};
use crate::options::{self, Options};
use crate::wire::{ErrorCode, Failure, Published, Reply};

/// Lines that go into one write at most. Linux takes 1024; from some hundred on the call itself no longer counts.
const LINES_A_WRITE: usize = 256;

/// Calls that are under way at most: enough to keep the connection busy over one round trip, and few enough to be sent again.
const MOST_UNANSWERED: usize = 1024;

/// A connection and the calls that were written to it.
pub(crate) struct Session {
    connection: Connection,
    /// In the order written, which is the order of the answers.
    unanswered: VecDeque<Unanswered>,
    /// How many may be in it.
    most: usize,
    /// Bytes that a full socket has not taken, of the last line that it was given: that of the last call in `unanswered`, or
    /// the one in `refused_early`.
    rest: usize,
    /// A line that was answered before all of it was written: it is too long for the daemon, which still has to skip its end.
    refused_early: Vec<u8>,
    /// Answered with the word that they are to be sent once more; they go before everything that waits.
    aside: VecDeque<Call>,
    /// The daemon takes no keys.
    keyless: bool,
    /// Why the daemon takes in nothing more.
    ending: Option<io::Error>,
    /// A call's time.
    call_timeout: Duration,
    /// Longest time without an answer while one is due.
    patience: Duration,
    /// When something came last.
    heard: Option<Instant>,
    /// The socket took in no more at the last attempt.
    full: bool,
}

struct Unanswered {
    call: Call,
    /// The call's time ran out; its answer is still to be read, and dropped.
    over: bool,
    written: Instant,
}

impl Session {
    pub(crate) fn new(connection: Connection, options: &Options) -> Self {
        Self {
            connection,
            unanswered: VecDeque::new(),
            most: options.queue.clamp(1, MOST_UNANSWERED),
            rest: 0,
            refused_early: Vec::new(),
            aside: VecDeque::new(),
            keyless: false,
            ending: None,
            call_timeout: options.call_timeout,
            patience: options.patience(),
            heard: None,
            full: false,
        }
    }

    /// Whether everything written was answered.
    pub(crate) fn is_idle(&self) -> bool {
        self.unanswered.is_empty() && self.aside.is_empty()
    }

    /// Writes as many of the calls as the socket and the bound on unanswered calls allow, all that wait in one write.
    pub(crate) fn flush(&mut self, waiting: &mut VecDeque<Call>, now: Instant) -> io::Result<()> {
        self.full = false;
        loop {
            let allowed = self.prepare(waiting)?;
            let mut slices = [IoSlice::new(&[]); LINES_A_WRITE];
            let mut used = 0;
            if self.rest > 0 {
                slices[0] = IoSlice::new(self.rest());
                used = 1;
            }
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

    fn rest(&self) -> &[u8] {
        let line = match self.unanswered.back() {
            Some(last) if self.refused_early.is_empty() => &last.call.line,
            _ => &self.refused_early,
        };
        &line[line.len() - self.rest..]
    }

    /// Brings what waits into the form in which it is to go out, and says how many calls may.
    fn prepare(&mut self, waiting: &mut VecDeque<Call>) -> io::Result<usize> {
        if !self.aside.is_empty() {
            // What was written behind them is settled first, so that all of it keeps its order.
            if !self.unanswered.is_empty() {
                return Ok(0);
            }
            if let Some(reason) = self.ending.take() {
                return Err(reason);
            }
            self.aside.append(waiting);
            std::mem::swap(&mut self.aside, waiting);
        }
        // A call that was dropped before it was written never happens.
        while waiting.front().is_some_and(|call| call.caller.has_gone()) {
            waiting.pop_front();
        }
        let allowed = self.most.saturating_sub(self.unanswered.len());
        if self.keyless {
            waiting.iter_mut().take(allowed.min(LINES_A_WRITE)).for_each(Call::drop_client_key);
        }
        Ok(allowed)
    }

    /// Moves the calls over of which the socket took `written` bytes.
    fn advance(&mut self, waiting: &mut VecDeque<Call>, mut written: usize, now: Instant) {
        let of_rest = written.min(self.rest);
        self.rest -= of_rest;
        written -= of_rest;
        if self.rest == 0 {
            self.refused_early = Vec::new();
        }
        while written > 0 {
            // The socket cannot have taken more than it was given.
            let Some(call) = waiting.pop_front() else { break };
            let of_call = written.min(call.line.len());
            written -= of_call;
            self.rest = call.line.len() - of_call;
            self.unanswered.push_back(Unanswered { call, over: false, written: now });
        }
    }

    /// Hands every answer that has come to its call.
    pub(crate) fn receive(&mut self, now: Instant) -> io::Result<()> {
        loop {
            let more = match self.connection.answers.fill(|room| self.connection.stream.read(room)) {
                Ok((0, _)) => return Err(self.ending.take().unwrap_or_else(ended)),
                Ok((_, more)) => more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            self.heard = Some(now);
            while let Some(line) = self.connection.answers.next_line() {
                // From something that is no answer on nothing could be matched to its call any more.
                if line.first() != Some(&b'{') {
                    return Err(out_of_step(format!("the daemon sent {}, which is no answer", excerpt(line))));
                }
                let Some(Unanswered { call, over, .. }) = self.unanswered.pop_front() else {
                    return Err(out_of_step(format!("the daemon answered what was not asked: {}", excerpt(line))));
                };
                if self.rest > 0 && self.unanswered.is_empty() {
                    self.refused_early.clone_from(&call.line);
                }
                match refusal(&call, line) {
                    _ if over => {}
                    Some(failure) => self.refuse(call, failure),
                    None => call.end(Ok(line.to_vec())),
                }
            }
            if !more {
                return Ok(());
            }
        }
    }

    /// A publish with a key was refused: for good, or as one that is to be sent once more.
    fn refuse(&mut self, mut call: Call, failure: Failure) {
        let unknown = |failure| io::Error::other(format!("the daemon answered {failure}"));
        match failure.code {
            // It is ending, and may have taken the publish in or not.
            ErrorCode::Internal => {
                call.open = true;
                self.ending.get_or_insert_with(|| unknown(failure));
                self.aside.push_back(call);
            }
            // It is not in this log, and nobody knows whether it was in that of the connection that was lost, or is still to come
            // out of it.
            _ if call.open => call.end(Err(Error::FateUnknown { source: unknown(failure) })),
            ErrorCode::Unsupported if matches!(call.again, Again::ClientKey(_)) => {
                self.keyless = true;
                self.aside.push_back(call);
            }
            _ => call.end(Err(Error::Refused(failure))),
        }
    }

    /// Ends the calls whose time has run out; an error where the daemon is to be taken for dead.
    pub(crate) fn expire(&mut self, now: Instant) -> io::Result<()> {
        let after = self.call_timeout;
        let silent = || io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {after:?}"));
        let ending = || self.ending.as_ref().map_or_else(silent, again);
        expire(&mut self.aside, now, || Error::TimedOut { after }, ending);
        for unanswered in self.unanswered.iter_mut().take_while(|unanswered| unanswered.call.deadline <= now) {
            if !unanswered.over {
                unanswered.over = true;
                unanswered.call.caller.answer(Err(Error::FateUnknown { source: silent() }));
            }
        }
        if self.silence().is_some_and(|end| end <= now) {
            let error = format!("the daemon has answered nothing for {:?}", self.patience);
            return Err(io::Error::new(io::ErrorKind::TimedOut, error));
        }
        Ok(())
    }

    /// When the daemon is to be taken for dead. A long queue may be slow; what is dead gives no answer at all.
    fn silence(&self) -> Option<Instant> {
        let oldest = self.unanswered.front()?.written;
        Some(options::after(self.heard.map_or(oldest, |heard| heard.max(oldest)), self.patience))
    }

    /// When [`Session::expire`] has something to do next.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let call =
            self.unanswered.iter().find(|unanswered| !unanswered.over).map(|unanswered| unanswered.call.deadline);
        let aside = self.aside.front().map(|call| call.deadline);
        [self.silence(), call, aside].into_iter().flatten().min()
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

    /// The connection is lost: nobody knows what became of the calls that were written. Those that may be made again go to the
    /// head of the queue, in their order.
    pub(crate) fn lose(self, reason: &io::Error, waiting: &mut VecDeque<Call>) {
        let mut kept = self.aside;
        for Unanswered { mut call, over, .. } in self.unanswered {
            // Whoever does not wait for a call any more does not want it made again either.
            if over || call.caller.has_gone() {
                continue;
            }
            if call.again == Again::Never {
                call.end(Err(Error::FateUnknown { source: again(reason) }));
            } else {
                call.open = true;
                kept.push_back(call);
            }
        }
        kept.append(waiting);
        *waiting = kept;
    }
}

/// Why a publish with a key was refused. Only then there is anything to read in an answer here: an acceptance is the caller's
/// business, and so is every answer to another call.
fn refusal(call: &Call, line: &[u8]) -> Option<Failure> {
    if !call.has_key() || line.starts_with(b"{\"ok\":true") {
        return None;
    }
    Reply::read_line::<Published>(line).ok()?.err()
}

fn out_of_step(error: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
