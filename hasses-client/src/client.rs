//! The asynchronous client.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::connection::{self, Address, Backlog, Call, Caller, Entrance, Keys, Turned, WhenFull};
use crate::error::Error;
use crate::message::Message;
use crate::options::{self, Delivery, Options};
use crate::wire::{
    ClientList, ClientsQuery, Command, Count, Disconnect, Disconnected, EventId, Level, LogLevel, Pong, Position,
    Publish, Published, Reinit, ReplyBody, StatusReport, TopicList, TopicPattern, TopicsQuery,
};

/// A connection to the daemon that can be called from many tasks at once.
///
/// Cloning is cheap, and all clones share the connection and the queue. Calls go out in the order in which they were first polled,
/// and the daemon keeps that order for every subscriber, also where some of them had to be sent again.
///
/// A future that is dropped before its call was sent takes the call back. One that is dropped later has no influence any
/// more, neither on its own call nor on others; but if its connection is lost, it is not sent again. When the last clone is
/// dropped, what was sent is still seen through in the background.
#[derive(Clone)]
pub struct Client {
    queue: Arc<Entrance>,
    /// `None` where nothing is to be sent twice.
    keys: Option<Arc<Keys>>,
    pub(crate) call_timeout: Duration,
}

impl Client {
    /// Connects to the daemon at `unix:///run/hasses/control.sock` or `tcp://127.0.0.1:8085`, and has a ping answered, so
    /// that it is known to be hasses. One attempt is made; only from then on the client reconnects by itself.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad URL, [`Error::Unreachable`] where nobody takes the connection or answers on it,
    /// [`Error::Protocol`] where somebody else does.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Self::connect_with(url, Options::default()).await
    }

    /// Connects as [`Client::connect`] does, with times and bounds of its own.
    ///
    /// # Errors
    /// Those of [`Client::connect`].
    pub async fn connect_with(url: &str, options: Options) -> Result<Self, Error> {
        let address: Address = url.parse().map_err(Error::Invalid)?;
        let call_timeout = options.call_timeout;
        let unready = |source: io::Error| Error::Unreachable { url: url.to_owned(), source };
        let keys = match options.delivery {
            Delivery::ExactlyOnce => Some(Arc::new(Keys::new().map_err(unready)?)),
            Delivery::AtMostOnce => None,
        };
        let queue = Arc::new(connection::start(address, options).await?);
        Ok(Self { queue, keys, call_timeout })
    }

    /// Sends `data` to every subscriber of `topic`, which may be a pattern as `ro*`. The answer comes once the event has its
    /// place in the order of all events. Where the queue is full it waits for room first.
    ///
    /// # Errors
    /// What can become of a publish is listed [at the top of the crate](crate#what-a-failed-publish-means).
    pub async fn publish(&self, topic: &str, data: impl Into<String>) -> Result<Published, Error> {
        self.send(Message::new(topic, data)).await
    }

    /// Sends a message. Where the queue is full it waits for room first.
    ///
    /// # Errors
    /// Those of [`Client::publish`].
    pub async fn send(&self, message: Message) -> Result<Published, Error> {
        self.call(&Command::Publish(message.into_publish()?), WhenFull::Wait).await
    }

    /// As [`Client::publish`], but where the queue is full it fails at once.
    ///
    /// # Errors
    /// Those of [`Client::publish`]; [`Error::QueueFull`] at once.
    pub async fn try_publish(&self, topic: &str, data: impl Into<String>) -> Result<Published, Error> {
        self.try_send(Message::new(topic, data)).await
    }

    /// As [`Client::send`], but where the queue is full it fails at once.
    ///
    /// # Errors
    /// Those of [`Client::publish`]; [`Error::QueueFull`] at once.
    pub async fn try_send(&self, message: Message) -> Result<Published, Error> {
        self.call(&Command::Publish(message.into_publish()?), WhenFull::Leave).await
    }

    /// How much waits in the client at this moment: calls of all its clones, sent or not, that have no outcome yet.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        self.queue.backlog()
    }

    /// The daemon's settings, current figures and counters.
    ///
    /// # Errors
    /// Any [`Error`] but [`Error::Invalid`].
    pub async fn status(&self) -> Result<StatusReport, Error> {
        self.ask(&Command::Status).await
    }

    /// One page of the connections on the daemon's SSE ports.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn clients(&self, query: ClientsQuery) -> Result<ClientList, Error> {
        self.ask(&Command::Clients(query)).await
    }

    /// One page of what is subscribed to.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn topics(&self, query: TopicsQuery) -> Result<TopicList, Error> {
        self.ask(&Command::Topics(query)).await
    }

    /// The number of subscribers that a publish to `topic` would reach; of all without one.
    ///
    /// # Errors
    /// Any [`Error`]; [`Error::Invalid`] for a bad topic.
    pub async fn count(&self, topic: Option<&str>) -> Result<u64, Error> {
        let topic = topic.map(TopicPattern::new).transpose().map_err(Error::Invalid)?;
        self.ask::<Count>(&Command::Count(topic)).await.map(|answer| answer.count)
    }

    /// Ends subscribers' connections, and says how many those were. Browsers reconnect.
    ///
    /// # Errors
    /// Any [`Error`] but [`Error::Invalid`].
    pub async fn disconnect(&self, whom: Disconnect) -> Result<u64, Error> {
        self.ask::<Disconnected>(&Command::Disconnect(whom)).await.map(|answer| answer.disconnected)
    }

    /// Sets the daemon's log level, or only asks for it; the answer is the one in force.
    ///
    /// # Errors
    /// Any [`Error`] but [`Error::Invalid`].
    pub async fn log_level(&self, level: Option<LogLevel>) -> Result<LogLevel, Error> {
        self.ask::<Level>(&Command::LogLevel(level)).await.map(|answer| answer.level)
    }

    /// Switches whether a subscribed connection may send a new request, or only asks; the answer is what is in force.
    ///
    /// # Errors
    /// Any [`Error`] but [`Error::Invalid`].
    pub async fn reinit(&self, enabled: Option<bool>) -> Result<bool, Error> {
        self.ask::<Reinit>(&Command::Reinit(enabled)).await.map(|answer| answer.enabled)
    }

    /// Where the event log stands: the id of its newest event; before the first one `<milliseconds>-0` of the log's birth. Who
    /// subscribes with it as the last event id gets everything that comes after it.
    ///
    /// # Errors
    /// Any [`Error`] but [`Error::Invalid`].
    pub async fn position(&self) -> Result<EventId, Error> {
        self.ask::<Position>(&Command::Position).await.map(|answer| answer.id)
    }

    /// Whether the daemon answers, and its version.
    ///
    /// # Errors
    /// Any [`Error`] but [`Error::Invalid`].
    pub async fn ping(&self) -> Result<Pong, Error> {
        self.ask(&Command::Ping).await
    }

    async fn ask<T: ReplyBody>(&self, command: &Command) -> Result<T, Error> {
        self.call(command, WhenFull::Wait).await
    }

    async fn call<T: ReplyBody>(&self, command: &Command, when_full: WhenFull) -> Result<T, Error> {
        // Is dropped after the receiver, so that the call is seen to have been dropped.
        let attention = self.queue.attend();
        let (outcomes, outcome) = flume::bounded(1);
        let outcome = match self.queue.push(self.prepare(command, Caller::new(outcomes, 0)), when_full) {
            Ok(()) => outcome.recv_async().await.map_or(Err(Error::Closed), |(_, outcome)| outcome),
            Err(Turned::Away) => Err(Error::Closed),
            Err(Turned::Back(_, limit)) => Err(Error::QueueFull { limit, waited: Duration::ZERO }),
        };
        attention.end();
        connection::read(outcome)
    }

    pub(crate) fn queue(&self) -> &Entrance {
        &self.queue
    }

    pub(crate) fn prepare(&self, command: &Command, caller: Caller) -> Call {
        let key = match (command, &self.keys) {
            (Command::Publish(Publish { key: None, .. }), Some(keys)) => Some(keys.next()),
            _ => None,
        };
        let delivery = if self.keys.is_some() { Delivery::ExactlyOnce } else { Delivery::AtMostOnce };
        Call::new(command, key.as_deref(), delivery, self.deadline(), caller)
    }

    /// When the time of a call that is made now runs out.
    pub(crate) fn deadline(&self) -> Instant {
        options::after(Instant::now(), self.call_timeout)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("call_timeout", &self.call_timeout).finish_non_exhaustive()
    }
}
