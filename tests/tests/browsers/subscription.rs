//! What a page subscribes to.

use hasses_tests::{Browser, Page, Report};
use serde_json::json;

use crate::{Daemon, PAGE, in_each_browser, subscribed};

in_each_browser!(
    open_fires_before_any_event_is_published,
    several_topics_share_a_connection,
    a_page_is_left_out_by_its_id,
);

fn open_fires_before_any_event_is_published(browser: Browser) {
    // A heartbeat would be a first byte too.
    let daemon = Daemon::start(&["--heartbeat", "3600"]);
    let Some(mut page) = Page::new(browser, PAGE) else { return };
    page.open(&[("url", &daemon.url("subscribe=room"))]);
    assert_eq!(page.report(), Report::Open);
    assert_ne!(page.origin(), daemon.origin(), "the page is of another origin");
    let status = daemon.publisher().status();
    assert_eq!((status.subscribers, status.messages_total), (1, 0));
    daemon.publish(&json!({"topic": "room", "data": "the first"}));
    assert_eq!(page.event().data, "the first");
}

fn several_topics_share_a_connection(browser: Browser) {
    let daemon = Daemon::start(&[]);
    let query = "subscribe=a-b&topic=orders/17%20%C3%BC&topic=news*";
    let Some(mut page) = subscribed(browser, &daemon, query, &[]) else { return };
    assert_eq!(daemon.publisher().status().connections, 1);
    for topic in ["a", "b", "orders/17 ü", "news/today", "b", "a"] {
        daemon.publish(&json!({"topic": topic, "data": topic}));
        assert_eq!(page.event().data, topic);
    }
    // Once, however many of its topics match.
    daemon.publish(&json!({"topics": ["a", "b", "news"], "data": "to three"}));
    daemon.publish(&json!({"topic": "*", "data": "to all"}));
    assert_eq!([page.event().data, page.event().data], ["to three", "to all"]);
}

fn a_page_is_left_out_by_its_id(browser: Browser) {
    let daemon = Daemon::start(&[]);
    let Some(mut page) = subscribed(browser, &daemon, "subscribe=room&id=page%201", &[]) else { return };
    let mut publisher = daemon.publisher();
    let answer = publisher.ask(&json!({"cmd": "publish", "topic": "room", "data": "not for it", "except": "page 1"}));
    assert_eq!(answer["matched"], 0, "{answer}");
    daemon.publish(&json!({"topic": "room", "data": "for it", "except": "page 2"}));
    assert_eq!(page.event().data, "for it");
}
