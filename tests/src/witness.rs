//! Somebody who goes on receiving while others misbehave.

use std::path::Path;

use crate::{Publisher, Subscriber, TestDaemon};

/// A subscriber and its publisher: what is published is seen, in order, once, and nothing else.
#[derive(Debug)]
pub struct Witness {
    subscriber: Subscriber,
    publisher: Publisher,
    seen: u64,
}

impl Witness {
    /// A witness at a daemon in this process.
    #[must_use]
    pub fn of(daemon: &TestDaemon) -> Self {
        Self::at(&daemon.address(), &daemon.folder().join("control.sock"))
    }

    /// A witness at a daemon by its addresses.
    #[must_use]
    pub fn at(address: &str, control: &Path) -> Self {
        let subscriber = Subscriber::connect(address, "subscribe=witness&id=witness");
        Self { subscriber, publisher: Publisher::unix(control), seen: 0 }
    }

    /// Publishes one more event, which must be the next that comes.
    ///
    /// # Panics
    /// It matched somebody else too, or something else came.
    pub fn sees_on(&mut self) {
        self.seen += 1;
        let number = self.seen.to_string();
        assert_eq!(self.publisher.publish("witness", &number), 1, "only the witness subscribes to its topic");
        assert_eq!(self.subscriber.data(), number);
    }

    /// What somebody else published to `witness` is the next that comes.
    ///
    /// # Panics
    /// Something else came.
    pub fn sees(&mut self, data: &str) {
        assert_eq!(self.subscriber.data(), data);
    }

    /// The publisher, for more questions.
    pub fn publisher(&mut self) -> &mut Publisher {
        &mut self.publisher
    }
}
