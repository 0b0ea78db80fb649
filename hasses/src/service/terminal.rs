//! The terminal that a daemon in the foreground was started in.

use std::io::{self, IsTerminal as _};

/// Whether the log goes to a terminal. A terminal that is closed sends SIGHUP too, and that one means the end: nobody would know of
/// a daemon that went on behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminal {
    /// It did when the daemon started.
    There,
    /// It never did.
    None,
}

impl Terminal {
    /// Looks at standard output.
    #[must_use]
    pub fn of_this_process() -> Self {
        if io::stdout().is_terminal() { Self::There } else { Self::None }
    }

    /// Whether it was closed: it answers no question any more.
    #[must_use]
    pub fn is_closed(self) -> bool {
        self == Self::There && !io::stdout().is_terminal()
    }
}
