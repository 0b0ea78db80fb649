//! Subscribers of quiet topics are told where they stand, so that they never fall out of what is kept only by hearing nothing.

use std::time::{Duration, Instant};

use hasses_tests::{Subscriber, TestDaemon, wait_for};

use crate::{come_back, cursor, gap, publish, publish_all, request, resumed, verdict};

const HEARTBEAT: Duration = Duration::from_millis(100);
/// A quiet subscriber is told where it stands at the first heartbeat after half of it.
const KEPT: Duration = Duration::from_secs(2);

/// A daemon that keeps events for a short time.
fn forgetful() -> TestDaemon {
    TestDaemon::with(|config| {
        config.limits.heartbeat = HEARTBEAT;
        config.limits.retain_age = Some(KEPT);
    })
}

#[test]
fn a_quiet_subscriber_does_not_fall_out_of_what_is_kept() {
    let daemon = forgetful();
    let mut publisher = daemon.publisher();
    let mut quiet = Subscriber::begin(&daemon.address(), "subscribe=quiet");
    let first = cursor(&mut quiet);
    let mut stands = first.clone();
    // The log moves on until it has forgotten where the subscriber stood at first.
    while publisher.status().log_evicted_total < 2 {
        publish(&mut publisher, "busy", "x");
        let chunk = quiet.chunk().expect("a stream that goes on");
        if let Some((_, rest)) = chunk.split_once("event: hasses.cursor\nid: ") {
            stands = rest.split('\n').next().expect("an id").to_owned();
        }
    }
    assert_ne!(stands, first);
    let mut second = come_back(&daemon, "subscribe=quiet", &stands);
    assert_eq!(verdict(&mut second)["status"], "resumed", "{stands}");
    assert_eq!(verdict(&mut come_back(&daemon, "subscribe=quiet", &first))["status"], "gap");
}

#[test]
fn where_events_are_kept_for_less_than_a_heartbeat_it_is_told_sooner() {
    let daemon = TestDaemon::with(|config| {
        config.limits.heartbeat = Duration::from_secs(3600);
        config.limits.retain_age = Some(KEPT);
    });
    let mut publisher = daemon.publisher();
    let mut quiet = Subscriber::begin(&daemon.address(), "subscribe=quiet");
    let mut deaf = Subscriber::begin(&daemon.address(), "subscribe=quiet&notices=0");
    cursor(&mut quiet);
    for _ in 0..3 {
        let position = publish(&mut publisher, "busy", "x");
        assert_eq!(cursor(&mut quiet), position);
    }
    publish(&mut publisher, "quiet", "the first for all");
    // Nobody needs a comment more often for that.
    assert!(deaf.chunk().expect("an event").ends_with("data: the first for all\n\n"));
}

#[test]
fn heartbeats_are_comments_as_long_as_there_is_time() {
    let daemon = TestDaemon::with(|config| config.limits.heartbeat = HEARTBEAT);
    let mut publisher = daemon.publisher();
    let mut quiet = daemon.subscribe("subscribe=quiet");
    for _ in 0..5 {
        publish(&mut publisher, "busy", "x");
        assert_eq!(quiet.chunk().as_deref(), Some(":\n"), "an hour is kept, and it heard something a moment ago");
    }
}

#[test]
fn whoever_hears_events_needs_no_cursor() {
    let daemon = forgetful();
    let mut publisher = daemon.publisher();
    let mut subscriber = daemon.subscribe("subscribe=a");
    let begun = Instant::now();
    let mut nth = 0;
    while begun.elapsed() < 2 * KEPT {
        publish(&mut publisher, "a", &nth.to_string());
        // The heartbeat before the next event, or the event itself.
        loop {
            let event = subscriber.chunk().expect("a stream that goes on");
            assert!(!event.contains("hasses.cursor"), "event {nth} came {:?} after the first", begun.elapsed());
            if event.ends_with(&format!("data: {nth}\n\n")) {
                break;
            }
        }
        nth += 1;
        assert_eq!(subscriber.chunk().as_deref(), Some(":\n"));
    }
    assert!(nth > 4, "{nth} events in {:?}", 2 * KEPT);
}

#[test]
fn retention_by_count_makes_cursors_come_sooner_too() {
    let daemon = TestDaemon::with(|config| {
        config.limits.heartbeat = HEARTBEAT;
        config.limits.retain_events = 50;
    });
    let mut publisher = daemon.publisher();
    let mut quiet = Subscriber::begin(&daemon.address(), "subscribe=quiet");
    let first = cursor(&mut quiet);
    // Forty in each heartbeat: an event is kept for little more than one.
    let stands = wait_for("a cursor", || {
        publish_all(&mut publisher, "busy", (0..40).map(|_| "x".to_owned()));
        let chunk = quiet.chunk().expect("a stream that goes on");
        chunk.split_once("hasses.cursor\nid: ").and_then(|(_, rest)| rest.split('\n').next()).map(str::to_owned)
    });
    assert_ne!(stands, first);
}

#[test]
fn a_cursor_names_the_position_also_where_nothing_happened() {
    let daemon = forgetful();
    let mut quiet = Subscriber::begin(&daemon.address(), "subscribe=quiet");
    let first = cursor(&mut quiet);
    assert_eq!(cursor(&mut quiet), first);
    assert_eq!(verdict(&mut come_back(&daemon, "subscribe=quiet", &first)), resumed(0));
}

#[test]
fn over_http_1_0_it_comes_without_a_chunk() {
    let daemon = forgetful();
    let mut stream = daemon.connect();
    stream.send("GET /sse?subscribe=quiet HTTP/1.0\r\n\r\n");
    stream.read_to("\r\n\r\n:\nevent: hasses.cursor\n");
    let text = stream.read_to("event: hasses.cursor\n");
    assert!(text.contains("data: {}\n\n:\n"), "{text}");
}

#[test]
fn whoever_is_behind_is_not_told_to_stand_where_it_does_not() {
    let mut daemon = TestDaemon::with(|config| {
        config.limits.heartbeat = HEARTBEAT;
        config.limits.send_buffer = 16 * 1024;
        config.limits.outbox = 64 * 1024;
        config.limits.retain_events = 100_000;
    });
    let mut publisher = daemon.publisher();
    let mut stream = daemon.connect();
    stream.bound_unread(64 * 1024);
    stream.send(request("subscribe=a", &[]));
    let mut slow = stream.subscribed();
    let filler = "x".repeat(2_000);
    let ids = publish_all(&mut publisher, "a", (0..300).map(|_| filler.clone()));
    wait_for("it to be behind", || (publisher.status().behind == 1).then_some(()));
    // From now on a cursor would be due at every heartbeat, as soon as something is evicted.
    daemon.reload(|config| config.limits.retain_age = Some(Duration::from_secs(30))).expect("good settings");
    let mut last = String::new();
    for (nth, id) in ids.iter().enumerate() {
        if nth % 50 == 0 {
            let read = Instant::now();
            wait_for("more than a heartbeat", || (read.elapsed() > 2 * HEARTBEAT).then_some(()));
        }
        let mut event = slow.any_event();
        while event.event == "hasses.cursor" {
            // It may have had everything for a moment while the events came.
            assert_eq!(event.id, last, "before event {nth}");
            event = slow.any_event();
        }
        assert_eq!(&event.id, id, "event {nth}");
        last = event.id;
    }
    assert_eq!(cursor(&mut slow), ids[299]);
    let status = publisher.status();
    assert_eq!((status.behind, status.caught_up_total), (0, status.behind_total));
}

#[test]
fn without_a_cursor_the_same_silence_is_a_gap() {
    let daemon = forgetful();
    let mut publisher = daemon.publisher();
    let id = publish(&mut publisher, "quiet", "x");
    publish(&mut publisher, "busy", "x");
    wait_for("both to be forgotten", || (publisher.status().log_events == 0).then_some(()));
    let position = publisher.status().position.to_string();
    assert_eq!(verdict(&mut come_back(&daemon, "subscribe=quiet", &id)), gap(&position, 0));
}
