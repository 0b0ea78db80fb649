//! The small values of an event: its id, its type, the publisher's key, the subscriber's id, and the log level.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::limits::{MAX_EVENT_TYPE_BYTES, MAX_KEY_BYTES, MAX_SUBSCRIBER_ID_BYTES};
use super::reply::{ErrorCode, Failure};

/// The id of an event: `<milliseconds since 1970>-<n>`, strictly increasing in the order in which publishes were accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId {
    /// Milliseconds since 1970 when the event was accepted, never less than those of the event before.
    pub millis: u64,
    /// Number within the millisecond.
    pub sequence: u64,
}

impl EventId {
    /// The id of the next event when the clock shows `now_millis`: greater than `self` also when the clock stepped back.
    #[must_use]
    pub fn next(self, now_millis: u64) -> Self {
        if now_millis > self.millis {
            Self { millis: now_millis, sequence: 0 }
        } else {
            Self { millis: self.millis, sequence: self.sequence + 1 }
        }
    }

    /// Appends it as text. As `Display`, without the machinery that formatting brings: ids are written for every event.
    pub fn write(self, out: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        out.extend_from_slice(digits.format(self.millis).as_bytes());
        out.push(b'-');
        out.extend_from_slice(digits.format(self.sequence).as_bytes());
    }

    /// The greatest id that is less than this one; `0-0` has none and gives itself.
    #[must_use]
    pub fn before(self) -> Self {
        match (self.sequence, self.millis) {
            (0, 0) => self,
            (0, millis) => Self { millis: millis - 1, sequence: u64::MAX },
            (sequence, millis) => Self { millis, sequence: sequence - 1 },
        }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.millis, self.sequence)
    }
}

impl FromStr for EventId {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok()).flatten();
        text.split_once('-')
            .and_then(|(millis, sequence)| Some(Self { millis: digits(millis)?, sequence: digits(sequence)? }))
            .ok_or_else(|| Failure::new(ErrorCode::BadField, format!("{text:?} is no event id (<milliseconds>-<n>)")))
    }
}

impl Serialize for EventId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|failure: Failure| serde::de::Error::custom(failure.error))
    }
}

/// Text of one line that is put into a stream or compared with one: no control characters, bounded length.
macro_rules! line_value {
    ($(#[$doc:meta])* $name:ident, $what:literal, $limit:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Checks the text.
            ///
            /// # Errors
            /// [`ErrorCode::BadField`] where it is empty, too long, holds a control character, or is reserved.
            pub fn new(text: impl Into<Box<str>>) -> Result<Self, Failure> {
                let text = text.into();
                check_line($what, &text, $limit)?;
                Ok(Self(text))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = Failure;
            fn from_str(text: &str) -> Result<Self, Failure> {
                Self::new(text)
            }
        }
    };
}

line_value! {
    /// The type of an event, which a page listens for with `addEventListener` (WHATWG HTML 9.2.6, field `event`).
    /// Types that begin with `hasses.` are the daemon's own.
    EventType, "event", MAX_EVENT_TYPE_BYTES
}
line_value! {
    /// The id that a subscriber gave itself with `id=`, so that its own publishes can be kept from it.
    SubscriberId, "subscriber id", MAX_SUBSCRIBER_ID_BYTES
}
line_value! {
    /// The publisher's own key for a publish, for retries that cannot double it.
    PublishKey, "key", MAX_KEY_BYTES
}

fn check_line(what: &str, text: &str, limit: usize) -> Result<(), Failure> {
    let bad = |error: String| Err(Failure::new(ErrorCode::BadField, error));
    if text.is_empty() {
        return bad(format!("{what} is empty"));
    }
    if text.len() > limit {
        return bad(format!("{what} is longer than {limit} bytes ({})", text.len()));
    }
    if let Some((at, found)) = text.char_indices().find(|(_, c)| c.is_control()) {
        return bad(format!("{what} holds the control character {found:?} at byte {at}"));
    }
    if what == "event" && text.starts_with("hasses.") {
        return bad(format!("event {text:?} begins with \"hasses.\", which is the daemon's own"));
    }
    Ok(())
}

/// How much the daemon logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// Errors and warnings, and what was asked for. Classic's level 0.
    Quiet,
    /// Also start, stop, settings that change, malformed messages and slow subscribers. Classic's level 1.
    Normal,
    /// Also every connection and every message. Classic's level 2.
    Debug,
}

impl LogLevel {
    /// The number that classic gives this level.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Quiet => 0,
            Self::Normal => 1,
            Self::Debug => 2,
        }
    }

    /// The level's name, as the protocol spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Normal => "normal",
            Self::Debug => "debug",
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LogLevel {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        [Self::Quiet, Self::Normal, Self::Debug].into_iter().find(|level| level.as_str() == text).ok_or_else(|| {
            Failure::new(ErrorCode::BadField, format!("{text:?} is no log level (quiet, normal, debug)"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_increase_also_when_the_clock_steps_back() {
        let first = EventId::default().next(1000);
        let second = first.next(1000);
        let third = second.next(900);
        let fourth = third.next(1001);
        assert_eq!([first, second, third, fourth].map(|id| id.to_string()), ["1000-0", "1000-1", "1000-2", "1001-0"]);
        assert!(first < second && second < third && third < fourth);
    }

    #[test]
    fn ids_are_read_strictly() {
        assert_eq!("17-4".parse::<EventId>().unwrap(), EventId { millis: 17, sequence: 4 });
        for text in ["", "-", "17", "17-", "-4", "+17-4", "17-4-1", "17-4 ", "99999999999999999999999-0"] {
            assert!(text.parse::<EventId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_line_cannot_be_injected() {
        assert!(EventType::new("tick\ndata: x").is_err());
        assert!(EventType::new("hasses.cursor").is_err());
        assert!(SubscriberId::new("a\rb").is_err());
        assert_eq!(SubscriberId::new("x".repeat(62)).unwrap_err().error, "subscriber id is longer than 61 bytes (62)");
        assert!(SubscriberId::new("x".repeat(61)).is_ok());
    }
}
