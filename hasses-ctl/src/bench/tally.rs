//! What a receiving thread counts: arrivals, how long they took, and what was wrong with them. No I/O.

use hdrhistogram::Histogram;
use memchr::memmem::Finder;

use super::message::{Envelope, MARKER, Shape};

/// Remarks that are kept; a fault of many subscribers is told by the first few.
pub(super) const REMARKS: usize = 5;
/// Longest time that a histogram tells apart: longer than anything is waited for.
const LONGEST_NANOSECONDS: u64 = 4_000_000_000_000;
/// Values are kept to three digits.
const DIGITS: u8 = 3;

/// The counts of one thread.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) shape: Shape,
    pub(super) finder: Finder<'static>,
    /// Messages that came and were what they should be, late ones included.
    pub(super) received: u64,
    /// Deliveries that nobody has to wait for any more: received, damaged or passed over.
    pub(super) settled: u64,
    pub(super) faults: Faults,
    pub(super) remarks: Vec<String>,
    latency: Histogram<u64>,
    /// When what is being looked at came, where latency is measured.
    pub(super) arrived: Option<u64>,
}

/// What was wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(super) struct Faults {
    /// Messages that never came.
    pub(super) lost: u64,
    /// Messages that came again.
    pub(super) doubled: u64,
    /// Messages that came behind later ones.
    pub(super) disordered: u64,
    /// Messages that were not as they were sent, or went to somebody else.
    pub(super) damaged: u64,
    /// Subscribers whose connection ended.
    pub(super) disconnected: u64,
}

impl Faults {
    /// Whether anything was wrong.
    pub(super) fn any(&self) -> bool {
        *self != Self::default()
    }

    /// Adds those of another thread.
    pub(super) fn add(&mut self, other: &Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.disordered += other.disordered;
        self.damaged += other.damaged;
        self.disconnected += other.disconnected;
    }
}

impl Tally {
    /// Counts messages of this shape.
    pub(super) fn new(shape: Shape) -> Self {
        Self {
            shape,
            finder: Finder::new(MARKER),
            received: 0,
            settled: 0,
            faults: Faults::default(),
            remarks: Vec::new(),
            latency: histogram(),
            arrived: None,
        }
    }

    /// Counts a message that came.
    pub(super) fn receive(&mut self, envelope: Envelope) {
        self.received += 1;
        if let Some(arrived) = self.arrived {
            self.latency.saturating_record(envelope.age(arrived));
        }
    }

    /// Keeps a remark, if there are not enough of them.
    pub(super) fn remark(&mut self, remark: impl FnOnce(&Shape) -> String) {
        if self.remarks.len() < REMARKS {
            self.remarks.push(remark(&self.shape));
        }
    }

    /// The latencies, in nanoseconds.
    pub(super) fn into_latency(self) -> Histogram<u64> {
        self.latency
    }
}

/// A histogram of latencies in nanoseconds, with nothing in it.
pub(super) fn histogram() -> Histogram<u64> {
    #[expect(
        clippy::expect_used,
        reason = "the bounds are constants in their order, with a number of digits from 0 to 5"
    )]
    let histogram = Histogram::new_with_bounds(1, LONGEST_NANOSECONDS, DIGITS).expect("bounds");
    histogram
}
