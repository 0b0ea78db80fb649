//! Something between the daemon and the page stands still, and goes on.

use hasses_tests::{Browser, wait_for};

use crate::count::{Count, Numbers};
use crate::forwarder::Forwarder;
use crate::{Daemon, in_each_browser, soon, subscribed_at};

in_each_browser!(
    a_page_counts_on_when_the_network_stands_still,
    a_page_that_stood_still_for_longer_than_the_log_keeps_is_told,
);

/// A subscriber is behind as soon as the kernel takes no more for it.
pub(crate) const NARROW: [&str; 2] = ["--outbox", "4k"];
/// Bytes of an event of which not too many are needed for that.
pub(crate) const LONG: usize = 16 * 1024;

/// Waits until the only subscriber is behind for good, while somebody publishes.
pub(crate) fn falls_behind(daemon: &Daemon) {
    let (mut publisher, mut since) = (daemon.publisher(), None);
    wait_for("the subscriber to be behind", || {
        let status = publisher.status();
        // As long as there is some room left, it catches up.
        since = (status.behind == 1).then(|| since.unwrap_or(status.messages_total));
        since.is_some_and(|since| status.messages_total > since + 10).then_some(())
    });
}

fn a_page_counts_on_when_the_network_stands_still(browser: Browser) {
    let mut daemon = Daemon::lasting(&[NARROW[0], NARROW[1], "--drain", "0.2", "--retry", "100"]);
    let mut forwarder = Forwarder::to(&daemon.address);
    let Some(page) = subscribed_at(browser, &forwarder.url("subscribe=room"), &["hasses.resume"]) else { return };
    daemon.publish(&soon(1));
    let (mut count, numbers) = (Count::of(page), Numbers::after(1, &daemon, LONG));
    for _ in 0..2 {
        count.on(&numbers);
        forwarder.halt();
        falls_behind(&daemon);
        forwarder.go_on();
        count.on(&numbers);
    }
    let status = daemon.publisher().status();
    assert!(status.caught_up_total >= 2, "{status:?}");
    assert_eq!((count.lost(), status.subscribed_total), (0, 1), "it has not even noticed");
    // What it is owed then, it gets from the daemon that comes after.
    forwarder.halt();
    falls_behind(&daemon);
    daemon.stop();
    daemon.start_again();
    forwarder.go_on();
    count.on(&numbers);
    count.up_to(numbers.stop());
    assert_eq!((count.lost(), &count.verdicts[0]["status"]), (1, &"resumed".into()));
}

fn a_page_that_stood_still_for_longer_than_the_log_keeps_is_told(browser: Browser) {
    let mut flags = NARROW.to_vec();
    flags.extend(["--retry", "100", "--retain-events", "10"]);
    let daemon = Daemon::start(&flags);
    let mut forwarder = Forwarder::to(&daemon.address);
    let Some(page) = subscribed_at(browser, &forwarder.url("subscribe=room"), &["hasses.resume"]) else { return };
    let mut count = Count::of(page);
    daemon.publish(&soon(1));
    count.up_to(1);
    forwarder.halt();
    // Far more than the kernel and the log take together.
    let mut publisher = daemon.publisher();
    for number in 2..=100 {
        publisher.publish("room", &format!("{number} {}", "x".repeat(LONG)));
    }
    forwarder.go_on();
    // It gets what is on its way, and comes back for the rest.
    count.up_to(100);
    let status = publisher.status();
    assert_eq!((status.outrun_total, status.gaps_total, count.lost()), (1, 1, 1));
    let [verdict] = &count.verdicts[..] else { panic!("one verdict: {:?}", count.verdicts) };
    assert_eq!((&verdict["status"], &verdict["replayed"]), (&"gap".into(), &10.into()));
}
