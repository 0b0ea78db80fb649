//! `bench`: loads an SSE server, checks every delivery, and measures what it costs.
//!
//! The generator must cost less than the servers that it measures. So a receiving thread is one epoll and one buffer: a
//! connection has no buffer, task or timer of its own, a delivery allocates nothing and changes no thread, and of what was read only
//! the messages are looked at. What follows from what:
//!
//! ```text
//! plan ─► course ─► publisher ─► outlet: control channel or HTTP ─► the server
//!            │          ▲ metronome, at a rate                          │
//!            │        traffic: what is due to whom, by mix              ▼
//!            ├──► receiver: epoll ─► socket ─► stream: framing, message, sequence ─► tally
//!            ├──► server, usage: what it used                            │
//!            └──► report, summary ◄──────────────────────────────────────┘
//! ```
//!
//! The threads see each other on the [`board`] alone. Those who only stall, and those who come back in a storm, are crowds with a thread,
//! a receiver and a board of their own, so that whoever is measured does not wait for them.

mod answers;
mod board;
mod clock;
mod conclusions;
mod cores;
mod course;
mod crowd;
mod daemon;
mod framing;
mod generator;
mod interrupt;
mod measured;
mod memory;
mod message;
mod metronome;
mod mix;
mod names;
mod opening;
mod outlet;
mod place;
mod plan;
mod progress;
mod publisher;
mod receiver;
mod report;
mod scout;
mod sequence;
mod server;
mod socket;
mod stalled;
mod stop;
mod storm;
mod stream;
mod summary;
mod tally;
mod target;
mod template;
mod traffic;
mod usage;

use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use board::Board;
use mix::Spread;
use progress::Audience;
use report::Report;
use traffic::Traffic;

pub(crate) use mix::Mix;
pub(crate) use plan::Plan;

use crate::failure::Failure;

/// Descriptors of a run besides one for each subscriber: epolls, the publisher, what is read of processes, and some.
const OTHER_DESCRIPTORS: u64 = 100;

/// What a run gave.
pub(crate) struct Outcome {
    report: Report,
}

impl Outcome {
    /// Whether every message came as it should.
    pub(crate) fn is_ok(&self) -> bool {
        self.report.is_ok()
    }

    /// The result for scripts.
    pub(crate) fn json(&self) -> String {
        self.report.json()
    }

    /// The result for people.
    pub(crate) fn text(&self, colour: bool) -> String {
        summary::text(&self.report, colour)
    }
}

/// Measures.
///
/// # Errors
/// Why nothing was measured.
pub(crate) fn run(plan: &Plan, json: bool) -> Result<Outcome, Failure> {
    let subscribers = [plan.subscribers, plan.stalled, plan.storm].map(u64::from).iter().sum::<u64>();
    raise_descriptor_limit(subscribers + OTHER_DESCRIPTORS + plan.threads as u64)?;
    let traffic = Traffic::new(Spread::new(plan.mix, plan.subscribers), plan.subscribers);
    let board = Arc::new(Board::new(plan.threads, traffic)?);
    interrupt::watch(&board);
    let audience = Audience::of_this_process(json);
    let measured = progress::beside(audience, plan, &board, || course::run(plan, &board))?;
    Ok(Outcome { report: Report::new(plan, measured) })
}

/// Raises the soft limit of open descriptors to the hard one.
fn raise_descriptor_limit(needed: u64) -> Result<(), Failure> {
    let limit = getrlimit(Resource::Nofile);
    // No limit is `None`.
    if let Some(maximum) = limit.maximum.filter(|maximum| *maximum < needed) {
        return Err(Failure::refused(
            "descriptors",
            format!("{needed} descriptors are needed, and the hard limit is {maximum}"),
        )
        .advise("raise it (ulimit -Hn, LimitNOFILE=), or take fewer subscribers"));
    }
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
        .map_err(|error| Failure::refused("descriptors", format!("the limit cannot be raised: {error}")))
}
