//! A publisher's key: whoever is not sure whether a publish was accepted sends it again, and it stands in the log once.

use std::time::Duration;

use hasses_tests::{Publisher, TestDaemon, wait_for};
use serde_json::{Value, json};

use crate::{publish, publish_by};

fn keyed(topic: &str, key: &str, data: &str) -> Value {
    json!({"cmd": "publish", "topic": topic, "data": data, "key": key})
}

/// The id of the first, where this is a duplicate.
fn duplicate(publisher: &mut Publisher, command: &Value) -> Option<String> {
    let answer = publisher.ask(command);
    assert_eq!(answer["ok"], true, "{command}: {answer}");
    let is_duplicate = answer.get("duplicate").is_some();
    if is_duplicate {
        assert_eq!((&answer["duplicate"], &answer["matched"]), (&json!(true), &json!(0)), "{answer}");
    }
    is_duplicate.then(|| answer["id"].as_str().expect("an id").to_owned())
}

#[test]
fn a_duplicate_is_answered_with_the_first_id_and_not_delivered_again() {
    let daemon = TestDaemon::with(|config| config.shards = 2);
    let mut publisher = daemon.publisher();
    let mut subscribers = [daemon.subscribe("subscribe=a"), daemon.subscribe("subscribe=*")];
    let first = publish_by(&mut publisher, &keyed("a", "order 17", "one"));
    assert_eq!(duplicate(&mut publisher, &keyed("a", "order 17", "one")), Some(first.clone()));
    // Over another connection and another source, and whatever else it says: the key is what counts.
    assert_eq!(duplicate(&mut daemon.tcp_publisher(), &keyed("b", "order 17", "other")), Some(first));
    assert_eq!(duplicate(&mut publisher, &keyed("a", "order 18", "two")), None);
    publish(&mut publisher, "a", "without a key");
    publish(&mut publisher, "a", "without a key");
    for subscriber in &mut subscribers {
        assert_eq!([(); 4].map(|()| subscriber.data()), ["one", "two", "without a key", "without a key"]);
        assert!(subscriber.is_quiet());
    }
    let status = publisher.status();
    assert_eq!((status.duplicates_total, status.messages_total, status.log_events), (2, 4, 4));
    assert_eq!(status.unmatched_total, 0, "a duplicate is no message without subscribers");
}

#[test]
fn duplicates_within_one_write_are_told_apart() {
    let daemon = TestDaemon::start();
    let mut publisher = daemon.publisher();
    let mut subscriber = daemon.subscribe("subscribe=a");
    let old = publish_by(&mut publisher, &keyed("a", "old", "old"));
    let keys = ["x", "old", "x", "y", "x", "y", "old"];
    let lines: String =
        keys.iter().enumerate().map(|(nth, key)| format!("{}\n", keyed("a", key, &nth.to_string()))).collect();
    publisher.write(&lines);
    let answers: Vec<Value> = keys.iter().map(|_| publisher.answer()).collect();
    let is_duplicate: Vec<bool> = answers.iter().map(|answer| answer.get("duplicate").is_some()).collect();
    assert_eq!(is_duplicate, [false, true, true, false, true, true, true]);
    let id = |nth: usize| answers[nth]["id"].as_str().expect("an id");
    assert_eq!((id(1), id(6)), (old.as_str(), old.as_str()));
    assert_eq!((id(2), id(4), id(5)), (id(0), id(0), id(3)));
    assert_eq!([(); 3].map(|()| subscriber.data()), ["old", "0", "3"]);
    assert!(subscriber.is_quiet());
}

#[test]
fn many_publishers_that_send_the_same_keys_at_once_put_each_into_the_log_once() {
    const KEYS: usize = 300;
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=a");
    let publishers: Vec<_> = (0..4)
        .map(|_| {
            let mut publisher = daemon.publisher();
            std::thread::spawn(move || {
                let ask = |nth: usize| publisher.ask(&keyed("a", &nth.to_string(), &nth.to_string()))["id"].to_string();
                (0..KEYS).map(ask).collect::<Vec<_>>()
            })
        })
        .collect();
    let ids: Vec<_> = publishers.into_iter().map(|it| it.join().expect("every publish was acknowledged")).collect();
    assert!(ids.iter().all(|each| *each == ids[0]), "the same id for the same key");
    (0..KEYS).for_each(|nth| assert_eq!(subscriber.data(), nth.to_string()));
    assert!(subscriber.is_quiet());
    let status = daemon.status();
    assert_eq!((status.messages_total, status.duplicates_total), (KEYS as u64, 3 * KEYS as u64));
}

#[test]
fn a_key_is_kept_as_long_as_its_event_and_not_longer() {
    let daemon = TestDaemon::with(|config| config.limits.retain_events = 3);
    let mut publisher = daemon.publisher();
    let first = publish_by(&mut publisher, &keyed("a", "k", "one"));
    publish(&mut publisher, "a", "x");
    publish(&mut publisher, "b", "x");
    assert_eq!(duplicate(&mut publisher, &keyed("a", "k", "one")), Some(first), "a duplicate takes no place");
    publish(&mut publisher, "b", "x");
    let again = publish_by(&mut publisher, &keyed("a", "k", "one"));
    assert_eq!(duplicate(&mut publisher, &keyed("a", "k", "one")), Some(again), "it is that of the new event now");
    assert_eq!(publisher.status().messages_total, 5);
}

#[test]
fn a_key_ages_with_its_event() {
    let daemon = TestDaemon::with(|config| config.limits.retain_age = Some(Duration::from_secs(1)));
    let mut publisher = daemon.publisher();
    publish_by(&mut publisher, &keyed("a", "k", "one"));
    wait_for("it to be forgotten", || (publisher.status().log_events == 0).then_some(()));
    assert_eq!(duplicate(&mut publisher, &keyed("a", "k", "one")), None);
}

#[test]
fn a_key_is_no_part_of_the_event() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=a");
    let id = publish_by(&mut daemon.publisher(), &keyed("a", "a secret of the publisher", "x"));
    assert_eq!(subscriber.chunk(), Some(format!("id: {id}\ndata: x\n\n")));
}
