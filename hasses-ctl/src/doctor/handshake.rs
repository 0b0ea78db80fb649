//! TLS as a browser begins it, where certificates are looked at and not insisted on: the checks after it go on where a browser
//! would have stopped. Nothing secret is sent.

use std::io;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hasses_client::web::{Transport, Trust, provider, tls_builder};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, ClientConfig, DigitallySignedStruct, Error, InvalidMessage, ProtocolVersion, SignatureScheme,
};

use super::chain::Presented;
use super::finding::{Check, Finding};

/// Time for the handshake.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a handshake brought to light.
#[derive(Debug)]
pub(crate) struct Agreed {
    /// The certificates.
    pub(crate) presented: Option<Presented>,
    /// The version of TLS.
    pub(crate) version: Option<ProtocolVersion>,
    /// The server takes HTTP/2.
    pub(crate) http2: bool,
}

/// Takes every certificate, and keeps it together with what is to be thought of it.
#[derive(Debug)]
struct Witness {
    /// `None` where nobody is believed, since the system has no authorities.
    verifier: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    presented: Mutex<Option<Presented>>,
}

impl Witness {
    fn new(trust: &Trust) -> Arc<Self> {
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::clone(trust.roots()), provider()).build().ok();
        Arc::new(Self { verifier, provider: provider(), presented: Mutex::default() })
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = match &self.verifier {
            Some(verifier) => verifier.verify_server_cert(own, others, name, ocsp, now).map(drop),
            None => Err(Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer)),
        };
        let chain = std::iter::once(own).chain(others).map(|certificate| certificate.clone().into_owned()).collect();
        *self.presented.lock().unwrap_or_else(PoisonError::into_inner) = Some(Presented { chain, verdict });
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, own, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, own, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn config(witness: &Arc<Witness>, protocols: &[&str]) -> Arc<ClientConfig> {
    let verifier: Arc<dyn ServerCertVerifier> = Arc::<Witness>::clone(witness);
    let mut config = tls_builder().dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// Shakes hands as a browser does, HTTP/2 offered.
///
/// # Errors
/// There is no TLS to be had.
pub(crate) fn try_hands(tcp: TcpStream, host: &str, trust: &Trust) -> io::Result<Agreed> {
    let witness = Witness::new(trust);
    let transport = Transport::secure(tcp, host, &config(&witness, &["h2", "http/1.1"]), PATIENCE)?;
    let presented = witness.presented.lock().unwrap_or_else(PoisonError::into_inner).take();
    let tls = transport.session();
    Ok(Agreed {
        presented,
        version: tls.and_then(|tls| tls.protocol_version()),
        http2: tls.and_then(|tls| tls.alpn_protocol()) == Some(b"h2"),
    })
}

/// Shakes hands for a request over HTTP/1.1.
///
/// # Errors
/// The same.
pub(crate) fn shake_hands(tcp: TcpStream, host: &str, trust: &Trust) -> io::Result<Transport> {
    Transport::secure(tcp, host, &config(&Witness::new(trust), &["http/1.1"]), PATIENCE)
}

/// Says why there is no TLS to be had.
pub(crate) fn failed(error: &io::Error) -> Finding {
    let wrong = |seen: &str| Finding::wrong(Check::Tls, seen);
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::AlertReceived(AlertDescription::ProtocolVersion) | Error::PeerIncompatible(_)) => {
            wrong("the server speaks neither TLS 1.2 nor 1.3: browsers refuse it")
                .change("  ssl_protocols TLSv1.2 TLSv1.3;   # nginx")
        }
        Some(Error::AlertReceived(AlertDescription::UnrecognisedName)) => wrong("the server does not know this name")
            .change("is the site enabled, with this name as its server_name?"),
        Some(Error::InvalidMessage(InvalidMessage::InvalidContentType) | Error::InvalidMessage(_)) => {
            wrong("what answers there is not TLS")
                .change("is it plain http:// on this port? Then the listen line lacks `ssl`")
        }
        Some(error) => wrong(&format!("the TLS handshake failed: {error}")).change("the log of the server says more"),
        None => match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                wrong("the connection is taken, but nobody begins TLS on it")
                    .change("is it plain http:// on this port?")
            }
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                wrong("the server closes the connection in the middle of the TLS handshake")
                    .change("the log of the server says why; often it has no certificate for this name")
            }
            _ => wrong(&format!("the TLS handshake failed: {error}")),
        },
    }
}

/// Judges the version.
pub(crate) fn judge_version(agreed: &Agreed) -> Finding {
    match agreed.version {
        Some(ProtocolVersion::TLSv1_3) => Finding::ok(Check::Tls, "TLS 1.3"),
        Some(ProtocolVersion::TLSv1_2) => {
            Finding::ok(Check::Tls, "TLS 1.2; 1.3 would save every browser that comes back a round trip")
        }
        other => Finding::warning(Check::Tls, format!("an unexpected version: {other:?}")),
    }
}

/// Judges how many streams a browser may have.
pub(crate) fn judge_http2(agreed: Option<&Agreed>) -> Finding {
    const SIX: &str =
        "a browser opens six connections to a host, all its tabs together: the seventh tab waits for ever";
    match agreed {
        Some(Agreed { http2: true, .. }) => {
            Finding::ok(Check::Http2, "HTTP/2 is offered: the tabs of a browser share one connection")
        }
        Some(_) => Finding::warning(Check::Http2, format!("HTTP/2 is not offered; without it {SIX}"))
            .change("let the proxy offer it:")
            .change("  listen 443 ssl http2;      # nginx; from 1.25.1 on: listen 443 ssl; http2 on;")
            .change("  Protocols h2 http/1.1      # Apache, with mod_http2")
            .change("  bind :443 ssl crt PATH alpn h2,http/1.1      # HAProxy"),
        None => Finding::warning(Check::Http2, format!("plain http:// has no HTTP/2, and {SIX}")).change(
            "put a proxy with TLS and HTTP/2 in front (pages that come by https:// may not read http:// at all)",
        ),
    }
}
