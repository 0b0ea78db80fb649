//! How many lines of the log the faults of one stream may become: a broken publisher sends wrong messages by the million. No
//! I/O, no clock.

use std::time::{Duration, Instant};

/// Faults that are told within a [`SPAN`]; further ones are counted only.
pub(crate) const MOST: u32 = 20;
const SPAN: Duration = Duration::from_secs(1);

/// What one stream has had told.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    begun: Option<Instant>,
    faults: u32,
}

/// What to write of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// The fault itself.
    Fault,
    /// That this one and what comes in the same span is not told.
    Silence,
    Nothing,
}

impl Complaints {
    /// Takes note of a fault at this time.
    pub(crate) fn add(&mut self, now: Instant) -> Line {
        if self.begun.is_none_or(|begun| now.duration_since(begun) >= SPAN) {
            *self = Self { begun: Some(now), faults: 0 };
        }
        self.faults = self.faults.saturating_add(1);
        match self.faults {
            ..=MOST => Line::Fault,
            faults if faults == MOST + 1 => Line::Silence,
            _ => Line::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_so_many_faults_in_a_second_one_line_is_the_last() {
        let mut complaints = Complaints::default();
        let begin = Instant::now();
        for second in 0..3 {
            let now = begin + SPAN * second;
            let lines: Vec<_> = (0..1_000).map(|nth| complaints.add(now + SPAN * nth / 1_000)).collect();
            let count = |wanted| lines.iter().filter(|line| **line == wanted).count();
            assert_eq!((count(Line::Fault), count(Line::Silence)), (MOST as usize, 1));
            assert_eq!(lines[MOST as usize], Line::Silence);
        }
    }
}
