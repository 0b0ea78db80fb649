//! What every proxy has to do.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use hasses::config::ListenAddress;
use hasses_tests::{Publisher, Stream, TestDaemon, wait_for};
use serde_json::json;

use crate::curl::Curl;
use crate::front::{CLIENT, Front, SITE, Speech};

/// When a proxy notices that a client has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notices {
    /// While nothing else happens.
    AtOnce,
    /// When it has something to send.
    WhenItSends,
}

/// Events, the head and the client's address come through, and the client's leaving too, for every speech; and whoever was away gets
/// what it missed.
pub(crate) fn passes_everything_on(front: &Front, notices: impl Fn(Speech) -> Notices) {
    let daemon = front.daemon();
    for speech in Speech::ALL {
        let curl = front.subscribe(speech, "subscribe=a&id=x");
        let version = if speech == Speech::Two { "http/2 200" } else { "http/1.1 200 ok" };
        assert_eq!(curl.head.lines().next().map(str::trim_end), Some(version));
        let header = |name| curl.header(name);
        assert_eq!(header("content-type"), Some("text/event-stream; charset=utf-8"), "{}", curl.head);
        assert_eq!(header("access-control-allow-origin"), Some("*"), "{}", curl.head);
        assert_eq!(header("cache-control"), Some("no-cache, no-transform"), "{}", curl.head);
        assert_eq!((header("content-encoding"), header("content-length")), (None, None), "{}", curl.head);
        comes_and_goes(&daemon, curl, notices(speech));
        comes_back(front, &daemon, speech, notices(speech));
    }
}

/// A subscriber that had been away gets at once, in this order, what became of its place, what it missed, and where it stands; then
/// what comes.
fn comes_back(front: &Front, daemon: &TestDaemon, speech: Speech, notices: Notices) {
    let mut publisher = daemon.publisher();
    let mut publish = |data: &str| {
        let answer = publisher.ask(&json!({"cmd": "publish", "topic": "a", "data": data}));
        answer["id"].as_str().expect("an id").to_owned()
    };
    let [had, first, second] = ["had", "first", "second"].map(&mut publish);
    let mut command = front.curl(speech);
    command.args(["--include", "--header", &format!("Last-Event-ID: {had}")]);
    let mut curl = Curl::start(command.arg(front.url(speech, "/sse?subscribe=a")));
    for expected in [
        ":",
        "event: hasses.resume",
        "retry: 5000",
        r#"data: {"status":"resumed","replayed":2}"#,
        "",
        &format!("id: {first}"),
        "data: first",
        "",
        &format!("id: {second}"),
        "data: second",
        "",
        "event: hasses.cursor",
        &format!("id: {second}"),
        "data: {}",
        "",
    ] {
        assert_eq!(curl.line().trim_end(), expected);
    }
    publish("third");
    assert_eq!(curl.data(), "third");
    leaves(&mut publisher, curl, notices);
}

/// A subscriber of `a`, the only one: gets its events, has its address, and leaves.
pub(crate) fn comes_and_goes(daemon: &TestDaemon, mut curl: Curl, notices: Notices) {
    let mut publisher = daemon.publisher();
    passes_events_at_once(&mut publisher, &mut curl);
    let clients = publisher.ask(&json!({"cmd": "clients"}));
    let address = clients["clients"][0]["address"].as_str().expect("an address");
    assert_eq!(address.split(':').next(), Some(CLIENT), "{clients}");
    leaves(&mut publisher, curl, notices);
}

/// The only subscriber leaves, and the daemon gets to know.
fn leaves(publisher: &mut Publisher, curl: Curl, notices: Notices) {
    drop(curl);
    wait_for("the daemon to be left", || {
        if notices == Notices::WhenItSends {
            publisher.publish("a", "anybody there?");
        }
        (publisher.status().subscribers == 0).then_some(())
    });
}

/// Every event comes before the next one is published, and without a wait for more.
fn passes_events_at_once(publisher: &mut Publisher, curl: &mut Curl) {
    let mut fastest = Duration::MAX;
    for number in 0..10 {
        let (data, begin) = (format!("event {number}"), Instant::now());
        assert_eq!(publisher.publish("a", &data), 1);
        assert_eq!(curl.data(), data);
        fastest = fastest.min(begin.elapsed());
    }
    // On a machine with other things to do some of them may be late, but not all.
    assert!(fastest < Duration::from_millis(100), "every event was late, the fastest by {fastest:?}");
    let large = "x".repeat(200_000);
    assert_eq!(publisher.publish("a", &large), 1);
    assert!(curl.data() == large, "an event of 200,000 bytes came otherwise");
}

/// While the daemon is away the answer makes browsers come back, and once it is there they find it.
pub(crate) fn answers_while_the_daemon_is_away(front: &Front) {
    for speech in [Speech::Two, Speech::OnePlain] {
        let mut pauses = Vec::new();
        for _ in 0..2 {
            let later = front.get(speech, "/sse?subscribe=a");
            assert_eq!(later.header("cache-control"), Some("no-store"), "{}", later.head);
            pauses.push(comes_back_later(later));
            let mut daemon = front.daemon();
            let mut curl = front.subscribe(speech, "subscribe=a");
            assert_eq!(daemon.publisher().publish("a", "hi"), 1);
            assert_eq!(curl.data(), "hi");
            daemon.stop();
            // It says when to come back, and the proxy as well, to those who come before there is a daemon.
            let (rest, status) = curl.rest();
            let pause = rest.strip_prefix("retry: ").and_then(|rest| rest.strip_suffix("\n\n")?.parse().ok());
            assert!(status.success(), "{status}");
            pauses.push(pause.unwrap_or_else(|| panic!("not only when to come back: {rest:?}")));
        }
        assert!(pauses.iter().all(|pause| (1_000..30_000).contains(pause)), "{pauses:?}");
    }
}

/// The same while something is in the daemon's place that accepts connections and closes them.
pub(crate) fn answers_when_connections_break(front: &Front, speech: Speech) {
    comes_back_later(served_by(front, speech, |listener| drop(accepted(listener))));
}

/// The same while something is in the daemon's place that never answers.
pub(crate) fn answers_when_nothing_comes(front: &Front) {
    let mut held = Vec::new();
    comes_back_later(served_by(front, Speech::Two, |listener| held.extend(accepted(listener))));
}

/// The proxy's answer while `serve` is in the daemon's place.
fn served_by(front: &Front, speech: Speech, mut serve: impl FnMut(&TcpListener)) -> Curl {
    let listener = TcpListener::bind(front.place.backend).expect("the daemon's address is free");
    listener.set_nonblocking(true).expect("a listener that does not block");
    std::thread::scope(|scope| {
        let answer = scope.spawn(|| front.get(speech, "/sse?subscribe=a"));
        wait_for("the proxy's answer", || {
            serve(&listener);
            answer.is_finished().then_some(())
        });
        answer.join().expect("an answer")
    })
}

pub(crate) fn accepted(listener: &TcpListener) -> Option<TcpStream> {
    match listener.accept() {
        Ok((connection, _)) => Some(connection),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) => panic!("no connection can be accepted: {error}"),
    }
}

/// An answer after which an `EventSource` asks again; gives how many milliseconds later.
pub(crate) fn comes_back_later(curl: Curl) -> u64 {
    let head = curl.head.clone();
    let status = head.split(' ').nth(1).map(str::trim_end);
    assert_eq!(status, Some("200"), "{head}");
    assert_eq!(curl.header("content-type"), Some("text/event-stream; charset=utf-8"), "{head}");
    assert_eq!(curl.header("access-control-allow-origin"), Some("*"), "{head}");
    let (body, status) = curl.rest();
    assert!(status.success(), "{status}");
    let pause = body.strip_prefix("retry: ").and_then(|rest| rest.strip_suffix("\n\n")?.parse().ok());
    pause.unwrap_or_else(|| panic!("no retry field, or more than that: {body:?}"))
}

/// So many streams of one client share one connection, and one that is closed ends alone.
pub(crate) fn shares_a_connection(front: &Front, count: usize) {
    let mut daemon = front.daemon();
    let targets = (0..count).map(|number| format!("/sse?subscribe=all{number}-own{number}"));
    let requests = front.requests(targets);
    let mut publisher = daemon.publisher();
    wait_for("all to subscribe", || (publisher.status().subscribed_total == count as u64).then_some(()));
    wait_for("the first to leave", || {
        publisher.publish("own0", "for proxies that notice when they send");
        (publisher.status().subscribers == count as u64 - 1).then_some(())
    });
    assert_eq!(publisher.publish("all*", "to all"), count as u64 - 1);
    for number in 1..count {
        let own = format!("to {number}");
        assert_eq!(publisher.publish(&format!("own{number}"), &own), 1);
        wait_for("the events of each", || {
            let body = requests.body(number);
            let lines = body.lines().filter(|line| line.starts_with("event: ") || line.starts_with("data: "));
            let expected = ["event: hasses.cursor", "data: {}", "data: to all", &format!("data: {own}")];
            lines.eq(expected).then_some(())
        });
    }
    daemon.stop();
    let ended = requests.ended();
    assert!(ended.len() == count && ended.iter().all(|ended| ended.status == 200), "{ended:?}");
    assert_eq!(ended.iter().map(|ended| ended.connects).sum::<usize>(), 1, "{ended:?}");
}

/// A quiet stream lives on for longer than the proxy's time-out, a second, if there are heartbeats, and not without.
pub(crate) fn keeps_a_quiet_stream(front: &Front, speech: Speech, daemon: impl Fn(&Front, Duration) -> TestDaemon) {
    let timeout = Duration::from_secs(1);
    let beating = daemon(front, timeout / 5);
    let (mut curl, begin) = (front.subscribe(speech, "subscribe=a"), Instant::now());
    while begin.elapsed() < timeout * 2 {
        assert_eq!(curl.line(), ":\n", "a heartbeat");
    }
    drop((curl, beating));
    let _silent = daemon(front, timeout * 60);
    let (rest, _) = front.subscribe(speech, "subscribe=a").rest();
    assert_eq!(rest, "", "nothing comes before the time-out");
}

/// The daemon gets the request as the browser wrote it, and the client's address as the last one.
pub(crate) fn leaves_the_request_as_it_is(front: &Front) {
    const TARGET: &str = "/sse?subscribe=a%2Db-%C3%BC+x&topic=orders/17&topic=a%26b&_=1";
    let listener = TcpListener::bind(front.place.backend).expect("the daemon's address is free");
    listener.set_nonblocking(true).expect("a listener that does not block");
    let mut command = front.curl(Speech::Two);
    command.args(["--include", "--header", "Last-Event-ID: 1795477620385-7", &front.url(Speech::Two, TARGET)]);
    let head = std::thread::scope(|scope| {
        let client = scope.spawn(|| Curl::start(&mut command));
        // Some connect ahead of their requests.
        let mut connections = Vec::new();
        let head = wait_for("a request", || {
            connections.extend(accepted(&listener));
            connections.iter_mut().find_map(|connection| answered(connection, |_| "200 OK"))
        });
        client.join().expect("an answer");
        head.to_ascii_lowercase()
    });
    assert!(head.starts_with(&format!("get {} http/1.1\r\n", TARGET.to_ascii_lowercase())), "{head}");
    assert!(head.contains("\r\nlast-event-id: 1795477620385-7\r\n"), "{head}");
    assert!(head.contains("\r\norigin: https://a.example\r\n"), "{head}");
    let mut forwarded = head.lines().filter_map(|line| line.strip_prefix("x-forwarded-for: "));
    assert!(forwarded.next_back().is_some_and(|list| list.ends_with(CLIENT)), "{head}");
}

/// A whole request head, answered with a status; `None` as long as it is not there.
pub(crate) fn answered(connection: &mut TcpStream, status: impl Fn(&str) -> &'static str) -> Option<String> {
    let mut buffer = [0; 4096];
    connection.set_nonblocking(true).expect("a connection that does not block");
    let count = connection.peek(&mut buffer).ok()?;
    let head = std::str::from_utf8(&buffer[..count]).ok()?.to_owned();
    if !head.ends_with("\r\n\r\n") {
        return None;
    }
    connection.read_exact(&mut buffer[..count]).expect("what was seen can be read");
    let answer = format!("HTTP/1.1 {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status(&head));
    connection.write_all(answer.as_bytes()).expect("the answer is taken");
    Some(head)
}

/// The way over a Unix socket: events, the client's address, and the answer while the socket is not there.
pub(crate) fn goes_over_a_unix_socket(front: &Front, notices: Notices) {
    comes_back_later(front.get(Speech::Two, "/sse?subscribe=a"));
    let daemon = front.daemon_with(|config| {
        config.listen = vec![ListenAddress::Unix(front.place.socket().into())];
        config.proxies.trusted = vec!["unix".parse().expect("a word")];
    });
    comes_and_goes(&daemon, front.subscribe(Speech::Two, "subscribe=a"), notices);
}

/// Many subscribers in a row, three at a time, of a daemon as a classic one is configured: each gets its own events and no
/// others, also where the proxy would reuse its connections to the daemon.
pub(crate) fn serves_one_after_the_other_as_classic(front: &Front) {
    let daemon = front.daemon_as_classic();
    let mut publisher = daemon.publisher();
    let mut present = VecDeque::new();
    for number in 0..40 {
        let mut stream = Stream::connect(&front.place.plain.to_string());
        let query = format!("subscribe=own{number}-all&id={number}");
        let head = format!("Host: {SITE}\r\nConnection: close");
        stream.send(format!("GET /sseeventprovider?{query} HTTP/1.1\r\n{head}\r\n\r\n"));
        present.push_back((number, stream.subscribed_through()));
        publisher.publish("all", "to all");
        for (number, subscriber) in &mut present {
            // One after the other: proxies may put what waits into one chunk.
            assert_eq!(subscriber.data(), "to all");
            let own = format!("to {number}");
            assert_eq!(publisher.publish(&format!("own{number}"), &own), 1);
            assert_eq!(subscriber.data(), own);
        }
        // They leave by themselves and are sent away in turn, and the next one follows at once.
        if present.len() == 3
            && let Some((number, mut subscriber)) = present.pop_front()
            && number % 2 == 0
        {
            assert_eq!(publisher.ask(&json!({"cmd": "disconnect", "id": number.to_string()}))["disconnected"], 1);
            subscriber.ends();
        }
    }
    assert_eq!(publisher.status().subscribed_total, 40);
}
