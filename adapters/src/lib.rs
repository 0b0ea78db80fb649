//! Control sources of the hasses daemon: where publishes and commands come from.
//!
//! A source turns something outside (connections on a TCP port or a Unix socket, writes into a FIFO) into
//! [`Command`](hasses_client::wire::Command)s, submits them to the [`Inbox`], and gives the
//! [`Reply`](hasses_client::wire::Reply)s back where the outside has a way back.
//!
//! The boundary is `Command` and `Reply`, not bytes, so that sources which are no byte streams fit. Those that are share
//! [`Session`]. A new source is one file that implements [`ControlSource`], its `mod` line here, and its line in [`SOURCES`].

mod complaints;
mod connections;
mod error;
mod fifo;
mod foreign;
mod inbox;
mod passed;
mod session;
mod sources;
mod systemd;
mod tcp;
mod unix;
mod url;

pub use error::{OpenError, advice};
pub use inbox::{Inbox, Submission};
pub use passed::check_name as check_passed_name;
pub use passed::{Passed, PassedSocket};
pub use session::{Session, Way};
pub use sources::{Context, ControlSource, ControlStats, Current, Opened, SOURCES, Settings, SourceKind, open};
pub use unix::SocketFile;
pub use unix::bind as bind_unix;
pub use url::SourceUrl;
