//! The order on the wire: comment, verdict, replay, cursor, live. Byte by byte, on every kind of connection.

use std::time::Duration;

use hasses_client::wire::EventId;
use hasses_tests::{Authority, Publisher, Stream, TestDaemon, TlsClient};

use crate::{come_back, cursor, publish, publish_all, request, resumed, verdict};

/// A daemon that holds three events of topic `a`, with their ids.
fn history(daemon: &TestDaemon) -> (Publisher, Vec<String>) {
    let mut publisher = daemon.publisher();
    let ids = ["one", "two", "three"].map(|data| publish(&mut publisher, "a", data)).into();
    (publisher, ids)
}

/// What a stream of topic `a` holds that had event 0, then got `live`.
fn body(ids: &[String], live: &str) -> Vec<String> {
    vec![
        ":\n".to_owned(),
        "event: hasses.resume\nretry: 5000\ndata: {\"status\":\"resumed\",\"replayed\":2}\n\n".to_owned(),
        format!("id: {}\ndata: two\n\n", ids[1]),
        format!("id: {}\ndata: three\n\n", ids[2]),
        format!("event: hasses.cursor\nid: {}\ndata: {{}}\n\n", ids[2]),
        format!("id: {live}\ndata: live\n\n"),
    ]
}

fn in_chunks(parts: &[String]) -> String {
    parts.iter().map(|part| format!("{:x}\r\n{part}\r\n", part.len())).collect()
}

fn assert_reads(stream: &mut Stream, expected: &str) {
    let read = stream.read_exactly(expected.len());
    assert_eq!(String::from_utf8(read).expect("text"), expected);
}

#[test]
fn over_http_1_1_each_part_is_one_chunk() {
    let daemon = TestDaemon::start();
    let (mut publisher, ids) = history(&daemon);
    let mut stream = daemon.connect();
    stream.send(request("subscribe=a", &[&format!("Last-Event-ID: {}", ids[0])]));
    stream.read_to("\r\n\r\n");
    let parts = body(&ids, "");
    assert_reads(&mut stream, &in_chunks(&parts[..5]));
    let live = publish(&mut publisher, "a", "live");
    assert_reads(&mut stream, &in_chunks(&body(&ids, &live)[5..]));
}

#[test]
fn over_http_1_0_it_is_the_same_without_chunks() {
    let daemon = TestDaemon::start();
    let (mut publisher, ids) = history(&daemon);
    let mut stream = daemon.connect();
    stream.send(format!("GET /sse?subscribe=a HTTP/1.0\r\nLast-Event-ID: {}\r\n\r\n", ids[0]));
    stream.read_to("\r\n\r\n");
    assert_reads(&mut stream, &body(&ids, "")[..5].concat());
    let live = publish(&mut publisher, "a", "live");
    assert_reads(&mut stream, &body(&ids, &live)[5]);
}

#[test]
fn over_tls_it_is_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::default();
    let daemon = TestDaemon::secured(&authority.issue(&["127.0.0.1"]).save(folder.path(), "server"), |_| {});
    let (mut publisher, ids) = history(&daemon);
    let mut stream = TlsClient::trusting(&authority.pem()).connect(&daemon.tls_address(), "127.0.0.1");
    stream.send(request("subscribe=a", &[&format!("Last-Event-ID: {}", ids[0])]));
    stream.read_to("\r\n\r\n");
    assert_reads(&mut stream, &in_chunks(&body(&ids, "")[..5]));
    let live = publish(&mut publisher, "a", "live");
    assert_reads(&mut stream, &in_chunks(&body(&ids, &live)[5..]));
}

#[test]
fn a_new_request_on_a_stream_is_served_in_the_same_order() {
    let daemon = TestDaemon::with(|config| config.allow_reinit = true);
    let (mut publisher, ids) = history(&daemon);
    let mut first = daemon.subscribe("subscribe=b");
    publish(&mut publisher, "b", "of the first");
    assert_eq!(first.data(), "of the first");
    let stream = first.stream();
    stream.send(request("subscribe=a", &[&format!("Last-Event-ID: {}", ids[0])]));
    assert!(stream.read_to("\r\n\r\n").starts_with("HTTP/1.1 200 OK\r\n"));
    // The log has moved on by an event of topic `b`.
    let position = publisher.status().position.to_string();
    let mut parts = body(&ids, "");
    parts[4] = format!("event: hasses.cursor\nid: {position}\ndata: {{}}\n\n");
    assert_reads(stream, &in_chunks(&parts[..5]));
    let live = publish(&mut publisher, "a", "live");
    assert_reads(stream, &in_chunks(&body(&ids, &live)[5..]));
    let status = publisher.status();
    assert_eq!((status.resumed_total, status.replayed_total, status.reinits_total), (1, 2, 1));
}

#[test]
fn a_fresh_subscription_gets_comment_and_cursor() {
    let daemon = TestDaemon::start();
    let (mut publisher, ids) = history(&daemon);
    let mut stream = daemon.connect();
    stream.send(request("subscribe=a", &[]));
    stream.read_to("\r\n\r\n");
    let parts = body(&ids, "");
    assert_reads(&mut stream, &in_chunks(&[parts[0].clone(), parts[4].clone()]));
    let live = publish(&mut publisher, "a", "live");
    assert_reads(&mut stream, &in_chunks(&body(&ids, &live)[5..]));
}

#[test]
fn the_verdict_says_the_reconnection_time_that_is_set() {
    let daemon = TestDaemon::with(|config| config.limits.retry = Duration::from_millis(1234));
    let (_, ids) = history(&daemon);
    let told = come_back(&daemon, "subscribe=a", &ids[0]).any_event();
    assert_eq!((told.event.as_str(), told.retry.as_str()), ("hasses.resume", "1234"));
}

#[test]
fn no_cursor_is_sent_while_something_before_it_is_owed() {
    const OWED: usize = 400;
    let daemon = TestDaemon::with(|config| {
        config.limits.send_buffer = 16 * 1024;
        // Each would be a cursor, were nothing owed.
        config.limits.heartbeat = Duration::from_millis(100);
        config.limits.retain_age = Some(Duration::from_secs(60));
    });
    let mut publisher = daemon.publisher();
    let mut ids = vec![publish(&mut publisher, "a", "what it has")];
    let filler = "x".repeat(3000);
    ids.extend(publish_all(&mut publisher, "a", (1..=OWED).map(|nth| format!("{nth} {filler}"))));
    let mut stream = daemon.connect();
    stream.bound_unread(64 * 1024);
    stream.send(request("subscribe=a", &[&format!("Last-Event-ID: {}", ids[0])]));
    let mut subscriber = stream.begun();
    assert_eq!(verdict(&mut subscriber), resumed(OWED));
    for nth in 1..OWED {
        if nth % 100 == 0 {
            // It is in the middle of its replay, and live events do not overtake that.
            ids.push(publish(&mut publisher, "a", &format!("{} {filler}", OWED + nth / 100)));
        }
        assert_eq!(subscriber.any_event().id, ids[nth], "event {nth}");
    }
    (OWED..OWED + 4).for_each(|nth| assert_eq!(subscriber.any_event().id, ids[nth], "event {nth}"));
    let stands = cursor(&mut subscriber);
    assert_eq!(stands.parse::<EventId>(), ids[OWED + 3].parse(), "behind everything that it was sent");
    let live = publish(&mut publisher, "a", "live");
    assert_eq!(subscriber.event().id, live);
}
