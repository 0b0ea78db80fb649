//! What can be said about a subscription before it is made.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::error::Error;
use super::plan::{Limits, Plan};
use super::{EventSource, driver};
use crate::web::{Trust, Url};

/// A subscription to be made.
///
/// ```no_run
/// use std::time::Duration;
/// use hasses_client::EventSource;
///
/// let events = EventSource::builder("https://events.example.com/sse")
///     .topic("orders/17")
///     .id("dashboard-3")
///     .replay(1)
///     .header("Authorization", "Bearer 0123456789abcdef")
///     .idle_timeout(Duration::from_secs(45))
///     .open()?;
/// # Ok::<(), hasses_client::event_source::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "nothing is subscribed to until it is opened"]
pub struct Builder {
    url: String,
    fields: Vec<(&'static str, String)>,
    headers: Vec<(String, String)>,
    last_event_id: String,
    authorities: Option<PathBuf>,
    cursors: bool,
    limits: Limits,
}

impl Builder {
    pub(super) fn new(url: String) -> Self {
        let (fields, headers, last_event_id) = (Vec::new(), Vec::new(), String::new());
        Self { url, fields, headers, last_event_id, authorities: None, cursors: false, limits: Limits::default() }
    }

    /// Subscribes to this topic as well: adds `topic=` to the query, percent-encoded. With hasses a `*` at the end stands for all
    /// topics that begin so, and `*` alone for every topic.
    pub fn topic(self, topic: impl Into<String>) -> Self {
        self.field("topic", topic)
    }

    /// Subscribes to these topics as well.
    pub fn topics(self, topics: impl IntoIterator<Item = impl Into<String>>) -> Self {
        topics.into_iter().fold(self, Self::topic)
    }

    /// Subscribes under this id: adds `id=` to the query. Publishers can keep events from it
    /// ([`Message::except`](crate::Message::except)).
    pub fn id(self, id: impl Into<String>) -> Self {
        self.field("id", id)
    }

    /// Has the newest `events` of each topic first where no last event id is known yet: adds `replay=` to the query.
    pub fn replay(self, events: usize) -> Self {
        self.field("replay", events.to_string())
    }

    /// Goes on behind this event, whose id an earlier subscription gave ([`EventSource::last_event_id`]), or a hasses daemon told
    /// ([`Client::position`](crate::Client::position)). Sent as `Last-Event-ID` with the first request.
    pub fn last_event_id(mut self, id: impl Into<String>) -> Self {
        self.last_event_id = id.into();
        self
    }

    /// Sends this header along, for instance `Authorization` or `Cookie`. May be repeated.
    ///
    /// It goes to the origin of the URL alone: where a redirect leads to another one, it is left out.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Believes the authorities in this PEM file, in place of those of the system.
    pub fn authorities(mut self, pem_file: impl Into<PathBuf>) -> Self {
        self.authorities = Some(pem_file.into());
        self
    }

    /// Gives cursors to the program too: [`Item::Cursor`](super::Item::Cursor).
    pub fn cursors(mut self) -> Self {
        self.cursors = true;
        self
    }

    /// The reconnection time until the stream has set another one with `retry:`. Default: 3 s.
    pub fn reconnection_time(mut self, time: Duration) -> Self {
        self.limits.reconnection_time = time;
        self
    }

    /// Longest pause after attempts that failed. Those pauses are drawn at random between the reconnection time and a bound
    /// that doubles with each failure, up to this; a longer reconnection time stays in force. Default: 30 s.
    pub fn max_backoff(mut self, time: Duration) -> Self {
        self.limits.max_backoff = time;
        self
    }

    /// Longest time until there is a connection: resolving the name, TCP and TLS together. Default: 10 s.
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.limits.connect_timeout = time;
        self
    }

    /// Longest time from the request to the head of its answer. Default: 30 s.
    pub fn answer_timeout(mut self, time: Duration) -> Self {
        self.limits.answer_timeout = time;
        self
    }

    /// Takes a stream on which nothing comes for so long for lost, not even a comment. Default: none, since streams of other
    /// servers may be silent for hours.
    ///
    /// hasses sends a comment at least every 15 s unless configured otherwise (`--heartbeat`), so three times that is a good
    /// choice there. Without it, a machine that has gone without a word is noticed by TCP alone: after 2 minutes, and not where a
    /// proxy stands in between and stays.
    pub fn idle_timeout(mut self, time: Duration) -> Self {
        self.limits.idle_timeout = time;
        self
    }

    /// Longest event that is collected, in bytes; an endless one would take all memory. Default: 64 MiB.
    pub fn max_event_bytes(mut self, bytes: usize) -> Self {
        self.limits.max_event_bytes = bytes;
        self
    }

    /// Subscribes. Connecting goes on in the background: that nobody answers is an [`Item::Lost`](super::Item::Lost), and further
    /// attempts follow.
    ///
    /// # Errors
    /// [`Error::Invalid`] where something that was said here is wrong; [`Error::Network`] where the system has no thread left.
    pub fn open(self) -> Result<EventSource, Error> {
        let cursors = self.cursors;
        driver::start(self.plan()?, cursors)
    }

    fn field(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// What was said, checked.
    pub(super) fn plan(self) -> Result<Plan, Error> {
        let url = Url::parse(&self.url).map_err(Error::Invalid)?;
        let url = url.with_fields(self.fields.iter().map(|(name, value)| (*name, value.as_str())));
        let trust = self.authorities.map(|file| {
            let unreadable = |why| Error::Invalid(format!("the authorities in {}: {why}", file.display()));
            Trust::in_file(&file).map_err(unreadable)
        });
        Plan::new(url, self.headers, self.last_event_id, trust.transpose()?, self.limits)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers hold what nobody else shall read.
        let mut shown = f.debug_struct("Builder");
        shown.field("url", &self.url).field("fields", &self.fields).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_subscribed_to_stands_in_the_query() {
        let builder = Builder::new("http://h/sse?a=b".to_owned());
        let plan = builder.topic("room624").topics(["a b+c&d", "ü*"]).id("me/1").replay(3).plan().unwrap();
        let target = "/sse?a=b&topic=room624&topic=a%20b%2Bc%26d&topic=%C3%BC*&id=me%2F1&replay=3";
        assert_eq!(plan.url.target(), target);
    }

    #[test]
    fn authorities_that_cannot_be_read_are_named() {
        let refused = Builder::new("https://h/sse".to_owned()).authorities("/nonexistent.pem").plan();
        let Err(Error::Invalid(error)) = refused else { panic!() };
        assert!(error.starts_with("the authorities in /nonexistent.pem: "), "{error}");
    }
}
