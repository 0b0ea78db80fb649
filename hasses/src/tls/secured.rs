//! A connection whose handshake is done: what goes out is encrypted, what comes in is decrypted.
//!
//! Nothing is encrypted before the records made earlier are out, and one record at a time: so no more than that record waits
//! behind the outbox's back, and what waits in the outbox is still shared by all subscribers.

use std::io::{self, IoSlice, Read as _, Write};
use std::os::fd::BorrowedFd;

use hasses_client::wire::TlsInfo;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};
use rustls::ServerConnection;

/// Plaintext of one record (RFC 8446, 5.1).
const RECORD: usize = 16 * 1024;

/// The state of TLS on one connection.
#[derive(Debug)]
pub struct Secured(ServerConnection);

/// Why nothing was read.
#[derive(Debug, PartialEq, Eq)]
pub enum SecuredError {
    /// Something may be there the next time.
    More,
    /// Nothing is there now.
    Nothing,
    /// The peer has closed, or broke the rules of TLS.
    End,
}

impl Secured {
    /// Takes over after the handshake.
    #[must_use]
    pub fn new(mut connection: ServerConnection) -> Self {
        connection.set_buffer_limit(Some(RECORD));
        Self(connection)
    }

    /// Records wait to go out.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.0.wants_write()
    }

    /// Sends the records that wait.
    ///
    /// # Errors
    /// The socket is full ([`Errno::AGAIN`]) or broken.
    pub fn flush(&mut self, socket: BorrowedFd<'_>) -> Result<(), Errno> {
        while self.0.wants_write() {
            self.0.write_tls(&mut Socket(socket)).map_err(|error| errno(&error))?;
        }
        Ok(())
    }

    /// Encrypts what fits into one record, and sends it as far as the socket takes it; gives how many bytes were encrypted.
    ///
    /// # Errors
    /// Earlier records still wait because the socket is full ([`Errno::AGAIN`]), or it is broken.
    pub fn write(&mut self, socket: BorrowedFd<'_>, slices: &[IoSlice<'_>]) -> Result<usize, Errno> {
        self.flush(socket)?;
        let taken = self.0.writer().write_vectored(slices).map_err(|error| errno(&error))?;
        match self.flush(socket) {
            // The rest of the record is the next to go out.
            Ok(()) | Err(Errno::AGAIN) => Ok(taken),
            Err(error) => Err(error),
        }
    }

    /// Reads plaintext, or takes one step towards it: records without any can follow each other for as long as a peer likes.
    ///
    /// # Errors
    /// [`SecuredError`]: ask again, nothing now, or never again.
    pub fn read(&mut self, socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize, SecuredError> {
        match self.0.reader().read(buffer) {
            Ok(0) => return Err(SecuredError::End),
            Ok(count) => return Ok(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return Err(SecuredError::End),
        }
        match self.0.read_tls(&mut Socket(socket)) {
            Ok(0) => return Err(SecuredError::End),
            Ok(_) => {}
            Err(error) if errno(&error) == Errno::AGAIN => return Err(SecuredError::Nothing),
            Err(_) => return Err(SecuredError::End),
        }
        let outcome = self.0.process_new_packets();
        // An answer to the peer (a key update), or the alert that tells it what it did wrong. What does not fit goes out
        // before the next event.
        let _ = self.flush(socket);
        Err(if outcome.is_ok() { SecuredError::More } else { SecuredError::End })
    }

    /// Queues the word that nothing more will come (RFC 8446, 6.1), which tells a proper end from a cut.
    pub fn close(&mut self) {
        self.0.send_close_notify();
    }

    /// What was agreed on, for people: `TLSv1.3`, `TLS13_AES_256_GCM_SHA384`.
    #[must_use]
    pub fn info(&self) -> TlsInfo {
        let protocol = match self.0.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2".to_owned(),
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3".to_owned(),
            other => format!("{other:?}"),
        };
        let cipher = self.0.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite())).unwrap_or_default();
        TlsInfo { protocol, cipher }
    }
}

/// The socket as rustls reads and writes it: never waiting, and without SIGPIPE.
struct Socket<'a>(BorrowedFd<'a>);

impl io::Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match rustix::net::recv(self.0, &mut *buffer, RecvFlags::DONTWAIT) {
                Err(Errno::INTR) => {}
                read => return Ok(read?.0),
            }
        }
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        const FLAGS: SendFlags = SendFlags::NOSIGNAL.union(SendFlags::DONTWAIT);
        loop {
            let sent = match slices {
                [one] => rustix::net::send(self.0, one, FLAGS),
                several => rustix::net::sendmsg(self.0, several, &mut SendAncillaryBuffer::default(), FLAGS),
            };
            match sent {
                Err(Errno::INTR) => {}
                sent => return Ok(sent?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the socket said; an error of rustls's own ends the connection like a broken pipe.
fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::PIPE)
}
