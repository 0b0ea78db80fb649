//! Daemons that take the connection and then do not answer, or do not read.

use std::thread;
use std::time::{Duration, Instant};

use hasses_client::blocking::Client;
use hasses_client::{Error, QueueLimit};

use crate::daemon::{Daemon, PATIENCE, brisk, connected, published};

const SHORT: Duration = Duration::from_millis(500);

#[test]
fn a_silent_daemon_costs_a_call_its_time_and_is_then_connected_to_anew() {
    let daemon = Daemon::unix();
    let (client, mut peer) = connected(&daemon, brisk().call_timeout(SHORT));
    let started = Instant::now();
    thread::scope(|scope| {
        let call = scope.spawn(|| client.publish("a", "1"));
        assert_eq!(peer.next_data(), "1");
        let error = call.join().unwrap().unwrap_err();
        assert!(matches!(error, Error::FateUnknown { .. }), "{error:?}");
        assert!(error.to_string().contains("answered nothing for 250ms"), "{error}");
    });
    assert!(started.elapsed() >= SHORT);
    assert_eq!(peer.next(), None, "the silent connection was given up");
    daemon.serve();
    // On a busy machine the short time may be over before an answer is there, so more than one may be needed.
    let started = Instant::now();
    while let Err(error) = client.publish("a", "2") {
        assert!(started.elapsed() < PATIENCE, "{error}");
    }
}

#[test]
fn a_daemon_that_does_not_read_bounds_what_is_under_way_and_every_call_ends_in_time() {
    const CALLS: usize = 40;
    let daemon = Daemon::tcp();
    let (client, peer) = connected(&daemon, brisk().queue(4).call_timeout(SHORT));
    let data = "x".repeat(1024);
    let outcomes: Vec<_> = thread::scope(|scope| {
        let calls: Vec<_> = (0..CALLS).map(|_| scope.spawn(|| client.publish("a", data.as_str()))).collect();
        calls.into_iter().map(|call| call.join().unwrap().unwrap_err()).collect()
    });
    let sent = outcomes.iter().filter(|error| error.was_sent()).count();
    assert!((1..=4).contains(&sent), "{sent}: {outcomes:?}");
    for error in &outcomes {
        match error {
            Error::FateUnknown { .. } | Error::TimedOut { .. } | Error::Unreachable { .. } => {}
            Error::QueueFull { limit, waited } => assert_eq!((*limit, *waited), (QueueLimit::Calls(4), SHORT)),
            other => panic!("{other:?}"),
        }
    }
    drop(peer);
}

#[test]
fn a_daemon_that_is_dead_costs_half_of_a_calls_time_and_not_the_call() {
    let daemon = Daemon::tcp();
    let (client, mut peer) = connected(&daemon, brisk().call_timeout(4 * SHORT));
    thread::scope(|scope| {
        let call = scope.spawn(|| client.publish("a", "1"));
        assert_eq!(peer.next_data(), "1");
        // It stays open and says nothing, as a machine does that was switched off.
        let mut next = daemon.welcome();
        assert_eq!(next.next_data(), "1");
        next.answer(&published(1));
        assert_eq!(call.join().unwrap().unwrap().matched, 1);
    });
    assert_eq!(peer.next(), None);
}

#[test]
fn a_connection_without_greeting_is_unreachable_in_time() {
    let daemon = Daemon::tcp();
    // The system takes the connection on the listener's behalf, and nobody ever answers.
    let error = Client::connect_with(&daemon.url(), brisk().connect_timeout(SHORT)).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
}

#[test]
fn a_time_without_end_is_one() {
    let daemon = Daemon::unix();
    let options = brisk().call_timeout(Duration::MAX).connect_timeout(Duration::MAX);
    let (client, mut peer) = connected(&daemon, options);
    thread::scope(|scope| {
        let call = scope.spawn(|| client.publish("a", "1"));
        assert_eq!(peer.next_data(), "1");
        peer.answer(&published(1));
        assert_eq!(call.join().unwrap().unwrap().matched, 1);
    });
}

#[test]
fn without_time_nothing_is_sent() {
    let daemon = Daemon::unix();
    let (client, mut peer) = connected(&daemon, brisk().call_timeout(Duration::ZERO));
    let error = client.publish("a", "1").unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
    drop(client);
    assert_eq!(peer.next(), None);
}
