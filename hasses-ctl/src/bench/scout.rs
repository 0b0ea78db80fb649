//! Reads one subscriber's stream as a browser does, up to the id of one message. No I/O.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use hasses_client::sse::Parser;

use super::crowd::Bookmark;
use super::message::{MARKER, Shape};

/// What is looked for, and what was found.
#[derive(Debug)]
pub(super) struct Quest {
    /// The number of the first message that is measured, once it is known.
    first: AtomicU32,
    /// With an empty id where the server gave none.
    found: OnceLock<Bookmark>,
}

impl Quest {
    /// Nothing is looked for yet.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { first: AtomicU32::new(u32::MAX), found: OnceLock::new() })
    }

    /// The message of this number is the first that is measured.
    pub(super) fn begin(&self, number: u32) {
        self.first.store(number, Relaxed);
    }

    /// The number of that message, greater than any before it is known.
    pub(super) fn first(&self) -> u32 {
        self.first.load(Relaxed)
    }

    /// What was found.
    pub(super) fn found(&self) -> Option<&Bookmark> {
        self.found.get()
    }
}

/// Looks for the id of a message.
#[derive(Debug)]
pub(super) struct Scout {
    parser: Parser,
    quest: Arc<Quest>,
}

/// Whether there is more to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Search {
    GoesOn,
    Over,
}

impl Scout {
    /// Looks for the id of the first message that is measured; where that was lost, the next one does.
    pub(super) fn new(quest: Arc<Quest>) -> Self {
        Self { parser: Parser::new(), quest }
    }

    /// Takes a run of the body.
    pub(super) fn take(&mut self, run: &[u8]) -> Search {
        self.parser.push(run);
        while let Some(event) = self.parser.next_event() {
            let data = event.data.as_bytes();
            let message = memchr::memmem::find(data, MARKER).and_then(|at| Shape::read(&data[at..]));
            if let Some(number) = message.map(|message| message.number).filter(|number| *number >= self.quest.first()) {
                // Only this one writes there.
                let _ = self.quest.found.set(Bookmark { id: event.last_event_id, number });
                return Search::Over;
            }
        }
        Search::GoesOn
    }
}

#[cfg(test)]
mod tests {
    use super::super::names::Names;
    use super::*;

    #[test]
    fn the_id_of_the_message_is_found_wherever_it_stands() {
        let event = |number, before: &str, behind: &str| {
            let mut message = Vec::new();
            Shape::new(20, Names::default()).write(0, number, &mut message);
            format!("{before}data: {{\"m\":\"{}\"}}\n{behind}\n", String::from_utf8(message).unwrap())
        };
        for (third, before, behind, expected) in [
            ("id: 7-0\n", "id: 7-1\n", "", ("7-1", 4)),
            ("id: 7-0\n", "", "id: x\n", ("x", 4)),
            ("", "event: e\n", "", ("", 4)),
        ] {
            let early = [":\n\n", &event(3, third, "")].concat();
            let stream = [event(4, before, behind), event(5, "id: 9\n", "")].concat();
            for piece in [1, 7, 1_000] {
                let quest = Quest::new();
                let mut scout = Scout::new(quest.clone());
                // Before it is known which one is the first, none is.
                assert!(early.as_bytes().chunks(piece).all(|run| scout.take(run) == Search::GoesOn));
                quest.begin(4);
                assert!(stream.as_bytes().chunks(piece).any(|run| scout.take(run) == Search::Over));
                let found = quest.found().map(|found| (found.id.as_str(), found.number));
                assert_eq!(found, Some(expected), "{piece}");
            }
        }
    }
}
