//! Everything the daemon can answer, and how it is written and read as a JSON line.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::report::{
    ClientList, Count, Disconnected, Level, Pong, Position, Published, Reinit, StatusReport, TopicList,
};

/// The answer to one command.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// To `publish`.
    Published(Published),
    /// To `status`.
    Status(Box<StatusReport>),
    /// To `clients`.
    Clients(ClientList),
    /// To `topics`.
    Topics(TopicList),
    /// To `count`.
    Count(Count),
    /// To `disconnect`.
    Disconnected(Disconnected),
    /// To `log-level`.
    LogLevel(Level),
    /// To `reinit`.
    Reinit(Reinit),
    /// To `position`.
    Position(Position),
    /// To `ping`.
    Pong(Pong),
    /// The command was refused; nothing was changed.
    Failed(Failure),
}

/// Why a command was refused: `{"ok": false, "code": …, "error": …}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of fault it is; for programs.
    pub code: ErrorCode,
    /// What is wrong and where, with the value and the limit; for people.
    pub error: String,
}

/// The kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The line is not one JSON object in UTF-8.
    BadJson,
    /// `cmd` names no command.
    UnknownCommand,
    /// A topic is empty, too long, or holds what a topic cannot.
    BadTopic,
    /// A field is missing, unknown, of the wrong type or out of range.
    BadField,
    /// The message is longer than the limit.
    TooLarge,
    /// The sender may not do this.
    Forbidden,
    /// The daemon knows the command but cannot do it as configured.
    Unsupported,
    /// The event log could not keep the event (a full or failing disk); nothing was sent.
    NotStored,
    /// The daemon is at fault, or is ending.
    Internal,
    /// A code that this version does not know.
    #[serde(other)]
    Other,
}

/// The body of a successful answer, as a type of its own: what a typed call expects to read.
pub trait ReplyBody: DeserializeOwned {}

impl ReplyBody for Published {}
impl ReplyBody for StatusReport {}
impl ReplyBody for ClientList {}
impl ReplyBody for TopicList {}
impl ReplyBody for Count {}
impl ReplyBody for Disconnected {}
impl ReplyBody for Level {}
impl ReplyBody for Reinit {}
impl ReplyBody for Position {}
impl ReplyBody for Pong {}

impl Reply {
    /// Appends the answer as one JSON line, with its LF.
    pub fn write_line(&self, out: &mut Vec<u8>) {
        match self {
            // Written by hand: it is the answer to every publish.
            Self::Published(Published { id, matched, duplicate }) => {
                out.extend_from_slice(b"{\"ok\":true,\"id\":\"");
                id.write(out);
                out.extend_from_slice(b"\",\"matched\":");
                out.extend_from_slice(itoa::Buffer::new().format(*matched).as_bytes());
                out.extend_from_slice(if *duplicate { b",\"duplicate\":true}\n" } else { b"}\n" });
            }
            Self::Status(body) => write_body(out, body),
            Self::Clients(body) => write_body(out, body),
            Self::Topics(body) => write_body(out, body),
            Self::Count(body) => write_body(out, body),
            Self::Disconnected(body) => write_body(out, body),
            Self::LogLevel(body) => write_body(out, body),
            Self::Reinit(body) => write_body(out, body),
            Self::Position(body) => write_body(out, body),
            Self::Pong(body) => write_body(out, body),
            Self::Failed(failure) => failure.write_line(out),
        }
    }

    /// Reads one answer line as the body that the command asked for.
    ///
    /// # Errors
    /// `Ok(Err(failure))` is a refusal that the daemon sent; the outer error says why the line is no answer at all.
    pub fn read_line<T: ReplyBody>(line: &[u8]) -> Result<Result<T, Failure>, serde_json::Error> {
        #[derive(Deserialize)]
        struct Head {
            ok: bool,
            code: Option<ErrorCode>,
            error: Option<String>,
        }
        let head: Head = serde_json::from_slice(line)?;
        if head.ok {
            return serde_json::from_slice(line).map(Ok);
        }
        Ok(Err(Failure::new(head.code.unwrap_or(ErrorCode::Other), head.error.unwrap_or_default())))
    }
}

#[derive(Serialize)]
struct Good<'a, T> {
    ok: bool,
    #[serde(flatten)]
    body: &'a T,
}

fn write_body<T: Serialize>(out: &mut Vec<u8>, body: &T) {
    let start = out.len();
    if let Err(error) = serde_json::to_writer(&mut *out, &Good { ok: true, body }) {
        out.truncate(start);
        Failure::new(ErrorCode::Internal, format!("the answer cannot be written: {error}")).write_line(out);
        return;
    }
    out.push(b'\n');
}

impl Failure {
    /// A refusal.
    #[must_use]
    pub fn new(code: ErrorCode, error: impl Into<String>) -> Self {
        Self { code, error: error.into() }
    }

    fn write_line(&self, out: &mut Vec<u8>) {
        #[derive(Serialize)]
        struct Bad<'a> {
            ok: bool,
            code: ErrorCode,
            error: &'a str,
        }
        // Serialising strings and a unit variant into a Vec cannot fail.
        let _ = serde_json::to_writer(&mut *out, &Bad { ok: false, code: self.code, error: &self.error });
        out.push(b'\n');
    }
}

impl ErrorCode {
    /// The code as the protocol spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadJson => "bad_json",
            Self::UnknownCommand => "unknown_command",
            Self::BadTopic => "bad_topic",
            Self::BadField => "bad_field",
            Self::TooLarge => "too_large",
            Self::Forbidden => "forbidden",
            Self::Unsupported => "unsupported",
            Self::NotStored => "not_stored",
            Self::Internal => "internal",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.error)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::super::event::EventId;
    use super::*;

    #[test]
    fn answers_are_read_as_they_were_written() {
        let published = Published { id: EventId { millis: 17, sequence: 3 }, matched: 2, duplicate: false };
        let mut line = Vec::new();
        Reply::Published(published.clone()).write_line(&mut line);
        assert_eq!(line, b"{\"ok\":true,\"id\":\"17-3\",\"matched\":2}\n");
        assert_eq!(Reply::read_line::<Published>(&line).unwrap().unwrap(), published);

        let duplicate = Published { id: EventId { millis: u64::MAX, sequence: u64::MAX }, matched: 0, duplicate: true };
        line.clear();
        Reply::Published(duplicate.clone()).write_line(&mut line);
        assert!(line.ends_with(b"-18446744073709551615\",\"matched\":0,\"duplicate\":true}\n"));
        assert_eq!(Reply::read_line::<Published>(&line).unwrap().unwrap(), duplicate);

        let failure = Failure::new(ErrorCode::BadTopic, "topic is longer than 255 bytes (301)");
        line.clear();
        Reply::Failed(failure.clone()).write_line(&mut line);
        assert_eq!(line, b"{\"ok\":false,\"code\":\"bad_topic\",\"error\":\"topic is longer than 255 bytes (301)\"}\n");
        assert_eq!(Reply::read_line::<Published>(&line).unwrap().unwrap_err(), failure);

        line.clear();
        Reply::Count(Count { count: 7 }).write_line(&mut line);
        assert_eq!(line, b"{\"ok\":true,\"count\":7}\n");
    }

    #[test]
    fn codes_are_spelt_alike_everywhere() {
        for code in [
            ErrorCode::BadJson,
            ErrorCode::UnknownCommand,
            ErrorCode::BadTopic,
            ErrorCode::BadField,
            ErrorCode::TooLarge,
            ErrorCode::Forbidden,
            ErrorCode::Unsupported,
            ErrorCode::NotStored,
            ErrorCode::Internal,
        ] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
        assert_eq!(serde_json::from_str::<ErrorCode>("\"quota\"").unwrap(), ErrorCode::Other);
    }
}
