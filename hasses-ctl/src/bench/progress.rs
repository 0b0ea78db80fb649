//! What a run says while it goes on, on standard error.

use std::io::{self, IsTerminal as _};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use super::board::{Board, Mark};
use super::plan::Plan;
use crate::output::complain;
use crate::quantity::count;

/// A terminal sees one line that changes; whatever else reads it gets a line now and then.
const ON_A_TERMINAL: Duration = Duration::from_secs(1);
const ELSEWHERE: Duration = Duration::from_secs(5);
/// Goes to the beginning of the line, and erases it.
const ERASE: &str = "\r\x1b[K";

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    Terminal,
    Reader,
    Nobody,
}

impl Audience {
    /// Who reads standard error; a script that wants JSON reads nothing there.
    pub(super) fn of_this_process(json: bool) -> Self {
        match (io::stderr().is_terminal(), json) {
            (true, _) => Self::Terminal,
            (false, false) => Self::Reader,
            (false, true) => Self::Nobody,
        }
    }
}

/// Runs `work` while somebody is told how far it is.
pub(super) fn beside<T>(audience: Audience, plan: &Plan, board: &Board, work: impl FnOnce() -> T) -> T {
    let interval = match audience {
        Audience::Terminal => ON_A_TERMINAL,
        Audience::Reader => ELSEWHERE,
        Audience::Nobody => return work(),
    };
    thread::scope(|scope| {
        // Closed when the work has ended, also by a panic.
        let (open, closed) = channel::<()>();
        scope.spawn(move || {
            while closed.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                let line = line(plan, board);
                complain(&if audience == Audience::Terminal { format!("{ERASE}{line}") } else { line + "\n" });
            }
            if audience == Audience::Terminal {
                complain(ERASE);
            }
        });
        let done = work();
        drop(open);
        done
    })
}

fn line(plan: &Plan, board: &Board) -> String {
    if !board.is(Mark::Subscribed) {
        let subscribed = count(board.sum(|gauge| &gauge.subscribed));
        return format!("connecting: {subscribed} of {}", count(u64::from(plan.subscribers)));
    }
    let (settled, due) = (board.sum(|gauge| &gauge.settled), board.due());
    match (due, board.is(Mark::Measuring)) {
        (0, _) => "subscribed, nothing published yet".to_owned(),
        (_, false) => format!("warming up: {} deliveries", count(settled)),
        (_, true) => {
            format!("measuring: {} deliveries, {} under way", count(settled), count(due.saturating_sub(settled)))
        }
    }
}
