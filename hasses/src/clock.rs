//! What time it is. The clock of a daemon comes in as a value, so that a test can step it.

use std::fmt;
use std::time::Instant;

use crate::wheel::Millis;

/// The two times that a daemon goes by.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Milliseconds since the daemon's start. It never goes back: everything that is to last so long is timed by it.
    fn millis(&self) -> Millis;

    /// Milliseconds since 1970, as the machine has it at the moment; somebody may set it back. Events have their ids from it.
    fn wall(&self) -> u64;
}

/// The clock of the machine.
#[derive(Debug)]
pub struct System(Instant);

impl System {
    /// A clock whose daemon starts now.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for System {
    fn millis(&self) -> Millis {
        // Half a billion years fit.
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn wall(&self) -> u64 {
        crate::log::now()
    }
}
