//! Attackers on the SSE port: whatever they do, somebody else goes on receiving everything in order, and when they are gone
//! nothing is left of them.

#![expect(clippy::expect_used, reason = "what cannot go on shall fail, and say where")]

use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hasses::config::ListenAddress;
use hasses_client::wire::StatusReport;
use hasses_tests::{DEADLINE, Stream, TestDaemon, Witness, required, wait_for};
use rustix::net::sockopt::set_socket_linger;
use serde_json::json;

const GET: &str = "GET /sse?subscribe=room624 HTTP/1.1\r\nHost: x\r\n\r\n";

/// Waits until only the witness is left; gives the status then.
fn only_the_witness_is_left(witness: &mut Witness) -> StatusReport {
    witness.sees_on();
    let status = wait_for("the attackers to be gone", || {
        let status = witness.publisher().status();
        (status.connections == 1 && status.subscribers == 1).then_some(status)
    });
    assert_eq!((status.queued_bytes, status.topics), (0, 1));
    witness.sees_on();
    status
}

/// Closes a connection so that the peer sees a reset.
fn reset(stream: Stream) {
    set_socket_linger(stream.socket(), Some(Duration::ZERO)).expect("the option can be set");
    drop(stream);
}

#[test]
fn what_two_parties_could_read_differently_is_refused_and_closed() {
    let daemon = TestDaemon::start();
    let mut witness = Witness::of(&daemon);
    let get = |lines: &str| format!("GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\n{lines}\r\n");
    let post = |lines: &str| format!("POST /sse HTTP/1.1\r\nHost: x\r\n{lines}\r\n");
    let requests = [
        get("Content-Length: 5\r\n") + "hello",
        get("Content-Length: 0\r\nContent-Length: 5\r\n") + "hello",
        get("Content-Length: 0\r\nContent-Length: 0\r\n"),
        get("Content-Length: 0, 0\r\n"),
        get("Content-Length: +0\r\n"),
        get("Content-Length: -1\r\n"),
        get("Content-Length: 0x0\r\n"),
        get("Content-Length:\r\n"),
        get("Content-Length: 99999999999999999999\r\n"),
        get("Transfer-Encoding: chunked\r\n") + "0\r\n\r\n",
        get("Transfer-Encoding: identity\r\n"),
        get("transfer-encoding:\tchunked\r\n"),
        get("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
        post("Content-Length: 3\r\nContent-Length: 4\r\n") + "abcd",
        post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
        post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n") + "0\r\n\r\n",
        "GET /sse?subscribe=a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        get("X: a\rContent-Length: 5\r\n"),
        get("X: a\nContent-Length: 5\r\n"),
        get("X: a\n"),
        get("X: a\r\r\n"),
        get("X: a\r\n folded\r\n"),
        get("X: a\r\n\tfolded\r\n"),
        get("X: a\0b\r\n"),
        get("X\0: a\r\n"),
        get("X : a\r\n"),
        get("X a\r\n"),
        get(": a\r\n"),
        get("Host: y\r\n"),
        "GET /sse?subscribe=a HTTP/1.1\r\n Host: x\r\n\r\n".to_owned(),
        "GET /sse?subscribe=a HTTP/1.1\r\n\r\n".to_owned(),
        "GET /sse?subscribe=a HTTP/1.1\nHost: x\n\n".to_owned(),
        "GET /sse?subscribe=a\0 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET /sse?subscribe=a b HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET /sse?subscribe=a\tHTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET  /sse?subscribe=a HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET /sse?subscribe=a HTTP/1.1 \r\nHost: x\r\n\r\n".to_owned(),
        " GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET /sse?subscribe=a HTTP/1.1\r\r\nHost: x\r\n\r\n".to_owned(),
        "\nGET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "\0".repeat(100) + "\r\n\r\n",
        "\r\n\r\n\r\r\n".to_owned(),
    ];
    for request in &requests {
        // What is smuggled behind it must not be answered.
        let mut stream = daemon.connect();
        stream.send(request.clone() + "GET /sse?subscribe=witness HTTP/1.1\r\nHost: x\r\n\r\n");
        let answer = String::from_utf8_lossy(&stream.read_to_close()).into_owned();
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{request:?}: {answer:?}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{request:?}: {answer:?}");
        witness.sees_on();
    }
    let status = only_the_witness_is_left(&mut witness);
    assert_eq!((status.bad_requests_total, status.subscribed_total), (requests.len() as u64, 1));
}

#[test]
fn a_request_without_query_inherits_nothing() {
    let daemon = TestDaemon::start();
    let mut witness = Witness::of(&daemon);
    // In classic it got the subscription of the client before.
    for _ in 0..20 {
        drop(daemon.subscribe("subscribe=secret&id=admin"));
        let answer = daemon.answer_to("GET /sse HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(answer.status, 400);
        let _fresh = daemon.subscribe("subscribe=other");
        let clients = witness.publisher().ask(&json!({"cmd": "clients", "topic": "other"}))["clients"].take();
        assert_eq!((&clients[0]["topics"], &clients[0]["id"]), (&json!(["other"]), &json!(null)));
        wait_for("the one before to be gone", || (witness.publisher().publish("secret", "x") == 0).then_some(()));
        witness.sees_on();
    }
    only_the_witness_is_left(&mut witness);
}

#[test]
fn of_pipelined_requests_only_the_first_is_served() {
    let daemon = TestDaemon::start();
    let mut witness = Witness::of(&daemon);
    let mut stream = daemon.connect();
    stream.send(GET.repeat(50) + "GET /sse?subscribe=witness HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut subscriber = stream.subscribed();
    witness.sees_on();
    assert_eq!(witness.publisher().publish("room624", "hi"), 1);
    assert_eq!(subscriber.data(), "hi");
    let mut stream = daemon.connect();
    stream.send("HEAD /sse HTTP/1.1\r\nHost: x\r\n\r\n".to_owned() + GET);
    let answer = stream.answer();
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    drop((subscriber, stream));
    let status = only_the_witness_is_left(&mut witness);
    assert_eq!((status.subscribed_total, status.reinits_total), (2, 0));
}

#[test]
fn sixty_four_kibibytes_of_nul_cost_nobody_a_message() {
    let daemon = TestDaemon::start();
    let mut witness = Witness::of(&daemon);
    let nul = vec![0; 64 * 1024];
    let mut subscribed = daemon.subscribe("subscribe=room624");
    for _ in 0..5 {
        let mut stream = daemon.connect();
        stream.send(&nul);
        let mut control = daemon.control();
        control.send(&nul);
        control.finish();
        subscribed.stream().send(&nul);
        witness.sees_on();
        assert!(String::from_utf8_lossy(&stream.read_to_close()).starts_with("HTTP/1.1 4"));
        control.read_to_close();
        assert_eq!(witness.publisher().publish("room624", "hi"), 1);
        assert_eq!(subscribed.data(), "hi");
    }
    drop(subscribed);
    only_the_witness_is_left(&mut witness);
}

#[test]
fn tls_on_the_plain_port_is_turned_away() {
    let daemon = TestDaemon::with(|config| config.limits.head_timeout = Duration::from_millis(500));
    let mut witness = Witness::of(&daemon);
    // The beginning of a ClientHello, once without and once with a byte that reads as a line end.
    for random in [0x55, b'\n'] {
        let mut hello = vec![0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3];
        hello.extend([random; 32]);
        hello.extend([0; 162]);
        let mut stream = daemon.connect();
        stream.send(hello);
        assert!(String::from_utf8_lossy(&stream.read_to_close()).starts_with("HTTP/1.1 4"));
        witness.sees_on();
    }
    if let Some(curl) = required("curl") {
        let url = format!("https://{}/sse?subscribe=a", daemon.address());
        let status = Command::new(curl)
            .args(["--silent", "--insecure", "--max-time", "20", &url])
            .stdout(Stdio::null())
            .status()
            .expect("curl runs");
        assert_eq!(
            status.code(),
            Some(35),
            "curl sees that the handshake fails, and does not wait until its time is up"
        );
    }
    only_the_witness_is_left(&mut witness);
}

#[test]
fn connections_that_are_reset_at_any_moment_leave_nothing_behind() {
    let daemon = TestDaemon::start();
    let mut witness = Witness::of(&daemon);
    for round in 0..50 {
        for sent in [&b""[..], b"GET /sse?sub", GET.as_bytes(), b"nonsense\r\n\r\n", &[0; 20_000]] {
            let mut stream = daemon.connect();
            stream.send(sent);
            reset(stream);
        }
        let mut subscribed = daemon.connect();
        subscribed.send(GET);
        if round % 2 == 0 {
            // Once it receives, too.
            subscribed.read_to("\n:\n");
            witness.publisher().publish("room624", "hi");
        }
        reset(subscribed);
        witness.sees_on();
    }
    only_the_witness_is_left(&mut witness);
}

#[test]
fn two_thousand_connects_and_closes_leave_nothing_behind() {
    let daemon = TestDaemon::with(|config| config.shards = 2);
    let mut witness = Witness::of(&daemon);
    for nth in 0..2_000 {
        let mut stream = daemon.connect();
        match nth % 4 {
            0 => {}
            1 => stream.send("GET /sse?subscribe=room624 HTTP/1.1\r\n"),
            2 => stream.send(GET),
            _ => stream.finish(),
        }
        if nth % 50 == 0 {
            witness.sees_on();
        }
    }
    only_the_witness_is_left(&mut witness);
}

#[test]
fn half_heads_are_turned_away_when_their_time_is_up() {
    const ATTACKERS: usize = 400;
    let daemon = TestDaemon::with(|config| config.limits.head_timeout = Duration::from_secs(2));
    let mut witness = Witness::of(&daemon);
    // Slow loris: heads that grow by a byte now and then, and are never complete.
    let mut attackers: Vec<Stream> = (0..ATTACKERS).map(|_| daemon.connect()).collect();
    let mut growing = true;
    while growing {
        for attacker in &mut attackers {
            // Once it is refused its bytes may meet a closed connection, which is as well.
            let _ = attacker.socket().write(b"x");
        }
        witness.sees_on();
        growing = witness.publisher().status().head_timeouts_total < ATTACKERS as u64;
    }
    for attacker in &mut attackers {
        let answer = String::from_utf8_lossy(&attacker.read_to_close()).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer:?}");
    }
    drop(attackers);
    let status = only_the_witness_is_left(&mut witness);
    assert_eq!(status.head_timeouts_total, ATTACKERS as u64);
}

#[test]
fn a_subscriber_that_floods_the_daemon_with_bytes_holds_up_nobody() {
    for reinit in [false, true] {
        let daemon = TestDaemon::with(|config| config.allow_reinit = reinit);
        let mut witness = Witness::of(&daemon);
        let mut flooding: Vec<_> = (0..3).map(|_| daemon.subscribe("subscribe=room624")).collect();
        let floods: Vec<TcpStream> =
            flooding.iter_mut().map(|it| it.stream().socket().try_clone().expect("a second handle")).collect();
        let enough = AtomicBool::new(false);
        thread::scope(|scope| {
            for mut socket in floods {
                let enough = &enough;
                scope.spawn(move || {
                    let (bytes, began) = ([b'x'; 64 * 1024], Instant::now());
                    while !enough.load(Ordering::Relaxed) && began.elapsed() < 2 * DEADLINE {
                        socket.write_all(&bytes).expect("the daemon reads on, and lets it stay");
                    }
                });
            }
            let began = Instant::now();
            for _ in 0..200 {
                witness.sees_on();
            }
            enough.store(true, Ordering::Relaxed);
            // Some milliseconds each. It must not grow with what the others have sent.
            assert!(began.elapsed() < DEADLINE, "{:?} for 200 events", began.elapsed());
        });
        assert_eq!(witness.publisher().publish("room624", "hi"), 3, "they still are what they were");
        flooding.iter_mut().for_each(|it| assert_eq!(it.data(), "hi"));
        drop(flooding);
        only_the_witness_is_left(&mut witness);
    }
}

#[test]
fn a_client_that_asks_again_and_again_without_reading_is_a_slow_consumer() {
    const OUTBOX: usize = 16 * 1024;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("sse.sock");
    let daemon = TestDaemon::with(|config| {
        config.allow_reinit = true;
        config.limits.outbox = OUTBOX;
        config.listen.push(ListenAddress::Unix(path.clone()));
    });
    let mut witness = Witness::of(&daemon);
    // On a Unix socket the kernel holds no more than the daemon's send buffer for one that does not read.
    let mut attacker = UnixStream::connect(path).expect("the daemon listens");
    // Every request is answered with a head, and none of these is read.
    let disconnected = (0..1_000).any(|_| {
        let _ = attacker.write_all(GET.as_bytes());
        witness.sees_on();
        let status = witness.publisher().status();
        assert!(status.queued_bytes <= OUTBOX as u64, "{} bytes wait for one that never reads", status.queued_bytes);
        status.slow_disconnects_total == 1
    });
    assert!(disconnected, "it is still there");
    only_the_witness_is_left(&mut witness);
}
