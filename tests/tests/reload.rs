//! Settings exchanged while the daemon runs: what holds from then on, and that nobody notices otherwise.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hasses::config::{Certificates, ListenAddress};
use hasses_client::wire::LogLevel;
use hasses_tests::{
    Answer, Authority, Certificate, Crowd, Event, Stream, Subscriber, TestDaemon, TlsClient, certificates, wait_for,
};
use serde_json::json;

/// A certificate for `127.0.0.1` of its own authority, and a client that trusts only that.
fn issued(folder: &Path, name: &str) -> (Certificate, TlsClient) {
    let authority = Authority::default();
    let certificate = authority.issue(&["127.0.0.1"]).save(folder, name);
    (certificate, TlsClient::trusting(&authority.pem()))
}

fn request(query: &str, headers: &str) -> String {
    format!("GET /sse?{query} HTTP/1.1\r\nHost: x\r\n{headers}\r\n")
}

fn allowed_origin(daemon: &TestDaemon) -> Option<String> {
    let answer = daemon.answer_to("HEAD /sse HTTP/1.1\r\nHost: x\r\n\r\n");
    answer.header("Access-Control-Allow-Origin").map(str::to_owned)
}

#[test]
fn a_thousand_subscribers_miss_nothing_while_everything_is_exchanged() {
    const PLAIN: usize = 900;
    const SECURED: usize = 100;
    const RELOADS: u64 = 20;
    let folder = tempfile::tempdir().unwrap();
    let pairs = [issued(folder.path(), "one"), issued(folder.path(), "two")];
    let mut daemon = TestDaemon::secured(&pairs[0].0, |config| {
        config.shards = 2;
        // Everybody is to get the same bytes.
        config.limits.heartbeat = Duration::from_secs(3600);
    });
    let address = daemon.tls_address();
    let mut secured: Vec<Subscriber> = (0..SECURED).map(|_| pairs[0].1.subscribe(&address, "subscribe=a")).collect();
    let mut crowd = Crowd::subscribe(&daemon.address(), "subscribe=a", PLAIN);

    let (published, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let publishing = std::thread::spawn({
        let (mut publisher, published, done) = (daemon.publisher(), published.clone(), done.clone());
        move || {
            while !done.load(Ordering::Relaxed) {
                let nth = published.load(Ordering::Relaxed);
                assert_eq!(publisher.publish("a", &nth.to_string()), (PLAIN + SECURED) as u64);
                published.store(nth + 1, Ordering::Relaxed);
            }
            published.load(Ordering::Relaxed)
        }
    });
    for nth in 1..=RELOADS {
        // Each time something has gone out since the last.
        wait_for("more events", || (published.load(Ordering::Relaxed) >= 2 * nth).then_some(()));
        let even = usize::from(nth % 2 == 0);
        let (certificate, client) = &pairs[1 - even];
        daemon
            .reload(|config| {
                config.certificates = certificates([certificate]);
                config.cors.origins = vec![format!("https://origin{nth}.example")];
                config.limits.outbox = (1 + even) * 1024 * 1024;
                config.limits.max_age = Some(Duration::from_secs(1000 + nth));
                config.limits.max_subscribers = Some(PLAIN + SECURED + 10);
                config.limits.max_subscribers_per_address = (even == 1).then_some(PLAIN + SECURED + 5);
                config.proxies.trusted = vec![format!("10.0.{nth}.0/24").parse().expect("a net")];
            })
            .expect("good settings");
        assert_eq!(allowed_origin(&daemon), Some(format!("https://origin{nth}.example")));
        drop(client.connect(&address, "127.0.0.1"));
        assert!(pairs[even].1.try_connect(&address, "127.0.0.1").is_err(), "the other certificate is shown");
    }
    done.store(true, Ordering::Relaxed);
    let count = publishing.join().expect("every event reached everybody");
    let last = format!("data: {}\n\n\r\n", count - 1);
    let body = crowd.read_until("the last event", |body| body.ends_with(last.as_bytes()));
    let events = Event::all(std::str::from_utf8(body).expect("text"));
    let expected: Vec<_> = (0..count).map(|nth| nth.to_string()).collect();
    assert_eq!(events.iter().map(|event| &event.data).collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>());
    for subscriber in &mut secured {
        expected.iter().for_each(|data| assert_eq!(subscriber.data(), *data));
    }
    let status = daemon.status();
    assert_eq!((status.subscribers, status.slow_disconnects_total), ((PLAIN + SECURED) as u64, 0));
    assert_eq!(status.subscribed_total, (PLAIN + SECURED) as u64);
}

#[test]
fn limits_hold_from_then_on_and_for_nobody_who_is_in() {
    let mut daemon = TestDaemon::with(|config| config.limits.retry = Duration::from_secs(3));
    let mut subscribers = [daemon.subscribe("subscribe=a-b-c"), daemon.subscribe("subscribe=a")];
    daemon
        .reload(|config| {
            config.limits.max_topics = 2;
            config.limits.max_head = 1024;
            config.limits.max_subscribers = Some(2);
            config.limits.retry = Duration::from_secs(600);
        })
        .unwrap();
    assert_eq!(daemon.answer_to(request("subscribe=a-b-c", "")).status, 400);
    assert_eq!(daemon.answer_to(request("subscribe=a", &format!("Cookie: {}\r\n", "x".repeat(1024)))).status, 431);
    let retry = |answer: &Answer| -> u64 {
        let text = answer.body.split_once("retry: ").expect("a time").1;
        text.split('\n').next().expect("a line").parse().expect("a number")
    };
    assert!(retry(&daemon.answer_to(request("subscribe=a", ""))) >= 600_000);
    let limits = daemon.status().limits;
    assert_eq!((limits["max-topics"], limits["max-head"], limits["max-subscribers"]), (2, 1024, 2));
    assert_eq!(daemon.publisher().publish("a", "hi"), 2);
    subscribers.iter_mut().for_each(|subscriber| assert_eq!(subscriber.data(), "hi"));
    // And back again.
    daemon.reload(|config| config.limits = hasses::config::Limits::default()).unwrap();
    drop(daemon.subscribe("subscribe=a-b-c"));
}

#[test]
fn heartbeats_come_sooner_for_those_who_are_in() {
    let mut daemon = TestDaemon::with(|config| config.limits.heartbeat = Duration::from_secs(3600));
    let mut subscriber = daemon.subscribe("subscribe=a");
    daemon.reload(|config| config.limits.heartbeat = Duration::from_millis(100)).unwrap();
    for _ in 0..3 {
        assert_eq!(subscriber.chunk(), Some(":\n".to_owned()));
    }
}

#[test]
fn the_age_and_the_time_for_a_head_end_those_who_are_there() {
    let mut daemon = TestDaemon::start();
    let (mut subscriber, mut silent) = (daemon.subscribe("subscribe=a"), daemon.connect());
    wait_for("both to be there", || (daemon.status().connections == 2).then_some(()));
    daemon
        .reload(|config| {
            config.limits.max_age = Some(Duration::from_millis(100));
            config.limits.head_timeout = Duration::from_millis(100);
        })
        .unwrap();
    subscriber.ends();
    assert_eq!(silent.answer().status, 408);
}

#[test]
fn a_smaller_outbox_counts_from_the_next_event_on() {
    let mut daemon = TestDaemon::with(|config| {
        config.limits.send_buffer = 16 * 1024;
        config.limits.outbox = 1024 * 1024;
    });
    let mut stalled = daemon.connect();
    stalled.bound_unread(4 * 1024);
    stalled.send(request("subscribe=a", ""));
    let mut stalled = stalled.subscribed();
    let mut publisher = daemon.publisher();
    let filler = "x".repeat(10_000);
    (0..40).for_each(|_| assert_eq!(publisher.publish("a", &filler), 1));
    let waiting = publisher.status().queued_bytes;
    assert!(waiting > 200_000, "{waiting}");
    daemon.reload(|config| config.limits.outbox = 64 * 1024).unwrap();
    let status = publisher.status();
    assert_eq!((status.subscribers, status.queued_bytes, status.behind_total), (1, waiting, 0));
    assert_eq!(publisher.publish("a", "one more"), 1);
    let status = publisher.status();
    assert_eq!((status.subscribers, status.behind, status.slow_disconnects_total), (1, 1, 0));
    assert!(status.queued_bytes < 80_000, "no more than what is read from the log in one go: {}", status.queued_bytes);
    (0..40).for_each(|nth| assert!(stalled.data() == filler, "event {nth}"));
    assert_eq!(stalled.data(), "one more");
    let status = wait_for("it to be live again", || Some(publisher.status()).filter(|status| status.behind == 0));
    assert_eq!((status.behind_total, status.caught_up_total, status.queued_bytes), (1, 1, 0));
}

#[test]
fn limits_and_times_of_control_connections_hold_for_those_that_are_open() {
    let mut daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=a");
    let mut publisher = daemon.publisher();
    assert_eq!(publisher.publish("a", &"x".repeat(2_000)), 1);
    assert_eq!(subscriber.data().len(), 2_000);
    daemon.reload(|config| config.limits.max_message = 1_000).unwrap();
    let long = json!({"cmd": "publish", "topic": "a", "data": "x".repeat(2_000)}).to_string();
    let mut new = daemon.publisher();
    assert_eq!(new.refusal(&long).0, "too_large");
    assert_eq!(new.publish("a", "short"), 1);
    assert_eq!(subscriber.data(), "short");
}

#[test]
fn trusted_proxies_and_reinit_hold_from_the_next_request_on() {
    let mut daemon = TestDaemon::start();
    let shown = |daemon: &TestDaemon| {
        let subscriber = daemon.subscribe_by(request("subscribe=a", "X-Forwarded-For: 192.0.2.7\r\n"));
        let answer = daemon.publisher().ask(&json!({"cmd": "clients"}));
        drop(subscriber);
        wait_for("it to be gone", || (daemon.status().connections == 0).then_some(()));
        answer["clients"][0]["address"].as_str().expect("text").to_owned()
    };
    assert!(shown(&daemon).starts_with("127.0.0.1:"));
    daemon
        .reload(|config| {
            config.proxies.trusted = vec!["127.0.0.1".parse().expect("an address")];
            config.allow_reinit = true;
        })
        .unwrap();
    assert_eq!(shown(&daemon), "192.0.2.7");
    assert!(daemon.status().reinit);
    drop(daemon.subscribe("subscribe=a").again("subscribe=b"));
    daemon.reload(|config| config.proxies.trusted.clear()).unwrap();
    assert!(shown(&daemon).starts_with("127.0.0.1:"));
}

#[test]
fn a_certificate_that_cannot_be_used_changes_nothing_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let (good, client) = issued(folder.path(), "good");
    let (other, _) = issued(folder.path(), "other");
    let mut daemon = TestDaemon::secured(&good, |_| {});
    let address = daemon.tls_address();
    let mut subscriber = client.subscribe(&address, "subscribe=a");
    let before = daemon.status();
    let missing = folder.path().join("missing.pem");
    let expired = Authority::default().issue_for_years(&["127.0.0.1"], 2001, 2002).save(folder.path(), "expired");
    let bad = [
        (Certificates { chains: vec![good.certificate.clone()], keys: vec![other.key.clone()] }, "mixed up"),
        (Certificates { chains: vec![missing.clone()], keys: vec![good.key] }, "missing.pem cannot be read"),
        (Certificates { chains: vec![good.certificate], keys: vec![missing] }, "missing.pem cannot be read"),
        (certificates([&expired]), "expired at 2002"),
        // The second one of two.
        (certificates([&other, &expired]), "expired at 2002"),
    ];
    for (certificates, part) in bad {
        let outcome = daemon.reload(|config| {
            config.certificates = certificates;
            config.cors.origins = vec!["https://other.example".to_owned()];
            config.limits.max_topics = 1;
            config.limits.max_subscribers = Some(1);
            config.limits.heartbeat = Duration::from_millis(100);
            config.limits.max_age = Some(Duration::from_millis(100));
            config.proxies.trusted = vec!["127.0.0.1".parse().expect("an address")];
            config.allow_reinit = true;
            config.log.level = LogLevel::Debug;
        });
        let error = outcome.expect_err("a bad certificate").to_string();
        assert!(error.contains(part), "{error}");
        assert_eq!(allowed_origin(&daemon), Some("*".to_owned()));
        drop(client.subscribe(&address, "subscribe=a-b"));
    }
    let after = wait_for("the others to be gone", || Some(daemon.status()).filter(|status| status.subscribers == 1));
    assert_eq!(
        (after.limits, after.cors_origins, after.reinit, after.log_level),
        (before.limits, before.cors_origins, before.reinit, before.log_level)
    );
    assert_eq!(after.aged_out_total, 0);
    assert_eq!(daemon.publisher().publish("a", "hi"), 1);
    assert_eq!(subscriber.data(), "hi");
    // And a good one is taken after all that.
    daemon.reload(|config| config.cors.origins = vec!["https://other.example".to_owned()]).unwrap();
    assert_eq!(allowed_origin(&daemon), Some("https://other.example".to_owned()));
}

#[test]
fn files_that_were_renewed_in_place_are_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, old) = issued(folder.path(), "server");
    let mut daemon = TestDaemon::secured(&certificate, |_| {});
    let address = daemon.tls_address();
    let mut subscriber = old.subscribe(&address, "subscribe=a");
    let (_, new) = issued(folder.path(), "server");
    drop(old.connect(&address, "127.0.0.1"));
    daemon.reload(|_| {}).unwrap();
    drop(new.connect(&address, "127.0.0.1"));
    assert!(old.try_connect(&address, "127.0.0.1").is_err(), "nor is an old session resumed");
    // Who is in stays in, under the old one.
    assert_eq!(daemon.publisher().publish("a", "hi"), 1);
    assert_eq!(subscriber.data(), "hi");
}

#[test]
fn what_needs_a_restart_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, client) = issued(folder.path(), "server");
    let (other, _) = issued(folder.path(), "other");
    let mut daemon = TestDaemon::secured(&certificate, |_| {});
    let (plain, tls) = (daemon.address(), daemon.tls_address());
    let mut subscriber = daemon.subscribe("subscribe=a");
    let before = daemon.status();
    daemon
        .reload(|config| {
            config.path = "/other".to_owned();
            config.listen = vec![ListenAddress::Tcp(([127, 0, 0, 1], 1).into())];
            // Gone from the file, and its certificate is another: both stay.
            config.listen_tls.clear();
            config.certificates = certificates([&other]);
            config.control.clear();
            config.shards = 7;
            config.proxies.header = true;
            config.proxies.trusted = vec!["127.0.0.1".parse().expect("an address")];
            config.limits.send_buffer = 4096;
            config.limits.in_flight *= 2;
            config.limits.max_control_connections = 1;
            config.limits.max_topics = 3;
        })
        .unwrap();
    let after = daemon.status();
    assert_eq!((&after.listen, &after.sources, after.shards), (&before.listen, &before.sources, before.shards));
    for limit in ["send-buffer", "in-flight", "max-control-connections", "shards"] {
        assert_eq!(after.limits.get(limit), before.limits.get(limit), "{limit}");
    }
    assert_eq!(after.limits["max-topics"], 3, "what does not need one holds");
    drop(Subscriber::connect(&plain, "subscribe=a"));
    drop(client.subscribe(&tls, "subscribe=a"));
    let _two = [daemon.publisher(), daemon.publisher()].map(|mut publisher| publisher.ask(&json!({"cmd": "ping"})));
    assert_eq!(daemon.publisher().publish("a", "hi"), 1);
    assert_eq!(subscriber.data(), "hi");
}

#[test]
fn certificates_may_be_added_and_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::default();
    let issue = |name: &str| authority.issue(&[name]).save(folder.path(), name);
    let both = [issue("one.example"), issue("two.example")];
    let mut daemon = TestDaemon::secured(&both[0], |_| {});
    let client = TlsClient::trusting(&authority.pem());
    let served = |daemon: &TestDaemon, name: &str| client.try_connect(&daemon.tls_address(), name).is_ok();
    assert!(served(&daemon, "one.example") && !served(&daemon, "two.example"));
    daemon.reload(|config| config.certificates = certificates(&both)).unwrap();
    assert!(served(&daemon, "one.example") && served(&daemon, "two.example"));
    daemon.reload(|config| config.certificates = certificates(&both[1..])).unwrap();
    assert!(!served(&daemon, "one.example") && served(&daemon, "two.example"));
}

#[test]
fn a_handshake_under_way_ends_as_it_began() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, old) = issued(folder.path(), "old");
    let (renewed, _) = issued(folder.path(), "new");
    let mut daemon = TestDaemon::secured(&certificate, |_| {});
    let stream = Stream::connect(&daemon.tls_address());
    wait_for("it to be accepted", || (daemon.status().connections == 1).then_some(()));
    daemon.reload(|config| config.certificates = certificates([&renewed])).unwrap();
    let mut stream = stream.secured(old.session("127.0.0.1")).unwrap();
    stream.send(request("subscribe=a", ""));
    let mut subscriber = stream.subscribed();
    assert_eq!(daemon.publisher().publish("a", "hi"), 1);
    assert_eq!(subscriber.data(), "hi");
}
