//! The commands that ask about the daemon as a whole, and those that change it.

use std::collections::BTreeSet;
use std::time::UNIX_EPOCH;

use hasses_client::wire::EventId;
use hasses_tests::{Subscriber, TestDaemon, wait_for};
use serde_json::{Value, json};

#[test]
fn ping_answers_the_version_and_that_of_the_protocol() {
    let daemon = TestDaemon::start();
    let answer = daemon.publisher().ask(&json!({"cmd": "ping"}));
    assert_eq!(answer, json!({"ok": true, "version": env!("CARGO_PKG_VERSION"), "protocol": 1}));
}

#[test]
fn status_reports_every_counter_setting_and_limit() {
    let daemon = TestDaemon::with(|config| config.cors.origins = vec!["https://a.example".into()]);
    let _gone = daemon.subscribe("subscribe=gone");
    drop(_gone);
    wait_for("the connection's end", || (daemon.status().connections == 0).then_some(()));
    let mut subscribers = ["subscribe=a-b", "subscribe=a-ro*"].map(|query| daemon.subscribe(query));
    let _silent = daemon.connect();
    wait_for("three connections", || (daemon.status().connections == 3).then_some(()));
    let mut publisher = daemon.publisher();
    publisher.publish("a", "hi");
    publisher.publish("nobody", "hi");
    publisher.refusal("{}");
    let mut classic = daemon.tcp_publisher();
    classic.write(b"a=\xff\nmalformed\nnumberofclients\n");
    subscribers.iter_mut().for_each(|subscriber| assert_eq!(subscriber.data(), "hi"));
    subscribers.iter_mut().for_each(|subscriber| assert_eq!(subscriber.data(), "\u{fffd}"));
    // The connections of the questions above end a moment after their publishers have gone.
    wait_for("the classic text, and two control connections", || {
        let status = publisher.status();
        (status.refused_commands_total == 2 && status.control_connections == 2).then_some(())
    });

    let status = publisher.ask(&json!({"cmd": "status"}));
    for (field, value) in [
        ("ok", json!(true)),
        ("version", json!(env!("CARGO_PKG_VERSION"))),
        ("pid", json!(std::process::id())),
        ("uid", json!(rustix::process::getuid().as_raw())),
        ("tls", json!(false)),
        ("log_level", json!("quiet")),
        ("reinit", json!(false)),
        ("cors_origins", json!(["https://a.example"])),
        ("listen", json!([format!("http://{}/sse", daemon.address())])),
        ("connections", json!(3)),
        ("subscribers", json!(2)),
        ("connections_peak", json!(3)),
        ("topics", json!(3)),
        ("queued_bytes", json!(0)),
        ("control_connections", json!(2)),
        ("subscribed_total", json!(3)),
        ("reinits_total", json!(0)),
        ("messages_total", json!(3)),
        ("deliveries_total", json!(4)),
        ("unmatched_total", json!(1)),
        ("refused_total", json!(0)),
        ("bad_requests_total", json!(0)),
        ("head_timeouts_total", json!(0)),
        ("slow_disconnects_total", json!(0)),
        ("outrun_total", json!(0)),
        ("stalled_total", json!(0)),
        ("behind", json!(0)),
        ("behind_total", json!(0)),
        ("caught_up_total", json!(0)),
        ("resumed_total", json!(0)),
        ("gaps_total", json!(0)),
        ("resets_total", json!(0)),
        ("replayed_total", json!(0)),
        ("duplicates_total", json!(0)),
        ("not_stored_total", json!(0)),
        ("log_events", json!(3)),
        ("log_evicted_total", json!(0)),
        ("draining", json!(false)),
        ("aged_out_total", json!(0)),
        ("kicked_total", json!(0)),
        ("accept_pauses_total", json!(0)),
        ("refused_commands_total", json!(2)),
        ("repaired_utf8_total", json!(1)),
        ("position", publisher.ask(&json!({"cmd": "position"}))["id"].clone()),
    ] {
        assert_eq!(status[field], value, "{field} in {status}");
    }
    let sources: Vec<_> = status["sources"].as_array().unwrap().iter().map(|source| source.as_str().unwrap()).collect();
    assert_eq!(sources.len(), 4, "{sources:?}");
    assert_eq!(sources[0], format!("tcp://{}", daemon.control_address()));
    assert_eq!(sources[1], format!("unix://{}/control.sock", daemon.folder().display()));
    assert!(status["started_at"].as_str().unwrap().ends_with('Z'), "{status}");
    assert!(status["uptime_seconds"].as_u64().unwrap() < 3600, "{status}");
    assert!(status["shards"].as_u64().unwrap() >= 1, "{status}");
    assert!(!status["compiled"].as_str().unwrap().is_empty(), "{status}");
    limits_are_complete(&status["limits"]);
}

fn limits_are_complete(limits: &Value) {
    let Value::Object(limits) = limits else { panic!("{limits}") };
    let names: BTreeSet<_> = limits.keys().map(String::as_str).collect();
    for name in [
        "max-message",
        "max-head",
        "head-timeout",
        "max-topics",
        "max-subscribers",
        "max-control-connections",
        "retain-bytes",
        "retain-age",
        "retain-events",
        "max-replay",
        "outbox",
        "outbox-total",
        "progress-timeout",
        "drain",
        "send-buffer",
        "in-flight",
        "heartbeat",
        "max-age",
        "retry",
        "quiet-time",
        "quiet-time-remote",
    ] {
        assert!(names.contains(name), "{name} in {names:?}");
    }
    assert_eq!(limits["max-message"], 1 << 20);
    assert!(limits["max-subscribers"].as_u64().is_some_and(|most| most > 0), "what holds, not what was asked for");
}

#[test]
fn count_is_of_all_subscribers_or_of_those_whom_a_topic_reaches() {
    let daemon = TestDaemon::start();
    let _subscribers = ["subscribe=room1", "subscribe=room1-room2", "subscribe=ro*", "subscribe=x"]
        .map(|query| daemon.subscribe(query));
    let _silent = daemon.connect();
    let mut publisher = daemon.publisher();
    assert_eq!(publisher.ask(&json!({"cmd": "count"})), json!({"ok": true, "count": 4}));
    for (topic, count) in [("room1", 3), ("room2", 2), ("room*", 3), ("*", 4), ("x", 1), ("xx", 0), ("x*", 1)] {
        assert_eq!(publisher.ask(&json!({"cmd": "count", "topic": topic}))["count"], count, "{topic}");
    }
}

#[test]
fn disconnect_by_number_ends_that_stream_only_and_properly() {
    let daemon = TestDaemon::start();
    let mut subscribers = [daemon.subscribe("subscribe=t"), daemon.subscribe("subscribe=t")];
    let mut publisher = daemon.publisher();
    let clients = publisher.ask(&json!({"cmd": "clients"}));
    let address = subscribers[0].stream().socket().local_addr().unwrap().to_string();
    let first = clients["clients"].as_array().unwrap().iter().find(|client| client["address"] == address).unwrap();
    publisher.publish("t", "before");
    let disconnect = json!({"cmd": "disconnect", "client": first["client"]});
    assert_eq!(publisher.ask(&disconnect), json!({"ok": true, "disconnected": 1}));
    assert_eq!(publisher.publish("t", "after"), 1);
    assert_eq!(subscribers[0].data(), "before");
    subscribers[0].ends();
    assert_eq!([(); 2].map(|()| subscribers[1].data()), ["before", "after"]);
    assert_eq!(publisher.ask(&disconnect)["disconnected"], 0, "a number is never used twice");
    assert_eq!(publisher.status().kicked_total, 1);
}

#[test]
fn disconnect_by_id_ends_every_stream_of_that_id() {
    let daemon = TestDaemon::start();
    let mut stays = [daemon.subscribe("subscribe=t"), daemon.subscribe("subscribe=t&id=me2")];
    let mut goes = [daemon.subscribe("subscribe=t&id=me"), daemon.subscribe("subscribe=x&id=me")];
    let mut publisher = daemon.publisher();
    assert_eq!(publisher.ask(&json!({"cmd": "disconnect", "id": "me"}))["disconnected"], 2);
    goes.iter_mut().for_each(|subscriber| subscriber.ends());
    assert_eq!(publisher.publish("t", "still here"), 2);
    stays.iter_mut().for_each(|subscriber| assert_eq!(subscriber.data(), "still here"));
    assert_eq!(publisher.ask(&json!({"cmd": "disconnect", "id": "nobody"}))["disconnected"], 0);
}

#[test]
fn the_log_level_is_asked_for_and_set() {
    let daemon = TestDaemon::start();
    let mut publisher = daemon.publisher();
    assert_eq!(publisher.ask(&json!({"cmd": "log-level"})), json!({"ok": true, "level": "quiet"}));
    for level in ["normal", "debug", "quiet"] {
        let set = publisher.ask(&json!({"cmd": "log-level", "level": level}));
        assert_eq!(set, json!({"ok": true, "level": level}));
        assert_eq!(daemon.publisher().ask(&json!({"cmd": "log-level"}))["level"], level);
        assert_eq!(publisher.ask(&json!({"cmd": "status"}))["log_level"], level);
    }
}

#[test]
fn reinit_is_asked_for_and_switched_while_running() {
    let daemon = TestDaemon::start();
    let mut publisher = daemon.publisher();
    assert_eq!(publisher.ask(&json!({"cmd": "reinit"})), json!({"ok": true, "enabled": false}));
    assert_eq!(publisher.ask(&json!({"cmd": "reinit", "enabled": true}))["enabled"], true);
    let mut subscriber = daemon.subscribe("subscribe=old").again("subscribe=new");
    assert_eq!((publisher.publish("old", "x"), publisher.publish("new", "y")), (0, 1));
    assert_eq!(subscriber.data(), "y");
    assert_eq!(publisher.ask(&json!({"cmd": "clients"}))["clients"][0]["reinits"], 1);
    assert_eq!(publisher.status().reinits_total, 1);
    assert_eq!(publisher.ask(&json!({"cmd": "reinit", "enabled": false}))["enabled"], false);
    assert_eq!(publisher.ask(&json!({"cmd": "reinit"}))["enabled"], false);
    subscriber.stream().send("GET /sse?subscribe=newer HTTP/1.1\r\nHost: x\r\n\r\n");
    publisher.publish("new", "z");
    assert_eq!(subscriber.data(), "z", "the request is ignored");
    assert_eq!(publisher.publish("newer", "x"), 0);
}

#[test]
fn position_is_the_birth_of_the_log_before_the_first_event_and_then_the_newest_event() {
    let now = || u64::try_from(UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    let before = now();
    let daemon = TestDaemon::start();
    let mut publisher = daemon.publisher();
    let born: EventId = publisher.ask(&json!({"cmd": "position"}))["id"].as_str().unwrap().parse().unwrap();
    assert!((before..=now()).contains(&born.millis) && born.sequence == 0, "{born}");
    assert_eq!(publisher.ask(&json!({"cmd": "position"})), json!({"ok": true, "id": born.to_string()}), "it stays");
    let status = publisher.status();
    assert_eq!((status.position, status.oldest, status.log_events), (born, born, 0));
    assert_eq!(Subscriber::begin(&daemon.address(), "subscribe=a").cursor(), born.to_string());
    let published = publisher.ask(&json!({"cmd": "publish", "topic": "nobody", "data": 1}));
    let first: EventId = published["id"].as_str().unwrap().parse().unwrap();
    assert!(first > born, "{first} does not follow {born}");
    assert_eq!(publisher.ask(&json!({"cmd": "position"})), json!({"ok": true, "id": published["id"]}));
    let status = publisher.status();
    assert_eq!((status.position, status.oldest, status.log_events), (first, first, 1));
    assert_eq!(Subscriber::begin(&daemon.address(), "subscribe=a").cursor(), first.to_string());
}
