//! Connections: TCP, and TLS on it.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use socket2::{Domain, Socket, Type};

/// A connection that bytes go through.
pub enum Transport<S: Read + Write = TcpStream> {
    /// Plain.
    Plain(S),
    /// TLS.
    Tls(Box<StreamOwned<ClientConnection, S>>),
}

/// The addresses of a host, IPv6 ones as well, in the system's order of preference.
///
/// # Errors
/// The resolver's.
pub fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in (host, port).to_socket_addrs()? {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    }
    Ok(addresses)
}

/// Connects, from this address where one is given.
///
/// # Errors
/// The system's; `TimedOut` after `patience`.
pub fn dial(address: SocketAddr, from: Option<IpAddr>, patience: Duration) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if let Some(from) = from {
        socket.bind(&SocketAddr::new(from, 0).into())?;
    }
    socket.connect_timeout(&address.into(), patience)?;
    // A request is one write, and shall not wait for the answer to an earlier packet.
    socket.set_tcp_nodelay(true)?;
    Ok(socket.into())
}

impl<S: Read + Write> Transport<S> {
    /// TLS with this host, its handshake still to come.
    ///
    /// # Errors
    /// `InvalidInput` where the host is none that TLS could check.
    pub fn tls(stream: S, host: &str, config: &Arc<ClientConfig>) -> io::Result<Self> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, format!("{host:?} is no name for TLS")))?;
        let session = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        Ok(Self::Tls(Box::new(StreamOwned::new(session, stream))))
    }

    /// Shakes hands; on a plain connection there is nothing to do.
    ///
    /// # Errors
    /// What rustls says, as the source of an [`io::Error`] of the kind `InvalidData`; `WouldBlock` where the socket does not
    /// block, and it has to be called again.
    pub fn shake_hands(&mut self) -> io::Result<()> {
        if let Self::Tls(stream) = self {
            while stream.conn.is_handshaking() {
                stream.conn.complete_io(&mut stream.sock)?;
            }
        }
        Ok(())
    }

    /// The TCP connection beneath.
    pub fn socket(&self) -> &S {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        }
    }

    /// What TLS agreed on.
    pub fn session(&self) -> Option<&ClientConnection> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(stream) => Some(&stream.conn),
        }
    }
}

impl Transport {
    /// Shakes hands for TLS with this host, over a connection that blocks.
    ///
    /// # Errors
    /// Those of [`Transport::tls`] and [`Transport::shake_hands`]; `TimedOut` or `WouldBlock` after `patience`.
    pub fn secure(stream: TcpStream, host: &str, config: &Arc<ClientConfig>, patience: Duration) -> io::Result<Self> {
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        let mut transport = Self::tls(stream, host, config)?;
        transport.shake_hands()?;
        transport.socket().set_read_timeout(None)?;
        transport.socket().set_write_timeout(None)?;
        Ok(transport)
    }
}

impl<S: Read + Write> Read for Transport<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => match stream.read(buffer) {
                // Closed without a word: for a stream no other end than one that TLS announced.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
                read => read,
            },
        }
    }
}

impl<S: Read + Write> Write for Transport<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
