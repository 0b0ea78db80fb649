//! Many subscribers, many who do not read, and more than there are descriptors for.
//!
//! One at a time, since each looks at what the whole machine or all of its cores have.

#![expect(clippy::expect_used, reason = "what cannot go on shall fail, and say where")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hasses_tests::{Crowd, Event, Publisher, Running, Stream, Subscriber, TestDaemon, Witness, binary, wait_for};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;
use tempfile::TempDir;

static ALONE: Mutex<()> = Mutex::new(());

/// Waits for the other tests of this file.
fn alone() -> MutexGuard<'static, ()> {
    // One that failed is no reason for the next to fail.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn five_thousand_subscribers_receive_two_hundred_messages_in_order_without_loss() {
    const SUBSCRIBERS: usize = 5_000;
    let _alone = alone();
    let daemon = TestDaemon::with(|config| {
        config.shards = 2;
        // Everybody is to get the same bytes.
        config.limits.heartbeat = Duration::from_secs(3600);
    });
    let mut crowd = Crowd::subscribe(&daemon.address(), "subscribe=load", SUBSCRIBERS);
    let mut publisher = daemon.publisher();
    // The first half one at a time, the second as fast as it goes.
    for nth in 0..100 {
        assert_eq!(publisher.publish("load", &format!("message {nth}")), SUBSCRIBERS as u64);
    }
    crowd.read_until("the first hundred", |body| body.ends_with(b"data: message 99\n\n\r\n"));
    for nth in 100..200 {
        publisher.send(&json!({"cmd": "publish", "topic": "load", "data": format!("message {nth}")}).to_string());
    }
    (0..100).for_each(|_| assert_eq!(publisher.answer()["matched"], SUBSCRIBERS));
    let body = crowd.read_until("the last", |body| body.ends_with(b"data: message 199\n\n\r\n"));
    let events = Event::all(std::str::from_utf8(body).expect("text"));
    let data: Vec<_> = events.iter().map(|event| event.data.as_str()).collect();
    assert_eq!(data, (0..200).map(|nth| format!("message {nth}")).collect::<Vec<_>>());
    let status = publisher.status();
    assert_eq!((status.subscribers, status.deliveries_total), (SUBSCRIBERS as u64, 200 * SUBSCRIBERS as u64));
    assert_eq!((status.slow_disconnects_total, status.queued_bytes), (0, 0));
}

#[test]
fn five_hundred_stalled_subscribers_use_little_of_the_machines_memory_hold_up_nobody_and_lose_nothing() {
    const STALLED: u64 = 500;
    const MEBIBYTE: u64 = 1024 * 1024;
    let _alone = alone();
    let daemon = TestDaemon::start();
    let mut publisher = daemon.publisher();
    // They keep their own receive buffers as they are: all of the machine is counted, both ends of each connection.
    let mut stalled: Vec<Subscriber> = (0..STALLED).map(|_| daemon.subscribe("subscribe=flood")).collect();
    let mut reading = daemon.subscribe("subscribe=flood");
    let before = tcp_memory();
    let filler = "x".repeat(4 * 1024);
    let event = |number: u64| format!("{number} {filler}");
    let mut sent = 0;
    let mut flood = |publisher: &mut Publisher, bytes: u64| {
        for _ in 0..bytes / filler.len() as u64 {
            sent += 1;
            assert_eq!(publisher.publish("flood", &event(sent)), STALLED + 1);
            assert_eq!(reading.data(), event(sent));
        }
        sent
    };
    // What others on the machine use comes and goes; what the stalled ones use stays.
    let assert_is_little = |when: &str| {
        wait_for(&format!("less than 100 MiB to be used {when}"), || {
            (tcp_memory() < before + 100 * MEBIBYTE).then_some(())
        });
    };
    // Their sockets are full, their outboxes are not.
    flood(&mut publisher, MEBIBYTE / 4);
    let status = publisher.status();
    assert_eq!((status.subscribers, status.behind), (STALLED + 1, 0));
    assert!(status.queued_bytes > STALLED * MEBIBYTE / 16, "only {} bytes wait: who stalls?", status.queued_bytes);
    assert_is_little("while events wait for them");
    // Now they would be: no more waits than what a socket has a part of, however much is published.
    for more in [1, 4] {
        flood(&mut publisher, more * MEBIBYTE);
        let status = publisher.status();
        assert_eq!((status.subscribers, status.behind, status.behind_total), (STALLED + 1, STALLED, STALLED));
        let waiting = status.queued_bytes / STALLED;
        assert!(waiting < filler.len() as u64 + 200, "{waiting} bytes wait for each");
        assert_is_little("while they are behind");
    }
    let sent = flood(&mut publisher, 0);
    // Whoever reads on has everything, and the others make no difference to him.
    for subscriber in &mut stalled[..20] {
        (1..=sent).for_each(|number| assert_eq!(subscriber.data(), event(number)));
    }
    let status = wait_for("these to be live", || Some(publisher.status()).filter(|it| it.behind == STALLED - 20));
    assert_eq!((status.caught_up_total, status.slow_disconnects_total, status.stalled_total), (20, 0, 0));
    drop(stalled);
    let status = wait_for("them to be gone", || Some(publisher.status()).filter(|it| it.subscribers == 1));
    assert_eq!((status.behind, status.queued_bytes), (0, 0));
    assert_is_little("when they are gone");
}

/// Bytes that TCP holds, in all of the machine.
fn tcp_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/net/sockstat").expect("Linux tells");
    let line = text.lines().find_map(|line| line.strip_prefix("TCP: ")).expect("a line for TCP");
    let words: Vec<_> = line.split(' ').collect();
    let pages = words.windows(2).find(|pair| pair[0] == "mem").and_then(|pair| pair[1].parse::<u64>().ok());
    pages.expect("pages") * rustix::param::page_size() as u64
}

/// A real daemon that may have few descriptors.
struct Scarce {
    folder: TempDir,
    running: Running,
    address: String,
}

impl Scarce {
    fn start(descriptors: u32) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let control = format!("unix://{}", folder.path().join("control.sock").display());
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("ulimit -n {descriptors} && exec \"$0\" \"$@\"")).arg(binary("hasses"));
        command.args(["--listen", "127.0.0.1:0", "--control", &control, "--max-control-connections", "16"]);
        command.args(["--heartbeat", "1", "--head-timeout", "600"]);
        let running = Running::from_command(&mut command, &folder.path().join("output.log"), "room for ");
        let address = running.said("subscribers: http://").trim_end_matches("/sse").to_owned();
        Self { folder, running, address }
    }

    fn control(&self) -> PathBuf {
        self.folder.path().join("control.sock")
    }

    fn process(&self) -> String {
        format!("/proc/{}", self.running.pid())
    }

    /// Asserts that the daemon rests most of the time, while `subscriber` hears nothing but heartbeats.
    fn assert_does_not_spin(&self, subscriber: &mut Subscriber) {
        let (before, began) = (cpu_time(&self.process()), Instant::now());
        for _ in 0..3 {
            assert_eq!(subscriber.chunk().as_deref(), Some(":\n"));
        }
        let (used, took) = (cpu_time(&self.process()) - before, began.elapsed());
        assert!(used < took / 4, "it used {used:?} of {took:?} while there was nothing to do");
    }

    fn pauses_logged(&self) -> usize {
        self.running.output().matches("accepting waits for a connection to end").count()
    }
}

/// CPU time of all threads so far.
fn cpu_time(process: &str) -> Duration {
    let threads = Path::new(process).join("task").read_dir().expect("the process is there");
    let nanoseconds = threads.map(|thread| {
        let text = std::fs::read_to_string(thread.expect("a thread").path().join("schedstat")).expect("Linux tells");
        text.split(' ').next().and_then(|first| first.parse::<u64>().ok()).expect("nanoseconds")
    });
    Duration::from_nanos(nanoseconds.sum())
}

#[test]
fn more_connections_than_descriptors_wait_and_who_is_connected_is_served() {
    let _alone = alone();
    // 64 are kept back, 16 for control, and 64 connections beyond the subscribers are let in to be told to come back.
    let scarce = Scarce::start(400);
    assert_eq!(scarce.running.said("room for "), "256");
    let mut witness = Witness::at(&scarce.address, &scarce.control());
    let mut subscribers: Vec<_> = (1..256).map(|_| Subscriber::connect(&scarce.address, "subscribe=a")).collect();
    let idle: Vec<_> = (0..600).map(|_| Stream::connect(&scarce.address)).collect();
    let mut late = Stream::connect(&scarce.address);
    late.send("GET /sse?subscribe=late HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_for("all that fit to be let in", || (witness.publisher().status().connections == 320).then_some(()));
    wait_for("the pause to be logged", || (scarce.pauses_logged() == 1).then_some(()));

    // Everybody is served, and control is, also by those who come now.
    for nth in 0..20 {
        witness.sees_on();
        assert_eq!(Publisher::unix(&scarce.control()).publish("a", &nth.to_string()), 255);
        subscribers.iter_mut().for_each(|subscriber| assert_eq!(subscriber.data(), nth.to_string()));
    }
    scarce.assert_does_not_spin(&mut subscribers[0]);

    // Places are free once some have left and the idle ones are gone.
    subscribers.truncate(200);
    wait_for("some to be gone", || (witness.publisher().status().subscribers == 201).then_some(()));
    drop(idle);
    let mut late = late.subscribed();
    assert_eq!(witness.publisher().publish("late", "welcome"), 1);
    assert_eq!(late.data(), "welcome");
    let mut new = Subscriber::connect(&scarce.address, "subscribe=a");
    assert_eq!(witness.publisher().publish("a", "on"), 201);
    assert_eq!((new.data(), subscribers[199].data()), ("on".to_owned(), "on".to_owned()));
    wait_for("the others to be gone", || (witness.publisher().status().connections == 203).then_some(()));
    witness.sees_on();
    let status = witness.publisher().status();
    assert!(status.accept_pauses_total >= 1);
    assert_eq!((scarce.pauses_logged(), status.refused_total), (1, 0));
}

#[test]
fn a_process_that_is_out_of_descriptors_rests_until_there_are_some_again() {
    let _alone = alone();
    let scarce = Scarce::start(1_000);
    let mut witness = Witness::at(&scarce.address, &scarce.control());
    let mut subscribers: Vec<_> = (0..20).map(|_| Subscriber::connect(&scarce.address, "subscribe=a")).collect();
    // The daemon counted on what it had at the start, and now somebody takes it away.
    let open = Path::new(&scarce.process()).join("fd").read_dir().expect("the process is there").count() as u64;
    let pid = i32::try_from(scarce.running.pid()).ok().and_then(Pid::from_raw);
    let allow = |current| {
        let limit = Rlimit { current: Some(current), maximum: Some(1_000) };
        prlimit(pid, Resource::Nofile, limit).expect("the limit can be set");
    };
    allow(open + 5);
    let waiting: Vec<_> = (0..30)
        .map(|_| {
            let mut stream = Stream::connect(&scarce.address);
            stream.send("GET /sse?subscribe=b HTTP/1.1\r\nHost: x\r\n\r\n");
            stream
        })
        .collect();
    wait_for("the pause to be logged", || (scarce.pauses_logged() == 1).then_some(()));
    let let_in = wait_for("those who fit to be served", || {
        let status = witness.publisher().status();
        (status.subscribers == status.connections && status.connections > 21).then_some(status.subscribers - 21)
    });
    assert!(let_in < 10, "{let_in} for five descriptors");
    assert!(scarce.running.output().contains("open files"), "{}", scarce.running.output());
    for nth in 0..20 {
        witness.sees_on();
        assert_eq!(witness.publisher().publish("a", &nth.to_string()), 20);
        subscribers.iter_mut().for_each(|subscriber| assert_eq!(subscriber.data(), nth.to_string()));
    }
    let pauses = witness.publisher().status().accept_pauses_total;
    scarce.assert_does_not_spin(&mut subscribers[0]);
    assert_eq!(witness.publisher().status().accept_pauses_total, pauses, "it is one long pause");
    // Whoever leaves makes room for the next.
    subscribers.truncate(10);
    wait_for("ten more to be let in", || (witness.publisher().publish("b", "x") == let_in + 10).then_some(()));
    allow(1_000);
    let mut served: Vec<_> = waiting.into_iter().map(Stream::subscribed).collect();
    assert_eq!(witness.publisher().publish("b", "all"), 30);
    for subscriber in &mut served {
        while subscriber.data() != "all" {}
    }
    witness.sees_on();
    assert_eq!(scarce.pauses_logged(), 1, "it is said once, not at every try");
}
