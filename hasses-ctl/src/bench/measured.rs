//! What a run gave, before it is a report. No I/O.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::generator;
use super::memory::Memory;
use super::server::{Moment, Server};
use super::stalled::Held;
use super::storm::Passed;
use super::tally::{Faults, REMARKS, Tally};

/// What a run gave.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) server: Server,
    pub(super) connect: Span,
    pub(super) memory: Option<u64>,
    pub(super) idle: Option<(Span, Option<u64>)>,
    pub(super) published: Option<Published>,
    pub(super) latency: Histogram<u64>,
    pub(super) faults: Faults,
    pub(super) remarks: Vec<String>,
    pub(super) stalled: Option<Held>,
    pub(super) storm: Option<Passed>,
    pub(super) ended: Ended,
}

/// A stretch of time, and the server's CPU in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) elapsed: Duration,
    pub(super) cpu: Option<Duration>,
    /// The share of it in which the server's busiest thread was busy.
    pub(super) busy: Option<f64>,
}

/// What was measured.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) span: Span,
    pub(super) messages: u64,
    pub(super) expected: u64,
    pub(super) received: u64,
    pub(super) bytes: u64,
    /// Messages to topics without a subscriber.
    pub(super) unheard: u64,
    pub(super) generator: generator::Used,
    /// Before and after, where some read nothing.
    pub(super) memory: Option<(Memory, Memory)>,
}

/// How a wait, and a run, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Properly,
    /// Something was due and did not come.
    Stalled,
    /// The user ended it.
    Interrupted,
    /// Nothing more could be published.
    Gone,
}

impl Measured {
    /// Adds what a thread has counted.
    pub(super) fn take(&mut self, mut tally: Tally) {
        self.faults.add(&tally.faults);
        self.remarks.append(&mut tally.remarks);
        self.remarks.truncate(REMARKS);
        // Both are made alike.
        let _ = self.latency.add(tally.into_latency());
    }
}

impl Span {
    /// The span between two moments of the server.
    pub(super) fn between(before: &Moment, after: &Moment) -> Self {
        Self { elapsed: after.since(before), cpu: after.cpu_since(before), busy: after.busy_since(before) }
    }
}

impl Default for Span {
    fn default() -> Self {
        Self { elapsed: Duration::ZERO, cpu: None, busy: None }
    }
}
