//! Why there is no TLS to be had, and what to try. No I/O.

use std::io;

use rustls::InvalidMessage::InvalidContentType;

use crate::failure::Failure;
use crate::table::legible;

/// What to try where a connection without TLS comes to nothing.
pub(crate) const PERHAPS: &str = "does this port speak TLS (https://)?";

/// What TLS with the server of this URL or host came to.
pub(crate) fn failed(server: &str, error: &io::Error) -> Failure {
    let what = format!("TLS with {} failed", legible(server));
    let tls = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidMessage(InvalidContentType)) => {
            Failure::refused("tls", format!("{what}: this port does not speak TLS")).advise("try http://")
        }
        // Rustls has no name of its own for this one, and hands on what its verifier says.
        Some(rustls::Error::InvalidCertificate(why)) if format!("{why:?}").contains("CaUsedAsEndEntity") => {
            Failure::refused("tls", format!("{what}: the certificate is marked as an authority's own"))
                .advise("make one for the server: openssl req … -addext basicConstraints=critical,CA:FALSE")
        }
        _ => Failure::refused("tls", format!("{what}: {}", legible(&error.to_string())))
            .advise("an authority of one's own is believed with --ca FILE"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_done_about_it_is_said() {
        let authority = std::sync::Arc::new(Named("CaUsedAsEndEntity"));
        let certificate = rustls::CertificateError::Other(rustls::OtherError(authority));
        for (found, error, advice) in [
            (rustls::Error::InvalidMessage(InvalidContentType), "this port does not speak TLS", "http://"),
            (rustls::Error::InvalidCertificate(certificate), "marked as an authority's own", "CA:FALSE"),
            (rustls::Error::DecryptError, "TLS with https://h/ failed: ", "--ca FILE"),
        ] {
            let failure = failed("https://h/", &io::Error::new(io::ErrorKind::InvalidData, found));
            assert!(failure.error().contains(error), "{}", failure.error());
            assert!(failure.advice().join("").contains(advice), "{:?}", failure.advice());
        }
    }

    #[derive(Debug)]
    struct Named(&'static str);

    impl std::fmt::Display for Named {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }

    impl std::error::Error for Named {}
}
