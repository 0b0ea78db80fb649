//! What comes before a request on some connections: the PROXY header of a proxy, then the handshake of TLS.
//!
//! Each arrival is a small task with one deadline for both, on threads of their own, so that ten thousand handshakes at a
//! time hold up neither publishers nor subscribers. Connections that need neither go to their shard at once.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use async_io::Async;
use futures_lite::{AsyncRead, AsyncReadExt as _, AsyncWrite, FutureExt as _};
use futures_rustls::TlsAcceptor;
use ppp::{HeaderResult, v1, v2};
use smol::Timer;

use crate::connection::Peer;
use crate::settings::Settings;
use crate::tls::Secured;

/// Longest header of version 2 that is read; what proxies add to the addresses has some hundred bytes.
const MAX_PROXY_HEADER: usize = 4096;
/// What a header of version 2 begins with (PROXY protocol, 2.2).
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Longest header of version 1, CRLF included (PROXY protocol, 2.1).
const MAX_TEXT_HEADER: usize = 107;

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
    /// It was not complete in time.
    Late,
    /// The PROXY header is missing or malformed.
    Header(String),
    /// The handshake failed.
    Handshake(io::Error),
    /// The connection broke.
    Broken(io::Error),
}

/// Reads what comes before the request.
///
/// # Errors
/// [`Failure`]; the connection is closed then.
pub async fn welcome<T>(
    stream: Async<T>,
    peer: Peer,
    preface: Preface,
    settings: &Settings,
) -> Result<Newcomer, Failure>
where
    T: Into<OwnedFd>,
    Async<T>: AsyncRead + AsyncWrite + Unpin,
{
    let late = async {
        Timer::after(settings.limits.head_timeout).await;
        Err(Failure::Late)
    };
    let prefaced = async {
        let mut stream = stream;
        let peer = if preface.header { read_header(&mut stream, peer).await? } else { peer };
        let Some(config) = settings.tls.as_ref().filter(|_| preface.tls) else {
            let socket = stream.into_inner().map_err(Failure::Broken)?.into();
            return Ok(Newcomer { socket, peer, tls: None });
        };
        let secured = TlsAcceptor::from(Arc::clone(config)).accept(stream).await.map_err(Failure::Handshake)?;
        let (stream, connection) = secured.into_inner();
        let socket = stream.into_inner().map_err(Failure::Broken)?.into();
        Ok(Newcomer { socket, peer, tls: Some(Box::new(Secured::new(connection))) })
    };
    prefaced.or(late).await
}

/// Reads a PROXY header, and not a byte more; gives whom it names.
async fn read_header(stream: &mut (impl AsyncRead + Unpin), peer: Peer) -> Result<Peer, Failure> {
    let mut header = vec![0; SIGNATURE.len()];
    stream.read_exact(&mut header).await.map_err(incomplete)?;
    if header == SIGNATURE {
        header.resize(16, 0);
        stream.read_exact(&mut header[12..]).await.map_err(incomplete)?;
        let length = usize::from(u16::from_be_bytes([header[14], header[15]]));
        if length > MAX_PROXY_HEADER {
            let why = format!("its PROXY header has more than {MAX_PROXY_HEADER} bytes ({length})");
            return Err(Failure::Header(why));
        }
        header.resize(16 + length, 0);
        stream.read_exact(&mut header[16..]).await.map_err(incomplete)?;
    } else if header.starts_with(b"PROXY ") {
        // The end is known only when it is there, and what follows belongs to the handshake or the request.
        while !header.ends_with(b"\n") {
            if header.len() == MAX_TEXT_HEADER {
                let why = format!("its PROXY header has more than {MAX_TEXT_HEADER} bytes");
                return Err(Failure::Header(why));
            }
            let mut byte = [0];
            stream.read_exact(&mut byte).await.map_err(incomplete)?;
            header.push(byte[0]);
        }
    } else {
        return Err(Failure::Header("it does not begin with a PROXY header".to_owned()));
    }
    source(&header, peer).map_err(|error| Failure::Header(format!("its PROXY header is malformed: {error}")))
}

fn incomplete(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Failure::Header("it ended before its PROXY header was complete".to_owned()),
        _ => Failure::Broken(error),
    }
}

/// Whom a whole header names. Where it names nobody (a health check of the proxy's own, an address of another kind) it is
/// the proxy itself.
fn source(header: &[u8], peer: Peer) -> Result<Peer, String> {
    let named = |address: IpAddr, port| Peer::Tcp(SocketAddr::new(address, port));
    match HeaderResult::parse(header) {
        HeaderResult::V1(header) => match header.map_err(|error| error.to_string())?.addresses {
            v1::Addresses::Tcp4(ip) => Ok(named(ip.source_address.into(), ip.source_port)),
            v1::Addresses::Tcp6(ip) => Ok(named(ip.source_address.into(), ip.source_port)),
            v1::Addresses::Unknown => Ok(peer),
        },
        HeaderResult::V2(header) => {
            let header = header.map_err(|error| error.to_string())?;
            match header.addresses {
                // PROXY protocol, 2.2: the addresses of LOCAL are to be ignored.
                _ if header.command == v2::Command::Local => Ok(peer),
                v2::Addresses::IPv4(ip) => Ok(named(ip.source_address.into(), ip.source_port)),
                v2::Addresses::IPv6(ip) => Ok(named(ip.source_address.into(), ip.source_port)),
                v2::Addresses::Unix(_) | v2::Addresses::Unspecified => Ok(peer),
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late => f.write_str("it was not ready for a request in time (--head-timeout)"),
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

    const PROXY: Peer = Peer::Unix;

    /// What is read of `bytes`, and what is left.
    fn read(bytes: &[u8]) -> (Result<String, String>, Vec<u8>) {
        let mut stream = Cursor::new(bytes);
        let peer = block_on(read_header(&mut stream, PROXY));
        let at = usize::try_from(stream.position()).unwrap();
        (peer.map(|peer| peer.to_string()).map_err(|failure| failure.to_string()), bytes[at..].to_vec())
    }

    fn version_2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family][..], &length, body, b"GET"].concat()
    }

    #[test]
    fn headers_name_the_client_and_leave_what_follows() {
        let ipv4 = [192, 0, 2, 7, 198, 51, 100, 1, 0x30, 0x39, 0x01, 0xbb];
        let ipv6 = [[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]; 2].concat();
        let ipv6 = [&ipv6[..], &[0x30, 0x39, 0x01, 0xbb]].concat();
        let with_tlv = [&ipv4[..], &[0x05, 0, 2, 1, 1]].concat();
        for (bytes, peer) in [
            (b"PROXY TCP4 192.0.2.7 198.51.100.1 12345 443\r\nGET".to_vec(), "192.0.2.7:12345"),
            (b"PROXY TCP6 2001:db8::7 2001:db8::1 12345 443\r\nGET".to_vec(), "[2001:db8::7]:12345"),
            (b"PROXY UNKNOWN\r\nGET".to_vec(), "unix"),
            (b"PROXY UNKNOWN ff:: ff:: 1 2\r\nGET".to_vec(), "unix"),
            (version_2(0x21, 0x11, &ipv4), "192.0.2.7:12345"),
            (version_2(0x21, 0x11, &with_tlv), "192.0.2.7:12345"),
            (version_2(0x21, 0x21, &ipv6), "[2001:db8::7]:12345"),
            (version_2(0x20, 0x11, &ipv4), "unix"),
            (version_2(0x20, 0x00, &[]), "unix"),
            (version_2(0x21, 0x31, &[0; 216]), "unix"),
        ] {
            assert_eq!(read(&bytes), (Ok(peer.to_owned()), b"GET".to_vec()), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let long = [b"PROXY TCP4 ".to_vec(), vec![b'1'; 200]].concat();
        for (bytes, part) in [
            (b"GET /sse HTTP/1.1\r\n".to_vec(), "does not begin with a PROXY header"),
            (b"PROXY".to_vec(), "ended before"),
            (b"PROXY TCP4 192.0.2.7 ".to_vec(), "ended before"),
            (b"PROXY TCP4 192.0.2.7 198.51.100.1 12345\r\n".to_vec(), "malformed"),
            (b"PROXY TCP4 192.0.2.777 198.51.100.1 12345 443\r\n".to_vec(), "malformed"),
            (b"PROXY TCP4 192.0.2.7 198.51.100.1 99999 443\r\n".to_vec(), "malformed"),
            (b"PROXY TCP4 2001:db8::7 198.51.100.1 12345 443\r\n".to_vec(), "malformed"),
            (b"PROXY UDP4 192.0.2.7 198.51.100.1 12345 443\r\n".to_vec(), "malformed"),
            (b"PROXY TCP4 192.0.2.7 198.51.100.1 12345 443\n".to_vec(), "malformed"),
            (long, "more than 107 bytes"),
            (version_2(0x11, 0x11, &[0; 12]), "malformed"),
            (version_2(0x22, 0x11, &[0; 12]), "malformed"),
            (version_2(0x21, 0x41, &[0; 12]), "malformed"),
            (version_2(0x21, 0x11, &[0; 11]), "malformed"),
            (version_2(0x21, 0x11, &[0; 5000]), "more than 4096 bytes (5000)"),
            (version_2(0x21, 0x11, &[0; 12])[..20].to_vec(), "ended before"),
        ] {
            let error = read(&bytes).0.expect_err("a failure");
            assert!(error.contains(part), "{bytes:?}: {error}");
        }
    }
}
