//! Messages: whom they reach, and what comes.

use std::io::Write as _;

use hasses_tests::{Publisher, TestDaemon, Way, wait_for};

#[test]
fn a_message_reaches_every_subscriber_of_exactly_its_topic() {
    let daemon = TestDaemon::start();
    let mut reached =
        ["subscribe=room", "subscribe=x-room", "subscribe=ro*", "subscribe=*"].map(|q| daemon.subscribe(q));
    let mut others = ["subscribe=rooms", "subscribe=roo", "subscribe=Room"].map(|query| daemon.subscribe(query));
    daemon.tcp_publisher().write("room=hi\n*=the end\n");
    reached.iter_mut().for_each(|subscriber| assert_eq!(subscriber.data(), "hi"));
    reached.iter_mut().chain(&mut others).for_each(|subscriber| assert_eq!(subscriber.data(), "the end"));
}

#[test]
fn several_messages_come_in_order() {
    for way in Way::ALL {
        let daemon = TestDaemon::start();
        let mut subscriber = daemon.subscribe("subscribe=a-b");
        let mut publisher = way.open(&daemon);
        publisher.write_all(b"a=1;b=2;a=3\nb=4\r\na=5;\n;;\n b=none\na=6;").unwrap();
        for expected in ["1", "2", "3", "4", "5", "6"] {
            assert_eq!(subscriber.data(), expected, "{way:?}");
        }
    }
}

#[test]
fn a_prefix_reaches_every_subscriber_with_a_topic_that_begins_so() {
    let daemon = TestDaemon::start();
    let mut reached = ["subscribe=room1", "subscribe=x-room", "subscribe=room*"].map(|query| daemon.subscribe(query));
    let mut other = daemon.subscribe("subscribe=rodeo");
    daemon.tcp_publisher().write("roo*=hi\n*=the end\n");
    for subscriber in &mut reached {
        assert_eq!([(); 2].map(|()| subscriber.data()), ["hi", "the end"]);
    }
    assert_eq!(other.data(), "the end");
}

#[test]
fn an_excluded_id_gets_nothing_and_everybody_else_does() {
    let daemon = TestDaemon::start();
    let mut me = daemon.subscribe("subscribe=room1&id=me");
    let mut also_me = daemon.subscribe("subscribe=room1&id=me");
    let mut you = daemon.subscribe("subscribe=room1&id=you");
    let mut nobody = daemon.subscribe("subscribe=room1");
    let mut uuid = daemon.subscribe("subscribe=room1&id=4f1e-99-a");
    daemon.tcp_publisher().write("room1-me=a;ro*-me=b;*-me=c;room1-4f1e-99-a=d;room1-=e;room1-m=f\n");
    assert_eq!([(); 3].map(|()| me.data()), ["d", "e", "f"]);
    assert_eq!([(); 3].map(|()| also_me.data()), ["d", "e", "f"]);
    assert_eq!([(); 6].map(|()| you.data()), ["a", "b", "c", "d", "e", "f"]);
    assert_eq!([(); 6].map(|()| nobody.data()), ["a", "b", "c", "d", "e", "f"]);
    assert_eq!([(); 5].map(|()| uuid.data()), ["a", "b", "c", "e", "f"]);
}

#[test]
fn a_message_keeps_every_character_of_its_own() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=a");
    let mut publisher = daemon.tcp_publisher();
    for message in [
        "b=c=d==",
        "{\"a\": \"b=c\", \"d\": [1, 2]}",
        " leading and trailing ",
        "-",
        "*",
        "übung 🎉",
        "tab\there",
        "status",
        "data: x",
        "<script>&</script>",
        "\\n",
    ] {
        publisher.write(format!("a={message}\n"));
        assert_eq!(subscriber.data(), message);
    }
}

#[test]
fn long_messages_arrive_whole_on_every_way() {
    for way in Way::ALL {
        // The longest take the FIFO's writer many turns; nothing of this test is about the quiet time.
        let daemon = TestDaemon::with(|config| config.limits.quiet_local = hasses_tests::DEADLINE);
        let mut subscriber = daemon.subscribe("subscribe=a");
        let mut publisher = way.open(&daemon);
        for length in [2047, 2048, 2049, 6144, 65_536, (1 << 20) - "a=".len()] {
            let message: String = ('!'..='~').filter(|c| *c != ';').cycle().take(length).collect();
            publisher.write_all(format!("a={message}\n").as_bytes()).unwrap();
            assert!(subscriber.data() == message, "{way:?}: {length} bytes came changed");
        }
    }
}

#[test]
fn a_message_over_the_limit_is_refused_whole_and_the_next_is_unaffected() {
    for way in Way::ALL {
        let daemon = TestDaemon::with(|config| {
            config.limits.max_message = 1000;
            config.limits.quiet_local = hasses_tests::DEADLINE;
        });
        let mut subscriber = daemon.subscribe("subscribe=*");
        let mut publisher = way.open(&daemon);
        let long = |length: usize| format!("a={}", "x".repeat(length - 2));
        let text =
            [long(1000), long(1001), "a=between".into(), long(200_000), "a=after".into(), String::new()].join(";");
        publisher.write_all(text.as_bytes()).unwrap();
        assert_eq!(subscriber.data().len(), 998, "{way:?}");
        assert_eq!(subscriber.data(), "between", "{way:?}");
        assert_eq!(subscriber.data(), "after", "{way:?}");
        assert_eq!(daemon.status().refused_commands_total, 2, "{way:?}");
    }
}

#[test]
fn a_topic_may_have_255_bytes_and_a_longer_one_is_refused() {
    let daemon = TestDaemon::start();
    let longest = "x".repeat(255);
    let mut subscriber = daemon.subscribe(&format!("subscribe={longest}"));
    daemon.tcp_publisher().write(format!("{longest}x=no\n{longest}*=prefix\n{longest}=yes\n"));
    assert_eq!([(); 2].map(|()| subscriber.data()), ["prefix", "yes"]);
    assert_eq!(daemon.status().refused_commands_total, 1);
}

#[test]
fn malformed_messages_are_counted_reach_nobody_and_harm_no_other() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=*");
    let malformed = [
        "a=",
        "=hi",
        "-me=hi",
        "a-b*=hi",
        "a*b=hi",
        "hello",
        "Status",
        "status ",
        " status",
        "statuss",
        "a\rb=hi",
        "a\u{1b}=hi",
        "tcpsubscribedclients:",
        "subscribedclients:a*b",
        "numberofclients:",
        "loglevel_loud",
        "reinit",
    ];
    let mut publisher = daemon.tcp_publisher();
    for (nth, text) in malformed.iter().enumerate() {
        publisher.write(format!("{text}\na={nth}\n"));
        assert_eq!(subscriber.data(), nth.to_string(), "{text:?}");
    }
    publisher.finish();
    assert_eq!(publisher.rest(), "", "there is no answer to a message, nor to what is none");
    assert_eq!(daemon.status().refused_commands_total, malformed.len() as u64);
}

#[test]
fn a_message_may_name_a_topic_that_looks_like_a_command() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=*");
    daemon.tcp_publisher().write("status=1\ntcpstatus=2\nsubscribedclients:x=3\nreinit_enable=4\n");
    assert_eq!([(); 4].map(|()| subscriber.data()), ["1", "2", "3", "4"]);
    assert!(!daemon.status().reinit);
}

#[test]
fn a_classic_message_has_neither_event_nor_retry() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=a");
    daemon.tcp_publisher().write("a=1\n");
    let event = subscriber.event();
    assert_eq!((event.event.as_str(), event.retry.as_str(), event.data.as_str()), ("", "", "1"));
    assert_eq!(daemon.status().position.to_string(), event.id);
}

#[test]
fn invalid_utf8_is_replaced_and_counted() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=a");
    let mut publisher = daemon.tcp_publisher();
    for (sent, comes) in [
        (&b"\xff"[..], "\u{fffd}"),
        (b"\xc3\x28", "\u{fffd}("),
        (b"ok\xe2\x82", "ok\u{fffd}"),
        (b"latin-1: \xe9t\xe9", "latin-1: \u{fffd}t\u{fffd}"),
        (b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}"),
    ] {
        publisher.write([b"a=", sent, b"\n"].concat());
        assert_eq!(subscriber.data(), comes, "{sent:?}");
    }
    publisher.write("a=\u{fffd} itself is no fault\n");
    assert_eq!(subscriber.data(), "\u{fffd} itself is no fault");
    let status = daemon.status();
    assert_eq!((status.repaired_utf8_total, status.refused_commands_total), (5, 0));
}

#[test]
fn log_level_and_reinit_are_set_by_their_commands() {
    let daemon = TestDaemon::start();
    let mut publisher = daemon.tcp_publisher();
    let set = |publisher: &mut Publisher, text: &str, level: &str, reinit: bool| {
        publisher.write(format!("{text}\n"));
        wait_for(text, || {
            let status = daemon.status();
            (status.log_level?.as_str() == level && status.reinit == reinit).then_some(())
        });
    };
    set(&mut publisher, "loglevel_normal", "normal", false);
    set(&mut publisher, "loglevel_debug", "debug", false);
    set(&mut publisher, "reinit_enable", "debug", true);
    let mut subscriber = daemon.subscribe("subscribe=old").again("subscribe=new");
    publisher.write("old=no\nnew=yes\n");
    assert_eq!(subscriber.data(), "yes");
    set(&mut publisher, "reinit_disable", "debug", false);
    set(&mut publisher, "loglevel_quiet", "quiet", false);
}
