//! The blocking client: many threads, and publishing in bulk.

use std::ops::ControlFlow;
use std::thread;

use hasses_client::blocking::Client;
use hasses_client::wire::{Command, Failure, Reply};
use hasses_client::{Delivery, Error, ErrorCode, Message};

use crate::daemon::{Daemon, answer_to, brisk, connected, published};

fn numbered(numbers: std::ops::Range<u64>) -> impl Iterator<Item = Message> {
    numbers.map(|number| Message::new("a", number.to_string()))
}

#[test]
fn many_threads_share_one_connection() {
    let url = Daemon::tcp().serve();
    let client = Client::connect_with(&url, brisk()).unwrap();
    thread::scope(|scope| {
        for thread in 0..8 {
            let client = client.clone();
            scope.spawn(move || {
                for number in thread * 500..thread * 500 + 500 {
                    assert_eq!(client.publish("a", number.to_string()).unwrap().matched, number);
                }
            });
        }
    });
}

#[test]
fn a_bulk_gives_every_outcome_in_order() {
    let url = Daemon::unix().serve();
    let client = Client::connect_with(&url, brisk()).unwrap();
    let mut outcomes = Vec::new();
    let flow = client.send_all(numbered(0..20_000), |outcome| {
        outcomes.push(outcome.unwrap().matched);
        ControlFlow::Continue(())
    });
    assert_eq!(flow, ControlFlow::Continue(()));
    assert_eq!(outcomes, (0..20_000).collect::<Vec<_>>());
    assert_eq!(client.send_all([], |_| ControlFlow::Break(())), ControlFlow::Continue(()));
}

#[test]
fn in_a_bulk_what_is_refused_here_or_there_keeps_its_place() {
    let daemon = Daemon::unix();
    let (client, mut peer) = connected(&daemon, brisk());
    let answering = thread::spawn(move || {
        while peer.answer_next(|command| match &command {
            Command::Publish(publish) if publish.data.ends_with('5') => {
                Reply::Failed(Failure::new(ErrorCode::TooLarge, publish.data.clone()))
            }
            _ => answer_to(command),
        }) {}
    });
    let messages = (0..3000_u64).map(|number| match number % 10 {
        7 => Message::new("", number.to_string()),
        _ => Message::new("a", number.to_string()),
    });
    let mut number = 0;
    let flow = client.send_all(messages, |outcome| {
        match (number % 10, outcome) {
            (7, Err(Error::Invalid(_))) => {}
            (5, Err(Error::Refused(failure))) => assert_eq!(failure.error, number.to_string()),
            (0..5 | 6 | 8.., Ok(published)) => assert_eq!(published.matched, number),
            (_, outcome) => panic!("{number}: {outcome:?}"),
        }
        number += 1;
        ControlFlow::Continue(())
    });
    assert_eq!((flow, number), (ControlFlow::Continue(()), 3000));
    drop(client);
    answering.join().unwrap();
}

#[test]
fn a_bulk_can_be_broken_off() {
    let url = Daemon::unix().serve();
    let client = Client::connect_with(&url, brisk()).unwrap();
    let (mut taken, mut seen) = (0_u64, 0);
    let messages = numbered(0..1_000_000).inspect(|_| taken += 1);
    let flow = client.send_all(messages, |outcome| {
        assert_eq!(outcome.unwrap().matched, seen);
        seen += 1;
        if seen == 10 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!((flow, seen), (ControlFlow::Break(()), 10));
    assert!(taken <= 2048, "{taken}");
    // The connection is in step after it.
    assert_eq!(client.publish("a", "77").unwrap().matched, 77);
}

#[test]
fn a_bulk_over_a_lost_connection_tells_every_fate_and_with_at_most_once_sends_nothing_twice() {
    const LOST_AFTER: u64 = 3000;
    const MESSAGES: u64 = 10_000;
    let daemon = Daemon::unix();
    let (client, mut peer) = connected(&daemon, brisk().delivery(Delivery::AtMostOnce));
    let seen = thread::spawn(move || {
        let mut seen = Vec::new();
        for _ in 0..LOST_AFTER {
            seen.push(peer.next_data().parse::<u64>().unwrap());
            peer.answer(&published(*seen.last().unwrap()));
        }
        // What the client has written meanwhile is lost with the connection.
        drop(peer);
        let mut peer = daemon.welcome();
        while let Some(Command::Publish(publish)) = peer.next() {
            seen.push(publish.data.parse().unwrap());
            peer.answer(&published(*seen.last().unwrap()));
        }
        seen
    });
    let mut fates = Vec::new();
    let _ = client.send_all(numbered(0..MESSAGES), |outcome| {
        fates.push(match outcome {
            Ok(published) => Some(published.matched),
            Err(Error::FateUnknown { .. }) => None,
            Err(other) => panic!("{other:?}"),
        });
        ControlFlow::Continue(())
    });
    drop(client);
    assert_eq!(fates.len() as u64, MESSAGES);
    for (number, fate) in (0..).zip(&fates) {
        assert!(fate.is_none_or(|matched| matched == number), "{number}: {fate:?}");
    }
    let unknown = fates.iter().filter(|fate| fate.is_none()).count();
    assert!(unknown <= 1024, "{unknown}");
    let seen = seen.join().unwrap();
    assert!(seen.is_sorted_by(|a, b| a < b), "nothing came twice or out of order");
    let known = (0..).zip(&fates).filter(|(_, fate)| fate.is_some()).map(|(number, _)| number);
    assert!(known.into_iter().all(|number: u64| seen.binary_search(&number).is_ok()), "what succeeded was seen");
}
