//! A subscription as it was asked for, checked: what every attempt to make it goes by.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use super::error::Error;
use super::schedule::{MAX_BACKOFF, RECONNECTION_TIME};
use crate::web::{Trust, Url};

/// What was said, checked.
pub(super) struct Plan {
    pub(super) url: Url,
    pub(super) last_event_id: String,
    pub(super) limits: Limits,
    headers: Vec<(String, String)>,
    trust: Option<Trust>,
    tls: OnceCell<Arc<ClientConfig>>,
}

/// Times and bounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) reconnection_time: Duration,
    pub(super) max_backoff: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) answer_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) max_event_bytes: usize,
}

/// Headers that the subscription sends itself, or that would change what the request is.
const OWN_HEADERS: [&str; 10] = [
    "accept",
    "accept-encoding",
    "cache-control",
    "connection",
    "content-length",
    "host",
    "last-event-id",
    "te",
    "transfer-encoding",
    "upgrade",
];

impl Plan {
    /// # Errors
    /// [`Error::Invalid`] where a header or the id cannot be sent.
    pub(super) fn new(
        url: Url,
        headers: Vec<(String, String)>,
        last_event_id: String,
        trust: Option<Trust>,
        limits: Limits,
    ) -> Result<Self, Error> {
        check("the last event id", &last_event_id)?;
        for (name, value) in &headers {
            if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
                return Err(Error::Invalid(format!("{name:?} is no name of a header")));
            }
            if OWN_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own)) {
                return Err(Error::Invalid(format!("the header {name:?} cannot be set: it is the subscription's own")));
            }
            check(&format!("the header {name:?}"), value)?;
        }
        Ok(Self { url, last_event_id, limits, headers, trust, tls: OnceCell::new() })
    }

    /// The headers of a request to `url`.
    pub(super) fn headers<'a>(&'a self, url: &Url, last_event_id: &'a str) -> Vec<(&'a str, &'a str)> {
        // WHATWG HTML, 9.2.2: `Accept`, and "cache mode no-store", which Fetch turns into `Cache-Control`.
        let mut headers = vec![
            ("Accept", "text/event-stream"),
            // Nothing here could unpack it.
            ("Accept-Encoding", "identity"),
            ("Cache-Control", "no-cache"),
        ];
        if !last_event_id.is_empty() {
            headers.push(("Last-Event-ID", last_event_id));
        }
        if url.origin() == self.url.origin() {
            headers.extend(self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        }
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("user-agent")) {
            headers.push(("User-Agent", concat!("hasses-client/", env!("CARGO_PKG_VERSION"))));
        }
        headers
    }

    /// How to speak TLS. The authorities of the system are read when they are first needed, which takes some milliseconds.
    pub(super) fn tls(&self) -> &Arc<ClientConfig> {
        self.tls.get_or_init(|| self.trust.clone().unwrap_or_else(Trust::of_system).config())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            reconnection_time: RECONNECTION_TIME,
            max_backoff: MAX_BACKOFF,
            connect_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(30),
            idle_timeout: Duration::MAX,
            max_event_bytes: 64 * 1024 * 1024,
        }
    }
}

/// A header's value "contains no 0x00 (NUL) or HTTP newline bytes" (Fetch, 2.2.2).
fn check(what: &str, value: &str) -> Result<(), Error> {
    match value.find(['\0', '\n', '\r']) {
        Some(at) => Err(Error::Invalid(format!("{what} holds a line end or NUL at byte {at}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(headers: &[(&str, &str)], last_event_id: &str) -> Result<Plan, Error> {
        let url = Url::parse("http://h/sse").unwrap();
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Plan::new(url, headers, last_event_id.to_owned(), None, Limits::default())
    }

    #[test]
    fn headers_of_the_program_go_to_the_origin_of_the_url_alone() {
        let plan = plan(&[("Authorization", "x"), ("user-agent", "me")], "").unwrap();
        let names = |url: &str| {
            let headers = plan.headers(&Url::parse(url).unwrap(), "7-0");
            headers.into_iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            names("http://h:80/x"),
            "Accept Accept-Encoding Cache-Control Last-Event-ID Authorization user-agent"
        );
        for elsewhere in ["https://h/sse", "http://h:8080/sse", "http://other/sse"] {
            assert_eq!(names(elsewhere), "Accept Accept-Encoding Cache-Control Last-Event-ID User-Agent");
        }
        assert!(plan.headers(&plan.url, "").iter().all(|(name, _)| *name != "Last-Event-ID"));
    }

    #[test]
    fn what_can_never_be_sent_is_refused() {
        for (refused, part) in [
            (plan(&[], "a\r\nX: y"), "line end or NUL at byte 1"),
            (plan(&[], "a\0"), "the last event id holds"),
            (plan(&[("X", "a\nb")], ""), "the header \"X\" holds"),
            (plan(&[("X y", "a")], ""), "no name of a header"),
            (plan(&[("", "a")], ""), "no name of a header"),
            (plan(&[("last-event-ID", "a")], ""), "the subscription's own"),
            (plan(&[("Host", "a")], ""), "the subscription's own"),
        ] {
            let Err(Error::Invalid(error)) = refused else { panic!("{part}") };
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}
