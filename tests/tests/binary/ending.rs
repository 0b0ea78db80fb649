//! How the daemon ends.

use std::collections::BTreeSet;
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
        let arguments = ["--listen", "127.0.0.1:0", "--shards=2", "--drain=0", "--control", &control];
        let mut running = Running::start(folder.path(), arguments);
        let address = running.said("subscribers: http://").trim_end_matches("/sse").to_owned();
        let mut subscribers: Vec<_> = (0..50).map(|_| Subscriber::connect(&address, "subscribe=t")).collect();
        let mut old = Stream::connect(&address);
        old.send("GET /sse?subscribe=t HTTP/1.0\r\n\r\n");
        old.read_to("\r\n\r\n:\nevent: hasses.cursor\n");
        let mut begun = Stream::connect(&address);
        begun.send("GET /sse?subscr");
        let mut publisher = Publisher::unix(&socket);
        assert_eq!(publisher.publish("t", "the last event"), 51);
        running.signal(signal);
        let mut times = BTreeSet::new();
        for subscriber in &mut subscribers {
            assert_eq!(subscriber.data(), "the last event");
            times.insert(subscriber.ends_with_retry());
        }
        let rest = old.read_to_end();
        let time = rest.rsplit_once("data: the last event\n\nretry: ").and_then(|(_, time)| time.strip_suffix("\n\n"));
        times
            .insert(time.and_then(|time| time.parse().ok()).unwrap_or_else(|| panic!("not like the others: {rest:?}")));
        // Between once and twice the time of `--retry`.
        assert!(times.iter().all(|time| (5_000..=10_000).contains(time)), "{times:?}");
        assert!(times.len() > 10, "they would come back together: {times:?}");
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
fn without_streams_more_signals_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(folder.path(), crate::ANY_PORTS);
    for _ in 0..3 {
        running.signal(Signal::TERM);
    }
    assert_eq!(running.exit_code(), 0);
}

#[test]
fn a_second_signal_ends_at_once_what_would_have_ended_over_the_drain_time() {
    for second in [Signal::TERM, Signal::INT] {
        let folder = tempfile::tempdir().unwrap();
        let arguments = [&crate::ANY_PORTS[..], &["--drain=3600"]].concat();
        let mut running = Running::start(folder.path(), arguments);
        let (address, control) = addresses(&running);
        let mut subscribers: Vec<_> = (0..20).map(|_| Subscriber::connect(&address, "subscribe=t")).collect();
        running.signal(Signal::TERM);
        running.wait_until_it_says("SIGTERM: ending 20 streams over 3600s; a second signal ends them at once\n");
        let mut publisher = Publisher::tcp(&control);
        wait_for("the end of the first stream", || (publisher.status().subscribers == 19).then_some(()));
        // What asks for a reload does not end it.
        running.signal(Signal::HUP);
        running.wait_until_it_says("SIGHUP is ignored: the daemon is ending");
        assert_eq!(publisher.publish("t", "the last event"), 19, "publishing goes on, and the next ends minutes later");
        running.signal(second);
        let mut sent_away = 0;
        for subscriber in &mut subscribers {
            let chunk = subscriber.chunk().expect("more than the end");
            if chunk.ends_with("\ndata: the last event\n\n") {
                let time = subscriber.ends_with_retry();
                assert!((5_000..=10_000).contains(&time), "{time} ms, though nothing is left to wait for");
            } else {
                let time = chunk.strip_prefix("retry: ").and_then(|time| time.trim_end().parse::<u64>().ok());
                assert!(time.is_some_and(|time| time > 3_000_000), "{chunk:?}: when the others are to be gone");
                assert_eq!(subscriber.chunk(), None);
                sent_away += 1;
            }
        }
        assert_eq!(sent_away, 1);
        assert_eq!(running.exit_code(), 0, "{}", running.output());
        running.wait_until_it_says("a second signal: ending every stream at once\n");
    }
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
