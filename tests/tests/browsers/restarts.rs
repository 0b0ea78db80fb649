//! The daemon goes and comes back, and so does the page.

use hasses_tests::{Browser, Page, Report};
use serde_json::json;

use crate::{Daemon, PAGE, in_each_browser, subscribed};

in_each_browser!(
    a_page_comes_back_after_the_daemon_was_started_anew,
    a_page_that_makes_a_new_source_when_its_browser_gives_up_outlasts_any_absence,
);

fn a_page_comes_back_after_the_daemon_was_started_anew(browser: Browser) {
    let mut daemon = Daemon::start(&[]);
    let Some(mut page) = subscribed(browser, &daemon, "subscribe=room", &["hasses.resume"]) else { return };
    daemon.publish(&json!({"topic": "room", "data": "before"}));
    assert_eq!(page.event().data, "before");
    for (number, end) in [Daemon::stop as fn(&mut Daemon), Daemon::kill, Daemon::stop].into_iter().enumerate() {
        end(&mut daemon);
        daemon.start_again();
        page.comes_back();
        // The log was in memory, and the page is told that it is another one.
        let told = page.event();
        assert_eq!((told.event.as_str(), told.data.as_str()), ("hasses.resume", r#"{"status":"reset"}"#));
        let id = daemon.publish(&json!({"topic": "room", "data": number}));
        let seen = page.event();
        assert_eq!((seen.data, seen.id), (number.to_string(), id));
    }
}

/// Where nobody listens at the daemon's address when it tries, Firefox gives up for good if the daemon is of another origin than the
/// page; Chromium goes on trying.
fn a_page_that_makes_a_new_source_when_its_browser_gives_up_outlasts_any_absence(browser: Browser) {
    let mut daemon = Daemon::start(&[]);
    let Some(mut page) = Page::new(browser, PAGE) else { return };
    page.open(&[("url", &daemon.url("subscribe=room")), ("anew", "")]);
    assert_eq!(page.report(), Report::Open);
    daemon.publish(&json!({"topic": "room", "data": "before"}));
    assert_eq!(page.event().data, "before");
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
