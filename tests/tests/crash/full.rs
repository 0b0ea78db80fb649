//! A disk that becomes full, by the log itself and by others: what is refused, what goes on, and what brings it back.

use std::fs;

use hasses_tests::{Running, wait_for};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::follower::Follower;
use crate::pipeline::Pipeline;
use crate::place::Place;
use crate::small_disk::SmallDisk;

/// Enough for what a log takes in advance, and some mebibytes of events.
const MEBIBYTES: usize = 16;
/// Each event is so many bytes longer than its number.
const PADDING: usize = 1000;

fn complaint(place: &Place) -> String {
    format!("the event log in {} cannot keep events: database or disk is full", place.log("").display())
}

fn pipeline() -> Pipeline {
    Pipeline::keyed(|_| PADDING)
}

/// Publishes until so many are refused, in a row with what is accepted.
fn until_refused(place: &Place, pipeline: &mut Pipeline) {
    pipeline.publish(&place.path("control"), |come| come.refusals >= 50, || ());
    for failure in pipeline.refused.values() {
        assert_eq!(failure.error, complaint(place));
    }
}

/// Publishes so many, of which none is refused.
fn without_refusal(place: &Place, pipeline: &mut Pipeline, count: usize) {
    let before = pipeline.refused.len();
    pipeline.publish(&place.path("control"), |come| come.good >= count || come.refusals > 0, || ());
    assert_eq!(pipeline.refused.len(), before, "{:?}", pipeline.refused.values().next_back());
}

fn publish(place: &Place) -> Value {
    place.publisher().ask(&json!({"cmd": "publish", "topic": "room", "data": "x".repeat(PADDING)}))
}

#[test]
fn on_a_full_disk_nothing_acknowledged_is_lost_nothing_refused_is_kept_and_room_mends_it() {
    let Some(disk) = SmallDisk::mount(MEBIBYTES) else { return };
    let place = Place::with_log_in(&disk.path().join("log"));
    let mut pipeline = pipeline();
    let running = place.start(&[]);
    let birth = place.position();
    let mut follower = Follower::start(&place.path("sse"), "subscribe=*", birth);

    // The log itself fills it.
    let ballast = [disk.put("first", 2), disk.put("second", 3)];
    until_refused(&place, &mut pipeline);
    let newest = |pipeline: &Pipeline| *pipeline.acknowledged.keys().next_back().expect("some were kept");
    follower.wait_for(newest(&pipeline));
    assert_eq!(follower.resumed(), 1, "who is connected stays so");
    pipeline.check(&place.events_behind(birth));
    let status = place.publisher().status();
    assert_eq!(status.not_stored_total, pipeline.refused.len() as u64);

    // Whoever looks after it makes room, and that is all.
    let refused = pipeline.refused.len();
    fs::remove_file(&ballast[0]).unwrap();
    without_refusal(&place, &mut pipeline, 200);
    follower.wait_for(newest(&pipeline));
    let output = running.output();
    let again = format!(
        "the event log in {} keeps events again; publishes refused meanwhile: {refused}\n",
        place.log("").display()
    );
    assert_eq!((output.matches(&complaint(&place)).count(), output.matches(&again).count()), (1, 1), "{output}");

    // Somebody else fills it, and the daemon is killed.
    disk.fill();
    until_refused(&place, &mut pipeline);
    pipeline.publish(&place.path("control"), |come| come.refusals >= 10, || running.signal(Signal::KILL));
    drop(running);
    let running = place.start(&[]);
    assert!(running.output().contains("was not closed properly"), "{}", running.output());
    pipeline.settle(&place.path("control"));
    pipeline.check(&place.events_behind(birth));
    until_refused(&place, &mut pipeline);

    // It ends properly there, and another one starts.
    let running = replaced(&place, running);
    pipeline.check(&place.events_behind(birth));
    disk.fill();
    until_refused(&place, &mut pipeline);

    fs::remove_file(&ballast[1]).unwrap();
    without_refusal(&place, &mut pipeline, 200);
    let entries = place.events_behind(birth);
    pipeline.check(&entries);
    follower.wait_for(newest(&pipeline));
    drop(running);
    assert!(follower.finish() == entries, "the follower got something else");
}

fn replaced(place: &Place, mut running: Running) -> Running {
    running.signal(Signal::INT);
    assert_eq!(running.exit_code(), 0, "{}", running.output());
    place.start(&[])
}

#[test]
fn what_retention_lets_go_of_is_room_for_new_events_on_a_disk_that_stays_full() {
    let Some(disk) = SmallDisk::mount(MEBIBYTES) else { return };
    let place = Place::with_log_in(&disk.path().join("log"));
    let mut pipeline = pipeline();
    // Long enough for all of them to be there at one time, also on a machine that is busy.
    let running = place.start(&["--retain-age=8"]);
    without_refusal(&place, &mut pipeline, 500);
    disk.fill();
    until_refused(&place, &mut pipeline);
    wait_for("everything to be too old", || (place.publisher().status().log_events == 0).then_some(()));
    without_refusal(&place, &mut pipeline, 300);
    assert!(running.output().contains("keeps events again"), "{}", running.output());
}

#[test]
fn a_log_that_lets_go_of_as_much_as_comes_does_not_mind_that_others_fill_the_disk() {
    let Some(disk) = SmallDisk::mount(MEBIBYTES) else { return };
    let place = Place::with_log_in(&disk.path().join("log"));
    let running = place.start(&["--retain-events=300"]);
    let mut pipeline = pipeline();
    without_refusal(&place, &mut pipeline, 3000);
    disk.fill();
    for _ in 0..3 {
        without_refusal(&place, &mut pipeline, 2000);
    }
    assert!(!running.output().contains("cannot keep"), "{}", running.output());
}

#[test]
fn a_new_log_on_a_full_disk_is_refused_and_there_is_one_when_there_is_room() {
    let Some(disk) = SmallDisk::mount(1) else { return };
    fs::create_dir(disk.path().join("log")).unwrap();
    let place = Place::with_log_in(&disk.path().join("log"));
    let filling = disk.fill();
    let ended = place.refused(&[]);
    let expected = format!(
        "hasses: the event log cannot write {}: No space left on device (os error 28)\n",
        place.log("lock").display()
    );
    assert_eq!((ended.code, ended.stderr), (1, expected));
    fs::remove_file(filling).unwrap();
    // Far less than a log likes to have in advance.
    let _running = place.start(&[]);
    assert_eq!(publish(&place)["ok"], true);
}
