//! `/healthz`, where a load balancer asks.

use hasses_tests::{Authority, TestDaemon, TlsClient};

fn ask(daemon: &TestDaemon, line: &str) -> hasses_tests::Answer {
    daemon.answer_to(format!("{line}\r\nHost: x\r\n\r\n"))
}

#[test]
fn the_health_check_is_answered() {
    let daemon = TestDaemon::start();
    for line in [
        "GET /healthz HTTP/1.1",
        "GET /healthz? HTTP/1.1",
        "GET /healthz?subscribe=a&id=x HTTP/1.1",
        "GET http://any.example/healthz HTTP/1.1",
        "GET /healthz HTTP/1.0",
    ] {
        let answer = ask(&daemon, line);
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"), "{line}");
        assert_eq!(answer.header("Content-Length"), Some("3"));
        assert_eq!(answer.header("Content-Type"), Some("text/plain; charset=utf-8"));
        assert_eq!(answer.header("Cache-Control"), Some("no-store"));
        assert_eq!(answer.header("Connection"), Some("close"));
    }
    let answer = ask(&daemon, "HEAD /healthz HTTP/1.1");
    assert_eq!((answer.status, answer.body.as_str(), answer.header("Content-Length")), (200, "", Some("3")));
    let status = daemon.status();
    assert_eq!((status.subscribed_total, status.subscribers, status.bad_requests_total), (0, 0, 0));
}

#[test]
fn what_is_no_check_is_refused() {
    let daemon = TestDaemon::start();
    let answer = ask(&daemon, "OPTIONS /healthz HTTP/1.1");
    assert_eq!((answer.status, answer.header("Allow")), (200, Some("GET, HEAD, OPTIONS")));
    for (line, status) in [
        ("POST /healthz HTTP/1.1", 405),
        ("PUT /healthz HTTP/1.1", 405),
        ("BREW /healthz HTTP/1.1", 501),
        ("GET /healthz/ HTTP/1.1", 404),
        ("GET /healthz2 HTTP/1.1", 404),
        ("GET /sse/healthz HTTP/1.1", 404),
    ] {
        assert_eq!(ask(&daemon, line).status, status, "{line}");
    }
    assert_eq!(daemon.answer_to("GET /healthz HTTP/1.1\r\n\r\n").status, 400, "without Host");
}

#[test]
fn it_is_answered_when_no_subscriber_can_be_taken() {
    let daemon = TestDaemon::with(|config| {
        config.limits.max_subscribers = Some(1);
        config.limits.max_subscribers_per_address = Some(1);
    });
    let mut subscriber = daemon.subscribe("subscribe=a");
    for _ in 0..5 {
        assert_eq!(ask(&daemon, "GET /healthz HTTP/1.1").body, "ok\n");
    }
    let status = daemon.status();
    assert_eq!((status.refused_total, status.subscribers), (0, 1));
    assert_eq!(daemon.publisher().publish("a", "hi"), 1);
    assert_eq!(subscriber.data(), "hi");
}

#[test]
fn it_is_answered_over_tls_and_whatever_the_path_of_events() {
    let authority = Authority::default();
    let folder = tempfile::tempdir().unwrap();
    let certificate = authority.issue(&["127.0.0.1"]).save(folder.path(), "server");
    let daemon = TestDaemon::secured(&certificate, |config| config.path = "/".to_owned());
    let mut stream = TlsClient::trusting(&authority.pem()).connect(&daemon.tls_address(), "127.0.0.1");
    stream.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(stream.answer().body, "ok\n");
    assert_eq!(ask(&daemon, "GET /healthz HTTP/1.1").body, "ok\n");
}
