//! TLS 1.2 and 1.3 on the SSE ports.
//!
//! [`load`] reads certificates and keys into a [`TlsConfig`]; the handshake is made before a shard gets the connection
//! (`arrival`); from then on [`Secured`] encrypts what goes out and decrypts what comes in, on the shard's own thread.

mod certificates;
mod error;
mod secured;

pub use certificates::{TlsConfig, load};
pub use error::CertificateError;
pub use secured::{Secured, SecuredError};
