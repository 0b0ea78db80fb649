//! Publishes over connections that break at any point: the event log holds each once, and those of each task in their order.

use std::collections::HashMap;
use std::pin::Pin;

use hasses_client::wire::Published;
use hasses_client::{Client, Error, Options, blocking};
use proptest::prelude::*;

use crate::daemon::{Daemon, brisk};
use crate::ledger::{Cut, Log, keep};

type Sent = (String, Result<Published, Error>);

/// A run: how many messages each task sends, how many of them at a time, and where connections end.
#[derive(Clone, Debug)]
struct Run {
    tasks: Vec<(usize, usize)>,
    cuts: Vec<Cut>,
    queue: usize,
    tcp: bool,
}

fn cut() -> impl Strategy<Value = Cut> {
    let answered = 0_usize..25;
    prop_oneof![
        answered.clone().prop_map(Cut::Unread),
        answered.clone().prop_map(Cut::WithinLine),
        answered.clone().prop_map(Cut::Unanswered),
        answered.clone().prop_map(Cut::WithinAnswer),
        answered.clone().prop_map(Cut::Late),
        answered.prop_map(Cut::Ending),
    ]
}

fn run() -> impl Strategy<Value = Run> {
    let tasks = prop::collection::vec((1_usize..40, 1_usize..12), 1..5);
    let cuts = prop::collection::vec(cut(), 0..12);
    (tasks, cuts, prop_oneof![Just(3_usize), Just(1024)], any::<bool>()).prop_map(|(tasks, cuts, queue, tcp)| Run {
        tasks,
        cuts,
        queue,
        tcp,
    })
}

impl Run {
    fn daemon(&self) -> Daemon {
        if self.tcp { Daemon::tcp() } else { Daemon::unix() }
    }

    fn options(&self) -> Options {
        brisk().queue(self.queue)
    }
}

/// One task: its messages, several under way at a time. Some are longer than what a socket takes in at once.
async fn task(client: Client, task: usize, messages: usize, at_once: usize) -> Vec<Sent> {
    let mut sent = Vec::new();
    let numbers: Vec<_> = (0..messages).collect();
    for numbers in numbers.chunks(at_once) {
        let mut calls: Vec<(String, Pin<Box<dyn Future<Output = _> + Send>>)> = Vec::new();
        for number in numbers {
            let padding = if number % 13 == 5 { 300_000 } else { number % 50 };
            let data = format!("{task} {number} {}", "x".repeat(padding));
            let (client, copy) = (client.clone(), data.clone());
            calls.push((data, Box::pin(async move { client.publish("t", copy).await })));
        }
        // In their order, before the first is waited for.
        let mut begun = Vec::new();
        for (_, call) in &mut calls {
            begun.push(smol::future::poll_once(call.as_mut()).await);
        }
        for ((data, call), begun) in calls.into_iter().zip(begun) {
            let outcome = match begun {
                Some(outcome) => outcome,
                None => call.await,
            };
            sent.push((data, outcome));
        }
    }
    sent
}

/// Whether the log holds exactly what was sent, each at the place that was answered, and each task's in its order.
fn check(log: &Log, sent: &[Vec<Sent>]) -> Result<(), TestCaseError> {
    let places: HashMap<_, _> = log.data().into_iter().zip(0_u64..).collect();
    prop_assert_eq!(places.len(), log.events.len(), "nothing is doubled");
    prop_assert_eq!(log.events.len(), sent.iter().map(Vec::len).sum::<usize>(), "and nothing is strange");
    for task in sent {
        let mut last = None;
        for (data, outcome) in task {
            let place = places.get(data.as_str()).copied();
            let answered = outcome.as_ref().map(|published| published.id.sequence);
            prop_assert_eq!(answered.map_err(ToString::to_string), place.ok_or_else(|| data.clone()));
            prop_assert!(place > last, "{data} came too early");
            last = place;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn wherever_connections_break_the_log_holds_every_publish_once_and_in_order(run in run()) {
        let daemon = run.daemon();
        let url = daemon.url();
        let kept = keep(daemon, run.cuts.clone());
        let sent = smol::block_on(async {
            let client = Client::connect_with(&url, run.options()).await.unwrap();
            let tasks: Vec<_> = run.tasks.iter().enumerate()
                .map(|(number, (messages, at_once))| smol::spawn(task(client.clone(), number, *messages, *at_once)))
                .collect();
            drop(client);
            let mut sent = Vec::new();
            for task in tasks {
                sent.push(task.await);
            }
            sent
        });
        check(&kept.log(), &sent)?;
    }

    #[test]
    fn the_same_holds_for_a_bulk(cuts in prop::collection::vec(cut(), 0..12), messages in 1_usize..3000, queue in 1_usize..2000) {
        let daemon = Daemon::unix();
        let url = daemon.url();
        let kept = keep(daemon, cuts);
        let client = blocking::Client::connect_with(&url, brisk().queue(queue)).unwrap();
        let data: Vec<_> = (0..messages).map(|number| number.to_string()).collect();
        let mut outcomes = Vec::new();
        let _ = client.send_all(data.iter().map(|data| hasses_client::Message::new("t", data)), |outcome| {
            outcomes.push(outcome);
            std::ops::ControlFlow::Continue(())
        });
        drop(client);
        let sent: Vec<_> = data.into_iter().zip(outcomes).collect();
        check(&kept.log(), &[sent])?;
    }
}

#[test]
fn it_holds_under_tokio_and_for_threads() {
    let cuts = || {
        vec![
            Cut::Unread(7),
            Cut::Unanswered(3),
            Cut::Late(5),
            Cut::WithinLine(0),
            Cut::WithinAnswer(9),
            Cut::Ending(11),
        ]
    };
    let daemon = Daemon::tcp();
    let url = daemon.url();
    let kept = keep(daemon, cuts());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let sent = runtime.block_on(async {
        let client = Client::connect_with(&url, brisk()).await.unwrap();
        let tasks: Vec<_> = (0..4).map(|number| tokio::spawn(task(client.clone(), number, 50, 7))).collect();
        drop(client);
        let mut sent = Vec::new();
        for task in tasks {
            sent.push(task.await.unwrap());
        }
        sent
    });
    check(&kept.log(), &sent).unwrap();

    let daemon = Daemon::unix();
    let url = daemon.url();
    let kept = keep(daemon, cuts());
    let client = blocking::Client::connect_with(&url, brisk()).unwrap();
    let sent: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let client = client.clone();
                scope.spawn(move || {
                    let data = (0..50).map(|number| format!("{thread} {number}"));
                    data.map(|data| (data.clone(), client.publish("t", data))).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    drop(client);
    check(&kept.log(), &sent).unwrap();
}
