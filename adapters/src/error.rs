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
            Self::Io { url, doing, error } => write!(f, "control source {url:?}: {doing}: {error}"),
        }
    }
}

impl std::error::Error for OpenError {}
