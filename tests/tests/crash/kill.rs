//! `kill -9` at any moment, again and again, on one log.

use std::time::{Duration, Instant};

use hasses_tests::Running;
use rustix::process::Signal;

use crate::chance::Chance;
use crate::follower::Follower;
use crate::pipeline::{Pipeline, topic};
use crate::place::Place;
use crate::stream::Entry;

/// Rounds on one log. More of them, where more are asked for, begin another log.
pub(crate) const ROUNDS: usize = 50;
/// Nothing of the log is let go of.
const KEEP: &str = "--retain-bytes=1g";
/// A topic that has a follower of its own.
const ROOM: u64 = 1;

/// Rounds in all: `HASSES_CRASH_ROUNDS`, or those of one log.
pub(crate) fn rounds() -> usize {
    let asked = std::env::var("HASSES_CRASH_ROUNDS").ok();
    asked.map_or(ROUNDS, |rounds| rounds.parse().expect("HASSES_CRASH_ROUNDS is a number"))
}

/// Most events are small, and some take several pages of the database.
fn padding(number: u64) -> usize {
    let random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let most = if random.is_multiple_of(16) { 20_000 } else { 200 };
    usize::try_from(random / 16 % most).expect("it is small")
}

/// Starts the daemon; now and then it is killed on its way, while it mends what the one before has left.
fn start(place: &Place, durability: &str, chance: &mut Chance) -> Running {
    let arguments = [KEEP, "--durability", durability];
    while chance.one_in(6) {
        let starting = place.starting(&arguments);
        chance.pause(Duration::from_millis(60));
        drop(starting);
    }
    place.start(&arguments)
}

/// Publishes until so many answers have come, kills the daemon, and waits for its end.
fn until_killed(place: &Place, pipeline: &mut Pipeline, running: Running, chance: &mut Chance) {
    let answers = if chance.one_in(5) { chance.number(0..5) } else { chance.number(5..700) };
    // Answers come in bursts, one for each commit: so the moment is not always right behind one of them.
    let later = Duration::from_micros(chance.pick(&[0, 0, 500, 5000]));
    let enough = |come: crate::pipeline::Answers| come.good >= answers;
    let kill = || {
        chance.pause(later);
        running.signal(Signal::KILL);
    };
    pipeline.publish(&place.path("control"), enough, kill);
    drop(running);
}

/// So many rounds on a new log.
fn rounds_on_one_log(rounds: usize, mut pipeline: Pipeline, chance: &mut Chance) -> Pipeline {
    let place = Place::new();
    let running = start(&place, "os", chance);
    let birth = place.position();
    drop(running);
    let mut everything = Follower::start(&place.path("sse"), "subscribe=room*", birth);
    let mut room = Follower::start(&place.path("sse"), &format!("topic={}", topic(ROOM)), birth);
    for round in 0..rounds {
        let running = start(&place, ["os", "disk"][round % 2], chance);
        until_killed(&place, &mut pipeline, running, chance);
    }
    let running = start(&place, "os", chance);
    pipeline.settle(&place.path("control"));
    let entries = place.events_behind(birth);
    pipeline.check(&entries);
    let newest = entries.last().expect("an event").number;
    everything.wait_for(newest);
    let of_room = |entry: &&Entry| entry.number % 4 == ROOM;
    if let Some(last) = entries.iter().rfind(of_room) {
        room.wait_for(last.number);
    }
    assert!(everything.resumed() > rounds / 2, "{} of {rounds}", everything.resumed());
    drop(running);
    assert!(everything.finish() == entries, "the follower of everything got something else");
    assert!(room.finish().iter().eq(entries.iter().filter(of_room)), "the follower of a topic got something else");
    pipeline
}

#[test]
fn with_keys_each_event_is_there_once_in_order_after_any_number_of_kills() {
    let mut chance = Chance::new();
    let mut left = rounds();
    while left > 0 {
        let (begun, rounds) = (Instant::now(), left.min(ROUNDS));
        let pipeline = rounds_on_one_log(rounds, Pipeline::keyed(padding), &mut chance);
        let newest = pipeline.newest();
        assert!(pipeline.refused.is_empty());
        assert!(pipeline.acknowledged.keys().copied().eq(1..=newest), "each was acknowledged in the end");
        left -= rounds;
        println!(
            "{rounds} rounds, {newest} events, {} of them found in the log when they were sent again: {:.1?}",
            pipeline.duplicates,
            begun.elapsed()
        );
    }
}

#[test]
fn without_keys_everything_acknowledged_is_there_in_order_after_any_number_of_kills() {
    let mut chance = Chance::new();
    let pipeline = rounds_on_one_log(rounds().min(ROUNDS) / 3, Pipeline::without_keys(padding), &mut chance);
    assert_eq!((pipeline.refused.len(), pipeline.duplicates), (0, 0));
}
