//! An open event stream: bytes of its body become items.

use std::io;

use futures_lite::future::yield_now;

use super::Item;
use super::connection::{Beginning, Connection};
use super::error::Error;
use super::plan::Limits;
use super::schedule::Attempt;
use crate::sse::{Event, Parser};
use crate::web::{Ending, Part};

/// A stream whose head has been accepted.
pub(super) struct Stream {
    connection: Connection,
    limits: Limits,
    pub(super) parser: Parser,
    /// Parts that came and have not been read.
    parts: Vec<Part>,
    /// The last event id as the items so far tell it.
    told: String,
    /// Why nothing more comes behind what has been read.
    end: Option<Error>,
    brought: Attempt,
}

impl Stream {
    /// A stream on this connection, of which this has come.
    pub(super) fn new(connection: Connection, beginning: Beginning, last_event_id: &str, limits: Limits) -> Self {
        let Beginning { parts, fault: end, .. } = beginning;
        let (parser, told) = (Parser::resuming(last_event_id), last_event_id.to_owned());
        Self { connection, limits, parser, parts, told, end, brought: Attempt::Empty }
    }

    /// The next items, at least one.
    ///
    /// # Errors
    /// Why there are no more.
    pub(super) async fn next(&mut self) -> Result<Vec<Item>, Error> {
        loop {
            let items = self.read();
            if !items.is_empty() {
                self.brought = Attempt::Fruitful;
                return Ok(items);
            }
            if let Some(end) = self.end.take() {
                return Err(end);
            }
            let limit = self.limits.max_event_bytes;
            if self.parser.held_bytes() > limit {
                return Err(Error::TooLong { limit });
            }
            // Where bytes come faster than they are read nothing else here ever waits, and the thread's end would not be seen.
            yield_now().await;
            self.end = self.connection.receive(&mut self.parts, self.limits.idle_timeout).await.err();
        }
    }

    /// Whether anything came.
    pub(super) fn brought(&self) -> Attempt {
        self.brought
    }

    /// The items in what has come.
    fn read(&mut self) -> Vec<Item> {
        let mut items = Vec::new();
        for part in std::mem::take(&mut self.parts) {
            match part {
                Part::Body(bytes) => self.parser.push(&bytes),
                Part::End(Ending::Proper | Ending::Closed) => self.end = Some(Error::Ended),
                Part::End(Ending::Cut) => {
                    let error = io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was cut");
                    self.end = Some(Error::Network(error));
                }
                // There is one head only, and it has been read.
                Part::Head(_) => {}
            }
        }
        while let Some(event) = self.parser.next_event() {
            let item = Item::from(event);
            if let Item::Event(Event { last_event_id, .. }) | Item::Cursor { last_event_id } = &item {
                last_event_id.clone_into(&mut self.told);
            }
            items.push(item);
        }
        // A block with an id and no data dispatches nothing, and sets the last event id all the same (9.2.6).
        if self.parser.last_event_id() != self.told {
            self.parser.last_event_id().clone_into(&mut self.told);
            items.push(Item::Cursor { last_event_id: self.told.clone() });
        }
        items
    }
}
