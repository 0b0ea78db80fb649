//! Peers that say nothing, and programs that have heard enough.

use std::io::Read as _;
use std::time::Duration;

use hasses_client::event_source::{Error, Item};

use crate::heard::{brisk, next, told};
use crate::server::Server;

const SHORT: Duration = Duration::from_millis(50);

#[test]
fn a_server_that_does_not_answer_is_given_up() {
    let server = Server::open();
    let mut source = brisk(&server.url("/sse")).answer_timeout(SHORT).open().unwrap();
    let mut request = server.next();
    request.answer("HTTP/1.1 200 OK\r\nContent-Type: text/event-str");
    let Some(Ok(Item::Lost { error: Error::Network(error), .. })) = next(&mut source) else { panic!() };
    assert_eq!((error.kind(), error.to_string().as_str()), (std::io::ErrorKind::TimedOut, "no answer within 50ms"));
    assert!(request.is_left());
    server.next();
}

#[test]
fn a_stream_that_falls_silent_is_given_up_where_that_was_asked_for() {
    let server = Server::open();
    let mut source = brisk(&server.url("/sse")).idle_timeout(SHORT).open().unwrap();
    let mut request = server.next();
    // At once, since the time runs from the first byte on.
    request.answer("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: a\n\n");
    assert_eq!([told(&mut source), told(&mut source)], ["open", "message \"a\" @"]);
    assert_eq!(told(&mut source), "lost: nothing came within 50ms");
    assert!(request.is_left());
    server.next();
}

#[test]
fn a_program_that_drops_it_ends_the_connection() {
    let server = Server::open();
    let open = || brisk(&server.url("/sse")).open().unwrap();
    // While the answer is waited for.
    let source = open();
    let mut request = server.next();
    drop(source);
    assert!(request.is_left());
    // While events are waited for.
    let mut source = open();
    let mut request = server.accept();
    assert_eq!(told(&mut source), "open");
    drop(source);
    assert!(request.is_left());
    // While it is held back, before anything was taken.
    let source = open();
    let mut request = server.accept();
    request.say("data: a\n\n");
    drop(source);
    assert!(request.is_left());
    // In the middle of more than anybody reads.
    let mut source = open();
    let mut request = server.accept();
    let much = "data: x\n\n".repeat(100_000);
    std::thread::scope(|scope| {
        let flooding = scope.spawn(|| {
            use std::io::Write as _;
            while request.stream().write_all(&crate::server::chunk(much.as_bytes())).is_ok() {}
            request.stream().read(&mut [0; 1]).is_err() || request.is_left()
        });
        for _ in 0..1000 {
            told(&mut source);
        }
        drop(source);
        assert!(flooding.join().unwrap());
    });
}
