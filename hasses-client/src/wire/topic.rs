//! Topics and patterns over them.
//!
//! A topic is 1 to 255 bytes of UTF-8 without control characters and without `*`. A pattern is a topic, a beginning of
//! topics followed by `*`, or `*` alone for everything.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use super::limits::MAX_TOPIC_BYTES;
use super::reply::{ErrorCode, Failure};

/// The name of a topic: 1 to 255 bytes of UTF-8, no control characters, no `*`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(Box<str>);

/// The beginning that a prefix pattern asks for; empty for `*`, which is everything.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPrefix(Box<str>);

/// What a subscription or a publish names: one topic, or all that begin alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TopicPattern {
    /// Exactly this topic.
    Exact(Topic),
    /// Every topic that begins so (`room*`, or `*` for all).
    Prefix(TopicPrefix),
}

impl Topic {
    /// Checks a name.
    ///
    /// # Errors
    /// [`ErrorCode::BadTopic`] where the name is empty, too long, or holds `*` or a control character.
    pub fn new(name: impl Into<Box<str>>) -> Result<Self, Failure> {
        let name = name.into();
        if name.is_empty() {
            return Err(bad("topic is empty"));
        }
        check_name("topic", &name)?;
        Ok(Self(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TopicPrefix {
    /// The text before the `*`; empty for `*` alone.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TopicPattern {
    /// Reads a pattern: a `*` at the end makes it a prefix.
    ///
    /// # Errors
    /// [`ErrorCode::BadTopic`] where the name is empty, too long, or holds a control character or a `*` that is not the last
    /// character.
    pub fn new(text: impl Into<String>) -> Result<Self, Failure> {
        let mut text = text.into();
        if text.ends_with('*') {
            text.pop();
            check_name("topic", &text)?;
            return Ok(Self::Prefix(TopicPrefix(text.into_boxed_str())));
        }
        Topic::new(text).map(Self::Exact)
    }

    /// The pattern that every topic matches: `*`.
    #[must_use]
    pub fn everything() -> Self {
        Self::Prefix(TopicPrefix(Box::from("")))
    }

    /// Whether a publish to `self` reaches a subscription of `other`: equal topics, a topic and a beginning of it, or two
    /// beginnings of which one begins with the other.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(a), Self::Exact(b)) => a == b,
            (Self::Exact(topic), Self::Prefix(prefix)) | (Self::Prefix(prefix), Self::Exact(topic)) => {
                topic.as_str().starts_with(prefix.as_str())
            }
            (Self::Prefix(a), Self::Prefix(b)) => {
                a.as_str().starts_with(b.as_str()) || b.as_str().starts_with(a.as_str())
            }
        }
    }
}

fn check_name(what: &str, name: &str) -> Result<(), Failure> {
    if name.len() > MAX_TOPIC_BYTES {
        return Err(bad(format!("{what} is longer than {MAX_TOPIC_BYTES} bytes ({})", name.len())));
    }
    if name.bytes().all(|byte| (byte.is_ascii_graphic() || byte == b' ') && byte != b'*') {
        // Nearly every name; the rest is looked at character by character.
        return Ok(());
    }
    if let Some((at, found)) = name.char_indices().find(|(_, c)| c.is_control() || *c == '*') {
        let why = if found == '*' { "'*' is allowed only at the end" } else { "control characters are not allowed" };
        return Err(bad(format!("{what} holds {found:?} at byte {at}: {why}")));
    }
    Ok(())
}

fn bad(error: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::BadTopic, error)
}

impl Borrow<str> for Topic {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for Topic {
    type Err = Failure;
    fn from_str(text: &str) -> Result<Self, Failure> {
        Self::new(text)
    }
}

impl FromStr for TopicPattern {
    type Err = Failure;
    fn from_str(text: &str) -> Result<Self, Failure> {
        Self::new(text)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Debug for TopicPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(topic) => f.write_str(&topic.0),
            Self::Prefix(prefix) => write!(f, "{}*", prefix.0),
        }
    }
}

impl From<Topic> for TopicPattern {
    fn from(topic: Topic) -> Self {
        Self::Exact(topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_and_the_error_names_value_and_limit() {
        for (name, error) in [
            ("", "topic is empty"),
            ("a\rb", "topic holds '\\r' at byte 1: control characters are not allowed"),
            ("a\u{85}", "topic holds '\\u{85}' at byte 1: control characters are not allowed"),
            ("a*b", "topic holds '*' at byte 1: '*' is allowed only at the end"),
            (&"x".repeat(301), "topic is longer than 255 bytes (301)"),
        ] {
            let failure = TopicPattern::new(name).unwrap_err();
            assert_eq!((failure.code, failure.error.as_str()), (ErrorCode::BadTopic, error));
        }
        assert_eq!(TopicPattern::new("x".repeat(255)).unwrap().to_string().len(), 255);
        assert!(TopicPattern::new("**").is_err());
        assert!(Topic::new("ro*").is_err());
    }

    #[test]
    fn patterns_overlap_both_ways() {
        for (publish, subscription, reached) in [
            ("room", "room", true),
            ("room", "rooms", false),
            ("room", "ro*", true),
            ("room", "room*", true),
            ("room", "rooms*", false),
            ("ro*", "room", true),
            ("ro*", "r", false),
            ("ro*", "room*", true),
            ("ro*", "r*", true),
            ("ro*", "x*", false),
            ("*", "room", true),
            ("room", "*", true),
            ("ü*", "übung", true),
        ] {
            let [publish, subscription] = [publish, subscription].map(|text| TopicPattern::new(text).unwrap());
            assert_eq!(publish.overlaps(&subscription), reached, "{publish} {subscription}");
            assert_eq!(subscription.overlaps(&publish), reached, "{subscription} {publish}");
        }
    }
}
