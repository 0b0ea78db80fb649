//! What a shard adds to the answers about its connections and topics.

use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;

use hasses_client::wire::{Command, Disconnect, TopicInfo, TopicPattern};

use crate::batch::Query;
use crate::connection::{Connection, Phase};
use crate::index::Slot;
use crate::shard::{Shard, narrow};

impl Shard {
    /// Adds what this shard knows to the answer of a query, which sees everything before it as delivered.
    pub(super) fn answer(&mut self, query: &Query) {
        while self.flush_slice() {}
        self.count_deliveries();
        let mut found = query.found.lock().unwrap_or_else(PoisonError::into_inner);
        match &query.command {
            Command::Clients(asked) => {
                let matching = asked.topic.as_ref().map(|topic| self.reached(topic));
                for (slot, connection) in &self.connections {
                    let wanted = matching.as_ref().is_none_or(|slots| slots.binary_search(&slot).is_ok());
                    if wanted && asked.after.is_none_or(|after| connection.number > after) {
                        let topics = self.index.names_of(narrow(slot)).collect();
                        found.clients.push(connection.info(topics, self.now));
                    }
                }
            }
            Command::Topics(asked) => {
                let prefix = asked.prefix.as_deref().unwrap_or_default();
                let topics = self.index.topics().filter(|(name, _)| name.starts_with(prefix));
                let behind = topics.filter(|(name, _)| asked.after.as_ref().is_none_or(|after| name > after));
                found.topics.extend(behind.map(topic_info));
            }
            Command::Status => {
                // The topics of one shard are distinct as they are; those of several have to be told apart by name.
                if self.shared.config.shards == 1 {
                    found.distinct = self.index.len() as u64;
                } else {
                    found.topics.extend(self.index.topics().map(topic_info));
                }
                found.number += self.pool.waiting() as u64;
            }
            Command::Count(Some(topic)) => found.number += self.reached(topic).len() as u64,
            Command::CountExactly(topic) => found.number += self.index.count_exactly(topic) as u64,
            Command::Count(None) => found.number += self.subscribed().count() as u64,
            Command::Disconnect(whom) => {
                let slots: Vec<Slot> =
                    self.subscribed().filter(|(_, c)| is_meant(c, whom)).map(|(slot, _)| slot).collect();
                found.number += slots.len() as u64;
                self.shared.counters.kicked.fetch_add(slots.len() as u64, Relaxed);
                slots.into_iter().for_each(|slot| self.end_stream(slot));
            }
            _ => {}
        }
    }

    fn subscribed(&self) -> impl Iterator<Item = (Slot, &Connection)> {
        let subscribed = self.connections.iter().filter(|(_, connection)| connection.phase == Phase::Subscribed);
        subscribed.map(|(slot, connection)| (narrow(slot), connection))
    }

    /// Slots that a publish would reach, in order, each once.
    fn reached(&self, pattern: &TopicPattern) -> Vec<usize> {
        let mut slots = Vec::new();
        self.index.matching(pattern, |slot| slots.push(slot as usize));
        slots.sort_unstable();
        slots.dedup();
        slots
    }
}

fn is_meant(connection: &Connection, whom: &Disconnect) -> bool {
    match whom {
        Disconnect::Client(number) => connection.number == *number,
        Disconnect::Id(id) => connection.id.as_ref() == Some(id),
    }
}

fn topic_info((topic, subscribers): (String, usize)) -> TopicInfo {
    TopicInfo { topic, subscribers: subscribers as u64 }
}
