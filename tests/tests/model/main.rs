//! The promise that nothing is lost, tried at random: publishes, stalls, disconnects, evictions, clocks that step, reloads and
//! drains in any order, against the real hub, shards and log over real sockets, without threads and in simulated time. Whatever
//! happens, what every subscriber receives is what the reference says, or carries the right verdict.
//!
//! `PROPTEST_CASES` says how many cases are tried.

#![expect(clippy::expect_used, reason = "what cannot go on shall fail, and say where")]

mod answers;
mod clock;
mod found;
mod ledger;
mod life;
mod reference;
mod step;
mod stream;
mod world;

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::test_runner::{Config, TestError, TestRunner};

use step::{Setup, Step, setup, steps};
use world::World;

/// What happened in all cases, by name, so that it is seen that everything did.
type Seen = BTreeMap<&'static str, u64>;

/// What happens in one case of thirty.
const RARE: [&str; 4] = ["drained", "kicked", "slow disconnects", "stalled"];

#[test]
fn whatever_happens_everybody_receives_what_the_reference_says_or_the_right_verdict() {
    let seen = RefCell::new(Seen::default());
    let config = Config { failure_persistence: None, ..Config::default() };
    let cases = config.cases;
    let mut runner = TestRunner::new(config);
    let tried = runner.run(&(setup(), steps()), |(setup, steps)| {
        play(&setup, &steps, &mut seen.borrow_mut());
        Ok(())
    });
    match tried {
        Ok(()) => {}
        Err(TestError::Fail(why, (setup, steps))) => {
            let steps: Vec<String> = steps.iter().map(|step| format!("{step:?}")).collect();
            panic!("{why}\n{setup:?}\n{}", steps.join("\n"));
        }
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
    let seen = seen.into_inner();
    println!("{seen:#?}");
    // Chance may leave something out, of few cases most things, of many nothing.
    let may_be_left_out = |what: &str| cases < 200 || (cases < 1000 && RARE.contains(&what));
    let never = seen.iter().filter(|(what, count)| **count == 0 && !may_be_left_out(what)).map(|(what, _)| what);
    assert_eq!(never.collect::<Vec<_>>(), Vec::<&&str>::new(), "what was never tried");
}

/// Plays one case to its end.
fn play(setup: &Setup, steps: &[(Step, usize)], seen: &mut Seen) {
    let mut world = World::new(setup);
    for (step, turns) in steps {
        world.step(step);
        (0..*turns).for_each(|_| world.turn_all());
    }
    world.rest();
    check_complete(&mut world);
    // Those who were cut come back.
    for nth in 0..world.browsers.len() {
        world.connect(nth, nth % world.shards(), usize::MAX);
    }
    world.rest();
    check_complete(&mut world);
    if world.is_draining() {
        world.wait(60_000);
        assert!(world.is_drained(), "the drain goes on");
        assert!(world.browsers.iter().all(|browser| browser.life.is_none()), "somebody was forgotten");
    }
    check_counters(&mut world, seen);
    // When everybody has left, nothing is left of them.
    for nth in 0..world.browsers.len() {
        world.leave(nth);
    }
    world.rest();
    world.wait(60_000);
    let status = world.status();
    assert_eq!((status.connections, status.subscribers, status.behind, status.queued_bytes), (0, 0, 0, 0));
}

/// All is quiet: whoever is connected has everything.
fn check_complete(world: &mut World) {
    for nth in 0..world.browsers.len() {
        let Some(life) = &world.browsers[nth].life else { continue };
        let position = world.position(life.shard);
        if let Some(life) = &mut world.browsers[nth].life {
            life.check_complete(&world.reference, position);
        }
    }
}

fn check_counters(world: &mut World, seen: &mut Seen) {
    let status = world.status();
    let lives = world.browsers.iter().filter(|browser| browser.life.is_some()).count() as u64;
    assert_eq!((status.behind, status.queued_bytes, status.subscribers), (0, 0, lives));
    assert_eq!(status.position, world.reference.newest());
    assert_eq!(status.messages_total, world.reference.events.len() as u64);
    assert_eq!(world.answers.check(&world.reference), (status.duplicates_total, status.not_stored_total));
    assert!(status.caught_up_total <= status.behind_total);
    let expected = &world.expected;
    assert_eq!(status.subscribed_total, expected.subscribed);
    assert_eq!(
        (status.resumed_total, status.gaps_total, status.resets_total, status.replayed_total),
        (expected.resumed, expected.gaps, expected.resets, expected.replayed)
    );
    // Nobody is cut off without a reason that is counted.
    let proper = status.outrun_total + status.kicked_total;
    let improper = status.slow_disconnects_total + status.stalled_total;
    assert!(world.is_draining() || expected.ended <= proper, "{} were ended, and {proper} are counted", expected.ended);
    let all = expected.ended + expected.cut;
    assert!(
        world.is_draining() || all <= proper + improper,
        "{all} were ended, and {proper} and {improper} are counted"
    );
    for (what, count) in [
        ("ahead of their shard", expected.ahead),
        ("behind", status.behind_total),
        ("caught up", status.caught_up_total),
        ("cut", expected.cut),
        ("drained", u64::from(world.is_draining())),
        ("duplicates", status.duplicates_total),
        ("ended", expected.ended),
        ("events", status.messages_total),
        ("evicted", status.log_evicted_total),
        ("gaps", status.gaps_total),
        ("kicked", status.kicked_total),
        ("not stored", status.not_stored_total),
        ("outrun", status.outrun_total),
        ("replayed", status.replayed_total),
        ("resets", status.resets_total),
        ("resumed", status.resumed_total),
        ("slow disconnects", status.slow_disconnects_total),
        ("stalled", status.stalled_total),
        ("subscribed", status.subscribed_total),
    ] {
        *seen.entry(what).or_default() += count;
    }
}
