//! Calls that are answered, one way or the other.

use std::time::Duration;

use hasses_client::wire::{
    Command, Count, Disconnected, Failure, Level, Position, Publish, Publish as PublishCommand, Reinit, Reply, Topics,
};
use hasses_client::{
    Client, ClientList, ClientsQuery, Disconnect, Error, ErrorCode, EventId, LogLevel, Message, StatusReport,
    SubscriberId, TopicInfo, TopicList, TopicPattern, TopicsQuery,
};
use smol::block_on;

use crate::daemon::{Daemon, PATIENCE, brisk, connected, published};

fn pattern(topic: &str) -> TopicPattern {
    TopicPattern::new(topic).unwrap()
}

#[test]
fn every_command_is_a_typed_call_over_tcp_and_unix() {
    for daemon in [Daemon::tcp(), Daemon::unix()] {
        let (client, mut peer) = connected(&daemon, brisk());
        let answering = std::thread::spawn(move || {
            let mut asked = Vec::new();
            while peer.answer_next(|command| {
                let answer = reply(&command);
                asked.push(without_key(command));
                answer
            }) {}
            asked
        });
        assert_eq!(client.publish("room624", "hi").unwrap().matched, 7);
        let message = Message::new("a", "x\n\"y\"").topics(["b*"]).event("tick").except("me").key("own");
        assert_eq!(client.send(message.retry(Duration::from_secs(2))).unwrap().id, EventId { millis: 1, sequence: 7 });
        assert_eq!(client.status().unwrap().pid, 4711);
        let query = ClientsQuery { topic: Some(pattern("ro*")), limit: Some(3), after: Some(9) };
        assert!(client.clients(query.clone()).unwrap().more);
        let page = TopicsQuery { prefix: Some("ro".into()), limit: Some(3), after: Some("room".into()) };
        assert_eq!(client.topics(page.clone()).unwrap().topics[0].subscribers, 3);
        assert_eq!(client.count(None).unwrap(), 1);
        assert_eq!(client.count(Some("ro*")).unwrap(), 2);
        let id = SubscriberId::new("me").unwrap();
        assert_eq!(client.disconnect(Disconnect::Client(4)).unwrap(), 1);
        assert_eq!(client.disconnect(Disconnect::Id(id.clone())).unwrap(), 1);
        assert_eq!(client.log_level(None).unwrap(), LogLevel::Normal);
        assert_eq!(client.log_level(Some(LogLevel::Debug)).unwrap(), LogLevel::Debug);
        assert!(!client.reinit(None).unwrap());
        assert!(client.reinit(Some(true)).unwrap());
        assert_eq!(client.position().unwrap(), EventId { millis: 17, sequence: 3 });
        assert_eq!(client.ping().unwrap().version, "0.0.0-test");
        drop(client);

        let full = PublishCommand {
            event: Some("tick".parse().unwrap()),
            key: Some("own".parse().unwrap()),
            except: Some(id.clone()),
            retry: Some(2000),
            ..Publish::new(Topics::new([pattern("a"), pattern("b*")]).unwrap(), "x\n\"y\"")
        };
        let expected = [
            Command::Publish(Publish::new(pattern("room624"), "hi")),
            Command::Publish(full),
            Command::Status,
            Command::Clients(query),
            Command::Topics(page),
            Command::Count(None),
            Command::Count(Some(pattern("ro*"))),
            Command::Disconnect(Disconnect::Client(4)),
            Command::Disconnect(Disconnect::Id(id)),
            Command::LogLevel(None),
            Command::LogLevel(Some(LogLevel::Debug)),
            Command::Reinit(None),
            Command::Reinit(Some(true)),
            Command::Position,
            Command::Ping,
        ];
        assert_eq!(answering.join().unwrap(), expected);
    }
}

/// Every publish has a key; that of the client says nothing.
fn without_key(command: Command) -> Command {
    match command {
        Command::Publish(publish) if publish.key.as_ref().unwrap().as_str() != "own" => {
            Command::Publish(Publish { key: None, ..publish })
        }
        other => other,
    }
}

fn reply(command: &Command) -> Reply {
    match command {
        Command::Publish(_) => published(7),
        Command::Status => Reply::Status(Box::new(StatusReport { pid: 4711, ..StatusReport::default() })),
        Command::Clients(_) => Reply::Clients(ClientList { clients: Vec::new(), more: true }),
        Command::Topics(_) => {
            Reply::Topics(TopicList { topics: vec![TopicInfo { topic: "room".into(), subscribers: 3 }], more: false })
        }
        Command::Count(topic) => Reply::Count(Count { count: if topic.is_some() { 2 } else { 1 } }),
        Command::Disconnect(_) => Reply::Disconnected(Disconnected { disconnected: 1 }),
        Command::LogLevel(level) => Reply::LogLevel(Level { level: level.unwrap_or(LogLevel::Normal) }),
        Command::Reinit(enabled) => Reply::Reinit(Reinit { enabled: enabled.unwrap_or(false) }),
        Command::Position => Reply::Position(Position { id: EventId { millis: 17, sequence: 3 } }),
        _ => crate::daemon::pong(),
    }
}

#[test]
fn a_refusal_arrives_as_the_daemon_gave_it_and_concerns_only_its_call() {
    let daemon = Daemon::unix();
    let (client, mut peer) = connected(&daemon, brisk());
    let refusal = Failure::new(ErrorCode::Unsupported, "no event log, so no key");
    let answer = Reply::Failed(refusal.clone());
    let answering = std::thread::spawn(move || {
        peer.answer_next(|_| answer);
        peer.answer_next(|_| published(1));
    });
    match client.send(Message::new("a", "x").key("k")) {
        Err(Error::Refused(failure)) => assert_eq!(failure, refusal),
        other => panic!("{other:?}"),
    }
    assert_eq!(client.publish("a", "x").unwrap().matched, 1);
    answering.join().unwrap();
}

#[test]
fn what_is_invalid_is_never_sent() {
    let daemon = Daemon::tcp();
    let (client, mut peer) = connected(&daemon, brisk());
    for outcome in [
        client.publish("", "x").map(|_| ()),
        client.publish("a*b", "x").map(|_| ()),
        client.send(Message::new("a", "x").event("a\nb")).map(|_| ()),
        client.count(Some("\n")).map(|_| ()),
    ] {
        let error = outcome.unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{error}");
        assert!(!error.was_sent());
    }
    drop(client);
    assert_eq!(peer.next(), None);
}

#[test]
fn a_bad_url_says_what_is_right() {
    for url in ["localhost:8085", "http://localhost", "unix://relative", "fifo:///run/hasses/fifo", "tcp://[::1"] {
        match block_on(Client::connect(url)) {
            Err(Error::Invalid(failure)) => assert!(failure.error.contains(url), "{failure}"),
            other => panic!("{url}: {other:?}"),
        }
    }
}

#[test]
fn names_are_resolved_and_addresses_with_colons_are_taken() {
    let url = Daemon::tcp().serve().replace("127.0.0.1", "localhost");
    block_on(Client::connect(&url)).unwrap();
    let error = block_on(Client::connect("tcp://no-such-host.invalid:1")).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    // Nobody listens there; that the address was understood shows in the error.
    let error = block_on(Client::connect("tcp://[::1]:1")).unwrap_err();
    assert!(error.to_string().contains("tcp://[::1]:1"), "{error}");
}

#[test]
fn a_dropped_call_leaves_the_connection_in_step() {
    let daemon = Daemon::unix();
    let (client, mut peer) = connected(&daemon, brisk());
    let shared = client_of(&daemon, &mut peer, client);
    block_on(async {
        for number in 0..50_u32 {
            // Polled until it is on its way, then dropped.
            let mut call = std::pin::pin!(shared.publish("a", format!("{number}")));
            assert!(smol::future::poll_once(call.as_mut()).await.is_none());
        }
    });
    // The calls that went out before they were dropped are answered one after the other, whatever the client makes of it.
    let answering = std::thread::spawn(move || {
        let mut seen = Vec::new();
        while let Some(Command::Publish(publish)) = peer.next() {
            seen.push(publish.data.parse().unwrap());
            peer.answer(&published(*seen.last().unwrap()));
        }
        seen
    });
    for number in 1000..1050 {
        assert_eq!(block_on(shared.publish("a", number.to_string())).unwrap().matched, number);
    }
    drop(shared);
    let seen = answering.join().unwrap();
    assert!(seen.is_sorted(), "{seen:?}");
    assert_eq!(seen.iter().filter(|number| **number >= 1000).count(), 50);
}

/// An asynchronous client on a connection of its own.
fn client_of(daemon: &Daemon, peer: &mut crate::daemon::Peer, blocking: hasses_client::blocking::Client) -> Client {
    drop(blocking);
    assert_eq!(peer.next(), None, "the last client was dropped");
    let url = daemon.url();
    std::thread::scope(|scope| {
        let client = scope.spawn(|| block_on(Client::connect_with(&url, brisk())).unwrap());
        *peer = daemon.welcome();
        client.join().unwrap()
    })
}

#[test]
fn the_last_client_sees_through_what_was_sent() {
    let daemon = Daemon::tcp();
    let (client, mut peer) = connected(&daemon, brisk());
    let shared = client_of(&daemon, &mut peer, client);
    block_on(async {
        for number in 0..3 {
            let mut call = std::pin::pin!(shared.publish("a", number.to_string()));
            assert!(smol::future::poll_once(call.as_mut()).await.is_none());
            // It has been sent when the daemon has it.
            assert_eq!(peer.next_data(), number.to_string());
        }
    });
    drop(shared);
    for number in 0..3 {
        peer.answer(&published(number));
    }
    assert_eq!(peer.next(), None);
}

#[test]
fn everything_is_answered_in_time_when_the_queue_is_short() {
    let url = Daemon::unix().serve();
    let options = brisk().queue(1).call_timeout(PATIENCE);
    let client = hasses_client::blocking::Client::connect_with(&url, options).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let client = client.clone();
            scope.spawn(move || {
                for number in thread * 100..thread * 100 + 100 {
                    assert_eq!(client.publish("a", number.to_string()).unwrap().matched, number);
                }
            });
        }
    });
}
