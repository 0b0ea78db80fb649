//! The daemon goes and comes back, and so does the page.

use hasses_tests::{Browser, Page, Report, Subscriber};
use serde_json::json;

use crate::count::{Count, Numbers};
use crate::{Daemon, PAGE, in_each_browser, subscribed};

in_each_browser!(
    a_page_counts_on_through_restarts,
    a_page_counts_on_where_a_restart_refuses_nobody,
    a_page_that_makes_a_new_source_when_its_browser_gives_up_outlasts_any_absence,
);

/// Where nobody listens at the daemon's address when it tries, Firefox gives up for good if the daemon is of another origin than the
/// page, so a page is to come back later than the daemon. Unless they are told, browsers do so after some seconds.
pub(crate) const LATER: [&str; 2] = ["--retry", "1000"];

fn a_page_counts_on_through_restarts(browser: Browser) {
    let mut daemon = Daemon::lasting(&[LATER[0], LATER[1], "--drain", "0.5"]);
    let Some(page) = subscribed(browser, &daemon, "subscribe=room", &["hasses.resume"]) else { return };
    let (mut count, numbers) = (Count::of(page), Numbers::start(&daemon, 0));
    for (nth, end) in [Daemon::stop as fn(&mut Daemon), Daemon::kill, Daemon::stop].into_iter().enumerate() {
        // A drain of one stream alone would be over at once.
        let _company = [(); 3].map(|()| Subscriber::connect(&daemon.address, "subscribe=elsewhere"));
        count.on(&numbers);
        end(&mut daemon);
        daemon.start_again();
        count.on(&numbers);
        assert!(count.lost() > nth);
    }
    count.up_to(numbers.stop());
    let statuses: Vec<_> = count.verdicts.iter().map(|verdict| verdict["status"].clone()).collect();
    assert_eq!(statuses, ["resumed"; 3]);
}

fn a_page_counts_on_where_a_restart_refuses_nobody(browser: Browser) {
    let mut daemon = Daemon::handed_over(&["--retry", "100", "--drain", "0.5"]);
    let Some(page) = subscribed(browser, &daemon, "subscribe=room", &[]) else { return };
    let (mut count, numbers) = (Count::of(page), Numbers::start(&daemon, 0));
    for (nth, end) in [Daemon::stop as fn(&mut Daemon), Daemon::kill, Daemon::stop].into_iter().enumerate() {
        let _company = [(); 3].map(|()| Subscriber::connect(&daemon.address, "subscribe=elsewhere"));
        count.on(&numbers);
        end(&mut daemon);
        // Its socket is there all the time.
        daemon.is_awaited();
        daemon.start_again();
        count.on(&numbers);
        assert!(count.lost() > nth);
    }
    count.up_to(numbers.stop());
}

fn a_page_that_makes_a_new_source_when_its_browser_gives_up_outlasts_any_absence(browser: Browser) {
    let mut daemon = Daemon::start(&["--retry", "200"]);
    let Some(mut page) = Page::new(browser, PAGE) else { return };
    page.open(&[("url", &daemon.url("subscribe=room")), ("anew", "")]);
    assert_eq!(page.report(), Report::Open);
    daemon.stop();
    // The end of the stream, and attempts in vain.
    for _ in 0..4 {
        let report = page.report();
        assert!(matches!(report, Report::Lost | Report::Failed), "{report:?}");
    }
    daemon.start_again();
    while page.report() != Report::Open {}
    daemon.publish(&json!({"topic": "room", "data": "after"}));
    assert_eq!(page.event().data, "after");
}
