//! Reads one subscriber's stream as a browser does, up to the id of one message. No I/O.

use std::sync::{Arc, OnceLock};

use hasses_client::sse::Parser;

use super::crowd::Bookmark;
use super::message::{MARKER, Shape};

/// Where is put down what was found: an empty id where the server gave none.
pub(super) type Find = Arc<OnceLock<Bookmark>>;

/// Looks for the id of a message.
#[derive(Debug)]
pub(super) struct Scout {
    /// The number of that message; where it was lost, the next one does.
    wanted: u32,
    parser: Parser,
    find: Find,
}

/// Whether there is more to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Search {
    GoesOn,
    Over,
}

impl Scout {
    /// Looks for the id of the message of this number.
    pub(super) fn new(wanted: u32, find: Find) -> Self {
        Self { wanted, parser: Parser::new(), find }
    }

    /// Takes a run of the body.
    pub(super) fn take(&mut self, run: &[u8]) -> Search {
        self.parser.push(run);
        while let Some(event) = self.parser.next_event() {
            let data = event.data.as_bytes();
            let message = memchr::memmem::find(data, MARKER).and_then(|at| Shape::read(&data[at..]));
            if let Some(number) = message.map(|message| message.number).filter(|number| *number >= self.wanted) {
                // Only this one writes there.
                let _ = self.find.set(Bookmark { id: event.last_event_id, number });
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
            let stream = [":\n\n", &event(3, third, ""), &event(4, before, behind), &event(5, "id: 9\n", "")].concat();
            for piece in [1, 7, 1_000] {
                let find = Find::default();
                let mut scout = Scout::new(4, find.clone());
                assert!(stream.as_bytes().chunks(piece).any(|run| scout.take(run) == Search::Over));
                let found = find.get().map(|found| (found.id.as_str(), found.number));
                assert_eq!(found, Some(expected), "{piece}");
            }
        }
    }
}
