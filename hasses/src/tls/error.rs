//! Why a certificate or a key cannot be used: always the operator's to mend.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// A certificate or a key cannot be used.
#[derive(Debug)]
pub enum CertificateError {
    /// A file cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file holds something else than it should.
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A certificate and a key do not belong together.
    Mismatch {
        /// The certificate's file.
        chain: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, error } => write!(f, "{} cannot be read: {error}", path.display()),
            Self::Unfit { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Mismatch { chain, key } => write!(
                f,
                "the key in {} is not the one of the certificate in {}: are the files of two certificates mixed up?",
                key.display(),
                chain.display()
            ),
        }
    }
}

impl std::error::Error for CertificateError {}
