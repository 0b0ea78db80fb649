//! A page with a plain `EventSource` in a real Chromium and a real Firefox, from another origin than the daemon.
//!
//! Every behaviour is a function of the browser; [`in_each_browser`] makes a test of it for each of them.

#![expect(clippy::expect_used, reason = "what a test needs and cannot have is a failure of that test")]

mod count;
mod daemon;
mod forwarder;
mod nginx;
mod origins;
mod refusal;
mod rendered;
mod restarts;
mod retry;
mod severed;
mod stalls;
mod subscription;
mod texts;
mod tls;
mod verdicts;

use std::iter;

use daemon::Daemon;
use hasses_tests::{Browser, Page, Report, wait_for};
use serde_json::{Value, json};

/// The page of every test.
const PAGE: &str = include_str!("page.html");

/// Makes a test of each function, for each browser, named `MODULE::BROWSER::FUNCTION`.
macro_rules! in_each_browser {
    ($($behaviour:ident),+ $(,)?) => {
        mod chromium {
            $(#[test] fn $behaviour() { super::$behaviour(hasses_tests::Browser::Chromium); })+
        }
        mod firefox {
            $(#[test] fn $behaviour() { super::$behaviour(hasses_tests::Browser::Firefox); })+
        }
    };
}
use in_each_browser;

/// A page that is subscribed with listeners for `types`, and has said so before any event was published; `None` where its browser was
/// left out by name.
fn subscribed(browser: Browser, daemon: &Daemon, query: &str, types: &[&str]) -> Option<Page> {
    subscribed_at(browser, &daemon.url(query), types)
}

/// The same at any URL.
fn subscribed_at(browser: Browser, url: &str, types: &[&str]) -> Option<Page> {
    let mut page = opened(browser, url, types)?;
    assert_eq!(page.report(), Report::Open);
    Some(page)
}

/// The same, but whatever it has to say is still to come.
fn opened(browser: Browser, url: &str, types: &[&str]) -> Option<Page> {
    let mut page = Page::new(browser, PAGE)?;
    let listeners = types.iter().map(|&each| ("listen", each));
    page.open(&iter::once(("url", url)).chain(listeners).collect::<Vec<_>>());
    Some(page)
}

/// A number for `room`, with which its page is told to come back soon: left to itself, it waits some seconds.
fn soon(number: u64) -> Value {
    json!({"topic": "room", "data": number, "retry": 100})
}

/// Waits until a page that comes again and again is let in, which it cannot tell from being turned away, and sees that it receives.
fn receives_once_it_is_in(page: &mut Page, daemon: &Daemon) {
    let mut publisher = daemon.publisher();
    let command = json!({"cmd": "publish", "topic": "room", "data": "it is in", "retry": 200});
    wait_for("the page to come in", || (publisher.ask(&command)["matched"] == 1).then_some(()));
    loop {
        match page.report() {
            Report::Open | Report::Lost => {}
            other => return assert!(matches!(&other, Report::Event(seen) if seen.data == "it is in"), "{other:?}"),
        }
    }
}
