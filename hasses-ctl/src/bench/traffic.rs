//! What has been published, and how many deliveries are due for it. No I/O.

use super::mix::Spread;

/// The messages of a run so far, by topic.
#[derive(Debug)]
pub(super) struct Traffic {
    spread: Spread,
    /// Messages so far.
    published: u64,
    topics: Vec<Topic>,
    due: u64,
    /// Messages to topics that nobody subscribed to.
    unheard: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Topic {
    subscribers: u32,
    /// Number of its newest message.
    newest: u32,
}

impl Traffic {
    /// Nothing was published yet to these subscribers.
    pub(super) fn new(spread: Spread, subscribers: u32) -> Self {
        let mut topics = vec![Topic::default(); spread.topics() as usize];
        for subscriber in 0..subscribers {
            topics[spread.topic(u64::from(subscriber)) as usize].subscribers += 1;
        }
        Self { spread, published: 0, topics, due: 0, unheard: 0 }
    }

    /// Counts the next message: gives its topic, and its number there.
    pub(super) fn publish(&mut self) -> (u32, u32) {
        let topic = self.spread.topic(self.published);
        self.published += 1;
        let entry = &mut self.topics[topic as usize];
        entry.newest += 1;
        self.due += u64::from(entry.subscribers);
        self.unheard += u64::from(entry.subscribers == 0);
        (topic, entry.newest)
    }

    /// The topic of a subscriber.
    pub(super) fn topic_of(&self, subscriber: u32) -> u32 {
        self.spread.topic(u64::from(subscriber))
    }

    /// Number of the newest message of a topic; 0 where there is none.
    pub(super) fn newest(&self, topic: u32) -> u32 {
        self.topics[topic as usize].newest
    }

    /// Deliveries that are due so far, all subscribers together.
    pub(super) fn due(&self) -> u64 {
        self.due
    }

    /// Whether nobody is subscribed to anything any more.
    pub(super) fn is_deserted(&self) -> bool {
        self.topics.iter().all(|topic| topic.subscribers == 0)
    }

    /// Messages so far to topics without a subscriber.
    pub(super) fn unheard(&self) -> u64 {
        self.unheard
    }

    /// Everybody is behind the message of this number of the only topic, so nothing is due up to there.
    pub(super) fn begin_behind(&mut self, number: u32) {
        self.topics[0].newest = number;
        self.due = 0;
    }

    /// Counts out a subscriber that is gone, whose next message would have been that of this number.
    pub(super) fn leave(&mut self, topic: u32, next: u32) {
        let entry = &mut self.topics[topic as usize];
        entry.subscribers -= 1;
        self.due -= u64::from((entry.newest + 1).saturating_sub(next));
    }
}

#[cfg(test)]
mod tests {
    use super::super::mix::Mix;
    use super::*;

    #[test]
    fn deliveries_are_due_where_there_are_subscribers() {
        // Three subscribers of two topics: one of them has two.
        let mut traffic = Traffic::new(Spread::new(Mix::Even(2), 3), 3);
        let first = traffic.topic_of(0);
        assert_eq!((traffic.publish(), traffic.due()), ((first, 1), 2));
        assert_eq!((traffic.publish(), traffic.due()), ((1 - first, 1), 3));
        assert_eq!((traffic.publish(), traffic.due()), ((first, 2), 5));
        // It had the first of two messages.
        traffic.leave(first, 2);
        assert_eq!((traffic.due(), traffic.newest(first)), (4, 2));
        traffic.publish();
        traffic.publish();
        assert_eq!(traffic.due(), 6);
    }

    #[test]
    fn messages_to_topics_without_a_subscriber_are_counted() {
        let mut traffic = Traffic::new(Spread::new(Mix::Even(5), 2), 2);
        for _ in 0..10 {
            traffic.publish();
        }
        assert_eq!((traffic.due(), traffic.unheard()), (4, 6));
    }

    #[test]
    fn who_begins_behind_a_message_is_owed_those_after_it() {
        let mut traffic = Traffic::new(Spread::new(Mix::One, 5), 5);
        traffic.publish();
        traffic.begin_behind(3);
        assert_eq!((traffic.publish(), traffic.due()), ((0, 4), 5));
        traffic.leave(0, 4);
        assert_eq!((traffic.due(), traffic.is_deserted()), (4, false));
        (0..4).for_each(|_| traffic.leave(0, 4));
        assert!(traffic.is_deserted());
    }
}
