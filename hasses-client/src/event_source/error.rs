//! What can go wrong with a subscription, by who is at fault.

use std::fmt;
use std::io;

/// Why a subscription is not made, has lost its stream, or has ended.
///
/// Those for which [`Error::is_final`] holds end it; the others come with [`Item::Lost`](super::Item::Lost).
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Nothing was tried, as it could never succeed: the URL, a header, an id or the file of authorities is wrong.
    Invalid(String),
    /// The network is at fault, or a machine that is not there: no address, no connection, no answer in time, a connection
    /// that broke or fell silent.
    Network(io::Error),
    /// There is no TLS to be had: most often a certificate that does not hold.
    Tls {
        /// The host as it stands in the URL.
        host: String,
        /// What is wrong.
        source: io::Error,
    },
    /// What answers does not speak HTTP as it should, or sends from one place to the next without end.
    Protocol(String),
    /// The stream has come to its end.
    Ended,
    /// Final: the server answered with a status other than 200.
    Status {
        /// Where; after a redirect not the URL that was asked for.
        url: String,
        /// The status.
        status: u16,
        /// The status in words: `Not Found`; may be empty.
        reason: String,
        /// The first line of the body, which often says why; may be empty. At most 1 KiB, control characters replaced.
        says: String,
    },
    /// Final: the answer is something else than an event stream.
    NotAStream {
        /// Where; after a redirect not the URL that was asked for.
        url: String,
        /// Its content type, and its encoding where it has one that was not asked for.
        content: String,
    },
    /// Final: an event is longer than [`Builder::max_event_bytes`](super::Builder::max_event_bytes) allows.
    TooLong {
        /// So many bytes are allowed.
        limit: usize,
    },
    /// Final: the subscription's own thread has ended, which a fault in this crate alone can bring about.
    Closed,
}

impl Error {
    /// Whether no further attempt is made.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Network(_) | Self::Tls { .. } | Self::Protocol(_) | Self::Ended => false,
            Self::Invalid(_) | Self::Status { .. } | Self::NotAStream { .. } | Self::TooLong { .. } | Self::Closed => {
                true
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(what) | Self::Protocol(what) => f.write_str(what),
            Self::Network(source) => source.fmt(f),
            Self::Tls { host, source } => write!(f, "TLS with {host} failed: {source}"),
            Self::Ended => f.write_str("the stream has ended"),
            Self::Status { url, status, reason, says } => {
                write!(f, "{url} answered {status}")?;
                [(" ", reason), (": ", says)]
                    .into_iter()
                    .filter(|(_, text)| !text.is_empty())
                    .try_for_each(|(before, text)| write!(f, "{before}{text}"))
            }
            Self::NotAStream { url, content } => {
                write!(f, "{url} answered with content of the type {content:?}, which is no event stream")
            }
            Self::TooLong { limit } => write!(f, "an event is longer than {limit} bytes"),
            Self::Closed => f.write_str("the subscription's thread has ended"),
        }
    }
}

// Without `source`: the text holds it already, and whoever wants to look into it finds it in the variant.
impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_said_in_one_line() {
        let refusal = |reason: &str, says: &str| {
            let url = "http://h/sse".to_owned();
            Error::Status { url, status: 404, reason: reason.into(), says: says.into() }.to_string()
        };
        assert_eq!(refusal("", ""), "http://h/sse answered 404");
        assert_eq!(refusal("Not Found", "no such path"), "http://h/sse answered 404 Not Found: no such path");
    }
}
