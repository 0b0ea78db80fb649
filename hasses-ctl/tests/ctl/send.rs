//! `send`: what arrives at the daemon, and what is said about it.

use std::io::{Seek as _, Write as _};
use std::process::Stdio;

use hasses_client::wire::{Command, ErrorCode, EventId, Failure, Published, Reply};
use serde_json::{Value, json};

use crate::daemon::{Daemon, Then, published};
use crate::program::{finish, program, run, run_with_input};

fn publishing() -> Daemon {
    Daemon::with(|command| panic!("{command:?}"))
}

#[test]
fn a_message_arrives_with_everything_that_was_said_about_it() {
    let daemon = publishing();
    let words =
        ["send", "room", "hi", "--also=lobby", "--also", "ro*", "--event", "tick", "--except=me", "--retry=250"];
    let run = run(&[&["--control", &daemon.url][..], &words].concat());
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (0, "1000-1 to 3 subscribers\n", ""));
    let publish = daemon.next_publish();
    assert_eq!(publish.topics.iter().map(ToString::to_string).collect::<Vec<_>>(), ["room", "lobby", "ro*"]);
    assert_eq!(publish.data, "hi");
    assert_eq!(publish.event.unwrap().as_str(), "tick");
    assert_eq!(publish.except.unwrap().as_str(), "me");
    assert_eq!(publish.retry, Some(250));
}

#[test]
fn words_that_look_like_flags_arrive_as_messages() {
    let daemon = publishing();
    for (words, expected) in [
        (&["send", "room", "-5"][..], "-5"),
        (&["send", "room", "help"], "help"),
        (&["send", "room", ""], ""),
        (&["send", "room", "--", "--x"], "--x"),
        (&["send", "room", "--", "--help"], "--help"),
        (&["send", "room", "--", "-"], "-"),
        (&["--json", "send", "--", "room", "--json"], "--json"),
    ] {
        let run = run(&[&["--control", &daemon.url][..], words].concat());
        assert_eq!(run.code, 0, "{words:?}: {}", run.err);
        assert_eq!(daemon.next_publish().data, expected);
    }
}

#[test]
fn standard_input_is_one_message_without_its_last_line_end() {
    let daemon = publishing();
    for (input, expected) in [("a\nb\n", "a\nb"), ("a\r\n", "a"), ("a", "a"), ("\n\n", "\n"), ("", "")] {
        let run = run_with_input(&["send", "room", "-", "--control", &daemon.url], input);
        assert_eq!((run.code, run.out.is_empty()), (0, false), "{}", run.err);
        assert_eq!(daemon.next_publish().data, expected);
    }
    let run = run_with_input(&["send", "room", "-", "--control", &daemon.url], b"a\xff".to_vec());
    assert_eq!((run.code, run.err.as_str()), (1, "error: standard input is not UTF-8 from byte 1 on\n"));
}

#[test]
fn ten_thousand_lines_go_over_one_connection_without_waiting_for_each_answer() {
    let mut ids = 0;
    // The first answers come all at once: whoever waits for one before sending the next line waits for ever.
    let daemon = Daemon::start(move |_| {
        let reply = published(&mut ids);
        if ids < 500 { Then::Hold(reply) } else { Then::Answer(reply) }
    });
    let mut file = tempfile::tempfile().unwrap();
    (0..10_000).for_each(|n| writeln!(file, "line {n}").unwrap());
    file.rewind().unwrap();
    let words = ["send", "log", "--lines", "--event", "line", "--control", &daemon.url];
    let run = finish(program(&words).stdin(file).spawn().unwrap());
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    assert!(run.out.starts_with("10,000 lines sent in ") && run.out.ends_with(" s, 30,000 matched\n"), "{}", run.out);
    for n in 0..10_000 {
        let publish = daemon.next_publish();
        assert_eq!((publish.data, publish.event.unwrap().as_str()), (format!("line {n}"), "line"));
    }
    assert_eq!(daemon.connections(), 1);
}

#[test]
fn a_line_is_sent_while_the_next_one_is_still_to_come() {
    let daemon = publishing();
    let words = ["send", "log", "-", "--lines", "--json", "--control", &daemon.url];
    let mut child = program(&words).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for line in ["first", "", "third"] {
        writeln!(stdin, "{line}").unwrap();
        assert_eq!(daemon.next_publish().data, line);
    }
    write!(stdin, "last").unwrap();
    drop(stdin);
    let run = finish(child);
    assert_eq!(daemon.next_publish().data, "last");
    let summary: Value = serde_json::from_str(&run.out).unwrap();
    let expected = json!({"ok": true, "sent": 4, "refused": 0, "matched": 12, "first": "1000-1", "last": "1000-4"});
    assert_eq!((run.code, summary), (0, expected));
}

#[test]
fn a_refused_line_is_named_and_does_not_keep_the_others_back() {
    let mut ids = 0;
    let daemon = Daemon::start(move |command| {
        Then::Answer(match command {
            Command::Publish(publish) if publish.data == "bad" => {
                Reply::Failed(Failure::new(ErrorCode::TooLarge, "too large for this daemon"))
            }
            _ => published(&mut ids),
        })
    });
    let run = run_with_input(&["send", "log", "--lines", "--control", &daemon.url], b"a\nbad\n\xff\nb\n".to_vec());
    assert_eq!(run.code, 1);
    assert_eq!(
        run.err,
        "error: line 2: too large for this daemon\n  the limit is the daemon's --max-message\nerror: line 3: the line is not UTF-8 from byte 0 on\n\
         error: 2 lines refused\n"
    );
    assert!(run.out.starts_with("2 lines sent"), "{}", run.out);
    assert_eq!([daemon.next_publish().data, daemon.next_publish().data, daemon.next_publish().data], ["a", "bad", "b"]);
}

#[test]
fn a_lost_daemon_ends_the_lines_and_their_fate_is_said_to_be_unknown() {
    let mut ids = 0;
    let daemon = Daemon::start(move |_| {
        let reply = published(&mut ids);
        if ids <= 2 { Then::Answer(reply) } else { Then::HangUp }
    });
    let words = ["send", "log", "--lines", "--json", "--control", &daemon.url];
    let mut child = program(&words).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for line in ["a", "b", "c"] {
        writeln!(stdin, "{line}").unwrap();
        assert_eq!(daemon.next_publish().data, line);
    }
    // Standard input stays open: the loss alone ends the program.
    let run = finish(child);
    drop(stdin);
    let error: Value = serde_json::from_str(&run.err).unwrap();
    assert_eq!((run.code, &error["code"]), (3, &json!("fate_unknown")));
    assert!(error["advice"].to_string().contains("2 lines had been answered before"), "{error}");
}

#[test]
fn a_message_whose_connection_was_lost_is_sent_again_with_its_key() {
    let mut losses = 0;
    let daemon = Daemon::start(move |_| {
        losses += 1;
        let id = EventId { millis: 1000, sequence: 1 };
        if losses <= 2 {
            Then::HangUp
        } else {
            Then::Answer(Reply::Published(Published { id, matched: 0, duplicate: true }))
        }
    });
    let run = run(&["send", "room", "hi", "--control", &daemon.url]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    assert_eq!(run.out, "1000-1, which an earlier attempt had sent, so to how many subscribers is not known\n");
    let first = daemon.next_publish();
    assert!(first.key.is_some());
    assert_eq!([daemon.next_publish(), daemon.next_publish()], [first.clone(), first]);
}

#[test]
fn an_event_that_was_not_stored_says_whose_disk_it_is() {
    let daemon =
        Daemon::start(|_| Then::Answer(Reply::Failed(Failure::new(ErrorCode::NotStored, "no space left on device"))));
    let run = run(&["send", "room", "hi", "--control", &daemon.url]);
    assert_eq!((run.code, run.out.as_str()), (1, ""));
    assert!(
        run.err.starts_with("error: no space left on device\n  the disk with the daemon's --log-dir is full"),
        "{}",
        run.err
    );
}
