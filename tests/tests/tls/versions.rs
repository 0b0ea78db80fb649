//! Versions, application protocols, resumption.

use std::path::Path;
use std::process::Command;

use hasses_tests::{Authority, Finished, TestDaemon, TlsClient, finish, required};
use rustls::{DEFAULT_VERSIONS, HandshakeKind, ProtocolVersion};

use crate::{VERSIONS, secured, secured_in};

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn both_versions_are_spoken() {
    for version in VERSIONS {
        let (daemon, client) = secured_in(version, |_| {});
        let mut subscriber = client.subscribe(&daemon.tls_address(), "subscribe=a");
        assert_eq!(daemon.publisher().publish("a", "Grüße 🎉\nzweite Zeile"), 1);
        assert_eq!(subscriber.data(), "Grüße 🎉\nzweite Zeile");
        assert_eq!(subscriber.stream().tls().protocol_version(), Some(version.version));
    }
}

/// Runs `openssl s_client`, which sends a request for `/healthz`.
fn s_client(daemon: &TestDaemon, roots: &Path, options: &str) -> Option<Finished> {
    required("openssl")?;
    let (address, roots) = (daemon.tls_address(), roots.display());
    let request = r"printf 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'";
    let verify = format!("-CAfile '{roots}' -verify_ip 127.0.0.1 -verify_return_error");
    let script = format!("{request} | openssl s_client -connect {address} {verify} -ign_eof {options}");
    Some(finish(Command::new("bash").args(["-c", &script])))
}

#[test]
fn openssl_is_served_in_both_versions_and_refused_below() {
    let authority = Authority::default();
    let folder = tempfile::tempdir().unwrap();
    let daemon = TestDaemon::secured(&authority.issue(&["127.0.0.1"]).save(folder.path(), "server"), |_| {});
    let roots = folder.path().join("root.pem");
    std::fs::write(&roots, authority.pem()).unwrap();
    for (option, version) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let Some(ended) = s_client(&daemon, &roots, option) else { return };
        assert_eq!(ended.code, 0, "{option}: {}", ended.stderr);
        for part in
            [version, "Verify return code: 0 (ok)", "HTTP/1.1 200 OK", "\r\n\r\nok\n", "Server Temp Key: X25519"]
        {
            assert!(ended.stdout.contains(part), "{option}: no {part:?} in {}", ended.stdout);
        }
    }
    for option in ["-tls1", "-tls1_1"] {
        let Some(ended) = s_client(&daemon, &roots, &format!("{option} -cipher DEFAULT@SECLEVEL=0")) else { return };
        assert_eq!(ended.code, 1, "{option}: {}", ended.stdout);
        // Which of its reasons it names is its own matter.
        let alerts = ["alert protocol version", "alert handshake failure"];
        assert!(alerts.iter().any(|alert| ended.stderr.contains(alert)), "{option}: {}", ended.stderr);
    }
    // Keys that are never written to the wire, and ciphers that detect changes, are all there is.
    let Some(ended) = s_client(&daemon, &roots, "-tls1_2 -cipher kRSA:CBC:RC4:@SECLEVEL=0") else { return };
    assert!(ended.code == 1 && ended.stderr.contains("handshake failure"), "{}{}", ended.stdout, ended.stderr);
    // The server chooses, whatever the client would rather have.
    let suites = "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384";
    let Some(ended) = s_client(&daemon, &roots, &format!("-tls1_3 -ciphersuites {suites}")) else { return };
    assert!(ended.stdout.contains("Cipher is TLS_AES_256_GCM_SHA384"), "{}", ended.stdout);
    let Some(ended) = s_client(&daemon, &roots, "-tls1_2 -reconnect") else { return };
    assert_eq!(ended.stdout.matches("Reused, TLSv1.2").count(), 5, "{}", ended.stdout);
}

#[test]
fn only_http_1_1_is_agreed_on() {
    let authority = Authority::default();
    let folder = tempfile::tempdir().unwrap();
    let daemon = TestDaemon::secured(&authority.issue(&["127.0.0.1"]).save(folder.path(), "server"), |_| {});
    let offering = |protocols: &[&str]| {
        let client = TlsClient::offering(&authority.pem(), DEFAULT_VERSIONS, protocols);
        client.try_connect(&daemon.tls_address(), "127.0.0.1")
    };
    for (offered, agreed) in [
        (&["http/1.1"][..], Some(&b"http/1.1"[..])),
        (&["h2", "http/1.1"], Some(b"http/1.1")),
        (&["http/1.0", "http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let mut stream = offering(offered).unwrap();
        assert_eq!(stream.tls().alpn_protocol(), agreed, "{offered:?}");
        stream.send(HEALTH);
        assert_eq!(stream.answer().status, 200);
    }
    for offered in [&["h2"][..], &["h2", "h3"], &["HTTP/1.1"]] {
        let error = offering(offered).expect_err("a refusal").to_string();
        assert!(error.contains("NoApplicationProtocol"), "{offered:?}: {error}");
    }
    assert_eq!(daemon.status().handshake_failures_total, 3);
}

#[test]
fn a_client_that_comes_back_resumes_its_session() {
    for version in VERSIONS {
        let (daemon, client) = secured_in(version, |_| {});
        for nth in 0..5 {
            let mut stream = client.connect(&daemon.tls_address(), "127.0.0.1");
            let kind = stream.tls().handshake_kind();
            let expected = if nth == 0 { HandshakeKind::Full } else { HandshakeKind::Resumed };
            assert_eq!(kind, Some(expected), "{:?}, the {nth}. time", version.version);
            stream.send(HEALTH);
            assert_eq!(stream.answer().body, "ok\n");
        }
    }
}

#[test]
fn what_was_agreed_on_stands_in_status_and_client_list() {
    let (daemon, client) = secured(|_| {});
    let _plain = daemon.subscribe("subscribe=a&id=plain");
    let mut secured = client.subscribe(&daemon.tls_address(), "subscribe=a&id=secured");
    assert_eq!(secured.stream().tls().protocol_version(), Some(ProtocolVersion::TLSv1_3));
    let mut publisher = daemon.publisher();
    let answer = publisher.ask(&serde_json::json!({"cmd": "clients"}));
    let of = |id: &str| {
        let clients = answer["clients"].as_array().expect("a list");
        clients.iter().find(|client| client["id"] == id).expect("it is there")["tls"].clone()
    };
    assert!(of("plain").is_null(), "{answer}");
    assert_eq!(of("secured"), serde_json::json!({"protocol": "TLSv1.3", "cipher": "TLS13_AES_256_GCM_SHA384"}));
    let status = publisher.status();
    assert!(status.tls);
    assert_eq!(
        status.listen,
        [format!("http://{}/sse", daemon.address()), format!("https://{}/sse", daemon.tls_address())]
    );
}
