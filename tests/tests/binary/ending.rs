//! How the daemon ends.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use hasses_tests::{Publisher, Running, Stream, Subscriber, binary, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::addresses;

#[test]
fn signals_end_every_stream_with_its_last_chunk_and_leave_no_socket_file() {
    for (signal, name) in [(Signal::TERM, "SIGTERM"), (Signal::INT, "SIGINT")] {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("control.sock");
        let control = format!("unix://{}", socket.display());
        let mut running = Running::start(
            folder.path(),
            ["--listen", "127.0.0.1:0", "--shards=2", "--drain=0", "--control", &control],
        );
        let address = running.said("subscribers: http://").trim_end_matches("/sse").to_owned();
        let mut subscribers: Vec<_> = (0..50).map(|_| Subscriber::connect(&address, "subscribe=t")).collect();
        let mut old = Stream::connect(&address);
        old.send("GET /sse?subscribe=t HTTP/1.0\r\n\r\n");
        old.read_to("\r\n\r\n:\n");
        let mut begun = Stream::connect(&address);
        begun.send("GET /sse?subscr");
        let mut publisher = Publisher::unix(&socket);
        assert_eq!(publisher.publish("t", "the last event"), 51);
        running.signal(signal);
        for subscriber in &mut subscribers {
            assert_eq!(subscriber.data(), "the last event");
            subscriber.ends();
        }
        let end = old.read_to_end();
        let (_, retry) = end.split_once("data: the last event\n\nretry: ").expect("the event, then when to come back");
        assert!(retry.trim_end().parse::<u32>().is_ok(), "without chunks there is no last one: {end:?}");
        begun.read_to_close();
        assert_eq!(running.exit_code(), 0, "{}", running.output());
        assert!(!socket.exists());
        let output = running.output();
        assert!(
            output.contains(&format!("{name}: ending every stream\n")) && output.ends_with("stopped\n"),
            "{output}"
        );
    }
}

#[test]
fn a_publisher_that_is_connected_at_the_end_does_not_hold_it_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(folder.path(), crate::ANY_PORTS);
    let (_, control) = addresses(&running);
    let mut publisher = Publisher::tcp(&control);
    assert_eq!(publisher.ask(&json!({"cmd": "ping"}))["ok"], true);
    let mut half = Publisher::tcp(&control);
    half.write("a=never finished");
    running.signal(Signal::TERM);
    assert_eq!(running.exit_code(), 0);
    assert_eq!(publisher.rest(), "", "its connection is closed");
}

#[test]
fn a_second_signal_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(folder.path(), crate::ANY_PORTS);
    for _ in 0..3 {
        running.signal(Signal::TERM);
    }
    assert_eq!(running.exit_code(), 0);
}

#[test]
fn signals_that_are_not_meant_to_end_it_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), crate::ANY_PORTS);
    let mut publisher = Publisher::tcp(&addresses(&running).1);
    running.signal(Signal::PIPE);
    assert_eq!(publisher.ask(&json!({"cmd": "ping"}))["ok"], true);
}

#[test]
fn it_goes_on_when_nobody_reads_its_output_any_more() {
    let mut child = Command::new(binary("hasses"))
        .args(crate::ANY_PORTS)
        .args(["--log-level", "debug"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let control =
        lines.find_map(|line| line.split_once("control: tcp://").map(|(_, address)| address.to_owned())).unwrap();
    // As `hasses | head` does.
    drop(lines);
    drop(child.stderr.take());
    for _ in 0..3 {
        let mut publisher = Publisher::tcp(&control);
        publisher.write("malformed\nstatus\ntcpnumberofclients\n");
        assert_eq!(publisher.line(), "{\"numberofclients\": 0}\n");
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let status = wait_for("its end", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}
