//! The client crate against a daemon: async under smol and under tokio, and blocking.

#![expect(clippy::unwrap_used, reason = "what a test needs and cannot have is a failure of that test")]

use std::future::Future;
use std::io::{self, Read};
use std::iter;
use std::net::Shutdown;
use std::ops::ControlFlow;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::pin::pin;
use std::process::Command;
use std::thread;
use std::time::Duration;

use hasses_client::{
    Client, ClientsQuery, Delivery, Disconnect, Error, ErrorCode, LogLevel, Message, Options, TopicPattern,
    TopicsQuery, blocking,
};
use hasses_tests::{Publisher, Running, Subscriber, TestDaemon, binary};
use rustix::process::Signal;
use tempfile::TempDir;

/// Runs the same future under both executors that programs use most.
fn under_both<F: Future<Output = ()>>(scenario: impl Fn() -> F) {
    smol::block_on(scenario());
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(scenario());
}

fn unix(daemon: &TestDaemon) -> String {
    format!("unix://{}/control.sock", daemon.folder().display())
}

#[test]
fn every_call_does_what_it_says_under_smol_and_tokio_over_tcp_and_unix() {
    under_both(|| async {
        let daemon = TestDaemon::start();
        for url in [unix(&daemon), format!("tcp://{}", daemon.control_address())] {
            every_call(&daemon, &Client::connect(&url).await.unwrap()).await;
        }
    });
}

async fn every_call(daemon: &TestDaemon, client: &Client) {
    let mut subscriber = daemon.subscribe("subscribe=room1-lobby&id=me");
    let mut other = daemon.subscribe("subscribe=ro*");
    let published = client.publish("room1", "one\ntwo").await.unwrap();
    let event = subscriber.event();
    assert_eq!((published.id.to_string(), published.matched, published.duplicate), (event.id, 2, false));
    assert_eq!((event.data.as_str(), other.data().as_str()), ("one\ntwo", "one\ntwo"));
    let message = Message::new("room1", "12:00")
        .topics(["lobby", "x*"])
        .event("tick")
        .except("me")
        .retry(Duration::from_millis(700));
    assert_eq!(client.send(message).await.unwrap().matched, 1);
    let event = other.event();
    assert_eq!((event.data.as_str(), event.event.as_str(), event.retry.as_str()), ("12:00", "tick", "700"));

    let order = Message::new("room1", "order").key(format!("order after {}", published.id));
    let first = client.send(order.clone()).await.unwrap();
    assert_eq!((first.matched, first.duplicate), (2, false));
    let again = client.send(order).await.unwrap();
    assert_eq!((again.id, again.matched, again.duplicate), (first.id, 0, true));
    assert_eq!(
        [&mut subscriber, &mut other].map(Subscriber::event).map(|event| event.id),
        [first.id.to_string(), first.id.to_string()]
    );

    let status = client.status().await.unwrap();
    assert_eq!((status.subscribers, status.position), (2, client.position().await.unwrap()));
    let clients = client.clients(ClientsQuery { limit: Some(1), ..ClientsQuery::default() }).await.unwrap();
    assert_eq!((clients.clients.len(), clients.more, clients.clients[0].id.as_deref()), (1, true, Some("me")));
    let topic = Some(TopicPattern::new("lobby").unwrap());
    assert_eq!(client.clients(ClientsQuery { topic, ..ClientsQuery::default() }).await.unwrap().clients.len(), 1);
    let topics = client.topics(TopicsQuery { prefix: Some("ro".into()), ..TopicsQuery::default() }).await.unwrap();
    let names: Vec<_> = topics.topics.iter().map(|topic| (topic.topic.as_str(), topic.subscribers)).collect();
    assert_eq!((names, topics.more), (vec![("ro*", 1), ("room1", 1)], false));
    assert_eq!((client.count(None).await.unwrap(), client.count(Some("lobby")).await.unwrap()), (2, 1));
    assert_eq!(client.log_level(Some(LogLevel::Debug)).await.unwrap(), LogLevel::Debug);
    assert_eq!(client.log_level(Some(LogLevel::Quiet)).await.unwrap(), LogLevel::Quiet);
    assert_eq!(client.log_level(None).await.unwrap(), LogLevel::Quiet);
    assert!(client.reinit(Some(true)).await.unwrap() && client.reinit(None).await.unwrap());
    assert!(!client.reinit(Some(false)).await.unwrap());
    let pong = client.ping().await.unwrap();
    assert_eq!((pong.version.as_str(), pong.protocol), (env!("CARGO_PKG_VERSION"), 1));
    let me = Disconnect::Id("me".parse().unwrap());
    assert_eq!(client.disconnect(me).await.unwrap(), 1);
    subscriber.ends();
    let topic = Some(TopicPattern::new("ro*").unwrap());
    let left = client.clients(ClientsQuery { topic, ..ClientsQuery::default() }).await.unwrap().clients;
    assert_eq!(client.disconnect(Disconnect::Client(left[0].client)).await.unwrap(), 1);
    other.ends();
}

#[test]
fn many_tasks_share_one_connection_and_each_keeps_its_order() {
    const TASKS: usize = 50;
    const EACH: usize = 40;
    async fn publish_all(client: Client, task: usize) {
        for nth in 0..EACH {
            assert_eq!(client.publish(&format!("task{task}"), nth.to_string()).await.unwrap().matched, 1);
        }
    }
    let check = |daemon: &TestDaemon, subscribers: &mut [Subscriber]| {
        for subscriber in subscribers {
            (0..EACH).for_each(|nth| assert_eq!(subscriber.data(), nth.to_string()));
        }
        // One is the question's own.
        assert_eq!(daemon.status().control_connections, 2);
    };
    let subscribe = |daemon: &TestDaemon| -> Vec<Subscriber> {
        (0..TASKS).map(|task| daemon.subscribe(&format!("subscribe=task{task}"))).collect()
    };

    let daemon = TestDaemon::start();
    let mut subscribers = subscribe(&daemon);
    let client = smol::block_on(async {
        let client = Client::connect(&unix(&daemon)).await.unwrap();
        let executor = smol::LocalExecutor::new();
        let tasks: Vec<_> = (0..TASKS).map(|task| executor.spawn(publish_all(client.clone(), task))).collect();
        executor
            .run(async {
                for task in tasks {
                    task.await;
                }
            })
            .await;
        client
    });
    check(&daemon, &mut subscribers);
    drop(client);

    let daemon = TestDaemon::start();
    let mut subscribers = subscribe(&daemon);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let client = runtime.block_on(async {
        let client = Client::connect(&unix(&daemon)).await.unwrap();
        let tasks: Vec<_> = (0..TASKS).map(|task| tokio::spawn(publish_all(client.clone(), task))).collect();
        for task in tasks {
            task.await.unwrap();
        }
        client
    });
    check(&daemon, &mut subscribers);
    drop(client);
}

#[test]
fn a_dropped_call_leaves_the_others_with_their_own_answers() {
    under_both(|| async {
        let daemon = TestDaemon::start();
        let _subscriber = daemon.subscribe("subscribe=t");
        let client = Client::connect(&unix(&daemon)).await.unwrap();
        for nth in 0..100 {
            // Begun, which may send it, and given up.
            let dropped = pin!(client.count(None));
            let _ = smol::future::poll_once(dropped).await;
            let published = client.publish("t", nth.to_string()).await.unwrap();
            assert_eq!(published.id, client.position().await.unwrap(), "{nth}");
        }
    });
}

#[test]
fn what_is_refused_concerns_only_its_call() {
    under_both(|| async {
        let daemon = TestDaemon::with(|config| config.limits.max_message = 1000);
        let client = Client::connect(&unix(&daemon)).await.unwrap();
        let refused = client.publish("t", "x".repeat(2000)).await.unwrap_err();
        assert!(matches!(&refused, Error::Refused(failure) if failure.code == ErrorCode::TooLarge), "{refused}");
        let before = daemon.status().refused_commands_total;
        let invalid = client.publish("a*b", "x").await.unwrap_err();
        assert!(matches!(&invalid, Error::Invalid(failure) if failure.code == ErrorCode::BadTopic), "{invalid}");
        assert!(!invalid.was_sent());
        assert_eq!(daemon.status().refused_commands_total, before, "it was not sent");
        assert_eq!(client.publish("t", "x").await.unwrap().matched, 0);
    });
}

/// A real daemon that can be killed and started anew at the same place.
struct Mortal {
    folder: TempDir,
    url: String,
}

impl Mortal {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("unix://{}/control.sock", folder.path().display());
        Self { folder, url }
    }

    fn start(&self) -> Running {
        let mut command = Command::new(binary("hasses"));
        command.args(["--listen", "127.0.0.1:0", "--control", &self.url]);
        Running::from_command(&mut command, &self.folder.path().join("output.log"), "room for ")
    }
}

#[test]
fn a_client_comes_back_to_a_daemon_that_was_started_anew() {
    under_both(|| async {
        let mortal = Mortal::new();
        let first = mortal.start();
        let client = Client::connect(&mortal.url).await.unwrap();
        let before = client.publish("t", "x").await.unwrap().id;
        first.signal(Signal::KILL);
        drop(first);
        let second = mortal.start();
        // It may have been written to the dead one first.
        let published = client.publish("t", "y").await.unwrap();
        assert!(published.id > before, "the clock went on");
        let address = second.said("subscribers: http://");
        let mut subscriber = Subscriber::connect(address.trim_end_matches("/sse"), "subscribe=t");
        assert_eq!(client.publish("t", "z").await.unwrap().matched, 1);
        assert_eq!(subscriber.data(), "z");
    });
}

#[test]
fn a_publish_whose_answer_was_lost_is_made_again_and_happens_once() {
    under_both(|| async {
        let daemon = TestDaemon::start();
        let mut subscriber = daemon.subscribe("subscribe=t");
        let lossy = daemon.folder().join("lossy.sock");
        lose_answers(&lossy, &daemon.folder().join("control.sock"), 3);
        let client = Client::connect(&format!("unix://{}", lossy.display())).await.unwrap();
        assert_eq!(client.publish("t", "answered").await.unwrap().matched, 1);
        let published = client.publish("t", "LOST").await.unwrap();
        assert!(published.duplicate, "the daemon knew it");
        assert_eq!(published.id, client.position().await.unwrap(), "the first one's id");
        assert_eq!(client.publish("t", "afterwards").await.unwrap().matched, 1);
        assert_eq!([(); 3].map(|()| subscriber.data()), ["answered", "LOST", "afterwards"]);
    });
}

#[test]
fn with_at_most_once_a_publish_whose_answer_was_lost_has_an_unknown_fate_and_the_client_goes_on() {
    under_both(|| async {
        let daemon = TestDaemon::start();
        let mut subscriber = daemon.subscribe("subscribe=t");
        let lossy = daemon.folder().join("lossy.sock");
        lose_answers(&lossy, &daemon.folder().join("control.sock"), 1);
        let options = Options::default().delivery(Delivery::AtMostOnce);
        let client = Client::connect_with(&format!("unix://{}", lossy.display()), options).await.unwrap();
        assert_eq!(client.publish("t", "answered").await.unwrap().matched, 1);
        let error = client.publish("t", "LOST").await.unwrap_err();
        assert!(matches!(error, Error::FateUnknown { .. }) && error.was_sent(), "{error}");
        assert_eq!(client.publish("t", "afterwards").await.unwrap().matched, 1);
        assert_eq!(
            [(); 3].map(|()| subscriber.data()),
            ["answered", "LOST", "afterwards"],
            "it happened, and only once"
        );
    });
}

#[test]
fn over_a_connection_that_breaks_anywhere_every_publish_arrives_once_and_in_its_tasks_order() {
    const TASKS: usize = 4;
    const EACH: usize = 60;
    async fn publish_all(client: Client, task: usize) {
        for nth in 0..EACH {
            client.publish("t", format!("{task} {nth}")).await.unwrap();
        }
    }
    let run = |spawn_all: &dyn Fn(Client)| {
        let daemon = TestDaemon::start();
        let mut subscriber = daemon.subscribe("subscribe=t");
        let frail = daemon.folder().join("frail.sock");
        // From the middle of the greeting to some dozens of publishes, and to as many answers.
        let cuts = (0..30).map(|nth| (nth * 211 % 3000, nth * 137 % 1500)).collect();
        break_connections(&frail, &daemon.folder().join("control.sock"), cuts);
        let options = Options::default()
            .backoff_min(Duration::from_millis(1))
            .backoff_max(Duration::from_millis(5))
            .call_timeout(Duration::from_secs(60));
        let url = format!("unix://{}", frail.display());
        spawn_all(smol::block_on(async {
            loop {
                // The first connection is the program's own to make again.
                if let Ok(client) = Client::connect_with(&url, options.clone()).await {
                    break client;
                }
            }
        }));
        let mut next = [0; TASKS];
        for _ in 0..TASKS * EACH {
            let data = subscriber.data();
            let (task, nth) = data.split_once(' ').unwrap();
            let expected = &mut next[task.parse::<usize>().unwrap()];
            assert_eq!(nth, expected.to_string(), "of task {task}");
            *expected += 1;
        }
        let status = daemon.status();
        assert_eq!(status.messages_total, (TASKS * EACH) as u64, "and nothing more came");
        assert!(status.duplicates_total > 0, "some had to be made again");
    };
    run(&|client| {
        smol::block_on(async {
            let executor = smol::LocalExecutor::new();
            let tasks: Vec<_> = (0..TASKS).map(|task| executor.spawn(publish_all(client.clone(), task))).collect();
            executor
                .run(async {
                    for task in tasks {
                        task.await;
                    }
                })
                .await;
        });
    });
    run(&|client| {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            let tasks: Vec<_> = (0..TASKS).map(|task| tokio::spawn(publish_all(client.clone(), task))).collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
    });
}

/// Stands between client and daemon, and breaks one connection after the other when so many bytes have gone to the daemon, or
/// so many have come from it. The connections behind those last.
fn break_connections(path: &Path, daemon: &Path, cuts: Vec<(u64, u64)>) {
    let listener = UnixListener::bind(path).unwrap();
    let daemon = daemon.to_owned();
    // Ends with the test program.
    thread::spawn(move || {
        let cuts = cuts.into_iter().chain(iter::repeat((u64::MAX, u64::MAX)));
        for (client, (there, back)) in listener.incoming().zip(cuts) {
            let ends = [client.unwrap(), UnixStream::connect(&daemon).unwrap()];
            for (from, to, most) in [(0, 1, there), (1, 0, back)] {
                let [from, mut to] = [&ends[from], &ends[to]].map(|end| end.try_clone().unwrap());
                thread::spawn(move || {
                    // A connection that breaks on its own breaks as well.
                    let _ = io::copy(&mut Read::by_ref(&mut &from).take(most), &mut to);
                    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
                });
            }
        }
    });
}

/// Stands between client and daemon, and hangs up when the daemon has answered a command that holds `LOST`, so many times.
fn lose_answers(path: &Path, daemon: &Path, mut times: u32) {
    let listener = UnixListener::bind(path).unwrap();
    let daemon = daemon.to_owned();
    // Ends with the test program.
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = Publisher::from(client.unwrap());
            let mut daemon = Publisher::unix(&daemon);
            while let Some(command) = client.next_line() {
                daemon.write(&command);
                let answer = daemon.line();
                if times > 0 && command.contains("LOST") {
                    times -= 1;
                    break;
                }
                client.write(answer);
            }
        }
    });
}

#[test]
fn without_a_daemon_the_error_names_the_place_and_nothing_was_sent() {
    under_both(|| async {
        let mortal = Mortal::new();
        let error = Client::connect(&mortal.url).await.unwrap_err();
        assert!(matches!(&error, Error::Unreachable { url, .. } if *url == mortal.url), "{error}");
        assert!(!error.was_sent());
        let daemon = mortal.start();
        let options = Options::default().call_timeout(Duration::from_millis(200));
        let client = Client::connect_with(&mortal.url, options).await.unwrap();
        assert!(client.ping().await.is_ok());
        daemon.signal(Signal::KILL);
        drop(daemon);
        let lost = client.publish("t", "x").await.unwrap_err();
        assert!(matches!(lost, Error::Unreachable { .. } | Error::FateUnknown { .. }), "{lost}");
        // By now the loss is known.
        let error = client.publish("t", "x").await.unwrap_err();
        assert!(matches!(&error, Error::Unreachable { url, .. } if *url == mortal.url), "{error}");
    });
}

#[test]
fn the_blocking_client_makes_the_same_calls_from_many_threads() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=t&id=me");
    let client = blocking::Client::connect(&unix(&daemon)).unwrap();
    assert_eq!(client.ping().unwrap().protocol, 1);
    assert_eq!(client.publish("t", "hi").unwrap().id.to_string(), subscriber.event().id);
    assert_eq!(client.send(Message::new("t", "hi").except("me")).unwrap().matched, 0);
    assert_eq!((client.count(None).unwrap(), client.count(Some("x")).unwrap()), (1, 0));
    assert_eq!(client.topics(TopicsQuery::default()).unwrap().topics[0].topic, "t");
    assert_eq!(client.clients(ClientsQuery::default()).unwrap().clients[0].id.as_deref(), Some("me"));
    assert_eq!(client.status().unwrap().position, client.position().unwrap());
    assert!(client.reinit(Some(true)).unwrap());
    assert_eq!(client.log_level(None).unwrap(), LogLevel::Quiet);
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let client = client.clone();
            thread::spawn(move || {
                for nth in 0..50 {
                    assert_eq!(client.publish("t", format!("{thread} {nth}")).unwrap().matched, 1);
                }
            })
        })
        .collect();
    let mut next = [0; 8];
    for _ in 0..400 {
        let data = subscriber.data();
        let (thread, nth) = data.split_once(' ').unwrap();
        let expected = &mut next[thread.parse::<usize>().unwrap()];
        assert_eq!(nth, expected.to_string());
        *expected += 1;
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(client.status().unwrap().control_connections, 1);
    assert_eq!(client.disconnect(Disconnect::Id("me".parse().unwrap())).unwrap(), 1);
    subscriber.ends();
}

#[test]
fn a_bulk_of_ten_thousand_arrives_in_order() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=t");
    let client = blocking::Client::connect(&format!("tcp://{}", daemon.control_address())).unwrap();
    let reading = thread::spawn(move || (0..10_000).for_each(|nth| assert_eq!(subscriber.data(), nth.to_string())));
    let mut newest = None;
    let done = client.send_all((0..10_000).map(|nth| Message::new("t", nth.to_string())), |outcome| {
        let published = outcome.unwrap();
        assert_eq!(published.matched, 1);
        assert!(Some(published.id) > newest);
        newest = Some(published.id);
        ControlFlow::Continue(())
    });
    assert_eq!(done, ControlFlow::Continue(()));
    reading.join().unwrap();
    assert_eq!(newest, Some(client.position().unwrap()));
}
