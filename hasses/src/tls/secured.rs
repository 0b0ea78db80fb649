//! A connection whose handshake is done: what goes out is encrypted, what comes in is decrypted.
//!
//! Nothing is encrypted before the records made earlier are out, and one record at a time: so no more than that record waits
//! behind the outbox's back, and what waits in the outbox is still shared by all subscribers.

use std::io::{self, IoSlice, Read as _, Write};
use std::os::fd::BorrowedFd;

use hasses_client::wire::TlsInfo;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};
use rustls::{ProtocolVersion, ServerConnection};

/// Plaintext of one record (RFC 8446, 5.1).
const RECORD: usize = 16 * 1024;

/// Records after which the keys of a connection are worn. TLS 1.2 cannot change them, and past 2^24 records with AES-GCM rustls says
/// that nothing more comes and drops what it is given from then on. TLS 1.3 changes them by itself.
const WORN: u64 = 1 << 23;
/// Records that are never reached, unless half of the above went out within one heartbeat interval.
const MOST: u64 = (1 << 24) - 64;

/// The state of TLS on one connection.
#[derive(Debug)]
pub struct Secured {
    connection: ServerConnection,
    records: u64,
}

/// Why nothing was read.
#[derive(Debug, PartialEq, Eq)]
pub enum SecuredError {
    /// Something may be there the next time.
    More,
    /// Nothing is there now.
    Nothing,
    /// The peer has closed, or broke the rules of TLS.
    End,
    /// The system has given up on a peer that takes nothing.
    GivenUp,
}

impl Secured {
    /// Takes over after the handshake.
    #[must_use]
    pub fn new(mut connection: ServerConnection) -> Self {
        connection.set_buffer_limit(Some(RECORD));
        Self { connection, records: 0 }
    }

    /// Its keys have been used as often as they may, so the stream is to end, and a new one to begin.
    #[must_use]
    pub fn is_worn(&self) -> bool {
        self.records >= WORN && self.connection.protocol_version() == Some(ProtocolVersion::TLSv1_2)
    }

    /// Records wait to go out.
    #[inline]
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }

    /// Sends the records that wait.
    ///
    /// # Errors
    /// The socket is full ([`Errno::AGAIN`]) or broken.
    pub fn flush(&mut self, socket: BorrowedFd<'_>) -> Result<(), Errno> {
        while self.connection.wants_write() {
            self.connection.write_tls(&mut Socket(socket)).map_err(|error| errno(&error))?;
        }
        Ok(())
    }

    /// Encrypts what fits into one record, and sends it as far as the socket takes it; gives how many bytes were encrypted.
    ///
    /// # Errors
    /// Earlier records still wait because the socket is full ([`Errno::AGAIN`]), or it is broken.
    pub fn write(&mut self, socket: BorrowedFd<'_>, slices: &[IoSlice<'_>]) -> Result<usize, Errno> {
        self.flush(socket)?;
        if self.records >= MOST && self.is_worn() {
            return Err(Errno::PIPE);
        }
        self.records += 1;
        let taken = self.connection.writer().write_vectored(slices).map_err(|error| errno(&error))?;
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
        match self.connection.reader().read(buffer) {
            Ok(0) => {
                // RFC 8446, 6.1: whoever closes says so, unless its alert said more.
                self.close();
                let _ = self.flush(socket);
                return Err(SecuredError::End);
            }
            Ok(count) => return Ok(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return Err(SecuredError::End),
        }
        match self.connection.read_tls(&mut Socket(socket)) {
            Ok(0) => return Err(SecuredError::End),
            Ok(_) => {}
            Err(error) => {
                return Err(match errno(&error) {
                    Errno::AGAIN => SecuredError::Nothing,
                    Errno::TIMEDOUT => SecuredError::GivenUp,
                    _ => SecuredError::End,
                });
            }
        }
        let outcome = self.connection.process_new_packets();
        // An answer to the peer (a key update), or the alert that tells it what it did wrong. What does not fit goes out
        // before the next event.
        let _ = self.flush(socket);
        Err(if outcome.is_ok() { SecuredError::More } else { SecuredError::End })
    }

    /// Queues the word that nothing more will come (RFC 8446, 6.1), which tells a proper end from a cut.
    pub fn close(&mut self) {
        self.connection.send_close_notify();
    }

    /// What was agreed on, for people: `TLSv1.3`, `TLS13_AES_256_GCM_SHA384`.
    #[must_use]
    pub fn info(&self) -> TlsInfo {
        let protocol = match self.connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2".to_owned(),
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3".to_owned(),
            other => format!("{other:?}"),
        };
        let cipher =
            self.connection.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite())).unwrap_or_default();
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

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;

    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls::crypto::ring;
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
    use rustls::version::{TLS12, TLS13};
    use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, SupportedProtocolVersion};

    use super::*;

    /// Both ends, and their sockets, after the handshake.
    fn pair(version: &'static SupportedProtocolVersion) -> (Secured, UnixStream, ClientConnection, UnixStream) {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let provider = Arc::new(ring::default_provider());
        let server = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[version]).unwrap();
        let server = server.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
        let client = client.with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
        let mut server = ServerConnection::new(Arc::new(server)).unwrap();
        let (mut here, mut there) = UnixStream::pair().unwrap();
        let shaking = std::thread::spawn(move || {
            client.complete_io(&mut there).unwrap();
            (client, there)
        });
        server.complete_io(&mut here).unwrap();
        let (client, there) = shaking.join().unwrap();
        (Secured::new(server), here, client, there)
    }

    #[test]
    fn one_record_at_a_time_is_encrypted() {
        let (mut secured, here, _client, _there) = pair(&TLS13);
        secured.flush(here.as_fd()).unwrap();
        let text = vec![b'x'; 10_000];
        assert_eq!(secured.write(here.as_fd(), &[IoSlice::new(&text), IoSlice::new(&text)]), Ok(RECORD));
        // Until the socket is full; then no more than one record waits here.
        let taken = (0..).find(|_| secured.write(here.as_fd(), &[IoSlice::new(&text)]).is_err());
        assert!(taken > Some(1) && secured.wants_write());
        assert_eq!(secured.write(here.as_fd(), &[IoSlice::new(&text)]), Err(Errno::AGAIN));
    }

    #[test]
    fn reading_goes_one_step_at_a_time() {
        let (mut secured, here, mut client, mut there) = pair(&TLS13);
        let mut buffer = [0; 64];
        client.writer().write_all(b"hi").unwrap();
        let mut record = Vec::new();
        client.write_tls(&mut record).unwrap();
        for byte in &record[..record.len() - 1] {
            there.write_all(&[*byte]).unwrap();
            assert_eq!(secured.read(here.as_fd(), &mut buffer), Err(SecuredError::More));
            assert_eq!(secured.read(here.as_fd(), &mut buffer), Err(SecuredError::Nothing));
        }
        there.write_all(&record[record.len() - 1..]).unwrap();
        assert_eq!(secured.read(here.as_fd(), &mut buffer), Err(SecuredError::More));
        assert_eq!(secured.read(here.as_fd(), &mut buffer), Ok(2));
        assert_eq!(&buffer[..2], b"hi");
        client.send_close_notify();
        client.write_tls(&mut there).unwrap();
        assert_eq!(secured.read(here.as_fd(), &mut buffer), Err(SecuredError::More));
        assert_eq!(secured.read(here.as_fd(), &mut buffer), Err(SecuredError::End));
    }

    #[test]
    fn keys_wear_out_where_they_cannot_be_changed() {
        for (version, wear) in [(&TLS12, true), (&TLS13, false)] {
            let (mut secured, here, _client, _there) = pair(version);
            secured.records = WORN - 1;
            assert!(!secured.is_worn());
            assert_eq!(secured.write(here.as_fd(), &[IoSlice::new(b"x")]), Ok(1));
            assert_eq!(secured.is_worn(), wear);
            secured.records = MOST;
            let expected = if wear { Err(Errno::PIPE) } else { Ok(1) };
            assert_eq!(secured.write(here.as_fd(), &[IoSlice::new(b"x")]), expected);
        }
    }
}
