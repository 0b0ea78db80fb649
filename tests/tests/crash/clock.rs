//! A clock that is behind the newest event: it was set back, or is wrong since the start.

use rusqlite::Connection;
use rustix::process::Signal;

use crate::follower::Follower;
use crate::pipeline::Pipeline;
use crate::place::Place;

/// A day, in milliseconds.
const DAY: i64 = 24 * 3600 * 1000;

#[test]
fn ids_go_on_rising_when_the_newest_event_is_from_tomorrow() {
    let place = Place::new();
    let mut pipeline = Pipeline::keyed(|_| 10);
    let mut running = place.start(&[]);
    let birth = place.position();
    pipeline.publish(&place.path("control"), |come| come.good >= 200, || ());
    running.signal(Signal::INT);
    assert_eq!(running.exit_code(), 0);

    let database = Connection::open(place.log("events.db")).unwrap();
    let half = pipeline.newest() / 2;
    database.execute("UPDATE event SET millis = millis + ?1 WHERE place > ?2", (DAY, half.cast_signed())).unwrap();
    drop(database);
    for (number, id) in &mut pipeline.acknowledged {
        if *number > half {
            id.millis += DAY.unsigned_abs();
        }
    }
    let newest = *pipeline.acknowledged.values().next_back().unwrap();

    let mut running = place.start(&[]);
    let mut follower = Follower::start(&place.path("sse"), "subscribe=*", birth);
    for _ in 0..3 {
        let before = place.position();
        assert!(before >= newest);
        // Younger than an hour, whatever the clock says of them.
        assert_eq!(place.publisher().status().log_evicted_total, 0);
        pipeline.publish(&place.path("control"), |come| come.good >= 100, || running.signal(Signal::KILL));
        drop(running);
        running = place.start(&[]);
        pipeline.settle(&place.path("control"));
        let entries = place.events_behind(birth);
        pipeline.check(&entries);
        let last = entries.last().unwrap();
        assert!(last.id > before && last.id.millis == newest.millis, "{last:?}");
        follower.wait_for(last.number);
    }
    let entries = place.events_behind(birth);
    assert!(entries.iter().map(|entry| entry.number).eq(1..=pipeline.newest()));
    drop(running);
    assert!(follower.finish() == entries);
}
