//! The numbers of one subscriber's messages: which one is due, and which are missing. No I/O.

use std::ops::Range;

/// How far a subscriber is in its topic.
#[derive(Debug)]
pub(super) struct Sequence {
    due: u32,
    /// Numbers that were passed over.
    missing: Vec<Range<u32>>,
}

/// What the number of a message that came says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It was due.
    Due,
    /// So many before it are missing.
    Early(u32),
    /// It was missing, and comes behind later ones.
    Late,
    /// It had come.
    Again,
}

impl Sequence {
    /// One whose messages up to this number came elsewhere.
    pub(super) fn behind(number: u32) -> Self {
        Self { due: number + 1, missing: Vec::new() }
    }

    /// The number that must come next.
    pub(super) fn due(&self) -> u32 {
        self.due
    }

    /// Takes the number of a message that came.
    pub(super) fn take(&mut self, number: u32) -> Arrival {
        if number == self.due {
            self.due += 1;
            return Arrival::Due;
        }
        if number > self.due {
            let passed = self.due..number;
            self.due = number + 1;
            let count = number - passed.start;
            self.missing.push(passed);
            return Arrival::Early(count);
        }
        if self.find(number) { Arrival::Late } else { Arrival::Again }
    }

    /// How many of the messages up to `last` have not come.
    pub(super) fn lost(&self, last: u32) -> u64 {
        // A number that was never sent, of a message that was damaged, is none that is lost.
        let missing = self.missing.iter();
        let missing: u64 = missing.map(|range| u64::from(range.end.min(last + 1).saturating_sub(range.start))).sum();
        missing + u64::from((last + 1).saturating_sub(self.due))
    }

    /// Takes a number out of those that are missing; `false` where it is none of them.
    fn find(&mut self, number: u32) -> bool {
        let missing = &mut self.missing;
        let Some(at) = missing.iter().position(|range| range.contains(&number)) else { return false };
        let range = missing.swap_remove(at);
        let parts = [range.start..number, number + 1..range.end];
        missing.extend(parts.into_iter().filter(|part| !part.is_empty()));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Arrival::{Again, Due, Early, Late};
    use super::*;

    #[test]
    fn each_number_is_told_from_the_others() {
        for (numbers, arrivals, lost) in [
            (&[1, 2, 3][..], &[Due, Due, Due][..], 0),
            (&[1, 3, 4], &[Due, Early(1), Due], 1),
            (&[4, 2, 2, 1, 3, 3], &[Early(3), Late, Again, Late, Late, Again], 0),
            (&[1, 1], &[Due, Again], 3),
            (&[], &[], 4),
            (&[3], &[Early(2)], 3),
        ] {
            let mut sequence = Sequence::behind(0);
            let found: Vec<_> = numbers.iter().map(|number| sequence.take(*number)).collect();
            assert_eq!(found, arrivals, "{numbers:?}");
            let last = if lost > 1 { 4 } else { sequence.due() - 1 };
            assert_eq!(sequence.lost(last), lost, "{numbers:?}");
        }
        let mut later = Sequence::behind(3);
        assert_eq!((later.take(5), later.take(3), later.lost(6)), (Early(1), Again, 2));
    }
}
