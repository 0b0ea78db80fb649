//! Calls that are made again when the connection is lost: publishes, by their keys, and questions.

use std::collections::HashSet;
use std::thread;
use std::time::Duration;

use hasses_client::blocking::Client;
use hasses_client::wire::{Command, Failure, Publish, Published, Reply};
use hasses_client::{Error, ErrorCode, EventId, Message};
use smol::block_on;

use crate::daemon::{Daemon, Peer, answer_to, brisk, connected, pong, published, wait_until};
use crate::ledger::Log;

fn next_publish(peer: &mut Peer) -> Publish {
    match peer.next() {
        Some(Command::Publish(publish)) => publish,
        other => panic!("{other:?}"),
    }
}

fn refusal(code: ErrorCode) -> Reply {
    Reply::Failed(Failure::new(code, "no"))
}

#[test]
fn a_publish_is_made_again_with_the_same_key_and_says_that_it_is_a_duplicate() {
    for daemon in [Daemon::tcp(), Daemon::unix()] {
        let (client, mut peer) = connected(&daemon, brisk());
        thread::scope(|scope| {
            let call = scope.spawn(|| client.send(Message::new("a", "1").event("tick").except("me")));
            let first = next_publish(&mut peer);
            drop(peer);
            let mut peer = daemon.welcome();
            assert_eq!(next_publish(&mut peer), first);
            assert!(first.key.is_some());
            let answer = Published { id: EventId { millis: 1, sequence: 7 }, matched: 0, duplicate: true };
            peer.answer(&Reply::Published(answer.clone()));
            assert_eq!(call.join().unwrap().unwrap(), answer);
        });
    }
}

#[test]
fn a_key_of_the_program_is_left_as_it_is() {
    let daemon = Daemon::unix();
    let (client, mut peer) = connected(&daemon, brisk());
    thread::scope(|scope| {
        let call = scope.spawn(|| client.send(Message::new("a", "1").key("order-17")));
        assert_eq!(next_publish(&mut peer).key.unwrap().as_str(), "order-17");
        drop(peer);
        let mut peer = daemon.welcome();
        assert_eq!(next_publish(&mut peer).key.unwrap().as_str(), "order-17");
        peer.answer(&published(1));
        call.join().unwrap().unwrap();
    });
}

#[test]
fn no_two_publishes_of_any_client_have_the_same_key() {
    let daemon = Daemon::unix();
    let (first, mut first_peer) = connected(&daemon, brisk());
    let (second, mut second_peer) = connected(&daemon, brisk());
    let clone = first.clone();
    let clients = [&first, &second, &clone];
    thread::scope(|scope| {
        let seen: Vec<_> = [&mut first_peer, &mut second_peer]
            .map(|peer| {
                scope.spawn(|| {
                    let mut keys = Vec::new();
                    while let Some(Command::Publish(publish)) = peer.next() {
                        keys.push(publish.key.unwrap());
                        peer.answer(&published(1));
                        if publish.data == "last" {
                            break;
                        }
                    }
                    keys
                })
            })
            .into_iter()
            .collect();
        let publish = |client: &Client, data: &str| assert_eq!(client.publish("a", data).unwrap().matched, 1);
        let sending = clients.map(|client| scope.spawn(move || (0..100).for_each(|_| publish(client, "x"))));
        sending.into_iter().for_each(|thread| thread.join().unwrap());
        [&first, &second].into_iter().for_each(|client| publish(client, "last"));
        let keys: Vec<_> = seen.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!((keys.len(), keys.iter().collect::<HashSet<_>>().len()), (302, 302));
    });
}

#[test]
fn what_was_unanswered_goes_before_what_is_new() {
    let daemon = Daemon::unix();
    let (client, mut peer) = connected(&daemon, brisk());
    thread::scope(|scope| {
        let publish = |number: u64| {
            let client = client.clone();
            scope.spawn(move || client.publish("a", number.to_string()).unwrap().matched)
        };
        let mut calls: Vec<_> = (0..3)
            .map(|number| {
                let call = publish(number);
                assert_eq!(peer.next_data(), number.to_string());
                call
            })
            .collect();
        drop(peer);
        // The next connection stands, but its greeting is not answered: so nothing is sent yet.
        let mut peer = daemon.accept();
        assert_eq!(peer.next(), Some(Command::Ping));
        calls.push(publish(3));
        wait_until(|| client.backlog().calls == 4);
        peer.answer(&pong());
        for (number, call) in (0..).zip(calls) {
            assert_eq!(peer.next_data(), number.to_string());
            peer.answer(&published(number));
            assert_eq!(call.join().unwrap(), number);
        }
    });
}

#[test]
fn a_publish_cut_within_its_line_is_sent_again_whole() {
    for daemon in [Daemon::tcp(), Daemon::unix()] {
        let (client, mut peer) = connected(&daemon, brisk());
        // More than any socket takes in at once.
        let long = "x".repeat(16 * 1024 * 1024);
        thread::scope(|scope| {
            let call = scope.spawn(|| client.publish("a", long.as_str()));
            peer.taste();
            drop(peer);
            let mut peer = daemon.welcome();
            assert!(peer.next_data() == long);
            peer.answer(&published(1));
            assert_eq!(call.join().unwrap().unwrap().matched, 1);
        });
    }
}

#[test]
fn a_question_is_asked_again() {
    let daemon = Daemon::unix();
    let (client, mut peer) = connected(&daemon, brisk());
    thread::scope(|scope| {
        let call = scope.spawn(|| client.ping());
        assert_eq!(peer.next(), Some(Command::Ping));
        drop(peer);
        let mut peer = daemon.welcome();
        assert!(peer.answer_next(answer_to));
        assert_eq!(call.join().unwrap().unwrap().version, "0.0.0-test");
    });
}

#[test]
fn a_publish_whose_fate_is_open_when_its_time_is_over_says_so() {
    let daemon = Daemon::unix();
    let (client, mut peer) = connected(&daemon, brisk().call_timeout(Duration::from_millis(200)));
    thread::scope(|scope| {
        let call = scope.spawn(|| client.publish("a", "1"));
        assert_eq!(peer.next_data(), "1");
        let _stopped = daemon.stopped();
        drop(peer);
        let error = call.join().unwrap().unwrap_err();
        assert!(matches!(&error, Error::FateUnknown { .. }) && error.was_sent(), "{error:?}");
    });
}

#[test]
fn a_publish_that_nobody_waits_for_any_more_is_not_made_again() {
    let daemon = Daemon::unix();
    let url = daemon.url();
    let (client, mut peer) = thread::scope(|scope| {
        let client = scope.spawn(|| block_on(hasses_client::Client::connect_with(&url, brisk())).unwrap());
        let peer = daemon.welcome();
        (client.join().unwrap(), peer)
    });
    block_on(async {
        let mut dropped = Box::pin(client.publish("a", "dropped"));
        assert!(smol::future::poll_once(&mut dropped).await.is_none());
        assert_eq!(peer.next_data(), "dropped");
    });
    drop(peer);
    thread::scope(|scope| {
        let kept = scope.spawn(|| block_on(client.publish("a", "kept")));
        let mut peer = daemon.welcome();
        assert_eq!(peer.next_data(), "kept");
        peer.answer(&published(1));
        kept.join().unwrap().unwrap();
    });
}

#[test]
fn a_daemon_that_takes_no_keys_gets_publishes_without_and_then_their_fate_can_be_unknown() {
    let daemon = Daemon::unix();
    let (client, mut peer) = connected(&daemon, brisk());
    thread::scope(|scope| {
        let call = scope.spawn(|| client.publish("a", "1"));
        assert!(next_publish(&mut peer).key.is_some());
        peer.answer(&refusal(ErrorCode::Unsupported));
        assert_eq!(next_publish(&mut peer).key, None);
        peer.answer(&published(1));
        assert_eq!(call.join().unwrap().unwrap().matched, 1);
        let call = scope.spawn(|| client.publish("a", "2"));
        assert_eq!(next_publish(&mut peer).key, None, "it has learnt that");
        drop(peer);
        let error = call.join().unwrap().unwrap_err();
        assert!(matches!(error, Error::FateUnknown { .. }), "{error:?}");
        // Another daemon may have come in its place.
        let call = scope.spawn(|| client.publish("a", "3"));
        let mut peer = daemon.welcome();
        assert!(next_publish(&mut peer).key.is_some());
        peer.answer(&published(3));
        assert_eq!(call.join().unwrap().unwrap().matched, 3);
    });
}

#[test]
fn an_event_that_was_not_stored_is_refused_and_not_tried_again() {
    let daemon = Daemon::unix();
    let (client, mut peer) = connected(&daemon, brisk());
    thread::scope(|scope| {
        let call = scope.spawn(|| client.publish("a", "1"));
        assert_eq!(peer.next_data(), "1");
        peer.answer(&refusal(ErrorCode::NotStored));
        let error = call.join().unwrap().unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::NotStored));
        assert!(matches!(error, Error::Refused(_)), "{error:?}");
    });
    drop(client);
    assert_eq!(peer.next(), None);
}

#[test]
fn a_daemon_that_is_ending_has_its_publishes_taken_to_the_next() {
    let daemon = Daemon::unix();
    let (client, mut peer) = connected(&daemon, brisk());
    thread::scope(|scope| {
        let call = scope.spawn(|| client.publish("a", "1"));
        let first = next_publish(&mut peer);
        peer.answer(&refusal(ErrorCode::Internal));
        assert_eq!(peer.next(), None, "the client goes");
        let mut peer = daemon.welcome();
        assert_eq!(next_publish(&mut peer), first);
        peer.answer(&published(1));
        assert_eq!(call.join().unwrap().unwrap().matched, 1);
    });
}

/// A memory log ends with its daemon, so the next one cannot know that an event was in it.
#[test]
fn after_a_restart_with_a_memory_log_the_event_is_once_in_the_new_log() {
    let daemon = Daemon::unix();
    let (client, mut peer) = connected(&daemon, brisk());
    let mut old = Log::default();
    thread::scope(|scope| {
        let call = scope.spawn(|| client.publish("a", "1"));
        old.append(next_publish(&mut peer));
        drop(peer);
        // The answer to the first publish in the new log is lost as well.
        let daemon = daemon.stopped().start();
        let mut new = Log::default();
        let mut peer = daemon.welcome();
        new.append(next_publish(&mut peer));
        drop(peer);
        let mut peer = daemon.welcome();
        let answer = new.append(next_publish(&mut peer));
        peer.answer(&answer);
        let published = call.join().unwrap().unwrap();
        assert_eq!((published.id.sequence, published.duplicate), (0, true));
        assert_eq!((old.data(), new.data()), (vec!["1"], vec!["1"]));
    });
}
