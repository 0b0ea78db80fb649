//! What becomes of slow subscribers, by topic: `latest` and `disconnect`.

use hasses::config::SlowRule;
use hasses_tests::{Publisher, wait_for};
use serde_json::json;

use crate::{
    come_back, cursor, narrow_daemon, number, numbered, publish, publish_all, publish_by, replay, resumed,
    slow_subscriber, verdict,
};

fn rules<const N: usize>(texts: [&str; N]) -> Vec<SlowRule> {
    texts.map(|text| text.parse().expect("a rule")).into()
}

fn fill(publisher: &mut Publisher, topic: &str) {
    wait_for("it to be behind", || {
        publish_all(publisher, topic, numbered(0..10, 2_000));
        (publisher.status().behind > 0).then_some(())
    });
}

#[test]
fn of_latest_topics_only_the_newest_event_of_each_is_kept_for_one_that_is_behind() {
    let daemon = narrow_daemon(|config| config.slow = rules(["prices/*=latest"]));
    let mut publisher = daemon.publisher();
    let mut slow = slow_subscriber(&daemon, "topic=prices/*&topic=log");
    fill(&mut publisher, "log");
    let mut ids = Vec::new();
    for nth in 0..50 {
        ids.push(publish(&mut publisher, "prices/gold", &format!("gold {nth}")));
        ids.push(publish(&mut publisher, "log", &format!("{nth} ")));
        ids.push(publish(&mut publisher, "prices/tin", &format!("tin {nth}")));
    }
    // What filled it comes whole.
    while slow.event().id < ids[0] && !slow.is_quiet() {
        let event = slow.event();
        if event.data == "0 " {
            break;
        }
    }
    let (rest, at) = replay(&mut slow);
    let log: Vec<_> = rest.iter().filter(|data| data.ends_with(' ')).map(|data| number(data)).collect();
    assert_eq!(log, (1..50).collect::<Vec<_>>(), "topics without a rule lose nothing");
    let prices: Vec<_> = rest.iter().filter(|data| !data.ends_with(' ')).collect();
    assert_eq!(prices, ["gold 49", "tin 49"]);
    assert_eq!(at, ids[149]);
    // Live it gets every one.
    for nth in 50..60 {
        publish(&mut publisher, "prices/gold", &format!("gold {nth}"));
    }
    (50..60).for_each(|nth| assert_eq!(slow.data(), format!("gold {nth}")));
}

#[test]
fn whoever_comes_back_gets_the_newest_of_latest_topics_too() {
    let daemon = narrow_daemon(|config| config.slow = rules(["prices/special=catch-up", "prices/*=latest"]));
    let mut publisher = daemon.publisher();
    let first = publish(&mut publisher, "a", "x");
    for nth in 0..5 {
        for topic in ["prices/gold", "prices/special", "prices/tin"] {
            publish(&mut publisher, topic, &format!("{topic} {nth}"));
        }
    }
    let special = (0..4).map(|nth| format!("prices/special {nth}"));
    let expected: Vec<String> =
        special.chain(["prices/gold 4", "prices/special 4", "prices/tin 4"].map(str::to_owned)).collect();
    for query in ["topic=prices/*", "subscribe=*", "topic=prices/gold&topic=prices/special&topic=prices/tin"] {
        let mut subscriber = come_back(&daemon, query, &first);
        assert_eq!(verdict(&mut subscriber), resumed(7), "{query}");
        assert_eq!(replay(&mut subscriber).0, expected, "{query}");
    }
    // One event of several topics is sent where it is the newest of any of them.
    publish_by(&mut publisher, &json!({"cmd": "publish", "topics": ["prices/gold", "prices/tin"], "data": "both"}));
    publish(&mut publisher, "prices/tin", "tin alone");
    let mut subscriber = come_back(&daemon, "topic=prices/gold&topic=prices/tin", &first);
    assert_eq!(verdict(&mut subscriber), resumed(2));
    assert_eq!(replay(&mut subscriber).0, ["both", "tin alone"]);
}

#[test]
fn a_topic_that_disconnects_does_so_at_once_and_nothing_is_lost_by_it() {
    let daemon = narrow_daemon(|config| config.slow = rules(["jobs=disconnect"]));
    let mut publisher = daemon.publisher();
    let mut slow = slow_subscriber(&daemon, "subscribe=jobs-log");
    let mut sent = 0;
    wait_for("it to be disconnected", || {
        publish_all(&mut publisher, "jobs", numbered(sent..sent + 1, 2_000));
        sent += 1;
        (publisher.status().slow_disconnects_total == 1).then_some(())
    });
    let status = publisher.status();
    assert_eq!((status.subscribers, status.behind_total, status.queued_bytes), (0, 0, 0));
    // It breaks off somewhere, and goes on behind the last event that came whole.
    let text = String::from_utf8(slow.stream().read_to_close()).expect("text");
    let whole: Vec<&str> = text.split("\n\n").filter(|block| block.len() > 2_000).collect();
    let last = whole[whole.len() - 2];
    let id = last.split_once("id: ").expect("an id").1.split('\n').next().expect("a line");
    let had = number(last.split_once("data: ").expect("data").1);
    let mut second = come_back(&daemon, "subscribe=jobs-log", id);
    assert_eq!(verdict(&mut second), resumed(sent - had - 1));
    (had + 1..sent).for_each(|nth| assert_eq!(number(&second.data()), nth));
    cursor(&mut second);
}

#[test]
fn the_policy_is_that_of_the_event_which_does_not_fit() {
    let daemon = narrow_daemon(|config| config.slow = rules(["jobs*=disconnect"]));
    let mut publisher = daemon.publisher();
    let by_log = slow_subscriber(&daemon, "subscribe=log*");
    fill(&mut publisher, "log");
    let status = publisher.status();
    assert_eq!((status.behind, status.slow_disconnects_total), (1, 0));
    drop(by_log);
    wait_for("it to be gone", || (publisher.status().subscribers == 0).then_some(()));
    // More than once, where the system took more in between.
    let behind = publisher.status().behind_total;
    // To a prefix, and to several topics of which one has the policy.
    for topics in [json!(["jobs/1*"]), json!(["log", "jobs"])] {
        let _slow = slow_subscriber(&daemon, "subscribe=log-jobs*");
        let before = publisher.status().slow_disconnects_total;
        let data = "x".repeat(2_000);
        wait_for("it to be disconnected", || {
            publish_by(&mut publisher, &json!({"cmd": "publish", "topics": topics, "data": data}));
            (publisher.status().slow_disconnects_total == before + 1).then_some(())
        });
    }
    assert_eq!(publisher.status().behind_total, behind);
}
