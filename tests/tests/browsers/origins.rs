//! Which pages may subscribe.

use hasses_tests::{Browser, Page, Report};
use serde_json::json;

use crate::{Daemon, PAGE, in_each_browser};

in_each_browser!(
    only_pages_of_origins_that_are_named_are_let_in,
    pages_may_send_cookies_along_only_where_that_is_allowed,
);

/// Another origin than that of any page of these tests.
const OTHER: &str = "http://other.example";

/// Lets a page subscribe to a daemon for each of `cases`: the flags that it was started with, in which `ITS` stands for the
/// page's origin, and what the page must see.
fn subscribe_to_each(browser: Browser, credentials: Option<&str>, cases: &[(&[&str], Report)]) {
    let Some(mut page) = Page::new(browser, PAGE) else { return };
    let origin = page.origin().to_owned();
    let start = |flags: &[&str]| {
        let flags: Vec<&str> = flags.iter().map(|&flag| if flag == "ITS" { origin.as_str() } else { flag }).collect();
        Daemon::start(&flags)
    };
    let daemons: Vec<_> = cases.iter().map(|(flags, _)| start(flags)).collect();
    let urls: Vec<_> = daemons.iter().map(|daemon| daemon.url("subscribe=room")).collect();
    let urls = urls.iter().map(|url| ("url", url.as_str()));
    page.open(&urls.chain(credentials.map(|field| (field, ""))).collect::<Vec<_>>());
    let mut seen = vec![None; cases.len()];
    for _ in cases {
        let (source, report) = page.report_of_any();
        assert_eq!(seen[source].replace(report), None, "each sees one thing, as long as nothing is published");
    }
    for (number, (flags, expected)) in cases.iter().enumerate() {
        assert_eq!(seen[number].as_ref(), Some(expected), "{flags:?}");
        if *expected == Report::Open {
            daemons[number].publish(&json!({"topic": "room", "data": "for your eyes"}));
            let (source, Report::Event(event)) = page.report_of_any() else { panic!("an event was expected") };
            assert_eq!((source, event.data.as_str()), (number, "for your eyes"));
        }
    }
}

fn only_pages_of_origins_that_are_named_are_let_in(browser: Browser) {
    let cases: [(&[&str], _); 5] = [
        (&[], Report::Open),
        (&["--cors-origin", "ITS"], Report::Open),
        (&["--cors-origin", OTHER, "--cors-origin", "ITS"], Report::Open),
        (&["--cors-origin", OTHER], Report::Failed),
        // Another port is another origin.
        (&["--cors-origin", OTHER, "--cors-origin", "http://127.0.0.1"], Report::Failed),
    ];
    subscribe_to_each(browser, None, &cases);
}

fn pages_may_send_cookies_along_only_where_that_is_allowed(browser: Browser) {
    let cases: [(&[&str], _); 4] = [
        (&["--cors-origin", "ITS", "--cors-credentials"], Report::Open),
        (&["--cors-origin", OTHER, "--cors-origin", "ITS", "--cors-credentials"], Report::Open),
        (&["--cors-origin", "ITS"], Report::Failed),
        (&[], Report::Failed),
    ];
    subscribe_to_each(browser, Some("credentials"), &cases);
}
