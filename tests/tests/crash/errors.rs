//! A disk whose calls fail, now and then or for a while.

use std::time::Duration;

use hasses_tests::Running;
use rustix::process::Signal;
use serde_json::json;

use crate::chance::Chance;
use crate::failing_disk::{Error, FailingDisk, Faults};
use crate::follower::Follower;
use crate::over::Over;
use crate::pipeline::Pipeline;
use crate::place::Place;

const KEEP: &str = "--retain-bytes=1g";

/// What fails together.
const KINDS: [Faults; 6] = [
    Faults { opens: 0, writes: 30, syncs: 0, truncations: 0, error: Error::InputOutput },
    Faults { opens: 0, writes: 30, syncs: 0, truncations: 0, error: Error::NoSpace },
    Faults { opens: 0, writes: 0, syncs: 60, truncations: 0, error: Error::InputOutput },
    Faults { opens: 0, writes: 10, syncs: 40, truncations: 60, error: Error::InputOutput },
    Faults { opens: 50, writes: 30, syncs: 30, truncations: 30, error: Error::InputOutput },
    Faults { opens: 20, writes: 60, syncs: 60, truncations: 60, error: Error::NoSpace },
];

fn padding(number: u64) -> usize {
    if number.is_multiple_of(50) { 20_000 } else { usize::try_from(number * 7 % 300).expect("it is small") }
}

/// Has the disk fail and work again in turn as long as this runs.
fn come_and_go(disk: &FailingDisk, kind: Faults, chance: &mut Chance, over: &Over) {
    while !over.is_over() {
        disk.set(kind);
        chance.pause(Duration::from_millis(20));
        disk.set(Faults::default());
        chance.pause(Duration::from_millis(20));
    }
}

/// Publishes while the disk fails now and then, up to `kill -9`.
fn round(place: &Place, disk: &FailingDisk, kind: Faults, pipeline: &mut Pipeline, chance: &mut Chance) {
    let running = place.start(&[KEEP, "--durability", chance.pick(&["os", "disk", "disk"])]);
    let control = place.path("control");
    let (least, in_trouble) = (chance.number(1..300), chance.one_in(2));
    let over = Over::default();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            come_and_go(disk, kind, chance, &over);
            disk.set(if in_trouble { kind } else { Faults::default() });
        });
        let enough = |come: crate::pipeline::Answers| come.refusals >= least && come.good >= least || come.good > 3000;
        let ending = over.at_the_end();
        pipeline.publish(&control, enough, || drop(ending));
    });
    let kill = || running.signal(Signal::KILL);
    if in_trouble {
        pipeline.publish(&control, |come| come.good + come.refusals >= least, kill);
    } else {
        // The first commit that succeeds settles what was before.
        pipeline.publish(&control, |come| come.good > 0, kill);
    }
    drop(running);
    disk.set(Faults::default());
}

/// So many rounds on a new log; gives how many events there are in the end, how many were refused, and how many of these came back.
fn rounds_on_one_log(rounds: usize, disk: &FailingDisk, chance: &mut Chance) -> (usize, usize, usize) {
    let place = disk.under(Place::new(), chance.number(0..1 << 30));
    let running = place.start(&[KEEP]);
    let birth = place.position();
    drop(running);
    let mut follower = Follower::start(&place.path("sse"), "subscribe=*", birth);
    let mut pipeline = Pipeline::keyed(padding);
    let mut came_back = 0;
    for nth in 0..rounds {
        round(&place, disk, KINDS[nth % KINDS.len()], &mut pipeline, chance);
        let running = place.start(&[KEEP]);
        // The exception that is documented: the disk took neither a sync nor a cut nor any later write until the process was killed,
        // so that those may be there that were refused after the last acknowledgement.
        let entries = place.events_behind(birth);
        let settled = pipeline.acknowledged.keys().next_back().copied().unwrap_or_default();
        for entry in entries.iter().filter(|entry| entry.number > settled) {
            came_back += usize::from(pipeline.refused.remove(&entry.number).is_some());
        }
        pipeline.check(&entries);
        drop(running);
    }
    let running = place.start(&[KEEP]);
    pipeline.settle(&place.path("control"));
    let entries = place.events_behind(birth);
    pipeline.check(&entries);
    follower.wait_for(entries.last().expect("an event").number);
    drop(running);
    assert!(follower.finish() == entries, "the follower got something else");
    (entries.len(), pipeline.refused.len(), came_back)
}

#[test]
fn errors_that_come_and_go_lose_nothing_that_was_acknowledged_and_bring_nothing_back_that_was_refused() {
    let Some(disk) = FailingDisk::build() else { return };
    let mut chance = Chance::new();
    let rounds = 3 * KINDS.len();
    for _ in 0..crate::kill::rounds().div_ceil(crate::kill::ROUNDS) {
        let (events, refused, came_back) = rounds_on_one_log(rounds, &disk, &mut chance);
        assert!(refused > rounds, "the disk has failed: {refused}");
        println!("{rounds} rounds, {events} events, {refused} refused, {came_back} of those refused last came back");
    }
}

fn occurrences(running: &Running, text: &str) -> usize {
    running.output().matches(text).count()
}

#[test]
fn a_disk_that_fails_for_a_while_is_said_once_and_that_it_works_again() {
    let Some(disk) = FailingDisk::build() else { return };
    for (faults, durability, cause) in [
        (Faults { writes: 100, ..Faults::default() }, "os", "disk I/O error while writing"),
        (Faults { writes: 100, error: Error::NoSpace, ..Faults::default() }, "os", "database or disk is full"),
        (Faults { syncs: 100, ..Faults::default() }, "disk", "disk I/O error while syncing"),
    ] {
        let place = disk.under(Place::new(), 1);
        let running = place.start(&["--durability", durability]);
        let birth = place.position();
        let mut follower = Follower::start(&place.path("sse"), "subscribe=*", birth);
        let mut pipeline = Pipeline::keyed(padding);
        let control = place.path("control");
        pipeline.publish(&control, |come| come.good >= 10, || ());
        disk.set(faults);
        let mut publisher = place.publisher();
        for _ in 0..20 {
            let answer = publisher.ask(&json!({"cmd": "publish", "topic": "room", "data": "0 refused"}));
            assert_eq!((&answer["ok"], &answer["code"]), (&json!(false), &json!("not_stored")), "{answer}");
        }
        let (code, text) = publisher.refusal(r#"{"cmd":"publish","topic":"room","data":"0 refused"}"#);
        let directory = place.log("").display().to_string();
        assert_eq!(code, "not_stored");
        let known = [cause, "unable to open database file", "disk I/O error"];
        assert!(
            text.starts_with(&format!("the event log in {directory} cannot keep events: "))
                && known.iter().any(|cause| text.contains(cause)),
            "{text}"
        );
        // Who reads does not notice.
        pipeline.check(&place.events_behind(birth));
        disk.set(Faults::default());
        pipeline.publish(&control, |come| come.good >= 10, || ());
        assert!(pipeline.refused.is_empty());
        let entries = place.events_behind(birth);
        pipeline.check(&entries);
        follower.wait_for(pipeline.newest());
        assert_eq!(follower.resumed(), 1);
        let complaint = format!("the event log in {directory} cannot keep events: {cause}\n");
        let again = format!("the event log in {directory} keeps events again; publishes refused meanwhile: 21\n");
        assert_eq!((occurrences(&running, &complaint), occurrences(&running, &again)), (1, 1), "{}", running.output());
        assert_eq!(occurrences(&running, "cannot keep events"), 1, "{}", running.output());
        drop(running);
        assert!(follower.finish() == entries);
    }
}

#[test]
fn a_start_on_a_disk_that_fails_changes_nothing_of_the_log() {
    let Some(disk) = FailingDisk::build() else { return };
    let place = disk.under(Place::new(), 1);
    let running = place.start(&[]);
    let birth = place.position();
    let mut pipeline = Pipeline::keyed(padding);
    pipeline.publish(&place.path("control"), |come| come.good >= 500, || running.signal(Signal::KILL));
    drop(running);
    for error in [Error::InputOutput, Error::NoSpace] {
        disk.set(Faults { writes: 100, syncs: 100, truncations: 100, error, ..Faults::default() });
        let ended = place.refused(&[]);
        let expected = format!("hasses: the event log cannot write {}: ", place.log("lock").display());
        assert!(ended.code == 1 && ended.stderr.starts_with(&expected), "{ended:?}");
    }
    disk.set(Faults { opens: 100, ..Faults::default() });
    let ended = place.refused(&[]);
    assert!(ended.code == 1 && ended.stderr.starts_with("hasses: the event log cannot open "), "{ended:?}");
    disk.set(Faults::default());
    let _running = place.start(&[]);
    pipeline.settle(&place.path("control"));
    pipeline.check(&place.events_behind(birth));
}
