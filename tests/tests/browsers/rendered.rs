//! A page that a backend has rendered, with everything up to some position in it.

use hasses_tests::Browser;
use serde_json::json;

use crate::count::Count;
use crate::forwarder::Forwarder;
use crate::{Daemon, in_each_browser, opened};

in_each_browser!(a_page_gets_what_was_published_since_it_was_rendered_and_that_only_once);

/// The backend asks for the position before it reads what it renders, and names it in the URL.
fn a_page_gets_what_was_published_since_it_was_rendered_and_that_only_once(browser: Browser) {
    let mut daemon = Daemon::lasting(&["--retry", "100"]);
    daemon.publish_numbers(0, 101..=102);
    let position = daemon.publisher().ask(&json!({"cmd": "position"}))["id"].as_str().expect("an id").to_owned();
    daemon.publish_numbers(0, 1..=3);
    let mut forwarder = Forwarder::to(&daemon.address);
    let url = forwarder.url(&format!("subscribe=room&last-event-id={position}"));
    let Some(page) = opened(browser, &url, &["hasses.resume"]) else { return };
    let mut count = Count::of(page);
    count.up_to(3);
    daemon.publish_numbers(1, 4..=5);
    count.up_to(5);
    // The URL stays the same; what the browser itself presents is newer.
    forwarder.part(&daemon);
    daemon.publish_numbers(0, 6..=7);
    forwarder.mend();
    count.up_to(7);
    forwarder.part(&daemon);
    daemon.kill();
    daemon.start_again();
    daemon.publish_numbers(0, 8..=8);
    forwarder.mend();
    count.up_to(8);
    let verdicts = [3, 2, 1].map(|replayed| json!({"status": "resumed", "replayed": replayed}));
    assert_eq!(count.verdicts, verdicts);
}
