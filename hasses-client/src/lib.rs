//! Publishes Server-Sent Events through the [hasses](https://github.com/hasses/hasses) daemon.
//!
//! A backend keeps one [`Client`] and calls it from as many tasks as it likes: all of them share one connection, on which
//! many calls are under way at the same time. The client reconnects by itself, sends again what was unanswered without doubling
//! it, and says of every call that fails whether the daemon may have seen it.
//!
//! ```no_run
//! # async fn run() -> Result<(), hasses_client::Error> {
//! use hasses_client::{Client, Message};
//!
//! let client = Client::connect("unix:///run/hasses/control.sock").await?;
//! client.publish("room624", "hi").await?;
//! let published = client.send(Message::new("room624", "12:00").event("tick").except("me")).await?;
//! println!("event {} went to {} subscribers", published.id, published.matched);
//! # Ok(())
//! # }
//! ```
//!
//! It runs under smol, tokio and every other executor, and depends on none: each client has one thread of its own, which
//! does the I/O. [`blocking::Client`] is the same for programs without an executor.
//!
//! # What a failed publish means
//!
//! The client itself tries for as long as [`Options::call_timeout`] allows; what fails then has failed for all of that time.
//!
//! - [`Error::Invalid`]: not published, and never will be as it stands.
//! - [`Error::Refused`]: not published. Its [code](Error::code) says why: [`ErrorCode::NotStored`] that the daemon's event log could
//!   not keep the event, since its disk is full or failing; nearly every other one, that the message will never do. The client
//!   does not try again by itself: what it sent behind a refused event has been accepted, and would be overtaken.
//! - [`Error::Unreachable`], [`Error::TimedOut`], [`Error::QueueFull`]: not published, since it was not sent; try again later.
//! - [`Error::FateUnknown`]: it was sent, and no answer came in time. The event may or may not have been published, and may still
//!   be, also behind later ones.
//!
//! # Exactly once
//!
//! Every publish has a key: one of the program's own ([`Message::key`]), or one that the client gives it and nobody else ever has.
//! If the connection is lost before the answer came, the client connects anew and first of all sends what was unanswered again, in
//! its order. The daemon's event log knows it by its key, keeps the first and answers with its id; [`Published::duplicate`] is
//! then `true` and `matched` 0, since nobody counted again. So an acknowledged publish stands in the log once, and the publishes of
//! a client reach every subscriber in the order in which they were made. A daemon that says that it is ending
//! ([`ErrorCode::Internal`]) counts as a lost connection.
//!
//! - The log knows a key for as long as it keeps the event. Its retention is to be longer than `call_timeout`: an hour and ten
//!   seconds, unless told otherwise.
//! - A log in memory ends with its daemon. What the old daemon had published and not answered is published again by the new one:
//!   once in each log, and a page that was connected to both gets it twice. A log on disk (`--log-dir`) still knows it.
//! - A daemon that takes no keys gets publishes without. Then, and with [`Delivery::AtMostOnce`], a publish whose connection is
//!   lost ends as [`Error::FateUnknown`] at once.
//! - A call whose future is dropped is not sent again. A message that the program itself sends once more has a new key, unless the
//!   program sets one.
//! - Questions ([`Client::status`], [`Client::count`] and their like) are asked again as well. [`Client::disconnect`], and
//!   [`Client::log_level`] and [`Client::reinit`] where they set something, are not: they end as [`Error::FateUnknown`].
//!
//! # When the daemon is away
//!
//! Calls wait in the client's queue, which [`Options::queue`] and [`Options::queue_bytes`] bound. When it is full,
//! [`Client::publish`] and [`Client::send`] wait for room, [`Client::try_publish`] and [`Client::try_send`] fail with
//! [`Error::QueueFull`]. [`Client::backlog`] tells how much waits.
//!
//! # The other parts
//!
//! - [`EventSource`] subscribes: events over HTTP and HTTPS, from hasses or any other server. It needs the feature `event-source`,
//!   which is on unless switched off.
//! - [`sse`] parses event streams without any I/O.
//! - [`wire`] is the control protocol itself, without any I/O.

pub mod blocking;
#[cfg(feature = "event-source")]
pub mod event_source;
pub mod sse;
// Public for hasses-ctl alone, whose `doctor` takes the same connections apart: there shall be one HTTP client, not two. What it
// needs of it changes with every check, so nothing is promised to others.
#[cfg(feature = "event-source")]
#[doc(hidden)]
pub mod web;
pub mod wire;

mod bulk;
mod client;
mod connection;
mod error;
mod message;
mod options;

pub use client::Client;
pub use connection::Backlog;
pub use error::{Error, QueueLimit};
#[cfg(feature = "event-source")]
pub use event_source::EventSource;
pub use message::Message;
pub use options::{Delivery, Options};
pub use wire::{
    ClientInfo, ClientList, ClientState, ClientsQuery, Disconnect, ErrorCode, EventId, Failure, LogLevel, Pong,
    Published, StatusReport, SubscriberId, TlsInfo, TopicInfo, TopicList, TopicPattern, TopicsQuery,
};
