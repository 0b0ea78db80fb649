//! The same for programs without an executor.

use futures_lite::future::{block_on, poll_once};

use super::{Error, EventSource, Item};

/// An iterator over the items of an [`EventSource`] that blocks its thread until the next one comes.
///
/// ```no_run
/// use hasses_client::EventSource;
/// use hasses_client::event_source::Item;
///
/// for item in EventSource::builder("http://127.0.0.1:8080/sse").topic("room624").open()?.blocking() {
///     if let Item::Event(event) = item? {
///         println!("{}: {}", event.event, event.data);
///     }
/// }
/// # Ok::<(), hasses_client::event_source::Error>(())
/// ```
///
/// Not for use inside of async code: it would hold up the executor.
#[derive(Debug)]
pub struct Blocking {
    source: EventSource,
}

impl Blocking {
    pub(super) fn new(source: EventSource) -> Self {
        Self { source }
    }

    /// The next item if it has come already; `None` where [`Iterator::next`] would wait, and after the end.
    pub fn try_next(&mut self) -> Option<Result<Item, Error>> {
        block_on(poll_once(self.source.next())).flatten()
    }

    /// As [`EventSource::url`].
    #[must_use]
    pub fn url(&self) -> &str {
        self.source.url()
    }

    /// As [`EventSource::last_event_id`].
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        self.source.last_event_id()
    }
}

impl Iterator for Blocking {
    type Item = Result<Item, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        block_on(self.source.next())
    }
}
