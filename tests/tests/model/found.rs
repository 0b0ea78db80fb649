//! What was found, each case as short as it could be made.

use hasses_client::wire::TopicPattern;

use crate::step::{Bounds, Habit, Page, Setup, Step, Way};
use crate::world::World;
use crate::{check_complete, play};

fn pattern(text: &str) -> TopicPattern {
    TopicPattern::new(text).expect("a pattern")
}

/// One shard and one browser, and bounds that nothing comes near to.
fn setup(text: &str) -> Setup {
    let habit = Habit {
        patterns: vec![pattern(text)],
        id: None,
        replay: None,
        notices: true,
        minor: 1,
        way: Way::Header,
        send_buffer: 64 * 1024,
        lazy: false,
    };
    let bounds = Bounds {
        outbox: 256 * 1024,
        outbox_total: 1 << 30,
        retain_events: 1_000_000,
        retain_bytes: 1 << 30,
        retain_age: None,
        slow: Vec::new(),
    };
    Setup {
        shards: 1,
        habits: vec![habit],
        bounds,
        channel: 10,
        in_flight: 1 << 24,
        heartbeat: 15_000,
        progress_timeout: 60_000,
    }
}

fn publish(text: &str, count: usize) -> Step {
    let topics = vec![pattern(text)];
    Step::Publish { topics, count, size: 20, except: None, key: None, named: false }
}

fn connect() -> Step {
    Step::Connect { browser: 0, shard: 0, at_first: usize::MAX }
}

fn everything_is_received(setup: &Setup, steps: Vec<Step>) {
    let steps: Vec<_> = steps.into_iter().map(|step| (step, 0)).collect();
    play(setup, &steps, &mut Default::default());
}

#[test]
fn what_does_not_fit_under_the_ceiling_of_all_outboxes_is_read_again() {
    let mut setup = setup("a");
    setup.bounds.outbox_total = 500;
    everything_is_received(
        &setup,
        vec![publish("a", 10), Step::Hub, Step::Deliver(0, 10), Step::NewPage(0, Page::Event(0)), connect()],
    );
}

#[test]
fn the_newest_events_are_followed_by_all_also_where_retention_has_passed_the_shard() {
    let mut setup = setup("a");
    setup.habits[0].replay = Some(2);
    setup.bounds.retain_events = 3;
    everything_is_received(&setup, vec![publish("a", 10), Step::Hub, connect(), Step::Deliver(0, 0)]);
}

#[test]
fn the_newest_events_are_no_more_of_them_where_their_reader_falls_behind_at_once() {
    let mut setup = setup("b");
    setup.habits[0].replay = Some(3);
    setup.habits[0].send_buffer = 4096;
    setup.habits[0].lazy = true;
    // No cursor stands behind the events.
    setup.habits[0].notices = false;
    setup.bounds.outbox = 200;
    let large =
        Step::Publish { topics: vec![pattern("b*")], count: 3, size: 8000, except: None, key: None, named: false };
    let steps = [
        (large, 0),
        (publish("b", 5), 0),
        (Step::Hub, 0),
        (Step::Deliver(0, 10), 1),
        (connect(), 3),
        (publish("b", 1), 0),
        (Step::Hub, 0),
        (Step::Deliver(0, 10), 1),
    ];
    play(&setup, &steps, &mut Default::default());
}

/// Rounds of events, each of which retention passes at once, while a browser subscribes; gives what it cost.
fn under_a_flood(setup: &Setup, page: Page) -> (u64, u64) {
    let mut world = World::new(setup);
    let flood = |world: &mut World| {
        world.step(&publish("a", 3));
        world.step(&publish("b", 3));
        world.step(&Step::Hub);
        world.step(&Step::Deliver(0, 10));
    };
    (0..10).for_each(|_| flood(&mut world));
    world.step(&Step::NewPage(0, page));
    world.step(&connect());
    for _ in 0..10 {
        flood(&mut world);
        world.step(&Step::Read(0, 1 << 20));
    }
    world.rest();
    check_complete(&mut world);
    let status = world.status();
    (status.subscribed_total, status.outrun_total)
}

#[test]
fn whoever_lost_something_to_retention_begins_though_more_of_it_passes() {
    let mut setup = setup("a");
    setup.bounds.retain_events = 10;
    assert_eq!(under_a_flood(&setup, Page::Event(0)), (1, 0));
}

#[test]
fn whoever_asks_for_the_newest_events_begins_though_retention_passes_some() {
    let mut setup = setup("a");
    setup.habits[0].replay = Some(3);
    setup.bounds.retain_events = 10;
    assert_eq!(under_a_flood(&setup, Page::Fresh), (1, 0));
}

#[test]
fn whoever_is_ahead_of_its_shard_is_told_nothing_of_where_that_stands() {
    let mut setup = setup("a");
    setup.shards = 2;
    let heartbeats =
        (0..10).flat_map(|_| [Step::Advance(10_000), Step::Deliver(1, 0), Step::Deliver(1, 0), Step::Read(0, 1000)]);
    let begin = [
        publish("a", 10),
        Step::Hub,
        Step::Deliver(0, 10),
        Step::NewPage(0, Page::Event(5)),
        Step::Connect { browser: 0, shard: 1, at_first: usize::MAX },
    ];
    everything_is_received(&setup, begin.into_iter().chain(heartbeats).collect());
}

#[test]
fn a_stream_is_ended_after_what_waits_for_it() {
    for end in [Step::Drain(0), Step::Kick("me")] {
        let mut setup = setup("a");
        setup.habits[0].id = Some("me");
        setup.habits[0].send_buffer = 4096;
        let mut world = World::new(&setup);
        for step in [connect(), Step::Deliver(0, 1), publish("a", 500), end, Step::Hub] {
            world.step(&step);
        }
        (0..20).for_each(|_| world.step(&Step::Deliver(0, 10)));
        let newest = world.reference.newest();
        world.rest();
        let status = world.status();
        assert_eq!((status.subscribers, status.behind_total), (0, 0));
        assert_eq!((world.expected.ended, world.expected.cut), (1, 0));
        assert_eq!(world.browsers[0].last_event_id, newest.to_string());
    }
}
