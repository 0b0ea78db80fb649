//! Many publishes at full speed from one thread: the next ones go out while the answers to earlier ones are still coming.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use crate::client::Client;
use crate::connection::{self, Caller, Outcome, Turned, WhenFull};
use crate::error::Error;
use crate::message::Message;
use crate::wire::{Command, Published};

/// Publishes that may be under way: enough to keep the connection busy over one round trip.
const WINDOW: usize = 1024;

/// The publishes of one bulk that are under way.
pub(crate) struct Bulk<'a, F> {
    client: &'a Client,
    on_outcome: F,
    answers: flume::Sender<(u64, Outcome)>,
    answered: flume::Receiver<(u64, Outcome)>,
    /// The number of the oldest message whose outcome was not handed on.
    oldest: u64,
    /// From that one on every message, with its outcome once it has come. They come in the order of the messages nearly always;
    /// a message that is refused before others are sent again overtakes those.
    under_way: VecDeque<Option<Outcome>>,
}

impl<'a, F: FnMut(Result<Published, Error>) -> ControlFlow<()>> Bulk<'a, F> {
    pub(crate) fn new(client: &'a Client, on_outcome: F) -> Self {
        let (answers, answered) = flume::bounded(WINDOW);
        Self { client, on_outcome, answers, answered, oldest: 0, under_way: VecDeque::new() }
    }

    /// Sends a message once there is room for it, and hands on the outcomes of others meanwhile.
    pub(crate) fn send(&mut self, message: Message) -> ControlFlow<()> {
        if self.under_way.len() == WINDOW {
            // Half of them, so that this thread and the client's do not wake each other for every single one.
            self.settle(WINDOW / 2)?;
        }
        let publish = match message.into_publish() {
            Ok(publish) => publish,
            Err(error) => return self.refuse(error),
        };
        let number = self.oldest + self.under_way.len() as u64;
        let mut call = self.client.prepare(&Command::Publish(publish), Caller::new(self.answers.clone(), number));
        loop {
            // With nothing under way there is nothing of one's own that could make room.
            let when_full = if self.under_way.is_empty() { WhenFull::Wait } else { WhenFull::Leave };
            match self.client.queue().push(call, when_full) {
                Ok(()) => self.under_way.push_back(None),
                Err(Turned::Away) => return self.refuse(Error::Closed),
                Err(Turned::Back(back, _)) => {
                    self.settle(self.under_way.len() / 2)?;
                    call = *back;
                    call.deadline = self.client.deadline();
                    continue;
                }
            }
            return ControlFlow::Continue(());
        }
    }

    /// Waits for the outcomes of all that are under way.
    pub(crate) fn finish(mut self) -> ControlFlow<()> {
        self.settle(0)
    }

    /// The message is not sent; its outcome keeps its place.
    fn refuse(&mut self, error: Error) -> ControlFlow<()> {
        self.under_way.push_back(Some(Err(error)));
        ControlFlow::Continue(())
    }

    /// Hands on what has come, and waits where more than `most` would stay under way.
    fn settle(&mut self, most: usize) -> ControlFlow<()> {
        loop {
            while let Some(outcome) = self.under_way.front_mut().and_then(Option::take) {
                self.under_way.pop_front();
                self.oldest += 1;
                (self.on_outcome)(connection::read(outcome))?;
            }
            // Every call has an outcome, so this waits for none that does not come.
            let wait = self.under_way.len() > most;
            let next = if wait { self.answered.recv().ok() } else { self.answered.try_recv().ok() };
            let Some((number, outcome)) = next else { return ControlFlow::Continue(()) };
            let place = usize::try_from(number - self.oldest).ok().and_then(|nth| self.under_way.get_mut(nth));
            if let Some(place) = place {
                *place = Some(outcome);
            }
        }
    }
}
