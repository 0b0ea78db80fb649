use super::super::naive::{ALL, BIRTH, empty, id, id_of, push, to};
use super::*;
use crate::config::SlowRule;

#[test]
fn a_log_of_thousands_is_read_whole_and_in_order_by_every_way() {
    const EVENTS: u64 = 12_000;
    let mut window = empty(ALL);
    let me = SubscriberId::new("me").unwrap();
    for nth in 0..EVENTS {
        let mut publish = if nth % 3 == 0 { to("often") } else { to(&format!("t/{}", nth % 500)) };
        publish.except = (nth % 7 == 0).then(|| me.clone());
        push(&mut window, id(2000 + nth / 5, nth % 5), &publish, 0);
    }
    let latest: Vec<SlowRule> = vec!["often=latest".parse().unwrap()];
    let count = |wanted: &dyn Fn(u64) -> bool| (0..EVENTS).filter(|&nth| wanted(nth)).count();
    for (rules, patterns, id, expected) in [
        (&[][..], &["*"][..], None, count(&|_| true)),
        (&[], &["*"], Some(&me), count(&|nth| nth % 7 != 0)),
        (&[], &["often"], None, count(&|nth| nth % 3 == 0)),
        (&[], &["t/*", "t/1"], Some(&me), count(&|nth| nth % 3 != 0 && nth % 7 != 0)),
        (&[], &["t/1", "t/499", "none"], None, count(&|nth| nth % 3 != 0 && (nth % 500 == 1 || nth % 500 == 499))),
        // The newest of the topic, and long stretches of which nothing is owed.
        (&latest, &["often"], None, 1),
        (&latest, &["*"], None, 1 + count(&|nth| nth % 3 != 0)),
    ] {
        window.set(ALL, rules.to_vec());
        let patterns: Vec<_> = patterns.iter().map(|text| TopicPattern::new(*text).unwrap()).collect();
        let mut ask = Ask { patterns: &patterns, after: BIRTH, up_to: window.newest(), newest: None, id };
        assert_eq!(window.count(&ask), expected as u64, "{patterns:?}");
        let (mut events, mut slices) = (Vec::new(), 0);
        while let Slice::UpTo(id) = window.read(&ask, &mut events) {
            ask.after = id;
            slices += 1;
        }
        assert_eq!(events.len(), expected, "{patterns:?}");
        assert!(events.iter().map(id_of).is_sorted_by(|a, b| a < b));
        assert!(slices <= expected / MOST_EVENTS + 3, "{patterns:?}: {slices} slices");
    }
}

#[test]
fn what_one_slice_looks_at_is_bounded_however_many_topics_there_are() {
    const TOPICS: u64 = 20_000;
    let mut window = empty(ALL);
    (0..TOPICS).for_each(|nth| push(&mut window, id(2000, nth), &to(&format!("t/{nth}")), 0));
    let newest = window.newest();
    let way = |patterns: &[&str], after, newest| {
        let patterns: Vec<_> = patterns.iter().map(|text| TopicPattern::new(*text).unwrap()).collect();
        let ask = Ask { patterns: &patterns, after, up_to: window.newest(), newest, id: None };
        let way = window.way(&ask, (window.behind(after), window.behind(window.newest())));
        match way {
            Way::Lists(lists) => format!("{} lists", lists.len()),
            Way::Scan => "scan".to_owned(),
        }
    };
    for (patterns, after, of_each, expected) in [
        // A few events, of many topics with older ones.
        (&["t/*"][..], id(2000, TOPICS - 3), None, "scan"),
        (&["t/1999*"], BIRTH, None, "11 lists"),
        (&["t/1", "t/2", "t/3"], id(2000, 0), None, "3 lists"),
        (&["t/1", "t/2", "t/3"], id(2000, TOPICS - 2), None, "0 lists"),
        // More topics than one slice should look at.
        (&["t/*"], BIRTH, None, "scan"),
        (&["t/*"], BIRTH, Some((1, newest)), "scan"),
        (&["*"], BIRTH, Some((1, newest)), "scan"),
        (&["t/1999*"], BIRTH, Some((1, newest)), "11 lists"),
        (&["*"], BIRTH, None, "scan"),
    ] {
        assert_eq!(way(patterns, after, of_each), expected, "{patterns:?} after {after}");
    }
}

#[test]
fn what_is_counted_by_going_through_all_events_does_not_depend_on_how_patterns_overlap() {
    const TOPICS: u64 = 20_000;
    let mut window = empty(ALL);
    let me = SubscriberId::new("me").unwrap();
    for nth in 0..TOPICS {
        let mut publish = to(&format!("t/{nth}"));
        publish.except = (nth % 4 == 0).then(|| me.clone());
        push(&mut window, id(2000, nth), &publish, 0);
    }
    push(&mut window, id(2001, 0), &to("t/1*"), 0);
    push(&mut window, id(2001, 1), &to("*"), 0);
    push(&mut window, id(2001, 2), &to("u"), 0);
    let ones = (0..TOPICS).filter(|nth| nth.to_string().starts_with('1')).count() as u64;
    let mine = (0..TOPICS).filter(|nth| nth % 4 == 0 && nth.to_string().starts_with('1')).count() as u64;
    for (patterns, me, expected) in [
        (&["t/*", "t/1*", "t/19*", "t/7", "t/*"][..], None, TOPICS + 2),
        (&["t/1", "t/1*", "t/19999", "none*"], None, ones + 2),
        (&["t/19*", "t/1*", "none"], Some(&me), ones + 2 - mine),
        (&["t", "u", "t/*"], None, TOPICS + 3),
    ] {
        let patterns: Vec<_> = patterns.iter().map(|text| TopicPattern::new(*text).unwrap()).collect();
        let ask = Ask { patterns: &patterns, after: BIRTH, up_to: window.newest(), newest: None, id: me };
        assert!(matches!(window.way(&ask, (0, TOPICS + 3)), Way::Scan), "{patterns:?}");
        assert_eq!(window.count(&ask), expected, "{patterns:?}");
        // Behind all but a few they are compared one by one.
        let few = window.count(&Ask { after: id(2000, TOPICS - 1), ..ask });
        assert_eq!(few, if patterns.len() == 3 && me.is_none() { 3 } else { 2 }, "{patterns:?}");
    }
}

#[test]
fn the_newest_of_each_topic_are_given_as_far_as_they_are_here() {
    let mut window = empty(ALL);
    (0..6).for_each(|nth| push(&mut window, id(2000, nth), &to(if nth % 2 == 0 { "a" } else { "b" }), 0));
    let patterns = [TopicPattern::everything()];
    let ask = Ask { patterns: &patterns, after: BIRTH, up_to: id(2000, 5), newest: Some((2, id(2000, 3))), id: None };
    let read = |window: &Window| {
        let mut events = Vec::new();
        (window.read(&ask, &mut events), events.iter().map(|event| id_of(event).sequence).collect::<Vec<_>>())
    };
    assert_eq!(read(&window), (Slice::Whole, vec![0, 1, 2, 3, 4, 5]));
    // Some of them leave before they were read: they were what there was, and nothing was promised.
    for left in (2..6).rev() {
        window.set(super::super::Retention { events: left, ..ALL }, Vec::new());
        window.evict(0);
        let expected: Vec<u64> = (6 - left as u64..6).collect();
        assert_eq!(read(&window), (Slice::Whole, expected));
    }
    // But what came after its subscription is owed to it.
    window.set(super::super::Retention { events: 1, ..ALL }, Vec::new());
    window.evict(0);
    assert_eq!(read(&window), (Slice::Gone, vec![]));
}
