//! An event as a publisher writes it down.

use std::time::Duration;

use crate::error::Error;
use crate::wire::{ErrorCode, EventType, Failure, Publish, PublishKey, SubscriberId, TopicPattern, Topics};

/// An event to be published, with everything that can be said about it.
///
/// Nothing is checked before it is sent: [`Client::send`](crate::Client::send) then answers [`Error::Invalid`].
///
/// ```
/// use std::time::Duration;
/// use hasses_client::Message;
///
/// let message = Message::new("orders/17", r#"{"state":"paid"}"#)
///     .topics(["dashboard", "audit*"])
///     .event("order")
///     .except("browser-4711")
///     .retry(Duration::from_secs(2));
/// # let _ = message;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a message does nothing until it is sent"]
pub struct Message {
    topics: Vec<String>,
    data: String,
    event: Option<String>,
    key: Option<String>,
    except: Option<String>,
    retry: Option<Duration>,
}

impl Message {
    /// `data` to every subscriber of `topic`. A topic that ends in `*` reaches all that begin so; `*` alone, everybody.
    ///
    /// Every line of the data becomes one `data:` line of the event; a page gets the text back as it was, its line ends
    /// as LF.
    pub fn new(topic: impl Into<String>, data: impl Into<String>) -> Self {
        Self { topics: vec![topic.into()], data: data.into(), event: None, key: None, except: None, retry: None }
    }

    /// To these topics as well. Who subscribed to several of them gets the event once.
    pub fn topics(mut self, topics: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.topics.extend(topics.into_iter().map(Into::into));
        self
    }

    /// The event's type: a page listens for it with `addEventListener`. Without one `onmessage` gets the event.
    pub fn event(mut self, event: impl Into<String>) -> Self {
        self.event = Some(event.into());
        self
    }

    /// Not to subscribers with this id: usually the browser that caused the event.
    pub fn except(mut self, id: impl Into<String>) -> Self {
        self.except = Some(id.into());
        self
    }

    /// How long a browser that gets this event shall from now on wait before it reconnects. Whole milliseconds count.
    pub fn retry(mut self, time: Duration) -> Self {
        self.retry = Some(time);
        self
    }

    /// A key of the program's own: as long as the daemon's event log holds an event with this key it takes in no other one, and
    /// answers with that one's id. With a key that the program can name again (the number of an order, say) a publish can be
    /// made again by another process or on another day; for what is made again within a call's time the client
    /// [sees to keys itself](crate::Delivery). A daemon that takes no keys answers [`ErrorCode::Unsupported`].
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    pub(crate) fn into_publish(self) -> Result<Publish, Error> {
        self.check().map_err(Error::Invalid)
    }

    fn check(mut self) -> Result<Publish, Failure> {
        let topics = match self.topics.len() {
            1 => TopicPattern::new(self.topics.remove(0))?.into(),
            _ => Topics::new(self.topics.into_iter().map(TopicPattern::new).collect::<Result<Vec<_>, _>>()?)?,
        };
        Ok(Publish {
            topics,
            data: self.data,
            event: self.event.map(EventType::new).transpose()?,
            key: self.key.map(PublishKey::new).transpose()?,
            except: self.except.map(SubscriberId::new).transpose()?,
            retry: self.retry.map(milliseconds).transpose()?,
        })
    }
}

fn milliseconds(time: Duration) -> Result<u64, Failure> {
    u64::try_from(time.as_millis())
        .map_err(|_| Failure::new(ErrorCode::BadField, format!("retry is longer than {} ms ({time:?})", u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_said_about_a_message_is_in_the_publish() {
        let publish = Message::new("a", "x\ny")
            .topics(["b", "c*"])
            .event("tick")
            .except("me")
            .retry(Duration::from_micros(2500))
            .key("k")
            .into_publish()
            .unwrap();
        assert_eq!(publish.topics.iter().map(ToString::to_string).collect::<Vec<_>>(), ["a", "b", "c*"]);
        assert_eq!(publish.data, "x\ny");
        assert_eq!(publish.event, Some(EventType::new("tick").unwrap()));
        assert_eq!(publish.except, Some(SubscriberId::new("me").unwrap()));
        assert_eq!(publish.key, Some(PublishKey::new("k").unwrap()));
        assert_eq!(publish.retry, Some(2));
    }

    #[test]
    fn what_cannot_be_published_is_refused_here() {
        for (message, code, part) in [
            (Message::new("", "x"), ErrorCode::BadTopic, "topic is empty"),
            (Message::new("a*b", "x"), ErrorCode::BadTopic, "'*' is allowed only at the end"),
            (Message::new("a", "x").topics(["b\n"]), ErrorCode::BadTopic, "control characters"),
            (Message::new("a", "x").topics((0..1024).map(|n| n.to_string())), ErrorCode::BadTopic, "1024 (1025)"),
            (Message::new("a", "x").event("a\rdata: y"), ErrorCode::BadField, "event holds"),
            (Message::new("a", "x").except("e".repeat(62)), ErrorCode::BadField, "61 bytes (62)"),
            (Message::new("a", "x").key(""), ErrorCode::BadField, "key is empty"),
            (Message::new("a", "x").retry(Duration::MAX), ErrorCode::BadField, "retry is longer"),
        ] {
            let Err(Error::Invalid(failure)) = message.into_publish() else { panic!("{part}") };
            assert_eq!(failure.code, code, "{part}");
            assert!(failure.error.contains(part), "{part}: {}", failure.error);
        }
    }
}
