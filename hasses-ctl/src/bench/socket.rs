//! A connection that never blocks: TCP or a Unix socket, plain or with TLS.

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use hasses_client::web::Transport;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// Connections from one loopback address: far fewer than there are ephemeral ports (28,232 on a default Linux), of which the kernel
/// tries one after the other until it finds a free one.
const PER_ADDRESS: u32 = 4_000;

/// A connection.
#[derive(Debug)]
pub(super) enum Socket {
    Plain(OwnedFd),
    Tls(Box<Secured>),
}

/// One with TLS.
#[derive(Debug)]
pub(super) struct Secured {
    socket: OwnedFd,
    session: ClientConnection,
}

/// How TLS is spoken with a server.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    pub(super) config: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
}

impl Socket {
    /// Begins to connect, from this address where one is given.
    pub(super) fn connect(address: SocketAddr, from: Option<IpAddr>, tls: Option<&Tls>) -> io::Result<Self> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        if let Some(from) = from {
            rustix::net::bind(&socket, &SocketAddr::new(from, 0))?;
        }
        // Closing resets, so that thousands of ports do not sit in TIME_WAIT when the next server is measured.
        sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        match rustix::net::connect(&socket, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        match tls {
            None => Ok(Self::Plain(socket)),
            Some(tls) => {
                let session =
                    ClientConnection::new(Arc::clone(&tls.config), tls.name.clone()).map_err(io::Error::other)?;
                Ok(Self::Tls(Box::new(Secured { socket, session })))
            }
        }
    }

    /// One that stands, as the client crate has it.
    pub(super) fn of(transport: Transport) -> io::Result<Self> {
        transport.socket().set_nonblocking(true)?;
        Ok(match transport {
            Transport::Plain(stream) => Self::Plain(stream.into()),
            Transport::Tls(stream) => {
                let StreamOwned { conn, sock } = *stream;
                Self::Tls(Box::new(Secured { socket: sock.into(), session: conn }))
            }
        })
    }

    /// Why connecting failed, where it did.
    pub(super) fn fault(&self) -> io::Result<()> {
        Ok(sockopt::socket_error(self)??)
    }

    /// Reads once, and gives what came to `take`, in pieces; the number of bytes on the wire.
    ///
    /// # Errors
    /// Those of `take`, and the system's: also that nothing is there (`WouldBlock`), and that the connection has ended
    /// (`UnexpectedEof`).
    #[inline]
    pub(super) fn receive<E: From<io::Error>>(
        &mut self,
        buffer: &mut [u8],
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<usize, E> {
        let (length, _) =
            rustix::net::recv(self.as_fd(), &mut *buffer, RecvFlags::DONTWAIT).map_err(io::Error::from)?;
        if length == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        match self {
            Self::Plain(_) => take(&buffer[..length])?,
            Self::Tls(secured) => secured.decrypt(&buffer[..length], &mut take)?,
        }
        Ok(length)
    }

    /// Hands over as many bytes as there is room for; gives their number.
    ///
    /// # Errors
    /// The system's; `WouldBlock` where there is no room.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => send(socket, bytes),
            Self::Tls(secured) => {
                secured.flush()?;
                let taken = secured.session.writer().write(bytes)?;
                match secured.flush() {
                    // What is encrypted goes out with the next call.
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(taken),
                    flushed => flushed.map(|()| taken),
                }
            }
        }
    }

    /// Writes what TLS has to say by itself; there may be no room for it yet.
    ///
    /// # Errors
    /// The system's; `WouldBlock` where there is no room.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(secured) => secured.flush(),
        }
    }

    /// Whether there is something to write that was taken by [`send`](Self::send).
    pub(super) fn has_to_write(&self) -> bool {
        matches!(self, Self::Tls(secured) if secured.session.wants_write())
    }
}

impl Secured {
    /// Gives what these records hold to `take`.
    fn decrypt<E: From<io::Error>>(
        &mut self,
        mut records: &[u8],
        take: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while !records.is_empty() {
            self.session.read_tls(&mut records)?;
            let state =
                self.session.process_new_packets().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error));
            // Alerts go out even where it has failed.
            if self.session.wants_write() {
                match self.flush() {
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error.into()),
                    _ => {}
                }
            }
            let mut left = state?.plaintext_bytes_to_read();
            while left > 0 {
                let mut reader = self.session.reader();
                let piece = io::BufRead::fill_buf(&mut reader)?;
                let length = piece.len();
                take(piece)?;
                io::BufRead::consume(&mut reader, length);
                left -= length;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            let socket = &self.socket;
            self.session.write_tls(&mut Writer(socket))?;
        }
        Ok(())
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Plain(socket) => socket.as_fd(),
            Self::Tls(secured) => secured.socket.as_fd(),
        }
    }
}

/// A socket that rustls writes to.
struct Writer<'a>(&'a OwnedFd);

impl io::Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        send(self.0, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn send(socket: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?)
}

/// Where the connection of this rank comes from, among so many: the system's choice, unless they are too many for one address and
/// the target is on this machine, which has a whole net of addresses (127.0.0.0/8).
pub(super) fn source(target: SocketAddr, nth: u32) -> Option<IpAddr> {
    let rank = nth / PER_ADDRESS;
    if rank == 0 || !target.ip().is_loopback() || !target.is_ipv4() {
        return None;
    }
    Some(Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + rank).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_connections_come_from_many_addresses_of_this_machine() {
        let target: SocketAddr = "127.0.0.1:8080".parse().unwrap();
        for (nth, expected) in
            [(0, None), (3_999, None), (4_000, Some([127, 0, 0, 2])), (1_200_000, Some([127, 0, 1, 45]))]
        {
            assert_eq!(source(target, nth), expected.map(IpAddr::from), "{nth}");
        }
        assert_eq!(source("192.0.2.1:80".parse().unwrap(), 60_000), None);
        assert_eq!(source("[::1]:80".parse().unwrap(), 60_000), None);
    }
}
