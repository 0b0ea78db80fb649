//! Subscribers so slow that retention passes what they are owed: they are sent away properly, and told of the gap when they
//! come back.

use std::time::Duration;

use hasses_tests::{Event, Subscriber, wait_for};

use crate::{come_back, cursor, gap, narrow_daemon, number, numbered, publish, publish_all, slow_subscriber, verdict};

/// Everything up to the proper end of a stream.
fn up_to_the_end(subscriber: &mut Subscriber) -> Vec<Event> {
    let text = subscriber.stream().read_to_end();
    assert!(text.ends_with("\r\n0\r\n\r\n"), "the last chunk: {:?}", &text[text.len().saturating_sub(100)..]);
    Event::all(text.strip_suffix("0\r\n\r\n").expect("it is there"))
}

#[test]
fn the_stream_ends_properly_and_the_next_one_tells_of_the_gap() {
    let daemon = narrow_daemon(|config| config.limits.retain_events = 20);
    let mut publisher = daemon.publisher();
    let mut slow = slow_subscriber(&daemon, "subscribe=a");
    let mut prompt = daemon.subscribe("subscribe=a");
    let ids: Vec<String> = numbered(0..300, 2_000)
        .map(|data| {
            let id = publish(&mut publisher, "a", &data);
            assert_eq!(prompt.event().id, id, "whoever reads is not concerned");
            id
        })
        .collect();
    assert_eq!(publisher.status().behind_total, 1);
    let had = up_to_the_end(&mut slow);
    let numbers: Vec<usize> = had.iter().map(|event| number(&event.data)).collect();
    assert_eq!(numbers, (0..had.len()).collect::<Vec<_>>());
    assert!(!had.is_empty() && had.len() < 280, "{} events", had.len());
    let status = publisher.status();
    assert_eq!((status.outrun_total, status.behind, status.caught_up_total), (1, 0, 0));
    assert_eq!((status.slow_disconnects_total, status.subscribers), (0, 1));
    let mut second = come_back(&daemon, "subscribe=a", &had[had.len() - 1].id);
    assert_eq!(verdict(&mut second), gap(&ids[280], 20));
    (280..300).for_each(|nth| assert_eq!(number(&second.data()), nth));
    cursor(&mut second);
    assert_eq!(publisher.status().gaps_total, 1);
}

#[test]
fn it_is_not_sent_away_as_long_as_only_events_of_others_are_gone() {
    let daemon = narrow_daemon(|config| config.limits.retain_events = 400);
    let mut publisher = daemon.publisher();
    let mut slow = slow_subscriber(&daemon, "subscribe=a");
    publish_all(&mut publisher, "b", (0..300).map(|_| "x".to_owned()));
    publish_all(&mut publisher, "a", numbered(0..300, 4_000));
    let status = publisher.status();
    assert!(status.log_evicted_total >= 200 && status.behind == 1, "{status:?}");
    (0..300).for_each(|nth| assert_eq!(number(&slow.data()), nth));
    cursor(&mut slow);
    assert_eq!(publisher.status().outrun_total, 0);
}

#[test]
fn age_outruns_as_count_does() {
    let daemon = narrow_daemon(|config| {
        config.limits.retain_age = Some(Duration::from_secs(1));
        config.limits.heartbeat = Duration::from_secs(3600);
    });
    let mut publisher = daemon.publisher();
    let mut slow = slow_subscriber(&daemon, "subscribe=a");
    let ids = publish_all(&mut publisher, "a", numbered(0..200, 4_000));
    assert_eq!(publisher.status().behind, 1);
    wait_for("all to be forgotten", || (publisher.status().log_events == 0).then_some(()));
    let had = up_to_the_end(&mut slow);
    assert!(!had.is_empty() && had.len() < 200, "{} events", had.len());
    let mut second = come_back(&daemon, "subscribe=a", &had[had.len() - 1].id);
    assert_eq!(verdict(&mut second), gap(&ids[199], 0));
    assert_eq!(cursor(&mut second), ids[199]);
}

#[test]
fn over_http_1_0_the_end_is_that_of_the_connection() {
    let daemon = narrow_daemon(|config| config.limits.retain_events = 20);
    let mut publisher = daemon.publisher();
    let mut stream = crate::narrow(&daemon.address());
    stream.send("GET /sse?subscribe=a HTTP/1.0\r\n\r\n");
    stream.read_to("data: {}\n\n");
    publish_all(&mut publisher, "a", numbered(0..300, 2_000));
    let text = stream.read_to_end();
    assert!(text.ends_with("x\n\n"), "whole events only");
    assert_eq!(publisher.status().outrun_total, 1);
}
