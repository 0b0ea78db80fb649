//! One call on its way: the line that asks, the time it has, whether it may be made again, and where its answer goes.

use std::collections::VecDeque;
use std::io;
use std::time::Instant;

use super::room::Room;
use crate::error::Error;
use crate::options::Delivery;
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
    /// What happens to it when it was written and the connection is lost.
    pub(crate) again: Again,
    /// It was written before, and nobody knows what became of it.
    pub(crate) open: bool,
    /// Its share of the queue; `None` as long as it has to wait for one.
    pub(crate) room: Option<Room>,
}

/// Whether a call may be made a second time while the fate of the first is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// It could happen twice.
    Never,
    /// It changes nothing.
    Question,
    /// The daemon knows it again by the key that the program gave it.
    OwnKey,
    /// The daemon knows it again by the key that this client gave it: so many bytes of the line, right behind its first.
    ClientKey(usize),
}

/// Who waits for the outcome of a call.
///
/// A single call has a channel for itself; a bulk publish has one for all its calls, with room for every outcome that can be
/// outstanding. So there is always room, and the thread that does the I/O never waits for a caller.
pub(crate) struct Caller {
    outcomes: flume::Sender<(u64, Outcome)>,
    /// Which of the caller's calls it is.
    number: u64,
    told: bool,
}

impl Call {
    /// A call. With `key` a publish that has none gets this one.
    pub(crate) fn new(
        command: &Command,
        key: Option<&str>,
        delivery: Delivery,
        deadline: Instant,
        caller: Caller,
    ) -> Self {
        let mut line = Vec::with_capacity(160);
        let mut again = match command {
            Command::Publish(publish) if publish.key.is_some() && delivery == Delivery::ExactlyOnce => Again::OwnKey,
            Command::Publish(_) | Command::Disconnect(_) | Command::LogLevel(Some(_)) | Command::Reinit(Some(_)) => {
                Again::Never
            }
            Command::Status
            | Command::Clients(_)
            | Command::Topics(_)
            | Command::Count(_)
            | Command::CountExactly(_)
            | Command::LogLevel(None)
            | Command::Reinit(None)
            | Command::Position
            | Command::Ping => Again::Question,
        };
        if let Some(key) = key {
            line.extend_from_slice(b"{\"key\":\"");
            line.extend_from_slice(key.as_bytes());
            line.push(b'"');
            again = Again::ClientKey(line.len());
        }
        let behind_key = line.len();
        command.write_line(&mut line);
        if behind_key > 0 {
            // What was the beginning of the object goes on with its second field.
            line[behind_key] = b',';
        }
        Self { line, deadline, caller, again, open: false, room: None }
    }

    /// Whether the daemon would know it again.
    pub(crate) fn has_key(&self) -> bool {
        matches!(self.again, Again::OwnKey | Again::ClientKey(_))
    }

    /// Leaves the client's key out, for a daemon that takes none: from now on it can happen twice. Where that may be so
    /// already, the key stays.
    pub(crate) fn drop_client_key(&mut self) {
        if let Again::ClientKey(bytes) = self.again
            && !self.open
        {
            self.line.drain(1..=bytes);
            self.again = Again::Never;
        }
    }

    /// Ends it. Its room is there for others before its caller goes on.
    pub(crate) fn end(mut self, outcome: Outcome) {
        self.room = None;
        self.caller.answer(outcome);
    }
}

impl Caller {
    /// One that tells its calls apart by number.
    pub(crate) fn new(outcomes: flume::Sender<(u64, Outcome)>, number: u64) -> Self {
        Self { outcomes, number, told: false }
    }

    /// Hands the outcome over. Whoever dropped the call does not want it any more.
    pub(crate) fn answer(&mut self, outcome: Outcome) {
        self.told = true;
        let _ = self.outcomes.try_send((self.number, outcome));
    }

    /// Whether the call was dropped, so that nobody waits for its outcome.
    pub(crate) fn has_gone(&self) -> bool {
        self.outcomes.is_disconnected()
    }
}

/// A call that is lost in this client itself has an outcome as well.
impl Drop for Caller {
    fn drop(&mut self) {
        if !self.told {
            self.answer(Err(Error::Closed));
        }
    }
}

/// Ends the calls whose time has run out: `lost` is why nobody knows the fate of those that were written before.
pub(super) fn expire(
    calls: &mut VecDeque<Call>,
    now: Instant,
    not_sent: impl Fn() -> Error,
    lost: impl Fn() -> io::Error,
) {
    while calls.front().is_some_and(|call| call.deadline <= now) {
        if let Some(call) = calls.pop_front() {
            let error = if call.open { Error::FateUnknown { source: lost() } } else { not_sent() };
            call.end(Err(error));
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{ClientsQuery, Disconnect, LogLevel, Publish, TopicPattern, TopicsQuery};

    fn call(command: &Command, key: Option<&str>, delivery: Delivery) -> Call {
        let (outcomes, _) = flume::bounded(1);
        Call::new(command, key, delivery, Instant::now(), Caller::new(outcomes, 0))
    }

    fn publish(key: Option<&str>) -> Publish {
        let publish = Publish::new(TopicPattern::new("a").unwrap(), "x");
        Publish { key: key.map(|key| key.parse().unwrap()), ..publish }
    }

    #[test]
    fn a_key_of_the_client_is_read_as_one_and_leaves_nothing_behind_when_it_is_dropped() {
        let plain = Command::Publish(publish(None));
        let mut call = call(&plain, Some("4711"), Delivery::ExactlyOnce);
        assert_eq!(Command::read_line(call.line.trim_ascii_end()), Ok(Command::Publish(publish(Some("4711")))));
        assert!(call.has_key());
        call.open = true;
        call.drop_client_key();
        assert!(call.has_key(), "without its key it could happen twice");
        call.open = false;
        call.drop_client_key();
        assert_eq!(Command::read_line(call.line.trim_ascii_end()), Ok(plain));
        assert_eq!(call.again, Again::Never);
    }

    #[test]
    fn what_may_be_made_again_is_what_changes_nothing_or_has_a_key() {
        let own = Command::Publish(publish(Some("k")));
        assert_eq!(call(&own, None, Delivery::ExactlyOnce).again, Again::OwnKey);
        assert_eq!(call(&own, None, Delivery::AtMostOnce).again, Again::Never);
        for (command, again) in [
            (Command::Publish(publish(None)), Again::Never),
            (Command::Status, Again::Question),
            (Command::Clients(ClientsQuery::default()), Again::Question),
            (Command::Topics(TopicsQuery::default()), Again::Question),
            (Command::Count(None), Again::Question),
            (Command::Disconnect(Disconnect::Client(1)), Again::Never),
            (Command::LogLevel(None), Again::Question),
            (Command::LogLevel(Some(LogLevel::Quiet)), Again::Never),
            (Command::Reinit(None), Again::Question),
            (Command::Reinit(Some(true)), Again::Never),
            (Command::Position, Again::Question),
            (Command::Ping, Again::Question),
        ] {
            assert_eq!(call(&command, None, Delivery::ExactlyOnce).again, again, "{command:?}");
        }
    }
}
