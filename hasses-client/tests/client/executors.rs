//! The same program under smol and under tokio: eight tasks, 500 calls each, over one connection.

use std::pin::Pin;

use hasses_client::{Client, Error, Message};

use crate::daemon::{Daemon, brisk};

const TASKS: u64 = 8;
const CALLS: u64 = 500;

/// What one task does: calls one after the other, and checks that every answer is that to its own call.
async fn task(client: Client, number: u64) {
    for call in 0..CALLS {
        let value = number * CALLS + call;
        let published = match call % 3 {
            0 => client.publish("room", value.to_string()).await,
            _ => client.send(Message::new("room", value.to_string()).event("tick")).await,
        };
        assert_eq!(published.unwrap().matched, value);
        if call % 100 == 0 {
            assert_eq!(client.ping().await.unwrap().version, "0.0.0-test");
        }
    }
}

/// Many calls of one task at once.
async fn at_once(client: Client) {
    let mut calls: Vec<Pin<Box<dyn Future<Output = u64> + Send>>> = Vec::new();
    for number in 0..2000 {
        let client = client.clone();
        calls.push(Box::pin(async move { client.publish("room", number.to_string()).await.unwrap().matched }));
    }
    // All are begun before the first is waited for.
    let mut begun = Vec::new();
    for call in &mut calls {
        begun.push(smol::future::poll_once(call.as_mut()).await);
    }
    let mut answers = Vec::new();
    for (call, answer) in calls.into_iter().zip(begun) {
        answers.push(match answer {
            Some(answer) => answer,
            None => call.await,
        });
    }
    assert_eq!(answers, (0..2000).collect::<Vec<_>>());
}

#[test]
fn under_smol() {
    let url = Daemon::unix().serve();
    smol::block_on(async {
        let client = Client::connect_with(&url, brisk()).await.unwrap();
        let tasks: Vec<_> = (0..TASKS).map(|number| smol::spawn(task(client.clone(), number))).collect();
        for task in tasks {
            task.await;
        }
        smol::spawn(at_once(client)).await;
    });
}

#[test]
fn under_tokio() {
    let url = Daemon::tcp().serve();
    // Neither tokio's timers nor its I/O are compiled in, let alone enabled.
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let client = Client::connect_with(&url, brisk()).await.unwrap();
        let tasks: Vec<_> = (0..TASKS).map(|number| tokio::spawn(task(client.clone(), number))).collect();
        for task in tasks {
            task.await.unwrap();
        }
        tokio::spawn(at_once(client)).await.unwrap();
    });
}

#[test]
fn clients_may_be_shared_between_threads_and_errors_passed_on() {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    fn passed_on<T: std::error::Error + Send + Sync + 'static>() {}
    shared::<Client>();
    shared::<hasses_client::blocking::Client>();
    passed_on::<Error>();
}
