//! The configurations of `hasses/docs/proxies.md`, each in the real proxy, in front of a daemon.
//!
//! Every test takes its configuration out of that document and puts in only addresses, files and, where it must not wait
//! for a minute, times. What all proxies have to do is in `behaviour`; the file of a proxy says what is its own.

#![expect(clippy::expect_used, reason = "what a test needs and cannot have is a failure of that test")]

mod apache;
mod behaviour;
mod caddy;
mod curl;
mod documents;
mod front;
mod haproxy;
mod nginx;
