//! What the generator itself used: its CPU time, and how busy its threads were.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::board::Board;
use super::clock;
use super::plan::Manner;
use super::usage::{Cpu, Processes};

/// This process at one moment.
#[derive(Debug)]
pub(super) struct Moment {
    time: u64,
    cpu: Cpu,
    /// Nanoseconds that each receiving thread had spent in polls which found nothing.
    empty: Vec<u64>,
}

/// What was used between two moments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Used {
    /// CPU time without that of polls which found nothing.
    pub(super) cpu: Duration,
    /// The share of the time in which its busiest receiving thread was busy.
    pub(super) busy: f64,
}

impl Moment {
    /// Now.
    pub(super) fn now(board: &Board) -> Self {
        let this = Processes::of(std::process::id()).and_then(Processes::cpu_now);
        let empty = board.gauges().iter().map(|gauge| gauge.empty.load(Relaxed)).collect();
        Self { time: clock::now(), cpu: this.unwrap_or_default(), empty }
    }

    /// What was used since an earlier moment.
    pub(super) fn since(&self, before: &Self, board: &Board, manner: Manner) -> Used {
        let elapsed = clock::between(before.time, self.time);
        let share = |time: Duration| (time.as_secs_f64() / elapsed.as_secs_f64().max(f64::MIN_POSITIVE)).min(1.0);
        let mut used = Used { cpu: self.cpu.since(&before.cpu), busy: 0.0 };
        for (gauge, empty) in board.gauges().iter().zip(self.empty.iter().zip(&before.empty)) {
            let thread = u32::try_from(gauge.thread.load(Relaxed)).unwrap_or_default();
            let cpu = self.cpu.of_thread(thread).saturating_sub(before.cpu.of_thread(thread));
            let cpu = Duration::from_nanos(cpu);
            let busy = match manner {
                Manner::Sleep => share(cpu),
                Manner::Spin => {
                    let empty = share(Duration::from_nanos(empty.0 - empty.1));
                    // Other programs took their part of both, so the thread's CPU time divides as its time does.
                    used.cpu = used.cpu.saturating_sub(cpu.mul_f64(empty));
                    1.0 - empty
                }
            };
            used.busy = used.busy.max(busy);
        }
        used
    }
}
