//! With the daemon's own TLS.

use hasses_tests::{Authority, Browser, Page, Report, required};
use serde_json::json;

use crate::{Daemon, PAGE, in_each_browser};

in_each_browser!(a_page_receives_and_comes_back_with_tls);

fn a_page_receives_and_comes_back_with_tls(browser: Browser) {
    if required("certutil").is_none() {
        return;
    }
    let Some(mut page) = Page::new(browser, PAGE) else { return };
    let authority = Authority::default();
    page.trust(&authority);
    let mut daemon = Daemon::secured(&authority);
    page.open(&[("url", &daemon.url("subscribe=room"))]);
    assert_eq!(page.report(), Report::Open);
    daemon.publish(&json!({"topic": "room", "data": "Grüße 🎉"}));
    let seen = page.event();
    assert_eq!((seen.data, seen.origin), ("Grüße 🎉".to_owned(), daemon.origin()));
    // Many records, more than the kernel takes at a time.
    let long = "a long line\n".repeat(50_000);
    daemon.publish(&json!({"topic": "room", "data": long}));
    assert!(page.event().data == long, "a long text arrives whole");
    for (number, end) in [Daemon::stop as fn(&mut Daemon), Daemon::kill].into_iter().enumerate() {
        end(&mut daemon);
        daemon.start_again();
        page.comes_back();
        daemon.publish(&json!({"topic": "room", "data": number}));
        assert_eq!(page.event().data, number.to_string());
    }
}
