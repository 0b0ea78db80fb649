//! `hasses_client::Client` at a daemon that is killed again and again: a program that only calls `publish` notices nothing.

use std::ops::ControlFlow;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use hasses_client::blocking::Client;
use hasses_client::{Error, Message, Options, Published};
use hasses_tests::wait_for;

use crate::chance::Chance;
use crate::follower::Follower;
use crate::over::Over;
use crate::place::Place;

/// Threads that publish one by one, and as many that publish in bulk.
const THREADS: u64 = 2;
const KILLS: usize = 10;
/// The numbers of a thread begin at its own multiple of this.
const RANGE: u64 = 1_000_000;

fn message(number: u64) -> Message {
    Message::new(format!("thread{}", number / RANGE), format!("{number} {}", "x".repeat(100)))
}

/// Publishes from a thread's first number on until it is over; gives the number behind the last.
fn publish(client: &Client, thread: u64, over: &Over, done: impl Fn(Result<Published, Error>)) -> u64 {
    let mut next = thread * RANGE;
    let mut messages = std::iter::from_fn(|| {
        next += 1;
        (!over.is_over()).then(|| message(next - 1))
    });
    if thread < THREADS {
        messages.for_each(|message| done(client.send(message)));
    } else {
        let flow = client.send_all(messages.by_ref(), |outcome| {
            done(outcome);
            ControlFlow::Continue(())
        });
        assert_eq!(flow, ControlFlow::Continue(()));
    }
    next - 1
}

#[test]
fn threads_that_publish_through_a_client_lose_and_double_nothing_while_the_daemon_is_killed() {
    let mut chance = Chance::new();
    let place = Place::new();
    let arguments = |nth: usize| ["--durability", ["os", "disk"][nth % 2], "--retain-bytes=1g"];
    let mut running = Some(place.start(&arguments(0)));
    let birth = place.position();
    let mut follower = Follower::start(&place.path("sse"), "subscribe=thread0", birth);
    // It is killed several times in the time that a client waits at most before it is sure that a connection lasts.
    let options = Options::default().backoff_max(Duration::from_millis(200));
    let client = Client::connect_with(&format!("unix://{}", place.path("control").display()), options).unwrap();
    let (acknowledged, duplicates, over) = (AtomicUsize::new(0), AtomicUsize::new(0), Over::default());
    let ends: Vec<u64> = std::thread::scope(|scope| {
        let (client, acknowledged, duplicates, over) = (&client, &acknowledged, &duplicates, &over);
        let threads: Vec<_> = (0..2 * THREADS)
            .map(|thread| {
                scope.spawn(move || {
                    publish(client, thread, over, |outcome| {
                        let published = outcome.unwrap_or_else(|error| panic!("thread {thread}: {error}"));
                        duplicates.fetch_add(usize::from(published.duplicate), SeqCst);
                        acknowledged.fetch_add(1, SeqCst);
                    })
                })
            })
            .collect();
        let ending = over.at_the_end();
        for nth in 1..5 * KILLS {
            // An answer has to be lost now and then, or nothing is tried.
            if nth > KILLS && duplicates.load(SeqCst) > 0 {
                break;
            }
            let enough = acknowledged.load(SeqCst) + chance.number(1..2000);
            wait_for("some acknowledgements", || {
                let ended = threads.iter().any(std::thread::ScopedJoinHandle::is_finished);
                (ended || acknowledged.load(SeqCst) >= enough).then_some(())
            });
            chance.pause(Duration::from_millis(3));
            // Killed, and waited for.
            drop(running.take());
            running = Some(place.start(&arguments(nth)));
        }
        drop(ending);
        threads.into_iter().map(|thread| thread.join().expect("no call failed")).collect()
    });
    let entries = place.events_behind(birth);
    assert_eq!(entries.len(), acknowledged.load(SeqCst));
    for (thread, end) in (0..).zip(&ends) {
        let of_thread = entries.iter().map(|entry| entry.number).filter(|number| number / RANGE == thread);
        assert!(of_thread.eq(thread * RANGE..*end), "thread {thread}");
    }
    assert!(duplicates.load(SeqCst) > 0, "no answer was ever lost");
    follower.wait_for(ends[0] - 1);
    assert!(follower.seen().iter().map(|entry| entry.number).eq(0..ends[0]), "the follower got something else");
}
