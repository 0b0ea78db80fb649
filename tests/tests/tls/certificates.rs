//! Chains, keys in every form, and the choice by name.

use std::path::Path;
use std::process::Command;

use hasses_tests::{Authority, Certificate, Running, TestDaemon, TlsClient, certificates, finish, required};

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

fn is_served(client: &TlsClient, daemon: &TestDaemon, name: &str) {
    let mut stream = client.connect(&daemon.tls_address(), name);
    stream.send(HEALTH);
    assert_eq!(stream.answer().status, 200, "{name}");
}

#[test]
fn a_chain_leads_to_its_root() {
    let root = Authority::default();
    let (first, second) = {
        let first = root.intermediate();
        let second = first.intermediate();
        (first, second)
    };
    let folder = tempfile::tempdir().unwrap();
    let leaf = second.issue(&["127.0.0.1"]);
    let client = TlsClient::trusting(&root.pem());
    let whole = leaf.clone().followed_by(&second).followed_by(&first);
    let daemon = TestDaemon::secured(&whole.save(folder.path(), "whole"), |_| {});
    is_served(&client, &daemon, "127.0.0.1");
    // Without those between nobody can verify it, which shows that they are sent above.
    let daemon = TestDaemon::secured(&leaf.save(folder.path(), "leaf"), |_| {});
    let error = client.try_connect(&daemon.tls_address(), "127.0.0.1").expect_err("no way to the root");
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
}

/// Runs `openssl` in a folder.
fn openssl(folder: &Path, arguments: &str) {
    let ended = finish(Command::new("openssl").args(arguments.split(' ')).current_dir(folder));
    assert_eq!(ended.code, 0, "openssl {arguments}: {}", ended.stderr);
}

/// A certificate for `127.0.0.1` that its own key signed, as people make them with OpenSSL.
fn self_signed(folder: &Path, key: &str) -> Certificate {
    let names = "-addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE";
    openssl(folder, &format!("req -x509 -new -key {key} -out {key}.pem -days 30 -subj /CN=self {names}"));
    Certificate { certificate: folder.join(format!("{key}.pem")), key: folder.join(key) }
}

#[test]
fn keys_are_read_in_every_form() {
    if required("openssl").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, command, beginning) in [
        ("rsa-pkcs8", "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048", "-----BEGIN PRIVATE KEY-----"),
        ("rsa-pkcs1", "genrsa -traditional", "-----BEGIN RSA PRIVATE KEY-----"),
        ("p256-sec1", "ecparam -name prime256v1 -genkey -noout", "-----BEGIN EC PRIVATE KEY-----"),
        // With the name of its curve before it, as OpenSSL has it unless told otherwise.
        ("p384-sec1", "ecparam -name secp384r1 -genkey", "-----BEGIN EC PARAMETERS-----"),
        ("p256-pkcs8", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256", "-----BEGIN PRIVATE KEY-----"),
        ("ed25519", "genpkey -algorithm ED25519", "-----BEGIN PRIVATE KEY-----"),
    ] {
        let (command, rest) = command.split_once(' ').expect("a command and its options");
        openssl(folder.path(), &format!("{command} -out {name} {rest}"));
        let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(text.starts_with(beginning), "{name}: {text}");
        let certificate = self_signed(folder.path(), name);
        let daemon = TestDaemon::secured(&certificate, |_| {});
        let trusted = std::fs::read_to_string(&certificate.certificate).unwrap();
        is_served(&TlsClient::trusting(&trusted), &daemon, "127.0.0.1");
    }
}

#[test]
fn a_certificate_that_ends_soon_is_told_of() {
    if required("openssl").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    openssl(folder.path(), "ecparam -name prime256v1 -genkey -noout -out key");
    for (days, soon) in [(13, true), (15, false)] {
        let names = "-addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE";
        openssl(folder.path(), &format!("req -x509 -new -key key -out key.pem -days {days} -subj /CN=soon {names}"));
        let path = |name: &str| folder.path().join(name).display().to_string();
        let running = Running::start(
            folder.path(),
            [
                "--listen-tls=127.0.0.1:0".to_owned(),
                format!("--control=unix://{}", path("control.sock")),
                format!("--tls-cert={}", path("key.pem")),
                format!("--tls-key={}", path("key")),
            ],
        );
        let output = running.output();
        assert_eq!(output.contains("the certificate (CN=soon) expires at 20"), soon, "{output}");
    }
}

#[test]
fn certificate_and_key_may_stand_in_one_file() {
    let authority = Authority::default();
    let folder = tempfile::tempdir().unwrap();
    let mut issued = authority.issue(&["127.0.0.1"]);
    issued.certificate = issued.key.clone() + &issued.certificate;
    issued.key = issued.certificate.clone();
    let daemon = TestDaemon::secured(&issued.save(folder.path(), "both"), |_| {});
    is_served(&TlsClient::trusting(&authority.pem()), &daemon, "127.0.0.1");
}

#[test]
fn the_name_that_a_client_asks_for_chooses_the_certificate() {
    let authority = Authority::default();
    let folder = tempfile::tempdir().unwrap();
    let issued = [
        authority.issue(&["first.example", "127.0.0.1"]).save(folder.path(), "first"),
        authority.issue(&["second.example", "also.example"]).save(folder.path(), "second"),
        authority.issue(&["*.third.example"]).save(folder.path(), "third"),
        authority.issue(&["special.third.example"]).save(folder.path(), "fourth"),
    ];
    let daemon = TestDaemon::secured(&issued[0], |config| config.certificates = certificates(&issued));
    let client = TlsClient::trusting(&authority.pem());
    for name in [
        "first.example",
        "second.example",
        "also.example",
        "SECOND.example",
        "any.third.example",
        // The wildcard is asked first, and is for it too.
        "special.third.example",
        // An address is not sent, so this client names nobody.
        "127.0.0.1",
    ] {
        is_served(&client, &daemon, name);
    }
    for name in ["other.example", "third.example", "a.b.third.example", "localhost"] {
        let error = client.try_connect(&daemon.tls_address(), name).expect_err("a certificate for others").to_string();
        assert!(error.contains("first.example") && error.contains(name), "{name}: {error}");
    }
}

#[test]
fn the_signatures_that_a_client_knows_choose_too() {
    if required("openssl").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    openssl(folder.path(), "genrsa -out rsa");
    openssl(folder.path(), "ecparam -name prime256v1 -genkey -noout -out ec");
    let both = ["ec", "rsa"].map(|key| self_signed(folder.path(), key));
    let daemon = TestDaemon::secured(&both[0], |config| config.certificates = certificates(&both));
    for (signatures, key, kind) in [
        ("ECDSA+SHA256:RSA-PSS+SHA256", "ec", "ECDSA"),
        ("RSA-PSS+SHA256", "rsa", "RSA-PSS"),
        ("RSA-PSS+SHA256:ECDSA+SHA256", "ec", "ECDSA"),
    ] {
        for version in ["-tls1_2", "-tls1_3"] {
            let address = daemon.tls_address();
            let script = format!(
                "printf 'GET /healthz HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' | openssl s_client -connect {address} -CAfile {key}.pem \
                 -verify_return_error -sigalgs {signatures} {version} -ign_eof"
            );
            let ended = finish(Command::new("bash").args(["-c", &script]).current_dir(folder.path()));
            assert_eq!(ended.code, 0, "{signatures}: {}{}", ended.stdout, ended.stderr);
            assert!(ended.stdout.contains(&format!("Peer signature type: {kind}")), "{signatures}: {}", ended.stdout);
        }
    }
}
