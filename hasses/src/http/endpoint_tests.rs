//! Requests as bytes, and what becomes of them.

use super::*;
use crate::config::Cors;

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const LIMITS: QueryLimits = QueryLimits { topics: 10, replay: 10 };

fn endpoint(origins: &[&str]) -> Endpoint {
    let origins = origins.iter().map(|&origin| origin.to_owned()).collect();
    Endpoint { path: "/sse".to_owned(), cors: Cors { origins, credentials: false } }
}

/// The status line, or `incomplete`.
fn answer(endpoint: &Endpoint, head: &[u8]) -> String {
    match parse_head(head, 1024) {
        Parsed::Incomplete => "incomplete".to_owned(),
        Parsed::Refused(refusal) => text(endpoint.refusal(&refusal, None, DATE)),
        Parsed::Complete(request, _) => match decide(&request, endpoint, || Room::Free, Outlook::Serving, LIMITS, DATE)
        {
            Decision::Subscribe(subscription) => text(subscription.head),
            Decision::Answer(bytes) | Decision::Refuse(bytes) | Decision::ComeBackLater(bytes) => text(bytes),
        },
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

fn status(head: &str) -> String {
    let endpoint = endpoint(&["*"]);
    let whole = answer(&endpoint, head.as_bytes());
    let mut last = "incomplete".to_owned();
    for end in 1..=head.len() {
        last = answer(&endpoint, &head.as_bytes()[..end]);
        if last != "incomplete" {
            break;
        }
    }
    assert_eq!(last.lines().next(), whole.lines().next(), "byte by byte as whole: {head:?}");
    whole.lines().next().unwrap().trim_start_matches("HTTP/1.1 ").to_owned()
}

#[test]
fn requests_are_served_or_refused_as_the_rfcs_have_it() {
    let long = format!("GET /sse?subscribe={} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(2000));
    let large = format!("GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(2000));
    let many = format!("GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\n{}\r\n", "X:y\r\n".repeat(101));
    for (head, expected) in [
        ("GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK"),
        ("\r\nGET /sse?subscribe=a HTTP/1.1\r\nhOsT: x\r\n\r\n", "200 OK"),
        ("GET http://x.org/sse?subscribe=a HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK"),
        ("GET /sse?subscribe=a HTTP/1.0\r\n\r\n", "200 OK"),
        ("HEAD /sse HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK"),
        ("OPTIONS /sse HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK"),
        ("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK"),
        ("GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "200 OK"),
        ("GET /sse HTTP/1.1\r\nHost: x\r\n\r\n", "400 Bad Request"),
        ("GET /sse?subscribe= HTTP/1.1\r\nHost: x\r\n\r\n", "400 Bad Request"),
        ("GET /sse?subscribe=a*b HTTP/1.1\r\nHost: x\r\n\r\n", "400 Bad Request"),
        ("GET /sse/?subscribe=a HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found"),
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found"),
        ("GET * HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found"),
        ("HEAD /other HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found"),
        ("POST /sse HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", "405 Method Not Allowed"),
        ("BREW /sse HTTP/1.1\r\nHost: x\r\n\r\n", "501 Not Implemented"),
        ("GET /sse?subscribe=a HTTP/2.0\r\nHost: x\r\n\r\n", "505 HTTP Version Not Supported"),
        ("PRI * HTTP/2.0\r\n\r\n", "505 HTTP Version Not Supported"),
        (&long, "414 URI Too Long"),
        (&large, "431 Request Header Fields Too Large"),
        (&many, "431 Request Header Fields Too Large"),
        ("hello\r\n\r\n", "400 Bad Request"),
        ("\x16\x03\x01", "400 Bad Request"),
        ("GET /sse?subscribe=a\r\n\r\n", "400 Bad Request"),
        ("GET /sse?subscribe=a HTTQ/1.1\r\n\r\n", "400 Bad Request"),
        ("GET /sse?subscribe=a b HTTP/1.1\r\nHost: x\r\n\r\n", "400 Bad Request"),
        ("GET /sse?subscribe=a HTTP/1.1\r\n\r\n", "400 Bad Request"),
        ("GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400 Bad Request"),
        ("GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", "400 Bad Request"),
        ("GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\nContent-Length: +0\r\n\r\n", "400 Bad Request"),
        (
            "GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
            "400 Bad Request",
        ),
        ("GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "400 Bad Request"),
        ("POST /sse HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "400 Bad Request"),
        ("GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\nX: a\r\n folded\r\n\r\n", "400 Bad Request"),
        ("GET /sse?subscribe=a HTTP/1.1\r\nHost : x\r\n\r\n", "400 Bad Request"),
        ("GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n", "400 Bad Request"),
        ("GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\nX: a\nb: c\r\n\r\n", "400 Bad Request"),
        ("GET /sse?subscribe=a HTTP/1.1\nHost: x\n\n", "400 Bad Request"),
        ("GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n", "400 Bad Request"),
        ("GET /sse?subscribe=a#b HTTP/1.1\r\nHost: x\r\n\r\n", "400 Bad Request"),
    ] {
        assert_eq!(status(head), expected, "{head:?}");
    }
}

#[test]
fn a_head_that_is_not_complete_is_waited_for() {
    for head in
        ["", "\r", "\r\n", "G", "GET /sse?subscribe=a HTTP/1.1\r", "GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\n\r"]
    {
        assert!(matches!(parse_head(head.as_bytes(), 1024), Parsed::Incomplete), "{head:?}");
    }
}

#[test]
fn a_stream_begins_with_the_classic_headers_and_those_that_proxies_need() {
    let head = answer(&endpoint(&["*"]), b"GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\n\r\n");
    let server = format!("Server: hasses/{}", env!("CARGO_PKG_VERSION"));
    let lines: Vec<_> = head.split("\r\n").collect();
    assert_eq!(
        lines,
        [
            "HTTP/1.1 200 OK",
            "Date: Sun, 06 Nov 1994 08:49:37 GMT",
            &server,
            "Access-Control-Allow-Origin: *",
            "Access-Control-Allow-Methods: GET",
            "Access-Control-Allow-Headers: cache-control, last-event-id, X-Requested-With",
            "Cache-Control: no-cache, no-transform",
            "X-Accel-Buffering: no",
            "Keep-Alive: timeout=300",
            "Connection: Keep-Alive",
            "Transfer-Encoding: chunked",
            "Content-Type: text/event-stream; charset=utf-8",
            "",
            "",
        ]
    );
    let head = answer(&endpoint(&["*"]), b"GET /sse?subscribe=a HTTP/1.0\r\n\r\n");
    assert!(head.contains("Connection: close\r\n") && !head.contains("chunked") && !head.contains("Keep-Alive"));
}

#[test]
fn cors_names_the_origin_that_is_allowed() {
    let ask = |origins: &[&str], credentials, origin: &str, method: &str| {
        let mut endpoint = endpoint(origins);
        endpoint.cors.credentials = credentials;
        let head = format!(
            "{method} /sse?subscribe=a HTTP/1.1\r\nHost: x\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: GET\r\n\r\n"
        );
        answer(&endpoint, head.as_bytes())
    };
    let allowed = |origin: &str| format!("Access-Control-Allow-Origin: {origin}\r\n");
    let answer = ask(&["*"], true, "https://a.org", "GET");
    assert!(answer.contains(&allowed("*")) && !answer.contains("Credentials") && !answer.contains("Vary"));
    let answer = ask(&["https://a.org"], true, "https://evil.org", "GET");
    assert!(answer.contains(&allowed("https://a.org")) && answer.contains("Allow-Credentials: true"));
    let both = ["https://a.org", "https://b.org"];
    let answer = ask(&both, false, "https://b.org", "OPTIONS");
    assert!(answer.contains(&allowed("https://b.org")) && answer.contains("Vary: Origin\r\n"));
    assert!(answer.contains("Access-Control-Max-Age: 7200\r\n") && answer.contains("Content-Length: 0\r\n"));
    let answer = ask(&both, false, "https://evil.org", "OPTIONS");
    assert!(!answer.contains("Access-Control-Allow") && answer.contains("Vary: Origin\r\n"));
}

#[test]
fn refusals_say_why_in_a_body_that_head_does_not_have() {
    let endpoint = endpoint(&["*"]);
    let answer_to = |method: &str| answer(&endpoint, format!("{method} /x HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
    let (head, body) = answer_to("GET").split_once("\r\n\r\n").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    assert_eq!(body, "404 Not Found: there is nothing at \"/x\"; events are at /sse\n");
    assert!(head.contains(&format!("Content-Length: {}", body.len())) && head.contains("Connection: close"));
    assert!(answer_to("HEAD").ends_with("\r\n\r\n"));
}

#[test]
fn come_back_later_is_a_stream_that_sets_the_time_and_ends() {
    let endpoint = endpoint(&["*"]);
    let ask = |head: &str| match parse_head(head.as_bytes(), 1024) {
        Parsed::Complete(request, _) => {
            match decide(&request, &endpoint, || Room::Full(7000), Outlook::Serving, LIMITS, DATE) {
                Decision::ComeBackLater(bytes) => text(bytes),
                other => panic!("{other:?}"),
            }
        }
        other => panic!("{other:?}"),
    };
    let answer = ask("GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("Connection: close\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nd\r\nretry: 7000\n\n\r\n0\r\n\r\n"), "{answer}");
    let answer = ask("GET /sse?subscribe=a HTTP/1.0\r\n\r\n");
    assert!(answer.ends_with("\r\n\r\nretry: 7000\n\n"), "{answer}");
}
