//! The authorities whose certificates are believed.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// The authorities whose certificates are believed.
#[derive(Clone, Debug)]
pub struct Trust {
    roots: Arc<RootCertStore>,
}

impl Trust {
    /// Those in a PEM file, and no others.
    ///
    /// # Errors
    /// Why the file cannot be read, or that it holds none.
    pub fn in_file(path: &Path) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())? {
            let certificate = certificate.map_err(|error| error.to_string())?;
            roots.add(certificate).map_err(|error| format!("a certificate cannot be read: {error}"))?;
        }
        if roots.is_empty() {
            return Err("there is no certificate in it (-----BEGIN CERTIFICATE-----)".to_owned());
        }
        Ok(Self { roots: Arc::new(roots) })
    }

    /// Those of the system; none where it has none, and then no certificate holds.
    #[must_use]
    pub fn of_system() -> Self {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Self { roots: Arc::new(roots) }
    }

    /// The authorities.
    pub fn roots(&self) -> &Arc<RootCertStore> {
        &self.roots
    }

    /// How to speak TLS, where the certificate has to hold.
    pub fn config(&self) -> Arc<ClientConfig> {
        let mut config = tls_builder().with_root_certificates(Arc::clone(&self.roots)).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

/// The cryptography.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A configuration with TLS 1.3 and 1.2, and certificates yet to be said.
pub fn tls_builder() -> rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    #[expect(clippy::expect_used, reason = "ring has cipher suites for both versions, as a test sees")]
    let builder = builder.expect("versions with cipher suites");
    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "nothing\n").unwrap();
        assert!(Trust::in_file(&empty).unwrap_err().contains("no certificate in it"));
        assert!(Trust::in_file(&folder.path().join("missing.pem")).is_err());
    }

    #[test]
    fn both_versions_have_cipher_suites() {
        let trust = Trust { roots: Arc::new(RootCertStore::empty()) };
        assert_eq!(trust.config().alpn_protocols, [b"http/1.1"]);
    }
}
