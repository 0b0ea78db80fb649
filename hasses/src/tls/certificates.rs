//! Certificates and keys, from files to what a handshake shows.
//!
//! Everything that could be wrong with them is found at start (and at a reload, before anything is exchanged): an unreadable
//! file, a file without a certificate or key, a certificate out of its time, a key of another certificate.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, ServerConfig};
use tracing::{info, warn};
use webpki::EndEntityCert;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use crate::config::Certificates;
use crate::tls::CertificateError;

/// What a TLS listener needs: protocol versions, certificates, keys, resumption.
pub type TlsConfig = ServerConfig;

/// A certificate that ends sooner is worth a warning: those that renew by themselves do so a month ahead.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);

/// Reads the files. The first certificate is shown to clients that name no host, or one that no certificate is for.
///
/// # Errors
/// [`CertificateError`] for the first file that cannot be used.
pub fn load(certificates: &Certificates) -> Result<Arc<TlsConfig>, CertificateError> {
    let pairs = certificates.chains.iter().zip(&certificates.keys);
    let keys = pairs.map(|(chain, key)| load_pair(chain, key).map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
    let unfit = |why: &Error| CertificateError::Unfit {
        path: certificates.chains.first().cloned().unwrap_or_default(),
        why: why.to_string(),
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unfit(&error))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(ByName(keys)));
    // The only protocol that is spoken here; a client that insists on another is told in the handshake (RFC 7301, 3.2).
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // All ciphers that are offered are good ones, so who chooses hardly matters; those who audit servers want it to be the server.
    config.ignore_client_order = true;
    // Sealed tickets instead of a memory of sessions: after a restart of a proxy or a network ten thousand come back at once.
    config.ticketer = ring::Ticketer::new().map_err(|error| unfit(&error))?;
    Ok(Arc::new(config))
}

fn load_pair(chain_path: &Path, key_path: &Path) -> Result<CertifiedKey, CertificateError> {
    let chain_unfit = |why: String| CertificateError::Unfit { path: chain_path.to_owned(), why };
    let text = read(chain_path)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| chain_unfit(format!("it is no PEM file of certificates: {error}")))?;
    if chain.is_empty() {
        let swapped = PrivateKeyDer::from_pem_slice(&text).is_ok();
        let hint = if swapped { "but a private key: are tls-cert and tls-key swapped?" } else { "in PEM" };
        return Err(chain_unfit(format!("there is no certificate in it, {hint}")));
    }
    for (nth, certificate) in chain.iter().enumerate() {
        check_time(certificate, nth, SystemTime::now()).map_err(chain_unfit)?;
    }
    let key = PrivateKeyDer::from_pem_slice(&read(key_path)?).map_err(|error| CertificateError::Unfit {
        path: key_path.to_owned(),
        why: format!(
            "there is no private key in it that can be read (PKCS#8, PKCS#1 or SEC1, without a password): {error}"
        ),
    })?;
    let pair = CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            CertificateError::Mismatch { chain: chain_path.to_owned(), key: key_path.to_owned() }
        }
        error => CertificateError::Unfit { path: key_path.to_owned(), why: format!("the key cannot be used: {error}") },
    })?;
    // Names are looked up by this in each handshake; whoever passes here passes there.
    pair.end_entity_cert()
        .map_err(|error| error.to_string())
        .and_then(|end| EndEntityCert::try_from(end).map(drop).map_err(|error| error.to_string()))
        .map_err(|error| chain_unfit(format!("its first certificate is none of a server: {error}")))?;
    info!("certificate {} with key {}", chain_path.display(), key_path.display());
    Ok(pair)
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    fs::read(path).map_err(|error| CertificateError::Unreadable { path: path.to_owned(), error })
}

/// Whether a certificate, the `nth` of its file, holds now.
fn check_time(certificate: &CertificateDer<'_>, nth: usize, now: SystemTime) -> Result<(), String> {
    let parsed = Certificate::from_der(certificate)
        .map_err(|error| format!("certificate {} in it cannot be read: {error}", nth + 1))?;
    let (tbs, now) = (parsed.tbs_certificate(), now.duration_since(UNIX_EPOCH).unwrap_or_default());
    let validity = tbs.validity();
    let whose = if nth == 0 { "the certificate".to_owned() } else { format!("certificate {} in it", nth + 1) };
    let whose = format!("{whose} ({})", tbs.subject());
    if now < validity.not_before.to_unix_duration() {
        return Err(format!("{whose} is not valid before {} (is the clock right?)", validity.not_before));
    }
    let end = validity.not_after.to_unix_duration();
    if now > end {
        return Err(format!("{whose} expired at {}", validity.not_after));
    }
    if end - now < SOON {
        warn!("{whose} expires at {}", validity.not_after);
    }
    Ok(())
}

/// Chooses by the name that the client asks for (RFC 6066, 3), wildcards included, and by the signatures it knows.
#[derive(Debug)]
struct ByName(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let usable = || self.0.iter().filter(|key| key.key.choose_scheme(hello.signature_schemes()).is_some());
        let named = name.and_then(|name| usable().find(|key| is_for(key, &name)));
        // A client that can do none of the signatures is told so by the handshake.
        named.or_else(|| usable().next()).or(self.0.first()).cloned()
    }
}

fn is_for(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let end = key.end_entity_cert().ok().and_then(|end| EndEntityCert::try_from(end).ok());
    end.is_some_and(|end| end.verify_is_valid_for_subject_name(name).is_ok())
}
