//! hasses: the daemon that pushes events from a web backend to browsers over Server-Sent Events.
//!
//! This library is the daemon without its `main`; it exists so that tests can run a daemon in their own process. What
//! publishers use is the crate `hasses-client`; what new control sources implement is in `hasses-adapters`.
//!
//! The way of an event, from top to bottom: a control source submits a publish to the [`hub`], which appends it to the
//! [`log`] (there it gets its id and is rendered, [`sse`]) and hands it to every [`shard`]; the shard finds who subscribed
//! ([`index`]), puts it into their [`outbox`]es and writes it to their [`connection`]s. The way of a subscriber: [`listener`], [`shard`], [`http`].

pub mod addresses;
pub mod arrival;
pub mod batch;
pub mod clock;
pub mod config;
pub mod connection;
pub mod counters;
pub mod daemon;
pub mod gate;
pub mod greeting;
pub mod http;
pub mod hub;
pub mod index;
pub mod listener;
pub mod log;
pub mod logging;
pub mod mailbox;
pub mod names;
pub mod opening;
pub mod outbox;
pub mod proxy_header;
pub mod readiness;
pub mod run;
pub mod service;
pub mod settings;
pub mod shard;
pub mod shared;
pub mod sse;
pub mod tls;
pub mod wheel;

pub use daemon::Daemon;
pub use opening::{Opened, StartError};
