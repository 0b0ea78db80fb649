//! A connection is lost.

use hasses_tests::Browser;

use crate::count::{Count, Numbers};
use crate::forwarder::{Forwarder, Passage};
use crate::{Daemon, in_each_browser, soon, subscribed_at};

in_each_browser!(
    a_page_counts_on_when_its_connection_is_cut_within_an_event,
    a_page_that_is_cut_off_before_its_first_event_misses_none,
);

fn a_page_counts_on_when_its_connection_is_cut_within_an_event(browser: Browser) {
    let daemon = Daemon::start(&["--retry", "100"]);
    let forwarder = Forwarder::to(&daemon.address);
    let Some(page) = subscribed_at(browser, &forwarder.url("subscribe=room"), &["hasses.resume"]) else { return };
    daemon.publish(&soon(1));
    let (mut count, numbers) = (Count::of(page), Numbers::after(1, &daemon, 0));
    // Within the id, before the data, within them, behind them, before the empty line; and an event that is whole.
    let cuts = ["\nid: 1", "\ndata:", " e", " end", " end\n", " end\n\n"];
    for (nth, cut) in cuts.into_iter().enumerate() {
        count.on(&numbers);
        forwarder.cut_behind(cut);
        count.until_lost(nth + 1);
        count.on(&numbers);
    }
    count.up_to(numbers.stop());
    let statuses: Vec<_> = count.verdicts.iter().map(|verdict| verdict["status"].clone()).collect();
    assert_eq!((statuses, count.lost()), (vec!["resumed".into(); cuts.len()], cuts.len()));
}

/// Its browser knows of no event then, and presents what the daemon has told it: at first, and again and again as time goes by.
fn a_page_that_is_cut_off_before_its_first_event_misses_none(browser: Browser) {
    let mut daemon = Daemon::lasting(&["--retry", "100", "--heartbeat", "0.1", "--retain-events", "50"]);
    daemon.publish_numbers(0, 101..=103);
    let mut forwarder = Forwarder::to(&daemon.address);
    let Some(page) = subscribed_at(browser, &forwarder.url("subscribe=room"), &[]) else { return };
    let mut count = Count::of(page);
    let cursors = |passage: &Passage| passage.answer.matches("event: hasses.cursor\n").count();
    forwarder.passage(0, |passage| cursors(passage) > 0);
    forwarder.part(&daemon);
    daemon.publish_numbers(0, 1..=2);
    daemon.kill();
    daemon.start_again();
    daemon.publish_numbers(0, 3..=3);
    forwarder.mend();
    count.up_to(3);
    // Its topic is quiet, and others are not: the log does not keep long what it has seen last.
    let mut publisher = daemon.publisher();
    forwarder.passage(1, |passage| {
        publisher.publish("elsewhere", "noise");
        cursors(passage) > 1
    });
    assert!(publisher.status().log_evicted_total > 3);
    forwarder.part(&daemon);
    daemon.publish_numbers(0, 4..=5);
    forwarder.mend();
    count.up_to(5);
    let status = publisher.status();
    assert_eq!((status.resumed_total, status.gaps_total, status.replayed_total, count.lost()), (2, 0, 5, 2));
}
