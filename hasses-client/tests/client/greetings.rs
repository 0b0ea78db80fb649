//! What the client makes of whoever answers at the address.

use std::thread;

use hasses_client::blocking::Client;
use hasses_client::wire::{Command, Failure, PROTOCOL, Pong, Reply};
use hasses_client::{Error, ErrorCode};

use crate::daemon::{Daemon, brisk, connected, pong, published};

/// The outcome of connecting to somebody who says this after the ping, and hangs up.
fn greeted_with(greeting: &[u8]) -> Error {
    let daemon = Daemon::tcp();
    let url = daemon.url();
    thread::scope(|scope| {
        let client = scope.spawn(|| Client::connect_with(&url, brisk()));
        let mut peer = daemon.accept();
        assert_eq!(peer.next(), Some(Command::Ping));
        peer.say(greeting);
        drop(peer);
        client.join().unwrap().unwrap_err()
    })
}

fn line(reply: &Reply) -> Vec<u8> {
    let mut line = Vec::new();
    reply.write_line(&mut line);
    line
}

#[test]
fn whoever_is_not_hasses_is_named_by_what_it_said() {
    for (greeting, part) in [
        (&b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"[..], "it said \"HTTP/1.1 400 Bad Request"),
        (b"-ERR unknown command", "it said \"-ERR"),
        (b"\x15\x03\x01\0\x02\x02\n", "it said"),
        (b"{\"version\":\"1.30\"}\n", "cannot be read"),
        (b"{\"ok\":true}\n", "cannot be read"),
        (b"{\"ok\":tr", "it said \"{"),
        (b"{nonsense}\n", "cannot be read"),
    ] {
        let error = greeted_with(greeting);
        assert!(matches!(error, Error::Protocol(_)), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("is not hasses") && text.contains(part), "{text}");
        assert!(!text.contains(|letter: char| letter.is_control()), "{text:?}");
    }
}

#[test]
fn another_version_of_the_protocol_is_named() {
    let pong = Reply::Pong(Pong { version: "9.0.0".into(), protocol: PROTOCOL + 1 });
    let error = greeted_with(&line(&pong));
    assert!(matches!(&error, Error::Protocol(text) if text.contains("speaks version 2")), "{error:?}");
}

#[test]
fn a_daemon_that_refuses_the_ping_has_the_last_word() {
    let failure = Failure::new(ErrorCode::Forbidden, "not you");
    let error = greeted_with(&line(&Reply::Failed(failure.clone())));
    assert!(matches!(&error, Error::Refused(said) if *said == failure), "{error:?}");
}

#[test]
fn one_who_hangs_up_or_is_not_there_is_unreachable() {
    let error = greeted_with(b"");
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("a ping got no answer"), "{error}");

    let daemon = Daemon::unix();
    let url = daemon.url();
    let _stopped = daemon.stopped();
    match Client::connect_with(&url, brisk()) {
        Err(Error::Unreachable { url: named, source }) => {
            assert_eq!((named, source.kind()), (url, std::io::ErrorKind::NotFound));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stranger_at_the_same_address_gets_no_calls_and_the_daemon_gets_them_when_it_is_back() {
    let daemon = Daemon::tcp();
    let (client, peer) = connected(&daemon, brisk());
    drop(peer);
    // The client is at the next connection already, so that the call cannot go out on the last one.
    let mut stranger = daemon.accept();
    thread::scope(|scope| {
        let call = scope.spawn(|| client.publish("a", "1"));
        for _ in 0..3 {
            assert_eq!(stranger.next(), Some(Command::Ping));
            stranger.say(b"220 mail.example ESMTP\r\n");
            assert_eq!(stranger.next(), None, "the stranger was left without a call");
            stranger = daemon.accept();
        }
        let mut peer = stranger;
        assert_eq!(peer.next(), Some(Command::Ping));
        peer.answer(&pong());
        assert_eq!(peer.next_data(), "1");
        peer.answer(&published(1));
        assert_eq!(call.join().unwrap().unwrap().matched, 1);
    });
}
