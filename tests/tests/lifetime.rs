//! How a stream lives and ends: heartbeats, maximum age, being disconnected, the end of the daemon, re-init.

use std::time::{Duration, Instant};

use hasses_tests::{DEADLINE, TestDaemon, header, wait_for};
use serde_json::json;

#[test]
fn a_comment_goes_out_only_when_nothing_else_did_for_the_interval() {
    let interval = Duration::from_secs(1);
    let daemon = TestDaemon::with(|config| config.limits.heartbeat = interval);
    let mut publisher = daemon.publisher();
    let mut subscriber = daemon.subscribe("subscribe=a");
    let mut last_event = Instant::now();
    for _ in 0..2 {
        assert_eq!(subscriber.chunk().as_deref(), Some(":\n"));
        // Heartbeats are spread: up to half of the interval may be missing.
        assert!(last_event.elapsed() >= interval * 45 / 100, "{:?} after the last event", last_event.elapsed());
        let comment = Instant::now();
        // An event well before the next heartbeat puts that off. Time itself is what is tested here.
        wait_for("a third of the interval", || (comment.elapsed() >= interval / 3).then_some(()));
        last_event = Instant::now();
        publisher.publish("a", "hi");
        assert_eq!(subscriber.data(), "hi");
    }
}

#[test]
fn a_quiet_stream_gets_one_comment_after_the_other() {
    let daemon = TestDaemon::with(|config| config.limits.heartbeat = Duration::from_millis(100));
    let mut subscriber = daemon.subscribe("subscribe=a");
    let mut old = daemon.connect();
    old.send("GET /sse?subscribe=a HTTP/1.0\r\n\r\n");
    assert!(old.read_to("\r\n\r\n:\nevent: hasses.cursor\n").starts_with("HTTP/1.1 200 OK\r\n"));
    old.read_to("\ndata: {}\n\n");
    for _ in 0..5 {
        assert_eq!(subscriber.chunk().as_deref(), Some(":\n"));
        assert_eq!(old.read_to("\n"), ":\n");
    }
    assert_eq!(daemon.status().deliveries_total, 0, "a comment is no delivery");
}

#[test]
fn a_stream_whose_socket_was_full_gets_its_comments_again() {
    let daemon = TestDaemon::with(|config| {
        config.limits.heartbeat = Duration::from_millis(100);
        config.limits.outbox = 16 * 1024 * 1024;
    });
    let mut publisher = daemon.publisher();
    let mut subscriber = daemon.subscribe("subscribe=a");
    subscriber.stream().bound_unread(64 * 1024);
    let filler = "x".repeat(8_000);
    let mut published = 0;
    while publisher.status().queued_bytes == 0 {
        publisher.publish("a", &filler);
        published += 1;
    }
    // A time in which it would have had a comment, were its socket not full.
    let mut other = daemon.subscribe("subscribe=b");
    (0..5).for_each(|_| assert_eq!(other.chunk().as_deref(), Some(":\n")));
    (0..published).for_each(|_| assert_eq!(subscriber.data(), filler));
    assert_eq!(subscriber.chunk().as_deref(), Some(":\n"), "long before the progress time-out");
}

#[test]
fn a_stream_of_maximum_age_is_ended_with_the_last_chunk() {
    let age = Duration::from_millis(400);
    let daemon = TestDaemon::with(|config| config.limits.max_age = Some(age));
    let began = Instant::now();
    let mut idle = daemon.subscribe("subscribe=b");
    let mut busy = daemon.subscribe("subscribe=a");
    let mut publisher = daemon.publisher();
    assert_eq!(publisher.publish("a", "hi"), 1);
    assert_eq!(busy.data(), "hi");
    // The daemon goes on, so they may come back as soon as they like.
    assert_eq!((busy.chunk(), idle.chunk()), (None, None));
    // The daemon counts in whole milliseconds.
    assert!(began.elapsed() + Duration::from_millis(1) >= age, "{:?}", began.elapsed());
    wait_for("both to be gone", || (publisher.status().connections == 0).then_some(()));
    let status = publisher.status();
    assert_eq!((status.aged_out_total, status.kicked_total, status.subscribers), (2, 0, 0));
}

#[test]
fn a_subscriber_that_is_disconnected_by_command_gets_what_waits_and_the_last_chunk() {
    let daemon = TestDaemon::start();
    let mut publisher = daemon.publisher();
    let mut by_id = daemon.subscribe("subscribe=a&id=x");
    let mut same_id = daemon.subscribe("subscribe=a&id=x");
    let mut by_number = daemon.subscribe("subscribe=a&id=y");
    let mut spared = daemon.subscribe("subscribe=a&id=xx");
    assert_eq!(publisher.publish("a", "hi"), 4);
    assert_eq!(publisher.ask(&json!({"cmd": "disconnect", "id": "x"}))["disconnected"], 2);
    let clients = publisher.ask(&json!({"cmd": "clients"}))["clients"].take();
    let number = clients.as_array().and_then(|all| all.iter().find(|client| client["id"] == "y"));
    let number = &number.unwrap_or_else(|| panic!("{clients}"))["client"];
    assert_eq!(publisher.ask(&json!({"cmd": "disconnect", "client": number}))["disconnected"], 1);
    assert_eq!(publisher.ask(&json!({"cmd": "disconnect", "client": number}))["disconnected"], 0, "it is gone");
    for subscriber in [&mut by_id, &mut same_id, &mut by_number] {
        assert_eq!(subscriber.data(), "hi");
        assert_eq!(subscriber.chunk(), None);
    }
    assert_eq!(publisher.publish("a", "on"), 1);
    assert_eq!((spared.data(), spared.data()), ("hi".to_owned(), "on".to_owned()));
    assert_eq!(publisher.status().kicked_total, 3);
}

#[test]
fn a_client_that_closes_its_sending_side_has_left() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=a");
    subscriber.stream().finish();
    wait_for("it to be gone", || (daemon.status().connections == 0).then_some(()));
    assert_eq!((daemon.status().subscribers, daemon.publisher().publish("a", "x")), (0, 0));
    assert_eq!(subscriber.stream().read_to_end(), "");
}

#[test]
fn everybody_gets_what_waits_and_the_last_chunk_when_the_daemon_stops() {
    let mut daemon = TestDaemon::with(|config| {
        config.shards = 2;
        // Nobody is behind: that would be for the log, and for another connection.
        config.limits.outbox = 1024 * 1024;
        config.limits.retry = Duration::from_secs(3);
    });
    let mut subscribers: Vec<_> = (0..6).map(|_| daemon.subscribe("subscribe=a")).collect();
    let mut old = daemon.connect();
    old.send("GET /sse?subscribe=b HTTP/1.0\r\n\r\n");
    assert!(old.read_to("\n:\n").starts_with("HTTP/1.1 200 OK\r\n"));
    old.read_to("\ndata: {}\n\n");
    let idle = daemon.connect();
    let mut half = daemon.connect();
    half.send("GET /sse?sub");
    wait_for("all to be there", || (daemon.status().connections == 9).then_some(()));
    // More than the sockets take, so that some of it waits in the daemon.
    subscribers.iter_mut().for_each(|subscriber| subscriber.stream().bound_unread(64 * 1024));
    let data = "x".repeat(10_000);
    let mut publisher = daemon.publisher();
    (0..50).for_each(|_| assert_eq!(publisher.publish("a", &data), 6));
    assert!(publisher.status().queued_bytes > 0);
    let stopping = std::thread::spawn(move || {
        daemon.stop();
        daemon
    });
    for subscriber in &mut subscribers {
        (0..50).for_each(|_| assert_eq!(subscriber.data(), data));
        assert!((3_000..=6_000).contains(&subscriber.ends_with_retry()));
    }
    let rest = old.read_to_end();
    let time = rest.strip_prefix("retry: ").and_then(|rest| rest.strip_suffix("\n\n")?.parse().ok());
    assert!(time.is_some_and(|time| (3_000..=6_000).contains(&time)), "{rest:?}");
    drop((idle, half));
    let daemon = stopping.join().expect("it stops");
    assert!(!daemon.folder().join("control.sock").exists());
}

#[test]
fn a_subscriber_that_does_not_read_does_not_keep_the_daemon_from_stopping() {
    let mut daemon = TestDaemon::start();
    let _stalled = daemon.subscribe("subscribe=a");
    let mut publisher = daemon.publisher();
    let data = "x".repeat(100_000);
    (0..9).for_each(|_| assert_eq!(publisher.publish("a", &data), 1));
    let began = Instant::now();
    daemon.stop();
    assert!(began.elapsed() < DEADLINE / 2, "it took {:?}", began.elapsed());
}

#[test]
fn a_new_request_subscribes_anew_where_that_is_allowed() {
    let daemon = TestDaemon::with(|config| config.allow_reinit = true);
    let mut publisher = daemon.publisher();
    let subscriber = daemon.subscribe("subscribe=a-b&id=one");
    let mut subscriber = subscriber.again("subscribe=b-c&id=two");
    assert_eq!(header(&subscriber.head, "Transfer-Encoding"), Some("chunked"), "the whole head comes again");
    assert_eq!(publisher.publish("a", "cleared"), 0);
    for topic in ["b", "c"] {
        assert_eq!(publisher.publish(topic, topic), 1);
        assert_eq!(subscriber.data(), topic);
    }
    assert_eq!(publisher.ask(&json!({"cmd": "publish", "topic": "b", "data": "x", "except": "two"}))["matched"], 0);
    assert_eq!(publisher.ask(&json!({"cmd": "publish", "topic": "b", "data": "y", "except": "one"}))["matched"], 1);
    assert_eq!(subscriber.data(), "y");
    let subscriber = subscriber.again("subscribe=a");
    let client = publisher.ask(&json!({"cmd": "clients"}))["clients"][0].take();
    assert_eq!((&client["reinits"], &client["id"], &client["topics"]), (&json!(2), &json!(null), &json!(["a"])));
    let status = publisher.status();
    assert_eq!((status.reinits_total, status.subscribed_total, status.subscribers, status.connections), (2, 3, 1, 1));
    drop(subscriber);
    wait_for("it to be gone", || (publisher.status().connections == 0).then_some(()));
    assert_eq!((publisher.status().subscribers, publisher.publish("a", "x")), (0, 0));
}

#[test]
fn a_new_request_may_come_in_pieces_while_events_go_on() {
    let daemon = TestDaemon::with(|config| config.allow_reinit = true);
    let mut publisher = daemon.publisher();
    let mut subscriber = daemon.subscribe("subscribe=a");
    let request = "GET /sse?subscribe=b HTTP/1.1\r\nHost: x\r\n\r\n";
    for (nth, byte) in request.bytes().enumerate() {
        assert_eq!(publisher.publish("a", &nth.to_string()), 1);
        assert_eq!(subscriber.data(), nth.to_string());
        subscriber.stream().send([byte]);
    }
    let head = subscriber.stream().read_to("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!((publisher.publish("a", "x"), publisher.publish("b", "hi")), (0, 1));
    assert_eq!(subscriber.data(), "hi");
}

#[test]
fn a_request_that_cannot_be_served_changes_nothing_on_a_stream() {
    let daemon = TestDaemon::with(|config| config.allow_reinit = true);
    let mut publisher = daemon.publisher();
    let mut subscriber = daemon.subscribe("subscribe=a");
    for request in [
        "GET /sse HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /other?subscribe=b HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /sse?subscribe=b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        "HEAD /sse?subscribe=b HTTP/1.1\r\nHost: x\r\n\r\n",
        "nonsense\r\n\r\n",
    ] {
        subscriber.stream().send(request);
        assert_eq!(publisher.publish("a", request), 1);
        assert_eq!(subscriber.data(), request.replace("\r\n", "\n"));
    }
    assert_eq!((publisher.status().reinits_total, publisher.status().bad_requests_total), (0, 0));
    let mut subscriber = subscriber.again("subscribe=b");
    assert_eq!((publisher.publish("a", "x"), publisher.publish("b", "hi")), (0, 1));
    assert_eq!(subscriber.data(), "hi");
}

#[test]
fn re_init_is_off_at_first_and_switched_by_command() {
    let daemon = TestDaemon::start();
    let mut publisher = daemon.publisher();
    let mut subscriber = daemon.subscribe("subscribe=a");
    assert_eq!(publisher.ask(&json!({"cmd": "reinit"}))["enabled"], false);
    for on in [false, true, false] {
        assert_eq!(publisher.ask(&json!({"cmd": "reinit", "enabled": on}))["enabled"], on);
        if on {
            subscriber = subscriber.again("subscribe=b").again("subscribe=a");
        } else {
            subscriber.stream().send("GET /sse?subscribe=b HTTP/1.1\r\nHost: x\r\n\r\n");
        }
        assert_eq!((publisher.publish("b", "x"), publisher.publish("a", "still")), (0, 1));
        assert_eq!(subscriber.data(), "still", "no other head came");
        // The answer to a question comes a turn later, when the bytes that are to be ignored have been read.
        assert_eq!(publisher.status().subscribers, 1);
    }
    assert_eq!(publisher.status().reinits_total, 2);
}
