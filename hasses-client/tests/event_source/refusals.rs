//! What ends a subscription for good, and what does not.

use hasses_client::event_source::{Error, Item};

use crate::heard::{brisk, next, told};
use crate::server::{Server, chunk};

#[test]
fn any_status_but_200_is_final() {
    let server = Server::open();
    for (answer, expected) in [
        ("204 No Content\r\n\r\n", "204 No Content"),
        ("206 Partial Content\r\nContent-Type: text/event-stream\r\n\r\ndata: a\n\n", "206 Partial Content: data: a"),
        ("301 Moved Permanently\r\nContent-Length: 0\r\n\r\n", "301 Moved Permanently"),
        ("304 Not Modified\r\nLocation: /x\r\n\r\n", "304 Not Modified"),
        ("400 Bad Request\r\nContent-Length: 15\r\n\r\n\n topic is long\n", "400 Bad Request: topic is long"),
        ("401 Unauthorized\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", "401 Unauthorized: no"),
        ("404 Nicht da\r\nContent-Length: 99\r\n\r\n\x1b[2Jcut", "404 Nicht da: \u{fffd}[2Jcut"),
        ("429 \r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", "429 Too Many Requests"),
        (
            "503 Service Unavailable\r\nContent-Type: text/event-stream\r\nContent-Length: 0\r\n\r\n",
            "503 Service Unavailable",
        ),
        ("599 \r\nContent-Length: 0\r\n\r\n", "599"),
    ] {
        let mut source = brisk(&server.url("/sse")).open().unwrap();
        server.next().answer(format!("HTTP/1.1 {answer}"));
        assert_eq!(told(&mut source), format!("error: {} answered {expected}", server.url("/sse")));
        assert_eq!([told(&mut source), told(&mut source)], ["nothing", "nothing"]);
    }
}

#[test]
fn a_refusal_is_final_also_where_there_was_a_stream_before() {
    let server = Server::open();
    let mut source = brisk(&server.url("/sse")).open().unwrap();
    server.accept().end();
    assert_eq!(told(&mut source), "open");
    assert_eq!(told(&mut source), "lost: the stream has ended");
    server.next().answer("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n");
    let Some(Err(Error::Status { status: 410, reason, says, .. })) = next(&mut source) else { panic!() };
    assert_eq!((reason.as_str(), says.as_str()), ("Gone", ""));
    assert_eq!(told(&mut source), "nothing");
}

#[test]
fn content_that_is_no_event_stream_is_final() {
    let server = Server::open();
    for (headers, content) in [
        ("Content-Type: text/html; charset=utf-8\r\n", "text/html; charset=utf-8"),
        ("Content-Type: text/event-streams\r\n", "text/event-streams"),
        ("", ""),
        ("Content-Type: text/event-stream\r\nContent-Encoding: gzip\r\n", "text/event-stream encoded as gzip"),
    ] {
        let mut source = brisk(&server.url("/sse")).open().unwrap();
        server.next().answer(format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: 9\r\n\r\ndata: a\n\n"));
        let Some(Err(Error::NotAStream { content: found, url })) = next(&mut source) else { panic!("{content}") };
        assert_eq!((found.as_str(), url), (content, server.url("/sse")));
        assert_eq!(told(&mut source), "nothing");
    }
}

#[test]
fn an_endless_event_is_given_up() {
    let server = Server::open();
    let mut source = brisk(&server.url("/sse")).max_event_bytes(100_000).open().unwrap();
    let mut request = server.accept();
    let long = "x".repeat(99_000);
    request.say(format!("data: {long}\n\n"));
    assert_eq!(told(&mut source), "open");
    assert_eq!(told(&mut source), format!("message {long:?} @"));
    // The last of these lines is one that is itself too long.
    for _ in 0..3 {
        request.say(format!("data: {}\n", "y".repeat(50_000)));
    }
    assert_eq!(told(&mut source), "error: an event is longer than 100000 bytes");
    assert_eq!(told(&mut source), "nothing");
}

#[test]
fn what_is_not_http_may_be_better_next_time() {
    let server = Server::open();
    let mut source = brisk(&server.url("/sse")).open().unwrap();
    for answer in ["SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 two hundred\r\n\r\n"] {
        server.next().answer(answer);
        let Some(Ok(Item::Lost { error: Error::Protocol(error), .. })) = next(&mut source) else { panic!("{answer}") };
        assert!(error.contains("does not speak HTTP as it should"), "{error}");
    }
    drop(server.next());
    assert_eq!(told(&mut source), "lost: the connection was closed without an answer");
    // What came before the fault is given, also where it came together with it.
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let body = [chunk(b"data: a\n\n"), b"nonsense\r\n".to_vec()].concat();
    for pieces in [vec![&head[..], &body], vec![&[&head[..], &body].concat()]] {
        let mut request = server.next();
        pieces.into_iter().for_each(|piece| request.answer(piece));
        assert_eq!([told(&mut source), told(&mut source)], ["open", "message \"a\" @"]);
        assert!(told(&mut source).starts_with("lost: what answers does not speak HTTP as it should"));
    }
    server.accept();
    assert_eq!(told(&mut source), "open");
}
