//! The commands that answer their sender.

use hasses_tests::{Publisher, TestDaemon};
use serde_json::{Value, json};

/// Both kinds of connection answer alike.
fn connections(daemon: &TestDaemon) -> [Publisher; 2] {
    [daemon.tcp_publisher(), daemon.publisher()]
}

#[test]
fn tcpstatus_answers_exactly_the_classic_fields() {
    let daemon = TestDaemon::start();
    let mut subscribers = ["subscribe=a", "subscribe=b"].map(|query| daemon.subscribe(query));
    daemon.publisher().publish("*", "hi");
    subscribers.iter_mut().for_each(|subscriber| assert_eq!(subscriber.data(), "hi"));
    for mut publisher in connections(&daemon) {
        publisher.write("tcpstatus\n");
        let line = publisher.line();
        let answer: Value = serde_json::from_str(&line).unwrap();
        let runningtime = answer["runningtime"].as_str().unwrap();
        let digits: String = runningtime.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
        assert_eq!(digits, "99:99:99");
        let expected = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "runningtime": runningtime,
            "mode": "unencrypted (http)",
            "loglevel": 0,
            "allconncli": 2,
            "sseconncli": 2,
            "maxconncli": 2,
            "msgproccnt": 1,
            "msgsendcnt": 2,
        });
        assert_eq!(answer, expected);
        let order =
            ["version", "runningtime", "mode", "loglevel", "allconncli", "sseconncli", "maxconncli", "msgproccnt"];
        let places = order.map(|field| line.find(&format!("\"{field}\"")).unwrap());
        assert!(places.is_sorted(), "the fields come in classic's order: {line}");
    }
}

#[test]
fn tcpnumberofclients_counts_open_connections() {
    let daemon = TestDaemon::start();
    let _subscribers = ["subscribe=a", "subscribe=b"].map(|query| daemon.subscribe(query));
    for mut publisher in connections(&daemon) {
        publisher.write("tcpnumberofclients\n");
        assert_eq!(publisher.line(), "{\"numberofclients\": 2}\n");
    }
}

#[test]
fn tcpsubscribedclients_counts_those_of_exactly_that_name() {
    let daemon = TestDaemon::start();
    let _subscribers = ["subscribe=room", "subscribe=room-room", "subscribe=ro*", "subscribe=*", "topic=a-b"]
        .map(|query| daemon.subscribe(query));
    for mut publisher in connections(&daemon) {
        for (token, count) in [("room", 2), ("ro*", 1), ("*", 1), ("roo", 0), ("a-b", 1), ("nobody", 0)] {
            publisher.write(format!("tcpsubscribedclients:{token}\n"));
            assert_eq!(
                publisher.line(),
                format!("{{\"subscribedclients\": {count}, \"subscribedfor\": \"{token}\"}}\n")
            );
        }
    }
}

#[test]
fn a_token_is_escaped_in_the_answer() {
    let daemon = TestDaemon::start();
    let _subscriber = daemon.subscribe("topic=a%22b%5Cc");
    let mut publisher = daemon.tcp_publisher();
    publisher.write("tcpsubscribedclients:a\"b\\c\n");
    let line = publisher.line();
    assert_eq!(line, "{\"subscribedclients\": 1, \"subscribedfor\": \"a\\\"b\\\\c\"}\n");
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["subscribedfor"], "a\"b\\c");
}

#[test]
fn a_bad_token_is_refused_and_the_next_command_is_answered() {
    let daemon = TestDaemon::start();
    let mut publisher = daemon.tcp_publisher();
    publisher.write(format!("tcpsubscribedclients:{}\ntcpsubscribedclients:a*b;tcpnumberofclients\n", "x".repeat(256)));
    assert_eq!(publisher.line(), "{\"numberofclients\": 0}\n");
    assert_eq!(daemon.status().refused_commands_total, 2);
}

#[test]
fn answers_come_in_order_and_see_the_messages_before_them() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=a");
    let mut publisher = daemon.tcp_publisher();
    publisher.write("tcpnumberofclients;a=1;a=2\ntcpstatus\ntcpsubscribedclients:a;status;a=3;tcpstatus\n");
    assert_eq!(publisher.line(), "{\"numberofclients\": 1}\n");
    assert_eq!((&publisher.answer()["msgproccnt"], &json!(2)), (&json!(2), &json!(2)));
    assert_eq!(publisher.line(), "{\"subscribedclients\": 1, \"subscribedfor\": \"a\"}\n");
    let last = publisher.answer();
    assert_eq!((&last["msgproccnt"], &last["msgsendcnt"]), (&json!(3), &json!(3)));
    assert_eq!([(); 3].map(|()| subscriber.data()), ["1", "2", "3"]);
}

#[test]
fn a_publisher_that_closes_its_side_still_gets_its_answer() {
    let daemon = TestDaemon::start();
    for mut publisher in connections(&daemon) {
        publisher.write("tcpnumberofclients");
        publisher.finish();
        assert_eq!(publisher.rest(), "{\"numberofclients\": 0}\n");
    }
}

#[test]
fn commands_that_report_to_the_log_answer_nothing() {
    let daemon = TestDaemon::start();
    for mut publisher in connections(&daemon) {
        publisher
            .write("status\nclientlist\nnumberofclients\nsubscribedclients:a\nloglevel_quiet\nreinit_disable\na=1\n");
        publisher.finish();
        assert_eq!(publisher.rest(), "");
    }
}
