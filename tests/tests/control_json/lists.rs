//! `clients` and `topics`: what a row says, which rows come, and paging.

use hasses_tests::{Publisher, TestDaemon, wait_for};
use serde_json::{Value, json};

#[test]
fn a_client_is_listed_with_all_that_is_known_of_it() {
    let daemon = TestDaemon::start();
    let mut stream = daemon.connect();
    stream.send("GET /sse?subscribe=room1-ro*&id=me HTTP/1.1\r\nHost: x\r\nUser-Agent: Mozilla/5.0 (X11)\r\n\r\n");
    let mut subscriber = stream.subscribed();
    let mut publisher = daemon.publisher();
    publisher.publish("room1", "hi");
    publisher.publish("*", "hi");
    let clients = publisher.ask(&json!({"cmd": "clients"}));
    let [client] = &clients["clients"].as_array().unwrap()[..] else { panic!("{clients}") };
    assert_eq!((&clients["ok"], &clients["more"]), (&json!(true), &json!(false)));
    let address = subscriber.stream().socket().local_addr().unwrap().to_string();
    for (field, value) in [
        ("client", json!(1)),
        ("address", json!(address)),
        ("id", json!("me")),
        ("agent", json!("Mozilla/5.0 (X11)")),
        ("state", json!("subscribed")),
        ("delivered", json!(2)),
        ("queued_bytes", json!(0)),
        ("reinits", json!(0)),
        ("tls", Value::Null),
    ] {
        assert_eq!(client[field], value, "{field} in {client}");
    }
    let mut topics: Vec<_> = client["topics"].as_array().unwrap().iter().map(|topic| topic.as_str().unwrap()).collect();
    topics.sort_unstable();
    assert_eq!(topics, ["ro*", "room1"]);
    for field in ["connected_seconds", "subscribed_seconds", "descriptor"] {
        assert!(client[field].as_u64().is_some_and(|number| number < 100_000), "{field} in {client}");
    }
}

#[test]
fn a_connection_that_has_not_subscribed_is_listed_with_its_state() {
    let daemon = TestDaemon::start();
    let _new = daemon.connect();
    let mut begun = daemon.connect();
    begun.send("GET /sse?subscribe=t HTT");
    let mut publisher = daemon.publisher();
    let states = wait_for("both states", || {
        let clients = publisher.ask(&json!({"cmd": "clients"}));
        let states: Vec<_> = rows(&clients, "clients").iter().map(|client| client["state"].clone()).collect();
        (states.len() == 2 && states[1] == "head").then_some(states)
    });
    assert_eq!(states, ["new", "head"]);
    begun.send("P/1.1\r\nHost: x\r\n\r\n");
    let _subscribed = begun.subscribed();
    assert_eq!(publisher.ask(&json!({"cmd": "clients"}))["clients"][1]["state"], "subscribed");
}

#[test]
fn clients_are_those_whom_a_topic_reaches_and_come_in_pages() {
    let daemon = TestDaemon::start();
    let _subscribers: Vec<_> = (0..5).map(|nth| daemon.subscribe(&format!("subscribe=room{nth}-all"))).collect();
    let mut publisher = daemon.publisher();
    for (topic, count) in [("all", 5), ("room3", 1), ("room*", 5), ("nobody", 0)] {
        let clients = publisher.ask(&json!({"cmd": "clients", "topic": topic}));
        assert_eq!((rows(&clients, "clients").len(), &clients["more"]), (count, &json!(false)), "{topic}");
    }
    let pages = pages(&mut publisher, &json!({"cmd": "clients", "topic": "all", "limit": 2}), "clients", "client");
    assert_eq!(pages, [vec![json!(1), json!(2)], vec![json!(3), json!(4)], vec![json!(5)]]);
    let five = publisher.ask(&json!({"cmd": "clients", "limit": 5}));
    assert_eq!((rows(&five, "clients").len(), &five["more"]), (5, &json!(false)));
    let behind = publisher.ask(&json!({"cmd": "clients", "after": 1_000_000}));
    assert_eq!(rows(&behind, "clients").len(), 0);
}

#[test]
fn topics_are_listed_in_order_with_their_subscribers_and_come_in_pages() {
    let daemon = TestDaemon::start();
    let _subscribers = ["subscribe=room2-room1", "subscribe=room2-ro*", "subscribe=*", "topic=a-b"]
        .map(|query| daemon.subscribe(query));
    let mut publisher = daemon.publisher();
    let row = |topic: &str, subscribers: u64| json!({"topic": topic, "subscribers": subscribers});
    let all = publisher.ask(&json!({"cmd": "topics"}));
    let expected = json!([row("*", 1), row("a-b", 1), row("ro*", 1), row("room1", 1), row("room2", 2)]);
    assert_eq!(all, json!({"ok": true, "topics": expected, "more": false}));
    let some = publisher.ask(&json!({"cmd": "topics", "prefix": "roo"}));
    assert_eq!(some["topics"], json!([row("room1", 1), row("room2", 2)]));
    let none = publisher.ask(&json!({"cmd": "topics", "prefix": "rooms"}));
    assert_eq!(none, json!({"ok": true, "topics": [], "more": false}));
    let pages = pages(&mut publisher, &json!({"cmd": "topics", "limit": 2}), "topics", "topic");
    assert_eq!(pages, [vec![json!("*"), json!("a-b")], vec![json!("ro*"), json!("room1")], vec![json!("room2")]]);
    let behind = publisher.ask(&json!({"cmd": "topics", "prefix": "ro", "after": "ro*", "limit": 1}));
    assert_eq!(behind, json!({"ok": true, "topics": [row("room1", 1)], "more": true}));
}

#[test]
fn a_page_has_1000_rows_unless_told_otherwise_and_10000_at_most() {
    let daemon = TestDaemon::with(|config| config.limits.max_topics = 1001);
    let names: Vec<_> = (0..1001).map(|nth| format!("t{nth:04}")).collect();
    let _subscriber = daemon.subscribe(&format!("subscribe={}", names.join("-")));
    let mut publisher = daemon.publisher();
    let page = publisher.ask(&json!({"cmd": "topics"}));
    assert_eq!((rows(&page, "topics").len(), &page["more"]), (1000, &json!(true)));
    let page = publisher.ask(&json!({"cmd": "topics", "limit": 10_000}));
    assert_eq!((rows(&page, "topics").len(), &page["more"]), (1001, &json!(false)));
    for cmd in ["topics", "clients"] {
        for limit in [0, 10_001] {
            let (code, error) = publisher.refusal(&json!({"cmd": cmd, "limit": limit}).to_string());
            assert_eq!((code, error), ("bad_field".to_owned(), format!("limit is not from 1 to 10000 ({limit})")));
        }
    }
}

#[test]
fn topics_that_nobody_has_any_more_are_not_listed() {
    let daemon = TestDaemon::start();
    let subscriber = daemon.subscribe("subscribe=gone");
    let mut publisher = daemon.publisher();
    assert_eq!(rows(&publisher.ask(&json!({"cmd": "topics"})), "topics").len(), 1);
    drop(subscriber);
    wait_for("an empty list", || rows(&publisher.ask(&json!({"cmd": "topics"})), "topics").is_empty().then_some(()));
    assert_eq!(publisher.status().topics, 0);
}

/// The key of each row, page after page, as somebody reads on behind the last row.
fn pages(publisher: &mut Publisher, question: &Value, list: &str, key: &str) -> Vec<Vec<Value>> {
    let mut question = question.clone();
    let mut pages = Vec::new();
    loop {
        let page = publisher.ask(&question);
        let keys: Vec<_> = rows(&page, list).iter().map(|row| row[key].clone()).collect();
        if let Some(last) = keys.last() {
            question["after"] = last.clone();
        }
        pages.push(keys);
        if page["more"] != json!(true) {
            return pages;
        }
    }
}

fn rows<'a>(answer: &'a Value, list: &str) -> &'a [Value] {
    answer[list].as_array().unwrap_or_else(|| panic!("no {list} in {answer}"))
}
