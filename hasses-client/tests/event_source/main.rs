//! `EventSource` against servers that the tests play, in raw HTTP over TCP and TLS.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what fails here fails the test")]

mod certificates;
mod executors;
mod heard;
mod redirects;
mod refusals;
mod resuming;
mod server;
mod silence;
mod slow_programs;
mod streams;
mod tls;
