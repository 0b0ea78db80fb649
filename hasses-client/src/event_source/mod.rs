//! Subscribes to an event stream over HTTP or HTTPS, as the `EventSource` of browsers does (WHATWG HTML, 9.2).
//!
//! ```no_run
//! # async fn run() -> Result<(), hasses_client::event_source::Error> {
//! use hasses_client::EventSource;
//! use hasses_client::event_source::Item;
//!
//! let mut events = EventSource::builder("https://events.example.com/sse").topic("room624").topic("order*").open()?;
//! while let Some(item) = events.next().await {
//!     match item? {
//!         Item::Event(event) => println!("{}: {}", event.event, event.data),
//!         Item::Gap { .. } | Item::Reset => println!("something may be missing: load the state anew"),
//!         Item::Lost { error, retry_in } => println!("{error}; again in {retry_in:?}"),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! It runs under smol, tokio and every other executor, since a thread of its own does the I/O; [`EventSource::blocking`] is an
//! iterator for programs without an executor. Dropping it ends the connection and the thread.
//!
//! # What it promises
//!
//! - **It comes back by itself**, after the reconnection time that the stream has told with `retry:`, 3 s before it has told one.
//!   Where attempts fail, it waits longer every time, up to [`Builder::max_backoff`].
//! - **It goes on where it was.** What it sends as `Last-Event-ID` is the id of the last event that it has dispatched, whatever
//!   that string looks like. An event that the end of a stream cuts off is not dispatched, and comes with the next one. So where
//!   the server keeps what it has sent, nothing is doubled and nothing is lost.
//! - **It says where something may be lost.** A hasses daemon tells what became of the id, and that is [`Item::Resumed`],
//!   [`Item::Gap`] or [`Item::Reset`]. Other servers do not tell.
//! - **A slow program holds the stream back.** What the program has not taken is at most three pieces of the stream: each is what
//!   one read brought, up to 64 KiB, or one event, however large ([`Builder::max_event_bytes`]). Then nothing more is read, TCP
//!   holds the server back, and what a server does with slow consumers is up to that server.
//!
//! # How it ends
//!
//! After a status other than 200, and after content that is no event stream, browsers never come back by themselves ("fail the
//! connection", 9.2.3), and neither does this: the error is the last item. Everything else (nobody answers, TLS that
//! fails, a connection that breaks) is [`Item::Lost`], and another attempt follows. A program that knows better, say, that a proxy
//! answers 502 while the server behind it is restarted, opens another one with [`Builder::last_event_id`].

mod attempt;
mod blocking;
mod builder;
mod connection;
mod driver;
mod error;
mod item;
mod plan;
mod schedule;
mod socket;
mod stream;

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::vec;

use flume::r#async::RecvStream;
use futures_lite::Stream;
use futures_lite::future::poll_fn;

pub use blocking::Blocking;
pub use builder::Builder;
pub use error::Error;
pub use item::Item;

/// What one read of the stream brought, or what happened to it.
type Batch = Vec<Result<Item, Error>>;

/// A subscription that comes back by itself; see [the module](self).
///
/// It is a `Stream` of the `futures` crates, and [`EventSource::next`] needs none of them. Dropping it ends it.
pub struct EventSource {
    url: String,
    last_event_id: String,
    cursors: bool,
    /// Taken from the channel, and not given to the program yet.
    batch: vec::IntoIter<Result<Item, Error>>,
    batches: RecvStream<'static, Batch>,
    over: bool,
    /// Carries nothing: that it closes tells the thread to end, whatever it is waiting for.
    _wanted: flume::Sender<Infallible>,
}

impl EventSource {
    /// Subscribes to a URL as it stands, for instance `http://127.0.0.1:8080/sse?topic=room624`.
    ///
    /// # Errors
    /// [`Error::Invalid`] where that is no URL with `http://` or `https://`. Whether anybody answers there shows later.
    pub fn open(url: &str) -> Result<Self, Error> {
        Self::builder(url).open()
    }

    /// A subscription with more to be said about it.
    pub fn builder(url: impl Into<String>) -> Builder {
        Builder::new(url.into())
    }

    /// The next item; `None` once an error has come, which is the last one. Waits as long as it takes.
    ///
    /// The future may be dropped, and nothing is lost by it.
    pub async fn next(&mut self) -> Option<Result<Item, Error>> {
        poll_fn(|cx| self.poll_item(cx)).await
    }

    /// The same for a program without an executor: an iterator that blocks its thread.
    #[must_use]
    pub fn blocking(self) -> Blocking {
        Blocking::new(self)
    }

    /// The URL that is subscribed to, with its query.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The last event id as of the last item that the program has been given; empty where there is none.
    ///
    /// A program that keeps it and gives it to [`Builder::last_event_id`] when it starts again goes on right there. It moves with
    /// events, and on quiet topics also with cursors, which are no items unless [`Builder::cursors`] asks for them.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Item, Error>>> {
        while !self.over {
            let item = match self.batch.next() {
                Some(item) => item,
                None => match ready!(Pin::new(&mut self.batches).poll_next(cx)) {
                    Some(batch) => {
                        self.batch = batch.into_iter();
                        continue;
                    }
                    None => Err(Error::Closed),
                },
            };
            match &item {
                Ok(Item::Event(event)) => event.last_event_id.clone_into(&mut self.last_event_id),
                Ok(Item::Cursor { last_event_id }) => {
                    last_event_id.clone_into(&mut self.last_event_id);
                    if !self.cursors {
                        continue;
                    }
                }
                Ok(_) => {}
                Err(_) => self.over = true,
            }
            return Poll::Ready(Some(item));
        }
        Poll::Ready(None)
    }
}

impl Stream for EventSource {
    type Item = Result<Item, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_item(cx)
    }
}

impl fmt::Debug for EventSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("EventSource");
        shown.field("url", &self.url).field("last_event_id", &self.last_event_id).finish_non_exhaustive()
    }
}
