//! The shortest way through everything: one subscriber, one event.

use hasses_tests::TestDaemon;

#[test]
fn a_published_event_reaches_a_subscriber() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=room624");
    assert_eq!(daemon.publisher().publish("room624", "hi"), 1);
    let event = subscriber.event();
    assert_eq!((event.data.as_str(), event.event.as_str()), ("hi", ""));
    assert_eq!(daemon.status().position.to_string(), event.id);
}
