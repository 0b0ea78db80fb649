//! Sockets that take nothing any more.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hasses_tests::{Subscriber, TestDaemon, wait_for};

use crate::{come_back, narrow_daemon, number, numbered, publish, publish_all, slow_subscriber, verdict};

const TIMEOUT: Duration = Duration::from_secs(1);

fn impatient() -> TestDaemon {
    narrow_daemon(|config| {
        config.limits.progress_timeout = TIMEOUT;
        config.limits.heartbeat = Duration::from_secs(3600);
    })
}

#[test]
fn a_write_that_makes_no_progress_in_time_ends_the_connection_and_loses_nothing() {
    let daemon = impatient();
    let mut publisher = daemon.publisher();
    let mut stalled = slow_subscriber(&daemon, "subscribe=a");
    let mut reading = daemon.subscribe("subscribe=a");
    let begun = Instant::now();
    for data in numbered(0..200, 2_000) {
        publish(&mut publisher, "a", &data);
        assert_eq!(reading.data(), data);
    }
    let status = publisher.status();
    assert_eq!((status.subscribers, status.behind), (2, 1));
    wait_for("the stalled one to be disconnected", || (publisher.status().subscribers == 1).then_some(()));
    assert!(begun.elapsed() >= TIMEOUT, "{:?}", begun.elapsed());
    let status = publisher.status();
    assert_eq!((status.stalled_total, status.behind, status.outrun_total, status.queued_bytes), (1, 0, 0, 0));
    // What the system had taken is there, whole events and a part of one; the rest comes in the next life.
    let text = String::from_utf8(stalled.stream().read_to_close()).expect("text");
    let blocks: Vec<&str> = text.split("\n\n").collect();
    let whole: Vec<&&str> = blocks[..blocks.len() - 1].iter().filter(|block| block.contains("id: ")).collect();
    let id = whole[whole.len() - 1].split_once("id: ").expect("an id").1.split('\n').next().expect("a line");
    // Where the system found more room it may have caught up in between, and was told where it stood.
    let events = whole.iter().filter(|block| !block.contains("event: hasses.cursor")).count();
    let mut second = come_back(&daemon, "subscribe=a", id);
    assert_eq!(verdict(&mut second)["status"], "resumed");
    (events..200).for_each(|nth| assert_eq!(number(&second.data()), nth));
    publish(&mut publisher, "a", "on");
    assert_eq!(reading.data(), "on");
}

#[test]
fn whoever_reads_a_little_now_and_then_stays() {
    let daemon = impatient();
    let mut publisher = daemon.publisher();
    let mut slow = slow_subscriber(&daemon, "subscribe=a");
    publish_all(&mut publisher, "a", numbered(0..600, 4_000));
    let begun = Instant::now();
    // The system tells the other side of room only once there is much of it.
    for nth in 0..600 {
        assert_eq!(number(&slow.data()), nth);
        if nth % 50 == 0 {
            let read = Instant::now();
            wait_for("a third of the time-out", || (read.elapsed() > TIMEOUT / 3).then_some(()));
        }
    }
    assert!(begun.elapsed() > 3 * TIMEOUT);
    let status = publisher.status();
    assert_eq!((status.subscribers, status.stalled_total, status.caught_up_total), (1, 0, 1));
}

#[test]
fn a_quiet_subscriber_makes_no_progress_and_stays() {
    let daemon = impatient();
    let mut publisher = daemon.publisher();
    let mut quiet: Subscriber = daemon.subscribe("subscribe=quiet");
    let begun = Instant::now();
    wait_for("twice the time-out", || (begun.elapsed() > 2 * TIMEOUT).then_some(()));
    assert_eq!(publisher.publish("quiet", "x"), 1);
    assert_eq!((quiet.data().as_str(), publisher.status().stalled_total), ("x", 0));
}

/// Bytes that the daemon's side of a connection holds because the other side has no room for them; `None` where there is no such
/// connection any more.
fn held_by_the_system(subscriber: &mut Subscriber) -> Option<u64> {
    let socket = subscriber.stream().socket();
    let port = |address: io::Result<SocketAddr>| Some(format!(":{:04X}", address.ok()?.port()));
    // Connections to different ports may come from one and the same.
    let ends = [port(socket.peer_addr())?, port(socket.local_addr())?];
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux tells");
    let is_it = |line: &&str| line.split_whitespace().skip(1).zip(&ends).all(|(address, end)| address.ends_with(end));
    let queues = table.lines().skip(1).find(is_it)?.split_whitespace().nth(4)?;
    Some(u64::from_str_radix(queues.split(':').next()?, 16).expect("a number"))
}

#[test]
fn a_peer_that_takes_nothing_is_counted_also_where_all_fits_into_the_buffers_of_the_system() {
    let daemon = impatient();
    let mut publisher = daemon.publisher();
    let mut stalled = slow_subscriber(&daemon, "subscribe=a");
    wait_for("it to be disconnected", || {
        let status = publisher.status();
        assert_eq!(status.queued_bytes, 0, "nothing waits in the daemon");
        // What the peer has room for after all is acknowledged, on a busy machine some time later.
        if held_by_the_system(&mut stalled) == Some(0) {
            publish_all(&mut publisher, "a", numbered(0..4, 2_000));
        }
        (status.subscribers == 0).then_some(())
    });
    let status = publisher.status();
    assert_eq!((status.stalled_total, status.behind_total), (1, 0));
}
