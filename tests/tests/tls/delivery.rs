//! What was published arrives, whole and in order, whatever it is and whoever does not read.

use std::time::Duration;

use hasses_tests::{Authority, Publisher, Running, Subscriber, TlsClient, wait_for};
use serde_json::json;

use crate::{VERSIONS, secured, secured_in};

#[test]
fn events_of_any_size_arrive_whole_and_in_order() {
    for version in VERSIONS {
        let (daemon, client) = secured_in(version, |_| {});
        let mut subscriber = client.subscribe(&daemon.tls_address(), "subscribe=a");
        let mut publisher = daemon.publisher();
        // Around the size of a record, and far beyond it.
        let sizes = [1, 1024 * 1024 - 100, 16_000, 16_383, 16_384, 16_385, 2, 32_768, 500_000, 3];
        let text = |nth: usize, size: usize| {
            let mut text = format!("{nth} ").repeat(size / 2 + 1);
            text.truncate(size);
            text
        };
        // One by one, so that each finds an empty outbox.
        for (nth, &size) in sizes.iter().enumerate() {
            assert_eq!(publisher.publish("a", &text(nth, size)), 1);
            assert!(subscriber.data() == text(nth, size), "event {nth} of {size} bytes");
        }
    }
}

#[test]
fn two_hundred_subscribers_receive_two_hundred_messages_in_order() {
    const SUBSCRIBERS: usize = 200;
    let (daemon, client) = secured(|config| config.shards = 2);
    let mut subscribers: Vec<Subscriber> =
        (0..SUBSCRIBERS).map(|_| client.subscribe(&daemon.tls_address(), "subscribe=a")).collect();
    let mut publisher = daemon.publisher();
    // The first half one at a time, the second as fast as it goes.
    for nth in 0..100 {
        assert_eq!(publisher.publish("a", &nth.to_string()), SUBSCRIBERS as u64);
    }
    for nth in 100..200 {
        publisher.send(&json!({"cmd": "publish", "topic": "a", "data": nth.to_string()}).to_string());
    }
    (0..100).for_each(|_| assert_eq!(publisher.answer()["matched"], SUBSCRIBERS));
    for subscriber in &mut subscribers {
        (0..200).for_each(|nth| assert_eq!(subscriber.data(), nth.to_string()));
    }
    let status = publisher.status();
    assert_eq!((status.subscribers, status.deliveries_total), (SUBSCRIBERS as u64, 200 * SUBSCRIBERS as u64));
}

/// Publishes until the daemon has disconnected somebody for being slow; gives how many bytes that took.
fn flood_until_disconnected(publisher: &mut Publisher, mut after_each: impl FnMut(&str)) -> usize {
    let filler = "x".repeat(4 * 1024);
    for nth in 0..1_000 {
        let data = format!("{nth} {filler}");
        publisher.publish("a", &data);
        after_each(&data);
        if publisher.status().slow_disconnects_total > 0 {
            return nth * filler.len();
        }
    }
    panic!("nobody was disconnected");
}

#[test]
fn a_subscriber_that_stalls_is_disconnected_when_its_outbox_is_full_where_that_is_the_policy_and_others_go_on() {
    const OUTBOX: usize = 256 * 1024;
    for version in VERSIONS {
        let (daemon, client) = secured_in(version, |config| {
            config.limits.outbox = OUTBOX;
            config.slow = vec!["a=disconnect".parse().expect("a rule")];
            config.limits.send_buffer = 16 * 1024;
            config.limits.heartbeat = Duration::from_secs(3600);
        });
        let mut stalled = client.connect(&daemon.tls_address(), "127.0.0.1");
        stalled.bound_unread(4 * 1024);
        stalled.send("GET /sse?subscribe=a&id=stalled HTTP/1.1\r\nHost: x\r\n\r\n");
        let mut stalled = stalled.subscribed();
        let mut reading = client.subscribe(&daemon.tls_address(), "subscribe=a");
        let mut plain = daemon.subscribe("subscribe=a");
        let mut publisher = daemon.publisher();
        let mut second = daemon.publisher();
        let mut most = 0;
        let bytes = flood_until_disconnected(&mut publisher, |data| {
            assert!(reading.data() == data && plain.data() == data);
            most = most.max(second.status().queued_bytes);
        });
        // What waits for it is in the outbox, as without TLS, and not beside it: beyond that there is one record and what the
        // kernel holds on both sides.
        assert!((OUTBOX - 8 * 1024..OUTBOX + 192 * 1024).contains(&bytes), "disconnected after {bytes} bytes");
        assert!((OUTBOX as u64 - 8 * 1024..=OUTBOX as u64).contains(&most), "{most} bytes waited");
        let status = publisher.status();
        assert_eq!((status.subscribers, status.queued_bytes, status.slow_disconnects_total), (2, 0, 1));
        assert_eq!(publisher.publish("a", "on"), 2);
        assert_eq!((reading.data(), plain.data()), ("on".to_owned(), "on".to_owned()));
        // It has what came first, in order, and no more than that.
        assert!(stalled.data().starts_with("0 x") && stalled.data().starts_with("1 x"));
        stalled.stream().read_to_close();
    }
}

#[test]
fn what_waits_for_many_who_stall_is_in_memory_once() {
    const STALLED: usize = 100;
    let authority = Authority::default();
    let folder = tempfile::tempdir().unwrap();
    let certificate = authority.issue(&["127.0.0.1"]).save(folder.path(), "server");
    let control = folder.path().join("control.sock");
    let running = Running::start(
        folder.path(),
        [
            "--listen-tls=127.0.0.1:0",
            "--send-buffer=16k",
            "--outbox=1m",
            &format!("--control=unix://{}", control.display()),
            &format!("--tls-cert={}", certificate.certificate.display()),
            &format!("--tls-key={}", certificate.key.display()),
        ],
    );
    let address = running.said("subscribers: https://").split('/').next().expect("an address").to_owned();
    let client = TlsClient::trusting(&authority.pem());
    let _stalled: Vec<Subscriber> = (0..STALLED)
        .map(|_| {
            let mut stream = client.connect(&address, "127.0.0.1");
            stream.bound_unread(4 * 1024);
            stream.send("GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\n\r\n");
            stream.subscribed()
        })
        .collect();
    let mut publisher = Publisher::unix(&control);
    let before = resident_kibibytes(&running);
    for _ in 0..220 {
        assert_eq!(publisher.publish("a", &"x".repeat(4 * 1024)), STALLED as u64);
    }
    let waiting = publisher.status().queued_bytes;
    assert!(waiting > 70 * 1024 * 1024, "{waiting} bytes wait: who stalls?");
    let more = resident_kibibytes(&running).saturating_sub(before);
    // The events once, and for each a record and a list of what waits; a copy for each would be 80 MiB.
    assert!(more < 16 * 1024, "{more} KiB more");
    let status = publisher.status();
    assert_eq!((status.slow_disconnects_total, status.behind_total), (0, 0));
}

/// Memory that a process has.
fn resident_kibibytes(running: &Running) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.pid())).expect("the process is there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line for it");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn a_subscriber_that_reads_late_misses_nothing_whether_it_waits_in_the_outbox_or_in_the_log() {
    for (outbox, behind) in [(1024 * 1024, 0), (64 * 1024, 1)] {
        reads_late(outbox, behind);
    }
}

/// A subscriber reads only when all is published, of which so much fits into its outbox; so many are behind then.
fn reads_late(outbox: usize, behind: u64) {
    let (daemon, client) = secured(|config| {
        config.limits.send_buffer = 16 * 1024;
        config.limits.outbox = outbox;
    });
    let mut late = client.connect(&daemon.tls_address(), "127.0.0.1");
    // Smaller, and the kernel would let it through in drips.
    late.bound_unread(32 * 1024);
    late.send("GET /sse?subscribe=a HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut late = late.subscribed();
    let mut publisher = daemon.publisher();
    let filler = "y".repeat(1_000);
    for nth in 0..500 {
        assert_eq!(publisher.publish("a", &format!("{nth} {filler}")), 1);
    }
    let status = publisher.status();
    assert_eq!(status.behind, behind);
    assert!(behind == 1 || status.queued_bytes > 300_000, "it does stall: {}", status.queued_bytes);
    // No more than what is read from the log in one go.
    assert!(behind == 0 || status.queued_bytes < 70_000, "what the log has need not wait: {}", status.queued_bytes);
    (0..500).for_each(|nth| assert_eq!(late.data(), format!("{nth} {filler}")));
    let status = wait_for("it to be live", || Some(publisher.status()).filter(|status| status.behind == 0));
    assert_eq!(status.queued_bytes, 0);
    // The kernel may take enough in between for it to be live once more, and to fall behind again.
    assert_eq!(status.behind_total, status.caught_up_total);
    assert_eq!(status.behind_total >= 1, behind == 1, "{} times behind", status.behind_total);
}

#[test]
fn a_silent_stream_has_heartbeats() {
    let (daemon, client) = secured(|config| config.limits.heartbeat = Duration::from_millis(100));
    let mut subscriber = client.subscribe(&daemon.tls_address(), "subscribe=a");
    for _ in 0..3 {
        assert_eq!(subscriber.chunk(), Some(":\n".to_owned()));
    }
}
