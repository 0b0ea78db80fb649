//! `publish` and its fields.

use hasses_client::wire::EventId;
use hasses_tests::{Event, TestDaemon};
use serde_json::json;

#[test]
fn a_publish_answers_with_the_id_of_the_event_and_the_number_of_subscribers_it_matched() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=room624");
    let mut publisher = daemon.publisher();
    let answer = publisher.ask(&json!({"cmd": "publish", "topic": "room624", "data": "hi"}));
    let event = subscriber.event();
    assert_eq!(event.data, "hi");
    assert_eq!(answer, json!({"ok": true, "id": event.id, "matched": 1}));
    let answer = publisher.ask(&json!({"cmd": "publish", "topic": "elsewhere", "data": "hi"}));
    assert_eq!((&answer["ok"], &answer["matched"]), (&json!(true), &json!(0)), "nobody there is no failure");
}

#[test]
fn a_subscriber_of_several_matching_topics_is_counted_and_served_once() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=room1-room2-ro*-*&topic=room1");
    let mut publisher = daemon.publisher();
    for publish in [
        json!({"cmd": "publish", "topic": "room1", "data": "one"}),
        json!({"cmd": "publish", "topics": ["room1", "room2", "room1", "r*", "*"], "data": "several"}),
        json!({"cmd": "publish", "topic": "*", "data": "everybody"}),
    ] {
        assert_eq!(publisher.ask(&publish)["matched"], 1, "{publish}");
        assert_eq!(subscriber.data(), publish["data"]);
    }
    assert_eq!(publisher.publish("room2", "the end"), 1);
    assert_eq!(subscriber.data(), "the end", "nothing came twice");
}

#[test]
fn a_list_of_topics_reaches_the_subscribers_of_each_with_one_event() {
    let daemon = TestDaemon::start();
    let mut subscribers = ["a", "b", "bee", "c"].map(|topic| daemon.subscribe(&format!("subscribe={topic}")));
    let mut publisher = daemon.publisher();
    let answer = publisher.ask(&json!({"cmd": "publish", "topics": ["a", "b*"], "data": "hi"}));
    assert_eq!(answer["matched"], 3);
    for subscriber in &mut subscribers[..3] {
        let event = subscriber.event();
        assert_eq!((event.data.as_str(), event.id.as_str()), ("hi", answer["id"].as_str().unwrap()));
    }
    assert_eq!(publisher.publish("*", "all"), 4);
    assert_eq!(subscribers[3].data(), "all", "no topic of this one was named");
}

#[test]
fn a_pattern_reaches_exact_topics_and_prefixes_that_overlap_it() {
    let daemon = TestDaemon::start();
    let mut subscribers =
        ["room1", "room*", "r*", "*", "r", "x*"].map(|topic| (topic, daemon.subscribe(&format!("subscribe={topic}"))));
    let mut publisher = daemon.publisher();
    assert_eq!(publisher.publish("ro*", "hi"), 4);
    assert_eq!(publisher.publish("room2", "exactly"), 3);
    assert_eq!(publisher.publish("*", "the end"), 6);
    for (topic, subscriber) in &mut subscribers {
        let expected: &[&str] = match *topic {
            "room1" => &["hi", "the end"],
            "room*" | "r*" | "*" => &["hi", "exactly", "the end"],
            _ => &["the end"],
        };
        expected.iter().for_each(|data| assert_eq!(subscriber.data(), *data, "{topic}"));
    }
}

#[test]
fn data_of_every_json_type_is_sent_as_a_string_or_as_its_compact_text() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=t");
    let mut publisher = daemon.publisher();
    for (data, sent) in [
        (r#""hi""#, "hi"),
        (r#""""#, ""),
        (r#"" \u00fc \ud83c\udf89 \"quoted\" \\ \/ \t""#, " ü 🎉 \"quoted\" \\ / \t"),
        (r#""one\ntwo\r\nthree\rfour""#, "one\ntwo\nthree\nfour"),
        ("null", "null"),
        ("true", "true"),
        ("false", "false"),
        ("-0.10e+2", "-0.10e+2"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("[ 1 , 2 , [ ] ]", "[1,2,[]]"),
        (r#"{ "b" : 1, "a" : "x  y \" : z" , "b" : 2 }"#, r#"{"b":1,"a":"x  y \" : z","b":2}"#),
    ] {
        publisher.send(&format!(r#"{{"cmd":"publish","topic":"t","data":{data}}}"#));
        assert_eq!(publisher.answer()["matched"], 1, "{data}");
        assert_eq!(subscriber.data(), sent, "{data}");
    }
}

#[test]
fn event_and_retry_become_fields_of_the_stream() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=t");
    let mut publisher = daemon.publisher();
    let publish = json!({"cmd": "publish", "topic": "t", "data": "x", "event": "tick tock", "retry": 2500});
    let id = publisher.ask(&publish)["id"].as_str().unwrap().to_owned();
    let expected = Event { id, event: "tick tock".into(), data: "x".into(), retry: "2500".into() };
    assert_eq!(subscriber.event(), expected);
    assert_eq!(publisher.ask(&json!({"cmd": "publish", "topic": "t", "data": "x", "retry": 0}))["matched"], 1);
    let event = subscriber.event();
    assert_eq!((event.event.as_str(), event.retry.as_str()), ("", "0"));
}

#[test]
fn except_leaves_out_every_subscriber_of_that_id_and_nobody_else() {
    let daemon = TestDaemon::start();
    let mut others = ["subscribe=t", "subscribe=t&id=you", "subscribe=*&id=m"].map(|query| daemon.subscribe(query));
    let mut left_out = ["subscribe=t&id=me", "subscribe=*&id=me"].map(|query| daemon.subscribe(query));
    let mut publisher = daemon.publisher();
    let publish = json!({"cmd": "publish", "topic": "t", "data": "from me", "except": "me"});
    assert_eq!(publisher.ask(&publish)["matched"], 3);
    assert_eq!(publisher.publish("t", "to all"), 5);
    for subscriber in &mut others {
        assert_eq!((subscriber.data().as_str(), subscriber.data().as_str()), ("from me", "to all"));
    }
    left_out.iter_mut().for_each(|subscriber| assert_eq!(subscriber.data(), "to all"));
}

#[test]
fn a_key_that_was_accepted_is_answered_with_the_first_id_and_nothing_is_sent_again() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=*");
    let mut publisher = daemon.publisher();
    let first = publisher.ask(&json!({"cmd": "publish", "topic": "t", "data": "first", "key": "order-17"}));
    assert_eq!(first, json!({"ok": true, "id": subscriber.event().id, "matched": 1}));
    let duplicate = json!({"ok": true, "id": first["id"], "matched": 0, "duplicate": true});
    // From whomever, to whatever topic, and whatever is in it: the key says that it is the same.
    for mut other in [daemon.publisher(), daemon.tcp_publisher()] {
        for (topic, data) in [("t", "first"), ("u", "other")] {
            let publish = json!({"cmd": "publish", "topic": topic, "data": data, "key": "order-17"});
            assert_eq!(other.ask(&publish), duplicate);
        }
    }
    assert_eq!(publisher.ask(&json!({"cmd": "position"}))["id"], first["id"], "no id was given out");
    // Also where both are read, and appended, in one go.
    let keyed = |key: &str| json!({"cmd": "publish", "topic": "t", "data": key, "key": key}).to_string();
    publisher.write([keyed("a"), keyed("b"), keyed("a"), keyed("A")].join("\n") + "\n");
    let answers = [(); 4].map(|()| publisher.answer());
    assert_eq!(answers[2], json!({"ok": true, "id": answers[0]["id"], "matched": 0, "duplicate": true}));
    assert_eq!([(); 3].map(|()| subscriber.data()), ["a", "b", "A"]);
    publisher.publish("t", "next");
    assert_eq!(subscriber.data(), "next");
    let status = publisher.status();
    assert_eq!((status.messages_total, status.duplicates_total, status.log_events), (5, 5, 5));
}

#[test]
fn a_topic_may_have_255_bytes_and_what_classic_text_cannot_name() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=*");
    let mut publisher = daemon.publisher();
    let longest = "ü".repeat(127) + "x";
    let longest_prefix = format!("{}*", "x".repeat(255));
    for topic in [&longest, &longest_prefix, "a-b=c;d", " ", "{\"cmd\":1}", "übung/🎉", "a?b&c"] {
        assert_eq!(publisher.publish(topic, "x"), 1, "{topic}");
        assert_eq!(subscriber.data(), "x");
    }
}

#[test]
fn a_message_just_below_the_limit_arrives_whole() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=t");
    // The limit is one of the whole line.
    let data = "0123456789abcde\n".repeat(1 << 15) + &"x".repeat((1 << 19) - (1 << 15) - 100);
    let line = json!({"cmd": "publish", "topic": "t", "data": data}).to_string();
    assert!(line.len() < 1 << 20 && line.len() > (1 << 20) - 200, "{}", line.len());
    let mut publisher = daemon.publisher();
    publisher.send(&line);
    assert_eq!(publisher.answer()["matched"], 1);
    assert!(subscriber.data() == data, "{} bytes came changed", data.len());
}

#[test]
fn ids_increase_strictly_over_all_connections_and_position_names_the_newest() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=t");
    let mut publishers = [daemon.publisher(), daemon.tcp_publisher(), daemon.publisher()];
    let mut newest = EventId::default();
    for nth in 0..300 {
        let publisher = &mut publishers[nth % 3];
        let answer = publisher.ask(&json!({"cmd": "publish", "topic": "t", "data": nth}));
        let id: EventId = answer["id"].as_str().unwrap().parse().unwrap();
        assert!(id > newest, "{id} does not follow {newest}");
        newest = id;
        let event = subscriber.event();
        assert_eq!((event.id, event.data), (id.to_string(), nth.to_string()));
        assert_eq!(
            publishers[(nth + 1) % 3].ask(&json!({"cmd": "position"})),
            json!({"ok": true, "id": id.to_string()})
        );
    }
}
