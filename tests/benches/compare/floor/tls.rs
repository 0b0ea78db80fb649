//! The bare loop's TLS: a rustls session a connection, an event encrypted for each and handed to the kernel at once.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use super::sockets::wait_until_writable;

/// Reads certificate and key.
pub(super) fn configuration(certificate: &OsStr, key: &OsStr) -> io::Result<Arc<ServerConfig>> {
    let certificate = CertificateDer::from_pem_file(certificate).map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(io::Error::other)?;
    let configuration = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
    configuration.map(Arc::new).map_err(io::Error::other)
}

/// One connection's session.
pub(super) struct Session {
    connection: Box<ServerConnection>,
}

impl Session {
    pub(super) fn new(configuration: &Arc<ServerConfig>) -> io::Result<Self> {
        let connection = ServerConnection::new(Arc::clone(configuration)).map_err(io::Error::other)?;
        Ok(Self { connection: Box::new(connection) })
    }

    /// Takes what the socket has, answers what the handshake wants, and gives the plaintext; `None` at its end.
    pub(super) fn receive(&mut self, socket: &OwnedFd) -> io::Result<Option<Vec<u8>>> {
        if self.connection.read_tls(&mut Socket(socket)).is_ok_and(|length| length == 0) {
            return Ok(None);
        }
        let state = self.connection.process_new_packets().map_err(io::Error::other)?;
        let mut plaintext = vec![0; state.plaintext_bytes_to_read()];
        self.connection.reader().read_exact(&mut plaintext)?;
        self.write(socket)?;
        Ok(Some(plaintext))
    }

    /// Encrypts and sends all of `bytes`.
    pub(super) fn send(&mut self, socket: &OwnedFd, bytes: &[u8]) -> io::Result<()> {
        self.connection.writer().write_all(bytes)?;
        self.write(socket)
    }

    fn write(&mut self, socket: &OwnedFd) -> io::Result<()> {
        while self.connection.wants_write() {
            self.connection.write_tls(&mut Socket(socket))?;
        }
        Ok(())
    }
}

/// A socket as rustls wants it.
struct Socket<'a>(&'a OwnedFd);

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::net::recv(self.0.as_fd(), buffer, RecvFlags::DONTWAIT).map(|(length, _)| length)?)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match rustix::net::send(self.0.as_fd(), bytes, SendFlags::NOSIGNAL) {
                Err(Errno::AGAIN) => wait_until_writable(self.0)?,
                // It has gone; epoll says so too.
                Err(Errno::CONNRESET | Errno::PIPE) => return Ok(bytes.len()),
                result => return Ok(result?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
