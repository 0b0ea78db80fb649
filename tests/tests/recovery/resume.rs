//! Coming back: exactly what was missed, whatever was subscribed to.
//!
//! The reference is a subscriber with the same query that never left.

use std::collections::HashMap;

use hasses_tests::{Event, Publisher, Subscriber, TestDaemon};
use serde_json::{Value, json};

use crate::{Dice, Flood, come_back, cursor, publish, publish_by, replay, resumed, verdict};

/// What subscribers ask for: one topic and several, prefixes that overlap and that do not, everything, and with an id.
const QUERIES: [&str; 14] = [
    "subscribe=room",
    "subscribe=room-lobby",
    "subscribe=room-lobby-attic-roof&topic=nobody",
    "subscribe=ro*",
    "subscribe=room*",
    "subscribe=rooms*",
    "subscribe=x*",
    "subscribe=ro*-room*-room",
    "subscribe=lobby-ro*",
    "subscribe=*",
    "subscribe=room-*",
    "subscribe=nobody",
    "subscribe=room-lobby&id=me",
    "subscribe=*&id=me",
];

/// What is published, over and over.
fn commands() -> Vec<Value> {
    let topics = [
        json!("room"),
        json!("lobby"),
        json!("rooms/1"),
        json!("roof"),
        json!("room*"),
        json!("ro*"),
        json!("r*"),
        json!("*"),
        json!("attic"),
        json!("xylophone"),
        json!(["room", "lobby"]),
        json!(["room", "room", "ro*", "attic"]),
        json!(["lobby", "x*"]),
    ];
    let with_field = |topics: &Value| match topics {
        Value::Array(_) => json!({"cmd": "publish", "topics": topics}),
        _ => json!({"cmd": "publish", "topic": topics}),
    };
    let all = topics.iter().map(with_field);
    let some = topics.iter().step_by(3).map(with_field).map(|mut command| {
        command["except"] = json!("me");
        command
    });
    all.chain(some).collect()
}

/// Publishes so many of the commands at random; gives the ids.
fn publish_some(publisher: &mut Publisher, dice: &mut Dice, count: usize) -> Vec<String> {
    let commands = commands();
    let each = (0..count).map(|nth| {
        let mut command = commands[dice.roll(commands.len())].clone();
        command["data"] = json!(format!("{nth}\n{}", command["topic"]));
        if nth % 5 == 0 {
            command["event"] = json!("fifth");
        }
        publish_by(publisher, &command)
    });
    each.collect()
}

/// Everything that each of the queries gets, from subscribers that are there all the time.
fn references(daemon: &TestDaemon, publish: impl FnOnce()) -> HashMap<&'static str, Vec<Event>> {
    let mut references = QUERIES.map(|query| (query, daemon.subscribe(query)));
    // The last event of all tells that there is no other.
    publish();
    let end = publish_by(&mut daemon.publisher(), &json!({"cmd": "publish", "topic": "*", "data": "end"}));
    let all = references.iter_mut().map(|(query, subscriber)| (*query, up_to(subscriber, &end)));
    all.collect()
}

fn up_to(subscriber: &mut Subscriber, end: &str) -> Vec<Event> {
    let mut events = Vec::new();
    while events.last().is_none_or(|event: &Event| event.id != end) {
        events.push(subscriber.event());
    }
    events
}

/// Comes back with this id, and asserts that it is sent what the reference had behind it.
fn assert_resumes(daemon: &TestDaemon, query: &str, id: &str, reference: &[Event], behind: usize) {
    let missed = &reference[behind..];
    let mut subscriber = come_back(daemon, query, id);
    let what = format!("{query} from {id}");
    assert_eq!(verdict(&mut subscriber), resumed(missed.len()), "{what}");
    missed.iter().for_each(|event| assert_eq!(subscriber.any_event(), *event, "{what}"));
    assert_eq!(cursor(&mut subscriber), reference.last().expect("the end").id, "{what}");
}

fn assert_everybody_resumes_exactly(shards: usize, events: usize) {
    let daemon = TestDaemon::with(|config| config.shards = shards);
    let mut ids = Vec::new();
    let references = references(&daemon, || {
        ids = publish_some(&mut daemon.publisher(), &mut Dice(shards as u64), events);
    });
    let order: HashMap<&str, usize> = ids.iter().enumerate().map(|(nth, id)| (id.as_str(), nth)).collect();
    let nth = |event: &Event| order.get(event.id.as_str()).copied().unwrap_or(usize::MAX);
    for (query, reference) in &references {
        // Any event of the log may be its last: cursors name those of other topics.
        for (at, id) in ids.iter().enumerate() {
            let behind = reference.partition_point(|event| nth(event) <= at);
            assert_resumes(&daemon, query, id, reference, behind);
        }
    }
    let status = daemon.status();
    assert_eq!(status.resumed_total, (QUERIES.len() * events) as u64);
    assert_eq!((status.gaps_total, status.resets_total, status.behind_total), (0, 0, 0));
}

#[test]
fn from_any_event_on_exactly_the_rest_is_sent_with_one_shard() {
    assert_everybody_resumes_exactly(1, 60);
}

#[test]
fn from_any_event_on_exactly_the_rest_is_sent_with_several_shards() {
    assert_everybody_resumes_exactly(3, 40);
}

#[test]
fn replays_of_many_slices_are_whole_and_in_order() {
    // More than one slice holds in events, and in bytes, and more than one looks at.
    const OWN: usize = 700;
    let daemon = TestDaemon::start();
    let mut publisher = daemon.publisher();
    let first = publish(&mut publisher, "own", "what it has");
    let mut reference = daemon.subscribe("subscribe=own-o*");
    let filler = "x".repeat(500);
    for nth in 0..OWN {
        for other in 0..10 {
            publisher.send(&json!({"cmd": "publish", "topic": format!("other/{other}"), "data": "x"}).to_string());
        }
        publisher.send(&json!({"cmd": "publish", "topic": "own", "data": format!("{nth} {filler}")}).to_string());
        (0..11).for_each(|_| assert_eq!(publisher.answer()["ok"], true));
    }
    let all: Vec<Event> = (0..11 * OWN).map(|_| reference.event()).collect();
    let own: Vec<&Event> = all.iter().filter(|event| event.data != "x").collect();
    for (query, expected) in [
        ("subscribe=own", own.clone()),
        ("subscribe=own*", own.clone()),
        ("subscribe=own-own*-nobody", own),
        ("subscribe=o*", all.iter().collect()),
        ("subscribe=*", all.iter().collect()),
        ("subscribe=own-other*", all.iter().collect()),
    ] {
        let mut subscriber = come_back(&daemon, query, &first);
        assert_eq!(verdict(&mut subscriber), resumed(expected.len()), "{query}");
        expected.iter().for_each(|event| assert_eq!(subscriber.any_event(), **event, "{query}"));
        assert_eq!(cursor(&mut subscriber), all[11 * OWN - 1].id, "{query}");
    }
}

#[test]
fn whoever_missed_nothing_is_told_so() {
    let daemon = TestDaemon::start();
    let mut publisher = daemon.publisher();
    let id = publish(&mut publisher, "a", "one");
    let mut subscriber = come_back(&daemon, "subscribe=a", &id);
    assert_eq!((verdict(&mut subscriber), cursor(&mut subscriber)), (resumed(0), id.clone()));
    // Others' events are none that it missed, and its cursor takes it past them.
    let other = publish(&mut publisher, "b", "x");
    let mut subscriber = come_back(&daemon, "subscribe=a", &id);
    assert_eq!((verdict(&mut subscriber), cursor(&mut subscriber)), (resumed(0), other));
    let live = publish(&mut publisher, "a", "live");
    assert_eq!(subscriber.any_event().id, live);
    let status = publisher.status();
    assert_eq!((status.resumed_total, status.replayed_total), (2, 0));
}

#[test]
fn a_connection_lost_before_its_first_event_resumes_by_its_cursor() {
    let daemon = TestDaemon::start();
    let mut publisher = daemon.publisher();
    publish(&mut publisher, "b", "before");
    let mut first = Subscriber::begin(&daemon.address(), "subscribe=a");
    let stands = cursor(&mut first);
    drop(first);
    publish(&mut publisher, "a", "missed");
    let mut second = come_back(&daemon, "subscribe=a", &stands);
    assert_eq!(verdict(&mut second), resumed(1));
    assert_eq!(replay(&mut second).0, ["missed"]);
}

#[test]
fn lives_that_end_at_random_moments_of_a_flood_add_up_to_every_event_once() {
    const LIVES: usize = 150;
    let daemon = TestDaemon::with(|config| config.shards = 2);
    let flood = Flood::begin(daemon.publisher(), |nth| (if nth % 2 == 0 { "a" } else { "b" }, (nth / 2).to_string()));
    let mut dice = Dice(7);
    let mut subscriber = Subscriber::begin(&daemon.address(), "subscribe=a");
    let mut last_id = cursor(&mut subscriber);
    let mut expected: Option<usize> = None;
    for _ in 0..LIVES {
        for _ in 0..dice.roll(60) {
            let event = subscriber.any_event();
            if event.event == "hasses.cursor" {
                last_id = event.id;
                continue;
            }
            let number: usize = event.data.parse().expect("a number");
            assert_eq!(expected.replace(number + 1).unwrap_or(number), number, "each once, in order");
            last_id = event.id;
        }
        // Its connection breaks with bytes unread.
        subscriber = come_back(&daemon, "subscribe=a", &last_id);
        assert_eq!(verdict(&mut subscriber)["status"], "resumed");
    }
    let sent = flood.end().div_ceil(2);
    while expected != Some(sent) {
        let number: usize = subscriber.data().parse().expect("a number");
        assert_eq!(expected.replace(number + 1).unwrap_or(number), number, "each once, in order");
    }
    let status = daemon.status();
    assert_eq!((status.resumed_total, status.gaps_total, status.resets_total), (LIVES as u64, 0, 0));
}
