//! How a stream is cut into messages: terminators, the end of the stream, the quiet time, and any way in which writes may fall.

use std::io::Write as _;

use hasses_client::wire::Delimiter;
use hasses_tests::{DEADLINE, Subscriber, TestDaemon, Way};

/// A daemon whose quiet time never comes, for tests in which writes may be apart.
fn unhurried() -> TestDaemon {
    TestDaemon::with(|config| config.limits.quiet_local = DEADLINE * 2)
}

fn expect(subscriber: &mut Subscriber, messages: &[&str], what: &str) {
    messages.iter().for_each(|message| assert_eq!(subscriber.data(), *message, "{what}"));
}

#[test]
fn three_bytes_and_close_are_a_message() {
    for way in Way::ALL {
        let daemon = TestDaemon::start();
        let mut subscriber = daemon.subscribe("subscribe=a");
        way.open(&daemon).write_all(b"a=1").unwrap();
        expect(&mut subscriber, &["1"], &format!("{way:?}"));
    }
}

#[test]
fn the_end_of_a_connection_ends_a_message_without_any_quiet_time() {
    for way in [Way::Tcp, Way::Unix] {
        let daemon = unhurried();
        let mut subscriber = daemon.subscribe("subscribe=a");
        for text in ["a=1", "a=2;a=3", "a=4\na=5"] {
            way.open(&daemon).write_all(text.as_bytes()).unwrap();
        }
        let mut messages = [(); 5].map(|()| subscriber.data());
        messages.sort();
        assert_eq!(messages, ["1", "2", "3", "4", "5"], "{way:?}");
    }
}

#[test]
fn a_message_without_terminator_arrives_from_a_publisher_that_stays() {
    for way in Way::ALL {
        let daemon = TestDaemon::start();
        let mut subscriber = daemon.subscribe("subscribe=a");
        let mut publisher = way.open(&daemon);
        for message in ["1", "2", "three", "4"] {
            publisher.write_all(format!("a={message}").as_bytes()).unwrap();
            expect(&mut subscriber, &[message], &format!("{way:?}"));
        }
    }
}

#[test]
fn newline_crlf_and_semicolon_end_a_message() {
    for way in Way::ALL {
        let daemon = unhurried();
        let mut subscriber = daemon.subscribe("subscribe=a");
        let mut publisher = way.open(&daemon);
        for (nth, end) in ["\n", "\r\n", ";", ";\n", "\n\n", ";;", ";\r\n", "\n;"].iter().enumerate() {
            publisher.write_all(format!("a={nth}{end}").as_bytes()).unwrap();
            expect(&mut subscriber, &[&nth.to_string()], &format!("{way:?} {end:?}"));
        }
    }
}

#[test]
fn a_message_may_come_byte_by_byte() {
    for way in Way::ALL {
        let daemon = unhurried();
        let mut subscriber = daemon.subscribe("subscribe=a-b");
        let mut publisher = way.open(&daemon);
        for byte in b"a=one\nb=two;a=three\n" {
            publisher.write_all(&[*byte]).unwrap();
        }
        expect(&mut subscriber, &["one", "two", "three"], &format!("{way:?}"));
    }
}

#[test]
fn writes_may_hold_several_messages_and_messages_may_span_several_writes() {
    for way in Way::ALL {
        let daemon = unhurried();
        let mut subscriber = daemon.subscribe("subscribe=a-b");
        let mut publisher = way.open(&daemon);
        for (writes, messages) in [
            (&["a=1\nb=2\n"][..], &["1", "2"][..]),
            (&["a=1;b=2;"], &["1", "2"]),
            (&["a=", "1\n"], &["1"]),
            (&["a", "=on", "e;b=t", "wo\n"], &["one", "two"]),
            (&["a=1", "\n", "b=2", ";"], &["1", "2"]),
            (&["a=1\r", "\nb=2\r\n"], &["1", "2"]),
        ] {
            writes.iter().for_each(|write| publisher.write_all(write.as_bytes()).unwrap());
            expect(&mut subscriber, messages, &format!("{way:?} {writes:?}"));
        }
    }
}

#[test]
fn once_a_terminator_was_used_silence_ends_no_message() {
    for way in [Way::Tcp, Way::Unix] {
        let daemon = TestDaemon::start();
        let mut subscriber = daemon.subscribe("subscribe=a");
        let mut publisher = way.open(&daemon);
        publisher.write_all(b"a=first\na=in two").unwrap();
        expect(&mut subscriber, &["first"], &format!("{way:?}"));
        // This is many times the quiet time.
        assert!(subscriber.is_quiet(), "{way:?}");
        publisher.write_all(b" parts\n").unwrap();
        expect(&mut subscriber, &["in two parts"], &format!("{way:?}"));
        // The end of the stream still ends one.
        publisher.write_all(b"a=last").unwrap();
        drop(publisher);
        expect(&mut subscriber, &["last"], &format!("{way:?}"));
    }
}

#[test]
fn on_a_fifo_silence_always_ends_a_message_since_many_writers_share_it() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=a");
    let mut echo = Way::Fifo.open(&daemon);
    let mut printf = Way::Fifo.open(&daemon);
    for _ in 0..5 {
        echo.write_all(b"a=terminated\n").unwrap();
        expect(&mut subscriber, &["terminated"], "");
        printf.write_all(b"a=unterminated").unwrap();
        expect(&mut subscriber, &["unterminated"], "");
    }
}

#[test]
fn commands_are_commands_only_as_whole_messages_however_they_end() {
    let daemon = TestDaemon::start();
    for text in ["tcpnumberofclients\n", "tcpnumberofclients;", "tcpnumberofclients\r\n", "tcpnumberofclients"] {
        let mut publisher = daemon.tcp_publisher();
        publisher.write(text);
        assert_eq!(publisher.line(), "{\"numberofclients\": 0}\n", "{text:?}");
    }
}

#[test]
fn an_explicit_delimiter_alone_ends_messages_so_they_may_hold_newlines_and_semicolons() {
    for way in Way::ALL {
        let daemon = TestDaemon::with(|config| {
            config.delimiter = Delimiter::Explicit(b'|');
            config.limits.quiet_local = DEADLINE * 2;
        });
        let mut subscriber = daemon.subscribe("subscribe=a-b");
        let mut publisher = way.open(&daemon);
        publisher.write_all(b"a=one\ntwo;\r\nthree|b=four;b=five|\na=with an echo's newline|\r\n").unwrap();
        let messages = ["one\ntwo;\nthree", "four;b=five", "with an echo's newline"];
        expect(&mut subscriber, &messages, &format!("{way:?}"));
    }
}

#[test]
fn user_text_that_was_passed_through_cannot_begin_a_message_of_its_own_behind_an_explicit_delimiter() {
    let daemon = TestDaemon::with(|config| config.delimiter = Delimiter::Explicit(0x1e));
    let mut subscriber = daemon.subscribe("subscribe=chat");
    let mut other = daemon.subscribe("subscribe=admin");
    let mut publisher = daemon.tcp_publisher();
    publisher
        .write("chat=hi\nadmin=evil;admin=evil\r\n{\"cmd\":\"publish\",\"topic\":\"admin\",\"data\":1}\n\x1e*=end\x1e");
    assert_eq!(subscriber.data(), "hi\nadmin=evil;admin=evil\n{\"cmd\":\"publish\",\"topic\":\"admin\",\"data\":1}");
    assert_eq!((subscriber.data().as_str(), other.data().as_str()), ("end", "end"));
}

#[test]
fn the_default_delimiter_said_explicitly_is_an_explicit_one() {
    let daemon = TestDaemon::with(|config| {
        config.delimiter = Delimiter::Explicit(b';');
        config.limits.quiet_local = DEADLINE * 2;
    });
    let mut subscriber = daemon.subscribe("subscribe=a");
    daemon.tcp_publisher().write("a=one\ntwo;a=three;\n");
    expect(&mut subscriber, &["one\ntwo", "three"], "");
}
