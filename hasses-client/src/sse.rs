//! Reads an event stream as a browser does: the algorithm of the HTML standard, section 9.2.6.
//!
//! No I/O: bytes go into a [`Parser`] as they come, [`Event`]s come out. What bytes an HTTP body consists of, chunked or
//! not, is for its owner to know.
//!
//! ```
//! use hasses_client::sse::Parser;
//!
//! let mut parser = Parser::new();
//! parser.push(b"id: 1-0\nevent: tick\ndata: 12:00\n\ndata: not compl");
//! let event = parser.next_event().unwrap();
//! assert_eq!((event.event.as_str(), event.data.as_str(), event.last_event_id.as_str()), ("tick", "12:00", "1-0"));
//! assert_eq!(parser.next_event(), None);
//! ```

use std::time::Duration;

use memchr::memchr2;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// An event as a page would get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The type; `message` where the stream names none.
    pub event: String,
    /// The lines of the data, LF between them.
    pub data: String,
    /// The last event id at this point of the stream: this event's, or that of an earlier one; empty where there was none.
    pub last_event_id: String,
}

/// Turns the bytes of one stream into events.
#[derive(Debug, Default)]
pub struct Parser {
    bytes: Vec<u8>,
    /// Where the line begins that is being collected.
    start: usize,
    /// Up to here no end of a line was found.
    scanned: usize,
    /// The first line has been read, so no byte order mark is expected any more.
    begun: bool,
    /// The line ended with CR; an LF that comes next belongs to it.
    after_cr: bool,
    data: String,
    event: String,
    /// From the last `id` field, in force from the next dispatch on.
    id: String,
    last_event_id: String,
    retry: Option<Duration>,
    comments: u64,
}

impl Parser {
    /// A parser at the beginning of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A parser for a stream that continues an earlier one, with the last event id from there.
    #[must_use]
    pub fn resuming(last_event_id: impl Into<String>) -> Self {
        let id: String = last_event_id.into();
        Self { id: id.clone(), last_event_id: id, ..Self::default() }
    }

    /// Takes bytes as they came.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next event that is complete; `None` until more bytes come. An event that the end of the stream cuts off is never
    /// dispatched: so the standard has it.
    pub fn next_event(&mut self) -> Option<Event> {
        while let Some(line) = self.next_line() {
            let line = String::from_utf8_lossy(&self.bytes[line]).into_owned();
            if !line.is_empty() {
                self.field(&line);
            } else if let Some(event) = self.dispatch() {
                return Some(event);
            }
        }
        None
    }

    /// The reconnection time that the stream set last, as far as it has been read by [`Parser::next_event`].
    #[must_use]
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// The last event id, which a client sends as `Last-Event-ID` when it reconnects; empty where there is none.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// Comment lines so far. They carry nothing, but show that the stream is alive.
    #[must_use]
    pub fn comments(&self) -> u64 {
        self.comments
    }

    /// Bytes that are held for the event under way, so that the owner can give up on a stream that never completes one.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.bytes.len() - self.start + self.data.len()
    }

    /// The next whole line, without its end: CR, LF or CRLF.
    fn next_line(&mut self) -> Option<std::ops::Range<usize>> {
        if self.after_cr && self.start < self.bytes.len() {
            self.after_cr = false;
            if self.bytes[self.start] == b'\n' {
                self.start += 1;
                self.scanned = self.start;
            }
        }
        let Some(found) = memchr2(b'\r', b'\n', &self.bytes[self.scanned..]) else {
            self.scanned = self.bytes.len();
            return None;
        };
        let mut line = self.start..self.scanned + found;
        self.after_cr = self.bytes[line.end] == b'\r';
        self.start = line.end + 1;
        self.scanned = self.start;
        // "One leading U+FEFF BYTE ORDER MARK character must be ignored if any are present."
        if !std::mem::replace(&mut self.begun, true) && self.bytes[line.clone()].starts_with(BYTE_ORDER_MARK) {
            line.start += BYTE_ORDER_MARK.len();
        }
        Some(line)
    }

    fn field(&mut self, line: &str) {
        let (name, value) = match line.split_once(':') {
            Some(("", _)) => {
                self.comments += 1;
                return;
            }
            Some((name, value)) => (name, value.strip_prefix(' ').unwrap_or(value)),
            None => (line, ""),
        };
        match name {
            "event" => value.clone_into(&mut self.event),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            // "If the field value does not contain U+0000 NULL, then set the last event ID buffer to the field value."
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            // "If the field value consists of only ASCII digits"; browsers take an empty one for none. A number that is too
            // large for anybody to wait stays as large as it can.
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry = Some(Duration::from_millis(value.parse().unwrap_or(u64::MAX)));
            }
            _ => {}
        }
    }

    fn dispatch(&mut self) -> Option<Event> {
        // The buffer is not cleared: an id holds for the events after it too, and also where there is no data.
        self.id.clone_into(&mut self.last_event_id);
        let mut event = std::mem::take(&mut self.event);
        let mut data = std::mem::take(&mut self.data);
        if data.is_empty() {
            return None;
        }
        data.truncate(data.len() - 1);
        if event.is_empty() {
            "message".clone_into(&mut event);
        }
        Some(Event { event, data, last_event_id: self.last_event_id.clone() })
    }
}

#[cfg(test)]
#[path = "sse_tests.rs"]
mod tests;
