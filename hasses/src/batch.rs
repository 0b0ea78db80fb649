//! What the hub hands to every shard in the order of the log: the commands of one submission. Each shard adds what it knows,
//! and the last one answers.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use hasses_client::wire::{
    ClientInfo, ClientList, Command, Count, DEFAULT_PAGE_ROWS, Disconnected, EventId, Publish, Published, Reply,
    SubscriberId, TopicInfo, TopicList, Topics,
};
use oneshot::Sender;

use crate::gate::Pass;
use crate::sse::Rendered;

/// The commands of one submission, on their way through the shards.
#[derive(Debug)]
pub struct Batch {
    /// In order; each becomes one reply, but for what others published.
    pub steps: Vec<Step>,
    shards_left: AtomicUsize,
    /// Taken by the last shard.
    replies: Mutex<Option<Sender<Vec<Reply>>>>,
    /// Given back when the last shard lets go of the batch.
    _pass: Pass,
}

/// One command of a batch.
#[derive(Debug)]
pub enum Step {
    /// An event to be fanned out.
    Event(Event),
    /// The same, published by somebody else: nobody here is to be answered.
    Other(Event),
    /// A question to every shard, or a command to all.
    Query(Box<Query>),
    /// The hub has answered it.
    Done(Mutex<Option<Reply>>),
}

/// An event with its place in the order.
#[derive(Debug)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// Where to.
    pub topics: Topics,
    /// Not to subscribers with this id.
    pub except: Option<SubscriberId>,
    /// Its bytes.
    pub rendered: Rendered,
    /// Subscribers that matched, summed over the shards.
    pub matched: AtomicU64,
}

/// A command that every shard takes part in.
#[derive(Debug)]
pub struct Query {
    /// What is asked.
    pub command: Command,
    /// What the shards said so far.
    pub found: Mutex<Found>,
}

/// What shards add to the answer of a query.
#[derive(Debug, Default)]
pub struct Found {
    /// Connections, for `clients`.
    pub clients: Vec<ClientInfo>,
    /// Topics, for `topics` and, where there are several shards, `status`.
    pub topics: Vec<TopicInfo>,
    /// The number of topics, for `status` where there is one shard.
    pub distinct: u64,
    /// A number, for `count` and `disconnect`; bytes that wait, for `status`.
    pub number: u64,
}

impl Batch {
    /// A batch for so many shards.
    #[must_use]
    pub fn new(steps: Vec<Step>, shards: usize, replies: Sender<Vec<Reply>>, pass: Pass) -> Self {
        Self { steps, shards_left: AtomicUsize::new(shards), replies: Mutex::new(Some(replies)), _pass: pass }
    }

    /// One shard has carried out every step. The last one composes the replies; `status` turns what was found into the status
    /// report.
    pub fn shard_is_done(&self, status: impl Fn(&Found) -> Reply, unmatched: &AtomicU64) {
        if self.shards_left.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let replies = self.steps.iter().filter_map(|step| step.reply(&status, unmatched)).collect();
        if let Some(sender) = self.replies.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // The session may be gone; then nobody wants to know.
            let _ = sender.send(replies);
        }
    }
}

impl Step {
    /// A step that the hub has answered.
    #[must_use]
    pub fn done(reply: Reply) -> Self {
        Self::Done(Mutex::new(Some(reply)))
    }

    /// The event, where it is one.
    #[must_use]
    pub fn event(&self) -> Option<&Event> {
        match self {
            Self::Event(event) | Self::Other(event) => Some(event),
            Self::Query(_) | Self::Done(_) => None,
        }
    }

    fn reply(&self, status: impl Fn(&Found) -> Reply, unmatched: &AtomicU64) -> Option<Reply> {
        Some(match self {
            Self::Other(_) => return None,
            Self::Event(event) => {
                let matched = event.matched.load(Ordering::Acquire);
                if matched == 0 {
                    unmatched.fetch_add(1, Ordering::Relaxed);
                }
                Reply::Published(Published { id: event.id, matched, duplicate: false })
            }
            Self::Query(query) => {
                let mut found = query.found.lock().unwrap_or_else(PoisonError::into_inner);
                query.reply(&mut found, status)
            }
            Self::Done(reply) => {
                let mut reply = reply.lock().unwrap_or_else(PoisonError::into_inner);
                // Only the last shard comes here, once.
                reply.take().unwrap_or(Reply::Count(Count { count: 0 }))
            }
        })
    }
}

impl Event {
    /// An event that has been given its place.
    #[must_use]
    pub fn new(id: EventId, publish: Publish, rendered: Rendered) -> Self {
        let Publish { topics, except, .. } = publish;
        Self { id, topics, except, rendered, matched: AtomicU64::new(0) }
    }
}

impl Query {
    fn reply(&self, found: &mut Found, status: impl Fn(&Found) -> Reply) -> Reply {
        match &self.command {
            Command::Clients(query) => {
                let mut clients = std::mem::take(&mut found.clients);
                clients.sort_unstable_by_key(|client| client.client);
                let more = cut(&mut clients, query.limit);
                Reply::Clients(ClientList { clients, more })
            }
            Command::Topics(query) => {
                found.topics.sort_unstable_by(|a, b| a.topic.cmp(&b.topic));
                // Every shard knows a topic by its own subscribers.
                let mut topics: Vec<TopicInfo> = Vec::new();
                for topic in std::mem::take(&mut found.topics) {
                    match topics.last_mut() {
                        Some(last) if last.topic == topic.topic => last.subscribers += topic.subscribers,
                        _ => topics.push(topic),
                    }
                }
                let more = cut(&mut topics, query.limit);
                Reply::Topics(TopicList { topics, more })
            }
            Command::Disconnect(_) => Reply::Disconnected(Disconnected { disconnected: found.number }),
            Command::Status => status(found),
            _ => Reply::Count(Count { count: found.number }),
        }
    }
}

/// Cuts a page to its limit; whether there was more.
fn cut<T>(rows: &mut Vec<T>, limit: Option<usize>) -> bool {
    let limit = limit.unwrap_or(DEFAULT_PAGE_ROWS);
    let more = rows.len() > limit;
    rows.truncate(limit);
    more
}
