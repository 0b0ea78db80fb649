//! What a subscriber may say that it has, and what becomes of ids that this log never gave out.

use hasses_client::wire::EventId;
use hasses_tests::{Subscriber, TestDaemon, wait_for};

use crate::{come_back, cursor, publish, replay, request, reset, resumed, verdict};

/// Sends a query and header lines; gives the verdict, where there is one, and the data up to the cursor.
fn outcome(daemon: &TestDaemon, query: &str, headers: &[&str]) -> (Option<serde_json::Value>, Vec<String>) {
    let mut stream = daemon.connect();
    stream.send(request(query, headers));
    let mut subscriber = stream.begun();
    // A verdict is the next chunk, or there is none.
    let chunk = subscriber.chunk().expect("a stream that goes on");
    if chunk.starts_with("event: hasses.cursor\n") {
        return (None, Vec::new());
    }
    let data = chunk.split_once("data: ").expect("a field").1;
    assert!(chunk.starts_with("event: hasses.resume\n"), "{chunk:?}");
    (Some(serde_json::from_str(data).expect("JSON")), replay(&mut subscriber).0)
}

#[test]
fn the_header_wins_over_the_query_and_an_empty_one_is_none() {
    let daemon = TestDaemon::start();
    let mut publisher = daemon.publisher();
    let ids = ["one", "two", "three"].map(|data| publish(&mut publisher, "a", data));
    let from = |nth: usize| (Some(resumed(2 - nth)), ["two", "three"][nth..].iter().map(|&data| data.into()).collect());
    let (in_query, encoded) = (format!("&last-event-id={}", ids[1]), ids[0].replace('-', "%2D"));
    let header = |id: &str| format!("Last-Event-ID: {id}");
    for (query, headers, expected) in [
        ("", vec![], (None, vec![])),
        ("", vec![header(&ids[0])], from(0)),
        ("", vec![header(&ids[1]).to_lowercase()], from(1)),
        ("", vec![header(&format!("  {}  ", ids[1]))], from(1)),
        (in_query.as_str(), vec![], from(1)),
        (&format!("&last-event-id={encoded}"), vec![], from(0)),
        (&in_query, vec![header(&ids[0])], from(0)),
        // Whoever sends an empty one has none, and may still mean the query.
        (&in_query, vec!["Last-Event-ID:".to_owned()], from(1)),
        ("", vec!["Last-Event-ID:".to_owned()], (None, vec![])),
        ("&last-event-id=", vec![], (None, vec![])),
        ("&last-event-id", vec![], (None, vec![])),
        // It is there, though nobody can read it.
        (&in_query, vec![header("of another server")], (Some(reset()), vec![])),
        // A fresh subscription wants the newest; one that comes back wants what it missed.
        ("&replay=1", vec![header(&ids[0])], from(0)),
    ] {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        assert_eq!(outcome(&daemon, &format!("subscribe=a{query}"), &headers), expected, "{query} {headers:?}");
    }
}

#[test]
fn an_id_that_this_log_did_not_give_is_a_reset_and_the_stream_begins_anew() {
    let birth = TestDaemon::start();
    let mut publisher = birth.publisher();
    let born = publisher.ask(&serde_json::json!({"cmd": "position"}))["id"].as_str().expect("an id").to_owned();
    let born: EventId = born.parse().expect("an id");
    let first = publish(&mut publisher, "a", "one");
    let last = publish(&mut publisher, "a", "two");
    let last_id: EventId = last.parse().expect("an id");
    let mut asked = 0;
    for id in [
        "x",
        "17",
        "-",
        "17-",
        "-4",
        "+17-4",
        "0x11-0",
        "17-4-1",
        "17:4",
        "18446744073709551616-0",
        "17-18446744073709551616",
        "f2b7c0de-4a4e-4b7e-8a5c-0123456789ab",
        "übung",
        // Before the log was born: of the daemon that ran before this one.
        "0-0",
        &EventId { millis: born.millis - 1, sequence: 7 }.to_string(),
        &born.before().to_string(),
        // Later than the newest.
        &last_id.next(last_id.millis).to_string(),
        &EventId { millis: last_id.millis + 60_000, sequence: 0 }.to_string(),
        "18446744073709551615-18446744073709551615",
        // Between those that it gave.
        &EventId { sequence: last_id.sequence + 1, ..last_id }.to_string(),
    ] {
        let mut subscriber = come_back(&birth, "subscribe=a", id);
        assert_eq!(verdict(&mut subscriber), reset(), "{id}");
        assert_eq!(cursor(&mut subscriber), last, "{id}: nothing is replayed");
        asked += 1;
    }
    let status = publisher.status();
    assert_eq!((status.resets_total, status.resumed_total, status.gaps_total), (asked, 0, 0));
    assert_eq!(status.replayed_total, 0);
    // Its birth is one that it gave.
    let mut subscriber = come_back(&birth, "subscribe=a", &born.to_string());
    assert_eq!(verdict(&mut subscriber), resumed(2));
    assert_eq!(replay(&mut subscriber), (vec!["one".to_owned(), "two".to_owned()], last.clone()));
    let mut subscriber = come_back(&birth, "subscribe=a", &first);
    assert_eq!(verdict(&mut subscriber), resumed(1));
    assert_eq!(replay(&mut subscriber), (vec!["two".to_owned()], last));
}

#[test]
fn bytes_that_are_no_text_are_a_reset_and_no_refusal() {
    let daemon = TestDaemon::start();
    let mut stream = daemon.connect();
    stream.send(b"GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\nLast-Event-ID: \xff\xfe\r\n\r\n");
    let mut subscriber = stream.begun();
    assert_eq!(verdict(&mut subscriber), reset());
    let mut subscriber = Subscriber::begin(&daemon.address(), "subscribe=a&last-event-id=%ff%00");
    assert_eq!(verdict(&mut subscriber), reset());
}

#[test]
fn the_log_of_a_daemon_in_memory_is_born_with_it() {
    let mut before = TestDaemon::start();
    let id = publish(&mut before.publisher(), "a", "of the first life");
    before.stop();
    // A program does not begin anew within a millisecond; here it could.
    let given = id.parse::<EventId>().expect("an id").millis;
    wait_for("the next millisecond", || (hasses::log::now() > given).then_some(()));
    let after = TestDaemon::start();
    let mut subscriber = come_back(&after, "subscribe=a", &id);
    assert_eq!(verdict(&mut subscriber), reset());
    let born = cursor(&mut subscriber);
    assert!(born.parse::<EventId>().expect("an id") > id.parse().expect("an id"), "{born} after {id}");
    let next = publish(&mut after.publisher(), "a", "of the second");
    assert_eq!((subscriber.event().id, born < next), (next, true));
}
