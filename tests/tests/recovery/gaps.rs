//! Where retention has run out, by count, bytes and age: it is told, with what is left, and where what is left begins.

use std::time::Duration;

use hasses_tests::{TestDaemon, wait_for};

use crate::{Flood, come_back, cursor, gap, publish, publish_all, replay, resumed, verdict};

/// The log holds those of these events that it holds; asserts what each of them is good for.
fn assert_told(daemon: &TestDaemon, ids: &[String], kept: usize) {
    let gone = ids.len() - kept;
    assert!(gone > 1 && kept > 0, "{gone} are gone, {kept} are kept: nothing is tested");
    for (nth, id) in ids.iter().enumerate() {
        let mut subscriber = come_back(daemon, "subscribe=a", id);
        // From the newest that is gone nothing is missing.
        let expected = if nth + 1 < gone { gap(&ids[gone], kept) } else { resumed(ids.len() - nth - 1) };
        assert_eq!(verdict(&mut subscriber), expected, "event {nth}");
        for expected in &ids[gone.max(nth + 1)..] {
            assert_eq!(subscriber.any_event().id, *expected, "event {nth}");
        }
        assert_eq!(&cursor(&mut subscriber), ids.last().expect("events"), "event {nth}");
    }
    let status = daemon.status();
    assert_eq!((status.gaps_total, status.resumed_total), (gone as u64 - 1, kept as u64 + 1));
    assert_eq!((status.log_events, status.log_evicted_total), (kept as u64, gone as u64));
    assert_eq!(status.oldest.to_string(), ids[gone]);
}

#[test]
fn events_over_the_count_are_gone() {
    let daemon = TestDaemon::with(|config| config.limits.retain_events = 7);
    let ids = publish_all(&mut daemon.publisher(), "a", (0..20).map(|nth| nth.to_string()));
    assert_told(&daemon, &ids, 7);
}

#[test]
fn events_over_the_bytes_are_gone() {
    const BYTES: usize = 64 * 1024;
    let daemon = TestDaemon::with(|config| config.limits.retain_bytes = BYTES);
    let filler = "x".repeat(5_000);
    let ids = publish_all(&mut daemon.publisher(), "a", (0..40).map(|nth| format!("{nth} {filler}")));
    let status = daemon.status();
    assert!(status.log_bytes <= BYTES as u64 && status.log_bytes > BYTES as u64 / 2, "{}", status.log_bytes);
    // What an event takes beside its text is not much.
    assert!((9..=13).contains(&status.log_events), "{} of 5,000 bytes in {BYTES}", status.log_events);
    let kept = usize::try_from(status.log_events).expect("a number");
    assert_told(&daemon, &ids, kept);
}

#[test]
fn events_over_the_age_are_gone() {
    let daemon = TestDaemon::with(|config| config.limits.retain_age = Some(Duration::from_secs(1)));
    let mut publisher = daemon.publisher();
    let mut ids = publish_all(&mut publisher, "a", (0..5).map(|nth| nth.to_string()));
    wait_for("the first five to be gone", || (publisher.status().log_events == 0).then_some(()));
    assert_eq!(publisher.status().oldest.to_string(), ids[4], "of nothing the newest that ever was is the oldest");
    // Nobody knows what comes, but what was is all gone.
    let mut subscriber = come_back(&daemon, "subscribe=a", &ids[2]);
    assert_eq!((verdict(&mut subscriber), cursor(&mut subscriber)), (gap(&ids[4], 0), ids[4].clone()));
    let mut subscriber = come_back(&daemon, "subscribe=a", &ids[4]);
    assert_eq!((verdict(&mut subscriber), cursor(&mut subscriber)), (resumed(0), ids[4].clone()));
    // These stay until nobody looks any more.
    let longer = daemon_with_longer_age(daemon);
    ids.extend(publish_all(&mut publisher, "a", (5..8).map(|nth| nth.to_string())));
    let mut subscriber = come_back(&longer, "subscribe=a", &ids[1]);
    assert_eq!(verdict(&mut subscriber), gap(&ids[5], 3));
    assert_eq!(replay(&mut subscriber).0, ["5", "6", "7"]);
    let status = publisher.status();
    assert_eq!((status.gaps_total, status.resumed_total, status.log_evicted_total), (2, 1, 5));
}

fn daemon_with_longer_age(mut daemon: TestDaemon) -> TestDaemon {
    daemon.reload(|config| config.limits.retain_age = Some(Duration::from_secs(3600))).expect("good settings");
    daemon
}

#[test]
fn a_gap_is_told_whatever_the_topic_and_what_is_left_of_that_is_sent() {
    let daemon = TestDaemon::with(|config| config.limits.retain_events = 10);
    let mut publisher = daemon.publisher();
    let had = publish(&mut publisher, "a", "what it had");
    publish(&mut publisher, "a", "lost");
    publish_all(&mut publisher, "b", (0..6).map(|nth| nth.to_string()));
    publish(&mut publisher, "a", "kept");
    let rest = publish_all(&mut publisher, "b", (6..12).map(|nth| nth.to_string()));
    for (query, data) in [("subscribe=a", vec!["kept"]), ("subscribe=c", vec![]), ("subscribe=a*", vec!["kept"])] {
        let mut subscriber = come_back(&daemon, query, &had);
        assert_eq!(verdict(&mut subscriber), gap(&publisher.status().oldest.to_string(), data.len()), "{query}");
        assert_eq!(replay(&mut subscriber), (data.iter().map(|&it| it.to_owned()).collect(), rest[5].clone()));
    }
}

#[test]
fn one_event_stays_however_large_it_is() {
    let daemon = TestDaemon::with(|config| config.limits.retain_bytes = 64 * 1024);
    let mut publisher = daemon.publisher();
    let before = publish(&mut publisher, "a", "before");
    let large = "x".repeat(500_000);
    let id = publish(&mut publisher, "a", &large);
    let mut subscriber = come_back(&daemon, "subscribe=a", &before);
    assert_eq!(verdict(&mut subscriber), resumed(1));
    let event = subscriber.any_event();
    assert!(event.id == id && event.data == large);
    let after = publish(&mut publisher, "a", "after");
    assert_eq!(publisher.status().log_events, 1);
    let mut subscriber = come_back(&daemon, "subscribe=a", &before);
    assert_eq!(verdict(&mut subscriber), gap(&after, 1));
}

#[test]
fn whoever_comes_back_to_a_full_log_under_a_flood_is_served_and_not_sent_away_again() {
    const LIVES: usize = 300;
    let daemon = TestDaemon::with(|config| {
        config.limits.retain_events = 500;
        config.shards = 2;
    });
    let mut publisher = daemon.publisher();
    let old = publish(&mut publisher, "a", "long gone");
    let flood = Flood::begin(publisher, |nth| {
        // One of fifty is of topic `a`.
        let topic = if nth.is_multiple_of(50) { "a" } else { "b" };
        (topic, nth.to_string())
    });
    // Of what it had, and of one behind that.
    wait_for("the log to be full", || (daemon.status().log_evicted_total > 1).then_some(()));
    for life in 0..LIVES {
        let mut subscriber = come_back(&daemon, "subscribe=a", &old);
        assert_eq!(verdict(&mut subscriber)["status"], "gap", "life {life}");
        // It goes on: a cursor comes, and live events behind it.
        let (missed, _) = replay(&mut subscriber);
        let mut last: u64 = subscriber.data().parse().expect("a number");
        for data in missed.iter().rev() {
            assert_eq!(data.parse(), Ok(last - 50), "life {life}");
            last -= 50;
        }
    }
    flood.end();
    assert_eq!(daemon.status().outrun_total, 0);
}
