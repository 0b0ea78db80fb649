//! `listen` against an SSE port that the test plays.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, ChildStdout};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::certificates::{Authorities, Fault};
use crate::endpoint::Endpoint;
use crate::program::{finish, program, run};
use crate::site::{Manner, Site};

/// The lines of the program's standard output as they come.
fn lines(child: &mut Child) -> Receiver<String> {
    let stdout: ChildStdout = child.stdout.take().unwrap();
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    lines
}

fn next(lines: &Receiver<String>) -> String {
    lines.recv_timeout(Duration::from_secs(20)).expect("a line within 20 s")
}

#[test]
fn every_event_is_printed_as_it_comes() {
    let endpoint = Endpoint::open();
    let words = ["listen", "room624", "a b/ü*", "--id", "me&you", "--count=4", "--url", &endpoint.url];
    let mut child = program(&words).spawn().unwrap();
    let lines = lines(&mut child);
    let mut request = endpoint.next();
    assert_eq!(request.line, "GET /sse?topic=room624&topic=a%20b%2F%C3%BC*&id=me%26you HTTP/1.1");
    assert_eq!(request.header("accept"), Some("text/event-stream"));
    assert_eq!(request.header("last-event-id"), None);
    request.accept();
    // Each is seen before the next is sent, so nothing waits in a buffer on the way.
    request.chunk("id: 17-0\ndata: hi\n\n");
    assert_eq!(next(&lines), "17-0  message  hi");
    request.chunk(":\n");
    request.chunk("id: 17-1\nevent: tick\ndata: a\n");
    request.chunk("data: b\n\n");
    assert_eq!([next(&lines), next(&lines)], ["17-1  tick  a", "            b"]);
    // One event in two chunks that are cut anywhere, and one longer than every buffer.
    request.chunk("id: 17-2\nda");
    request.chunk("ta: cut\n\n");
    assert_eq!(next(&lines), "17-2  message  cut");
    let long = "x".repeat(1 << 20);
    request.chunk(&format!("id: 17-3\ndata: {long}\n\n"));
    assert_eq!(next(&lines), format!("17-3  message  {long}"));
    assert_eq!(finish(child).code, 0);
}

#[test]
fn scripts_get_one_object_an_event() {
    let endpoint = Endpoint::open();
    let child = program(&["--json", "listen", "room", "--count", "2", "--url", &endpoint.url]).spawn().unwrap();
    let mut request = endpoint.next();
    request.accept();
    request.chunk("id: 17-0\ndata: a\ndata: b\n\nevent: tick\ndata: \"c\"\n\ndata: after the last\n\n");
    let run = finish(child);
    let events: Vec<Value> = run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        events,
        [
            json!({"id": "17-0", "event": "message", "data": "a\nb"}),
            json!({"id": "17-0", "event": "tick", "data": "\"c\""}),
        ]
    );
    assert_eq!((run.code, run.err.as_str()), (0, ""));
}

#[test]
fn a_stream_that_ends_is_made_anew_after_the_time_it_asked_for() {
    let endpoint = Endpoint::open();
    let mut child = program(&["listen", "room", "--count", "3", "--url", &endpoint.url]).spawn().unwrap();
    let lines = lines(&mut child);
    let mut request = endpoint.next();
    request.accept();
    request.chunk("retry: 1\n\nid: 17-0\ndata: first\n\n");
    assert_eq!(next(&lines), "17-0  message  first");
    request.end();
    // "Come back later": a stream without any event keeps the id.
    let mut request = endpoint.next();
    assert_eq!(request.header("last-event-id"), Some("17-0"));
    request.accept();
    request.chunk("retry: 2\n\n");
    request.end();
    // A connection that is cut within an event: what came of it is dropped.
    let mut request = endpoint.next();
    assert_eq!(request.header("last-event-id"), Some("17-0"));
    request.accept();
    request.chunk("id: 17-1\ndata: second\n\nid: 17-2\ndata: cut off");
    assert_eq!(next(&lines), "17-1  message  second");
    drop(request);
    let mut request = endpoint.next();
    assert_eq!(request.header("last-event-id"), Some("17-1"));
    request.accept();
    request.chunk("id: 17-2\ndata: third\n\n");
    assert_eq!(next(&lines), "17-2  message  third");
    assert_eq!(finish(child).code, 0);
}

#[test]
fn it_goes_on_behind_an_event_and_says_what_the_daemon_makes_of_that() {
    let resumed = "{\"status\":\"resumed\",\"replayed\":2}";
    let gap = "{\"status\":\"gap\",\"oldest\":\"18-0\",\"replayed\":2}";
    for (verdict, text) in [
        (resumed, "resumed, 2 events replayed"),
        (gap, "gap: events before 18-0 may be lost; 2 events replayed"),
        ("{\"status\":\"reset\"}", "reset: the id is not of this log, so nothing was replayed; events may be lost"),
    ] {
        for (words, said) in [(&["listen"][..], text), (&["--json", "listen"], verdict)] {
            let endpoint = Endpoint::open();
            let words =
                [words, &["room", "--count=2", "--from", "17-0", "--replay=5", "--url", &endpoint.url]].concat();
            let child = program(&words).spawn().unwrap();
            let mut request = endpoint.next();
            assert_eq!(request.line, "GET /sse?topic=room&replay=5 HTTP/1.1");
            assert_eq!(request.header("last-event-id"), Some("17-0"));
            request.accept();
            request.chunk(&format!("event: hasses.resume\nretry: 1\ndata: {verdict}\n\n"));
            request.chunk("id: 18-0\ndata: a\n\n");
            // Not printed, and not counted.
            request.chunk("event: hasses.cursor\nid: 19-0\ndata: {}\n\n");
            request.chunk("id: 20-0\ndata: b\n\n");
            let run = finish(child);
            assert_eq!((run.code, run.err), (0, format!("{said}\n")));
            assert_eq!(run.out.lines().count(), 2, "{}", run.out);
        }
    }
}

#[test]
fn what_becomes_of_the_connection_is_said_on_standard_error() {
    let endpoint = Endpoint::open();
    let child = program(&["listen", "room", "--count=2", "--url", &endpoint.url]).spawn().unwrap();
    let mut request = endpoint.next();
    request.accept();
    request.chunk("retry: 1\nid: 17-0\ndata: a\n\nevent: hasses.cursor\nid: 18-0\ndata: {}\n\n");
    request.end();
    let mut request = endpoint.next();
    assert_eq!(request.header("last-event-id"), Some("18-0"));
    request.accept();
    request.chunk("event: hasses.resume\ndata: {\"status\":\"resumed\",\"replayed\":0}\n\nid: 19-0\ndata: b\n\n");
    let run = finish(child);
    assert_eq!((run.code, run.out.as_str()), (0, "17-0  message  a\n19-0  message  b\n"));
    assert_eq!(run.err, "the stream has ended; again in 0.0 s\nresumed, no event replayed\n");
}

#[test]
fn an_answer_without_chunks_is_a_stream_too() {
    let endpoint = Endpoint::open();
    let mut child = program(&["listen", "room", "--count", "1", "--url", &endpoint.url]).spawn().unwrap();
    let lines = lines(&mut child);
    let mut request = endpoint.next();
    request
        .answer("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\nid: 1-0\ndata: x\n\n");
    assert_eq!(next(&lines), "1-0  message  x");
    assert_eq!(finish(child).code, 0);
}

#[test]
fn anything_but_an_event_stream_is_refused() {
    for (answer, parts) in [
        (
            "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 15\r\n\r\nno such path: /",
            ["answered 404 Not Found", "it says: no such path: /"],
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", ["answered 204 No Content", ""]),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n",
            ["\"text/html\", which is no event stream", "--path"],
        ),
        ("SSH-2.0-OpenSSH_9.2\r\n", ["does not speak HTTP", ""]),
    ] {
        let endpoint = Endpoint::open();
        let child = program(&["listen", "room", "--url", &endpoint.url]).spawn().unwrap();
        let mut request = endpoint.next();
        request.answer(answer);
        let run = finish(child);
        assert_eq!((run.code, run.out.as_str()), (1, ""), "{answer}: {}", run.err);
        assert!(parts.iter().all(|part| run.err.contains(part)), "{answer}: {}", run.err);
    }
}

#[test]
fn tls_is_spoken_with_those_whose_certificate_holds() {
    let authorities = Authorities::new();
    let ca = authorities.file();
    let site = |fault| {
        let (tls, body) = (Some(authorities.server(fault, &["http/1.1"])), ":\nid: 17-0\ndata: hi\n\n");
        Site::open(Manner { tls, body, ..Manner::right() })
    };
    let safe = site(Fault::None);
    let listen = |url: &str, words: &[&str]| run(&[&["listen", "room", "--count", "1", "--url", url], words].concat());
    let heard = listen(&safe.url, &["--ca", ca.to_str().unwrap()]);
    assert_eq!((heard.code, heard.out.as_str(), heard.err.as_str()), (0, "17-0  message  hi\n", ""));
    // By the authorities of the system, which do not know the one of this test.
    let unknown = listen(&safe.url, &[]);
    assert_eq!((unknown.code, unknown.out.as_str()), (1, ""));
    assert!(
        unknown.err.contains("UnknownIssuer") && unknown.err.contains("hasses-ctl doctor https://"),
        "{}",
        unknown.err
    );
    for fault in [Fault::Expired, Fault::OtherName, Fault::Incomplete] {
        let unsafe_one = site(fault);
        let refused = listen(&unsafe_one.url, &["--ca", ca.to_str().unwrap()]);
        assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{fault:?}: {}", refused.err);
    }
    let elsewhere: &'static str = Box::leak(safe.url.clone().into_boxed_str());
    let before = Site::open(Manner::right().ending("HTTP/1.1 307 Temporary Redirect", "").and("Location", elsewhere));
    let heard = listen(&before.url, &["--ca", ca.to_str().unwrap()]);
    assert_eq!((heard.code, heard.out.as_str()), (0, "17-0  message  hi\n"), "{}", heard.err);
}

#[test]
fn a_port_with_tls_is_told_from_one_without() {
    for (scheme, answer, parts) in [
        ("https", &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], ["this port does not speak TLS", "  try http://\n"]),
        // An alert, as every library of TLS answers to what is no handshake.
        ("http", b"\x15\x03\x03\0\x02\x02\x32", ["does not speak HTTP", "  does this port speak TLS (https://)?\n"]),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{scheme}://{}/sse", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // What it asks has to be read, so that the end of the connection is no reset.
            assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
            stream.write_all(answer).unwrap();
        });
        let run = run(&["listen", "room", "--url", &url]);
        server.join().unwrap();
        assert_eq!((run.code, run.out.as_str()), (1, ""), "{}", run.err);
        assert!(parts.iter().all(|part| run.err.contains(part)), "{}", run.err);
    }
}

#[test]
fn nobody_at_the_url_is_exit_code_3() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let run = run(&["listen", "room", "--url", &format!("http://127.0.0.1:{port}/sse")]);
    assert_eq!((run.code, run.out.as_str()), (3, ""));
    assert!(run.err.contains("nobody answers") && run.err.contains("--url"), "{}", run.err);
}

#[test]
fn what_can_never_be_a_topic_is_refused_before_anything_is_asked() {
    let endpoint = Endpoint::open();
    for (words, code, part) in [
        (&["listen", "a*b"][..], 1, "topic holds '*' at byte 1"),
        (&["listen", ""], 1, "topic is empty"),
        (&["listen", "a", "--from", "1\n2"], 2, "the last event id holds a line end"),
        (&["listen", "a", "--ca", "/nonexistent.pem"], 2, "the authorities in /nonexistent.pem: "),
        (&["listen", "a", "--replay", "many"], 2, "many"),
    ] {
        let run = run(&[words, &["--url", &endpoint.url]].concat());
        assert_eq!(run.code, code, "{}", run.err);
        assert!(run.err.contains(part), "{}", run.err);
    }
    for url in ["h:8080/sse", "", "unix:///x", "ws://h/sse"] {
        let run = run(&["listen", "a", "--url", url]);
        assert_eq!(run.code, 2, "{}", run.err);
        assert!(run.err.contains("as in --url http://127.0.0.1:8080/sse"), "{}", run.err);
    }
}
