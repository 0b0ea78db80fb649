//! Losing the stream and coming back, with the last event id.

use std::net::TcpListener;
use std::time::Duration;

use hasses_client::EventSource;
use hasses_client::event_source::{Error, Item};

use crate::heard::{all_told, brisk, next, told};
use crate::server::{Server, closed_port};

fn pause(source: &mut EventSource) -> Duration {
    match next(source) {
        Some(Ok(Item::Lost { retry_in, .. })) => retry_in,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stream_that_ends_is_made_anew_with_the_id_of_the_last_event() {
    let server = Server::open();
    let mut source = brisk(&server.url("/sse")).open().unwrap();
    let mut had = None;
    for id in ["17-0", "urn:uuid:e1ee", "ü 1", "x\u{1}y", "17", "0"] {
        let mut request = server.accept();
        assert_eq!(request.last_event_id(), had, "{id:?}");
        request.say(format!("id: {id}\ndata: a\n\ndata: b\n\n"));
        request.end();
        let expected = ["open", &format!("message \"a\" @{id}"), &format!("message \"b\" @{id}")];
        assert_eq!(all_told(&mut source, 3), expected);
        assert_eq!(told(&mut source), "lost: the stream has ended");
        had = Some(id);
    }
    // "Come back later": a stream without any event keeps the id.
    let request = server.accept();
    assert_eq!(request.last_event_id(), Some("0"));
    request.end();
    assert_eq!(all_told(&mut source, 2), ["open", "lost: the stream has ended"]);
    // An empty id takes it back.
    let mut request = server.accept();
    assert_eq!(request.last_event_id(), Some("0"));
    request.say("id\ndata: c\n\n");
    request.end();
    assert_eq!(all_told(&mut source, 3), ["open", "message \"c\" @", "lost: the stream has ended"]);
    assert_eq!(server.accept().last_event_id(), None);
}

#[test]
fn cursors_and_ids_without_data_are_resumed_from_too() {
    let server = Server::open();
    let mut source = brisk(&server.url("/sse")).open().unwrap();
    let mut request = server.accept();
    request.say("event: hasses.cursor\nid: 5-0\ndata: {}\n\n");
    request.end();
    assert_eq!(all_told(&mut source, 2), ["open", "lost: the stream has ended"]);
    let mut request = server.accept();
    assert_eq!(request.last_event_id(), Some("5-0"));
    request.say("id: 6-0\n\n");
    request.end();
    assert_eq!(all_told(&mut source, 2), ["open", "lost: the stream has ended"]);
    assert_eq!(server.accept().last_event_id(), Some("6-0"));
}

#[test]
fn an_event_that_is_cut_off_is_not_given_and_not_counted() {
    let server = Server::open();
    let mut source = brisk(&server.url("/sse")).open().unwrap();
    let whole = "id: 1-1\nevent: tick\ndata: second\n\n";
    for at in 1..whole.len() {
        let mut request = server.accept();
        request.say("id: 1-0\ndata: first\n\n");
        request.say(&whole[..at]);
        // In good order and not.
        if at % 2 == 0 {
            request.end();
        } else {
            drop(request);
        }
        assert_eq!(all_told(&mut source, 2), ["open", "message \"first\" @1-0"], "{at}");
        assert!(told(&mut source).starts_with("lost: "), "{at}");
        let mut request = server.accept();
        assert_eq!(request.last_event_id(), Some("1-0"), "{at}");
        request.say(whole);
        request.end();
        assert_eq!(all_told(&mut source, 2), ["open", "tick \"second\" @1-1"], "{at}");
        assert_eq!(told(&mut source), "lost: the stream has ended");
    }
}

#[test]
fn the_stream_says_how_long_to_wait() {
    let server = Server::open();
    let long = Duration::from_secs(3600);
    let builder = brisk(&server.url("/sse")).reconnection_time(Duration::from_millis(150)).max_backoff(long);
    let mut source = builder.open().unwrap();
    server.accept().end();
    assert_eq!(told(&mut source), "open");
    assert_eq!(pause(&mut source), Duration::from_millis(150));
    let mut request = server.accept();
    // In force although the event it belongs to is cut off.
    request.say("retry: 2\ndata: a\n\nretry: 3\ndata: b");
    request.end();
    assert_eq!(all_told(&mut source, 2), ["open", "message \"a\" @"]);
    assert_eq!(pause(&mut source), Duration::from_millis(3));
    // Kept over streams that say nothing.
    let mut request = server.accept();
    request.say("data: c\n\n");
    request.end();
    assert_eq!(all_told(&mut source, 2), ["open", "message \"c\" @"]);
    assert_eq!(pause(&mut source), Duration::from_millis(3));
    // Nothing has come: not at full speed.
    server.accept().end();
    assert_eq!(told(&mut source), "open");
    assert_eq!(pause(&mut source), Duration::from_millis(100));
    server.next();
}

#[test]
fn a_server_that_is_away_is_waited_for() {
    let port = closed_port();
    let address = port.local_addr().unwrap().as_socket().unwrap();
    let mut source = brisk(&format!("http://{address}/sse")).last_event_id("7-0").open().unwrap();
    for _ in 0..5 {
        let Some(Ok(Item::Lost { error: Error::Network(error), retry_in })) = next(&mut source) else { panic!() };
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        assert!((Duration::from_millis(1)..=Duration::from_millis(5)).contains(&retry_in), "{retry_in:?}");
    }
    port.listen(16).unwrap();
    let server = Server::on(TcpListener::from(port), "127.0.0.1", None);
    let request = server.accept();
    assert_eq!(request.last_event_id(), Some("7-0"));
    while told(&mut source) != "open" {}
}

#[test]
fn the_hosts_name_and_ipv6_are_understood() {
    let server = Server::on(TcpListener::bind("[::1]:0").unwrap(), "[::1]", None);
    let mut source = brisk(&server.url("/sse")).open().unwrap();
    assert_eq!(server.accept().header("host"), server.origin.strip_prefix("http://"));
    assert_eq!(told(&mut source), "open");
    let server = Server::on(TcpListener::bind("127.0.0.1:0").unwrap(), "localhost", None);
    let mut source = brisk(&server.url("")).open().unwrap();
    let request = server.accept();
    assert_eq!(request.line, "GET / HTTP/1.1");
    assert_eq!(request.header("host"), server.origin.strip_prefix("http://"));
    assert_eq!(told(&mut source), "open");
    let mut source = brisk("http://no-such-host.invalid/").open().unwrap();
    assert!(matches!(next(&mut source), Some(Ok(Item::Lost { error: Error::Network(_), .. }))));
}
