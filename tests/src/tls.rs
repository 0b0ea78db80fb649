//! A client of TLS: rustls on a bare socket, so that tests decide about versions, names, records and alerts.

use std::io;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, DEFAULT_VERSIONS, RootCertStore, SupportedProtocolVersion};

use crate::{Stream, Subscriber};

/// A client that trusts what its test trusts. Clones share their tickets.
#[derive(Clone, Debug)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
}

impl TlsClient {
    /// A client that trusts the certificates in `roots` (PEM), and offers what browsers offer.
    #[must_use]
    pub fn trusting(roots: &str) -> Self {
        Self::offering(roots, DEFAULT_VERSIONS, &[])
    }

    /// A client that offers these versions and these protocols (ALPN; none: it does not ask).
    ///
    /// # Panics
    /// What it is to trust cannot be read.
    #[must_use]
    pub fn offering(roots: &str, versions: &[&'static SupportedProtocolVersion], protocols: &[&str]) -> Self {
        let mut trusted = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(roots.as_bytes()) {
            trusted.add(root.expect("PEM")).expect("a certificate");
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(trusted)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Self { config: Arc::new(config) }
    }

    /// One connection's state, for tests that move its records themselves. A name that is an address is verified, but not
    /// sent (RFC 6066, 3).
    ///
    /// # Panics
    /// The name is none.
    #[must_use]
    pub fn session(&self, name: &str) -> ClientConnection {
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        ClientConnection::new(self.config.clone(), name).expect("a connection")
    }

    /// Connects and shakes hands.
    ///
    /// # Panics
    /// The handshake fails.
    #[must_use]
    pub fn connect(&self, address: &str, name: &str) -> Stream {
        self.try_connect(address, name).unwrap_or_else(|error| panic!("{address}, {name}: {error}"))
    }

    /// The same, where the handshake may fail.
    ///
    /// # Errors
    /// Why it did.
    pub fn try_connect(&self, address: &str, name: &str) -> io::Result<Stream> {
        Stream::connect(address).secured(self.session(name))
    }

    /// Subscribes, and waits for the head and the first comment.
    #[must_use]
    pub fn subscribe(&self, address: &str, query: &str) -> Subscriber {
        let mut stream = self.connect(address, "127.0.0.1");
        stream.send(format!("GET /sse?{query} HTTP/1.1\r\nHost: {address}\r\n\r\n"));
        stream.subscribed()
    }
}
