//! When a page comes back.

use std::time::{Duration, Instant};

use hasses_tests::Browser;

use crate::count::Count;
use crate::forwarder::Forwarder;
use crate::{Daemon, in_each_browser, subscribed_at};

in_each_browser!(a_page_comes_back_when_a_drain_told_it_to_and_sooner_the_next_time);

/// What browsers may be early by: they round.
const ROUNDING: Duration = Duration::from_millis(20);

fn a_page_comes_back_when_a_drain_told_it_to_and_sooner_the_next_time(browser: Browser) {
    let mut daemon = Daemon::lasting(&["--retry", "2000"]);
    let mut forwarder = Forwarder::to(&daemon.address);
    let Some(page) = subscribed_at(browser, &forwarder.url("subscribe=room"), &[]) else { return };
    let mut count = Count::of(page);
    daemon.publish_numbers(1, 1..=1);
    count.up_to(1);
    daemon.stop();
    let drained = forwarder.passage(0, |passage| passage.ended.is_some());
    let told = reconnection_times(&drained.answer);
    let [told] = told[..] else { panic!("one time: {told:?}") };
    assert!((2000..=4000).contains(&told.as_millis()), "{told:?}");

    daemon.set("--retry", "200");
    daemon.start_again();
    daemon.publish_numbers(0, 2..=2);
    count.up_to(2);
    let resumed = forwarder.passage(1, |_| true);
    let waited = resumed.asked - drained.ended.expect("it has ended");
    assert!(waited + ROUNDING >= told, "{waited:?} in place of {told:?}");
    assert_eq!(reconnection_times(&resumed.answer), [Duration::from_millis(200)]);

    let parted = Instant::now();
    forwarder.part(&daemon);
    daemon.publish_numbers(0, 3..=3);
    forwarder.mend();
    count.up_to(3);
    let waited = forwarder.passage(2, |_| true).asked - parted;
    assert!(waited < told, "{waited:?}");
    assert_eq!(count.lost(), 2);
}

/// What a stream said about when to come back.
fn reconnection_times(answer: &str) -> Vec<Duration> {
    let values = answer.lines().filter_map(|line| line.strip_prefix("retry: "));
    values.map(|value| Duration::from_millis(value.parse().expect("a number"))).collect()
}
