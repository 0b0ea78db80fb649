//! What a subscription tells its program.

use std::time::Duration;

use serde::Deserialize;

use super::error::Error;
use crate::sse::Event;
use crate::wire::EventId;

/// The daemon's own events; a publisher cannot send any of this name.
const CURSOR: &str = "hasses.cursor";
const RESUME: &str = "hasses.resume";

/// One thing that happened to a subscription.
///
/// After [`Item::Open`] of a connection that presented a last event id, a hasses daemon gives its verdict on it first of all:
/// [`Item::Resumed`], [`Item::Gap`] or [`Item::Reset`]. Other servers give none.
#[derive(Debug)]
#[non_exhaustive]
pub enum Item {
    /// The stream is open, for the first time or again ("announce the connection", WHATWG HTML, 9.2.3).
    Open,
    /// An event.
    Event(Event),
    /// Nothing is missing: the daemon goes on right behind the last event id.
    Resumed {
        /// Events that were missed meanwhile, and come now.
        replayed: u64,
    },
    /// Something may be missing: the log no longer holds all that came after the last event id.
    Gap {
        /// The oldest event that the log still holds.
        oldest: EventId,
        /// Events that were missed meanwhile, and come now.
        replayed: u64,
    },
    /// Anything may be missing: the last event id is not of this log, which perhaps was begun anew. Nothing is replayed.
    Reset,
    /// Where the subscription stands, although no event came; given only where [`Builder::cursors`](super::Builder::cursors)
    /// asks for it. Quiet topics stay within the log's retention by it.
    Cursor {
        /// The last event id from now on.
        last_event_id: String,
    },
    /// There is no stream any more, or none yet, and another attempt follows ("reestablish the connection", WHATWG HTML, 9.2.3).
    Lost {
        /// Why.
        error: Error,
        /// The pause before that attempt.
        retry_in: Duration,
    },
}

/// The data of the daemon's verdict.
#[derive(Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Verdict {
    Resumed { replayed: u64 },
    Gap { oldest: EventId, replayed: u64 },
    Reset,
}

impl From<Event> for Item {
    /// What an event of the stream means. One that only looks like the daemon's is an event like any other.
    fn from(event: Event) -> Self {
        match event.event.as_str() {
            CURSOR => Self::Cursor { last_event_id: event.last_event_id },
            RESUME => match serde_json::from_str(&event.data) {
                Ok(Verdict::Resumed { replayed }) => Self::Resumed { replayed },
                Ok(Verdict::Gap { oldest, replayed }) => Self::Gap { oldest, replayed },
                Ok(Verdict::Reset) => Self::Reset,
                Err(_) => Self::Event(event),
            },
            _ => Self::Event(event),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(event: &str, data: &str) -> String {
        let event = Event { event: event.into(), data: data.into(), last_event_id: "7-0".into() };
        format!("{:?}", Item::from(event))
    }

    #[test]
    fn the_daemons_own_events_are_read() {
        for (event, data, expected) in [
            (RESUME, r#"{"status":"resumed","replayed":12}"#, "Resumed { replayed: 12 }"),
            (RESUME, r#"{"status":"reset"}"#, "Reset"),
            // A later daemon may say more.
            (RESUME, r#"{"status":"resumed","replayed":1,"of":["x"]}"#, "Resumed { replayed: 1 }"),
            (CURSOR, "{}", "Cursor { last_event_id: \"7-0\" }"),
        ] {
            assert_eq!(read(event, data), expected);
        }
        let gap = read(RESUME, r#"{"status":"gap","oldest":"5-1","replayed":7}"#);
        assert_eq!(gap, "Gap { oldest: EventId { millis: 5, sequence: 1 }, replayed: 7 }");
    }

    #[test]
    fn whatever_else_comes_is_an_event() {
        for (event, data) in [
            ("message", r#"{"status":"reset"}"#),
            ("hasses.Resume", r#"{"status":"reset"}"#),
            ("hasses.other", "{}"),
            (RESUME, ""),
            (RESUME, "reset"),
            (RESUME, r#"{"status":"lost"}"#),
            (RESUME, r#"{"status":"resumed"}"#),
            (RESUME, r#"{"status":"gap","oldest":"five","replayed":7}"#),
        ] {
            assert!(read(event, data).starts_with("Event("), "{event} {data}");
        }
    }
}
