//! A backend without an executor: threads share one client, and a file goes out in bulk.
//!
//! ```text
//! cargo run -p hasses-client --example blocking_backend -- unix:///run/hasses/control.sock < access.log
//! ```
//!
//! Subscribe to see the events: `curl -N 'http://127.0.0.1:8080/sse?subscribe=log-rooms*'`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::ops::ControlFlow;
use std::thread;
use std::time::Instant;

use hasses_client::blocking::Client;
use hasses_client::{Error, Message};

fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "unix:///run/hasses/control.sock".to_owned());
    let client = Client::connect(&url)?;

    // As the threads of a web server would: each asks and waits for its own answer, over the one connection.
    thread::scope(|scope| {
        let requests: Vec<_> = (1..=4)
            .map(|room| {
                let client = client.clone();
                scope.spawn(move || client.publish(&format!("rooms/{room}"), "hello"))
            })
            .collect();
        for request in requests {
            match request.join() {
                Ok(Ok(published)) => println!("event {} went to {} subscribers", published.id, published.matched),
                Ok(Err(error)) => println!("{error}"),
                Err(_) => println!("a thread panicked"),
            }
        }
    });

    // Every line of standard input is one message; up to the first that fails.
    let started = Instant::now();
    let (mut sent, mut failed) = (0_u64, None);
    let lines = std::io::stdin().lines().map_while(Result::ok);
    let _ = client.send_all(lines.map(|line| Message::new("log", line)), |outcome| match outcome {
        Ok(_) => {
            sent += 1;
            ControlFlow::Continue(())
        }
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    });
    println!("{sent} lines in {:?}", started.elapsed());
    failed.map_or(Ok(()), Err)
}
