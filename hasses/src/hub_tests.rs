use std::collections::VecDeque;

use async_channel::bounded;
use futures_lite::future::{block_on, poll_once};
use futures_lite::stream::pending;
use hasses_adapters::Inbox;
use hasses_client::wire::{LogLevel, TopicPattern};

use super::*;
use crate::clock::System;
use crate::config::Config;
use crate::log::{History, Retention, Store, StoreError, Storing, Window};
use crate::logging::LevelSwitch;
use crate::mailbox::Messages;
use crate::settings::Settings;

/// A store that others write to: each item is what they append before the hub's next publish, or what comes by itself.
#[derive(Debug)]
struct Foreign {
    newest: EventId,
    between: VecDeque<usize>,
    alone: Receiver<usize>,
}

impl Foreign {
    fn ordered(&mut self, publish: Publish, own: bool) -> Ordered {
        self.newest = self.newest.next(0);
        Ordered { id: self.newest, publish, own }
    }
}

impl Store for Foreign {
    fn append(&mut self, publishes: Vec<Publish>) -> Storing<'_, Result<Vec<Ordered>, StoreError>> {
        let mut ordered = Vec::new();
        for publish in publishes {
            for _ in 0..self.between.pop_front().unwrap_or(0) {
                ordered.push(self.ordered(to("others"), false));
            }
            ordered.push(self.ordered(publish, true));
        }
        Box::pin(std::future::ready(Ok(ordered)))
    }

    fn others(&mut self) -> Storing<'_, Vec<Ordered>> {
        Box::pin(async {
            match self.alone.recv().await {
                Ok(count) => (0..count).map(|_| self.ordered(to("others"), false)).collect(),
                Err(_) => std::future::pending().await,
            }
        })
    }

    fn forget(&mut self, _: EventId) {}
}

fn to(topic: &str) -> Publish {
    Publish::new(TopicPattern::new(topic).unwrap(), "text")
}

fn shared(log: &Appender) -> Arc<Shared> {
    let config = Config { shards: 2, ..Config::default() };
    let settings = Settings::new(&config, 1000).unwrap();
    let level = LevelSwitch::new(LogLevel::Quiet);
    Arc::new(Shared::new(config, settings, level, log.log().clone(), Arc::new(System::start())))
}

/// What a shard was handed, as what kind and with which id; it carries everything out.
fn handed(shard: &Messages, shared: &Shared) -> Vec<String> {
    let mut steps = Vec::new();
    while let Ok(Message::Batch(batch)) = shard.try_recv() {
        steps.extend(batch.steps.iter().map(|step| match step {
            Step::Event(event) => format!("event {}", event.id.sequence),
            Step::Other(event) => format!("other {}", event.id.sequence),
            Step::Query(_) | Step::Done(_) => "answer".to_owned(),
        }));
        batch.shard_is_done(|found| shared.status(found), &shared.counters.unmatched);
    }
    steps
}

#[test]
fn what_others_append_goes_to_every_shard_in_order_and_answers_nobody() {
    let (more, alone) = bounded(10);
    let birth = EventId::default();
    let store = Foreign { newest: birth, between: VecDeque::from([0, 2, 1]), alone };
    let history = History { birth, newest: birth, forgotten: birth };
    let retention = Retention { bytes: usize::MAX, age: None, events: usize::MAX };
    let log = Appender::new(Box::new(store), Window::new(history, retention, Vec::new()));
    let shared = shared(&log);
    let ((first, one), (second, two)) = (Mailbox::new(100).unwrap(), Mailbox::new(100).unwrap());
    let (inbox, submissions) = Inbox::new(10);
    let mut hub = Box::pin(Hub::new(shared.clone(), vec![first, second], log).run(submissions, pending::<()>()));
    let position = || Command::Position;
    let publish = || Command::Publish(to("own"));
    block_on(async {
        let mut run = async || assert!(poll_once(&mut hub).await.is_none());
        // Two publishers in one group: what others appended stands before the publish behind it.
        let mut asked = Box::pin(inbox.submit_all(vec![publish(), position(), publish(), position()]));
        let mut asked_too = Box::pin(inbox.submit_all(vec![position(), publish()]));
        assert!(poll_once(&mut asked).await.is_none() && poll_once(&mut asked_too).await.is_none());
        run().await;
        let expected = ["event 1", "answer", "other 2", "other 3", "event 4", "answer", "answer", "other 5", "event 6"];
        assert_eq!(handed(&one, &shared), expected);
        assert!(poll_once(&mut asked).await.is_none(), "answered though one shard has not carried it out");
        assert_eq!(handed(&two, &shared), expected);
        let ids = |replies: Vec<Reply>| {
            let id = |reply: &Reply| match reply {
                Reply::Published(published) => published.id.sequence,
                Reply::Position(position) => position.id.sequence,
                other => panic!("{other:?}"),
            };
            replies.iter().map(id).collect::<Vec<_>>()
        };
        assert_eq!(ids(asked.await), [1, 1, 4, 4]);
        assert_eq!(ids(asked_too.await), [4, 6]);
        // By themselves, also while somebody publishes.
        more.send(3).await.unwrap();
        run().await;
        more.send(1).await.unwrap();
        let mut asked = Box::pin(inbox.submit_all(vec![publish(), position()]));
        assert!(poll_once(&mut asked).await.is_none());
        run().await;
        let steps = handed(&one, &shared);
        assert_eq!(steps[..3], ["other 7", "other 8", "other 9"]);
        assert!(steps[3..] == ["event 10", "answer", "other 11"], "{steps:?}");
        assert_eq!(handed(&two, &shared), steps);
        assert_eq!(ids(asked.await), [10, 10]);
    });
    assert_eq!(shared.counters.messages.load(Relaxed), 11);
    // Those of others matched nobody as well, but they are not this daemon's to count.
    assert_eq!(shared.counters.unmatched.load(Relaxed), 4);
    assert_eq!(shared.log.window().holdings().events, 11);
}
