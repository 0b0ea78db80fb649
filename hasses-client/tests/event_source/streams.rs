//! What comes of a stream, however its bytes fall.

use crate::heard::{all_told, brisk, told};
use crate::server::{Server, chunk};
use hasses_client::EventSource;

const STREAM: &[u8] =
    "\u{feff}id: 1-0\ndata: a\r\ndata: ü\n\n: a comment\r\rretry: 1\nevent: tick\ndata:b\r\n\r\nid: 1-1\n\ndata: c\n\n"
        .as_bytes();
const EVENTS: [&str; 3] = ["message \"a\\nü\" @1-0", "tick \"b\" @1-0", "message \"c\" @1-1"];

#[test]
fn the_request_is_that_of_a_browser() {
    let server = Server::open();
    let builder = EventSource::builder(server.url("/sse?x=y")).topic("a b/ü*").id("me&you").replay(3);
    let source = builder.header("Authorization", "Bearer x").open().unwrap();
    let request = server.next();
    let target = "/sse?x=y&topic=a%20b%2F%C3%BC*&id=me%26you&replay=3";
    assert_eq!(request.line, format!("GET {target} HTTP/1.1"));
    assert_eq!(source.url(), server.url(target));
    assert_eq!(request.header("host"), server.origin.strip_prefix("http://"));
    for (name, value) in [
        ("Accept", Some("text/event-stream")),
        ("Cache-Control", Some("no-cache")),
        ("Accept-Encoding", Some("identity")),
        ("Authorization", Some("Bearer x")),
        ("User-Agent", Some(concat!("hasses-client/", env!("CARGO_PKG_VERSION")))),
        ("Last-Event-ID", None),
    ] {
        assert_eq!(request.header(name), value, "{name}");
    }
    assert_eq!(request.headers.len(), 6);
}

#[test]
fn a_stream_may_be_cut_into_chunks_at_every_byte() {
    let server = Server::open();
    let whole: Vec<Vec<u8>> = vec![STREAM.to_vec()];
    let byte_by_byte = STREAM.iter().map(|byte| vec![*byte]).collect();
    let in_two = (1..STREAM.len()).map(|at| vec![STREAM[..at].to_vec(), STREAM[at..].to_vec()]);
    for chunks in [whole, byte_by_byte].into_iter().chain(in_two) {
        let mut source = brisk(&server.url("/sse")).open().unwrap();
        let mut request = server.accept();
        request.answer(chunks.iter().flat_map(|bytes| chunk(bytes)).collect::<Vec<u8>>());
        assert_eq!(told(&mut source), "open");
        assert_eq!(all_told(&mut source, 3), EVENTS, "{chunks:?}");
        // Before its connection, which it would make again.
        drop(source);
    }
}

#[test]
fn the_bytes_of_an_answer_may_come_one_by_one() {
    let server = Server::open();
    let mut source = brisk(&server.url("/sse")).open().unwrap();
    let mut request = server.next();
    let head = b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 200 \r\ncontent-type:TEXT/Event-Stream;x=y\r\n";
    let body = [b"Transfer-Encoding: chunked\r\n\r\n".to_vec(), chunk(STREAM)].concat();
    head.iter().chain(&body).for_each(|byte| request.answer([*byte]));
    assert_eq!(told(&mut source), "open");
    assert_eq!(all_told(&mut source, 3), EVENTS);
}

#[test]
fn bodies_need_no_chunks() {
    let length = STREAM.len();
    for (head, over) in [
        ("HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n".to_owned(), "lost: the stream has ended"),
        (
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {length}\r\n\r\n"),
            "lost: the stream has ended",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 1000\r\n\r\n".to_owned(),
            "lost: the connection was cut",
        ),
    ] {
        let server = Server::open();
        let mut source = brisk(&server.url("/sse")).open().unwrap();
        let mut request = server.next();
        request.answer(head);
        request.answer(STREAM);
        assert_eq!(told(&mut source), "open");
        assert_eq!(all_told(&mut source, 3), EVENTS);
        drop(request);
        assert_eq!(told(&mut source), over);
    }
}

#[test]
fn the_daemons_own_events_are_told_as_what_they_are() {
    let server = Server::open();
    let mut source = brisk(&server.url("/sse")).last_event_id("5-0").cursors().open().unwrap();
    let mut request = server.accept();
    assert_eq!((request.last_event_id(), source.last_event_id()), (Some("5-0"), "5-0"));
    request.say(":\n");
    request.say("event: hasses.resume\nretry: 1\ndata: {\"status\":\"resumed\",\"replayed\":1}\n\n");
    request.say("id: 6-0\ndata: a\n\n");
    request.say("event: hasses.cursor\nid: 7-0\ndata: {}\n\n");
    request.say("event: hasses.resume\ndata: {\"status\":\"gap\",\"oldest\":\"6-5\",\"replayed\":7}\n\n");
    request.say("event: hasses.resume\ndata: {\"status\":\"reset\"}\n\nid: 8-0\n\n");
    let expected = ["open", "resumed 1", "message \"a\" @6-0", "cursor 7-0", "gap 6-5 7", "reset", "cursor 8-0"];
    assert_eq!(all_told(&mut source, 7), expected);
    request.say("event: hasses.news\ndata: x\n\n");
    assert_eq!(told(&mut source), "hasses.news \"x\" @8-0");
}

#[test]
fn cursors_move_the_last_event_id_unseen() {
    let server = Server::open();
    let mut source = brisk(&server.url("/sse")).open().unwrap();
    let mut request = server.accept();
    request.say("event: hasses.cursor\nid: 7-0\ndata: {}\n\n");
    request.say("event: hasses.resume\ndata: {\"status\":\"reset\"}\n\n");
    request.say("id: 8-0\ndata: a\n\nid: 9-0\n\nevent: hasses.resume\ndata: {\"status\":\"reset\"}\n\n");
    assert_eq!((told(&mut source).as_str(), source.last_event_id()), ("open", ""));
    assert_eq!((told(&mut source).as_str(), source.last_event_id()), ("reset", "7-0"));
    assert_eq!((told(&mut source).as_str(), source.last_event_id()), ("message \"a\" @8-0", "8-0"));
    // What has come is not counted before the program is given it.
    assert_eq!((told(&mut source).as_str(), source.last_event_id()), ("reset", "8-0"));
    request.say("event: hasses.resume\ndata: {\"status\":\"reset\"}\n\n");
    assert_eq!((told(&mut source).as_str(), source.last_event_id()), ("reset", "9-0"));
}
