//! With the daemon's own TLS.

use hasses_tests::{Authority, Browser, Page, Report, required};
use serde_json::json;

use crate::count::{Count, Numbers};
use crate::restarts::LATER;
use crate::{Daemon, PAGE, in_each_browser};

in_each_browser!(a_page_receives_and_counts_on_through_restarts_with_tls);

fn a_page_receives_and_counts_on_through_restarts_with_tls(browser: Browser) {
    if required("certutil").is_none() {
        return;
    }
    let Some(mut page) = Page::new(browser, PAGE) else { return };
    let authority = Authority::default();
    page.trust(&authority);
    let mut daemon = Daemon::secured(&authority, &LATER);
    page.open(&[("url", &daemon.url("subscribe=room"))]);
    assert_eq!(page.report(), Report::Open);
    daemon.publish(&json!({"topic": "room", "data": "Grüße 🎉"}));
    let seen = page.event();
    assert_eq!((seen.data, seen.origin), ("Grüße 🎉".to_owned(), daemon.origin()));
    // Many records, more than the kernel takes at a time.
    let long = "a long line\n".repeat(50_000);
    daemon.publish(&json!({"topic": "room", "data": long}));
    assert!(page.event().data == long, "a long text arrives whole");
    let (mut count, numbers) = (Count::of(page), Numbers::start(&daemon, 0));
    for (nth, end) in [Daemon::stop as fn(&mut Daemon), Daemon::kill].into_iter().enumerate() {
        count.on(&numbers);
        end(&mut daemon);
        daemon.start_again();
        count.on(&numbers);
        assert!(count.lost() > nth);
    }
    count.up_to(numbers.stop());
}
