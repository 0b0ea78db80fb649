//! One subscriber's side of a stream: finds the messages in what was read, and checks them. No I/O.
//!
//! Of the event stream it reads nothing but the messages themselves, which it knows by their marker: what a server puts around
//! them differs, and reading it would cost more than some servers do. Nothing is copied but a message that is cut.

use super::framing::{Framing, Malformed, field, status_code};
use super::message::{MARKER, Shape};
use super::scout::{Scout, Search};
use super::sequence::{Arrival, Sequence};
use super::tally::Tally;

/// Longest head: what the client crate allows.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// The state of one subscriber's stream.
#[derive(Debug)]
pub(super) struct EventStream {
    subscriber: u32,
    topic: u32,
    /// How its body is framed; `None` as long as the head is not complete.
    framing: Option<Framing>,
    /// What has come of the head, or of a message that was cut.
    kept: Vec<u8>,
    sequence: Sequence,
    /// Looks for an id, in the one stream that has it.
    scout: Option<Box<Scout>>,
}

/// Why nothing more will come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The answer is no event stream.
    Refused(String),
    /// The server ended it.
    Ended,
    /// The server ended it, having said when to come back.
    Deferred,
    /// What came is not HTTP.
    Malformed(&'static str),
}

/// Whether a message ended where it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Whole,
    Torn,
}

impl EventStream {
    /// The stream of a subscriber of this topic, before its head; it has the messages up to this number.
    pub(super) fn new(subscriber: u32, topic: u32, number: u32) -> Self {
        Self { subscriber, topic, framing: None, kept: Vec::new(), sequence: Sequence::behind(number), scout: None }
    }

    /// Has the body looked at by a scout as well.
    pub(super) fn with(mut self, scout: Option<Scout>) -> Self {
        self.scout = scout.map(Box::new);
        self
    }

    /// Whether the head has come.
    pub(super) fn is_subscribed(&self) -> bool {
        self.framing.is_some()
    }

    /// Its number.
    pub(super) fn subscriber(&self) -> u32 {
        self.subscriber
    }

    /// Its topic.
    pub(super) fn topic(&self) -> u32 {
        self.topic
    }

    /// Number of the message that must come next.
    pub(super) fn due(&self) -> u32 {
        self.sequence.due()
    }

    /// How many of its topic's messages, of which the newest has this number, have not come.
    pub(super) fn lost(&self, newest: u32) -> u64 {
        self.sequence.lost(newest)
    }

    /// Takes what was read.
    ///
    /// # Errors
    /// Why it is over.
    pub(super) fn take(&mut self, bytes: &[u8], tally: &mut Tally) -> Result<(), End> {
        let Some(mut framing) = self.framing else { return self.take_head(bytes, tally) };
        let mut rest = bytes;
        while let Some(run) = framing.next(&mut rest)? {
            self.scan(run, tally);
            if self.scout.as_mut().is_some_and(|scout| scout.take(run) == Search::Over) {
                self.scout = None;
            }
        }
        self.framing = Some(framing);
        match framing {
            // Whoever has no room says that in one piece.
            Framing::Over if is_deferral(bytes) => Err(End::Deferred),
            Framing::Over => Err(End::Ended),
            _ => Ok(()),
        }
    }

    fn take_head(&mut self, bytes: &[u8], tally: &mut Tally) -> Result<(), End> {
        self.kept.extend_from_slice(bytes);
        let Some(end) = memchr::memmem::find(&self.kept, b"\r\n\r\n") else {
            if self.kept.len() > MAX_HEAD_BYTES {
                return Err(End::Malformed("the head of the answer is longer than 64 KiB"));
            }
            return Ok(());
        };
        let kept = std::mem::take(&mut self.kept);
        let (head, body) = kept.split_at(end + 4);
        let head = String::from_utf8_lossy(head);
        if matches!(status_code(&head), Some(100..200)) {
            // Any number of interim answers may come before the one that counts.
            return self.take_head(body, tally);
        }
        check_head(&head)?;
        self.framing = Some(Framing::of(&head));
        self.take(body, tally)
    }

    /// Looks for messages in a run of the body.
    fn scan(&mut self, mut run: &[u8], tally: &mut Tally) {
        while !self.kept.is_empty() && !run.is_empty() {
            run = self.complete(run, tally);
        }
        let size = tally.shape.size();
        while let Some(at) = tally.finder.find(run) {
            let found = &run[at..];
            // With the byte behind it, so that a message which goes on where it should end is noticed.
            let Some(message) = found.get(..=size) else {
                self.kept.extend_from_slice(found);
                return;
            };
            let taken = if self.check(message, tally) == Form::Whole { size } else { MARKER.len() };
            run = &found[taken..];
        }
        // A marker may be cut as well.
        if run.last() == Some(&MARKER[0]) {
            self.kept.push(MARKER[0]);
        }
    }

    /// Completes what was kept with the beginning of a run; gives the rest of that.
    fn complete<'a>(&mut self, run: &'a [u8], tally: &mut Tally) -> &'a [u8] {
        let length = tally.shape.size() + 1;
        let (now, later) = run.split_at(run.len().min(length - self.kept.len()));
        if self.kept.len() == 1 && now[0] != MARKER[1] {
            self.kept.clear();
            return run;
        }
        self.kept.extend_from_slice(now);
        if self.kept.len() < length {
            return later;
        }
        let mut message = std::mem::take(&mut self.kept);
        if self.check(&message, tally) == Form::Torn {
            self.scan(&message[MARKER.len()..], tally);
        } else {
            // Whoever's messages are cut once gets more of such.
            message.clear();
            self.kept = message;
        }
        later
    }

    /// Takes a message and the byte behind it.
    fn check(&mut self, message: &[u8], tally: &mut Tally) -> Form {
        let Some(envelope) = Shape::read(message) else {
            tally.faults.damaged += 1;
            self.remark(tally, || format!("got a damaged message: {}", beginning(message)));
            return Form::Torn;
        };
        if envelope.topic != self.topic {
            tally.faults.damaged += 1;
            let other = tally.shape.name(envelope.topic).to_string();
            self.remark(tally, || format!("got one of {other}"));
            return Form::Whole;
        }
        let (number, due) = (envelope.number, self.sequence.due());
        let arrival = self.sequence.take(number);
        tally.settled += match arrival {
            Arrival::Due => 1,
            Arrival::Early(passed) => u64::from(passed) + 1,
            Arrival::Late | Arrival::Again => 0,
        };
        if !tally.shape.is_whole(message) {
            tally.faults.damaged += 1;
            self.remark(tally, || format!("got message {number} damaged"));
            return Form::Torn;
        }
        match arrival {
            Arrival::Due => {}
            Arrival::Early(_) => self.remark(tally, || format!("got message {number} when {due} was due")),
            Arrival::Late => {
                tally.faults.disordered += 1;
                self.remark(tally, || format!("got message {number} behind later ones"));
            }
            Arrival::Again => {
                tally.faults.doubled += 1;
                self.remark(tally, || format!("got message {number} again"));
                return Form::Whole;
            }
        }
        tally.receive(envelope);
        Form::Whole
    }

    fn remark(&self, tally: &mut Tally, what: impl FnOnce() -> String) {
        tally.remark(|shape| format!("subscriber {} of {} {}", self.subscriber, shape.name(self.topic), what()));
    }
}

impl From<Malformed> for End {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed.0)
    }
}

/// Whether the end of a stream says when to come back, and holds nothing else.
fn is_deferral(bytes: &[u8]) -> bool {
    let has = |field: &[u8]| memchr::memmem::find(bytes, field).is_some();
    has(b"retry:") && !has(b"data:")
}

/// Requires the head of an event stream.
fn check_head(head: &str) -> Result<(), End> {
    let status = head.lines().next().unwrap_or_default().trim();
    match status_code(head) {
        Some(200) => {}
        Some(_) => return Err(End::Refused(status.to_owned())),
        None => return Err(End::Malformed("the answer does not begin as one of HTTP/1.1")),
    }
    let kind = field(head, "content-type").unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/event-stream") {
        return Err(End::Refused(format!("{status}, with content type {kind:?}: that is no event stream")));
    }
    match field(head, "content-encoding").filter(|coding| !coding.eq_ignore_ascii_case("identity")) {
        Some(coding) => {
            Err(End::Refused(format!("{status}, with content encoding {coding:?}, which was not asked for")))
        }
        None => Ok(()),
    }
}

/// The first characters, for people.
fn beginning(message: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(&message[..message.len().min(40)]))
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
