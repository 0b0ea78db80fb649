//! The client for programs without an executor: the same calls, each of which blocks its thread.
//!
//! ```no_run
//! use hasses_client::blocking::Client;
//!
//! let client = Client::connect("unix:///run/hasses/control.sock")?;
//! let published = client.publish("room624", "hi")?;
//! println!("{} subscribers", published.matched);
//! # Ok::<(), hasses_client::Error>(())
//! ```
//!
//! Not for use inside of async code: it would hold up the executor.

use std::ops::ControlFlow;

use futures_lite::future::block_on;

use crate::bulk::Bulk;
use crate::connection::Backlog;
use crate::error::Error;
use crate::message::Message;
use crate::options::Options;
use crate::wire::{
    ClientList, ClientsQuery, Disconnect, EventId, LogLevel, Pong, Published, StatusReport, TopicList, TopicsQuery,
};

/// A connection to the daemon that many threads may call at once. Cloning is cheap, and all clones share the connection.
#[derive(Clone, Debug)]
pub struct Client {
    shared: crate::Client,
}

impl Client {
    /// As [`crate::Client::connect`].
    ///
    /// # Errors
    /// The same.
    pub fn connect(url: &str) -> Result<Self, Error> {
        Self::connect_with(url, Options::default())
    }

    /// As [`crate::Client::connect_with`].
    ///
    /// # Errors
    /// The same.
    pub fn connect_with(url: &str, options: Options) -> Result<Self, Error> {
        block_on(crate::Client::connect_with(url, options)).map(Self::from)
    }

    /// As [`crate::Client::publish`].
    ///
    /// # Errors
    /// The same.
    pub fn publish(&self, topic: &str, data: impl Into<String>) -> Result<Published, Error> {
        block_on(self.shared.publish(topic, data))
    }

    /// As [`crate::Client::send`].
    ///
    /// # Errors
    /// The same.
    pub fn send(&self, message: Message) -> Result<Published, Error> {
        block_on(self.shared.send(message))
    }

    /// As [`crate::Client::try_publish`]: it waits for the answer, but not for room in the queue.
    ///
    /// # Errors
    /// The same.
    pub fn try_publish(&self, topic: &str, data: impl Into<String>) -> Result<Published, Error> {
        block_on(self.shared.try_publish(topic, data))
    }

    /// As [`crate::Client::try_send`]: it waits for the answer, but not for room in the queue.
    ///
    /// # Errors
    /// The same.
    pub fn try_send(&self, message: Message) -> Result<Published, Error> {
        block_on(self.shared.try_send(message))
    }

    /// As [`crate::Client::backlog`].
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        self.shared.backlog()
    }

    /// Sends all messages of an iterator at full speed: the next ones go out while the answers to earlier ones are still
    /// coming. At most 1024 are under way at a time, fewer where the queue has no room for so many. A message's time begins when
    /// it is let into the queue.
    ///
    /// `on_outcome` gets the outcome of every message, in their order. It is called between two messages, so while the
    /// iterator itself waits, outcomes wait too. When it breaks off, no further message is taken from the iterator, what was
    /// not sent yet is dropped, and what was sent is left to the daemon, its outcome unseen; `send_all` then breaks as well.
    ///
    /// ```no_run
    /// use std::ops::ControlFlow;
    /// use hasses_client::{Message, blocking::Client};
    ///
    /// let client = Client::connect("unix:///run/hasses/control.sock")?;
    /// let lines = std::io::stdin().lines().map_while(Result::ok);
    /// let mut failed = None;
    /// let _ = client.send_all(lines.map(|line| Message::new("log", line)), |outcome| match outcome {
    ///     Ok(_) => ControlFlow::Continue(()),
    ///     Err(error) => {
    ///         failed = Some(error);
    ///         ControlFlow::Break(())
    ///     }
    /// });
    /// # Ok::<(), hasses_client::Error>(())
    /// ```
    pub fn send_all(
        &self,
        messages: impl IntoIterator<Item = Message>,
        on_outcome: impl FnMut(Result<Published, Error>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let attention = self.shared.queue().attend();
        let mut bulk = Bulk::new(&self.shared, on_outcome);
        for message in messages {
            bulk.send(message)?;
        }
        bulk.finish()?;
        attention.end();
        ControlFlow::Continue(())
    }

    /// As [`crate::Client::status`].
    ///
    /// # Errors
    /// The same.
    pub fn status(&self) -> Result<StatusReport, Error> {
        block_on(self.shared.status())
    }

    /// As [`crate::Client::clients`].
    ///
    /// # Errors
    /// The same.
    pub fn clients(&self, query: ClientsQuery) -> Result<ClientList, Error> {
        block_on(self.shared.clients(query))
    }

    /// As [`crate::Client::topics`].
    ///
    /// # Errors
    /// The same.
    pub fn topics(&self, query: TopicsQuery) -> Result<TopicList, Error> {
        block_on(self.shared.topics(query))
    }

    /// As [`crate::Client::count`].
    ///
    /// # Errors
    /// The same.
    pub fn count(&self, topic: Option<&str>) -> Result<u64, Error> {
        block_on(self.shared.count(topic))
    }

    /// As [`crate::Client::disconnect`].
    ///
    /// # Errors
    /// The same.
    pub fn disconnect(&self, whom: Disconnect) -> Result<u64, Error> {
        block_on(self.shared.disconnect(whom))
    }

    /// As [`crate::Client::log_level`].
    ///
    /// # Errors
    /// The same.
    pub fn log_level(&self, level: Option<LogLevel>) -> Result<LogLevel, Error> {
        block_on(self.shared.log_level(level))
    }

    /// As [`crate::Client::reinit`].
    ///
    /// # Errors
    /// The same.
    pub fn reinit(&self, enabled: Option<bool>) -> Result<bool, Error> {
        block_on(self.shared.reinit(enabled))
    }

    /// As [`crate::Client::position`].
    ///
    /// # Errors
    /// The same.
    pub fn position(&self) -> Result<EventId, Error> {
        block_on(self.shared.position())
    }

    /// As [`crate::Client::ping`].
    ///
    /// # Errors
    /// The same.
    pub fn ping(&self) -> Result<Pong, Error> {
        block_on(self.shared.ping())
    }
}

impl From<crate::Client> for Client {
    /// A blocking client on the same connection.
    fn from(shared: crate::Client) -> Self {
        Self { shared }
    }
}
