//! What can go wrong with a call, by who is at fault and by what became of the call.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::wire::{ErrorCode, Failure};

/// A call did not succeed.
///
/// [`Error::was_sent`] tells whether the daemon may have seen the call at all.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The call was refused here, before anything was sent: a bad topic, a bad URL.
    Invalid(Failure),
    /// The daemon refused the call; nothing was changed.
    Refused(Failure),
    /// Not sent: the daemon could not be connected to, or not before the call's time ran out.
    Unreachable {
        /// Where the daemon was looked for.
        url: String,
        /// Why the last attempt failed.
        source: io::Error,
    },
    /// Not sent: there is a connection, but the daemon took in nothing more before the call's time ran out.
    TimedOut {
        /// The call's time.
        after: Duration,
    },
    /// Not sent: the client's queue is full, since the daemon is away, or slower than what is published.
    QueueFull {
        /// Which of its bounds was in the way.
        limit: QueueLimit,
        /// How long the call waited for room: its whole time, or zero where it was not to wait.
        waited: Duration,
    },
    /// The call was sent, at least in part, and the answer did not come before its time ran out, or before the connection was
    /// lost where it cannot be made again. A publish may or may not have happened. Of a question only the answer is missing.
    FateUnknown {
        /// Why there is no answer.
        source: io::Error,
    },
    /// The client's own thread has ended, which a fault in this crate alone can bring about.
    Closed,
    /// What answered does not speak the control protocol, or not this version of it.
    Protocol(String),
}

impl Error {
    /// Whether the daemon may have received the call. Where this is `false`, nothing happened, and nothing can be doubled by
    /// making the call again.
    #[must_use]
    pub fn was_sent(&self) -> bool {
        match self {
            Self::Invalid(_) | Self::Unreachable { .. } | Self::TimedOut { .. } | Self::QueueFull { .. } => false,
            Self::Refused(_) | Self::FateUnknown { .. } | Self::Closed | Self::Protocol(_) => true,
        }
    }

    /// The kind of refusal, where it is one, by the daemon or here.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Invalid(failure) | Self::Refused(failure) => Some(failure.code),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(failure) => f.write_str(&failure.error),
            Self::Refused(failure) => write!(f, "refused by the daemon: {failure}"),
            Self::Unreachable { url, source } => write!(f, "cannot reach hasses at {url}: {source}"),
            Self::TimedOut { after } => write!(f, "not sent within {after:?}: the daemon took in nothing more"),
            Self::QueueFull { limit, waited } => {
                write!(f, "not sent: the client's queue is full ({limit} without an answer)")?;
                if waited.is_zero() { Ok(()) } else { write!(f, ", and no room came within {waited:?}") }
            }
            Self::FateUnknown { source } => write!(f, "sent, but whether it was carried out is not known: {source}"),
            Self::Closed => f.write_str("the client's thread has ended"),
            Self::Protocol(what) => f.write_str(what),
        }
    }
}

// Without `source`: the text holds it already, and whoever wants to look into it finds it in the variant.
impl std::error::Error for Error {}

/// A bound of a client's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueLimit {
    /// So many calls: [`Options::queue`](crate::Options::queue).
    Calls(usize),
    /// So many bytes: [`Options::queue_bytes`](crate::Options::queue_bytes).
    Bytes(usize),
}

impl fmt::Display for QueueLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calls(1) => f.write_str("1 call"),
            Self::Calls(most) => write!(f, "{most} calls"),
            Self::Bytes(most) => write!(f, "{most} bytes"),
        }
    }
}

/// The same error once more, for the next call that the same loss concerns.
pub(crate) fn again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}
