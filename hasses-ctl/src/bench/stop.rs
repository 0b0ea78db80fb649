//! Why nothing more comes from a subscriber's connection, and what that means before anything was published. No I/O.

use std::io;

use super::stream::End;
use super::target::Target;
use crate::failure::Failure;
use crate::quantity::count;
use crate::tls;

/// Why nothing more comes from a subscriber's connection.
#[derive(Debug)]
pub(super) enum Stop {
    End(End),
    Io(io::Error),
}

impl Stop {
    /// For people.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::End(End::Refused(status)) => status.clone(),
            Self::End(End::Ended) => "the server ended the stream".to_owned(),
            Self::End(End::Deferred) => "the server says to come back later".to_owned(),
            Self::End(End::Malformed(why)) => (*why).to_owned(),
            Self::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                "the server closed the connection".to_owned()
            }
            Self::Io(error) => error.to_string(),
        }
    }

    /// The subscriber of this number, one of so many, cannot be there while so many others are.
    pub(super) fn turned_away(&self, target: &Target, number: u32, all: u32, others: u64) -> Failure {
        let away =
            format!("subscriber {number} of {all} was turned away before anything was published: {}", self.reason());
        match self {
            Self::End(End::Refused(status)) => {
                Failure::refused("http", format!("subscriber {number} was refused: {status}"))
            }
            Self::End(End::Deferred) => {
                // Those before it are there, though not all of them have been heard of.
                let others = count(others.max(u64::from(number)));
                let room = format!("it has no room for more subscribers ({others} are connected)");
                Failure::refused("refused", format!("{away}: {room}"))
            }
            Self::Io(error) if error.kind() == io::ErrorKind::InvalidData => tls::failed(&target.url, error),
            Self::Io(error) if target.tls.is_none() && is_end(error) && others == 0 => {
                Failure::refused("refused", away).advise(tls::PERHAPS)
            }
            _ => Failure::refused("refused", away),
        }
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_turned_away_is_told_why_and_what_to_try() {
        let target = Target::find("http://127.0.0.1:1/sse", None).unwrap();
        let tls = |error: rustls::Error| Stop::Io(io::Error::new(io::ErrorKind::InvalidData, error));
        for (stop, others, error, advice) in [
            (Stop::End(End::Deferred), 1_200, "later: it has no room for more subscribers (1,200 are connected)", ""),
            (Stop::Io(io::ErrorKind::UnexpectedEof.into()), 0, "closed the connection", "speak TLS (https://)?"),
            (Stop::Io(io::ErrorKind::UnexpectedEof.into()), 1, "closed the connection", ""),
            (tls(rustls::Error::DecryptError), 0, "TLS with http://127.0.0.1:1/sse failed: ", "--ca FILE"),
        ] {
            let failure = stop.turned_away(&target, 0, 9, others);
            assert!(failure.error().contains(error), "{}", failure.error());
            assert!(failure.advice().join("").contains(advice) && failure.advice().is_empty() == advice.is_empty());
        }
    }
}
