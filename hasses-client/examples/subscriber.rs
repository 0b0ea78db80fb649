//! A subscriber that keeps a running sum, and knows when it can no longer be sure of it.
//!
//! ```text
//! cargo run -p hasses-client --example subscriber -- http://127.0.0.1:8080/sse
//! for n in 1 2 3; do hasses-ctl send amounts $n; done
//! ```
//!
//! Stop the daemon and start it again while this runs, or pull the plug: with an event log on disk the sum stays right; where
//! the log does not reach back far enough, it says so. The executor here is smol; under tokio nothing would differ but
//! `block_on`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use hasses_client::EventSource;
use hasses_client::event_source::{Error, Item};

fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:8080/sse".to_owned());
    // Three times the daemon's heartbeat: a machine that has gone without a word is noticed.
    let mut events =
        EventSource::builder(url).topic("amounts").id("sum").idle_timeout(Duration::from_secs(45)).open()?;
    smol::block_on(async {
        let mut sum = 0_i64;
        while let Some(item) = events.next().await {
            match item? {
                Item::Open => println!("listening at {}", events.url()),
                Item::Event(event) => match event.data.parse::<i64>() {
                    Ok(amount) => {
                        sum = sum.wrapping_add(amount);
                        // Kept together with the sum, this id is where a program goes on after a restart of its own.
                        println!("{} {amount:+} = {sum}", events.last_event_id());
                    }
                    Err(error) => println!("{:?} is no amount: {error}", event.data),
                },
                Item::Resumed { replayed } => println!("nothing was missed, {replayed} come now"),
                Item::Gap { .. } | Item::Reset => {
                    println!("amounts may be missing: a real program would load the sum from its database here");
                }
                Item::Lost { error, retry_in } => println!("{error}; again in {retry_in:.1?}"),
                _ => {}
            }
        }
        Ok(())
    })
}
