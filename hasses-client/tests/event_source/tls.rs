//! Over HTTPS.

use hasses_client::event_source::{Error, Item};

use crate::certificates::Authority;
use crate::heard::{all_told, brisk, next, told};
use crate::server::Server;

#[test]
fn events_come_over_tls_too() {
    let authority = Authority::new("Test Root");
    let server = Server::secured(authority.server("localhost"));
    let mut source = brisk(&server.url("/sse")).authorities(authority.file()).open().unwrap();
    let mut request = server.accept();
    let session = request.stream().session().unwrap();
    assert_eq!((session.alpn_protocol(), session.server_name()), (Some(&b"http/1.1"[..]), Some("localhost")));
    // Longer than a record, than what TLS buffers, and than every read.
    let long = "x".repeat(1 << 20);
    for byte in "id: 1-0\ndata: a\n\n".bytes() {
        request.say([byte]);
    }
    request.say(format!("id: 1-1\ndata: {long}\n\nid: 1-2\ndata: cut off"));
    assert_eq!(all_told(&mut source, 2), ["open", "message \"a\" @1-0"]);
    assert_eq!(told(&mut source), format!("message {long:?} @1-1"));
    // Without TLS's own goodbye.
    drop(request);
    assert_eq!(told(&mut source), "lost: the connection was cut");
    let mut request = server.accept();
    assert_eq!(request.last_event_id(), Some("1-1"));
    assert_eq!(told(&mut source), "open");
    drop(source);
    assert!(request.is_left());
}

#[test]
fn a_certificate_that_does_not_hold_is_not_believed() {
    let (authority, stranger) = (Authority::new("Test Root"), Authority::new("Stranger"));
    for (name, file, part) in [
        ("localhost", Some(stranger.file()), "UnknownIssuer"),
        // By the authorities of the system, which know none of these.
        ("localhost", None, "UnknownIssuer"),
        ("other.example", Some(authority.file()), "not valid for name"),
    ] {
        let server = Server::secured(authority.server(name));
        let builder = brisk(&server.url("/sse"));
        let mut source = match file {
            Some(file) => builder.authorities(file),
            None => builder,
        }
        .open()
        .unwrap();
        let mut connection = server.connection();
        // The handshake breaks off.
        assert!(std::io::Read::read(&mut connection, &mut [0; 1]).is_err());
        let Some(Ok(Item::Lost { error: Error::Tls { host, source: error }, .. })) = next(&mut source) else {
            panic!()
        };
        assert_eq!(host, "localhost");
        assert!(error.to_string().contains(part), "{error}");
        // It may be renewed by then.
        server.connection();
    }
}

#[test]
fn a_redirect_may_lead_to_tls_and_a_plain_port_is_no_tls() {
    let authority = Authority::new("Test Root");
    let (secured, plain) = (Server::secured(authority.server("localhost")), Server::open());
    let mut source = brisk(&plain.url("/sse")).authorities(authority.file()).open().unwrap();
    plain.next().answer(format!("HTTP/1.1 308 There\r\nLocation: {}\r\n\r\n", secured.url("/there")));
    let mut request = secured.accept();
    assert_eq!(request.line, "GET /there HTTP/1.1");
    request.say("data: a\n\n");
    assert_eq!(all_told(&mut source, 2), ["open", "message \"a\" @"]);
    let url = plain.url("/sse").replace("http://", "https://");
    let mut source = brisk(&url).authorities(authority.file()).open().unwrap();
    let mut connection = plain.connection();
    std::io::Write::write_all(&mut connection, b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    let Some(Ok(Item::Lost { error, .. })) = next(&mut source) else { panic!() };
    assert!(matches!(error, Error::Tls { .. }), "{error}");
}
