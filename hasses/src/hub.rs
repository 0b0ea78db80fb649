//! The one point that every accepted command passes: it gives events their ids, and hands everything to all shards in the
//! same order.
//!
//! The hub never waits for a subscriber. It waits for room in the channels to the shards, which are bounded, and so holds
//! publishers back.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use async_channel::{Receiver, Sender};
use hasses_adapters::Submission;
use hasses_client::wire::{
    Command, ErrorCode, EventId, Failure, Level, PROTOCOL, Pong, Position, Publish, Reinit, Reply,
};
use tracing::info;

use crate::batch::{Batch, Event, Found, Query, Step};
use crate::gate::Gate;
use crate::shard::Message;
use crate::shared::Shared;
use crate::sse::Rendered;

/// Gives events their order.
#[derive(Debug)]
pub struct Hub {
    shared: Arc<Shared>,
    shards: Vec<Sender<Message>>,
    gate: Arc<Gate>,
    newest: EventId,
    scratch: Vec<u8>,
}

impl Hub {
    /// A hub before these shards.
    #[must_use]
    pub fn new(shared: Arc<Shared>, shards: Vec<Sender<Message>>, in_flight: usize) -> Self {
        Self { shared, shards, gate: Gate::new(in_flight), newest: EventId::default(), scratch: Vec::new() }
    }

    /// Serves submissions until every inbox is gone.
    pub async fn run(mut self, submissions: Receiver<Submission>) {
        while let Ok(Submission { commands, replies }) = submissions.recv().await {
            let mut bytes = 0;
            let mut steps = Vec::with_capacity(commands.len());
            for command in commands {
                let step = self.step(command);
                if let Step::Event(event) = &step {
                    bytes += event.rendered.len();
                }
                steps.push(step);
            }
            let pass = self.gate.pass(bytes).await;
            let batch = Arc::new(Batch::new(steps, self.shards.len(), replies, pass));
            for shard in &self.shards {
                // A shard that is gone is one that is ending with the daemon; its batch is not answered.
                let _ = shard.send(Message::Batch(batch.clone())).await;
            }
        }
    }

    fn step(&mut self, command: Command) -> Step {
        match command {
            Command::Publish(publish) => self.publish(publish),
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

    fn publish(&mut self, publish: Publish) -> Step {
        if publish.key.is_some() {
            let error = "key needs an event log, which this version does not have";
            return Step::done(Reply::Failed(Failure::new(ErrorCode::Unsupported, error)));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Milliseconds since 1970 fit into 64 bits for half a billion years.
        self.newest = self.newest.next(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
        *self.shared.newest.lock().unwrap_or_else(PoisonError::into_inner) = self.newest;
        self.shared.counters.messages.fetch_add(1, Relaxed);
        let rendered = Rendered::event(self.newest, &publish, &mut self.scratch);
        if self.scratch.capacity() > 1 << 16 {
            self.scratch = Vec::new();
        }
        Step::Event(Box::new(Event { id: self.newest, publish, rendered, matched: AtomicU64::new(0) }))
    }
}
