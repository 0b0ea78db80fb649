//! The one point that every accepted command passes: publishes are appended to the event log, which gives them their place in
//! the order, and everything is handed to all shards in that order.
//!
//! The hub never waits for a subscriber. It waits for the log, and for room in the channels to the shards, which are bounded,
//! and so holds publishers back. What waits meanwhile is appended together: one commit for many.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::Duration;

use async_channel::Receiver;
use futures_lite::{FutureExt as _, Stream, StreamExt as _};
use hasses_adapters::Submission;
use hasses_client::wire::{Command, EventId, Level, PROTOCOL, Pong, Position, Publish, Published, Reinit, Reply};
use tracing::info;

use crate::batch::{Batch, Event, Found, Query, Step};
use crate::gate::Gate;
use crate::log::{Appender, Ordered, Outcome};
use crate::mailbox::Mailbox;
use crate::shard::Message;
use crate::shared::Shared;

/// Submissions that are appended together at most. Each holds what was read from one connection in one go.
const GROUP: usize = 256;
/// Bytes of text after which no more submissions are added to a group.
const GROUP_BYTES: usize = 1024 * 1024;
/// Time between two looks at whether events have grown too old.
pub const EVICTION: Duration = Duration::from_secs(1);

/// Gives events their order.
#[derive(Debug)]
pub struct Hub {
    shared: Arc<Shared>,
    shards: Vec<Mailbox>,
    gate: Arc<Gate>,
    log: Appender,
    /// The newest event, as the submissions see it that are carried out.
    newest: EventId,
}

/// What wakes the hub.
enum Wake {
    Submission(Submission),
    Others(Vec<Ordered>),
    Eviction,
    End,
}

/// A command on its way through the log.
enum Taken {
    /// The next publish of the group.
    Publish,
    /// Anything else.
    Command(Command),
}

impl Hub {
    /// A hub before these shards.
    #[must_use]
    pub fn new(shared: Arc<Shared>, shards: Vec<Mailbox>, log: Appender) -> Self {
        let newest = shared.log.window().newest();
        Self { gate: Gate::new(shared.config.limits.in_flight), shared, shards, log, newest }
    }

    /// Serves submissions until every inbox is gone, or their channel is closed. Everything that it took is carried out then.
    /// At each tick it lets go of what is too old.
    pub async fn run(mut self, submissions: Receiver<Submission>, mut ticks: impl Stream + Unpin) {
        loop {
            match self.wake(&submissions, &mut ticks).await {
                Wake::Submission(first) => self.serve(first, &submissions).await,
                Wake::Others(ordered) => self.serve_others(ordered).await,
                Wake::Eviction => self.log.evict(self.shared.millis()),
                Wake::End => return self.log.close().await,
            }
        }
    }

    async fn wake(&mut self, submissions: &Receiver<Submission>, ticks: &mut (impl Stream + Unpin)) -> Wake {
        let submission = async { submissions.recv().await.map_or(Wake::End, Wake::Submission) };
        let others = async { Wake::Others(self.log.others().await) };
        let eviction = async {
            ticks.next().await;
            Wake::Eviction
        };
        submission.or(others).or(eviction).await
    }

    /// Takes a submission, and those that wait behind it, through the log and to the shards.
    async fn serve(&mut self, first: Submission, submissions: &Receiver<Submission>) {
        let mut group = Vec::new();
        let mut publishes: Vec<Publish> = Vec::new();
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(Submission { commands, replies }) = next {
            let mut taken = Vec::with_capacity(commands.len());
            for command in commands {
                taken.push(match command {
                    Command::Publish(publish) => {
                        bytes += publish.data.len();
                        publishes.push(publish);
                        Taken::Publish
                    }
                    command => Taken::Command(command),
                });
            }
            group.push((taken, replies));
            let full = group.len() >= GROUP || bytes >= GROUP_BYTES;
            next = if full { None } else { submissions.try_recv().ok() };
        }
        let mut outcomes = if publishes.is_empty() {
            Vec::new().into_iter()
        } else {
            self.log.append(publishes, self.shared.millis()).await.into_iter()
        };
        for (taken, replies) in group {
            let mut steps = Vec::with_capacity(taken.len());
            for taken in taken {
                match taken {
                    Taken::Command(command) => steps.push(self.step(command)),
                    Taken::Publish => {
                        for outcome in outcomes.by_ref() {
                            let other = matches!(outcome, Outcome::Other(_));
                            steps.push(self.outcome(outcome));
                            if !other {
                                break;
                            }
                        }
                    }
                }
            }
            self.hand_on(steps, replies).await;
        }
        let rest: Vec<Step> = outcomes.map(|outcome| self.outcome(outcome)).collect();
        self.hand_on_others(rest).await;
    }

    /// Takes what others appended to the shards.
    async fn serve_others(&mut self, ordered: Vec<Ordered>) {
        let kept = self.log.keep(ordered, self.shared.millis());
        let steps = kept.into_iter().map(|outcome| self.outcome(outcome)).collect();
        self.hand_on_others(steps).await;
    }

    async fn hand_on_others(&self, steps: Vec<Step>) {
        if !steps.is_empty() {
            let (nobody, _) = oneshot::channel();
            self.hand_on(steps, nobody).await;
        }
    }

    async fn hand_on(&self, steps: Vec<Step>, replies: oneshot::Sender<Vec<Reply>>) {
        let bytes = steps.iter().filter_map(Step::event).map(|event| event.rendered.len()).sum();
        let pass = self.gate.pass(bytes).await;
        let batch = Arc::new(Batch::new(steps, self.shards.len(), replies, pass));
        for shard in &self.shards {
            // A shard that is gone is one that is ending with the daemon; its batch is not answered.
            let _ = shard.send(Message::Batch(batch.clone())).await;
        }
    }

    fn outcome(&mut self, outcome: Outcome) -> Step {
        let mut came = |event: &Event| {
            self.newest = event.id;
            self.shared.counters.messages.fetch_add(1, Relaxed);
        };
        match outcome {
            Outcome::Event(event) => {
                came(&event);
                Step::Event(event)
            }
            Outcome::Other(event) => {
                came(&event);
                Step::Other(event)
            }
            Outcome::Duplicate(id) => {
                self.shared.counters.duplicates.fetch_add(1, Relaxed);
                Step::done(Reply::Published(Published { id, matched: 0, duplicate: true }))
            }
            Outcome::Refused(failure) => {
                self.shared.counters.not_stored.fetch_add(1, Relaxed);
                Step::done(Reply::Failed(failure))
            }
        }
    }

    fn step(&mut self, command: Command) -> Step {
        match command {
            Command::LogLevel(level) => {
                if let Some(level) = level {
                    self.shared.log_level.set(level);
                    info!("log level is {level}");
                }
                Step::done(Reply::LogLevel(Level { level: self.shared.log_level.level() }))
            }
            Command::Reinit(enabled) => {
                if let Some(enabled) = enabled {
                    self.shared.reinit.store(enabled, Relaxed);
                    info!("re-init is {}", if enabled { "enabled" } else { "disabled" });
                }
                Step::done(Reply::Reinit(Reinit { enabled: self.shared.reinit.load(Acquire) }))
            }
            Command::Position => Step::done(Reply::Position(Position { id: self.newest })),
            Command::Ping => {
                let version = env!("CARGO_PKG_VERSION").to_owned();
                Step::done(Reply::Pong(Pong { version, protocol: PROTOCOL }))
            }
            command => Step::Query(Box::new(Query { command, found: Mutex::new(Found::default()) })),
        }
    }
}

#[cfg(test)]
#[path = "hub_tests.rs"]
mod tests;
