//! The query of a subscription: `subscribe=a-b`, `topic=orders/17`, `id=…`, `last-event-id=…`, `replay=N`, `notices=0`.

use std::borrow::Cow;

use hasses_client::wire::{EventId, SubscriberId, TopicPattern};
use percent_encoding::percent_decode_str;

use crate::http::response::{Refusal, Status};

/// What a query asks for.
#[derive(Debug)]
pub struct Query {
    /// What to subscribe to; at least one, none twice.
    pub patterns: Vec<TopicPattern>,
    /// The subscriber's id.
    pub id: Option<SubscriberId>,
    /// What it has.
    pub last_event_id: Option<LastEventId>,
    /// How many of the newest events of each topic it wants first.
    pub replay: Option<usize>,
    /// It wants to be told of `hasses.*` events.
    pub notices: bool,
}

/// The id of the last event that a subscriber had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastEventId {
    /// In the form of this daemon's ids.
    Id(EventId),
    /// Another server's, whatever it means there.
    Foreign,
}

/// What a query may ask for at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryLimits {
    /// Topics.
    pub topics: usize,
    /// Newest events of each topic.
    pub replay: usize,
}

impl LastEventId {
    /// Reads what a client sent; `None` is nothing (an empty id stands for none, WHATWG HTML 9.2.4).
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let text = str::from_utf8(bytes).map(str::trim_ascii);
        match text {
            Ok("") => None,
            Ok(text) => Some(text.parse().map_or(Self::Foreign, Self::Id)),
            Err(_) => Some(Self::Foreign),
        }
    }
}

/// Reads the query. Fields that are not known are ignored (cache busters).
///
/// # Errors
/// A 400 that names what is wrong: no topic, a bad one, too many, a bad id, a `replay` that is no number or too large.
pub fn parse_query(query: &str, limits: QueryLimits) -> Result<Query, Refusal> {
    let max_topics = limits.topics;
    let mut patterns: Vec<TopicPattern> = Vec::new();
    let (mut id, mut last_event_id, mut replay, mut notices) = (None, None, None, true);
    for field in query.split('&') {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        match name {
            // Split before decoding, so that %2D is a hyphen within a topic; an empty part is none.
            "subscribe" => {
                for part in value.split('-').filter(|part| !part.is_empty()) {
                    add(&mut patterns, &percent_decode_str(part).decode_utf8_lossy(), max_topics)?;
                }
            }
            "topic" => add(&mut patterns, &form_decode(value), max_topics)?,
            "id" => {
                let text = percent_decode_str(value).decode_utf8_lossy();
                id = match &*text {
                    "" => None,
                    text if text.contains('\u{fffd}') => return Err(bad("the id is not UTF-8")),
                    text => Some(SubscriberId::new(text).map_err(|failure| bad(failure.error))?),
                };
            }
            "last-event-id" => {
                let bytes: Vec<u8> = percent_decode_str(value).collect();
                last_event_id = LastEventId::read(&bytes);
            }
            "replay" => replay = read_replay(value, limits.replay)?,
            "notices" => notices = value != "0",
            _ => {}
        }
    }
    if patterns.is_empty() {
        return Err(bad("no topic; write ?subscribe=TOPIC or ?topic=TOPIC"));
    }
    Ok(Query { patterns, id, last_event_id, replay, notices })
}

/// The number of newest events; none for an empty one and for 0.
fn read_replay(text: &str, most: usize) -> Result<Option<usize>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match if digits { text.parse().ok() } else { None } {
        Some(0) => Ok(None),
        Some(number) if number <= most => Ok(Some(number)),
        _ if digits => Err(bad(format!("replay is more than {most} ({text})"))),
        _ => Err(bad("replay is no whole number")),
    }
}

fn add(patterns: &mut Vec<TopicPattern>, text: &str, max_topics: usize) -> Result<(), Refusal> {
    // U+FFFD is what invalid UTF-8 decodes to; a topic of it would be one that nobody meant.
    if text.contains('\u{fffd}') {
        return Err(bad("a topic is not UTF-8"));
    }
    let pattern = TopicPattern::new(text).map_err(|failure| bad(failure.error))?;
    if patterns.contains(&pattern) {
        return Ok(());
    }
    if patterns.len() >= max_topics {
        return Err(bad(format!("more than {max_topics} topics")));
    }
    patterns.push(pattern);
    Ok(())
}

/// `application/x-www-form-urlencoded` (WHATWG URL, 5.1): `+` is a space.
fn form_decode(text: &str) -> String {
    let text = if text.contains('+') { Cow::Owned(text.replace('+', " ")) } else { Cow::Borrowed(text) };
    percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

fn bad(text: impl Into<String>) -> Refusal {
    Refusal::new(Status::BadRequest, text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<(Vec<String>, Option<String>), String> {
        let query = parse_query(query, QueryLimits { topics: 4, replay: 100 }).map_err(|refusal| refusal.text)?;
        Ok((query.patterns.iter().map(ToString::to_string).collect(), query.id.map(|id| id.to_string())))
    }

    #[test]
    fn every_row_of_the_table() {
        for (query, topics, id) in [
            ("subscribe=room624", &["room624"][..], None),
            ("subscribe=a-b-c", &["a", "b", "c"], None),
            ("subscribe=-a--b-", &["a", "b"], None),
            ("subscribe=a-a", &["a"], None),
            ("subscribe=a%2Db-c", &["a-b", "c"], None),
            ("subscribe=a+b", &["a+b"], None),
            ("subscribe=100%", &["100%"], None),
            ("subscribe=%C3%BCbung", &["übung"], None),
            ("subscribe=*", &["*"], None),
            ("subscribe=roo*-x", &["roo*", "x"], None),
            ("topic=orders/17", &["orders/17"], None),
            ("topic=a-b&topic=c+d", &["a-b", "c d"], None),
            ("subscribe=a&topic=b&subscribe=c", &["a", "b", "c"], None),
            ("subscribe=a&id=me&_=1699", &["a"], Some("me")),
            ("subscribe=a&id=a%20b+c", &["a"], Some("a b+c")),
            ("id=&subscribe=a", &["a"], None),
            ("subscribe=a&last-event-id=17-4&replay=3&notices=0", &["a"], None),
        ] {
            let expected = (topics.iter().map(|&topic| topic.to_owned()).collect(), id.map(str::to_owned));
            assert_eq!(read(query), Ok(expected), "{query}");
        }
    }

    #[test]
    fn what_a_subscriber_has_and_wants_is_read() {
        let known = |millis, sequence| Some(LastEventId::Id(EventId { millis, sequence }));
        for (query, last_event_id, replay, notices) in [
            ("subscribe=a", None, None, true),
            ("subscribe=a&last-event-id=17-4", known(17, 4), None, true),
            ("subscribe=a&last-event-id=17%2D4&replay=100", known(17, 4), Some(100), true),
            ("subscribe=a&last-event-id=&replay=&notices=", None, None, true),
            ("subscribe=a&last-event-id=17&replay=0&notices=0", Some(LastEventId::Foreign), None, false),
            ("subscribe=a&last-event-id=%ff&notices=1", Some(LastEventId::Foreign), None, true),
            ("subscribe=a&last-event-id=17-99999999999999999999", Some(LastEventId::Foreign), None, true),
        ] {
            let read = parse_query(query, QueryLimits { topics: 4, replay: 100 }).unwrap();
            assert_eq!((read.last_event_id, read.replay, read.notices), (last_event_id, replay, notices), "{query}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (query, part) in [
            ("", "no topic"),
            ("subscribe=", "no topic"),
            ("topic=", "topic is empty"),
            ("Subscribe=a", "no topic"),
            ("subscribe=a%0d%0ab", "control characters"),
            ("subscribe=a%00", "control characters"),
            ("subscribe=a*b", "'*' is allowed only at the end"),
            ("subscribe=%ff", "not UTF-8"),
            ("subscribe=a-b-c-d-e", "more than 4 topics"),
            (&format!("subscribe={}", "x".repeat(301)), "longer than 255 bytes (301)"),
            (&format!("subscribe=a&id={}", "x".repeat(62)), "longer than 61 bytes (62)"),
            ("subscribe=a&id=a%0ab", "control character"),
            ("subscribe=a&id=%ff", "the id is not UTF-8"),
            ("subscribe=a&replay=-1", "replay is no whole number"),
            ("subscribe=a&replay=101", "replay is more than 100 (101)"),
            ("subscribe=a&replay=99999999999999999999999", "replay is more than 100"),
        ] {
            let text = read(query).expect_err(query);
            assert!(text.contains(part), "{query}: {text}");
        }
    }
}
