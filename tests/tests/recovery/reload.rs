//! Settings that change while subscribers are behind.

use hasses_tests::{Subscriber, wait_for};

use crate::{cursor, gap, narrow_daemon, number, numbered, publish_all, replay, resumed, slow_subscriber, verdict};

#[test]
fn less_retention_outruns_who_is_behind_and_more_of_it_does_not_bring_back() {
    let mut daemon = narrow_daemon(|_| {});
    let mut publisher = daemon.publisher();
    let mut slow = slow_subscriber(&daemon, "subscribe=a");
    let ids = publish_all(&mut publisher, "a", numbered(0..200, 4_000));
    assert_eq!(publisher.status().behind, 1);
    daemon.reload(|config| config.limits.retain_events = 50).expect("good settings");
    wait_for("the rest to be evicted", || (publisher.status().log_events == 50).then_some(()));
    daemon.reload(|config| config.limits.retain_events = 1_000).expect("good settings");
    let text = slow.stream().read_to_end();
    assert!(text.ends_with("\r\n0\r\n\r\n"), "it ends properly");
    assert_eq!(publisher.status().outrun_total, 1);
    let last = text.rsplit_once("\nid: ").or_else(|| text.rsplit_once("id: ")).expect("an id").1;
    let last = last.split('\n').next().expect("a line");
    let mut second = crate::come_back(&daemon, "subscribe=a", last);
    assert_eq!(verdict(&mut second), gap(&ids[150], 50));
    assert_eq!(replay(&mut second).0.len(), 50);
    // What comes from now on stays.
    publish_all(&mut publisher, "a", numbered(200..300, 10));
    let mut third = crate::come_back(&daemon, "subscribe=a", &ids[150]);
    assert_eq!(verdict(&mut third), resumed(149));
}

/// The numbers of the events up to this one.
fn up_to_number(subscriber: &mut Subscriber, last: usize) -> Vec<usize> {
    let mut numbers = Vec::new();
    while numbers.last() != Some(&last) {
        numbers.push(number(&subscriber.data()));
    }
    numbers
}

#[test]
fn rules_for_slow_subscribers_hold_from_then_on_for_those_who_are_behind() {
    let mut daemon = narrow_daemon(|_| {});
    let mut publisher = daemon.publisher();
    let mut slow = slow_subscriber(&daemon, "subscribe=a");
    publish_all(&mut publisher, "a", numbered(0..200, 4_000));
    assert_eq!(publisher.status().behind, 1);
    daemon.reload(|config| config.slow = vec!["a=latest".parse().expect("a rule")]).expect("good settings");
    publish_all(&mut publisher, "a", numbered(200..300, 4_000));
    // What was on its way, then the newest: once, or more often where it has everything for a moment.
    let numbers = up_to_number(&mut slow, 299);
    let whole = numbers.iter().zip(0..).take_while(|(number, nth)| *number == nth).count();
    assert!((1..150).contains(&whole), "{numbers:?}");
    assert!(numbers.is_sorted_by(|a, b| a < b) && numbers[whole..].iter().all(|number| *number >= 199), "{numbers:?}");
}

#[test]
fn a_rule_that_disconnects_is_for_those_who_fall_behind_and_not_for_those_who_are() {
    let mut daemon = narrow_daemon(|_| {});
    let mut publisher = daemon.publisher();
    let mut slow = slow_subscriber(&daemon, "subscribe=a");
    publish_all(&mut publisher, "a", numbered(0..200, 4_000));
    assert_eq!(publisher.status().behind, 1);
    daemon.reload(|config| config.slow = vec!["a=disconnect".parse().expect("a rule")]).expect("good settings");
    publish_all(&mut publisher, "a", numbered(200..210, 4_000));
    assert_eq!((publisher.status().behind, publisher.status().slow_disconnects_total), (1, 0));
    (0..210).for_each(|nth| assert_eq!(number(&slow.data()), nth));
    wait_for("it to have everything", || (publisher.status().behind == 0).then_some(()));
    wait_for("it to be disconnected the next time", || {
        publish_all(&mut publisher, "a", numbered(0..10, 4_000));
        (publisher.status().slow_disconnects_total == 1).then_some(())
    });
    assert_eq!(publisher.status().subscribers, 0);
}

#[test]
fn a_smaller_outbox_is_over_at_the_next_event_and_a_larger_one_lasts_longer() {
    let mut daemon = narrow_daemon(|config| config.limits.outbox = 1024 * 1024);
    let mut publisher = daemon.publisher();
    let mut slow = slow_subscriber(&daemon, "subscribe=a");
    publish_all(&mut publisher, "a", numbered(0..100, 6_000));
    let status = publisher.status();
    assert!(status.behind == 0 && status.queued_bytes > 100_000, "{} bytes", status.queued_bytes);
    daemon.reload(|config| config.limits.outbox = 16 * 1024).expect("good settings");
    assert_eq!(publisher.status().behind, 0, "nothing happens before something is to be sent");
    publish_all(&mut publisher, "a", numbered(100..101, 6_000));
    let status = publisher.status();
    assert!(status.behind == 1 && status.queued_bytes < 8_000, "{} bytes", status.queued_bytes);
    daemon.reload(|config| config.limits.outbox = 1024 * 1024).expect("good settings");
    publish_all(&mut publisher, "a", numbered(101..201, 6_000));
    assert_eq!(publisher.status().behind, 1);
    (0..201).for_each(|nth| assert_eq!(number(&slow.data()), nth));
    cursor(&mut slow);
    publish_all(&mut publisher, "a", numbered(201..301, 6_000));
    let status = publisher.status();
    assert_eq!((status.behind, status.behind_total, status.caught_up_total), (0, 1, 1));
    (201..301).for_each(|nth| assert_eq!(number(&slow.data()), nth));
}

#[test]
fn a_lower_ceiling_for_all_holds_from_the_next_event_on() {
    let mut daemon = narrow_daemon(|config| config.limits.outbox = 1024 * 1024);
    let mut publisher = daemon.publisher();
    let mut slow: Vec<_> = (0..10).map(|_| slow_subscriber(&daemon, "subscribe=a")).collect();
    publish_all(&mut publisher, "a", numbered(0..100, 6_000));
    let before = publisher.status();
    assert!(before.behind == 0 && before.queued_bytes > 2_000_000, "{} bytes", before.queued_bytes);
    daemon.reload(|config| config.limits.outbox_total = 128 * 1024).expect("good settings");
    publish_all(&mut publisher, "a", numbered(100..101, 6_000));
    let after = publisher.status();
    assert!(after.queued_bytes <= 128 * 1024 + 10 * 6_200, "{} bytes", after.queued_bytes);
    assert!(after.behind > 5, "{} are behind", after.behind);
    for subscriber in &mut slow {
        (0..101).for_each(|nth| assert_eq!(number(&subscriber.data()), nth));
    }
}
