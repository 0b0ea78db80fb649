//! The asynchronous client.

use std::time::{Duration, Instant};

use crate::connection::{self, Address, Call, Caller};
use crate::error::Error;
use crate::message::Message;
use crate::options::{self, Options};
use crate::wire::{
    ClientList, ClientsQuery, Command, Count, Disconnect, Disconnected, EventId, Level, LogLevel, Pong, Position,
    Publish, Published, Reinit, ReplyBody, StatusReport, TopicList, TopicPattern, TopicsQuery,
};

/// A connection to the daemon that can be called from many tasks at once.
///
/// Cloning is cheap, and all clones share the connection. Calls go out in the order in which they were first polled, and the
/// daemon keeps that order for every subscriber.
///
/// A future that is dropped before its call was sent takes the call back; one that is dropped later has no influence any
/// more, neither on its own call nor on others. When the last clone is dropped, what was sent is still seen through in the
/// background.
#[derive(Clone)]
pub struct Client {
    pub(crate) calls: flume::Sender<Call>,
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
        Ok(Self { calls: connection::start(address, options).await?, call_timeout })
    }

    /// Sends `data` to every subscriber of `topic`, which may be a pattern as `ro*`. The answer comes once the event has its
    /// place in the order of all events.
    ///
    /// # Errors
    /// What can become of a publish is listed [at the top of the crate](crate#what-a-failed-publish-means).
    pub async fn publish(&self, topic: &str, data: impl Into<String>) -> Result<Published, Error> {
        let topic = TopicPattern::new(topic).map_err(Error::Invalid)?;
        self.call(&Command::Publish(Publish::new(topic, data))).await
    }

    /// Sends a message.
    ///
    /// # Errors
    /// Those of [`Client::publish`].
    pub async fn send(&self, message: Message) -> Result<Published, Error> {
        self.call(&Command::Publish(message.into_publish()?)).await
    }

    /// The daemon's settings, current figures and counters.
    ///
    /// # Errors
    /// Any [`Error`] but [`Error::Invalid`].
    pub async fn status(&self) -> Result<StatusReport, Error> {
        self.call(&Command::Status).await
    }

    /// One page of the connections on the daemon's SSE ports.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn clients(&self, query: ClientsQuery) -> Result<ClientList, Error> {
        self.call(&Command::Clients(query)).await
    }

    /// One page of what is subscribed to.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn topics(&self, query: TopicsQuery) -> Result<TopicList, Error> {
        self.call(&Command::Topics(query)).await
    }

    /// The number of subscribers that a publish to `topic` would reach; of all without one.
    ///
    /// # Errors
    /// Any [`Error`]; [`Error::Invalid`] for a bad topic.
    pub async fn count(&self, topic: Option<&str>) -> Result<u64, Error> {
        let topic = topic.map(TopicPattern::new).transpose().map_err(Error::Invalid)?;
        self.call::<Count>(&Command::Count(topic)).await.map(|answer| answer.count)
    }

    /// Ends subscribers' connections, and says how many those were. Browsers reconnect.
    ///
    /// # Errors
    /// Any [`Error`] but [`Error::Invalid`].
    pub async fn disconnect(&self, whom: Disconnect) -> Result<u64, Error> {
        self.call::<Disconnected>(&Command::Disconnect(whom)).await.map(|answer| answer.disconnected)
    }

    /// Sets the daemon's log level, or only asks for it; the answer is the one in force.
    ///
    /// # Errors
    /// Any [`Error`] but [`Error::Invalid`].
    pub async fn log_level(&self, level: Option<LogLevel>) -> Result<LogLevel, Error> {
        self.call::<Level>(&Command::LogLevel(level)).await.map(|answer| answer.level)
    }

    /// Switches whether a subscribed connection may send a new request, or only asks; the answer is what is in force.
    ///
    /// # Errors
    /// Any [`Error`] but [`Error::Invalid`].
    pub async fn reinit(&self, enabled: Option<bool>) -> Result<bool, Error> {
        self.call::<Reinit>(&Command::Reinit(enabled)).await.map(|answer| answer.enabled)
    }

    /// The id of the newest event, `0-0` before the first.
    ///
    /// # Errors
    /// Any [`Error`] but [`Error::Invalid`].
    pub async fn position(&self) -> Result<EventId, Error> {
        self.call::<Position>(&Command::Position).await.map(|answer| answer.id)
    }

    /// Whether the daemon answers, and its version.
    ///
    /// # Errors
    /// Any [`Error`] but [`Error::Invalid`].
    pub async fn ping(&self) -> Result<Pong, Error> {
        self.call(&Command::Ping).await
    }

    async fn call<T: ReplyBody>(&self, command: &Command) -> Result<T, Error> {
        let (caller, outcome) = flume::bounded(1);
        let call = self.prepare(command, Caller(caller));
        self.calls.send_async(call).await.map_err(|_| Error::Closed)?;
        connection::read(outcome.recv_async().await.unwrap_or(Err(Error::Closed)))
    }

    pub(crate) fn prepare(&self, command: &Command, caller: Caller) -> Call {
        Call::new(command, options::after(Instant::now(), self.call_timeout), caller)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("call_timeout", &self.call_timeout).finish_non_exhaustive()
    }
}
