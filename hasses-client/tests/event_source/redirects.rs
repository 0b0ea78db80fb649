//! Where the server sends a subscription elsewhere.

use hasses_client::event_source::{Error, Item};

use crate::heard::{brisk, next, told};
use crate::server::Server;

fn elsewhere(status: u16, location: &str) -> String {
    format!("HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
}

#[test]
fn every_redirect_is_followed_and_every_attempt_begins_where_it_began() {
    let server = Server::open();
    let mut source = brisk(&server.url("/a/b?c")).last_event_id("7-0").header("Cookie", "d").open().unwrap();
    let whole = server.url("/other?x");
    for (status, location, target) in [
        (301, whole.as_str(), "/other?x"),
        (302, "/there", "/there"),
        (303, "there?y=http://z", "/a/there?y=http://z"),
        (307, "?y", "/a/b?y"),
        (308, "../up", "/up"),
    ] {
        let mut request = server.next();
        assert_eq!(request.line, "GET /a/b?c HTTP/1.1");
        request.answer(elsewhere(status, location));
        let mut request = server.next();
        assert_eq!(request.line, format!("GET {target} HTTP/1.1"));
        assert_eq!((request.last_event_id(), request.header("cookie")), (Some("7-0"), Some("d")));
        request.accept();
        request.end();
        assert_eq!([told(&mut source), told(&mut source)], ["open", "lost: the stream has ended"]);
    }
}

#[test]
fn headers_of_the_program_do_not_go_to_another_origin() {
    let (server, other) = (Server::open(), Server::open());
    let mut source = brisk(&server.url("/sse")).header("Authorization", "x").last_event_id("7-0").open().unwrap();
    let mut request = server.next();
    assert_eq!(request.header("authorization"), Some("x"));
    request.answer(elsewhere(307, &other.url("/sse")));
    let mut request = other.next();
    assert_eq!((request.header("authorization"), request.last_event_id()), (None, Some("7-0")));
    request.answer("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(told(&mut source), format!("error: {} answered 404 Not Found", other.url("/sse")));
}

#[test]
fn a_redirect_without_end_or_to_nowhere_may_be_mended() {
    let server = Server::open();
    let mut source = brisk(&server.url("/sse")).open().unwrap();
    for _ in 0..21 {
        server.next().answer(elsewhere(302, "/sse"));
    }
    let Some(Ok(Item::Lost { error: Error::Protocol(error), .. })) = next(&mut source) else { panic!() };
    assert!(error.ends_with("leads from one place to the next without end"), "{error}");
    for nowhere in ["ftp://h/x", "http://", "https://u:p@h/"] {
        server.next().answer(elsewhere(302, nowhere));
        let Some(Ok(Item::Lost { error: Error::Protocol(error), .. })) = next(&mut source) else { panic!() };
        assert!(error.contains("leads to a place that is none"), "{error}");
    }
    server.accept();
    assert_eq!(told(&mut source), "open");
}
