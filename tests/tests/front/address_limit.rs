//! How many subscribers one client address may have.

use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;

use hasses_tests::{Answer, Stream, Subscriber, TestDaemon, wait_for};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

use crate::{request, trust};

/// Connects from another address of this machine.
pub(crate) fn connect_from(source: &str, address: &str) -> Stream {
    let socket: OwnedFd = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    let source = SocketAddr::new(source.parse().expect("an address"), 0);
    bind(&socket, &source).expect("all of 127.0.0.0/8 is this machine");
    connect(&socket, &address.parse::<SocketAddr>().expect("an address")).expect("the daemon listens");
    Stream::from(TcpStream::from(socket))
}

fn limited(limit: usize) -> TestDaemon {
    TestDaemon::with(|config| {
        config.limits.max_subscribers_per_address = Some(limit);
        config.allow_reinit = true;
        config.shards = 2;
        trust(config, &["127.0.0.9"]);
    })
}

/// Asks for a subscription through a trusted proxy.
fn ask_for(daemon: &TestDaemon, client: &str) -> Stream {
    let mut stream = connect_from("127.0.0.9", &daemon.address());
    stream.send(request("subscribe=a", &[&format!("X-Forwarded-For: {client}")]));
    stream
}

fn subscribe_for(daemon: &TestDaemon, client: &str) -> Subscriber {
    ask_for(daemon, client).subscribed()
}

#[track_caller]
fn assert_is_refused(answer: &Answer) {
    assert_eq!(answer.status, 200, "a browser would never come back after anything else");
    assert!(answer.body.contains("retry: ") && answer.body.ends_with("\r\n0\r\n\r\n"), "{answer:?}");
    assert_eq!(answer.header("Content-Type"), Some("text/event-stream; charset=utf-8"));
}

fn wait_for_subscribers(daemon: &TestDaemon, count: u64) {
    wait_for("subscribers to leave", || (daemon.status().subscribers == count).then_some(()));
}

#[test]
fn one_more_than_an_address_may_have_is_told_to_come_back_later() {
    let daemon = limited(3);
    let from = |source: &str| {
        let mut stream = connect_from(source, &daemon.address());
        stream.send(request("subscribe=a", &[]));
        stream
    };
    let mut subscribers: Vec<_> = (0..3).map(|_| from("127.0.0.1").subscribed()).collect();
    for _ in 0..4 {
        assert_is_refused(&from("127.0.0.1").answer());
    }
    // Others have their own room.
    let mut other = from("127.0.0.2").subscribed();
    let status = daemon.status();
    assert_eq!((status.refused_total, status.refused_by_address_total, status.subscribers), (4, 4, 4));
    assert_eq!(daemon.publisher().publish("a", "hi"), 4);
    assert_eq!(other.data(), "hi");
    subscribers.iter_mut().for_each(|subscriber| assert_eq!(subscriber.data(), "hi"));
    // Whoever leaves makes room for one, however it leaves.
    drop(subscribers.pop());
    wait_for_subscribers(&daemon, 3);
    let mut late = from("127.0.0.1").subscribed();
    assert_is_refused(&from("127.0.0.1").answer());
    let client = daemon.publisher().ask(&serde_json::json!({"cmd": "clients"}))["clients"][0]["client"].clone();
    daemon.publisher().ask(&serde_json::json!({"cmd": "disconnect", "client": client}));
    wait_for_subscribers(&daemon, 3);
    drop(from("127.0.0.1").subscribed());
    wait_for_subscribers(&daemon, 3);
    assert_eq!(daemon.publisher().publish("a", "on"), 3);
    assert_eq!(late.data(), "on");
}

#[test]
fn what_is_no_subscription_is_not_counted() {
    let daemon = limited(1);
    let _in = daemon.subscribe("subscribe=a");
    for (line, status) in [
        ("GET /sse HTTP/1.1", 400),
        ("GET /other HTTP/1.1", 404),
        ("HEAD /sse HTTP/1.1", 200),
        ("OPTIONS /sse HTTP/1.1", 200),
        ("GET /healthz HTTP/1.1", 200),
        ("POST /sse?subscribe=a HTTP/1.1", 405),
    ] {
        let answer = daemon.answer_to(format!("{line}\r\nHost: x\r\n\r\n"));
        assert_eq!((answer.status, answer.body.contains("retry:")), (status, false), "{line}");
    }
    assert_eq!(daemon.status().refused_by_address_total, 0);
    assert_is_refused(&daemon.answer_to(request("subscribe=a", &[])));
}

#[test]
fn the_address_that_a_trusted_proxy_names_is_the_one_that_counts() {
    let daemon = limited(2);
    let first = [subscribe_for(&daemon, "192.0.2.7"), subscribe_for(&daemon, "192.0.2.7")];
    for spoofed in ["192.0.2.7", "203.0.113.9, 192.0.2.7", "\u{fc}, 192.0.2.7", "::ffff:192.0.2.7", "192.0.2.7:80"] {
        assert_is_refused(&ask_for(&daemon, spoofed).answer());
    }
    let second = [subscribe_for(&daemon, "192.0.2.8"), subscribe_for(&daemon, "192.0.2.8")];
    assert_is_refused(&ask_for(&daemon, "192.0.2.8").answer());
    // One who is not believed counts where he connects from.
    let mut direct = [(); 2].map(|()| daemon.subscribe_by(request("subscribe=a", &["X-Forwarded-For: 192.0.2.7"])));
    assert_is_refused(&daemon.answer_to(request("subscribe=a", &["X-Forwarded-For: 192.0.2.99"])));
    assert_eq!(daemon.publisher().publish("a", "hi"), 6);
    direct.iter_mut().for_each(|subscriber| assert_eq!(subscriber.data(), "hi"));
    drop(first);
    wait_for_subscribers(&daemon, 4);
    let _first = [subscribe_for(&daemon, "192.0.2.7"), subscribe_for(&daemon, "192.0.2.7")];
    assert_is_refused(&ask_for(&daemon, "192.0.2.7").answer());
    drop(second);
}

#[test]
fn an_ipv6_line_counts_as_one() {
    let daemon = limited(2);
    let _both = [subscribe_for(&daemon, "2001:db8:0:1::1"), subscribe_for(&daemon, "2001:db8:0:1:ffff:ffff:ffff:ffff")];
    assert_is_refused(&ask_for(&daemon, "2001:db8:0:1::2").answer());
    let _others = [subscribe_for(&daemon, "2001:db8:0:2::1"), subscribe_for(&daemon, "2001:db8::1")];
}

/// Subscribes anew on the same connection, for the same or for another client.
fn again(mut subscriber: Subscriber, client: &str) -> Subscriber {
    subscriber.stream().send(request("subscribe=a", &[&format!("X-Forwarded-For: {client}")]));
    let head = subscriber.stream().read_to("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!(subscriber.chunk(), Some(":\n".to_owned()));
    subscriber.cursor();
    subscriber
}

#[test]
fn subscribing_anew_keeps_the_counts_right() {
    const LIMIT: usize = 3;
    let daemon = limited(LIMIT);
    let (one, two) = ("192.0.2.7", "192.0.2.8");
    let fill = |client: &str, free: usize| -> Vec<Subscriber> {
        let all = (0..free).map(|_| subscribe_for(&daemon, client)).collect();
        assert_is_refused(&ask_for(&daemon, client).answer());
        all
    };
    // For the same client: still counted, once, however often.
    let mut subscriber = subscribe_for(&daemon, one);
    for _ in 0..5 {
        subscriber = again(subscriber, one);
    }
    let others = fill(one, LIMIT - 1);
    // For another: counted there, and no longer here; whoever is in stays in, whatever the limit.
    subscriber = again(subscriber, two);
    let more = fill(one, 1);
    let full = fill(two, LIMIT - 1);
    subscriber = again(again(again(subscriber, one), two), one);
    assert_is_refused(&ask_for(&daemon, one).answer());
    // One more than may be is here, so one place is free only when two have gone.
    drop(more);
    wait_for_subscribers(&daemon, 5);
    assert_is_refused(&ask_for(&daemon, one).answer());
    drop(fill(two, 1));
    wait_for_subscribers(&daemon, 5);
    // A request that subscribes to nothing changes nothing.
    subscriber.stream().send("GET /other HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.8\r\n\r\n");
    assert_eq!(daemon.publisher().publish("a", "hi"), 5);
    assert_eq!(subscriber.data(), "hi");
    drop((subscriber, others, full));
    wait_for_subscribers(&daemon, 0);
    // All have left: all of the room is there again, and not more.
    let _all = (fill(one, LIMIT), fill(two, LIMIT));
}

#[test]
fn a_proxy_that_names_nobody_on_a_reused_connection_counts_itself() {
    let daemon = limited(1);
    let mut subscriber = subscribe_for(&daemon, "192.0.2.7");
    subscriber.stream().send(request("subscribe=a", &[]));
    let _ = subscriber.stream().read_to("\r\n\r\n");
    // Its client's place is free, the proxy's own is taken.
    let _client = subscribe_for(&daemon, "192.0.2.7");
    let mut proxy = connect_from("127.0.0.9", &daemon.address());
    proxy.send(request("subscribe=a", &[]));
    assert_is_refused(&proxy.answer());
}

#[test]
fn a_limit_that_comes_later_counts_those_who_are_there() {
    let mut daemon = limited(2);
    daemon.reload(|config| config.limits.max_subscribers_per_address = None).unwrap();
    let mut subscribers: Vec<_> = (0..4).map(|_| daemon.subscribe("subscribe=a")).collect();
    daemon.reload(|config| config.limits.max_subscribers_per_address = Some(3)).unwrap();
    // Each shard counts its own; all have when all have answered.
    assert_eq!(daemon.status().subscribers, 4);
    // Nobody is disconnected, and nobody more comes in.
    assert_is_refused(&daemon.answer_to(request("subscribe=a", &[])));
    assert_eq!(daemon.publisher().publish("a", "hi"), 4);
    subscribers.iter_mut().for_each(|subscriber| assert_eq!(subscriber.data(), "hi"));
    subscribers.truncate(2);
    wait_for_subscribers(&daemon, 2);
    let _third = daemon.subscribe("subscribe=a");
    assert_is_refused(&daemon.answer_to(request("subscribe=a", &[])));
    // Off again, and on: those counted are not counted twice.
    daemon.reload(|config| config.limits.max_subscribers_per_address = None).unwrap();
    daemon.reload(|config| config.limits.max_subscribers_per_address = Some(4)).unwrap();
    let _fourth = daemon.subscribe("subscribe=a");
    assert_is_refused(&daemon.answer_to(request("subscribe=a", &[])));
}

#[test]
fn neither_limit_takes_from_the_other() {
    let daemon = TestDaemon::with(|config| {
        config.limits.max_subscribers = Some(2);
        config.limits.max_subscribers_per_address = Some(2);
    });
    let both = [daemon.subscribe("subscribe=a"), daemon.subscribe("subscribe=a")];
    // Refused because all places are taken, which counts at no address.
    for _ in 0..3 {
        assert_is_refused(&daemon.answer_to(request("subscribe=a", &[])));
    }
    let status = daemon.status();
    assert_eq!((status.refused_total, status.refused_by_address_total), (3, 0));
    drop(both);
    wait_for_subscribers(&daemon, 0);
    let _both = [daemon.subscribe("subscribe=a"), daemon.subscribe("subscribe=a")];
}
