//! What publishers were told, held against what was kept.

use hasses_client::wire::{Command, ErrorCode, EventId, Publish, Reply};
use oneshot::Receiver;

use crate::reference::Reference;

#[derive(Default)]
pub(crate) struct Answers {
    asked: Vec<(Vec<Command>, Receiver<Vec<Reply>>)>,
    /// Every publish, and what became of it.
    told: Vec<(Publish, Reply)>,
}

impl Answers {
    pub(crate) fn ask(&mut self, commands: &[Command], answered: Receiver<Vec<Reply>>) {
        self.asked.push((commands.to_vec(), answered));
    }

    /// Takes the answers that have come.
    pub(crate) fn collect(&mut self) {
        let Self { asked, told } = self;
        asked.retain(|(commands, answered)| {
            let Ok(replies) = answered.try_recv() else { return true };
            assert_eq!(replies.len(), commands.len(), "{commands:?} was answered {replies:?}");
            for (command, reply) in commands.iter().zip(replies) {
                match command {
                    Command::Publish(publish) => told.push((publish.clone(), reply)),
                    _ => assert!(matches!(reply, Reply::Disconnected(_)), "{command:?} was answered {reply:?}"),
                }
            }
            false
        });
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.asked.is_empty()
    }

    /// Whoever was told that an event is kept was told its id; whoever was told that it is not can be sure of it. Gives how many
    /// were duplicates, and how many were not kept.
    pub(crate) fn check(&self, reference: &Reference) -> (u64, u64) {
        let (mut duplicates, mut refused) = (0, 0);
        let mut newest = EventId::default();
        for (publish, reply) in &self.told {
            let kept = reference.events.iter().find(|known| known.publish == *publish).map(|known| known.id);
            match reply {
                Reply::Published(published) if published.duplicate => {
                    let first = reference.events.iter().find(|known| known.id == published.id);
                    let first = first.and_then(|known| known.publish.key.as_ref());
                    assert!(
                        first.is_some() && first == publish.key.as_ref(),
                        "{publish:?} is no duplicate of {reply:?}"
                    );
                    assert_eq!((kept, published.matched), (None, 0), "{publish:?} was kept all the same");
                    duplicates += 1;
                }
                Reply::Published(published) => {
                    assert_eq!(kept, Some(published.id), "{publish:?}");
                    assert!(published.id > newest, "{publish:?} stands before the one published before it");
                    newest = published.id;
                }
                Reply::Failed(failure) => {
                    assert_eq!((failure.code, kept), (ErrorCode::NotStored, None), "{publish:?}");
                    refused += 1;
                }
                other => panic!("{publish:?} was answered {other:?}"),
            }
        }
        let ids = reference.events.iter().map(|known| known.id);
        assert!(ids.is_sorted_by(|before, after| before < after), "the order is none");
        (duplicates, refused)
    }
}
