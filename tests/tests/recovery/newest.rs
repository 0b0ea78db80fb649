//! `replay=N`: the newest events of each topic, for those who come for the first time.

use hasses_tests::{Subscriber, TestDaemon, wait_for};
use serde_json::json;

use crate::{Flood, come_back, publish, publish_all, publish_by, replay, request, reset, resumed, verdict};

fn newest(daemon: &TestDaemon, query: &str) -> Vec<String> {
    replay(&mut Subscriber::begin(&daemon.address(), query)).0
}

#[test]
fn the_newest_events_of_each_topic_come_first_and_in_their_order() {
    let daemon = TestDaemon::start();
    let mut publisher = daemon.publisher();
    for nth in 0..4 {
        for topic in ["a", "b", "prices/gold", "prices/tin"] {
            publish(&mut publisher, topic, &format!("{topic} {nth}"));
        }
    }
    publish(&mut publisher, "a", "a 4");
    for (query, expected) in [
        ("subscribe=a&replay=1", &["a 4"][..]),
        ("subscribe=a&replay=2", &["a 3", "a 4"]),
        ("subscribe=a&replay=1000", &["a 0", "a 1", "a 2", "a 3", "a 4"]),
        ("subscribe=a-b&replay=1", &["b 3", "a 4"]),
        ("subscribe=a-b&replay=2", &["b 2", "a 3", "b 3", "a 4"]),
        ("topic=prices/*&replay=1", &["prices/gold 3", "prices/tin 3"]),
        ("topic=prices/*&topic=prices/gold&replay=1", &["prices/gold 3", "prices/tin 3"]),
        ("subscribe=*&replay=1", &["b 3", "prices/gold 3", "prices/tin 3", "a 4"]),
        ("subscribe=nobody&replay=5", &[]),
        ("subscribe=a&replay=0", &[]),
        ("subscribe=a&replay=", &[]),
        ("subscribe=a&replay=007", &["a 0", "a 1", "a 2", "a 3", "a 4"]),
    ] {
        assert_eq!(newest(&daemon, query), expected, "{query}");
    }
    let status = publisher.status();
    assert_eq!((status.resumed_total, status.gaps_total, status.resets_total), (0, 0, 0), "they are fresh");
}

#[test]
fn publishes_to_prefixes_and_to_several_topics_count_where_they_went() {
    let daemon = TestDaemon::start();
    let mut publisher = daemon.publisher();
    for (topics, data) in [
        (json!(["a"]), "a"),
        (json!(["a*"]), "all of a"),
        (json!(["ab"]), "ab"),
        (json!(["a", "b"]), "a and b"),
        (json!(["*"]), "everybody"),
        (json!(["abc"]), "abc"),
    ] {
        publish_by(&mut publisher, &json!({"cmd": "publish", "topics": topics, "data": data}));
    }
    for (query, expected) in [
        // The newest of `a`, of what went to `a*`, and of what went to `*`.
        ("subscribe=a&replay=1", &["all of a", "a and b", "everybody"][..]),
        ("subscribe=a&replay=2", &["a", "all of a", "a and b", "everybody"]),
        ("subscribe=b&replay=1", &["a and b", "everybody"]),
        ("subscribe=ab*&replay=1", &["all of a", "ab", "everybody", "abc"]),
        ("subscribe=a-b&replay=1", &["all of a", "a and b", "everybody"]),
        ("subscribe=c&replay=1", &["everybody"]),
    ] {
        assert_eq!(newest(&daemon, query), expected, "{query}");
    }
}

#[test]
fn what_is_not_for_it_is_not_sent() {
    let daemon = TestDaemon::start();
    let mut publisher = daemon.publisher();
    publish(&mut publisher, "a", "for all");
    publish_by(&mut publisher, &json!({"cmd": "publish", "topic": "a", "data": "not for me", "except": "me"}));
    assert_eq!(newest(&daemon, "subscribe=a&replay=2&id=me"), ["for all"]);
    assert_eq!(newest(&daemon, "subscribe=a&replay=2&id=you"), ["for all", "not for me"]);
}

#[test]
fn whoever_comes_back_gets_what_it_missed_instead() {
    let daemon = TestDaemon::start();
    let mut publisher = daemon.publisher();
    let ids = publish_all(&mut publisher, "a", (0..6).map(|nth| nth.to_string()));
    // The browser sends the same query again, with the id of its last event.
    let mut subscriber = come_back(&daemon, "subscribe=a&replay=2", &ids[1]);
    assert_eq!(verdict(&mut subscriber), resumed(4));
    assert_eq!(replay(&mut subscriber).0, ["2", "3", "4", "5"]);
    let mut subscriber = come_back(&daemon, "subscribe=a&replay=2", &ids[5]);
    assert_eq!(verdict(&mut subscriber), resumed(0));
    assert_eq!(replay(&mut subscriber).0, [""; 0]);
    // With an id that means nothing here it begins anew, and is told so: what is asked for then is the page's business.
    let mut subscriber = come_back(&daemon, "subscribe=a&replay=2", "17-4");
    assert_eq!(verdict(&mut subscriber), reset());
    assert_eq!(replay(&mut subscriber).0, [""; 0]);
}

#[test]
fn live_events_follow_without_a_seam() {
    const EVENTS: usize = 3_000;
    let daemon = TestDaemon::with(|config| config.shards = 2);
    let mut publisher = daemon.publisher();
    let publishing =
        std::thread::spawn(move || publish_all(&mut publisher, "a", (0..EVENTS).map(|nth| nth.to_string())));
    while !publishing.is_finished() {
        let mut subscriber = Subscriber::begin(&daemon.address(), "subscribe=a&replay=100");
        let (data, _) = replay(&mut subscriber);
        let Some(first) = data.first() else { continue };
        let first: usize = first.parse().expect("a number");
        // What is published before the replay is out comes on top of it, as part of it.
        assert!(first == 0 || data.len() >= 100, "{} from {first} on", data.len());
        let expected: Vec<String> = (first..first + data.len()).map(|nth| nth.to_string()).collect();
        assert_eq!(data, expected);
        if first + data.len() < EVENTS {
            assert_eq!(subscriber.data(), (first + data.len()).to_string());
        }
    }
    publishing.join().expect("all were accepted");
    assert_eq!(newest(&daemon, "subscribe=a&replay=2"), ["2998", "2999"]);
}

#[test]
fn more_than_the_limit_or_no_number_is_a_refusal_that_says_so() {
    let mut daemon = TestDaemon::with(|config| config.limits.max_replay = 10);
    assert_eq!(newest(&daemon, "subscribe=a&replay=10"), [""; 0]);
    for (replay, part) in [
        ("11", "replay is more than 10 (11)"),
        ("99999999999999999999999999", "replay is more than 10"),
        ("x", "replay is no whole number"),
        ("-1", "replay is no whole number"),
        ("+1", "replay is no whole number"),
        ("1.5", "replay is no whole number"),
        ("%31", "replay is no whole number"),
    ] {
        let answer = daemon.answer_to(request(&format!("subscribe=a&replay={replay}"), &[]));
        assert!(answer.status == 400 && answer.body.contains(part), "{replay}: {answer:?}");
    }
    daemon.reload(|config| config.limits.max_replay = 20).expect("good settings");
    assert_eq!(newest(&daemon, "subscribe=a&replay=11"), [""; 0]);
}

#[test]
fn a_log_that_is_full_and_flooded_gives_what_it_has() {
    let daemon = TestDaemon::with(|config| config.limits.retain_events = 300);
    let flood = Flood::begin(daemon.publisher(), |nth| {
        let topic = if nth.is_multiple_of(50) { "a" } else { "b" };
        (topic, nth.to_string())
    });
    wait_for("the log to be full", || (daemon.status().log_evicted_total > 0).then_some(()));
    for _ in 0..300 {
        let mut subscriber = Subscriber::begin(&daemon.address(), "subscribe=a&replay=1");
        let (newest, _) = replay(&mut subscriber);
        let live: usize = subscriber.data().parse().expect("a number");
        // None where retention took it between asking and sending, and more where more came in that time.
        let expected = (0..newest.len()).rev().map(|nth| (live - 50 * (nth + 1)).to_string());
        assert_eq!(newest, expected.collect::<Vec<_>>(), "and then {live}");
    }
    flood.end();
    assert_eq!(daemon.status().outrun_total, 0);
}
