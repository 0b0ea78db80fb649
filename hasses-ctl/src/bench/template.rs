//! Text with places for a topic and a message. No I/O.

use std::io::Write as _;

use super::message::Shape;

/// A text that is written once for each message.
#[derive(Clone, Debug)]
pub(super) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Topic,
    Message,
}

/// The place of the topic.
pub(super) const TOPIC: &str = "{topic}";
/// The place of the message.
pub(super) const MESSAGE: &str = "{message}";

impl Template {
    /// Finds the places in a text.
    pub(super) fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        for (nth, outer) in text.split(MESSAGE).enumerate() {
            if nth > 0 {
                parts.push(Part::Message);
            }
            for (nth, inner) in outer.split(TOPIC).enumerate() {
                if nth > 0 {
                    parts.push(Part::Topic);
                }
                parts.push(Part::Text(inner.to_owned()));
            }
        }
        Self { parts }
    }

    /// Whether it has a place for the message.
    pub(super) fn has_message(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Message))
    }

    /// Its length with this topic and one of its messages.
    pub(super) fn length(&self, shape: &Shape, topic: u32) -> usize {
        let topic = shape.name(topic).to_string().len();
        let lengths = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.len(),
            Part::Topic => topic,
            Part::Message => shape.size(),
        });
        lengths.sum()
    }

    /// Appends it with this message; gives where that begins, once for each place.
    pub(super) fn write(&self, shape: &Shape, topic: u32, number: u32, out: &mut Vec<u8>, places: &mut Vec<usize>) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Topic => write_name(shape, topic, out),
                Part::Message => {
                    places.push(out.len());
                    shape.write(topic, number, out);
                }
            }
        }
    }
}

/// Appends the name of a topic.
pub(super) fn write_name(shape: &Shape, topic: u32, out: &mut Vec<u8>) {
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{}", shape.name(topic));
}

#[cfg(test)]
mod tests {
    use super::super::names::Names;
    use super::*;

    #[test]
    fn topic_and_message_are_put_in_their_places() {
        let shape = Shape::new(16, Names::default());
        let mut message = Vec::new();
        shape.write(7, 3, &mut message);
        let message = String::from_utf8(message).unwrap();
        for (text, expected, places) in [
            ("{message}", message.clone(), vec![0]),
            ("topic={topic}&data={message}", format!("topic=bench_7&data={message}"), vec![19]),
            ("{topic}{topic}", "bench_7bench_7".to_owned(), vec![]),
            ("plain", "plain".to_owned(), vec![]),
            ("[{message},{message}]", format!("[{message},{message}]"), vec![1, 18]),
        ] {
            let (mut out, mut found) = (Vec::new(), Vec::new());
            let template = Template::new(text);
            template.write(&shape, 7, 3, &mut out, &mut found);
            assert_eq!((String::from_utf8(out).unwrap(), found), (expected.clone(), places), "{text}");
            assert_eq!(template.length(&shape, 7), expected.len());
            assert_eq!(template.has_message(), text.contains(MESSAGE));
        }
    }
}
