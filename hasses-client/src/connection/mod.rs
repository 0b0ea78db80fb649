//! The one connection behind a client, from the call that is made to the answer that comes back.
//!
//! ```text
//! Client ── Call ──► queue      bounded by its `room`; `keys` make publishes repeatable
//!                      ▼
//!                    driver     the thread: reconnecting, time-outs of what was not sent
//!                      ▼
//!                    handshake  an `address` becomes a `stream` on which hasses has answered a ping
//!                      ▼
//!                    session    what was written on it, matched with the `answers` in their order
//! Client ◄─ Outcome ───┘
//! ```
//!
//! A call's bytes are made, and its answer's bytes are read, on the caller's thread; in between only bytes are moved.

mod address;
mod answers;
mod call;
mod driver;
mod handshake;
mod keys;
mod queue;
mod room;
mod session;
mod stream;

pub(crate) use address::Address;
pub(crate) use call::{Call, Caller, Outcome, read};
pub(crate) use driver::start;
pub(crate) use keys::Keys;
pub use queue::Backlog;
pub(crate) use queue::{Entrance, Turned, WhenFull};
