//! A page with an `EventSource` in a real browser.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use serde_json::Value;

use crate::browser::{Browser, Window};
use crate::site::Site;
use crate::{Authority, DEADLINE};

/// A page that reports what its `EventSource` sees to its own server, which is another origin than the daemon.
#[derive(Debug)]
pub struct Page {
    // In this order: the browser ends before the server that it talks to.
    window: Option<Window>,
    site: Site,
    browser: Browser,
    origin: String,
    authority: Option<String>,
    /// What it has reported and nobody has asked for.
    reported: VecDeque<Value>,
    reports: u64,
}

/// One call of a listener, in the order of the calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// `onopen`.
    Open,
    /// `onerror`, and the browser is going to try again.
    Lost,
    /// `onerror`, and the browser has given up for good.
    Failed,
    /// `onmessage`, or a listener for a type.
    Event(Seen),
}

/// An event as a listener gets it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// `onmessage`, or the type for which the listener was added.
    pub listener: String,
    /// `event.type`
    pub event: String,
    /// `event.lastEventId`
    pub id: String,
    /// `event.data`
    pub data: String,
    /// `event.origin`
    pub origin: String,
}

/// How long a browser may take until its page is there: the first start on a machine that has much else to do.
const START: Duration = Duration::from_secs(60);

impl Page {
    /// A page of its own origin, which is not opened yet; `None` where the browser was left out by name (`tests/run --without`).
    ///
    /// # Panics
    /// The browser is missing, and was not left out.
    #[must_use]
    pub fn new(browser: Browser, html: &str) -> Option<Self> {
        if !browser.is_there() {
            return None;
        }
        let site = Site::start(html);
        let origin = format!("http://{}", site.address());
        Some(Self { window: None, site, browser, origin, authority: None, reported: VecDeque::new(), reports: 0 })
    }

    /// The page's origin, as its browser sends it.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The address of the page's server.
    #[must_use]
    pub fn server(&self) -> SocketAddr {
        self.site.address()
    }

    /// Lets the browser fetch the page, and report, through a proxy before the page's server.
    pub fn through(&mut self, origin: String) {
        self.origin = origin;
    }

    /// Lets the browser trust an authority from its start on. Needs the program `certutil`.
    pub fn trust(&mut self, authority: &Authority) {
        self.authority = Some(authority.pem());
    }

    /// Opens the page in the browser, with these fields in its query.
    ///
    /// # Panics
    /// The browser cannot be started.
    pub fn open(&mut self, query: &[(&str, &str)]) {
        let fields: Vec<_> = query.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let url = format!("{}/?{}", self.origin, fields.join("&"));
        self.window = Some(Window::open(self.browser, self.authority.as_deref(), &url));
    }

    /// What the next call of a listener was, on a page with one `EventSource`.
    ///
    /// # Panics
    /// There is none before the deadline, or calls before it are missing.
    pub fn report(&mut self) -> Report {
        let (source, report) = self.report_of_any();
        assert_eq!(source, 0, "the page has one `EventSource`");
        report
    }

    /// The same on a page with several, with the number of the one whose listener was called, from 0 in the order of their URLs.
    ///
    /// # Panics
    /// As [`report`](Self::report).
    pub fn report_of_any(&mut self) -> (usize, Report) {
        let report = self.next();
        assert_eq!(report["number"], self.reports, "reports come in their order");
        self.reports += 1;
        let text = |name: &str| report[name].as_str().unwrap_or_else(|| panic!("no {name}: {report}")).to_owned();
        let source = report["source"].as_u64().and_then(|number| usize::try_from(number).ok()).expect("a number");
        let report = match (text("what").as_str(), report["state"].as_str()) {
            ("open", Some("open")) => Report::Open,
            ("error", Some("connecting")) => Report::Lost,
            ("error", Some("closed")) => Report::Failed,
            ("event", None) => Report::Event(Seen {
                listener: text("listener"),
                event: text("type"),
                id: text("id"),
                data: text("data"),
                origin: text("origin"),
            }),
            _ => panic!("a state that cannot be: {report}"),
        };
        (source, report)
    }

    /// The next report as it came. Several of them come together where there are many.
    fn next(&mut self) -> Value {
        loop {
            if let Some(report) = self.reported.pop_front() {
                return report;
            }
            // Only the first one waits for a browser to start.
            let time = if self.reports == 0 { START } else { DEADLINE };
            let body = self.site.reports.recv_timeout(time).unwrap_or_else(|error| {
                assert_eq!(error, RecvTimeoutError::Timeout, "the page's server is there");
                let output = self.window.as_ref().map(Window::output).unwrap_or_default();
                panic!("{:?} reported nothing after {} reports. Its output: {output}", self.browser, self.reports);
            });
            self.reported = serde_json::from_str(&body).expect("a list of reports");
        }
    }

    /// The event that is the next report.
    ///
    /// # Panics
    /// The next report is no event.
    pub fn event(&mut self) -> Seen {
        match self.report() {
            Report::Event(seen) => seen,
            other => panic!("an event was expected: {other:?}"),
        }
    }
}

/// A text as a value of a query: everything but letters and digits is escaped.
fn encoded(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}
