//! The real `hasses-ctl` against a daemon: each command, in words and in JSON, and its exit codes.

#![expect(clippy::expect_used, reason = "what a test needs and cannot have is a failure of that test")]

use std::fs::File;
use std::io::Write as _;
use std::process::{Command, Stdio};

use hasses_tests::{Finished, Running, TestDaemon, binary, finish, wait_for};
use serde_json::{Value, json};

fn command(daemon: &TestDaemon, words: &[&str]) -> Command {
    let mut command = Command::new(binary("hasses-ctl"));
    let control = format!("unix://{}/control.sock", daemon.folder().display());
    command.args(words).env("HASSES_CONTROL", control).env("NO_COLOR", "1");
    command
}

/// What a command prints that must succeed.
fn said(daemon: &TestDaemon, words: &[&str]) -> String {
    let Finished { code, stdout, stderr } = finish(&mut command(daemon, words));
    assert_eq!((code, stderr.as_str()), (0, ""), "{words:?}: {stdout}");
    stdout
}

/// The same with `--json`.
fn json(daemon: &TestDaemon, words: &[&str]) -> Value {
    let line = said(daemon, &[words, &["--json"]].concat());
    assert_eq!(line.lines().count(), 1, "{line}");
    serde_json::from_str(&line).expect("JSON")
}

/// Exit code, standard output and standard error, with this as standard input.
fn with_input(daemon: &TestDaemon, words: &[&str], input: &[u8]) -> (i32, String, String) {
    let path = daemon.folder().join("input");
    std::fs::write(&path, input).expect("a file");
    // `finish` gives no input, so a shell does.
    let script = r#"input=$1; shift; exec "$@" < "$input""#;
    let program = command(daemon, words);
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh"]).arg(&path).arg(program.get_program()).args(program.get_args());
    shell.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let Finished { code, stdout, stderr } = finish(&mut shell);
    (code, stdout, stderr)
}

#[test]
fn send_reaches_subscribers_with_all_that_was_said() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=room624-lobby");
    let mut me = daemon.subscribe("subscribe=room624&id=me");
    let out = said(&daemon, &["send", "room624", "hi"]);
    let event = subscriber.event();
    assert_eq!((out, event.data.as_str()), (format!("{} to 2 subscribers\n", event.id), "hi"));
    assert_eq!(me.data(), "hi");
    let words = ["send", "room624", "one\ntwo", "--also=lobby", "--event", "tick", "--except", "me", "--retry=700"];
    let answer = json(&daemon, &words);
    let event = subscriber.event();
    assert_eq!(answer, json!({"ok": true, "id": event.id, "matched": 1}));
    assert_eq!((event.data.as_str(), event.event.as_str(), event.retry.as_str()), ("one\ntwo", "tick", "700"));
    said(&daemon, &["send", "*", "the end"]);
    assert_eq!((me.data().as_str(), subscriber.data().as_str()), ("the end", "the end"));
}

#[test]
fn send_takes_words_that_look_like_something_else_as_messages() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=t");
    for message in ["help", "-5", "", " ", "--", "a=b;c", "übung 🎉"] {
        let words: &[&str] = if message == "--" { &["send", "t", "--", message] } else { &["send", "t", message] };
        said(&daemon, words);
        assert_eq!(subscriber.data(), message);
    }
    said(&daemon, &["send", "t", "--", "--json"]);
    assert_eq!(subscriber.data(), "--json");
}

#[test]
fn send_reads_standard_input_as_one_message_or_line_by_line() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=t");
    let (code, _, stderr) = with_input(&daemon, &["send", "t", "-"], b"one\ntwo\n");
    assert_eq!((code, stderr.as_str(), subscriber.data().as_str()), (0, "", "one\ntwo"));
    let lines: String = (0..5000).map(|nth| format!("line {nth}\n")).collect();
    let (code, stdout, stderr) = with_input(&daemon, &["send", "t", "--lines", "--json"], lines.as_bytes());
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    (0..5000).for_each(|nth| assert_eq!(subscriber.data(), format!("line {nth}")));
    let status = daemon.status();
    assert_eq!((status.messages_total, status.refused_commands_total), (5001, 0));
}

#[test]
fn status_shows_figures_and_limits() {
    let daemon = TestDaemon::start();
    let _subscribers = ["subscribe=a-b", "subscribe=a"].map(|query| daemon.subscribe(query));
    daemon.publisher().publish("a", "hi");
    let text = said(&daemon, &["status"]);
    let words: Vec<String> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in [
        &format!("version {} (compiled {})", env!("CARGO_PKG_VERSION"), daemon.status().compiled),
        &format!("subscribers at http://{}/sse", daemon.address()),
        "subscribers 2 of 2 topics",
        "messages 1",
        "deliveries 2",
        "max-message 1.0 MiB",
    ] {
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(&line), "{line:?} is missing in {text}");
    }
    let answer = json(&daemon, &["status"]);
    assert_eq!(
        (&answer["ok"], &answer["subscribers"], &answer["messages_total"]),
        (&json!(true), &json!(2), &json!(1))
    );
}

#[test]
fn clients_topics_and_count_list_who_is_there() {
    let daemon = TestDaemon::start();
    let mut first = daemon.subscribe("subscribe=room1-all&id=me");
    let _second = daemon.subscribe("subscribe=ro*");
    let clients = said(&daemon, &["clients"]);
    let rows: Vec<Vec<&str>> = clients.lines().map(|line| line.split_whitespace().collect()).collect();
    let address = first.stream().socket().local_addr().unwrap().to_string();
    assert_eq!(rows[0][..4], ["CLIENT", "ADDRESS", "ID", "STATE"], "{clients}");
    assert_eq!(rows[1][..4], ["1", &address, "me", "subscribed"], "{clients}");
    assert_eq!(rows.len(), 3, "{clients}");
    assert_eq!(json(&daemon, &["clients", "--topic=all"])["clients"].as_array().unwrap().len(), 1);
    assert_eq!(json(&daemon, &["clients", "--limit=1"])["clients"].as_array().unwrap().len(), 1);
    let topics = said(&daemon, &["topics"]);
    let rows: Vec<Vec<&str>> = topics.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows, [["1", "all"], ["1", "ro*"], ["1", "room1"]]);
    assert_eq!(json(&daemon, &["topics", "--prefix=room"])["topics"], json!([{"topic": "room1", "subscribers": 1}]));
    assert_eq!((said(&daemon, &["count"]).as_str(), said(&daemon, &["count", "all"]).as_str()), ("2\n", "1\n"));
    assert_eq!(json(&daemon, &["count", "room*"]), json!({"ok": true, "count": 2}));
}

#[test]
fn lists_of_many_pages_are_whole() {
    let daemon = TestDaemon::with(|config| config.limits.max_topics = 2500);
    let names: Vec<String> = (0..2500).map(|nth| format!("t{nth:04}")).collect();
    let _subscribers: Vec<_> =
        names.chunks(500).map(|names| daemon.subscribe(&format!("subscribe={}", names.join("-")))).collect();
    let topics = said(&daemon, &["topics"]);
    let listed: Vec<_> = topics.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(listed, names);
}

#[test]
fn disconnect_ends_streams_by_number_and_by_id() {
    let daemon = TestDaemon::start();
    let mut subscribers =
        ["subscribe=a&id=me", "subscribe=a&id=me", "subscribe=a"].map(|query| daemon.subscribe(query));
    assert_eq!(json(&daemon, &["disconnect", "--client=3"]), json!({"ok": true, "disconnected": 1}));
    subscribers[2].ends();
    assert_eq!(said(&daemon, &["disconnect", "--id", "me"]), "2 connections disconnected\n");
    subscribers[..2].iter_mut().for_each(|subscriber| subscriber.ends());
    assert_eq!(said(&daemon, &["count"]), "0\n");
}

#[test]
fn log_level_and_reinit_are_shown_and_set() {
    let daemon = TestDaemon::start();
    assert_eq!(said(&daemon, &["log-level"]), "quiet\n");
    assert_eq!(said(&daemon, &["log-level", "debug"]), "debug\n");
    assert_eq!(json(&daemon, &["log-level"]), json!({"ok": true, "level": "debug"}));
    assert_eq!(said(&daemon, &["reinit"]), "off\n");
    assert_eq!(said(&daemon, &["reinit", "on"]), "on\n");
    assert!(daemon.status().reinit);
    assert_eq!(json(&daemon, &["reinit", "off"]), json!({"ok": true, "enabled": false}));
}

#[test]
fn ping_and_position_answer() {
    let daemon = TestDaemon::start();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(said(&daemon, &["ping"]), format!("hasses {version} is there, protocol 1\n"));
    assert_eq!(json(&daemon, &["ping"]), json!({"ok": true, "version": version, "protocol": 1}));
    let born = daemon.status().position;
    assert_eq!(said(&daemon, &["position"]), format!("{born}\n"));
    daemon.publisher().publish("a", "hi");
    let newest = daemon.status().position;
    assert!(newest > born, "{newest} does not follow {born}");
    assert_eq!(said(&daemon, &["position"]), format!("{newest}\n"));
}

#[test]
fn listen_prints_the_events_of_its_topics_and_send_feeds_it() {
    let daemon = TestDaemon::start();
    let url = format!("--url=http://{}/sse", daemon.address());
    for (more, expected) in [
        (&[][..], &["message  hi", "message  from room7", "tick  12:00"][..]),
        (&["--json"], &[r#""data":"hi""#, r#""data":"from room7""#, r#""event":"tick""#]),
    ] {
        let mut listen = command(&daemon, &["listen", "a b", "room*", &url, "--id=me", "--count=3"]);
        let out = daemon.folder().join("listen.log");
        let mut listen = Running::from_command(listen.args(more), &out, "");
        wait_for("the subscription", || (daemon.status().subscribers == 1).then_some(()));
        said(&daemon, &["send", "a b", "hi"]);
        said(&daemon, &["send", "room7", "not to me", "--except=me"]);
        said(&daemon, &["send", "elsewhere", "no"]);
        said(&daemon, &["send", "room7", "from room7"]);
        said(&daemon, &["send", "a b", "12:00", "--event=tick"]);
        assert_eq!(listen.exit_code(), 0, "{}", listen.output());
        let output = listen.output();
        assert_eq!(output.lines().count(), 3, "{output}");
        for (line, part) in output.lines().zip(expected) {
            assert!(line.contains(part), "{part:?} is missing in {line:?}");
        }
        wait_for("its end", || (daemon.status().subscribers == 0).then_some(()));
    }
}

#[test]
fn refusals_exit_with_1_usage_with_2_and_no_daemon_with_3() {
    let daemon = TestDaemon::start();
    for (code, words, part) in [
        (1, &["send", "a*b", "x"][..], "error: topic holds '*' at byte 1: '*' is allowed only at the end"),
        (1, &["send", "t", "x", "--except", "a\nb"], "subscriber id holds the control character"),
        (2, &["log-level", "loud"], "\"loud\" is no log level (quiet, normal, debug)"),
        (2, &["bogus"], "unknown command \"bogus\""),
        (2, &["send"], "topic"),
        (2, &["send", "t", "x", "--evnt=y"], "--evnt"),
        (
            3,
            &["--control=unix:///nonexistent/control.sock", "ping"],
            "no daemon answers at unix:///nonexistent/control.sock",
        ),
    ] {
        let ended = finish(&mut command(&daemon, words));
        assert_eq!((ended.code, ended.stdout.as_str()), (code, ""), "{words:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(part), "{words:?}: {}", ended.stderr);
    }
    let ended = finish(&mut command(&daemon, &["--json", "send", "a*b", "x"]));
    let error: Value = serde_json::from_str(&ended.stderr).unwrap();
    assert_eq!((ended.code, &error["ok"], &error["code"]), (1, &json!(false), &json!("bad_topic")));
}

#[test]
fn a_message_over_the_limit_of_the_daemon_is_refused_in_its_words() {
    let daemon = TestDaemon::with(|config| config.limits.max_message = 1000);
    let ended = finish(&mut command(&daemon, &["send", "t", &"x".repeat(2000)]));
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
    assert!(ended.stderr.contains("message is longer than 1000 bytes ("), "{}", ended.stderr);
    let (code, stdout, stderr) =
        with_input(&daemon, &["send", "t", "--lines"], format!("one\n{}\ntwo\n", "x".repeat(2000)).as_bytes());
    assert_eq!(code, 1, "{stdout}");
    assert!(stderr.contains("line 2") && stderr.contains("longer than 1000 bytes"), "{stderr}");
    assert_eq!(daemon.status().messages_total, 2, "the other lines were sent");
}

#[test]
fn lines_are_sent_as_they_come() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=log");
    let out = File::create(daemon.folder().join("lines.log")).unwrap();
    let mut tail =
        command(&daemon, &["send", "log", "--lines"]).stdin(Stdio::piped()).stdout(out).spawn().expect("it starts");
    let mut input = tail.stdin.take().unwrap();
    for nth in 0..3 {
        writeln!(input, "line {nth}").unwrap();
        assert_eq!(subscriber.data(), format!("line {nth}"), "it does not wait for more");
    }
    drop(input);
    assert!(tail.wait().unwrap().success());
}

#[test]
fn it_speaks_tcp_as_well() {
    let daemon = TestDaemon::start();
    let control = format!("--control=tcp://{}", daemon.control_address());
    assert_eq!(said(&daemon, &[&control, "count"]), "0\n");
}
