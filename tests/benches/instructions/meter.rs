//! The function within which callgrind counts.

use std::hint::black_box;

/// Counts the operations of a case; callgrind counts their instructions.
#[derive(Default)]
pub(crate) struct Meter {
    operations: u64,
}

impl Meter {
    /// Does what is to be counted, so many operations. What a case does elsewhere is not counted.
    pub(crate) fn count(&mut self, operations: usize, mut work: impl FnMut()) {
        self.operations += operations as u64;
        measured_section(&mut work);
    }

    /// The operations so far.
    pub(crate) fn operations(&self) -> u64 {
        self.operations
    }
}

/// What callgrind knows by its name ([`SECTION`](crate::callgrind::SECTION)): entering it begins the counting, leaving it ends it.
/// It takes a pointer to the work, so that there is one such function and none within another.
#[inline(never)]
fn measured_section(work: &mut dyn FnMut()) -> u8 {
    work();
    // So that the call above is not the last thing it does: it would be left before the work is done.
    black_box(0)
}
