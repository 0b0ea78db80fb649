//! The PROXY header, in both versions, with and without TLS behind it.

use std::io::Write as _;
use std::time::Duration;

use hasses::config::Config;
use hasses_tests::{Authority, Running, Stream, TestDaemon, TlsClient, Witness, wait_for};

use crate::{address_of, request, subscribe_behind, trust};

const TEXT: &str = "PROXY TCP4 192.0.2.7 198.51.100.1 12345 443\r\n";

/// A header of version 2 for `[2001:db8::7]:12345`, with something behind the addresses.
fn binary() -> Vec<u8> {
    let address = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
    let rest = [&address[..], &address, &[0x30, 0x39, 0x01, 0xbb], &[0x05, 0, 2, 1, 1]].concat();
    [b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x29", &rest[..]].concat()
}

fn behind_proxy(change: impl FnOnce(&mut Config)) -> TestDaemon {
    TestDaemon::with(|config| {
        config.proxies.header = true;
        trust(config, &["127.0.0.0/8"]);
        change(config);
    })
}

#[test]
fn the_header_of_a_trusted_proxy_names_the_client() {
    let daemon = behind_proxy(|_| {});
    let mut subscribers = [
        subscribe_behind(&daemon, TEXT, "subscribe=a&id=one"),
        subscribe_behind(&daemon, binary(), "subscribe=a&id=two"),
        // Nobody is named: a check of the proxy's own.
        subscribe_behind(&daemon, "PROXY UNKNOWN\r\n", "subscribe=a&id=three"),
        subscribe_behind(&daemon, b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", "subscribe=a&id=four"),
    ];
    assert_eq!(address_of(&daemon, "one"), "192.0.2.7:12345");
    assert_eq!(address_of(&daemon, "two"), "[2001:db8::7]:12345");
    for id in ["three", "four"] {
        assert!(address_of(&daemon, id).starts_with("127.0.0.1:"), "{id}");
    }
    assert_eq!(daemon.publisher().publish("a", "hi"), 4);
    subscribers.iter_mut().for_each(|subscriber| assert_eq!(subscriber.data(), "hi"));
}

#[test]
fn header_and_request_may_come_in_any_pieces() {
    let daemon = behind_proxy(|_| {});
    for header in [TEXT.as_bytes().to_vec(), binary()] {
        let whole = [&header[..], request("subscribe=a", &[]).as_bytes()].concat();
        let mut stream = daemon.connect();
        stream.send(&whole);
        drop(stream.subscribed());
        let mut stream = daemon.connect();
        whole.iter().for_each(|byte| stream.send([*byte]));
        drop(stream.subscribed());
    }
    assert_eq!(daemon.status().proxy_header_failures_total, 0);
}

#[test]
fn the_header_comes_before_the_handshake() {
    let authority = Authority::default();
    let folder = tempfile::tempdir().unwrap();
    let certificate = authority.issue(&["127.0.0.1"]).save(folder.path(), "server");
    let daemon = TestDaemon::secured(&certificate, |config| {
        config.proxies.header = true;
        trust(config, &["127.0.0.1"]);
    });
    let client = TlsClient::trusting(&authority.pem());
    for (header, id, named) in
        [(TEXT.as_bytes().to_vec(), "one", "192.0.2.7:12345"), (binary(), "two", "[2001:db8::7]:12345")]
    {
        let mut stream = Stream::connect(&daemon.tls_address());
        stream.send(&header);
        let mut stream = stream.secured(client.session("127.0.0.1")).unwrap();
        stream.send(request(&format!("subscribe=a&id={id}"), &[]));
        let mut subscriber = stream.subscribed();
        assert_eq!(address_of(&daemon, id), named);
        assert_eq!(daemon.publisher().publish("a", "hi"), 1);
        assert_eq!(subscriber.data(), "hi");
        drop(subscriber);
        wait_for("it to be gone", || (daemon.status().connections == 0).then_some(()));
    }
    // Without a header, and with one that is encrypted.
    let refused = client.try_connect(&daemon.tls_address(), "127.0.0.1");
    assert!(refused.is_err());
    let status = wait_for("it to be gone", || Some(daemon.status()).filter(|status| status.connections == 0));
    assert_eq!((status.proxy_header_failures_total, status.handshake_failures_total), (1, 0));
}

#[test]
fn a_header_that_is_late_is_no_late_handshake() {
    let authority = Authority::default();
    let folder = tempfile::tempdir().unwrap();
    let certificate = authority.issue(&["127.0.0.1"]).save(folder.path(), "server");
    let daemon = TestDaemon::secured(&certificate, |config| {
        config.proxies.header = true;
        trust(config, &["127.0.0.1"]);
        config.limits.head_timeout = Duration::from_millis(200);
    });
    let mut streams = ["", "PROXY TCP4 192", TEXT].map(|beginning| {
        let mut stream = Stream::connect(&daemon.tls_address());
        stream.send(beginning);
        stream
    });
    streams.iter_mut().for_each(|stream| assert_eq!(stream.read_to_close(), b""));
    let status = wait_for("them to be gone", || Some(daemon.status()).filter(|status| status.connections == 0));
    assert_eq!((status.proxy_header_failures_total, status.handshake_failures_total), (2, 1));
}

#[test]
fn from_anybody_else_the_header_is_no_header() {
    let daemon = TestDaemon::with(|config| {
        config.proxies.header = true;
        trust(config, &["10.0.0.0/8", "unix"]);
    });
    // Their bytes are the request.
    drop(daemon.subscribe("subscribe=a"));
    for header in [TEXT.as_bytes().to_vec(), binary()] {
        let answer = daemon.answer_to([&header[..], request("subscribe=a", &[]).as_bytes()].concat());
        assert_eq!(answer.status, 400);
    }
    assert_eq!(daemon.status().proxy_header_failures_total, 0);
    // Nor is it one where it was not asked for.
    let daemon = TestDaemon::with(|config| trust(config, &["127.0.0.1"]));
    drop(daemon.subscribe("subscribe=a"));
    assert_eq!(daemon.answer_to(format!("{TEXT}{}", request("subscribe=a", &[]))).status, 400);
}

#[test]
fn a_header_that_is_none_ends_its_own_connection_only() {
    let daemon = behind_proxy(|config| config.limits.head_timeout = Duration::from_millis(300));
    let mut other = subscribe_behind(&daemon, TEXT, "subscribe=a");
    let long = [b"PROXY TCP4 ".to_vec(), vec![b'1'; 200]].concat();
    let huge = [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff", &[0; 5_000][..]].concat();
    let closing: [&[u8]; 7] = [
        b"GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PROXY TCP4 192.0.2.777 198.51.100.1 12345 443\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 12345 443\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\r\n\r\n\0\r\nQUIT\n\x2f\x11\0\x0c............",
        &long,
        &huge,
    ];
    for (nth, bytes) in closing.iter().enumerate() {
        let mut stream = daemon.connect();
        let _ = stream.socket().write_all(bytes);
        // Closed at once, not only when the time is over; without an answer, which would go to the proxy.
        assert_eq!(stream.read_to_close(), b"");
        assert_eq!(daemon.publisher().publish("a", &nth.to_string()), 1);
        assert_eq!(other.data(), nth.to_string());
    }
    // Cut, and then closed.
    for bytes in [&TEXT.as_bytes()[..0], &TEXT.as_bytes()[..20], &binary()[..14], &binary()[..20]] {
        let mut stream = daemon.connect();
        stream.send(bytes);
        stream.finish();
        assert_eq!(stream.read_to_close(), b"");
    }
    // Cut, and then nothing.
    let mut late = [&b""[..], b"PROXY TCP4 192.0", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"].map(|bytes| {
        let mut stream = daemon.connect();
        stream.send(bytes);
        stream
    });
    for stream in &mut late {
        assert_eq!(stream.read_to_close(), b"");
    }
    let status = wait_for("them to be gone", || Some(daemon.status()).filter(|status| status.connections == 1));
    assert_eq!(status.proxy_header_failures_total, 14);
    assert_eq!((status.bad_requests_total, status.head_timeouts_total), (0, 0));
}

#[test]
fn the_time_for_a_request_begins_anew_behind_the_header() {
    let daemon = behind_proxy(|config| config.limits.head_timeout = Duration::from_millis(200));
    let mut stream = daemon.connect();
    stream.send(TEXT);
    assert_eq!(stream.answer().status, 408);
}

#[test]
fn a_proxy_that_is_set_up_otherwise_is_told_of_once() {
    let folder = tempfile::tempdir().unwrap();
    let control = folder.path().join("control.sock");
    let mut running = Running::start(
        folder.path(),
        [
            "--listen=127.0.0.1:0",
            "--proxy-protocol",
            "--trusted-proxy=127.0.0.1",
            "--log-level=debug",
            &format!("--control=unix://{}", control.display()),
        ],
    );
    let address = running.said("subscribers: http://").split('/').next().expect("an address").to_owned();
    for _ in 0..50 {
        let mut stream = Stream::connect(&address);
        stream.send(request("subscribe=a", &[]));
        assert_eq!(stream.read_to_close(), b"");
    }
    let mut stream = Stream::connect(&address);
    stream.send(format!("{TEXT}{}", request("subscribe=a", &[])));
    let _subscriber = stream.subscribed();
    // What the log says of a client names the real address.
    running.wait_until_it_says("client 1 connected from 192.0.2.7:12345");
    let output = running.output();
    let warnings: Vec<_> = output.lines().filter(|line| line.contains("a trusted proxy, is refused")).collect();
    assert_eq!(warnings.len(), 1, "{output}");
    assert!(warnings[0].contains("does not begin with a PROXY header (--proxy-protocol)"), "{output}");
}

#[test]
fn a_witness_over_a_proxy_sees_on_while_others_send_noise() {
    let daemon = behind_proxy(|config| trust(config, &["127.0.0.2"]));
    let mut witness = Witness::of(&daemon);
    let mut state = 1_u32;
    for _ in 0..200 {
        let bytes: Vec<u8> = (0..60)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            })
            .collect();
        let mut stream = crate::address_limit::connect_from("127.0.0.2", &daemon.address());
        let _ = stream.socket().write_all(&bytes);
        assert_eq!(stream.read_to_close(), b"");
    }
    witness.sees_on();
    let status = wait_for("them to be gone", || Some(daemon.status()).filter(|status| status.connections == 1));
    assert_eq!(status.proxy_header_failures_total, 200);
}
