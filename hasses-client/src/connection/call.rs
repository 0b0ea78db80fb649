//! One call on its way: the line that asks, the time it has, and where its answer goes.

use std::time::Instant;

use crate::error::Error;
use crate::wire::{Command, Reply, ReplyBody};

/// The answer line of a call, or why there is none.
pub(crate) type Outcome = Result<Vec<u8>, Error>;

/// A call that is not answered yet.
pub(crate) struct Call {
    /// The command as a JSON line, with its LF.
    pub(crate) line: Vec<u8>,
    /// When its time runs out.
    pub(crate) deadline: Instant,
    /// Who waits for the outcome.
    pub(crate) caller: Caller,
}

/// Who waits for the outcome of a call.
///
/// A single call has a channel for itself; a bulk publish has one for all its calls, with room for every outcome that can be
/// outstanding. So there is always room, and the thread that does the I/O never waits for a caller.
#[derive(Clone)]
pub(crate) struct Caller(pub(crate) flume::Sender<Outcome>);

impl Call {
    pub(crate) fn new(command: &Command, deadline: Instant, caller: Caller) -> Self {
        let mut line = Vec::with_capacity(128);
        command.write_line(&mut line);
        Self { line, deadline, caller }
    }
}

impl Caller {
    /// Hands the outcome over. Whoever dropped the call does not want it any more.
    pub(crate) fn answer(&self, outcome: Outcome) {
        let _ = self.0.try_send(outcome);
    }

    /// Whether the call was dropped, so that nobody waits for its outcome.
    pub(crate) fn has_gone(&self) -> bool {
        self.0.is_disconnected()
    }
}

/// Reads the outcome as the body that the command asked for. That is left to the caller's thread, since parsing takes
/// longer than everything else that is done with an answer.
pub(crate) fn read<T: ReplyBody>(outcome: Outcome) -> Result<T, Error> {
    let line = outcome?;
    match Reply::read_line(&line) {
        Ok(answer) => answer.map_err(Error::Refused),
        Err(error) => Err(Error::Protocol(format!("the answer {} cannot be read: {error}", excerpt(&line)))),
    }
}

/// The beginning of a line for an error message, with everything unprintable escaped.
pub(crate) fn excerpt(line: &[u8]) -> String {
    const LONGEST: usize = 60;
    let shown = String::from_utf8_lossy(&line[..line.len().min(LONGEST)]);
    format!("{:?}{}", shown.trim_end_matches(['\r', '\n']), if line.len() > LONGEST { "…" } else { "" })
}
