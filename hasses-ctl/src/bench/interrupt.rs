//! Ctrl-C: ends a run with what was measured so far, and at the second time at once.

use std::sync::Arc;
use std::thread;

use async_signal::{Signal, Signals};
use futures_lite::{StreamExt as _, future};

use super::board::{Board, Mark};

/// What a shell makes of a program that SIGINT ended.
const INTERRUPTED: i32 = 130;

/// Has the board told of the user's wish to end. The thread that does it ends with the program.
pub(super) fn watch(board: &Arc<Board>) {
    let board = Arc::clone(board);
    // Without it the signal ends the program, as it does elsewhere.
    let Ok(mut signals) = Signals::new([Signal::Int]) else { return };
    thread::spawn(move || {
        future::block_on(async {
            if signals.next().await.is_some() {
                board.set(Mark::Interrupted, true);
                board.wake_first();
            }
            if signals.next().await.is_some() {
                std::process::exit(INTERRUPTED);
            }
        });
    });
}
