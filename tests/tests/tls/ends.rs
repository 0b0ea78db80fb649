//! How a stream ends, and what people are told about it meanwhile.

use std::io::Write as _;
use std::time::Duration;

use hasses_tests::{Authority, Running, TlsClient, wait_for};
use serde_json::json;

use crate::{VERSIONS, secured, secured_in};

#[test]
fn a_disconnected_stream_ends_with_its_last_chunk_and_the_word_of_tls_for_it() {
    for version in VERSIONS {
        let (daemon, client) = secured_in(version, |_| {});
        let mut subscriber = client.subscribe(&daemon.tls_address(), "subscribe=a&id=page");
        let mut publisher = daemon.publisher();
        assert_eq!(publisher.publish("a", "last"), 1);
        assert_eq!(publisher.ask(&json!({"cmd": "disconnect", "id": "page"}))["disconnected"], 1);
        assert_eq!(subscriber.data(), "last");
        // Fails where the connection is cut.
        subscriber.ends();
        drop(subscriber);
        wait_for("it to be gone", || (publisher.status().connections == 0).then_some(()));
    }
}

#[test]
fn a_stream_that_is_old_enough_ends_so_too() {
    let (daemon, client) = secured(|config| config.limits.max_age = Some(Duration::from_millis(100)));
    client.subscribe(&daemon.tls_address(), "subscribe=a").ends();
    assert_eq!(daemon.status().aged_out_total, 1);
}

#[test]
fn all_streams_end_so_with_the_daemon() {
    for version in VERSIONS {
        let (mut daemon, client) = secured_in(version, |config| config.shards = 2);
        let mut subscribers = [(); 20].map(|()| client.subscribe(&daemon.tls_address(), "subscribe=a"));
        assert_eq!(daemon.publisher().publish("a", "last"), 20);
        daemon.stop();
        for subscriber in &mut subscribers {
            assert_eq!(subscriber.data(), "last");
            subscriber.ends();
        }
    }
}

#[test]
fn one_who_does_not_read_keeps_nobody_from_ending() {
    let (mut daemon, client) = secured(|config| config.limits.send_buffer = 16 * 1024);
    let mut stalled = client.connect(&daemon.tls_address(), "127.0.0.1");
    stalled.bound_unread(4 * 1024);
    stalled.send("GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut stalled = stalled.subscribed();
    let mut other = client.subscribe(&daemon.tls_address(), "subscribe=a");
    let text = "z".repeat(500_000);
    assert_eq!(daemon.publisher().publish("a", &text), 2);
    assert!(other.data() == text);
    daemon.stop();
    other.ends();
    stalled.stream().read_to_close();
}

#[test]
fn what_waits_for_a_subscriber_goes_out_before_the_end() {
    let (daemon, client) = secured(|config| config.limits.send_buffer = 16 * 1024);
    let mut late = client.connect(&daemon.tls_address(), "127.0.0.1");
    // Smaller, and the kernel would let it through in drips.
    late.bound_unread(32 * 1024);
    late.send("GET /sse?subscribe=a&id=late HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut late = late.subscribed();
    let mut publisher = daemon.publisher();
    let filler = "z".repeat(10_000);
    (0..20).for_each(|nth| assert_eq!(publisher.publish("a", &format!("{nth} {filler}")), 1));
    assert!(publisher.status().queued_bytes > 50_000, "it does stall");
    assert_eq!(publisher.ask(&json!({"cmd": "disconnect", "id": "late"}))["disconnected"], 1);
    (0..20).for_each(|nth| assert_eq!(late.data(), format!("{nth} {filler}")));
    late.ends();
}

#[test]
fn over_the_limit_one_is_told_to_come_back_later() {
    let (daemon, client) = secured(|config| config.limits.max_subscribers = Some(1));
    let _in = client.subscribe(&daemon.tls_address(), "subscribe=a");
    let mut stream = client.connect(&daemon.tls_address(), "127.0.0.1");
    stream.send("GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\n\r\n");
    let answer = stream.answer();
    assert!(answer.status == 200 && answer.body.contains("retry: "), "{answer:?}");
}

#[test]
fn a_request_on_a_stream_subscribes_anew() {
    let (daemon, client) = secured(|config| config.allow_reinit = true);
    let mut subscriber = client.subscribe(&daemon.tls_address(), "subscribe=a");
    let mut publisher = daemon.publisher();
    for nth in 0..10 {
        subscriber = subscriber.again(&format!("subscribe=b{nth}"));
        assert_eq!((publisher.publish("a", "no"), publisher.publish(&format!("b{nth}"), "yes")), (0, 1));
        assert_eq!(subscriber.data(), "yes");
    }
    let status = publisher.status();
    assert_eq!((status.subscribers, status.reinits_total), (1, 10));
}

#[test]
fn the_log_and_classic_commands_tell_protocol_and_cipher() {
    let authority = Authority::default();
    let folder = tempfile::tempdir().unwrap();
    let certificate = authority.issue(&["127.0.0.1"]).save(folder.path(), "server");
    let mut running = Running::start(
        folder.path(),
        [
            "--listen-tls=127.0.0.1:0",
            "--control=tcp://127.0.0.1:0",
            &format!("--tls-cert={}", certificate.certificate.display()),
            &format!("--tls-key={}", certificate.key.display()),
        ],
    );
    running.wait_until_it_says("try: ");
    let output = running.output();
    for part in
        ["server.pem with key ", "server.key", "subscribers: https://127.0.0.1:", "curl -N -k 'https://127.0.0.1:"]
    {
        assert!(output.contains(part), "no {part:?} in {output}");
    }
    assert!(!output.contains("http://"), "a plain port was not asked for: {output}");
    let tls = running.said("subscribers: https://").split('/').next().expect("an address").to_owned();
    let client = TlsClient::trusting(&authority.pem());
    let _subscriber = client.subscribe(&tls, "subscribe=a&id=page");
    let mut control = hasses_tests::Stream::connect(&running.said("control: tcp://"));
    control.socket().write_all(b"clientlist\ntcpstatus\n").unwrap();
    running.wait_until_it_says("SSL state: established TLSv1.3 TLS13_AES_256_GCM_SHA384");
    let status: serde_json::Value = serde_json::from_str(&control.read_to("}")).unwrap();
    assert_eq!(status["mode"], "SSL encrypted (https)");
}
