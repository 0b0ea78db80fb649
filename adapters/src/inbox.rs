//! The way into the hub: commands go in as one submission, and come back as one reply each, in order.

use async_channel::{Receiver, Sender};
use hasses_client::wire::{Command, ErrorCode, Failure, Reply};

/// Submits commands to the hub. Cheap to clone.
///
/// The channel is `async-channel` because both its ends are async tasks. It holds few submissions and a session has one
/// under way, so a full channel holds publishers back, never the hub.
#[derive(Clone, Debug)]
pub struct Inbox {
    hub: Sender<Submission>,
}

/// Commands of one source that the hub takes in one go.
#[derive(Debug)]
pub struct Submission {
    /// The commands, in the order they came.
    pub commands: Vec<Command>,
    /// Where one reply for each goes, in the same order.
    pub replies: oneshot::Sender<Vec<Reply>>,
}

impl Inbox {
    /// An inbox that holds `capacity` submissions, and the hub's end of it.
    #[must_use]
    pub fn new(capacity: usize) -> (Self, Receiver<Submission>) {
        let (hub, submissions) = async_channel::bounded(capacity);
        (Self { hub }, submissions)
    }

    /// Submits one command.
    pub async fn submit(&self, command: Command) -> Reply {
        self.submit_all(vec![command]).await.pop().unwrap_or_else(ending)
    }

    /// Submits commands that are carried out one after the other, with nothing of other sources between them, and gives one
    /// reply for each. Waits while the hub is busy.
    pub async fn submit_all(&self, commands: Vec<Command>) -> Vec<Reply> {
        let asked = commands.len();
        if asked == 0 {
            return Vec::new();
        }
        let (replies, answered) = oneshot::async_channel();
        if self.hub.send(Submission { commands, replies }).await.is_err() {
            return (0..asked).map(|_| ending()).collect();
        }
        answered.await.unwrap_or_else(|_| (0..asked).map(|_| ending()).collect())
    }
}

/// The hub is gone: the daemon is ending.
fn ending() -> Reply {
    Reply::Failed(Failure::new(ErrorCode::Internal, "the daemon is ending"))
}
