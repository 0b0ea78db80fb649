//! The queue while the daemon is away: it is bounded, holds publishers back, and says when it is full.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::thread;
use std::time::Duration;

use hasses_client::wire::{Command, Published};
use hasses_client::{Client, Error, Message, Options, QueueLimit};
use smol::{block_on, future};

use crate::daemon::{Daemon, Peer, answer_to, brisk, connected, pong, published, wait_until};

type Calls<'a> = Vec<Pin<Box<dyn Future<Output = Result<Published, Error>> + Send + 'a>>>;

/// A client whose daemon has gone, and the next connection, on which nothing is sent before it is greeted.
fn away(daemon: &Daemon, options: Options) -> (Client, Peer) {
    let url = daemon.url();
    let client = thread::scope(|scope| {
        let client = scope.spawn(|| block_on(Client::connect_with(&url, options)).unwrap());
        drop(daemon.welcome());
        client.join().unwrap()
    });
    let mut peer = daemon.accept();
    assert_eq!(peer.next(), Some(Command::Ping));
    (client, peer)
}

/// Publishes of these numbers, each polled once; none has an outcome yet.
fn begun(client: &Client, numbers: std::ops::Range<u64>) -> Calls<'_> {
    let mut calls: Calls<'_> = Vec::new();
    for number in numbers {
        let mut call: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(client.publish("a", number.to_string()));
        assert!(block_on(future::poll_once(call.as_mut())).is_none());
        calls.push(call);
    }
    calls
}

/// Answers every publish, and gives their data in the order in which they came.
fn answering(mut peer: Peer) -> thread::JoinHandle<Vec<u64>> {
    thread::spawn(move || {
        let mut seen = Vec::new();
        while peer.answer_next(|command| {
            if let Command::Publish(publish) = &command {
                seen.push(publish.data.parse().unwrap());
            }
            answer_to(command)
        }) {}
        seen
    })
}

fn is_full(error: &Error, limit: QueueLimit) -> bool {
    assert!(!error.was_sent());
    matches!(error, Error::QueueFull { limit: full, waited } if *full == limit && waited.is_zero())
}

#[test]
fn publishes_wait_up_to_the_bound_then_callers_do_and_all_of_them_go_out_in_order() {
    let daemon = Daemon::unix();
    let (client, mut peer) = away(&daemon, brisk().queue(4));
    let calls = begun(&client, 0..10);
    let backlog = client.backlog();
    assert_eq!((backlog.calls, backlog.blocked), (4, 6));
    let full = block_on(client.try_publish("a", "x")).unwrap_err();
    assert!(is_full(&full, QueueLimit::Calls(4)), "{full:?}");
    assert_eq!(full.to_string(), "not sent: the client's queue is full (4 calls without an answer)");
    assert!(is_full(&block_on(client.try_send(Message::new("a", "x"))).unwrap_err(), QueueLimit::Calls(4)));
    peer.answer(&pong());
    let seen = answering(peer);
    for (number, call) in (0..).zip(calls) {
        assert_eq!(block_on(call).unwrap().matched, number);
    }
    assert_eq!(client.backlog(), hasses_client::Backlog::default());
    assert_eq!(block_on(client.try_publish("a", "10")).unwrap().matched, 10, "there is room again");
    drop(client);
    assert_eq!(seen.join().unwrap(), (0..11).collect::<Vec<_>>());
}

#[test]
fn bytes_are_a_bound_as_well_and_one_message_always_fits() {
    let daemon = Daemon::unix();
    let (client, mut peer) = away(&daemon, brisk().queue_bytes(1000));
    let mut long = Box::pin(client.publish("a", "0".repeat(5000)));
    assert!(block_on(future::poll_once(long.as_mut())).is_none());
    assert!(client.backlog().bytes > 5000);
    let full = block_on(client.try_publish("a", "x")).unwrap_err();
    assert!(is_full(&full, QueueLimit::Bytes(1000)), "{full:?}");
    assert_eq!(full.to_string(), "not sent: the client's queue is full (1000 bytes without an answer)");
    let calls = begun(&client, 1..9);
    assert_eq!((client.backlog().calls, client.backlog().blocked), (1, 8));
    peer.answer(&pong());
    let seen = answering(peer);
    block_on(long).unwrap();
    for (number, call) in (1..).zip(calls) {
        assert_eq!(block_on(call).unwrap().matched, number);
    }
    drop(client);
    assert_eq!(seen.join().unwrap(), (0..9).collect::<Vec<_>>());
}

#[test]
fn who_waits_for_room_in_vain_learns_that_nothing_was_sent() {
    const TIME: Duration = Duration::from_millis(300);
    let daemon = Daemon::unix();
    let (client, peer) = away(&daemon, brisk().queue(2).call_timeout(TIME));
    let calls = begun(&client, 0..5);
    let errors: Vec<_> = calls.into_iter().map(|call| block_on(call).unwrap_err()).collect();
    for (nth, error) in errors.iter().enumerate() {
        assert!(!error.was_sent());
        match error {
            // One in line may get the room of those before it just before its own time is over.
            Error::Unreachable { .. } => {}
            Error::QueueFull { limit: QueueLimit::Calls(2), waited } => assert!(nth >= 2 && *waited == TIME, "{nth}"),
            other => panic!("{nth}: {other:?}"),
        }
    }
    assert_eq!(client.backlog(), hasses_client::Backlog::default());
    drop(peer);
}

#[test]
fn dropped_futures_give_their_room_back() {
    let daemon = Daemon::unix();
    let (client, mut peer) = away(&daemon, brisk().queue(4));
    let mut calls = begun(&client, 0..8);
    // Two that have room, and two that wait for it.
    for dropped in [6, 5, 2, 0] {
        drop(calls.remove(dropped));
    }
    // The client's own thread sees to it.
    wait_until(|| client.backlog().blocked == 0);
    assert_eq!(client.backlog().calls, 4);
    peer.answer(&pong());
    let seen = answering(peer);
    for (number, call) in [1, 3, 4, 7].into_iter().zip(calls) {
        assert_eq!(block_on(call).unwrap().matched, number);
    }
    drop(client);
    assert_eq!(seen.join().unwrap(), [1, 3, 4, 7]);
}

#[test]
fn what_is_sent_and_unanswered_takes_room_too() {
    let daemon = Daemon::unix();
    let (client, mut peer) = connected(&daemon, brisk().queue(1));
    thread::scope(|scope| {
        let call = scope.spawn(|| client.publish("a", "1"));
        assert_eq!(peer.next_data(), "1");
        assert!(is_full(&client.try_publish("a", "2").unwrap_err(), QueueLimit::Calls(1)));
        peer.answer(&published(1));
        call.join().unwrap().unwrap();
        assert_eq!(client.backlog().calls, 0);
    });
}

#[test]
fn a_bulk_is_held_back_by_the_bound_of_the_queue() {
    let daemon = Daemon::unix();
    let (client, peer) = connected(&daemon, brisk().queue(10_000).queue_bytes(4096));
    let seen = answering(peer);
    let watched = client.clone();
    let mut most = 0;
    let messages = (0..2000_u64).map(|number| {
        most = most.max(watched.backlog().bytes);
        Message::new("a", number.to_string())
    });
    let mut outcomes = Vec::new();
    let _ = client.send_all(messages, |outcome| {
        outcomes.push(outcome.unwrap().matched);
        ControlFlow::Continue(())
    });
    assert_eq!(outcomes, (0..2000).collect::<Vec<_>>());
    assert!((1..=4096).contains(&most), "{most}");
    drop((client, watched));
    assert_eq!(seen.join().unwrap(), outcomes);
}
