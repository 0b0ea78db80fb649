//! A page is rendered, and subscribes some time later: `position` covers the time between.

use hasses_client::wire::EventId;
use hasses_tests::{Subscriber, TestDaemon};
use serde_json::json;

use crate::{cursor, gap, publish, publish_all, replay, resumed, verdict};

fn position(daemon: &TestDaemon) -> String {
    let answer = daemon.publisher().ask(&json!({"cmd": "position"}));
    answer["id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[test]
fn what_comes_between_rendering_and_subscribing_is_sent() {
    let daemon = TestDaemon::start();
    let mut publisher = daemon.publisher();
    // Before the first event as well as after it.
    for _ in 0..2 {
        let rendered = position(&daemon);
        let query = format!("subscribe=a&last-event-id={rendered}");
        let mut early = Subscriber::begin(&daemon.address(), &query);
        assert_eq!((verdict(&mut early), cursor(&mut early)), (resumed(0), rendered.clone()));
        publish(&mut publisher, "b", "of others");
        let one = publish(&mut publisher, "a", "one");
        let two = publish(&mut publisher, "a", "two");
        let mut late = Subscriber::begin(&daemon.address(), &query);
        assert_eq!(verdict(&mut late), resumed(2));
        assert_eq!(replay(&mut late), (vec!["one".to_owned(), "two".to_owned()], two.clone()));
        assert_eq!((early.event().id, early.event().id), (one, two));
    }
}

#[test]
fn it_is_that_of_the_newest_event_and_before_it_that_of_the_birth() {
    let before = hasses::log::now();
    let daemon = TestDaemon::start();
    let born: EventId = position(&daemon).parse().expect("an id");
    assert!(born.sequence == 0 && born.millis >= before && born.millis <= hasses::log::now(), "{born}");
    assert_eq!(position(&daemon), born.to_string(), "asking moves nothing");
    let mut publisher = daemon.publisher();
    let id = publish(&mut publisher, "a", "x");
    assert!(born < id.parse().expect("an id"));
    assert_eq!((position(&daemon), publisher.status().position.to_string()), (id.clone(), id));
    // In one go with a publish it is that of the publish before it.
    let lines: String = ["one", "two"]
        .map(|data| {
            format!("{}\n{}\n", json!({"cmd": "publish", "topic": "a", "data": data}), json!({"cmd": "position"}))
        })
        .concat();
    publisher.write(lines);
    let [one, after_one, two, after_two] = [(); 4].map(|()| publisher.answer()["id"].clone());
    assert_eq!((one, two), (after_one, after_two));
}

#[test]
fn a_page_that_was_rendered_too_long_ago_is_told_of_the_gap() {
    let daemon = TestDaemon::with(|config| config.limits.retain_events = 2);
    let rendered = position(&daemon);
    let ids = publish_all(&mut daemon.publisher(), "a", (0..5).map(|nth| nth.to_string()));
    let mut subscriber = Subscriber::begin(&daemon.address(), &format!("topic=a&last-event-id={rendered}"));
    assert_eq!(verdict(&mut subscriber), gap(&ids[3], 2));
    assert_eq!(replay(&mut subscriber).0, ["3", "4"]);
}
