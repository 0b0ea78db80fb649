//! Publishes Server-Sent Events through the [hasses](https://github.com/hasses/hasses) daemon.
//!
//! A backend keeps one [`Client`] and calls it from as many tasks as it likes: all of them share one connection, on which
//! many calls are under way at the same time. The client reconnects by itself, and says of every call that fails whether
//! the daemon may have seen it.
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
//! - [`Error::Invalid`], [`Error::Refused`]: not published, and never will be as it stands.
//! - [`Error::Unreachable`], [`Error::TimedOut`]: not published, since it was not sent; try again later.
//! - [`Error::FateUnknown`]: it was sent, and the answer did not come. The event may or may not have been published.
//!
//! # The other parts
//!
//! - [`sse`] parses event streams, for programs that subscribe.
//! - [`wire`] is the control protocol itself, without any I/O.

pub mod blocking;
pub mod sse;
pub mod wire;

mod client;
mod connection;
mod error;
mod message;
mod options;

pub use client::Client;
pub use error::Error;
pub use message::Message;
pub use options::Options;
pub use wire::{
    ClientInfo, ClientList, ClientState, ClientsQuery, Disconnect, ErrorCode, EventId, Failure, LogLevel, Pong,
    Published, StatusReport, SubscriberId, TlsInfo, TopicInfo, TopicList, TopicPattern, TopicsQuery,
};
