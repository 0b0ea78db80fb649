//! Slow subscribers: what does not fit into the outbox is let go, and read from the log once there is room again.

use std::time::Duration;

use hasses_tests::{Authority, Event, Publisher, Stream, Subscriber, TestDaemon, TlsClient, wait_for};
use serde_json::json;

use crate::{
    Dice, come_back, cursor, narrow, narrow_daemon, number, numbered, publish, publish_all, replay, request, resumed,
    slow_subscriber, verdict,
};

/// A stream whose bytes are looked at once it has all of them.
struct Bytes {
    what: &'static str,
    stream: Stream,
    read: Vec<u8>,
}

impl Bytes {
    fn new(what: &'static str, mut stream: Stream, request: &str) -> Self {
        stream.send(request);
        stream.read_to("\r\n\r\n");
        Self { what, stream, read: Vec::new() }
    }

    fn read(&mut self, count: usize) {
        self.read.extend(self.stream.read_exactly(count));
    }

    /// Reads up to an end that every stream has.
    fn finish(&mut self, end: &str) {
        self.read.extend(self.stream.read_to(end).into_bytes());
    }

    /// The events, with the chunks around them taken away.
    fn events(&self) -> Vec<String> {
        let text = std::str::from_utf8(&self.read).expect("text");
        let events = text.split("\n\n").filter_map(|block| Some(block.get(block.find("id: ")?..)?.to_owned()));
        events.filter(|event| !event.ends_with("data: {}")).collect()
    }
}

#[test]
fn whoever_reads_at_random_gets_every_event_once_and_in_order() {
    const TURNS: usize = 400;
    // The bytes of one, at most.
    const CURSOR: usize = 100;
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::default();
    let daemon = TestDaemon::secured(&authority.issue(&["127.0.0.1"]).save(folder.path(), "server"), |config| {
        config.shards = 2;
        config.limits.send_buffer = 16 * 1024;
        config.limits.outbox = 32 * 1024;
        config.limits.heartbeat = Duration::from_secs(3600);
    });
    let client = TlsClient::trusting(&authority.pem());
    let secured = || narrow(&daemon.tls_address()).secured(client.session("127.0.0.1")).expect("a handshake");
    let plain = || narrow(&daemon.address());
    let old = "GET /sse?subscribe=a-b HTTP/1.0\r\n\r\n";
    // Two of each kind: one that reads at once, and one that reads at random.
    let pair = |what, open: &dyn Fn() -> Stream, request: &str| [(); 2].map(|()| Bytes::new(what, open(), request));
    let mut pairs = [
        pair("one topic", &plain, &request("subscribe=a", &[])),
        pair("two topics", &plain, &request("subscribe=a-b", &[])),
        pair("a prefix, with an id", &plain, &request("topic=*&id=me", &[])),
        pair("HTTP/1.0", &plain, old),
        pair("TLS", &secured, &request("subscribe=a", &[])),
        pair("TLS, without notices", &secured, &request("subscribe=a-b&notices=0", &[])),
    ];
    let mut publisher = daemon.publisher();
    let mut dice = Dice(11);
    let mut largest = 0;
    for _ in 0..TURNS {
        for _ in 0..dice.roll(12) {
            // Most are small, and some are larger than an outbox.
            let length = if dice.roll(50) == 0 { dice.roll(60_000) } else { dice.roll(4_000) };
            let topic = ["a", "b", "*"][dice.roll(3)];
            let mut command = json!({"cmd": "publish", "topic": topic, "data": "x".repeat(length)});
            if dice.roll(4) == 0 {
                command["except"] = json!("me");
            }
            publisher.send(&command.to_string());
            assert_eq!(publisher.answer()["ok"], true);
        }
        // Each of these has read everything now.
        let turn = publish_all(&mut publisher, "*", ["turn".to_owned()]).remove(0);
        let caught_up = publisher.status().caught_up_total;
        for [prompt, late] in &mut pairs {
            prompt.finish(&format!("id: {turn}\ndata: turn\n\n"));
            // Whoever was behind has a cursor more: what is owed is at least the rest.
            let cursors = CURSOR * usize::try_from(caught_up).expect("a number");
            let owed = prompt.read.len().saturating_sub(late.read.len() + cursors);
            match dice.roll(20) {
                0 => late.read(owed),
                1..6 => late.read(dice.roll(owed.min(200_000) + 1)),
                _ => {}
            }
        }
        largest = largest.max(publisher.status().behind);
    }
    let end = publish(&mut publisher, "*", "the end");
    for [prompt, late] in &mut pairs {
        [&mut *prompt, &mut *late].into_iter().for_each(|each| each.finish(&format!("id: {end}\ndata: the end\n\n")));
        let (expected, got) = (prompt.events(), late.events());
        assert!(expected.len() > TURNS, "{}: only {} events", prompt.what, expected.len());
        for (nth, (expected, got)) in expected.iter().zip(&got).enumerate() {
            assert!(expected == got, "{}: event {nth}", prompt.what);
        }
        assert_eq!(expected.len(), got.len(), "{}", prompt.what);
    }
    let status = publisher.status();
    assert!(largest >= 2 && status.behind_total > 20, "{largest} at one time, {} times", status.behind_total);
    wait_for("all to be live", || (publisher.status().behind == 0).then_some(()));
    let status = publisher.status();
    assert_eq!(status.behind_total, status.caught_up_total);
    assert_eq!((status.outrun_total, status.slow_disconnects_total, status.stalled_total), (0, 0, 0));
    // The pairs are all there.
    assert_eq!(status.subscribers, 12);
}

/// Publishes until the only slow subscriber is behind, and by more than the system might still take; gives how many events
/// that took.
fn until_behind(publisher: &mut Publisher, topic: &str) -> usize {
    let mut sent = 0;
    wait_for("it to be behind", || {
        publish_all(publisher, topic, numbered(sent..sent + 100, 2_000));
        sent += 100;
        (publisher.status().behind > 0).then_some(())
    });
    publish_all(publisher, topic, numbered(sent..sent + 100, 2_000));
    sent + 100
}

#[test]
fn being_behind_is_a_gauge_and_costs_no_more_than_a_slice() {
    // What was read for it when it was thought to have everything with that; most of the time it is a part of an event.
    const SLICE: u64 = 72 * 1024;
    let daemon = narrow_daemon(|_| {});
    let mut publisher = daemon.publisher();
    let mut slow = slow_subscriber(&daemon, "subscribe=a");
    let mut sent = until_behind(&mut publisher, "a");
    let status = publisher.status();
    // It may have had everything for a moment, while the system took more.
    let times = status.behind_total;
    assert_eq!((status.behind, status.caught_up_total), (1, times - 1));
    assert!(status.queued_bytes < SLICE, "{} bytes wait for one that is behind", status.queued_bytes);
    // It is not more the longer it lasts, and it is one time.
    publish_all(&mut publisher, "a", numbered(sent..sent + 500, 2_000));
    sent += 500;
    let status = publisher.status();
    assert_eq!((status.behind, status.behind_total), (1, times));
    assert!(status.queued_bytes < SLICE, "{} bytes wait for one that is behind", status.queued_bytes);
    // It still counts as one that was reached.
    assert_eq!(publisher.publish("a", &format!("{sent} x")), 1);
    sent += 1;
    (0..sent).for_each(|nth| assert_eq!(number(&slow.data()), nth));
    cursor(&mut slow);
    let status = publisher.status();
    assert_eq!((status.behind, status.behind_total, status.caught_up_total), (0, times, times));
    // The next time is another one.
    until_behind(&mut publisher, "a");
    let status = publisher.status();
    assert!(status.behind == 1 && status.behind_total > times, "{status:?}");
    assert_eq!(status.caught_up_total, status.behind_total - 1);
    // Who leaves while behind is behind no more.
    drop(slow);
    wait_for("it to be gone", || (publisher.status().subscribers == 0).then_some(()));
    let left = publisher.status();
    assert_eq!(
        (left.behind, left.behind_total, left.caught_up_total),
        (0, status.behind_total, status.caught_up_total)
    );
    assert_eq!((status.slow_disconnects_total, status.outrun_total), (0, 0));
    assert_eq!(status.resumed_total, 0, "that is for those who come back");
}

#[test]
fn whoever_is_behind_and_leaves_resumes_where_it_stopped_reading() {
    let daemon = narrow_daemon(|_| {});
    let mut publisher = daemon.publisher();
    let mut slow = slow_subscriber(&daemon, "subscribe=a");
    let mut sent = until_behind(&mut publisher, "a");
    publish_all(&mut publisher, "a", numbered(sent..sent + 100, 2_000));
    sent += 100;
    // In the middle of what it is owed.
    let last = (0..sent / 2).map(|_| slow.event()).last().expect("events");
    assert_eq!(number(&last.data), sent / 2 - 1);
    drop(slow);
    let mut second = come_back(&daemon, "subscribe=a", &last.id);
    assert_eq!(verdict(&mut second), resumed(sent - sent / 2));
    let numbers: Vec<_> = replay(&mut second).0.iter().map(|data| number(data)).collect();
    assert_eq!(numbers, (sent / 2..sent).collect::<Vec<_>>());
}

#[test]
fn a_replay_that_is_not_read_is_no_reason_to_be_counted_as_slow() {
    let daemon = narrow_daemon(|_| {});
    let mut publisher = daemon.publisher();
    let first = publish(&mut publisher, "a", "0 ");
    publish_all(&mut publisher, "a", numbered(1..300, 2_000));
    let mut stream = narrow(&daemon.address());
    stream.send(request("subscribe=a", &[&format!("Last-Event-ID: {first}")]));
    let mut subscriber = stream.begun();
    publish_all(&mut publisher, "a", numbered(300..400, 2_000));
    let status = publisher.status();
    assert_eq!((status.behind, status.behind_total), (0, 0), "it came late, it is not slow");
    assert!(status.queued_bytes < 100_000, "{}: a slice at a time", status.queued_bytes);
    assert_eq!(verdict(&mut subscriber)["status"], "resumed");
    (1..400).for_each(|nth| assert_eq!(number(&subscriber.data()), nth));
    cursor(&mut subscriber);
}

#[test]
fn a_new_request_of_one_that_is_behind_begins_anew() {
    let daemon = narrow_daemon(|config| config.allow_reinit = true);
    let mut publisher = daemon.publisher();
    let mut slow = slow_subscriber(&daemon, "subscribe=a");
    until_behind(&mut publisher, "a");
    slow.stream().send(request("subscribe=b", &[]));
    wait_for("the new request to be served", || (publisher.status().reinits_total == 1).then_some(()));
    assert_eq!(publisher.status().behind, 0);
    let live = publish(&mut publisher, "b", "live");
    // What was on its way comes first, whole; then the new stream, and nothing more of the old one.
    let text = slow.stream().read_to(&format!("id: {live}\ndata: live\n\n"));
    let (before, after) = text.split_once("HTTP/1.1 200 OK\r\n").expect("a new head");
    let old: Vec<usize> = Event::all(before).iter().map(|event| number(&event.data)).collect();
    assert_eq!(old, (0..old.len()).collect::<Vec<_>>());
    let (_, body) = after.split_once("\r\n\r\n").expect("the end of the head");
    assert!(body.starts_with("2\r\n:\n\r\n") && body.contains("hasses.cursor"), "{body}");
    assert_eq!(body.matches("data: ").count(), 2, "cursor and live event: {body}");
}

#[test]
fn all_outboxes_together_are_bounded_and_nobody_loses_anything() {
    const STALLED: usize = 60;
    const TOTAL: usize = 1024 * 1024;
    const EVENTS: usize = 200;
    let daemon = TestDaemon::with(|config| {
        config.shards = 2;
        config.limits.send_buffer = 16 * 1024;
        // Alone each might have all of it.
        config.limits.outbox = TOTAL;
        config.limits.outbox_total = TOTAL;
    });
    let mut publisher = daemon.publisher();
    let mut stalled: Vec<Subscriber> = (0..STALLED).map(|_| slow_subscriber(&daemon, "subscribe=a")).collect();
    let mut prompt: Vec<Subscriber> = (0..4).map(|_| daemon.subscribe("subscribe=a")).collect();
    let mut most = 0;
    for nth in 0..EVENTS {
        let data = numbered(nth..nth + 1, 2_000).next().expect("one");
        assert_eq!(publisher.publish("a", &data), (STALLED + 4) as u64);
        most = most.max(publisher.status().queued_bytes);
        prompt.iter_mut().for_each(|subscriber| assert_eq!(subscriber.data(), data));
    }
    // One event always fits, whoever else has what.
    let bound = (TOTAL + STALLED * 2_200) as u64;
    assert!(most > TOTAL as u64 / 2 && most <= bound, "{most} bytes waited at most, {bound} may");
    let status = publisher.status();
    assert!(status.behind >= STALLED as u64 / 2, "{} are behind", status.behind);
    for subscriber in &mut stalled {
        (0..EVENTS).for_each(|nth| assert_eq!(number(&subscriber.data()), nth));
    }
    wait_for("all to be live", || (publisher.status().behind == 0).then_some(()));
    let status = publisher.status();
    assert_eq!(status.behind_total, status.caught_up_total);
    assert_eq!(status.subscribers, STALLED as u64 + 4);
}

#[test]
fn the_ceiling_for_all_disconnects_nobody_who_reads() {
    let daemon = narrow_daemon(|config| config.limits.outbox_total = 64 * 1024);
    let mut publisher = daemon.publisher();
    let stalled: Vec<Subscriber> = (0..40).map(|_| slow_subscriber(&daemon, "subscribe=a")).collect();
    // Several events in one turn, so that they go through the outboxes of those who read.
    let mut prompt: Vec<Subscriber> = (0..10).map(|_| daemon.subscribe("subscribe=a-b")).collect();
    let mut sent = 0;
    for _ in 0..10 {
        publish_all(&mut publisher, "a", numbered(sent..sent + 40, 1_000));
        for subscriber in &mut prompt {
            (sent..sent + 40).for_each(|nth| assert_eq!(number(&subscriber.data()), nth));
        }
        sent += 40;
    }
    let status = publisher.status();
    assert_eq!((status.subscribers, status.slow_disconnects_total, status.outrun_total), (50, 0, 0));
    drop(stalled);
}
