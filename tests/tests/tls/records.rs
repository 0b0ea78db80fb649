//! Requests however they are cut into records, and what else records may carry.

use std::io::{Read as _, Write as _};

use hasses_tests::{Stream, Witness, wait_for};
use rustls::ClientConnection;
use rustls::version::TLS13;

use crate::{VERSIONS, secured, secured_in};

const REQUEST: &str = "GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn a_request_may_come_byte_by_byte_each_in_a_record_of_its_own() {
    for version in VERSIONS {
        let (daemon, client) = secured_in(version, |_| {});
        let mut stream = client.connect(&daemon.tls_address(), "127.0.0.1");
        for byte in REQUEST.bytes() {
            stream.send([byte]);
        }
        let mut subscriber = stream.subscribed();
        assert_eq!(daemon.publisher().publish("a", "hi"), 1);
        assert_eq!(subscriber.data(), "hi");
    }
}

#[test]
fn a_head_may_be_as_long_as_without_tls() {
    let (daemon, client) = secured(|_| {});
    let head = |length: usize| {
        let start = "GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\nCookie: ";
        format!("{start}{}\r\n\r\n", "x".repeat(length - start.len() - 4))
    };
    let subscribed = |pieces: &[&str]| {
        let mut stream = client.connect(&daemon.tls_address(), "127.0.0.1");
        pieces.iter().for_each(|piece| stream.send(piece));
        stream.subscribed()
    };
    let longest = head(16 * 1024);
    drop(subscribed(&[&longest]));
    let (first, second) = longest.split_at(5_000);
    drop(subscribed(&[first, second]));
    let mut stream = client.connect(&daemon.tls_address(), "127.0.0.1");
    stream.send(head(16 * 1024 + 1));
    assert_eq!(stream.answer().status, 431);
}

#[test]
fn what_stands_behind_a_request_in_its_record_is_no_request() {
    let (daemon, client) = secured(|_| {});
    let mut stream = client.connect(&daemon.tls_address(), "127.0.0.1");
    stream.send(format!("{REQUEST}GET /sse?subscribe=b HTTP/1.1\r\nHost: x\r\n\r\n").repeat(100));
    let mut subscriber = stream.subscribed();
    let mut publisher = daemon.publisher();
    assert_eq!((publisher.publish("b", "no"), publisher.publish("a", "yes")), (0, 1));
    assert_eq!(subscriber.data(), "yes");
}

/// Shakes hands, but keeps what the client sends last.
fn all_but_the_last_flight(session: &mut ClientConnection, stream: &Stream) {
    let mut socket = stream.socket();
    while session.is_handshaking() {
        while session.wants_write() {
            session.write_tls(&mut socket).expect("the socket takes it");
        }
        session.read_tls(&mut socket).expect("the server's part");
        session.process_new_packets().expect("a handshake");
    }
}

#[test]
fn a_request_may_come_together_with_the_end_of_the_handshake() {
    let (daemon, client) = secured_in(&TLS13, |_| {});
    // Cut anywhere: before all of it, in the last message of the handshake, between both, in the request.
    for cut in (0..120).step_by(7) {
        let stream = Stream::connect(&daemon.tls_address());
        let mut session = client.session("127.0.0.1");
        all_but_the_last_flight(&mut session, &stream);
        session.writer().write_all(REQUEST.as_bytes()).expect("room");
        let mut flight = Vec::new();
        while session.wants_write() {
            session.write_tls(&mut flight).expect("room");
        }
        let (first, second) = flight.split_at(cut);
        for part in [first, second] {
            stream.socket().write_all(part).expect("the socket takes it");
        }
        let mut subscriber = stream.secured(session).expect("it goes on").subscribed();
        assert_eq!(daemon.publisher().publish("a", "hi"), 1);
        assert_eq!(subscriber.data(), "hi");
        drop(subscriber);
        wait_for("it to be gone", || (daemon.status().connections == 0).then_some(()));
    }
    assert_eq!(daemon.status().handshake_failures_total, 0);
}

#[test]
fn a_client_may_change_its_keys() {
    let (daemon, client) = secured_in(&TLS13, |config| config.allow_reinit = true);
    let mut subscriber = client.subscribe(&daemon.tls_address(), "subscribe=a");
    let mut publisher = daemon.publisher();
    for nth in 0..20 {
        subscriber.stream().tls().refresh_traffic_keys().expect("it can");
        subscriber = subscriber.again(&format!("subscribe=a{nth}"));
        assert_eq!(publisher.publish(&format!("a{nth}"), "hi"), 1);
        assert_eq!(subscriber.data(), "hi");
    }
    assert_eq!(publisher.status().reinits_total, 20);
}

#[test]
fn the_word_that_nothing_more_comes_is_heard_and_answered() {
    for version in VERSIONS {
        let (daemon, client) = secured_in(version, |_| {});
        let mut subscriber = client.subscribe(&daemon.tls_address(), "subscribe=a");
        subscriber.stream().tls().send_close_notify();
        // Fails where the connection is cut without the same word.
        assert_eq!(subscriber.stream().read_to_end(), "");
        wait_for("it to be gone", || (daemon.status().connections == 0).then_some(()));
        assert_eq!(daemon.publisher().publish("a", "hi"), 0);
    }
}

#[test]
fn a_connection_that_breaks_is_noticed() {
    for version in VERSIONS {
        let (daemon, client) = secured_in(version, |_| {});
        let subscriber = client.subscribe(&daemon.tls_address(), "subscribe=a");
        let connected = client.connect(&daemon.tls_address(), "127.0.0.1");
        wait_for("both", || (daemon.status().connections == 2).then_some(()));
        drop((subscriber, connected));
        wait_for("both to be gone", || (daemon.status().connections == 0).then_some(()));
    }
}

#[test]
fn records_that_are_none_end_their_own_connection_only() {
    let (daemon, client) = secured(|_| {});
    let mut witness = Witness::of(&daemon);
    let mut other = client.subscribe(&daemon.tls_address(), "subscribe=a");
    for (nth, bytes) in [
        // No record; one that nobody's key encrypted; one that is too long; a request in plain text.
        vec![0xff; 100],
        [&[0x17, 3, 3, 0, 40][..], &[7; 40]].concat(),
        [&[0x17, 3, 3, 0xff, 0xff][..], &[7; 1000]].concat(),
        REQUEST.as_bytes().to_vec(),
        [&[0x16, 3, 3, 0, 4][..], &[1, 0, 0, 0]].concat(),
    ]
    .into_iter()
    .enumerate()
    {
        for subscribed in [false, true] {
            let mut stream = if subscribed {
                let mut subscriber = client.subscribe(&daemon.tls_address(), "subscribe=b");
                subscriber.stream().socket().write_all(&bytes).unwrap();
                subscriber.stream().socket().try_clone().unwrap()
            } else {
                let stream = client.connect(&daemon.tls_address(), "127.0.0.1");
                stream.socket().write_all(&bytes).unwrap();
                stream.socket().try_clone().unwrap()
            };
            // An alert, perhaps, and the end.
            let _ = stream.read_to_end(&mut Vec::new());
            witness.sees_on();
            assert_eq!(daemon.publisher().publish("a", &nth.to_string()), 1);
            assert_eq!(other.data(), nth.to_string());
        }
    }
    wait_for("them to be gone", || (daemon.status().connections == 2).then_some(()));
}
