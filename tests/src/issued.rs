//! Certificates in all the shapes that operators have them in.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rcgen::{KeyUsagePurpose, date_time_ymd};

use crate::{Authority, Certificate};

/// A certificate for a server and its key, in PEM.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The certificate alone.
    pub certificate: String,
    /// Its private key, PKCS#8.
    pub key: String,
}

impl Authority {
    /// An authority beneath this one.
    ///
    /// # Panics
    /// The cryptography fails.
    #[must_use]
    pub fn intermediate(&self) -> Self {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, "An authority beneath");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key");
        Self { issuer: CertifiedIssuer::signed_by(parameters, key, &self.issuer).expect("a certificate") }
    }

    /// A certificate for these names and addresses.
    #[must_use]
    pub fn issue(&self, names: &[&str]) -> Issued {
        self.issue_with(names, |_| {})
    }

    /// The same, valid from the first day of one year to that of another.
    #[must_use]
    pub fn issue_for_years(&self, names: &[&str], from: i32, to: i32) -> Issued {
        self.issue_with(names, |parameters| {
            parameters.not_before = date_time_ymd(from, 1, 1);
            parameters.not_after = date_time_ymd(to, 1, 1);
        })
    }

    fn issue_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Issued {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let common_name = names.first().cloned().unwrap_or_default();
        let mut parameters = CertificateParams::new(names).expect("names");
        parameters.distinguished_name.push(DnType::CommonName, common_name);
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        change(&mut parameters);
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Issued { certificate, key: key.serialize_pem() }
    }
}

impl Issued {
    /// Puts another certificate behind it, as those are that lead to a root.
    #[must_use]
    pub fn followed_by(mut self, authority: &Authority) -> Self {
        self.certificate += &authority.pem();
        self
    }

    /// Writes `NAME.pem` and `NAME.key` into a folder.
    ///
    /// # Panics
    /// The files cannot be written.
    #[must_use]
    pub fn save(&self, folder: &Path, name: &str) -> Certificate {
        let files =
            Certificate { certificate: folder.join(format!("{name}.pem")), key: folder.join(format!("{name}.key")) };
        std::fs::write(&files.certificate, &self.certificate).expect("a file");
        std::fs::write(&files.key, &self.key).expect("a file");
        files
    }
}
