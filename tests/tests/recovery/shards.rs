//! Coming back to a shard that is behind the one that was left: nothing is doubled, nothing is missing.

use hasses_tests::{Stream, Subscriber, TestDaemon};
use serde_json::json;

use crate::{cursor, publish, request};

/// Busy subscribers of the second shard, idle ones of the first.
const EACH: usize = 150;

/// Two shards, of which the second has to write every event of topic `a` to many, and the first to nobody.
fn uneven() -> (TestDaemon, Vec<Subscriber>) {
    let daemon = TestDaemon::with(|config| config.shards = 2);
    // Connections go to the shard that has the fewest, and to the first where both have as many.
    let both = (0..EACH).flat_map(|_| [daemon.subscribe("subscribe=idle"), daemon.subscribe("subscribe=a&id=busy")]);
    let subscribers = both.collect();
    (daemon, subscribers)
}

#[test]
fn whoever_comes_to_a_shard_that_is_behind_gets_each_event_once() {
    const ROUNDS: usize = 30;
    const BURST: usize = 150;
    let (daemon, mut others) = uneven();
    let mut publisher = daemon.publisher();
    for round in 0..ROUNDS {
        let mut light = daemon.subscribe("subscribe=a");
        // It is connected, at the other shard, and asks only once the first has something that the other may not have.
        let mut heavy: Stream = daemon.connect();
        let burst: String = (0..BURST)
            .map(|nth| format!("{}\n", json!({"cmd": "publish", "topic": "a", "data": format!("{round} {nth}")})))
            .collect();
        publisher.write(&burst);
        let taken = 1 + round * (BURST - 1) / ROUNDS;
        let last = (0..taken).map(|_| light.event()).last().expect("events");
        assert_eq!(last.data, format!("{round} {}", taken - 1));
        heavy.send(request("subscribe=a", &[&format!("Last-Event-ID: {}", last.id)]));
        drop(light);
        let mut second = heavy.begun();
        let told = second.any_event();
        assert!(told.data.starts_with(r#"{"status":"resumed""#), "{told:?}");
        for nth in taken..BURST {
            assert_eq!(second.data(), format!("{round} {nth}"));
        }
        (0..BURST).for_each(|_| assert_eq!(publisher.answer()["ok"], true));
        let end = publish(&mut publisher, "a", "end");
        assert_eq!(second.event().id, end);
        for other in others.iter_mut().skip(1).step_by(2) {
            (0..=BURST).for_each(|_| drop(other.event()));
        }
    }
    let status = publisher.status();
    assert_eq!((status.gaps_total, status.resets_total, status.resumed_total), (0, 0, ROUNDS as u64));
}

#[test]
fn a_cursor_of_one_shard_is_good_at_every_other() {
    let daemon = TestDaemon::with(|config| config.shards = 4);
    let mut publisher = daemon.publisher();
    publish(&mut publisher, "b", "before");
    // One at each shard.
    let mut first: Vec<_> = (0..4).map(|_| Subscriber::begin(&daemon.address(), "subscribe=a")).collect();
    let cursors: Vec<_> = first.iter_mut().map(cursor).collect();
    assert!(cursors.iter().all(|known| *known == cursors[0]), "{cursors:?}");
    let missed = publish(&mut publisher, "a", "missed");
    for _ in 0..4 {
        let mut second = crate::come_back(&daemon, "subscribe=a", &cursors[0]);
        assert_eq!(crate::verdict(&mut second), crate::resumed(1));
        assert_eq!(second.any_event().id, missed);
        assert_eq!(cursor(&mut second), missed);
        first.push(second);
    }
}
