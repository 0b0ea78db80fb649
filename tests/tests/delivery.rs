//! From a publish to everybody whom it reaches, and to nobody else: content, order, matching, exclusion, slow consumers.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::thread;
use std::time::Duration;

use hasses::config::Limits;
use hasses_client::wire::EventId;
use hasses_tests::{Event, Stream, Subscriber, TestDaemon, Way, wait_for};
use serde_json::{Value, json};

#[test]
fn data_arrives_as_it_was_given_with_one_field_for_each_line() {
    let daemon = TestDaemon::with(|config| config.limits.heartbeat = Duration::from_secs(600));
    let mut publisher = daemon.publisher();
    let mut subscriber = daemon.subscribe("subscribe=a");
    for (data, lines) in [
        ("hi", &["hi"][..]),
        ("", &[""]),
        (" leading and trailing ", &[" leading and trailing "]),
        (": no comment", &[": no comment"]),
        ("a\nb", &["a", "b"]),
        ("a\rb", &["a", "b"]),
        ("a\r\nb", &["a", "b"]),
        ("a\n\rb", &["a", "", "b"]),
        ("a\n\nb", &["a", "", "b"]),
        ("\n", &["", ""]),
        ("a\r", &["a", ""]),
        (
            "über Öl, 漢字, 🎉👩‍👩‍👧, \u{feff}\u{2028}\u{85}\0\u{7f}",
            &["über Öl, 漢字, 🎉👩‍👩‍👧, \u{feff}\u{2028}\u{85}\0\u{7f}"],
        ),
        ("x\rid: 1\revent: forged\rretry: 1\r\rdata: y", &["x", "id: 1", "event: forged", "retry: 1", "", "data: y"]),
        ("x\r\n\r\n0\r\n\r\n", &["x", "", "0", "", ""]),
    ] {
        let answer = publisher.ask(&json!({"cmd": "publish", "topic": "a", "data": data}));
        let id = answer["id"].as_str().unwrap_or_else(|| panic!("{answer}"));
        let expected: String = lines.iter().map(|line| format!("data: {line}\n")).collect();
        assert_eq!(subscriber.chunk(), Some(format!("id: {id}\n{expected}\n")), "{data:?}");
    }
    // Any other JSON value is sent as its compact text.
    publisher.ask(&json!({"cmd": "publish", "topic": "a", "data": {"x": [1, null, "ü\n"]}}));
    assert_eq!(subscriber.data(), r#"{"x":[1,null,"ü\n"]}"#);
}

#[test]
fn a_message_of_a_mebibyte_arrives_whole_as_one_chunk() {
    let daemon = TestDaemon::start();
    let mut publisher = daemon.publisher();
    let mut subscriber = daemon.subscribe("subscribe=a");
    // Some of it goes to the command around the data.
    let room = Limits::default().max_message - 200;
    let many_lines = "über\r\n".repeat(room / 9);
    for data in ["x".repeat(room), "ü".repeat(room / 2), many_lines] {
        assert_eq!(publisher.publish("a", &data), 1);
        assert!(subscriber.data() == data.replace("\r\n", "\n"), "{} bytes arrived otherwise", data.len());
    }
}

#[test]
fn event_and_retry_come_as_fields_in_their_order() {
    let daemon = TestDaemon::start();
    let mut publisher = daemon.publisher();
    let mut subscriber = daemon.subscribe("subscribe=a");
    for (fields, lines) in [
        (json!({"event": "tick"}), "event: tick\n"),
        (json!({"event": "über: x", "retry": 2500}), "event: über: x\nretry: 2500\n"),
        (json!({"retry": 0}), "retry: 0\n"),
        (json!({}), ""),
    ] {
        let mut command = json!({"cmd": "publish", "topic": "a", "data": "x"});
        command.as_object_mut().expect("an object").extend(fields.as_object().cloned().expect("an object"));
        let answer = publisher.ask(&command);
        let id = answer["id"].as_str().unwrap_or_else(|| panic!("{answer}"));
        assert_eq!(subscriber.chunk(), Some(format!("id: {id}\n{lines}data: x\n\n")));
    }
}

#[test]
fn nothing_but_data_can_hold_a_line_end() {
    let daemon = TestDaemon::start();
    let mut publisher = daemon.publisher();
    let mut everything = daemon.subscribe("subscribe=*");
    for end in ["\r", "\n", "\r\n", "\0", "\u{85}"] {
        let forged = format!("a{end}data: forged{end}{end}");
        for (field, code) in
            [("topic", "bad_topic"), ("event", "bad_field"), ("except", "bad_field"), ("key", "bad_field")]
        {
            let mut command = json!({"cmd": "publish", "topic": "a", "data": "x"});
            command[field] = forged.as_str().into();
            let answer = publisher.ask(&command);
            assert_eq!((&answer["ok"], &answer["code"]), (&json!(false), &json!(code)), "{command}");
        }
        let answer =
            publisher.ask(&json!({"cmd": "publish", "topic": "a", "data": "x", "retry": format!("1{end}id: 9")}));
        assert_eq!(answer["code"], "bad_field", "{answer}");
        let answer = publisher.ask(&json!({"cmd": "publish", "topics": ["a", forged], "data": "x"}));
        assert_eq!(answer["code"], "bad_topic", "{answer}");
    }
    // In classic text a CR or NUL may stand in a topic or an exclusion only by malice.
    for way in Way::ALL {
        way.open(&daemon).write_all(b"a\rdata: forged=x;a\0b=x;a-me\rdata: forged=x;").expect("it is taken");
    }
    wait_for("the classic messages to be refused", || (publisher.status().refused_commands_total == 39).then_some(()));
    assert_eq!(publisher.publish("a", "genuine"), 1);
    assert_eq!(everything.data(), "genuine", "and nothing before it");
    assert_eq!(publisher.status().messages_total, 1);
}

#[test]
fn a_publish_reaches_those_whose_topics_match_each_once() {
    let daemon = TestDaemon::with(|config| config.shards = 2);
    let mut publisher = daemon.publisher();
    let queries = ["room", "room-lobby", "ro*", "roo*", "room*", "rooms*", "*", "room-ro*-*", "x", "übung", "ü*"];
    let mut subscribers: Vec<_> =
        queries.iter().map(|query| (*query, daemon.subscribe(&format!("subscribe={query}")))).collect();
    let everybody = &queries[..];
    for (topics, reached) in [
        (json!("room"), &["room", "room-lobby", "ro*", "roo*", "room*", "*", "room-ro*-*"][..]),
        (json!("rooms"), &["ro*", "roo*", "room*", "rooms*", "*", "room-ro*-*"]),
        (json!("lobby"), &["room-lobby", "*", "room-ro*-*"]),
        (json!("roo"), &["ro*", "roo*", "*", "room-ro*-*"]),
        (json!("r"), &["*", "room-ro*-*"]),
        (json!("ro*"), &["room", "room-lobby", "ro*", "roo*", "room*", "rooms*", "*", "room-ro*-*"]),
        (json!("rooms*"), &["ro*", "roo*", "room*", "rooms*", "*", "room-ro*-*"]),
        (json!("roomsx*"), &["ro*", "roo*", "room*", "rooms*", "*", "room-ro*-*"]),
        (json!("rp*"), &["*", "room-ro*-*"]),
        (json!("*"), everybody),
        (json!("ü*"), &["*", "room-ro*-*", "übung", "ü*"]),
        (json!("übung"), &["*", "room-ro*-*", "übung", "ü*"]),
        (
            json!(["room", "lobby", "room", "x", "ro*"]),
            &["room", "room-lobby", "ro*", "roo*", "room*", "rooms*", "*", "room-ro*-*", "x"],
        ),
    ] {
        let field = if topics.is_array() { "topics" } else { "topic" };
        let answer = publisher.ask(&json!({"cmd": "publish", field: topics, "data": topics.to_string()}));
        assert_eq!(answer["matched"], reached.len(), "{topics}: {answer}");
        for (query, subscriber) in &mut subscribers {
            if reached.contains(query) {
                let event = subscriber.event();
                // Whoever got it twice, or wrongly, would see that at the next.
                assert_eq!((&event.data, &json!(event.id)), (&topics.to_string(), &answer["id"]), "{query}");
            }
        }
    }
    let status = publisher.status();
    assert_eq!(status.messages_total, 13);
    assert_eq!(publisher.publish("nobody", "x"), 2, "only those who listen to everything");
    drop(subscribers);
    wait_for("all to be gone", || (publisher.status().subscribers == 0).then_some(()));
    assert_eq!(publisher.publish("room", "x"), 0);
    let status = publisher.status();
    assert_eq!((status.unmatched_total, status.topics), (1, 0));
}

#[test]
fn a_subscriber_is_left_out_by_its_id() {
    let daemon = TestDaemon::with(|config| config.shards = 2);
    let mut publisher = daemon.publisher();
    let query = |id: &str| format!("subscribe=room{id}");
    let mut me = [daemon.subscribe(&query("&id=me")), daemon.subscribe(&query("-x&id=me"))];
    let mut others =
        [daemon.subscribe(&query("")), daemon.subscribe(&query("&id=m")), daemon.subscribe(&query("&id=me2"))];
    for (nth, topic) in ["room", "ro*", "*"].into_iter().enumerate() {
        let data = format!("json {nth}");
        let answer = publisher.ask(&json!({"cmd": "publish", "topic": topic, "data": data, "except": "me"}));
        assert_eq!(answer["matched"], 3, "{answer}");
        others.iter_mut().for_each(|other| assert_eq!(other.data(), data));
    }
    let mut classic = Way::Tcp.open(&daemon);
    for text in ["room-me=classic 0", "ro*-me=classic 1", "*-me=classic 2"] {
        classic.write_all(format!("{text}\n").as_bytes()).expect("it is taken");
        others.iter_mut().for_each(|other| assert_eq!(other.data(), text.split_once('=').expect("a message").1));
    }
    let answer = publisher.ask(&json!({"cmd": "publish", "topic": "room", "data": "x", "except": "nobody"}));
    assert_eq!(answer["matched"], 5);
    assert_eq!(me.each_mut().map(Subscriber::data), ["x", "x"], "and nothing before it");
}

#[test]
fn everybody_sees_one_order_in_which_ids_increase_and_each_publisher_keeps_its_own() {
    const EACH: usize = 400;
    let daemon = TestDaemon::with(|config| config.shards = 2);
    let mut subscribers: Vec<_> = (0..6).map(|_| daemon.subscribe("subscribe=a")).collect();
    let publishers: Vec<_> = (0..3)
        .map(|who| {
            let mut publisher = daemon.publisher();
            thread::spawn(move || {
                for nth in 0..EACH {
                    publisher
                        .send(&json!({"cmd": "publish", "topic": "a", "data": format!("{who} {nth}")}).to_string());
                }
                (0..EACH).for_each(|_| assert_eq!(publisher.answer()["matched"], 6));
            })
        })
        .collect();
    let streams: Vec<Vec<Event>> =
        subscribers.iter_mut().map(|subscriber| (0..3 * EACH).map(|_| subscriber.event()).collect()).collect();
    publishers.into_iter().for_each(|publisher| publisher.join().expect("every publish was acknowledged"));
    for stream in &streams {
        assert!(*stream == streams[0], "two subscribers saw two orders");
    }
    let ids: Vec<EventId> = streams[0].iter().map(|event| event.id.parse().expect("an id")).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "ids increase strictly");
    for who in ["0", "1", "2"] {
        let own: Vec<_> = streams[0].iter().filter_map(|event| event.data.strip_prefix(who)).collect();
        assert_eq!(own, (0..EACH).map(|nth| format!(" {nth}")).collect::<Vec<_>>(), "publisher {who}");
    }
}

#[test]
fn a_subscription_joins_the_order_at_one_point_and_misses_nothing_after_it() {
    const JOINERS: usize = 40;
    let daemon = TestDaemon::with(|config| config.shards = 2);
    let mut publisher = daemon.publisher();
    let (joined, all_joined) = std::sync::mpsc::channel::<()>();
    let publishing = thread::spawn(move || {
        // Goes on until the last one has joined, and a little longer.
        let mut sent = 0;
        loop {
            let last = all_joined.try_recv().is_ok();
            let batch = sent..sent + 10;
            batch
                .clone()
                .for_each(|nth| publisher.send(&json!({"cmd": "publish", "topic": "a", "data": nth}).to_string()));
            sent = batch.end;
            let matched = batch.map(|_| publisher.answer()["matched"].as_u64().expect("a number")).last();
            if last {
                assert_eq!(matched, Some(JOINERS as u64));
                return sent;
            }
        }
    });
    let mut subscribers: Vec<_> = (0..JOINERS).map(|_| daemon.subscribe("subscribe=a&topic=b")).collect();
    joined.send(()).expect("the publisher is there");
    let sent = publishing.join().expect("every publish was acknowledged");
    for subscriber in &mut subscribers {
        let first: u32 = subscriber.data().parse().expect("a number");
        for expected in first + 1..sent {
            assert_eq!(subscriber.data(), expected.to_string());
        }
        assert!(subscriber.is_quiet());
    }
}

#[test]
fn figures_are_those_of_all_shards_together() {
    let daemon = TestDaemon::with(|config| config.shards = 3);
    let mut publisher = daemon.publisher();
    let mut subscribers: Vec<_> =
        (0..7).map(|nth| daemon.subscribe(&format!("subscribe=all-own{nth}-pre*&id=x"))).collect();
    let count = |publisher: &mut hasses_tests::Publisher, topic: &str| {
        publisher.ask(&json!({"cmd": "count", "topic": topic}))["count"].take()
    };
    assert_eq!(count(&mut publisher, "all"), 7);
    assert_eq!(count(&mut publisher, "own3"), 1);
    assert_eq!(count(&mut publisher, "prefixed"), 7);
    assert_eq!(publisher.ask(&json!({"cmd": "count"}))["count"], 7);
    let topics = publisher.ask(&json!({"cmd": "topics"}))["topics"].take();
    let found: BTreeMap<_, _> = topics
        .as_array()
        .into_iter()
        .flatten()
        .map(|topic| (topic["topic"].as_str().unwrap_or_default(), topic["subscribers"].clone()))
        .collect();
    let mut expected: BTreeMap<_, _> = [("all", json!(7)), ("pre*", json!(7))].into();
    let own: Vec<_> = (0..7).map(|nth| format!("own{nth}")).collect();
    expected.extend(own.iter().map(|name| (name.as_str(), json!(1))));
    assert_eq!(found, expected);
    for nth in 0..20 {
        assert_eq!(publisher.publish("all", &nth.to_string()), 7);
        subscribers.iter_mut().for_each(|subscriber| assert_eq!(subscriber.data(), nth.to_string()));
    }
    let status = publisher.status();
    assert_eq!((status.messages_total, status.deliveries_total, status.unmatched_total), (20, 140, 0));
    assert_eq!((status.connections, status.connections_peak, status.subscribers, status.topics), (7, 7, 7, 9));
    let clients = publisher.ask(&json!({"cmd": "clients"}))["clients"].take();
    assert!(clients.as_array().is_some_and(|all| all.iter().all(|client| client["delivered"] == 20)), "{clients}");
    assert_eq!(publisher.ask(&json!({"cmd": "disconnect", "id": "x"}))["disconnected"], 7);
    subscribers.iter_mut().for_each(Subscriber::ends);
    drop(subscribers);
    wait_for("all to be gone", || (publisher.status().connections == 0).then_some(()));
}

#[test]
fn a_full_outbox_disconnects_only_its_subscriber_where_that_is_the_policy() {
    const OUTBOX: usize = 64 * 1024;
    let daemon = TestDaemon::with(|config| {
        config.limits.outbox = OUTBOX;
        config.slow = vec!["a=disconnect".parse().expect("a rule")];
    });
    let mut publisher = daemon.publisher();
    let mut stalled = daemon.subscribe("subscribe=a");
    let mut others = [daemon.subscribe("subscribe=a"), daemon.subscribe("subscribe=*&id=x")];
    let filler = "x".repeat(8_000);
    let mut sent = 0;
    let disconnected_at = wait_for("the stalled one to be disconnected", || {
        let matched = publisher.publish("a", &format!("{sent} {filler}"));
        for other in &mut others {
            assert_eq!(other.data(), format!("{sent} {filler}"));
        }
        sent += 1;
        (matched == 2).then_some(sent - 1)
    });
    assert!(disconnected_at * 8_000 > OUTBOX, "after {disconnected_at} events");
    let status = publisher.status();
    assert_eq!((status.slow_disconnects_total, status.subscribers, status.connections), (1, 2, 2));
    assert_eq!(status.queued_bytes, 0);
    // What had been handed to the system arrives, in order; then the stream breaks off: it has no proper end.
    let text = String::from_utf8(stalled.stream().read_to_close()).expect("text");
    let seen: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("data: ")?.split_once(' ')).collect();
    let whole = seen.iter().take_while(|(_, rest)| rest.len() == filler.len()).count();
    assert!(whole + 1 >= seen.len() && whole < disconnected_at, "{whole} of {disconnected_at} arrived");
    assert!(seen.iter().zip(0..).all(|((number, _), nth)| *number == nth.to_string()));
    assert!(!text.ends_with("0\r\n\r\n"));
    for other in &mut others {
        assert_eq!(publisher.publish("a", "on"), 2);
        assert_eq!(other.data(), "on");
        publisher.publish("a", "on");
        assert!(other.chunk().is_some());
    }
}

#[test]
fn one_event_fits_into_an_outbox_however_large_it_is() {
    let daemon = TestDaemon::with(|config| config.limits.outbox = 4096);
    let mut publisher = daemon.publisher();
    let (mut reading, mut waiting) = (daemon.subscribe("subscribe=a"), daemon.subscribe("subscribe=a"));
    let data = "x".repeat(1_000_000);
    assert_eq!(publisher.publish("a", &data), 2);
    assert!(reading.data() == data);
    assert_eq!(publisher.status().slow_disconnects_total, 0);
    assert!(waiting.data() == data);
    for nth in 0..3 {
        assert_eq!(publisher.publish("a", &data), 2, "{nth}");
        assert!(reading.data() == data && waiting.data() == data, "{nth}");
    }
}

#[test]
fn whoever_is_slow_within_the_outbox_is_not_behind() {
    let daemon = TestDaemon::with(|config| config.limits.outbox = 1024 * 1024);
    let mut publisher = daemon.publisher();
    let mut subscribers = [daemon.subscribe("subscribe=a"), daemon.subscribe("subscribe=a")];
    subscribers.iter_mut().for_each(|subscriber| subscriber.stream().bound_unread(64 * 1024));
    let filler = "x".repeat(6_000);
    for round in 0..3 {
        for nth in 0..130 {
            assert_eq!(publisher.publish("a", &format!("{round} {nth} {filler}")), 2);
        }
        assert!(publisher.status().queued_bytes > 100_000, "more waits than the system holds");
        for subscriber in &mut subscribers {
            (0..130).for_each(|nth| assert_eq!(subscriber.data(), format!("{round} {nth} {filler}")));
        }
        wait_for("the outboxes to be empty", || (publisher.status().queued_bytes == 0).then_some(()));
    }
    let status = publisher.status();
    assert_eq!((status.slow_disconnects_total, status.behind_total, status.deliveries_total), (0, 0, 780));
}

#[test]
fn whoever_reads_from_the_log_misses_nothing_while_all_outboxes_together_are_full() {
    let daemon = TestDaemon::with(|config| {
        config.limits.outbox_total = 64 * 1024;
        config.limits.send_buffer = 16 * 1024;
        config.shards = 1;
    });
    let mut publisher = daemon.publisher();
    let born = publisher.status().position;
    let mut stalled = daemon.connect();
    stalled.bound_unread(4 * 1024);
    stalled.send("GET /sse?subscribe=large HTTP/1.1\r\nHost: x\r\n\r\n");
    let _stalled = stalled.subscribed();
    // One event always fits, and leaves no room for any other.
    assert_eq!(publisher.publish("large", &"x".repeat(500_000)), 1);
    assert!(publisher.status().queued_bytes > 2 * 64 * 1024);
    for nth in 0..200 {
        publisher.publish("a", &nth.to_string());
    }
    let mut resumed = Subscriber::begin(&daemon.address(), &format!("subscribe=a&last-event-id={born}"));
    let mut newest = Subscriber::begin(&daemon.address(), "subscribe=a&replay=150");
    assert_eq!(resumed.any_event().data, r#"{"status":"resumed","replayed":200}"#);
    for (subscriber, first) in [(&mut resumed, 0), (&mut newest, 50)] {
        for nth in first..200 {
            let event = subscriber.any_event();
            assert_eq!((event.event.as_str(), event.data), ("", nth.to_string()));
        }
        assert_eq!(subscriber.cursor(), daemon.status().position.to_string());
    }
}

#[test]
fn a_subscriber_that_leaves_in_the_middle_of_its_events_disturbs_nobody() {
    let daemon = TestDaemon::start();
    let mut publisher = daemon.publisher();
    let mut staying = daemon.subscribe("subscribe=a");
    let filler = "x".repeat(50_000);
    for nth in 0..20 {
        // Some leave with bytes unread, which resets the connection; some with nothing sent yet.
        let leaving: Vec<Subscriber> = (0..3).map(|_| daemon.subscribe("subscribe=a-b-c*")).collect();
        let bare: Stream = daemon.connect();
        assert!(publisher.publish("a", &format!("{nth} {filler}")) >= 4);
        drop((leaving, bare));
        assert_eq!(staying.data(), format!("{nth} {filler}"));
    }
    wait_for("the others to be gone", || {
        let status = publisher.status();
        (status.connections == 1 && status.subscribers == 1 && status.topics == 1).then_some(())
    });
    assert_eq!(publisher.publish("a", "alone"), 1);
    assert_eq!(staying.data(), "alone");
    let clients: Value = publisher.ask(&json!({"cmd": "clients"}));
    assert_eq!(clients["clients"].as_array().map(Vec::len), Some(1));
}
