//! One subscriber's side of a stream: finds the events in what was read and checks them. No I/O.
//!
//! It does not parse the framing, which differs between the servers and would cost more than the servers do: it looks for
//! `data: ` and requires behind it exactly the message that is due.

/// Bytes of a message.
pub(crate) const MESSAGE_BYTES: usize = 64;
/// Digits of the running number at the front of a message; the rest is [`PADDING`].
const DIGITS: usize = 10;
const PADDING: [u8; MESSAGE_BYTES - DIGITS] = [b'x'; MESSAGE_BYTES - DIGITS];
const FIELD: &[u8] = b"data: ";

/// Appends message `number` to `out`.
pub(crate) fn write_message(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{number:0DIGITS$}").as_bytes());
    out.extend_from_slice(&PADDING);
}

/// What one read brought.
#[derive(Default)]
pub(crate) struct Arrival {
    /// The response head is complete with it: the subscription stands.
    pub(crate) subscribed: bool,
    /// Events completed by it.
    pub(crate) events: u64,
}

/// The state of one subscriber's stream.
pub(crate) struct EventStream {
    subscribed: bool,
    /// Number of the event that must come next.
    due: u64,
    /// Bytes at the end of the last read that the next one completes.
    kept: Vec<u8>,
}

impl EventStream {
    /// A stream whose first event will be `first`.
    pub(crate) fn new(first: u64) -> Self {
        Self { subscribed: false, due: first, kept: Vec::new() }
    }

    /// The bytes that must stand before those of the next read.
    pub(crate) fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// Takes what was read, `kept` bytes first; an error is a sentence about what is wrong with the stream.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<Arrival, String> {
        self.kept.clear();
        let mut arrival = Arrival::default();
        let mut rest = bytes;
        if !self.subscribed {
            let Some(end) = position(bytes, b"\r\n\r\n") else {
                self.kept.extend_from_slice(bytes);
                return Ok(arrival);
            };
            let head = &bytes[..end];
            if !head.starts_with(b"HTTP/1.1 200 ") {
                return Err(format!(
                    "is refused: {}",
                    String::from_utf8_lossy(head).lines().next().unwrap_or_default()
                ));
            }
            self.subscribed = true;
            arrival.subscribed = true;
            rest = &bytes[end + 4..];
        }
        arrival.events = self.take_events(rest)?;
        Ok(arrival)
    }

    fn take_events(&mut self, bytes: &[u8]) -> Result<u64, String> {
        let first = self.due;
        let mut rest = bytes;
        while let Some(start) = position(rest, FIELD) {
            let value = &rest[start + FIELD.len()..];
            // With the line end, so that a message which goes on where it should end is noticed.
            let Some((line, after)) = value.split_at_checked(MESSAGE_BYTES + 1) else {
                self.kept.extend_from_slice(&rest[start..]);
                return Ok(self.due - first);
            };
            self.check(line)?;
            self.due += 1;
            rest = after;
        }
        // A field name may be cut anywhere.
        let cut = (1..FIELD.len()).rev().find(|length| rest.ends_with(&FIELD[..*length])).unwrap_or(0);
        self.kept.extend_from_slice(&rest[rest.len() - cut..]);
        Ok(self.due - first)
    }

    /// Requires `line` to be the event that is due, and its line end.
    fn check(&self, line: &[u8]) -> Result<(), String> {
        let (number, padding) = line.split_at(DIGITS);
        let number = std::str::from_utf8(number).ok().and_then(|digits| digits.parse::<u64>().ok());
        match number {
            Some(number) if number == self.due && padding.split_last() == Some((&b'\n', &PADDING)) => Ok(()),
            Some(number) if number < self.due => Err(format!("received event {number} again, {} was due", self.due)),
            Some(number) if number > self.due => Err(format!("lost event {}, received {number}", self.due)),
            _ => Err(format!("received event {} damaged: {:?}", self.due, String::from_utf8_lossy(line))),
        }
    }
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
