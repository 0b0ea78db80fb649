//! A stream of commands: its form, its order, its end, and what becomes of publishers that are many or that do not read.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write as _};
use std::os::unix::net::UnixStream;
use std::thread;

use hasses_client::wire::EventId;
use hasses_tests::{Publisher, TestDaemon};
use serde_json::{Value, json};

#[test]
fn ten_thousand_commands_are_sent_before_an_answer_is_read_and_all_answers_come_in_order() {
    const COMMANDS: usize = 10_000;
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=t");
    for mut publisher in [daemon.publisher(), daemon.tcp_publisher()] {
        let mut writer = publisher.second_handle();
        let writing = thread::spawn(move || {
            for nth in 0..COMMANDS {
                match nth % 4 {
                    0 => writer.send(&format!(r#"{{"cmd":"publish","topic":"t","data":"{nth}"}}"#)),
                    1 => writer.send(r#"{"cmd":"position"}"#),
                    2 => writer.send(&format!(r#"{{"cmd":"no-{nth}"}}"#)),
                    _ => writer.send(r#"{"cmd":"count","topic":"t"}"#),
                }
            }
        });
        let mut newest = EventId::default();
        for nth in 0..COMMANDS {
            let answer = publisher.answer();
            match nth % 4 {
                0 => {
                    let id = answer["id"].as_str().unwrap().parse().unwrap();
                    assert!(id > newest, "{id} does not follow {newest}");
                    newest = id;
                }
                1 => assert_eq!(answer["id"], newest.to_string(), "{nth}"),
                2 => assert!(answer["error"].as_str().unwrap().contains(&format!("\"no-{nth}\"")), "{nth}: {answer}"),
                _ => assert_eq!(answer["count"], 1, "{nth}"),
            }
        }
        writing.join().unwrap();
        (0..COMMANDS).step_by(4).for_each(|nth| assert_eq!(subscriber.data(), nth.to_string()));
    }
}

#[test]
fn a_half_closed_connection_still_gets_every_answer() {
    let daemon = TestDaemon::start();
    for mut publisher in [daemon.publisher(), daemon.tcp_publisher()] {
        let many = r#"{"cmd":"ping"}"#.to_owned() + "\n";
        // The last line has no line end but the end of the stream.
        publisher.write(many.repeat(500) + r#"{"cmd":"publish","topic":"t","data":"last"}"#);
        publisher.finish();
        let answers = publisher.rest();
        let answers: Vec<Value> = answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(answers.len(), 501);
        assert!(answers[..500].iter().all(|answer| answer["protocol"] == 1));
        assert_eq!(answers[500]["matched"], 0);
    }
}

#[test]
fn crlf_is_accepted_as_a_line_end() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=t");
    let mut publisher = daemon.tcp_publisher();
    publisher.write("{\"cmd\":\"publish\",\"topic\":\"t\",\"data\":\"x\"}\r\n{\"cmd\":\"ping\"}\r\n");
    assert_eq!(publisher.answer()["matched"], 1);
    assert_eq!(
        publisher.line(),
        format!("{{\"ok\":true,\"version\":\"{}\",\"protocol\":1}}\n", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(subscriber.data(), "x");
}

#[test]
fn a_line_may_come_in_any_pieces() {
    let daemon = TestDaemon::start();
    let mut publisher = daemon.tcp_publisher();
    for byte in b"{\"cmd\":\"ping\"}\n" {
        publisher.write([*byte]);
    }
    assert_eq!(publisher.answer()["protocol"], 1);
}

#[test]
fn a_connection_that_began_as_classic_text_never_runs_json() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=*");
    for first in ["a=first\n", "a=first;", "\n", " ", "tcpnumberofclients\n", "x"] {
        let mut publisher = daemon.tcp_publisher();
        publisher
            .write(format!("{first}{{\"cmd\":\"publish\",\"topic\":\"*\",\"data\":\"evil\"}}\n{{\"cmd\":\"ping\"}}\n"));
        publisher.finish();
        let answers = publisher.rest();
        assert!(!answers.contains("\"ok\""), "{first:?}: {answers}");
        if first.starts_with("a=") {
            assert_eq!(subscriber.data(), "first");
        }
    }
    daemon.publisher().publish("*", "next");
    assert_eq!(subscriber.data(), "next", "the JSON lines were no publishes");
}

#[test]
fn a_connection_that_began_as_json_never_runs_classic_text() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=*");
    let mut publisher = daemon.publisher();
    assert_eq!(publisher.ask(&json!({"cmd": "ping"}))["ok"], true);
    for line in ["a=evil", "*=evil;a=evil", "reinit_enable", "tcpstatus"] {
        assert_eq!(publisher.refusal(line).0, "bad_json", "{line}");
    }
    // Nor does it where the JSON that it began with was malformed.
    let mut malformed = daemon.publisher();
    assert_eq!(malformed.refusal("{a=evil;b=evil").0, "bad_json");
    assert_eq!(malformed.refusal("a=evil").0, "bad_json");
    publisher.publish("t", "next");
    assert_eq!(subscriber.data(), "next");
    assert_eq!(publisher.ask(&json!({"cmd": "reinit"}))["enabled"], false);
}

#[test]
fn publishes_of_one_connection_keep_their_order_for_every_subscriber() {
    const EACH: usize = 500;
    let daemon = TestDaemon::with(|config| config.shards = 2);
    let mut subscribers = ["subscribe=a-b-c-d", "subscribe=*", "subscribe=d-c"].map(|query| daemon.subscribe(query));
    let publishers = ["a", "b", "c", "d"].map(|topic| {
        let (mut publisher, mut writer) = match topic {
            "a" | "b" => (daemon.publisher(), daemon.publisher()),
            _ => (daemon.tcp_publisher(), daemon.tcp_publisher()),
        };
        thread::spawn(move || {
            for nth in 0..EACH {
                publisher
                    .send(&json!({"cmd": "publish", "topic": topic, "data": format!("{topic} {nth}")}).to_string());
                // Another connection's publishes come between.
                writer.send(r#"{"cmd":"publish","topic":"nobody","data":"x"}"#);
            }
            (0..EACH).for_each(|_| assert!(publisher.answer()["matched"].as_u64().unwrap() > 0));
        })
    });
    for (subscriber, topics) in subscribers.iter_mut().zip([4, 4, 2]) {
        let mut next = BTreeMap::<String, usize>::new();
        let mut newest = EventId::default();
        for _ in 0..topics * EACH {
            let event = loop {
                let event = subscriber.event();
                if event.data != "x" {
                    break event;
                }
            };
            let (topic, number) = event.data.split_once(' ').unwrap();
            let expected = next.entry(topic.to_owned()).or_default();
            assert_eq!(number, expected.to_string(), "{topic}");
            *expected += 1;
            let id = event.id.parse().unwrap();
            assert!(id > newest, "{id} does not follow {newest}");
            newest = id;
        }
    }
    publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
}

#[test]
fn a_publisher_that_never_reads_its_answers_is_held_back_and_harms_nobody() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=t");
    let mut other = daemon.publisher();
    let mut greedy = UnixStream::connect(daemon.folder().join("control.sock")).unwrap();
    greedy.set_nonblocking(true).unwrap();
    let line = b"{\"cmd\":\"status\"}\n";
    let (mut sent, mut refused) = (0, 0);
    // Held back means: nothing more is taken from it, while the daemon has all the time to serve somebody else.
    while refused < 50 {
        match greedy.write(&line.repeat(100)) {
            Ok(written) => {
                sent += written;
                refused = 0;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                refused += 1;
                assert_eq!(other.publish("t", &refused.to_string()), 1);
                assert_eq!(subscriber.data(), refused.to_string());
            }
            Err(error) => panic!("{error}"),
        }
        assert!(sent < 64 << 20, "{sent} bytes were taken from somebody who reads nothing");
    }
    // Once it reads, it gets an answer for each line that was taken.
    greedy.set_nonblocking(false).unwrap();
    let lines = sent / line.len();
    let mut greedy = Publisher::from(greedy);
    greedy.finish();
    let answers = greedy.rest();
    let complete = answers.lines().filter(|answer| answer.starts_with("{\"ok\":true,")).count();
    assert_eq!(complete, lines);
}

#[test]
fn three_hundred_connections_wait_for_their_turn_at_a_small_limit_and_nothing_is_lost() {
    const CONNECTIONS: usize = 300;
    let daemon = TestDaemon::with(|config| config.limits.max_control_connections = 8);
    let mut subscriber = daemon.subscribe("subscribe=t");
    let mut publishers: Vec<_> = (0..CONNECTIONS).map(|_| daemon.tcp_publisher()).collect();
    for (nth, publisher) in publishers.iter_mut().enumerate() {
        publisher.send(&json!({"cmd": "publish", "topic": "t", "data": nth}).to_string());
    }
    // In the order in which they connected: each gives its place to the next when it has its answer.
    for (nth, mut publisher) in publishers.into_iter().enumerate() {
        assert_eq!(publisher.answer()["matched"], 1, "{nth}");
    }
    let mut numbers: Vec<usize> = (0..CONNECTIONS).map(|_| subscriber.data().parse().unwrap()).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..CONNECTIONS), "each came once");

    // Publishers that write and close at once need nobody to wait for them.
    for nth in 0..CONNECTIONS {
        daemon.tcp_publisher().write(format!("t={nth}"));
    }
    let mut numbers: Vec<usize> = (0..CONNECTIONS).map(|_| subscriber.data().parse().unwrap()).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..CONNECTIONS), "each came once");
}

#[test]
fn a_limit_of_one_control_connection_serves_every_source_in_turn() {
    let daemon = TestDaemon::with(|config| config.limits.max_control_connections = 1);
    for _ in 0..3 {
        assert_eq!(daemon.tcp_publisher().ask(&json!({"cmd": "ping"}))["ok"], true);
        assert_eq!(daemon.publisher().ask(&json!({"cmd": "ping"}))["ok"], true);
    }
}

#[test]
fn control_connections_up_to_the_limit_are_served_at_one_time() {
    const LIMIT: usize = 4;
    let daemon = TestDaemon::with(|config| config.limits.max_control_connections = LIMIT);
    let mut publishers: Vec<_> = (0..LIMIT).map(|_| daemon.publisher()).collect();
    for publisher in &mut publishers {
        assert_eq!(publisher.ask(&json!({"cmd": "ping"}))["ok"], true);
    }
    assert_eq!(publishers[0].status().control_connections, LIMIT as u64);
    // One more waits until one of them goes.
    let mut waiting = daemon.publisher();
    waiting.send(r#"{"cmd":"ping"}"#);
    assert_eq!(publishers[0].status().control_connections, LIMIT as u64);
    drop(publishers.pop());
    assert_eq!(waiting.answer()["ok"], true);
}

#[test]
fn publishers_over_tcp_leave_places_for_the_unix_socket() {
    let daemon = TestDaemon::with(|config| config.limits.max_control_connections = 8);
    let mut publishers: Vec<_> = (0..8).map(|_| daemon.tcp_publisher()).collect();
    let (served, waiting) = publishers.split_at_mut(6);
    for publisher in served {
        assert_eq!(publisher.ask(&json!({"cmd": "ping"}))["ok"], true);
    }
    waiting.iter_mut().for_each(|publisher| publisher.send(r#"{"cmd":"ping"}"#));
    // Asked over the Unix socket, which has a place, although more wait than there are.
    assert_eq!(daemon.status().control_connections, 7);
    publishers.truncate(6);
    drop(publishers.drain(..2));
    assert_eq!(daemon.tcp_publisher().ask(&json!({"cmd": "ping"}))["ok"], true);
}

#[test]
fn a_json_publisher_that_vanishes_midway_leaves_whole_lines_only() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=t");
    let mut publisher = daemon.tcp_publisher();
    publisher
        .write("{\"cmd\":\"publish\",\"topic\":\"t\",\"data\":\"whole\"}\n{\"cmd\":\"publish\",\"topic\":\"t\",\"da");
    drop(publisher);
    assert_eq!(subscriber.data(), "whole");
    daemon.publisher().publish("t", "next");
    assert_eq!(subscriber.data(), "next");
}
