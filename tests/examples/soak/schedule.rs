//! What happens to the daemon, and when.

use std::thread;
use std::time::{Duration, Instant};

use crate::chance::Chance;
use crate::daemon::Daemon;
use crate::options::Options;
use crate::tally::Tally;

/// How long most daemons live, in milliseconds.
const LIFE: std::ops::Range<u64> = 5_000..50_000;
/// Between two stalls.
const CALM: std::ops::Range<u64> = 10_000..40_000;
/// How long one is stopped.
const STALL: std::ops::Range<u64> = 100..4_000;
/// How long there is none.
const ABSENCE: std::ops::Range<u64> = 0..3_000;

/// Until the time is up. The middle two fifths of it belong to one daemon.
pub(crate) fn run(options: &Options, daemon: &mut Daemon, tally: &Tally, chance: &mut Chance) {
    let begun = Instant::now();
    let whole = Duration::from_secs(60 * options.minutes);
    let calm = begun + whole * 3 / 10;
    let mut calm_is_over = false;
    while begun.elapsed() < whole {
        let life = if !calm_is_over && Instant::now() >= calm {
            calm_is_over = true;
            whole * 4 / 10
        } else {
            chance.millis(LIFE)
        };
        live(daemon, Instant::now() + life.min(whole.saturating_sub(begun.elapsed())), chance);
        if begun.elapsed() >= whole {
            return;
        }
        if chance.one_in(2) {
            daemon.kill();
        } else {
            daemon.terminate();
        }
        thread::sleep(chance.millis(ABSENCE));
        daemon.start(chance);
        if tally.faults().len() > 50 {
            return;
        }
    }
}

/// One daemon's life.
fn live(daemon: &mut Daemon, end: Instant, chance: &mut Chance) {
    let mut stall = Instant::now() + chance.millis(CALM);
    while Instant::now() < end {
        daemon.look();
        thread::sleep(Duration::from_millis(250));
        if Instant::now() >= stall {
            stall = Instant::now() + chance.millis(CALM);
            daemon.stall(chance.millis(STALL));
        }
    }
}
