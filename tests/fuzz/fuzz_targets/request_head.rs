//! The request head: what is accepted is accepted however it arrives, nothing that two parties could read differently is
//! accepted, and no answer is one that two parties could read differently.
//!
//! The input is a byte for the limit, and the head.

#![no_main]

use hasses::config::Cors;
use hasses::http::{
    Decision, Endpoint, HEALTH_PATH, Method, Outlook, Parsed, QueryLimits, Request, Room, decide, parse_head,
};
use libfuzzer_sys::fuzz_target;

const MAX_TOPICS: usize = 8;
const MAX_REPLAY: usize = 100;
const LIMITS: QueryLimits = QueryLimits { topics: MAX_TOPICS, replay: MAX_REPLAY };
const DATE: &str = "Thu, 01 Jan 1970 00:00:00 GMT";

fuzz_target!(|input: &[u8]| {
    let Some((limit, bytes)) = input.split_first() else { return };
    // Small ones, so that the limit is met; and the one that is usual.
    let max_head = if limit & 1 == 0 { usize::from(*limit) } else { 8192 };

    match parse_head(bytes, max_head) {
        Parsed::Complete(request, length) => {
            assert!(length <= bytes.len().min(max_head), "a head of {length} bytes");
            unambiguous(&bytes[..length], &request);
            answered(&request);
            for cut in 0..length {
                assert!(matches!(parse_head(&bytes[..cut], max_head), Parsed::Incomplete), "decided at byte {cut}");
            }
            let Parsed::Complete(alone, same) = parse_head(&bytes[..length], max_head) else {
                panic!("what follows a head changes it");
            };
            assert_eq!(
                (format!("{alone:?}"), same),
                (format!("{request:?}"), length),
                "what follows a head changes it"
            );
        }
        Parsed::Incomplete => assert!(bytes.len() <= max_head, "{} bytes are held", bytes.len()),
        Parsed::Refused(refusal) => {
            assert!(!refusal.text.contains(char::is_control), "one line of text: {:?}", refusal.text);
            for endpoint in endpoints() {
                one_response(&endpoint.refusal(&refusal, None, DATE), Body::Any);
            }
            for cut in 0..bytes.len() {
                assert!(!matches!(parse_head(&bytes[..cut], max_head), Parsed::Complete(..)), "accepted at byte {cut}");
            }
        }
    }
});

/// Looks at the accepted bytes with no parser but a split at CRLF.
fn unambiguous(head: &[u8], request: &Request<'_>) {
    let head = head.strip_suffix(b"\r\n\r\n").expect("a head ends with an empty line");
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    assert!(!text.contains('\0'), "NUL");
    let mut lines = text.split("\r\n").skip_while(|line| line.is_empty());
    let _request_line = lines.next();
    let (mut hosts, mut lengths) = (0, 0);
    for line in lines {
        assert!(!line.contains(['\r', '\n']), "a bare line end");
        let (name, value) = line.split_once(':').expect("a header line holds a colon");
        assert!(!name.is_empty() && !name.contains([' ', '\t']), "folded, or a space before the colon: {line:?}");
        match name {
            "host" => hosts += 1,
            "content-length" => {
                lengths += 1;
                let value = value.trim();
                let body = !value.bytes().all(|digit| digit == b'0');
                assert!(!value.is_empty() && (!body || request.method == Method::Other), "a body: {line:?}");
            }
            "transfer-encoding" => {
                lengths += 1;
                assert!(request.method == Method::Other && request.minor == 1, "a body: {line:?}");
            }
            _ => {}
        }
    }
    assert!(lengths <= 1, "two lengths");
    assert!(hosts == 1 || hosts == 0 && request.minor == 0, "{hosts} Host headers");
    assert!(request.minor <= 1, "HTTP/1.{}", request.minor);
    for part in [request.path, request.query, request.origin.unwrap_or_default()] {
        assert!(!part.contains(['\r', '\n', '\0']), "{part:?}");
    }
    assert!(!request.path.contains([' ', '?', '#']) && !request.query.contains([' ', '#']), "{request:?}");
}

fn answered(request: &Request<'_>) {
    // There is room only as long as the daemon goes on.
    let cases =
        [(Room::Free, Outlook::Serving), (Room::Full(5000), Outlook::Serving), (Room::Full(5000), Outlook::Draining)];
    for (endpoint, (room, outlook)) in endpoints().into_iter().flat_map(|it| cases.map(|case| (it.clone(), case))) {
        match decide(request, &endpoint, || room, outlook, LIMITS, DATE) {
            Decision::Subscribe(subscription) => {
                assert!(request.path == endpoint.path && request.method == Method::Get, "{request:?}");
                assert!((1..=MAX_TOPICS).contains(&subscription.patterns.len()), "{:?}", subscription.patterns);
                let replay = subscription.replay;
                assert!(replay.is_none_or(|replay| (1..=MAX_REPLAY).contains(&replay)), "{replay:?}");
                one_response(&subscription.head, Body::None);
            }
            Decision::ComeBackLater(bytes) => {
                assert!(room == Room::Full(5000), "{request:?}");
                one_response(&bytes, Body::Retry);
            }
            Decision::Answer(bytes) if request.path == HEALTH_PATH && request.method == Method::Get => {
                let status: &[u8] = if outlook == Outlook::Serving { b"200 OK" } else { b"503 Service Unavailable" };
                assert!(bytes.strip_prefix(b"HTTP/1.1 ").is_some_and(|rest| rest.starts_with(status)), "{bytes:?}");
                one_response(&bytes, Body::Any);
            }
            Decision::Answer(bytes) => one_response(&bytes, Body::None),
            Decision::Refuse(bytes) if request.method == Method::Head => one_response(&bytes, Body::None),
            Decision::Refuse(bytes) => one_response(&bytes, Body::Any),
        }
    }
}

#[derive(PartialEq)]
enum Body {
    /// Of the length that the head says.
    Any,
    None,
    /// When to come back, in one chunk and a last one; without chunks up to the end of the connection.
    Retry,
}

/// Nothing that the client sent has become a header line, or a second response.
fn one_response(response: &[u8], body: Body) {
    const NAMES: [&str; 17] = [
        "Date",
        "Server",
        "Vary",
        "Access-Control-Allow-Origin",
        "Access-Control-Allow-Methods",
        "Access-Control-Allow-Headers",
        "Access-Control-Allow-Credentials",
        "Access-Control-Max-Age",
        "Allow",
        "Cache-Control",
        "Connection",
        "Content-Length",
        "Content-Type",
        "Keep-Alive",
        "Retry-After",
        "Transfer-Encoding",
        "X-Accel-Buffering",
    ];
    let response = std::str::from_utf8(response).expect("a response without events is text");
    let (head, rest) = response.split_once("\r\n\r\n").expect("a response has a head");
    let (mut length, mut chunked) = (None, false);
    for line in head.split("\r\n").skip(1) {
        let (name, value) = line.split_once(": ").expect("a header line has a name and a value");
        assert!(NAMES.contains(&name) && !value.contains(char::is_control), "{line:?}");
        if name == "Content-Length" {
            length = value.parse().ok();
        }
        chunked |= line == "Transfer-Encoding: chunked";
    }
    match body {
        Body::Any => assert_eq!(length, Some(rest.len()), "the length of the body"),
        Body::None => assert_eq!(rest, "", "a body"),
        Body::Retry if chunked => assert_eq!((rest, length), ("d\r\nretry: 5000\n\n\r\n0\r\n\r\n", None)),
        Body::Retry => assert_eq!((rest, length), ("retry: 5000\n\n", None)),
    }
}

/// As it is without configuration, and with what echoes what the client sent.
fn endpoints() -> [Endpoint; 2] {
    let endpoint = |origins: &[&str], credentials| Endpoint {
        path: "/sse".to_owned(),
        cors: Cors { origins: origins.iter().map(|&origin| origin.to_owned()).collect(), credentials },
    };
    [endpoint(&["*"], false), endpoint(&["https://a.example", "https://b.example"], true)]
}
