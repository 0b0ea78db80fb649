//! Publishers: each numbers its events from 1 on, and has several under way.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hasses_client::blocking::Client;
use hasses_client::{Message, Options as ClientOptions};

use crate::daemon::Daemon;
use crate::options::Options;
use crate::tally::Tally;

/// How many there are.
pub(crate) const PUBLISHERS: u64 = 3;
/// Topics, by the number of the event.
pub(crate) const TOPICS: u64 = 8;
/// Longer than the daemon is ever away, and shorter than what the log keeps.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// One of them, in a thread.
#[derive(Debug)]
pub(crate) struct Publisher(JoinHandle<()>);

impl Publisher {
    /// Starts all. The first publishes one by one, the others in bulk.
    pub(crate) fn start_all(daemon: &Daemon, options: &Options, tally: &Arc<Tally>) -> Vec<Self> {
        let start = |publisher| {
            let settings = ClientOptions::default().call_timeout(CALL_TIMEOUT).backoff_max(Duration::from_secs(1));
            let client = Client::connect_with(&daemon.control(), settings).expect("the daemon was started");
            let (tally, rate) = (tally.clone(), options.rate.div_ceil(PUBLISHERS));
            Self(thread::spawn(move || run(&client, publisher, rate, &tally)))
        };
        (0..PUBLISHERS).map(start).collect()
    }

    /// Its thread, which ends soon after publishing has.
    pub(crate) fn into_thread(self) -> JoinHandle<()> {
        self.0
    }
}

fn run(client: &Client, publisher: u64, rate: u64, tally: &Tally) {
    let begun = Instant::now();
    let mut made = 0_u64;
    let mut messages = std::iter::from_fn(|| {
        if !tally.is_publishing() {
            return None;
        }
        // In bursts, as publishers are, and at this rate on the whole.
        if made.is_multiple_of(20) {
            let due = Duration::from_secs_f64(made as f64 / rate as f64);
            thread::sleep(due.saturating_sub(begun.elapsed()));
        }
        made += 1;
        Some(message(publisher, made))
    });
    let mut acknowledged = 0;
    let mut settle = |outcome: Result<hasses_client::Published, hasses_client::Error>| {
        acknowledged += 1;
        match outcome {
            Ok(published) => tally.acknowledge(publisher, acknowledged, published.duplicate),
            Err(error) => tally.fault(format!("publisher {publisher}, event {acknowledged}: {error}")),
        }
    };
    if publisher == 0 {
        for message in messages {
            settle(client.send(message));
        }
    } else {
        let _ = client.send_all(messages.by_ref(), |outcome| {
            settle(outcome);
            ControlFlow::Continue(())
        });
    }
}

/// An event: whose it is, its number, when it was made, and some more bytes.
fn message(publisher: u64, number: u64) -> Message {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    let most = if random.is_multiple_of(64) { 30_000 } else { 400 };
    let padding = "x".repeat(usize::try_from(random / 64 % most).unwrap_or(0));
    let data = format!("{publisher} {number} {} {padding}", now.as_micros());
    Message::new(format!("room{}", number % TOPICS), data)
}
