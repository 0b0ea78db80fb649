//! The framing of a control stream: bytes in, frames out.
//!
//! The first byte of a connection fixes its form for good: `{` is JSON lines, anything else classic text. That raw user text
//! within a classic message can never become a JSON command follows from it. The decoder reads no clock: its owner tells
//! it when the connection has been quiet ([`Decoder::quiet`]) and when it has ended ([`Decoder::finish`]).

use memchr::{memchr, memchr2};

use super::classic::{self, ClassicQuery};
use super::command::Command;
use super::reply::{ErrorCode, Failure};

/// The two forms of the control protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `TOPIC=MESSAGE`, without answers to messages.
    Classic,
    /// One JSON object a line, each answered.
    Json,
}

/// What ends a message of classic text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delimiter {
    /// `;` or a newline: what holds unless the delimiter was set.
    Default,
    /// This byte alone, so that messages may hold newlines.
    Explicit(u8),
}

/// How a stream is to be cut into messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing {
    /// What ends a message of classic text.
    pub delimiter: Delimiter,
    /// Longest message in bytes, its end not counted.
    pub max_message: usize,
    /// The form, where it is not for the first byte to say.
    pub form: Option<Form>,
    /// Many writers share the stream (a FIFO): a quiet time always ends a message, whatever was seen before.
    pub shared: bool,
}

/// One message of the stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// What was asked, or why it cannot be.
    pub command: Result<Command, Failure>,
    /// Where the answer goes.
    pub answer: Answer,
    /// Invalid UTF-8 in classic text was replaced by U+FFFD.
    pub repaired: bool,
}

/// Where the answer to a frame goes, and in which layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// One JSON line to the sender.
    Json,
    /// As the classic command has it.
    Classic(ClassicQuery),
    /// A classic message: a refusal goes to the log, else nothing is said.
    Log,
}

/// Cuts one control stream into frames.
#[derive(Debug)]
pub struct Decoder {
    framing: Framing,
    form: Option<Form>,
    buffer: Vec<u8>,
    /// Start of the message that is being collected.
    start: usize,
    /// Up to here no end of a message was found.
    scanned: usize,
    terminator_seen: bool,
    /// The message under way was too long and has been refused; its rest is dropped up to its end.
    skipping: bool,
}

impl Decoder {
    /// A decoder for a new stream.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        Self {
            framing,
            form: framing.form,
            buffer: Vec::new(),
            start: 0,
            scanned: 0,
            terminator_seen: false,
            skipping: false,
        }
    }

    /// Takes bytes as they came from the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The form of the stream, once its first byte is known.
    #[must_use]
    pub fn form(&self) -> Option<Form> {
        self.form
    }

    /// The next message that is complete; `None` until more bytes come.
    pub fn next_frame(&mut self) -> Option<Frame> {
        loop {
            let form = self.settle_form()?;
            let Some(length) = self.end_of_message(form) else {
                return self.refuse_if_too_long();
            };
            let message = self.start..self.start + length;
            self.start = message.end + 1;
            self.scanned = self.start;
            self.terminator_seen = true;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            if let Some(frame) = self.read(form, message) {
                return Some(frame);
            }
        }
    }

    /// Whether a quiet time would end the message that is being collected: its owner need not wait for one otherwise.
    #[must_use]
    pub fn awaits_quiet(&self) -> bool {
        self.form == Some(Form::Classic)
            && (self.framing.shared || !self.terminator_seen)
            && (self.skipping || !trim_line_ends(&self.buffer[self.start..]).is_empty())
    }

    /// The stream has been quiet: what was collected is a message, where a quiet time ends one.
    ///
    /// To be called after [`Decoder::next_frame`] returned `None`.
    pub fn quiet(&mut self) -> Option<Frame> {
        if self.awaits_quiet() { self.finish() } else { None }
    }

    /// The stream has ended: what was collected is the last message.
    ///
    /// To be called after [`Decoder::next_frame`] returned `None`.
    pub fn finish(&mut self) -> Option<Frame> {
        let message = self.start..self.buffer.len();
        self.start = message.end;
        self.scanned = message.end;
        if std::mem::take(&mut self.skipping) || message.is_empty() {
            return None;
        }
        self.read(self.form?, message)
    }

    /// Bytes that are held for the message under way.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Lets go of memory that a long message took, where nothing is held.
    pub fn shrink(&mut self) {
        if self.held_bytes() == 0 {
            self.buffer = Vec::new();
            (self.start, self.scanned) = (0, 0);
        }
    }

    fn settle_form(&mut self) -> Option<Form> {
        if self.form.is_none() {
            let first = *self.buffer.first()?;
            self.form = Some(if first == b'{' { Form::Json } else { Form::Classic });
        }
        self.form
    }

    fn end_of_message(&mut self, form: Form) -> Option<usize> {
        let unseen = &self.buffer[self.scanned..];
        let found = match (form, self.framing.delimiter) {
            (Form::Json, _) => memchr(b'\n', unseen),
            (Form::Classic, Delimiter::Default) => memchr2(b';', b'\n', unseen),
            (Form::Classic, Delimiter::Explicit(delimiter)) => memchr(delimiter, unseen),
        };
        let length = found.map(|at| self.scanned + at - self.start);
        self.scanned = self.buffer.len();
        length
    }

    fn refuse_if_too_long(&mut self) -> Option<Frame> {
        let held = self.held_bytes();
        // One byte more may still be the CR of a CRLF.
        if !self.skipping && held <= self.framing.max_message + 1 {
            return None;
        }
        self.start = self.buffer.len();
        let first = !std::mem::replace(&mut self.skipping, true);
        first.then(|| self.too_large(&format!("at least {held}")))
    }

    fn too_large(&self, size: &str) -> Frame {
        let error = format!("message is longer than {} bytes ({size}); it is skipped", self.framing.max_message);
        let answer = if self.form == Some(Form::Json) { Answer::Json } else { Answer::Log };
        Frame { command: Err(Failure::new(ErrorCode::TooLarge, error)), answer, repaired: false }
    }

    fn read(&self, form: Form, message: std::ops::Range<usize>) -> Option<Frame> {
        let message = &self.buffer[message];
        match form {
            Form::Json => {
                let message = message.strip_suffix(b"\r").unwrap_or(message);
                if message.len() > self.framing.max_message {
                    return Some(self.too_large(&message.len().to_string()));
                }
                Some(Frame { command: Command::read_line(message), answer: Answer::Json, repaired: false })
            }
            Form::Classic => {
                // Measured as it is held, line ends included, so that it makes no difference how the reads fall.
                if message.len() > self.framing.max_message + 1 {
                    return Some(self.too_large(&message.len().to_string()));
                }
                // Also in front: with an explicit delimiter the newline that `echo` adds comes after it.
                let message = trim_line_ends(message);
                if message.is_empty() {
                    return None;
                }
                if message.len() > self.framing.max_message {
                    return Some(self.too_large(&message.len().to_string()));
                }
                // What is right, as nearly always, is seen by the faster of the two.
                let text = std::str::from_utf8(message)
                    .map_or_else(|_| String::from_utf8_lossy(message), std::borrow::Cow::Borrowed);
                let repaired = matches!(text, std::borrow::Cow::Owned(_));
                let (command, answer) = match classic::read(&text) {
                    Ok((command, Some(query))) => (Ok(command), Answer::Classic(query)),
                    Ok((command, None)) => (Ok(command), Answer::Log),
                    Err(failure) => (Err(failure), Answer::Log),
                };
                Some(Frame { command, answer, repaired })
            }
        }
    }
}

fn trim_line_ends(mut text: &[u8]) -> &[u8] {
    while let [b'\r' | b'\n', rest @ ..] | [rest @ .., b'\r' | b'\n'] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;
