//! Every limit on the subscriber side, and every refusal.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use hasses_tests::{Answer, Stream, TestDaemon, Witness, header, wait_for};
use serde_json::json;

/// Checks that an answer is a refusal that says why.
fn assert_refusal(answer: &Answer, status: u16, why: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(answer.body.contains(why) && answer.body.ends_with('\n'), "{why:?} is not in {answer:?}");
    assert_eq!(answer.header("Content-Type"), Some("text/plain; charset=utf-8"), "{answer:?}");
    assert_eq!(answer.header("Content-Length"), Some(answer.body.len().to_string().as_str()), "{answer:?}");
    assert_eq!(answer.header("Connection"), Some("close"), "{answer:?}");
    let allow = matches!(status, 405 | 501).then_some("GET, HEAD, OPTIONS");
    assert_eq!(answer.header("Allow"), allow, "{answer:?}");
}

#[test]
fn a_request_that_is_wrong_is_refused_with_a_status_that_says_why() {
    let daemon = TestDaemon::start();
    let cases = [
        ("GET /sse HTTP/1.1", 400, "no topic"),
        ("GET /sse? HTTP/1.1", 400, "no topic"),
        ("GET /sse?subscribe= HTTP/1.1", 400, "no topic"),
        ("GET /sse?subscribe=- HTTP/1.1", 400, "no topic"),
        ("GET /sse?Subscribe=a HTTP/1.1", 400, "no topic"),
        ("GET /sse?topic= HTTP/1.1", 400, "topic is empty"),
        ("GET /sse?subscribe=a*b HTTP/1.1", 400, "'*' is allowed only at the end"),
        ("GET /sse?subscribe=** HTTP/1.1", 400, "'*' is allowed only at the end"),
        ("GET /sse?subscribe=a%0d%0adata:x HTTP/1.1", 400, "control characters"),
        ("GET /sse?topic=a%0Adata:x HTTP/1.1", 400, "control characters"),
        ("GET /sse?subscribe=a%00 HTTP/1.1", 400, "control characters"),
        ("GET /sse?subscribe=a%ff HTTP/1.1", 400, "not UTF-8"),
        ("GET /sse?subscribe=a&id=a%0dretry:1 HTTP/1.1", 400, "control character"),
        ("GET /sse?subscribe=a&id=%ff HTTP/1.1", 400, "not UTF-8"),
        ("GET /sse?subscribe=a#b HTTP/1.1", 400, "'#'"),
        ("GET / HTTP/1.1", 404, "/sse"),
        ("GET /other?subscribe=a HTTP/1.1", 404, "/sse"),
        ("GET /sse/?subscribe=a HTTP/1.1", 404, "/sse"),
        ("GET /SSE?subscribe=a HTTP/1.1", 404, "/sse"),
        ("GET /%73se?subscribe=a HTTP/1.1", 404, "/sse"),
        ("GET * HTTP/1.1", 404, "/sse"),
        ("GET http://any.example/?subscribe=a HTTP/1.1", 404, "/sse"),
        ("OPTIONS /other HTTP/1.1", 404, "/sse"),
        ("POST /sse?subscribe=a HTTP/1.1", 405, "GET, HEAD and OPTIONS"),
        ("PUT /sse?subscribe=a HTTP/1.1", 405, "GET, HEAD and OPTIONS"),
        ("DELETE /sse?subscribe=a HTTP/1.1", 405, "GET, HEAD and OPTIONS"),
        ("PATCH /sse?subscribe=a HTTP/1.1", 405, "GET, HEAD and OPTIONS"),
        ("TRACE /sse?subscribe=a HTTP/1.1", 405, "GET, HEAD and OPTIONS"),
        ("BREW /sse?subscribe=a HTTP/1.1", 501, "method"),
        ("get /sse?subscribe=a HTTP/1.1", 501, "method"),
        ("GET /sse?subscribe=a HTTP/2.0", 505, "HTTP/1.1"),
        ("GET /sse?subscribe=a HTTP/1.2", 505, "HTTP/1.1"),
        ("GET /sse?subscribe=a HTTP/0.9", 505, "HTTP/1.1"),
        ("PRI * HTTP/2.0", 505, "HTTP/1.1"),
        ("GET /sse?subscribe=a", 400, "malformed"),
        ("GET /sse?subscribe=a HTTQ/1.1", 400, "malformed"),
        ("GET /sse?subscribe=a http/1.1", 400, "malformed"),
        ("/sse?subscribe=a", 400, "malformed"),
    ];
    for (line, status, why) in cases {
        assert_refusal(&daemon.answer_to(format!("{line}\r\nHost: x\r\n\r\n")), status, why);
    }
    let status = daemon.status();
    assert_eq!(status.bad_requests_total, cases.len() as u64);
    assert_eq!((status.subscribed_total, status.refused_total), (0, 0));
}

#[test]
fn the_refusal_of_a_head_request_has_no_body() {
    let daemon = TestDaemon::start();
    let answer = daemon.answer_to("HEAD /other HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!((answer.status, answer.body.as_str()), (404, ""));
}

#[test]
fn names_may_be_as_long_as_their_limits_and_no_longer() {
    let daemon = TestDaemon::with(|config| config.limits.max_topics = 3);
    let umlauts = |bytes: usize| "ü".repeat(bytes / 2) + &"x".repeat(bytes % 2);
    let get = |query: String| format!("GET /sse?{query} HTTP/1.1\r\nHost: x\r\n\r\n");
    for query in [
        format!("subscribe={}", "x".repeat(255)),
        format!("subscribe={}", umlauts(255)),
        format!("subscribe={}*", "x".repeat(255)),
        format!("topic={}", "%C3%BC".repeat(127)),
        format!("subscribe=a&id={}", umlauts(61)),
        "subscribe=a-b&topic=c".to_owned(),
        "subscribe=a-b-a-b-a-b-c".to_owned(),
    ] {
        let _ = daemon.subscribe_by(get(query));
    }
    for (query, why) in [
        (format!("subscribe={}", "x".repeat(256)), "topic is longer than 255 bytes (256)"),
        (format!("subscribe={}", umlauts(256)), "topic is longer than 255 bytes (256)"),
        (format!("subscribe={}*", "x".repeat(256)), "topic is longer than 255 bytes (256)"),
        (format!("topic={}", "%C3%BC".repeat(128)), "topic is longer than 255 bytes (256)"),
        (format!("subscribe=a&id={}", "x".repeat(62)), "subscriber id is longer than 61 bytes (62)"),
        ("subscribe=a-b-c-d".to_owned(), "more than 3 topics"),
        ("subscribe=a-b&topic=c&topic=d".to_owned(), "more than 3 topics"),
    ] {
        assert_refusal(&daemon.answer_to(get(query)), 400, why);
    }
}

#[test]
fn a_head_may_be_as_long_as_its_limit_and_no_longer() {
    let daemon = TestDaemon::with(|config| config.limits.max_head = 1024);
    let head = |length: usize| {
        let start = "GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\nCookie: ";
        format!("{start}{}\r\n\r\n", "x".repeat(length - start.len() - 4))
    };
    let _ = daemon.subscribe_by(head(1024));
    assert_refusal(&daemon.answer_to(head(1025)), 431, "longer than 1024 bytes");
    let headers =
        |count: usize| format!("GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\n{}\r\n", "X:y\r\n".repeat(count - 1));
    let _ = daemon.subscribe_by(headers(100));
    assert_refusal(&daemon.answer_to(headers(101)), 431, "more than 100 header lines");
    let long_target = format!("GET /sse?subscribe={} HTTP/1.1\r\nHost: x\r\n\r\n", "a-".repeat(600));
    assert_refusal(&daemon.answer_to(long_target), 414, "longer than 1024 bytes");
    // Neither needs to be complete to be refused.
    assert_refusal(&daemon.answer_to(&head(2000)[..1030]), 431, "longer than 1024 bytes");
    assert_refusal(&daemon.answer_to("x".repeat(1030)), 414, "longer than 1024 bytes");
    assert_refusal(&daemon.answer_to("\r\n".repeat(600)), 414, "longer than 1024 bytes");
}

#[test]
fn whoever_goes_on_sending_after_a_refusal_still_gets_to_read_it() {
    let daemon = TestDaemon::start();
    let mut stream = daemon.connect();
    // What the daemon has not read when it closes would make the kernel reset the connection, and take the answer away.
    for _ in 0..64 {
        stream.send([b'x'; 16 * 1024]);
    }
    assert_refusal(&stream.answer(), 414, "longer than 16384 bytes");
}

#[test]
fn a_head_that_is_not_complete_in_time_is_refused() {
    let patience = Duration::from_millis(300);
    let daemon = TestDaemon::with(|config| config.limits.head_timeout = patience);
    let began = Instant::now();
    let mut streams: Vec<Stream> = ["", "\r\n", "G", "GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\n"]
        .into_iter()
        .map(|head| {
            let mut stream = daemon.connect();
            stream.send(head);
            stream
        })
        .collect();
    // Nothing else happens at the daemon, and they are refused all the same.
    for stream in &mut streams {
        assert_refusal(&stream.answer(), 408, "within 0.3 s");
    }
    // The daemon counts in whole milliseconds.
    assert!(began.elapsed() + Duration::from_millis(1) >= patience, "{:?}", began.elapsed());
    drop(streams);
    let status = wait_for("all to be gone", || Some(daemon.status()).filter(|status| status.connections == 0));
    assert_eq!((status.head_timeouts_total, status.bad_requests_total), (4, 4));
}

#[test]
fn bytes_that_keep_coming_do_not_put_the_head_time_out_off() {
    let daemon = TestDaemon::with(|config| config.limits.head_timeout = Duration::from_millis(300));
    let mut stream = daemon.connect();
    let mut witness = Witness::of(&daemon);
    stream.send("GET /sse?subscribe=");
    wait_for("the time-out", || {
        witness.sees_on();
        if witness.publisher().status().head_timeouts_total == 0 {
            stream.send("a");
            return None;
        }
        Some(())
    });
    assert!(String::from_utf8_lossy(&stream.read_to_close()).starts_with("HTTP/1.1 408 "));
}

#[test]
fn a_subscriber_is_not_subject_to_the_head_time_out() {
    let daemon = TestDaemon::with(|config| config.limits.head_timeout = Duration::from_millis(100));
    let mut subscriber = daemon.subscribe("subscribe=a");
    let mut late = daemon.connect();
    assert_eq!(late.answer().status, 408);
    assert_eq!(daemon.publisher().publish("a", "hi"), 1);
    assert_eq!(subscriber.data(), "hi");
}

#[test]
fn over_the_limit_of_subscribers_one_is_told_to_come_back_later() {
    let daemon = TestDaemon::with(|config| {
        config.limits.max_subscribers = Some(2);
        config.limits.retry = Duration::from_secs(3);
        config.shards = 2;
        config.allow_reinit = true;
    });
    let mut publisher = daemon.publisher();
    let (first, mut second) = (daemon.subscribe("subscribe=a"), daemon.subscribe("subscribe=a"));
    let mut times = BTreeSet::new();
    for _ in 0..16 {
        let answer = daemon.answer_to("GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example\r\n\r\n");
        assert_eq!(answer.status, 200, "a browser would never come back after anything else");
        assert_eq!(answer.header("Content-Type"), Some("text/event-stream; charset=utf-8"));
        assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("*"));
        assert_eq!(answer.header("Connection"), Some("close"));
        times.insert(retry_time(&answer.body));
    }
    assert!(times.len() > 1, "those who were refused together would come back together");
    let mut old = daemon.connect();
    old.send("GET /sse?subscribe=a HTTP/1.0\r\n\r\n");
    assert!(header(&old.read_to("\r\n\r\n"), "Transfer-Encoding").is_none());
    let body = old.read_to_end();
    retry_time(&format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()));

    assert_eq!(publisher.publish("a", "hi"), 2, "nobody else was subscribed for a moment");
    let status = publisher.status();
    assert_eq!((status.refused_total, status.bad_requests_total), (17, 0));
    assert_eq!((status.subscribers, status.subscribed_total), (2, 2));
    assert_eq!(second.data(), "hi");
    // Who is in may subscribe anew, also now.
    let mut second = second.again("subscribe=b");
    assert_eq!(publisher.publish("b", "hi"), 1);
    assert_eq!(second.data(), "hi");
    drop(first);
    wait_for("a place to be free", || (publisher.status().subscribers == 1).then_some(()));
    let mut third = daemon.subscribe("subscribe=a");
    assert_eq!(publisher.publish("a", "welcome"), 1);
    assert_eq!(third.data(), "welcome");
    assert_eq!(publisher.status().refused_total, 17);
}

/// The time in the only chunk of a stream that says when to come back.
fn retry_time(body: &str) -> u64 {
    let (size, rest) = body.split_once("\r\n").unwrap_or_else(|| panic!("no chunk: {body:?}"));
    let text = rest.strip_suffix("\r\n0\r\n\r\n").unwrap_or_else(|| panic!("no last chunk: {body:?}"));
    assert_eq!(usize::from_str_radix(size, 16), Ok(text.len()), "{body:?}");
    let time =
        text.strip_prefix("retry: ").and_then(|rest| rest.strip_suffix("\n\n")).and_then(|time| time.parse().ok());
    let time = time.unwrap_or_else(|| panic!("nothing but one retry: {text:?}"));
    assert!((3_000..=6_000).contains(&time), "{time} ms");
    time
}

#[test]
fn more_bytes_than_may_be_in_flight_are_held_back_and_not_lost() {
    let daemon = TestDaemon::with(|config| {
        config.limits.in_flight = 64 * 1024;
        config.shards = 2;
    });
    let mut subscribers = [daemon.subscribe("subscribe=a"), daemon.subscribe("subscribe=a")];
    let mut publisher = daemon.publisher();
    // Larger than all that may be in flight, and many at a time.
    let sizes = [200_000, 1, 70_000, 10, 10, 10, 60_000, 60_000];
    for size in sizes {
        publisher.send(&json!({"cmd": "publish", "topic": "a", "data": "x".repeat(size)}).to_string());
    }
    for size in sizes {
        assert_eq!(publisher.answer()["matched"], 2);
        for subscriber in &mut subscribers {
            assert_eq!(subscriber.data().len(), size);
        }
    }
}
