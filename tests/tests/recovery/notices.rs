//! Clients that hand every event to one callback want none that nobody published.

use std::process::Command;
use std::time::Duration;

use hasses_tests::{Publisher, Running, Subscriber, TestDaemon, binary};

use crate::{come_back, come_back_to, cursor, publish, publish_all, request, resumed, verdict};

/// The data of the events that come, whoever they are from; heartbeats are passed over.
fn next(subscriber: &mut Subscriber, count: usize) -> Vec<String> {
    (0..count).map(|_| subscriber.any_event().data).collect()
}

#[test]
fn notices_0_leaves_out_the_daemons_own_events_and_nothing_else() {
    let daemon = TestDaemon::with(|config| {
        config.limits.heartbeat = Duration::from_millis(100);
        // A cursor would be due at every heartbeat.
        config.limits.retain_age = Some(Duration::from_millis(1));
    });
    let mut quiet = Subscriber::begin(&daemon.address(), "subscribe=a&notices=0");
    for _ in 0..4 {
        assert_eq!(quiet.chunk().as_deref(), Some(":\n"), "heartbeats are no events");
    }
    let mut publisher = daemon.publisher();
    publish(&mut publisher, "a", "live");
    assert_eq!(next(&mut quiet, 1), ["live"]);
}

#[test]
fn whoever_comes_back_without_notices_gets_what_it_missed_in_silence() {
    let daemon = TestDaemon::with(|config| config.limits.retain_events = 6);
    let mut publisher = daemon.publisher();
    let ids = publish_all(&mut publisher, "a", (0..10).map(|nth| nth.to_string()));
    let known = [(ids[7].as_str(), 8..10), (&ids[0], 4..10), ("of another server", 10..10), (&ids[9], 10..10)];
    let mut subscribers = known.map(|(id, missed)| {
        let mut subscriber = come_back(&daemon, "subscribe=a&notices=0", id);
        let expected: Vec<_> = missed.map(|nth: usize| nth.to_string()).collect();
        assert_eq!(next(&mut subscriber, expected.len()), expected, "{id}");
        subscriber
    });
    // Nothing came between: the next is what is published next.
    assert_eq!(publisher.publish("a", "live"), 4);
    subscribers.iter_mut().for_each(|subscriber| assert_eq!(next(subscriber, 1), ["live"]));
    let status = publisher.status();
    // It is counted all the same.
    assert_eq!((status.resumed_total, status.gaps_total, status.resets_total), (2, 1, 1));
    assert_eq!(status.replayed_total, 8);
}

#[test]
fn only_a_0_turns_them_off() {
    let daemon = TestDaemon::start();
    for query in ["subscribe=a", "subscribe=a&notices=1", "subscribe=a&notices=", "subscribe=a&notices=no"] {
        cursor(&mut Subscriber::begin(&daemon.address(), query));
    }
}

#[test]
fn a_new_request_on_a_stream_decides_anew() {
    let daemon = TestDaemon::with(|config| config.allow_reinit = true);
    let mut publisher = daemon.publisher();
    let mut subscriber = Subscriber::begin(&daemon.address(), "subscribe=a&notices=0");
    publish(&mut publisher, "a", "x");
    assert_eq!(next(&mut subscriber, 1), ["x"]);
    let mut subscriber = subscriber.again("subscribe=a");
    subscriber.stream().send(request("subscribe=a&notices=0", &[]));
    subscriber.stream().read_to("\r\n\r\n");
    assert_eq!(subscriber.chunk().as_deref(), Some(":\n"));
    publish(&mut publisher, "a", "y");
    assert_eq!(next(&mut subscriber, 1), ["y"]);
}

#[test]
fn a_setting_turns_them_off_for_all_and_a_reload_on_again() {
    let mut daemon = TestDaemon::with(|config| config.notices = false);
    let mut publisher = daemon.publisher();
    let id = publish(&mut publisher, "a", "one");
    let mut subscriber = come_back(&daemon, "subscribe=a&notices=1", &id);
    publish(&mut publisher, "a", "two");
    assert_eq!(next(&mut subscriber, 1), ["two"]);
    daemon.reload(|config| config.notices = true).expect("good settings");
    let mut subscriber = come_back(&daemon, "subscribe=a", &id);
    assert_eq!(verdict(&mut subscriber), resumed(1));
}

#[test]
fn the_program_has_a_flag_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let control = folder.path().join("control.sock");
    let mut command = Command::new(binary("hasses"));
    command.args(["--listen", "127.0.0.1:0", "--no-notices", "--control"]).arg(format!("unix://{}", control.display()));
    let running = Running::from_command(&mut command, &folder.path().join("output.log"), "room for ");
    let address = running.said("subscribers: http://").trim_end_matches("/sse").to_owned();
    let mut publisher = Publisher::unix(&control);
    let id = publish(&mut publisher, "a", "one");
    publish(&mut publisher, "a", "two");
    assert_eq!(next(&mut come_back_to(&address, "subscribe=a", &id), 1), ["two"]);
    let mut fresh = Subscriber::begin(&address, "subscribe=a");
    publish(&mut publisher, "a", "three");
    assert_eq!(next(&mut fresh, 1), ["three"]);
}
