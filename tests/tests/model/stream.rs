//! A response as a browser reads it: the head, the chunks, the events; strict in what the daemon promises beyond the standards.

use hasses_client::sse::{Event, Parser};

#[derive(Debug)]
pub(crate) struct Response {
    bytes: Vec<u8>,
    state: State,
    parser: Parser,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    /// Chunks; whether there was one.
    Chunked(bool),
    Plain,
    /// The last chunk has come.
    Over,
}

impl Response {
    /// A response to a request with this last event id.
    pub(crate) fn new(last_event_id: &str) -> Self {
        Self { bytes: Vec::new(), state: State::Head, parser: Parser::resuming(last_event_id) }
    }

    /// Takes bytes as they came; gives the events that are complete.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Vec<Event> {
        self.bytes.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(taken) = self.next(at) {
            at += taken;
        }
        self.bytes.drain(..at);
        std::iter::from_fn(|| self.parser.next_event()).collect()
    }

    /// The id to come back with.
    pub(crate) fn last_event_id(&self) -> &str {
        self.parser.last_event_id()
    }

    /// Whether the daemon has ended the stream properly.
    pub(crate) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Takes what stands at `at`, where it is whole; gives its length.
    fn next(&mut self, at: usize) -> Option<usize> {
        let rest = &self.bytes[at..];
        match self.state {
            State::Head => {
                let end = rest.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
                let head = std::str::from_utf8(&rest[..end]).expect("a head is text");
                assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
                assert!(head.contains("\r\nContent-Type: text/event-stream; charset=utf-8\r\n"), "{head}");
                let chunked = head.contains("\r\nTransfer-Encoding: chunked\r\n");
                self.state = if chunked { State::Chunked(false) } else { State::Plain };
                Some(end)
            }
            State::Chunked(begun) => {
                let line = rest.windows(2).position(|window| window == b"\r\n")?;
                let size =
                    std::str::from_utf8(&rest[..line]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
                let size = size.unwrap_or_else(|| panic!("no chunk begins with {:?}", String::from_utf8_lossy(rest)));
                let chunk = rest.get(line + 2..line + 2 + size + 2)?;
                let (body, end) = chunk.split_at(size);
                assert_eq!(end, b"\r\n", "the chunk {:?} does not end", String::from_utf8_lossy(body));
                if size == 0 {
                    self.state = State::Over;
                } else {
                    check_chunk(body, begun);
                    self.state = State::Chunked(true);
                    self.parser.push(body);
                }
                Some(line + 2 + size + 2)
            }
            State::Plain if rest.is_empty() => None,
            State::Plain => {
                self.parser.push(rest);
                Some(rest.len())
            }
            State::Over => {
                assert!(rest.is_empty(), "behind the last chunk: {:?}", String::from_utf8_lossy(rest));
                None
            }
        }
    }
}

/// A chunk is one event, or one comment; a stream that stays begins with a comment.
fn check_chunk(body: &[u8], begun: bool) {
    let text = String::from_utf8_lossy(body);
    let is_event = text.find("\n\n") == Some(text.len() - 2);
    assert!(text == ":\n" || (is_event && (begun || text.starts_with("retry: "))), "the chunk {text:?}");
}
