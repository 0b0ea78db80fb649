//! The event stream over HTTP, for `listen`: one request, and events out of the body that it opens.

use std::io;
use std::net::TcpStream;
use std::time::Duration;

use hasses_client::sse::{Event, Parser};

use crate::failure::Failure;
use crate::table::legible;
use crate::web::{Ending, Exchange, Fault, Head, Part, Scheme, Transport, Trust, Url, dial, request, resolve};

/// Longest event that is collected; an endless one would take all memory. The daemon's own limit is usually 1 MiB.
const MAX_EVENT_BYTES: usize = 64 * 1024 * 1024;
/// Time for an address to take the connection, and for TLS.
const CONNECT: Duration = Duration::from_secs(10);
/// Time for the head of the answer.
const HEAD: Duration = Duration::from_secs(30);
/// Redirects that are followed; browsers follow twenty, and nobody needs more than a few.
const REDIRECTS: usize = 10;

/// Where and what to subscribe to.
#[derive(Debug)]
pub(crate) struct Subscription {
    url: Url,
    trust: Trust,
}

/// An open stream.
pub(crate) struct Stream {
    exchange: Exchange,
    /// What has come and is not read yet.
    begun: Vec<u8>,
    parser: Parser,
    ended: Option<Ending>,
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
    /// A subscription to these topics, not made yet. `ca` is a file of authorities that are believed in place of the system's.
    ///
    /// # Errors
    /// Usage, where `url` is none that can be subscribed to, or the file holds none.
    pub(crate) fn new(url: &str, topics: &[String], id: Option<&str>, ca: Option<&str>) -> Result<Self, Failure> {
        let url =
            Url::parse(url).map_err(|error| Failure::usage(error).advise("as in --url http://127.0.0.1:8080/sse"))?;
        let fields = topics.iter().map(|topic| ("topic", topic.as_str())).chain(id.map(|id| ("id", id)));
        Ok(Self { url: url.with_fields(fields), trust: Trust::new(ca)? })
    }

    /// The URL with its query.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// Subscribes; `last_event_id` is empty at the first time.
    pub(crate) fn open(&self, last_event_id: &str) -> Result<Stream, Closed> {
        let mut url = self.url.clone();
        for _ in 0..=REDIRECTS {
            let (head, mut stream) = self.ask(&url, last_event_id)?;
            if let Some(location) = head.location() {
                let elsewhere = |error: String| format!("{url} leads to a place that is none: {}", legible(&error));
                url = url.join(location).map_err(|error| refused("http", elsewhere(error)))?;
                continue;
            }
            return match refusal(&url, &head) {
                Some(failure) => Err(Closed::ForGood(stream.with_reason(failure))),
                None => Ok(stream),
            };
        }
        Err(refused("http", format!("{} leads from one place to the next without end", self.url)))
    }

    fn ask(&self, url: &Url, last_event_id: &str) -> Result<(Head, Stream), Closed> {
        let mut headers = vec![
            ("User-Agent", concat!("hasses-ctl/", env!("CARGO_PKG_VERSION"))),
            ("Accept", "text/event-stream"),
            ("Cache-Control", "no-cache"),
        ];
        headers.extend((!last_event_id.is_empty()).then_some(("Last-Event-ID", last_event_id)));
        let transport = self.connect(url)?;
        let exchange = Exchange::begin(transport, &request("GET", url, &headers)).map_err(|error| for_now(&error))?;
        let mut stream = Stream { exchange, begun: Vec::new(), parser: Parser::resuming(last_event_id), ended: None };
        stream.exchange.transport().tcp().set_read_timeout(Some(HEAD)).map_err(|error| for_now(&error))?;
        let head = loop {
            if let Some(head) = stream.receive()? {
                break head;
            }
            if stream.ended.is_some() {
                return Err(Closed::ForNow("the connection was closed without an answer".to_owned()));
            }
        };
        // A stream may be silent for hours.
        stream.exchange.transport().tcp().set_read_timeout(None).map_err(|error| for_now(&error))?;
        Ok((head, stream))
    }

    fn connect(&self, url: &Url) -> Result<Transport, Closed> {
        let tcp = connect(url).map_err(|error| for_now(&error))?;
        match url.scheme() {
            Scheme::Http => Ok(Transport::Plain(tcp)),
            Scheme::Https => {
                Transport::secure(tcp, url.host(), &self.trust.config(), CONNECT).map_err(|error| insecure(url, &error))
            }
        }
    }
}

/// The first address that takes the connection.
fn connect(url: &Url) -> io::Result<TcpStream> {
    let mut refused = None;
    for address in resolve(url.host(), url.port())? {
        match dial(address, None, CONNECT) {
            Ok(stream) => return Ok(stream),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Err(refused.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
}

fn refused(code: &'static str, error: String) -> Closed {
    Closed::ForGood(Failure::refused(code, error))
}

fn for_now(error: &io::Error) -> Closed {
    Closed::ForNow(match error.kind() {
        // What the system calls "resource temporarily unavailable".
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "no answer in time".to_owned(),
        _ => error.to_string(),
    })
}

/// A certificate that does not hold will not hold the next time either.
fn insecure(url: &Url, error: &io::Error) -> Closed {
    if !matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) {
        return for_now(error);
    }
    let failure = Failure::refused("tls", format!("TLS with {} failed: {error}", url.authority()))
        .advise(format!("`hasses-ctl doctor {}{}` says what is wrong", url.origin(), url.path()))
        .advise("an authority of one's own is believed with --ca FILE");
    Closed::ForGood(failure)
}

/// As the HTML standard has it: any status but 200, and any type but that of an event stream, is final.
fn refusal(url: &Url, head: &Head) -> Option<Failure> {
    if head.status != 200 {
        return Some(Failure::refused("http", format!("{url} answered {}", legible(&head.status_text()))));
    }
    if head.is_stream() {
        return None;
    }
    let kind = head.first("content-type").unwrap_or("none");
    let error = format!("{url} answered with content of the type {kind:?}, which is no event stream");
    Some(Failure::refused("http", error).advise("does the path of --url match the daemon's --path?"))
}

impl Stream {
    /// The next event that has come already.
    pub(crate) fn waiting_event(&mut self) -> Option<Event> {
        self.parser.push(&std::mem::take(&mut self.begun));
        self.parser.next_event()
    }

    /// Waits for more; `Ok(false)` at the end of the stream.
    pub(crate) fn wait(&mut self) -> Result<bool, Closed> {
        if self.parser.held_bytes() > MAX_EVENT_BYTES {
            return Err(refused("too_large", format!("an event is longer than {MAX_EVENT_BYTES} bytes")));
        }
        match self.ended {
            None => self.receive().map(|_| true),
            Some(Ending::Proper | Ending::Closed) => Ok(false),
            Some(Ending::Cut) => Err(Closed::ForNow("the connection was cut".to_owned())),
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

    /// Reads once; gives the head, where it came.
    fn receive(&mut self) -> Result<Option<Head>, Closed> {
        let mut parts = Vec::new();
        let received = self.exchange.receive(&mut parts);
        let mut head = None;
        for part in parts {
            match part {
                Part::Head(found) => head = Some(found),
                Part::Body(bytes) => self.begun.extend(bytes),
                Part::End(ending) => self.ended = Some(ending),
            }
        }
        match received {
            Ok(()) => Ok(head),
            Err(Fault::Network(error)) => Err(for_now(&error)),
            Err(Fault::Malformed(error)) => {
                Err(refused("http", format!("what answers does not speak HTTP as it should: {error}")))
            }
        }
    }

    /// Adds what the server says about its refusal.
    fn with_reason(&mut self, failure: Failure) -> Failure {
        const MOST: usize = 1024;
        // A body that breaks off still says something.
        while self.begun.len() < MOST && self.ended.is_none() && self.receive().is_ok() {}
        let text = String::from_utf8_lossy(&self.begun);
        match text.lines().map(str::trim).find(|line| !line.is_empty()) {
            Some(line) => failure.advise(format!("it says: {}", legible(line))),
            None => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_and_id_stand_in_the_query() {
        let topics = ["room624".to_owned(), "a b".to_owned()];
        let subscription = Subscription::new("http://h/sse?a=b#c", &topics, Some("me/1"), None).unwrap();
        assert_eq!(subscription.url().target(), "/sse?a=b&topic=room624&topic=a%20b&id=me%2F1");
    }

    #[test]
    fn only_http_and_https_are_spoken() {
        for url in ["h:8080/sse", "", "unix:///x", "ws://h/sse"] {
            let failure = Subscription::new(url, &[], None, None).unwrap_err();
            assert_eq!(failure.exit_code(), std::process::ExitCode::from(2));
        }
    }
}
