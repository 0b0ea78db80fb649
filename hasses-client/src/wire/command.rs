//! Everything that can be asked of the daemon, and how it is written and read as a JSON line.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::event::{EventType, LogLevel, PublishKey, SubscriberId};
use super::limits::{MAX_PAGE_ROWS, MAX_TOPICS_A_PUBLISH};
use super::reply::{ErrorCode, Failure};
use super::text::{readable, text_of};
use super::topic::TopicPattern;

/// One command.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Send an event.
    Publish(Publish),
    /// Report settings, figures and counters.
    Status,
    /// List connections.
    Clients(ClientsQuery),
    /// List what is subscribed to.
    Topics(TopicsQuery),
    /// Count subscribers: all, or those that a publish to this topic would reach.
    Count(Option<TopicPattern>),
    /// Count those that subscribed to exactly this name, prefix subscriptions left out (classic's `subscribedclients`).
    CountExactly(TopicPattern),
    /// End connections.
    Disconnect(Disconnect),
    /// Set the log level, or ask for it.
    LogLevel(Option<LogLevel>),
    /// Switch re-init, or ask for it.
    Reinit(Option<bool>),
    /// Ask for the id of the newest event.
    Position,
    /// Ask whether the daemon is there.
    Ping,
}

/// An event to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Publish {
    /// Where to.
    pub topics: Topics,
    /// The text; every line of it (ended by CR, LF or CRLF) becomes a `data:` line.
    pub data: String,
    /// The event's type; without it the page's `onmessage` gets the event.
    pub event: Option<EventType>,
    /// The publisher's own key for safe retries.
    pub key: Option<PublishKey>,
    /// Not to subscribers with this id.
    pub except: Option<SubscriberId>,
    /// Milliseconds that a browser shall wait before it reconnects from now on.
    pub retry: Option<u64>,
}

/// One topic or several, never none.
#[derive(Clone, Debug, PartialEq)]
pub struct Topics {
    first: TopicPattern,
    rest: Vec<TopicPattern>,
}

/// Which connections `clients` lists.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClientsQuery {
    /// Only those that a publish to this topic would reach.
    pub topic: Option<TopicPattern>,
    /// At most so many.
    pub limit: Option<usize>,
    /// Only those with a greater number.
    pub after: Option<u64>,
}

/// Which topics `topics` lists.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicsQuery {
    /// Only those that begin so.
    pub prefix: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
    /// Only those behind this name.
    pub after: Option<String>,
}

/// Which connections `disconnect` ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Disconnect {
    /// The one with this number, from `clients`.
    Client(u64),
    /// All that gave themselves this id.
    Id(SubscriberId),
}

impl Publish {
    /// An event of only topic and data.
    #[must_use]
    pub fn new(topics: impl Into<Topics>, data: impl Into<String>) -> Self {
        Self { topics: topics.into(), data: data.into(), event: None, key: None, except: None, retry: None }
    }
}

impl Topics {
    /// Several topics.
    ///
    /// # Errors
    /// [`ErrorCode::BadTopic`] where there is none, or more than [`MAX_TOPICS_A_PUBLISH`].
    pub fn new(topics: impl IntoIterator<Item = TopicPattern>) -> Result<Self, Failure> {
        let mut topics = topics.into_iter();
        let Some(first) = topics.next() else {
            return Err(Failure::new(ErrorCode::BadTopic, "topics is empty"));
        };
        let rest: Vec<_> = topics.collect();
        if rest.len() >= MAX_TOPICS_A_PUBLISH {
            let error = format!("topics are more than {MAX_TOPICS_A_PUBLISH} ({})", rest.len() + 1);
            return Err(Failure::new(ErrorCode::BadTopic, error));
        }
        Ok(Self { first, rest })
    }

    /// The topics in the order given.
    pub fn iter(&self) -> impl Iterator<Item = &TopicPattern> {
        std::iter::once(&self.first).chain(&self.rest)
    }

    /// The topic, where there is only one.
    #[must_use]
    pub fn single(&self) -> Option<&TopicPattern> {
        self.rest.is_empty().then_some(&self.first)
    }
}

impl<T: Into<TopicPattern>> From<T> for Topics {
    fn from(topic: T) -> Self {
        Self { first: topic.into(), rest: Vec::new() }
    }
}

/// Every field that any command has; which of them belong to which command is in [`FIELDS`].
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Line<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    cmd: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topics: Option<Vec<String>>,
    #[serde(borrow, deserialize_with = "raw", skip_serializing_if = "Option::is_none")]
    data: Option<Cow<'a, RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    except: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<After>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
}

/// Takes `null` as a value, where `Option` alone would take it as absence.
fn raw<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'de, RawValue>>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(|raw| Some(Cow::Borrowed(raw)))
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum After {
    Client(u64),
    Topic(String),
}

/// The commands with their fields. A field of another command is an error, as an unknown one is, so that a typo is not dropped.
const FIELDS: &[(&str, &[&str])] = &[
    ("publish", &["topic", "topics", "data", "event", "key", "except", "retry"]),
    ("status", &[]),
    ("clients", &["topic", "limit", "after"]),
    ("topics", &["prefix", "limit", "after"]),
    ("count", &["topic"]),
    ("disconnect", &["client", "id"]),
    ("log-level", &["level"]),
    ("reinit", &["enabled"]),
    ("position", &[]),
    ("ping", &[]),
];

impl Command {
    /// Reads one JSON line, without its line end.
    ///
    /// # Errors
    /// The [`Failure`] to answer with; it says what is wrong and where.
    pub fn read_line(line: &[u8]) -> Result<Self, Failure> {
        let bad_json = |error: String| Failure::new(ErrorCode::BadJson, error);
        let text = std::str::from_utf8(line)
            .map_err(|error| bad_json(format!("the line is not UTF-8 from byte {} on", error.valid_up_to())))?;
        if !text.trim_start().starts_with('{') {
            return Err(bad_json("the line is not a JSON object".into()));
        }
        let line: Line<'_> = serde_json::from_str(text).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => Failure::new(ErrorCode::BadField, readable(error.to_string())),
            _ => bad_json(readable(error.to_string())),
        })?;
        line.into_command()
    }

    /// Appends the command as one JSON line, with its LF.
    ///
    /// [`Command::CountExactly`] exists in classic text only and is written as `count`.
    pub fn write_line(&self, out: &mut Vec<u8>) {
        // Serialising strings, numbers and raw values into a Vec cannot fail.
        let _ = serde_json::to_writer(&mut *out, &Line::from_command(self));
        out.push(b'\n');
    }
}

impl Line<'_> {
    fn into_command(mut self) -> Result<Command, Failure> {
        let Some(name) = self.cmd.take() else {
            return Err(bad_field("cmd is missing"));
        };
        let Some((_, allowed)) = FIELDS.iter().find(|(known, _)| *known == name) else {
            let known: Vec<_> = FIELDS.iter().map(|(known, _)| *known).collect();
            let name = readable(name.into_owned());
            let error = format!("unknown command {name:?} (known: {})", known.join(", "));
            return Err(Failure::new(ErrorCode::UnknownCommand, error));
        };
        if let Some(field) = self.present().find(|field| !allowed.contains(field)) {
            let allowed = if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") };
            return Err(bad_field(format!("{field:?} is no field of {name} (it has: {allowed})")));
        }
        if let Some(limit) = self.limit
            && !(1..=MAX_PAGE_ROWS).contains(&limit)
        {
            return Err(bad_field(format!("limit is not from 1 to {MAX_PAGE_ROWS} ({limit})")));
        }
        let pattern = |topic: Option<String>| topic.map(TopicPattern::new).transpose();
        Ok(match &*name {
            "publish" => Command::Publish(self.into_publish()?),
            "status" => Command::Status,
            "clients" => Command::Clients(ClientsQuery {
                topic: pattern(self.topic)?,
                limit: self.limit,
                after: match self.after {
                    Some(After::Topic(_)) => return Err(bad_field("after must be the number of a client")),
                    Some(After::Client(number)) => Some(number),
                    None => None,
                },
            }),
            "topics" => Command::Topics(TopicsQuery {
                prefix: self.prefix,
                limit: self.limit,
                after: match self.after {
                    Some(After::Client(_)) => return Err(bad_field("after must be the name of a topic")),
                    Some(After::Topic(name)) => Some(name),
                    None => None,
                },
            }),
            "count" => Command::Count(pattern(self.topic)?),
            "disconnect" => Command::Disconnect(match (self.client, self.id) {
                (Some(client), None) => Disconnect::Client(client),
                (None, Some(id)) => Disconnect::Id(SubscriberId::new(id)?),
                _ => return Err(bad_field("disconnect needs either client or id")),
            }),
            "log-level" => Command::LogLevel(self.level.map(|level| level.parse()).transpose()?),
            "reinit" => Command::Reinit(self.enabled),
            "position" => Command::Position,
            _ => Command::Ping,
        })
    }

    fn into_publish(self) -> Result<Publish, Failure> {
        let topics = match (self.topic, self.topics) {
            (Some(topic), None) => TopicPattern::new(topic)?.into(),
            (None, Some(topics)) => {
                let topics: Result<Vec<_>, _> = topics.into_iter().map(TopicPattern::new).collect();
                Topics::new(topics?)?
            }
            (None, None) => return Err(bad_field("topic is missing")),
            (Some(_), Some(_)) => return Err(bad_field("publish takes topic or topics, not both")),
        };
        let Some(data) = self.data else {
            return Err(bad_field("data is missing"));
        };
        Ok(Publish {
            topics,
            data: text_of(&data)?,
            event: self.event.map(EventType::new).transpose()?,
            key: self.key.map(PublishKey::new).transpose()?,
            except: self.except.map(SubscriberId::new).transpose()?,
            retry: self.retry,
        })
    }

    fn present(&self) -> impl Iterator<Item = &'static str> {
        [
            ("topic", self.topic.is_some()),
            ("topics", self.topics.is_some()),
            ("data", self.data.is_some()),
            ("event", self.event.is_some()),
            ("key", self.key.is_some()),
            ("except", self.except.is_some()),
            ("retry", self.retry.is_some()),
            ("limit", self.limit.is_some()),
            ("after", self.after.is_some()),
            ("prefix", self.prefix.is_some()),
            ("client", self.client.is_some()),
            ("id", self.id.is_some()),
            ("level", self.level.is_some()),
            ("enabled", self.enabled.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, present)| present.then_some(name))
    }

    fn from_command(command: &Command) -> Self {
        let named = |cmd: &'static str| Line { cmd: Some(Cow::Borrowed(cmd)), ..Line::default() };
        match command {
            Command::Publish(publish) => Line {
                topic: publish.topics.single().map(ToString::to_string),
                topics: match publish.topics.single() {
                    Some(_) => None,
                    None => Some(publish.topics.iter().map(ToString::to_string).collect()),
                },
                data: serde_json::value::to_raw_value(&publish.data).ok().map(Cow::Owned),
                event: publish.event.as_ref().map(ToString::to_string),
                key: publish.key.as_ref().map(ToString::to_string),
                except: publish.except.as_ref().map(ToString::to_string),
                retry: publish.retry,
                ..named("publish")
            },
            Command::Status => named("status"),
            Command::Clients(query) => Line {
                topic: query.topic.as_ref().map(ToString::to_string),
                limit: query.limit,
                after: query.after.map(After::Client),
                ..named("clients")
            },
            Command::Topics(query) => Line {
                prefix: query.prefix.clone(),
                limit: query.limit,
                after: query.after.clone().map(After::Topic),
                ..named("topics")
            },
            Command::Count(topic) => Line { topic: topic.as_ref().map(ToString::to_string), ..named("count") },
            Command::CountExactly(topic) => Line { topic: Some(topic.to_string()), ..named("count") },
            Command::Disconnect(Disconnect::Client(client)) => Line { client: Some(*client), ..named("disconnect") },
            Command::Disconnect(Disconnect::Id(id)) => Line { id: Some(id.to_string()), ..named("disconnect") },
            Command::LogLevel(level) => Line { level: level.map(|level| level.to_string()), ..named("log-level") },
            Command::Reinit(enabled) => Line { enabled: *enabled, ..named("reinit") },
            Command::Position => named("position"),
            Command::Ping => named("ping"),
        }
    }
}

fn bad_field(error: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::BadField, error)
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
