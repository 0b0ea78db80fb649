//! The daemon as a service of its machine: in the background or under a service manager, as a user of its own, with a pid file.
//!
//! The order at a start is that of [`run`](crate::run): signals are caught, the user is looked up, the log, the pid file and
//! everything else is opened, the user is changed for good, and only then threads of the daemon start. Whoever waits for the
//! start is told last.

pub mod background;
mod ground;
mod notify;
mod owner;
mod pid_file;
mod pulse;
mod reload;
mod terminal;
mod user;

pub use ground::Ground;
pub use notify::{Manager, watchdog};
pub use owner::{Group, Owner, Refused};
pub use pid_file::PidFile;
pub use pulse::{Status, beat};
pub use reload::Origin;
pub use terminal::Terminal;
pub use user::User;
