//! TLS on the SSE ports, with generated certificates, against rustls and OpenSSL.

#![expect(clippy::expect_used, reason = "what a test needs and cannot have is a failure of that test")]

mod certificates;
mod delivery;
mod ends;
mod faults;
mod handshakes;
mod records;
mod versions;

use hasses::config::Config;
use hasses_tests::{Authority, TestDaemon, TlsClient};
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

/// Both versions that are spoken.
const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// A daemon with a certificate for `127.0.0.1`, and a client that trusts it.
fn secured(change: impl FnOnce(&mut Config)) -> (TestDaemon, TlsClient) {
    let authority = Authority::default();
    let folder = tempfile::tempdir().expect("a temporary folder");
    // Read at start, so the files need not stay.
    let daemon = TestDaemon::secured(&authority.issue(&["127.0.0.1"]).save(folder.path(), "server"), change);
    (daemon, TlsClient::trusting(&authority.pem()))
}

/// The same with a client that speaks one version only.
fn secured_in(version: &'static SupportedProtocolVersion, change: impl FnOnce(&mut Config)) -> (TestDaemon, TlsClient) {
    let authority = Authority::default();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let daemon = TestDaemon::secured(&authority.issue(&["127.0.0.1"]).save(folder.path(), "server"), change);
    (daemon, TlsClient::offering(&authority.pem(), &[version], &[]))
}
