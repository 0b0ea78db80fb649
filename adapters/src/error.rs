//! Why a control source cannot be opened: always the operator's to mend, so every text says what to do.

use std::fmt;
use std::io;

/// A control source cannot be opened.
#[derive(Debug)]
pub enum OpenError {
    /// The URL cannot be read.
    BadUrl {
        /// As it was written.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// Control has no authentication, so it is not opened to other machines unless that is asked for.
    RemoteControl {
        /// As it was written.
        url: String,
    },
    /// Somebody is there already, or what is there is not what the URL says.
    Occupied {
        /// As it was written.
        url: String,
        /// Who or what.
        why: String,
    },
    /// The system refused.
    Io {
        /// As it was written.
        url: String,
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadUrl { url, why } => write!(f, "control source {url:?}: {why}"),
            Self::RemoteControl { url } => write!(
                f,
                "control source {url:?} would be open to other machines, and control has no authentication: \
                 use a loopback address, or say --allow-remote-control"
            ),
            Self::Occupied { url, why } => write!(f, "control source {url:?}: {why}"),
            Self::Io { url, doing, error } => {
                let port = url.strip_prefix("tcp://").and_then(|at| at.rsplit_once(':')?.1.parse().ok());
                write!(f, "control source {url:?}: {doing}: {error}{}", advice(error, port))
            }
        }
    }
}

/// `; ` and what to do next about an address or a path that the system refuses; empty where that is not known. `port` is that of
/// a TCP address.
#[must_use]
pub fn advice(error: &io::Error, port: Option<u16>) -> String {
    match (error.kind(), port) {
        (io::ErrorKind::AddrInUse, Some(port)) => {
            format!("; another hasses, or another program? `ss -ltnp 'sport = :{port}'` says which")
        }
        (io::ErrorKind::PermissionDenied, Some(1..1024)) => {
            "; ports under 1024 are root's: start it as root with --user, \
             or give it CAP_NET_BIND_SERVICE (AmbientCapabilities= in a unit), or choose a higher one"
                .to_owned()
        }
        (io::ErrorKind::AddrNotAvailable, Some(_)) => {
            "; no interface of this machine has that address (`ip address` lists them)".to_owned()
        }
        (io::ErrorKind::PermissionDenied, None) => {
            "; the user of the daemon must be able to enter and to write its folder".to_owned()
        }
        _ => String::new(),
    }
}

impl std::error::Error for OpenError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_refuses_comes_with_what_to_do_next() {
        for (kind, url, part) in [
            (io::ErrorKind::AddrInUse, "tcp://127.0.0.1:8085", "`ss -ltnp 'sport = :8085'`"),
            (io::ErrorKind::PermissionDenied, "tcp://127.0.0.1:85", "CAP_NET_BIND_SERVICE"),
            (io::ErrorKind::AddrNotAvailable, "tcp://192.0.2.1:8085", "`ip address`"),
            (io::ErrorKind::PermissionDenied, "fifo:///run/hasses/fifo", "to write its folder"),
        ] {
            let text = OpenError::Io { url: url.to_owned(), doing: "opening", error: kind.into() }.to_string();
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(advice(&io::ErrorKind::PermissionDenied.into(), Some(8080)), "");
    }
}
