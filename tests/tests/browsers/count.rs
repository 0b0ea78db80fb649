//! Counting: 1, 2, 3 … are published all along, and a page must see each of them, in order, once.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use hasses_client::blocking::Client;
use hasses_client::wire::EventId;
use hasses_client::{Message, Options};
use hasses_tests::{DEADLINE, Page, Report, Seen};
use serde_json::Value;

use crate::Daemon;

/// Rest between two numbers: some are always under way, and a browser easily keeps up with them. Nothing depends on its length.
const REST: Duration = Duration::from_millis(10);

/// A publisher that counts in `room`, whatever becomes of the daemon.
pub(crate) struct Numbers {
    /// Dropped when it is to end.
    stop: Option<Sender<()>>,
    made: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Numbers {
    /// Begins with 1. Every number is followed by so many bytes and by `end`.
    pub(crate) fn start(daemon: &Daemon, bytes: usize) -> Self {
        Self::after(0, daemon, bytes)
    }

    /// Begins behind this number.
    pub(crate) fn after(number: u64, daemon: &Daemon, bytes: usize) -> Self {
        let options = Options::default().call_timeout(DEADLINE).backoff_max(Duration::from_millis(100));
        let client = Client::connect_with(&daemon.control(), options).expect("the daemon listens");
        let (stop, stopped) = channel::<()>();
        let made = Arc::new(AtomicU64::new(number));
        let counter = made.clone();
        let next = move || match stopped.recv_timeout(REST) {
            Err(RecvTimeoutError::Timeout) => {
                let number = counter.fetch_add(1, Relaxed) + 1;
                Some(Message::new("room", format!("{number} {}end", "x".repeat(bytes))))
            }
            _ => None,
        };
        let thread = std::thread::spawn(move || {
            let _ = client.send_all(std::iter::from_fn(next), |outcome| {
                outcome.expect("every number is accepted");
                ControlFlow::Continue(())
            });
        });
        Self { stop: Some(stop), made, thread }
    }

    /// The newest number that was made. Whatever comes after it is published from now on.
    pub(crate) fn made(&self) -> u64 {
        self.made.load(Relaxed)
    }

    /// Ends, once every number is in the log; gives the last one.
    pub(crate) fn stop(mut self) -> u64 {
        drop(self.stop.take());
        self.thread.join().expect("every number was accepted");
        self.made.load(Relaxed)
    }
}

/// A page that sees the numbers.
pub(crate) struct Count {
    page: Page,
    newest: u64,
    /// The id of the event that must be the next, after some were lost.
    oldest: Option<String>,
    id: Option<EventId>,
    lost: usize,
    /// The verdicts that it was told of, where it listens.
    pub(crate) verdicts: Vec<Value>,
}

impl Count {
    /// A page that has seen nothing yet.
    pub(crate) fn of(page: Page) -> Self {
        Self { page, newest: 0, oldest: None, id: None, lost: 0, verdicts: Vec::new() }
    }

    /// Sees on until it has seen this number, and no other out of turn.
    pub(crate) fn up_to(&mut self, number: u64) {
        while self.newest < number {
            self.step();
        }
    }

    /// Sees on for some more numbers than were made until now.
    pub(crate) fn on(&mut self, numbers: &Numbers) {
        self.up_to(numbers.made() + 5);
    }

    /// Sees on until its connection was lost for the nth time, attempts in vain included.
    pub(crate) fn until_lost(&mut self, times: usize) {
        while self.lost < times {
            self.step();
        }
    }

    /// How often its connection was lost, attempts in vain included.
    pub(crate) fn lost(&self) -> usize {
        self.lost
    }

    fn step(&mut self) {
        match self.page.report() {
            Report::Open => {}
            Report::Lost => self.lost += 1,
            Report::Failed => panic!("the browser has given up after {}", self.newest),
            Report::Event(seen) if seen.listener == "hasses.resume" => self.verdict(&seen),
            Report::Event(seen) => self.number(&seen),
        }
    }

    fn verdict(&mut self, seen: &Seen) {
        let verdict: Value = serde_json::from_str(&seen.data).expect("JSON");
        self.oldest = verdict["oldest"].as_str().map(str::to_owned);
        self.verdicts.push(verdict);
    }

    fn number(&mut self, seen: &Seen) {
        assert_eq!((seen.listener.as_str(), seen.event.as_str()), ("onmessage", "message"), "{seen:?}");
        let number = number_of(seen);
        match self.oldest.take() {
            Some(oldest) => {
                assert!(number > self.newest && seen.id == oldest, "{number} with {} after {oldest}", seen.id);
            }
            None => assert_eq!(number, self.newest + 1, "out of turn"),
        }
        let id: EventId = seen.id.parse().expect("an id");
        let before = self.id.replace(id);
        assert!(before.is_none_or(|before| before < id), "{number}: {id} does not come after {before:?}");
        self.newest = number;
    }
}

/// The number with which an event begins.
pub(crate) fn number_of(seen: &Seen) -> u64 {
    let text = seen.data.split(' ').next().unwrap_or_default();
    text.parse().unwrap_or_else(|_| panic!("no number: {seen:?}"))
}
