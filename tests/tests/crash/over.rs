//! The end of a scope's threads: they are told when the test is done with them, and also when it fails.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;

/// Whether threads are to end.
#[derive(Debug, Default)]
pub(crate) struct Over(AtomicBool);

/// Tells them when it is dropped.
#[derive(Debug)]
pub(crate) struct Ending<'a>(&'a Over);

impl Over {
    /// To be held as long as they shall run.
    pub(crate) fn at_the_end(&self) -> Ending<'_> {
        Ending(self)
    }

    /// Whether they are to end.
    pub(crate) fn is_over(&self) -> bool {
        self.0.load(SeqCst)
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.0.store(true, SeqCst);
    }
}
