//! An event as bytes: rendered once, shared by every subscriber.
//!
//! The form is that of the WHATWG HTML standard, 9.2.5 "Parsing an event stream"; one event is exactly one HTTP/1.1 chunk
//! (RFC 9112, 7.1), since some clients read chunk frames.

use std::io::Write as _;
use std::sync::Arc;

use hasses_client::wire::{EventId, Publish};

/// Bytes for a subscriber: an event, a comment or the end of a stream, framed as a chunk.
#[derive(Clone, Debug)]
pub struct Rendered(Arc<[u8]>);

/// How the body of a response is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// HTTP/1.1: `Transfer-Encoding: chunked`.
    Chunked,
    /// HTTP/1.0: the bytes as they are, up to the end of the connection.
    Plain,
}

/// What became of a last event id that a subscriber came back with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is missing.
    Resumed {
        /// Events that it missed, and gets now.
        replayed: u64,
    },
    /// Something may be missing: retention has passed its id.
    Gap {
        /// The oldest event that the log still has.
        oldest: EventId,
        /// Events that it gets now.
        replayed: u64,
    },
    /// The id is not of this log; it begins anew.
    Reset,
}

/// The chunk that ends a chunked body.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

impl Rendered {
    /// An event. `scratch` is reused between calls.
    #[must_use]
    pub fn event(id: EventId, publish: &Publish, scratch: &mut Vec<u8>) -> Self {
        Self::chunk(scratch, |body| {
            body.extend_from_slice(b"id: ");
            id.write(body);
            body.push(b'\n');
            // Writing to a Vec cannot fail.
            if let Some(event) = &publish.event {
                let _ = writeln!(body, "event: {event}");
            }
            if let Some(retry) = publish.retry {
                let _ = writeln!(body, "retry: {retry}");
            }
            for line in lines(&publish.data) {
                body.extend_from_slice(b"data: ");
                body.extend_from_slice(line.as_bytes());
                body.push(b'\n');
            }
            body.push(b'\n');
        })
    }

    /// A comment line. One LF only: some clients hand an empty message to the program at every empty line.
    #[must_use]
    pub fn comment() -> Self {
        Self::chunk(&mut Vec::new(), |body| body.extend_from_slice(b":\n"))
    }

    /// Only a reconnection time, for streams that end at once.
    #[must_use]
    pub fn retry(millis: u128) -> Self {
        Self::chunk(&mut Vec::new(), |body| {
            let _ = write!(body, "retry: {millis}\n\n");
        })
    }

    /// Where a subscriber stands: sets the browser's last event id, and reaches no `onmessage`. (A block of only `id:` would do
    /// in Chromium, but Firefox forgets an id whose event has no data.)
    #[must_use]
    pub fn cursor(id: EventId) -> Self {
        Self::chunk(&mut Vec::new(), |body| {
            let _ = write!(body, "event: hasses.cursor\nid: {id}\ndata: {{}}\n\n");
        })
    }

    /// What became of a last event id. It says the reconnection time as well, since the end of the stream before may have said
    /// a longer one.
    #[must_use]
    pub fn verdict(verdict: Verdict, retry_millis: u128) -> Self {
        Self::chunk(&mut Vec::new(), |body| {
            let _ = write!(body, "event: hasses.resume\nretry: {retry_millis}\ndata: ");
            let _ = match verdict {
                Verdict::Resumed { replayed } => write!(body, "{{\"status\":\"resumed\",\"replayed\":{replayed}}}"),
                Verdict::Gap { oldest, replayed } => {
                    write!(body, "{{\"status\":\"gap\",\"oldest\":\"{oldest}\",\"replayed\":{replayed}}}")
                }
                Verdict::Reset => write!(body, "{{\"status\":\"reset\"}}"),
            };
            body.extend_from_slice(b"\n\n");
        })
    }

    /// The id of the event that it is; `None` where it is none.
    #[must_use]
    pub fn id(&self) -> Option<EventId> {
        Self::id_of(&self.0)
    }

    /// The id of the event that these bytes, or the bytes of a chunk, are; `None` where they are none.
    #[must_use]
    pub fn id_of(chunk: &[u8]) -> Option<EventId> {
        let line = chunk.split(|&byte| byte == b'\n').nth(1)?;
        str::from_utf8(line.strip_prefix(b"id: ")?).ok()?.parse().ok()
    }

    fn chunk(scratch: &mut Vec<u8>, write_body: impl FnOnce(&mut Vec<u8>)) -> Self {
        // The size stands before the body but is known after it: leave room for all digits that it may have, and CRLF.
        const ROOM: usize = 2 * size_of::<usize>() + 2;
        scratch.clear();
        scratch.resize(ROOM - 2, b'0');
        scratch.extend_from_slice(b"\r\n");
        write_body(scratch);
        let mut size = scratch.len() - ROOM;
        let mut start = ROOM - 2;
        while size > 0 {
            start -= 1;
            scratch[start] = b"0123456789abcdef"[size % 16];
            size /= 16;
        }
        scratch.extend_from_slice(b"\r\n");
        Self(Arc::from(&scratch[start..]))
    }

    /// The shared bytes, and the part of them that goes out under this framing.
    #[must_use]
    pub fn framed(&self, framing: Framing) -> (Arc<[u8]>, std::ops::Range<usize>) {
        let (_, range) = self.as_framed(framing);
        (self.0.clone(), range)
    }

    /// As [`framed`](Self::framed), for use on the spot.
    #[must_use]
    pub fn as_framed(&self, framing: Framing) -> (&[u8], std::ops::Range<usize>) {
        let range = match framing {
            Framing::Chunked => 0..self.0.len(),
            Framing::Plain => {
                // The size line ends at the first LF; the body is followed by CRLF.
                let start = self.0.iter().position(|&byte| byte == b'\n').map_or(0, |at| at + 1);
                start..self.0.len() - 2
            }
        };
        (&self.0, range)
    }

    /// Size in bytes, chunk framing included.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a rendered event is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// The lines of a message. CR, LF and CRLF all end a line for a browser (WHATWG HTML 9.2.5), so all must split here, or a
/// message could carry a field of its own into the stream.
fn lines(data: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(data);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = memchr::memchr2(b'\r', b'\n', text.as_bytes()) else {
            rest = None;
            return Some(text);
        };
        let width = if text[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = Some(&text[end + width..]);
        Some(&text[..end])
    })
}

#[cfg(test)]
mod tests {
    use hasses_client::wire::{EventType, TopicPattern};

    use super::*;

    fn render(publish: &Publish) -> String {
        let rendered = Rendered::event(EventId { millis: 17, sequence: 4 }, publish, &mut Vec::new());
        let (bytes, range) = rendered.framed(Framing::Chunked);
        assert_eq!(range, 0..rendered.len());
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let (size, rest) = text.split_once("\r\n").unwrap();
        let body = rest.strip_suffix("\r\n").unwrap();
        assert_eq!(usize::from_str_radix(size, 16).unwrap(), body.len());
        let (bytes, range) = rendered.framed(Framing::Plain);
        assert_eq!(&bytes[range], body.as_bytes());
        body.to_owned()
    }

    fn publish(data: &str) -> Publish {
        Publish::new(TopicPattern::new("t").unwrap(), data)
    }

    #[test]
    fn every_kind_of_line_end_splits_the_data() {
        for (data, expected) in [
            ("hi", "data: hi\n"),
            ("", "data: \n"),
            ("a\nb", "data: a\ndata: b\n"),
            ("a\rb", "data: a\ndata: b\n"),
            ("a\r\nb", "data: a\ndata: b\n"),
            ("a\n\rb", "data: a\ndata: \ndata: b\n"),
            ("a\n", "data: a\ndata: \n"),
            ("\r\rid: 9", "data: \ndata: \ndata: id: 9\n"),
            ("übung 🎉", "data: übung 🎉\n"),
        ] {
            assert_eq!(render(&publish(data)), format!("id: 17-4\n{expected}\n"), "{data:?}");
        }
    }

    #[test]
    fn fields_come_in_their_order() {
        let publish = Publish { event: Some(EventType::new("tick").unwrap()), retry: Some(2500), ..publish("x") };
        assert_eq!(render(&publish), "id: 17-4\nevent: tick\nretry: 2500\ndata: x\n\n");
    }

    #[test]
    fn notices_are_named_events_and_only_the_cursor_has_an_id() {
        let id = EventId { millis: 17, sequence: 4 };
        let body = |rendered: Rendered| {
            let (bytes, range) = rendered.framed(Framing::Plain);
            String::from_utf8(bytes[range].to_vec()).unwrap()
        };
        assert_eq!(body(Rendered::cursor(id)), "event: hasses.cursor\nid: 17-4\ndata: {}\n\n");
        for (verdict, data) in [
            (Verdict::Resumed { replayed: 12 }, r#"{"status":"resumed","replayed":12}"#),
            (Verdict::Gap { oldest: id, replayed: 7 }, r#"{"status":"gap","oldest":"17-4","replayed":7}"#),
            (Verdict::Reset, r#"{"status":"reset"}"#),
        ] {
            let expected = format!("event: hasses.resume\nretry: 5000\ndata: {data}\n\n");
            assert_eq!(body(Rendered::verdict(verdict, 5000)), expected);
        }
    }

    #[test]
    fn the_id_of_an_event_is_found_in_its_bytes() {
        let id = EventId { millis: 17, sequence: 4 };
        let event = Rendered::event(id, &publish("id: 9-9\nx"), &mut Vec::new());
        assert_eq!(Rendered::id_of(&event.0), Some(id));
        for other in [Rendered::comment(), Rendered::cursor(id), Rendered::retry(7)] {
            assert_eq!(Rendered::id_of(&other.0), None, "{other:?}");
        }
    }

    #[test]
    fn a_long_event_is_framed_right() {
        assert_eq!(render(&publish(&"x".repeat(1 << 20))).len(), (1 << 20) + 17);
    }
}
