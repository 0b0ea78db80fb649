//! The event stream over HTTP, for `listen`: one request, and events out of the body that it opens.
//!
//! ureq hands on every chunk as it comes and has no time-out for a silent stream unless told so; both are what a stream that
//! may be silent for hours needs.

use std::io::{self, Read as _};
use std::time::Duration;

use hasses_client::sse::{Event, Parser};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ureq::http::Response;
use ureq::{Agent, Body, BodyReader};

use crate::failure::Failure;
use crate::table::legible;

/// Longest event that is collected; an endless one would take all memory. The daemon's own limit is usually 1 MiB.
const MAX_EVENT_BYTES: usize = 64 * 1024 * 1024;

/// What stays as it is in a query: the unreserved characters of RFC 3986, and `*`, which ends a prefix.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'*');

/// Where and what to subscribe to.
#[derive(Debug)]
pub(crate) struct Subscription {
    agent: Agent,
    url: String,
}

/// An open stream.
pub(crate) struct Stream {
    body: BodyReader<'static>,
    parser: Parser,
    buffer: Box<[u8]>,
}

/// Why there is no stream.
#[derive(Debug)]
pub(crate) enum Closed {
    /// The server said no, or is none: trying again will not help.
    ForGood(Failure),
    /// The network is at fault: trying again may help.
    ForNow(String),
}

impl Subscription {
    /// A subscription to these topics, not made yet.
    ///
    /// # Errors
    /// Usage, where `url` is none that can be subscribed to.
    pub(crate) fn new(url: &str, topics: &[String], id: Option<&str>) -> Result<Self, Failure> {
        if url.starts_with("https://") {
            return Err(Failure::usage(format!("{url:?} needs TLS, which hasses-ctl does not speak yet"))
                .advise("listen on the machine of the daemon, where the port is plain http://"));
        }
        if !url.starts_with("http://") {
            return Err(Failure::usage(format!("{url:?} is no URL to subscribe at"))
                .advise("as in --url http://127.0.0.1:8080/sse"));
        }
        // The fragment is never sent.
        let url = url.split('#').next().unwrap_or(url);
        let mut url = url.to_owned();
        let fields = topics.iter().map(|topic| ("topic", topic.as_str())).chain(id.map(|id| ("id", id)));
        for (name, value) in fields {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(name);
            url.push('=');
            url.extend(utf8_percent_encode(value, QUERY));
        }
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            // What is listened to is one's own daemon; a proxy of the environment would usually not reach it.
            .proxy(None)
            .max_idle_connections(0)
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_recv_response(Some(Duration::from_secs(30)))
            .user_agent(concat!("hasses-ctl/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Ok(Self { agent, url })
    }

    /// The URL with its query.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Subscribes; `last_event_id` is empty at the first time.
    pub(crate) fn open(&self, last_event_id: &str) -> Result<Stream, Closed> {
        let mut request =
            self.agent.get(&self.url).header("Accept", "text/event-stream").header("Cache-Control", "no-cache");
        if !last_event_id.is_empty() {
            request = request.header("Last-Event-ID", last_event_id);
        }
        let response = request.call().map_err(|error| match error {
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
                Closed::ForGood(Failure::usage(format!("{:?} is no URL to subscribe at: {error}", self.url)))
            }
            ureq::Error::Protocol(_) | ureq::Error::TooManyRedirects => Closed::ForGood(Failure::refused(
                "http",
                format!("{} does not speak HTTP as it should: {error}", self.url),
            )),
            error => Closed::ForNow(error.to_string()),
        })?;
        if let Some(failure) = self.refusal(response.status().as_u16(), &response) {
            return Err(Closed::ForGood(reason(failure, response)));
        }
        Ok(Stream {
            body: response.into_body().into_reader(),
            parser: Parser::resuming(last_event_id),
            buffer: vec![0; 64 * 1024].into(),
        })
    }

    /// As the HTML standard has it: any status but 200, and any type but that of an event stream, is final.
    fn refusal(&self, status: u16, response: &Response<Body>) -> Option<Failure> {
        if status != 200 {
            let reason = response.status().canonical_reason().unwrap_or("no reason");
            return Some(Failure::refused("http", format!("{} answered {status} {reason}", self.url)));
        }
        let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or("none");
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("text/event-stream") {
            return None;
        }
        let error = format!("{} answered with content of the type {kind:?}, which is no event stream", self.url);
        Some(Failure::refused("http", error).advise("does the path of --url match the daemon's --path?"))
    }
}

/// Adds what the server says about its refusal.
fn reason(failure: Failure, response: Response<Body>) -> Failure {
    const MOST: u64 = 1024;
    let mut text = Vec::new();
    // A body that breaks off still says something.
    let _ = response.into_body().into_reader().take(MOST).read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text);
    match text.lines().map(str::trim).find(|line| !line.is_empty()) {
        Some(line) => failure.advise(format!("it says: {}", legible(line))),
        None => failure,
    }
}

impl Stream {
    /// The next event that has come already.
    pub(crate) fn waiting_event(&mut self) -> Option<Event> {
        self.parser.next_event()
    }

    /// Waits for more; `Ok(false)` at the proper end of the stream.
    pub(crate) fn wait(&mut self) -> Result<bool, Closed> {
        if self.parser.held_bytes() > MAX_EVENT_BYTES {
            let error = format!("an event is longer than {MAX_EVENT_BYTES} bytes");
            return Err(Closed::ForGood(Failure::refused("too_large", error)));
        }
        match self.body.read(&mut self.buffer) {
            Ok(0) => Ok(false),
            Ok(read) => {
                self.parser.push(&self.buffer[..read]);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(Closed::ForNow(error.to_string())),
        }
    }

    /// The time that the stream wants between its end and the next attempt.
    pub(crate) fn retry(&self) -> Option<Duration> {
        self.parser.retry()
    }

    /// What to send as `Last-Event-ID` next time.
    pub(crate) fn last_event_id(&self) -> &str {
        self.parser.last_event_id()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(url: &str, topics: &[&str], id: Option<&str>) -> String {
        let topics: Vec<_> = topics.iter().map(|&topic| topic.to_owned()).collect();
        Subscription::new(url, &topics, id).unwrap().url().to_owned()
    }

    #[test]
    fn topics_are_percent_encoded() {
        assert_eq!(url("http://h/sse", &["room624"], None), "http://h/sse?topic=room624");
        assert_eq!(
            url("http://h/sse?a=b#c", &["a b+c&d=e%", "ü*", "x-y_z.~"], Some("me/1")),
            "http://h/sse?a=b&topic=a%20b%2Bc%26d%3De%25&topic=%C3%BC*&topic=x-y_z.~&id=me%2F1"
        );
    }

    #[test]
    fn only_plain_http_is_spoken() {
        for (url, part) in [("https://h/sse", "TLS"), ("h:8080/sse", "no URL"), ("", "no URL"), ("unix:///x", "no URL")]
        {
            let failure = Subscription::new(url, &[], None).unwrap_err();
            assert_eq!(failure.exit_code(), std::process::ExitCode::from(2));
            let text = failure.render(crate::failure::Layout::Text { colour: false });
            assert!(text.contains(part), "{text}");
        }
    }
}
