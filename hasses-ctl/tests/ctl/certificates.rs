//! Certificates as a server could have them, right and wrong.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

const DAY: u64 = 86_400;

/// An authority, one below it, and a folder with the certificate of the first.
pub(crate) struct Authorities {
    root: CertifiedIssuer<'static, KeyPair>,
    below: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// The intermediate certificate is not sent.
    Incomplete,
    Expired,
    NotYetValid,
    /// It ends in ten days.
    EndsSoon,
    OtherName,
    SelfSigned,
}

impl Authorities {
    pub(crate) fn new() -> Self {
        let authority = |name: &str| {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
            params
        };
        let root = CertifiedIssuer::self_signed(authority("Test Root"), KeyPair::generate().unwrap()).unwrap();
        let below =
            CertifiedIssuer::signed_by(authority("Test Intermediate"), KeyPair::generate().unwrap(), &root).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("root.pem"), root.pem()).unwrap();
        Self { root, below, folder }
    }

    /// The file for `--ca`.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("root.pem")
    }

    /// How a server at 127.0.0.1 speaks TLS, with what is wrong with its certificate, and the protocols that it offers.
    pub(crate) fn server(&self, fault: Fault, protocols: &[&str]) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let name = if fault == Fault::OtherName { "other.example" } else { "127.0.0.1" };
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "the server");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        match fault {
            Fault::Expired => {
                params.not_before = date_time_ymd(2020, 1, 1);
                params.not_after = date_time_ymd(2021, 2, 3);
            }
            Fault::NotYetValid => params.not_before = date_time_ymd(3000, 1, 1),
            Fault::EndsSoon => params.not_after = (SystemTime::now() + Duration::from_secs(10 * DAY + 3_600)).into(),
            _ => {}
        }
        let own: Certificate = match fault {
            Fault::SelfSigned => params.self_signed(&key).unwrap(),
            _ => params.signed_by(&key, &self.below).unwrap(),
        };
        let mut chain = vec![own.der().clone()];
        if !matches!(fault, Fault::Incomplete | Fault::SelfSigned) {
            chain.push(self.below.der().clone());
        }
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_no_client_auth().with_single_cert(chain, key).unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// The certificate of an authority that knows nothing of the server.
    pub(crate) fn foreign(&self) -> PathBuf {
        let path = self.folder.path().join("foreign.pem");
        let other = Self::new();
        assert_ne!(other.root.pem(), self.root.pem());
        std::fs::write(&path, other.root.pem()).unwrap();
        path
    }
}

/// A server's end of a connection.
pub(crate) enum Connection {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, tls: Option<&Arc<ServerConfig>>) -> Self {
        match tls {
            Some(config) => {
                let connection = ServerConnection::new(Arc::clone(config)).unwrap();
                Self::Tls(Box::new(StreamOwned::new(connection, stream)))
            }
            None => Self::Plain(stream),
        }
    }

    pub(crate) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        }
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Connection {
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
