//! What becomes of calls that are not to be made again when the connection is lost, by how far they had come.

use std::thread;
use std::time::Duration;

use hasses_client::wire::{Command, Reply};
use hasses_client::{Client, Delivery, Disconnect, Error, LogLevel, Message, Options};
use smol::block_on;

use crate::daemon::{Daemon, PATIENCE, answer_to, brisk, connected, pong, published};

/// Publishes get no keys.
fn at_most_once() -> Options {
    brisk().delivery(Delivery::AtMostOnce)
}

#[test]
fn a_call_that_was_sent_and_not_answered_has_an_unknown_fate() {
    for daemon in [Daemon::tcp(), Daemon::unix()] {
        let (client, mut peer) = connected(&daemon, at_most_once());
        thread::scope(|scope| {
            let call = scope.spawn(|| client.publish("a", "1"));
            assert_eq!(peer.next_data(), "1");
            drop(peer);
            match call.join().unwrap() {
                Err(error @ Error::FateUnknown { .. }) => assert!(error.was_sent()),
                other => panic!("{other:?}"),
            }
        });
        // It is not sent again; the connection is made anew for what comes after it.
        thread::scope(|scope| {
            let call = scope.spawn(|| client.publish("a", "2"));
            let mut peer = daemon.welcome();
            assert_eq!(peer.next_data(), "2");
            peer.answer(&published(2));
            assert_eq!(call.join().unwrap().unwrap().matched, 2);
        });
    }
}

#[test]
fn with_at_most_once_not_even_a_key_of_the_program_is_sent_twice() {
    let daemon = Daemon::unix();
    let (client, mut peer) = connected(&daemon, at_most_once());
    thread::scope(|scope| {
        let call = scope.spawn(|| client.send(Message::new("a", "1").key("k")));
        assert!(matches!(peer.next(), Some(Command::Publish(publish)) if publish.key == Some("k".parse().unwrap())));
        drop(peer);
        assert!(matches!(call.join().unwrap(), Err(Error::FateUnknown { .. })));
    });
    drop(client);
    // It may have come back before it was dropped; nothing is asked of it.
    let _stopped = daemon.stopped();
}

#[test]
fn what_changes_the_daemon_and_has_no_key_is_not_made_again() {
    let daemon = Daemon::unix();
    let (client, peer) = connected(&daemon, brisk());
    let mut next = Some(peer);
    for change in 0..3 {
        thread::scope(|scope| {
            let call = scope.spawn(|| match change {
                0 => client.disconnect(Disconnect::Client(1)).map(|_| ()),
                1 => client.log_level(Some(LogLevel::Debug)).map(|_| ()),
                _ => client.reinit(Some(true)).map(|_| ()),
            });
            let mut peer = next.take().unwrap_or_else(|| daemon.welcome());
            assert!(peer.next().is_some());
            drop(peer);
            let error = call.join().unwrap().unwrap_err();
            assert!(matches!(error, Error::FateUnknown { .. }), "{error:?}");
        });
    }
    let mut peer = daemon.welcome();
    drop(client);
    assert_eq!(peer.next(), None, "nothing came again");
}

#[test]
fn of_many_calls_each_gets_its_own_fate() {
    let daemon = Daemon::unix();
    let (client, mut peer) = connected(&daemon, at_most_once());
    thread::scope(|scope| {
        let calls: Vec<_> = (0..10)
            .map(|number| {
                let call = scope.spawn({
                    let client = client.clone();
                    move || client.publish("a", number.to_string())
                });
                // In their order, so that it is known which are answered.
                assert_eq!(peer.next_data(), number.to_string());
                call
            })
            .collect();
        for number in 0..4 {
            peer.answer(&published(number));
        }
        drop(peer);
        for (number, call) in (0..).zip(calls) {
            match call.join().unwrap() {
                Ok(published) => assert_eq!(published.matched, number),
                Err(Error::FateUnknown { .. }) => assert!(number >= 4, "{number}"),
                Err(other) => panic!("{number}: {other}"),
            }
        }
    });
}

#[test]
fn a_call_that_went_out_in_part_has_an_unknown_fate_and_those_behind_it_are_sent_anew() {
    for daemon in [Daemon::tcp(), Daemon::unix()] {
        let (client, mut peer) = connected(&daemon, at_most_once());
        // More than any socket takes in at once.
        let long = "x".repeat(16 * 1024 * 1024);
        thread::scope(|scope| {
            let in_part = scope.spawn({
                let client = client.clone();
                move || client.publish("a", long)
            });
            peer.taste();
            let behind: Vec<_> = (0..3)
                .map(|number: u64| {
                    let client = client.clone();
                    scope.spawn(move || client.publish("a", number.to_string()))
                })
                .collect();
            drop(peer);
            assert!(matches!(in_part.join().unwrap(), Err(Error::FateUnknown { .. })));
            let mut peer = daemon.welcome();
            for _ in 0..3 {
                assert!(peer.answer_next(answer_to));
            }
            for (number, call) in (0..).zip(behind) {
                assert_eq!(call.join().unwrap().unwrap().matched, number);
            }
            drop(client);
            assert_eq!(peer.next(), None, "nothing was sent twice");
        });
    }
}

#[test]
fn calls_wait_for_a_daemon_that_restarts() {
    for daemon in [Daemon::tcp(), Daemon::unix()] {
        let (client, peer) = connected(&daemon, brisk());
        drop(peer);
        let stopped = daemon.stopped();
        thread::scope(|scope| {
            let calls: Vec<_> = (0..20_u64)
                .map(|number| {
                    let client = client.clone();
                    scope.spawn(move || client.publish("a", number.to_string()).unwrap().matched)
                })
                .collect();
            let daemon = stopped.start();
            let mut peer = daemon.welcome();
            for _ in 0..20 {
                assert!(peer.answer_next(answer_to));
            }
            for (number, call) in (0..).zip(calls) {
                assert_eq!(call.join().unwrap(), number);
            }
        });
    }
}

#[test]
fn a_call_without_a_daemon_fails_as_not_sent_when_its_time_is_over() {
    let daemon = Daemon::unix();
    let url = daemon.url();
    let (client, peer) = connected(&daemon, brisk().call_timeout(Duration::from_millis(50)));
    drop(peer);
    let _stopped = daemon.stopped();
    // The first may still have been written to the connection that was going away.
    let error = (0..)
        .map(|number: u64| client.publish("a", number.to_string()).unwrap_err())
        .find(|error| !matches!(error, Error::FateUnknown { .. }))
        .unwrap();
    assert!(!error.was_sent());
    match error {
        Error::Unreachable { url: named, .. } => assert_eq!(named, url),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_call_dropped_while_the_daemon_is_away_is_never_sent() {
    let daemon = Daemon::unix();
    let url = daemon.url();
    let (client, peer) = thread::scope(|scope| {
        let client = scope.spawn(|| block_on(Client::connect_with(&url, brisk())).unwrap());
        let peer = daemon.welcome();
        (client.join().unwrap(), peer)
    });
    drop(peer);
    // The next connection stands, but its greeting is not answered: so nothing is sent yet.
    let mut peer = daemon.accept();
    assert_eq!(peer.next(), Some(Command::Ping));
    block_on(async {
        let mut dropped = Box::pin(client.publish("a", "dropped"));
        assert!(smol::future::poll_once(&mut dropped).await.is_none());
        drop(dropped);
    });
    thread::scope(|scope| {
        let kept = scope.spawn(|| block_on(client.publish("a", "kept")));
        peer.answer(&pong());
        assert_eq!(peer.next_data(), "kept");
        peer.answer(&published(1));
        kept.join().unwrap().unwrap();
    });
}

#[test]
fn what_is_no_answer_ends_the_connection_and_not_the_client() {
    for garbage in [&b"nonsense\n"[..], b"\n", b"{\"ok\":true}\n{\"ok\":true}\n"] {
        let daemon = Daemon::unix();
        let (client, mut peer) = connected(&daemon, at_most_once());
        thread::scope(|scope| {
            let call = scope.spawn(|| client.publish("a", "1"));
            assert_eq!(peer.next_data(), "1");
            peer.say(garbage);
            let error = call.join().unwrap().unwrap_err();
            assert!(matches!(error, Error::FateUnknown { .. } | Error::Protocol(_)), "{error:?}");
            assert!(error.was_sent());
            let ok = scope.spawn(|| client.publish("a", "2"));
            let mut peer = daemon.welcome();
            assert_eq!(peer.next_data(), "2");
            peer.answer(&published(2));
            assert_eq!(ok.join().unwrap().unwrap().matched, 2);
        });
    }
}

#[test]
fn an_answer_of_many_megabytes_arrives_whole() {
    let daemon = Daemon::unix();
    let (client, mut peer) = connected(&daemon, brisk());
    let topics: Vec<_> = (0..10_000)
        .map(|number| hasses_client::TopicInfo { topic: format!("{number:0255}"), subscribers: number })
        .collect();
    let list = hasses_client::TopicList { topics, more: false };
    thread::scope(|scope| {
        let call = scope.spawn(|| client.topics(hasses_client::TopicsQuery::default()));
        assert!(peer.answer_next(|_| Reply::Topics(list.clone())));
        assert_eq!(call.join().unwrap().unwrap(), list);
    });
}

#[test]
fn a_dead_client_does_not_keep_its_connection() {
    let daemon = Daemon::tcp();
    let (client, mut peer) = connected(&daemon, brisk().call_timeout(PATIENCE));
    let second = client.clone();
    drop(client);
    thread::scope(|scope| {
        let call = scope.spawn(|| second.publish("a", "1"));
        assert_eq!(peer.next_data(), "1");
        peer.answer(&published(1));
        call.join().unwrap().unwrap();
    });
    drop(second);
    assert_eq!(peer.next(), None);
}
