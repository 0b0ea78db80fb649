//! What comes before a request on some connections: the PROXY header of a proxy, then the handshake of TLS.
//!
//! Each arrival is a small task with one deadline for both, on threads of their own, so that ten thousand handshakes at a
//! time hold up neither publishers nor subscribers. Connections that need neither go to their shard at once.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use async_io::Async;
use futures_lite::{AsyncRead, AsyncReadExt as _, AsyncWrite, FutureExt as _};
use futures_rustls::TlsAcceptor;
use smol::Timer;

use crate::connection::Peer;
use crate::proxy_header::{source, wanted};
use crate::settings::Settings;
use crate::tls::Secured;

/// A connection that is ready for its request.
#[derive(Debug)]
pub struct Newcomer {
    /// Its socket, which does not block.
    pub socket: OwnedFd,
    /// Who is at the other end, as far as it is known before the request.
    pub peer: Peer,
    /// Its TLS, where it has one.
    pub tls: Option<Box<Secured>>,
}

/// What comes before the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preface {
    /// A PROXY header.
    pub header: bool,
    /// A TLS handshake.
    pub tls: bool,
}

impl Preface {
    /// The request comes first.
    #[must_use]
    pub fn is_empty(self) -> bool {
        !self.header && !self.tls
    }
}

/// Why a connection does not become a [`Newcomer`].
#[derive(Debug)]
pub enum Failure {
    /// The PROXY header is missing, malformed or late.
    Header(String),
    /// The handshake failed, or was not complete in time.
    Handshake(io::Error),
    /// The connection broke.
    Broken(io::Error),
}

/// Reads what comes before the request.
///
/// # Errors
/// [`Failure`]; the connection is closed then.
pub async fn welcome<T>(
    mut stream: Async<T>,
    mut peer: Peer,
    preface: Preface,
    settings: &Settings,
) -> Result<Newcomer, Failure>
where
    T: Into<OwnedFd>,
    Async<T>: AsyncRead + AsyncWrite + Unpin,
{
    let deadline = Instant::now() + settings.limits.head_timeout;
    if preface.header {
        let failure = Failure::Header("it sent no whole PROXY header in time (--head-timeout)".to_owned());
        peer = read_header(&mut stream, peer).or(late(deadline, failure)).await?;
    }
    let Some(config) = settings.tls.as_ref().filter(|_| preface.tls) else {
        let socket = stream.into_inner().map_err(Failure::Broken)?.into();
        return Ok(Newcomer { socket, peer, tls: None });
    };
    let handshake = async { TlsAcceptor::from(Arc::clone(config)).accept(stream).await.map_err(Failure::Handshake) };
    let why = "it was not complete in time (--head-timeout)";
    let failure = Failure::Handshake(io::Error::new(io::ErrorKind::TimedOut, why));
    let (stream, connection) = handshake.or(late(deadline, failure)).await?.into_inner();
    let socket = stream.into_inner().map_err(Failure::Broken)?.into();
    Ok(Newcomer { socket, peer, tls: Some(Box::new(Secured::new(connection))) })
}

/// Fails at the deadline.
async fn late<T>(deadline: Instant, failure: Failure) -> Result<T, Failure> {
    Timer::at(deadline).await;
    Err(failure)
}

/// Reads a PROXY header, and not a byte more; gives whom it names. Where it names nobody it is the proxy itself.
async fn read_header(stream: &mut (impl AsyncRead + Unpin), peer: Peer) -> Result<Peer, Failure> {
    let mut header = Vec::new();
    loop {
        let length = header.len();
        match wanted(&header).map_err(Failure::Header)? {
            0 => return Ok(source(&header).map_err(Failure::Header)?.map_or(peer, Peer::Tcp)),
            more => header.resize(length + more, 0),
        }
        match stream.read(&mut header[length..]).await.map_err(Failure::Broken)? {
            0 => return Err(Failure::Header("it ended before its PROXY header was complete".to_owned())),
            count => header.truncate(length + count),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(why) => f.write_str(why),
            Self::Handshake(error) => write!(f, "the TLS handshake failed: {error}"),
            Self::Broken(error) => write!(f, "the connection broke: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;
    use futures_lite::io::Cursor;

    use super::*;

    #[test]
    fn a_header_is_read_and_not_a_byte_more() {
        for (bytes, peer) in [
            (&b"PROXY TCP4 192.0.2.7 198.51.100.1 12345 443\r\nGET"[..], Ok("192.0.2.7:12345")),
            (b"PROXY UNKNOWN\r\nGET", Ok("unix")),
            (b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0GET", Ok("unix")),
            (b"GET", Err("it does not begin with a PROXY header")),
            (b"PROXY TCP4 192.0.2.7 ", Err("it ended before its PROXY header was complete")),
            (b"", Err("it ended before its PROXY header was complete")),
        ] {
            let mut stream = Cursor::new(bytes);
            let read = block_on(read_header(&mut stream, Peer::Unix));
            let read = read.map(|peer| peer.to_string()).map_err(|failure| failure.to_string());
            assert_eq!(read.as_deref().map_err(String::as_str), peer, "{bytes:?}");
            let at = usize::try_from(stream.position()).unwrap();
            assert!(peer.is_err() || &bytes[at..] == b"GET", "{bytes:?}");
        }
    }
}
