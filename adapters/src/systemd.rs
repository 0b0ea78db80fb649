//! Control over a socket that systemd opened and passed on.

use std::io;
use std::path::Path;

use crate::error::OpenError;
use crate::passed::{PassedSocket, check_name};
use crate::sources::{Opened, Settings};
use crate::url::SourceUrl;
use crate::{tcp, unix};

pub(crate) fn check(url: &SourceUrl) -> Result<(), String> {
    check_name(url.target()).map(drop)
}

pub(crate) fn open(url: &SourceUrl, settings: &Settings) -> Opened {
    let failed = |error: io::Error| OpenError::Io { url: url.to_string(), doing: "taking the socket", error };
    match settings.passed.take(url.target()).map_err(failed)? {
        PassedSocket::Tcp(listener) => tcp::listen(url, listener, settings),
        PassedSocket::Unix(listener) => {
            let address = listener.local_addr().map_err(failed)?;
            unix::listen(url, listener, address.as_pathname().unwrap_or(Path::new("(unnamed)")), None)
        }
    }
}
