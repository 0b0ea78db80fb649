use proptest::prelude::*;

use super::*;

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Event>, Parser) {
    let mut parser = Parser::new();
    let mut events = Vec::new();
    for piece in pieces {
        parser.push(piece);
        events.extend(std::iter::from_fn(|| parser.next_event()));
    }
    (events, parser)
}

fn event(event: &str, data: &str, last_event_id: &str) -> Event {
    Event { event: event.into(), data: data.into(), last_event_id: last_event_id.into() }
}

/// Each stream whole, byte by byte, and with the beginning of another event behind it.
#[test]
fn streams_are_read_as_the_standard_has_it() {
    let message = |data: &str| event("message", data, "");
    for (stream, expected) in [
        // The standard's own examples.
        (&b"data: YHOO\ndata: +2\ndata: 10\n\n"[..], vec![message("YHOO\n+2\n10")]),
        (
            b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
            vec![event("message", "first event", "1"), message("second event"), message(" third event")],
        ),
        (b"data\n\ndata\ndata\n\ndata:", vec![message(""), message("\n")]),
        (b"data:test\n\ndata: test\n\n", vec![message("test"), message("test")]),
        // Line ends.
        (b"data: a\rdata: b\r\rdata: c\r\n\r\ndata: d\n\n", vec![message("a\nb"), message("c"), message("d")]),
        (b"data: a\r\n\ndata: b\n\r\n", vec![message("a"), message("b")]),
        (b"data: a\n\rdata: b\r\r\n\n", vec![message("a"), message("b")]),
        (b"\n\n\r\r\n\n", vec![]),
        // Byte order mark: one, and only in front.
        (b"\xef\xbb\xbfdata: a\n\n", vec![message("a")]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n", vec![message("b")]),
        (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", vec![message("a")]),
        (b"\xef\xbb\xbf\n\ndata: a\n\n", vec![message("a")]),
        // Types: the last one counts, and only for its own event.
        (b"event: x\nevent: y\ndata: a\n\ndata: b\n\n", vec![event("y", "a", ""), message("b")]),
        (b"event: x\n\ndata: a\n\n", vec![message("a")]),
        (b"event:\ndata: a\n\nevent\ndata: b\n\n", vec![message("a"), message("b")]),
        // Ids last, an empty one resets, one with NUL is ignored, one without data counts.
        (b"id: 1\ndata: a\n\ndata: b\n\n", vec![event("message", "a", "1"), event("message", "b", "1")]),
        (b"id: 1\n\ndata: b\n\n", vec![event("message", "b", "1")]),
        (b"id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n", vec![event("message", "a", "1"), event("message", "b", "1")]),
        (b"id: 1\ndata: a\n\nid:\ndata: b\n\n", vec![event("message", "a", "1"), message("b")]),
        (b"id:  1 \ndata: a\n\n", vec![event("message", "a", " 1 ")]),
        // Fields that are none, and names in the wrong case.
        (b"Data: a\n data: b\ndata : c\nfoo: d\nfoo\n\n", vec![]),
        (b"data: a:b: c\n\n", vec![message("a:b: c")]),
        (b":data: a\n:\n::\ndata: b\n\n", vec![message("b")]),
        // NUL in data stays; what is not UTF-8 becomes U+FFFD.
        (b"data: \0\n\n", vec![message("\0")]),
        (b"data: \xff\xe2\x82\n\ndata: \xe2\x82\xac\n\n", vec![message("\u{fffd}\u{fffd}"), message("€")]),
        // What the end of the stream cuts off is no event.
        (b"data: a\n\ndata: b\n", vec![message("a")]),
        (b"data: a\n\ndata: b", vec![message("a")]),
    ] {
        let shown = String::from_utf8_lossy(stream);
        assert_eq!(read([stream]).0, expected, "{shown:?} whole");
        assert_eq!(read(stream.chunks(1)).0, expected, "{shown:?} byte by byte");
        let trailing = [stream, b"\ndata: x".as_slice()].concat();
        assert_eq!(read([trailing.as_slice()]).0[..expected.len()], expected, "{shown:?} with trailing bytes");
    }
}

#[test]
fn retry_takes_digits_only() {
    for (stream, expected) in [
        (&b"retry: 2500\n"[..], Some(2500)),
        (b"retry:0\n", Some(0)),
        (b"retry: 1000\nretry: 2000\n", Some(2000)),
        (b"retry: 1000\nretry: 2000x\n", Some(1000)),
        (b"retry: 1000\nretry\n", Some(1000)),
        (b"retry: 1000\nretry: \n", Some(1000)),
        (b"retry: -1\n", None),
        (b"retry: +1\n", None),
        (b"retry:  1\n", None),
        (b"retry: 1.5\n", None),
        ("retry: \u{663}\n".as_bytes(), None),
        (b"retry: 99999999999999999999999999\n", Some(u64::MAX)),
        (b"retry: 10", None),
    ] {
        let (events, parser) = read([stream]);
        assert_eq!(parser.retry(), expected.map(Duration::from_millis), "{:?}", String::from_utf8_lossy(stream));
        assert!(events.is_empty());
    }
}

#[test]
fn a_resumed_stream_keeps_the_last_event_id() {
    let mut parser = Parser::resuming("7-0");
    parser.push(b": hello\n\ndata: a\n\nid: 8-0\n\n");
    assert_eq!(parser.next_event(), Some(event("message", "a", "7-0")));
    assert_eq!((parser.next_event(), parser.last_event_id(), parser.comments()), (None, "8-0", 1));
}

#[test]
fn nothing_is_held_for_what_has_been_read() {
    let mut parser = Parser::new();
    for _ in 0..1000 {
        parser.push(b"data: 0123456789\n\n");
        assert!(parser.next_event().is_some());
        assert_eq!(parser.held_bytes(), 0);
    }
    parser.push(b"data: 01");
    assert!(parser.next_event().is_none());
    assert_eq!(parser.held_bytes(), 8);
}

/// The lines of a stream, for a reader that knows nothing of pieces: the standard's rules applied to the whole text at once.
fn by_the_book(stream: &[u8]) -> Vec<Event> {
    let text = String::from_utf8_lossy(stream).replace("\r\n", "\n").replace('\r', "\n");
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let (mut events, mut data, mut kind, mut id) = (Vec::new(), Vec::new(), "", "");
    let complete = text.rfind('\n').map_or("", |end| &text[..end]);
    for line in complete.split('\n').take(if text.contains('\n') { usize::MAX } else { 0 }) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match (line, name) {
            ("", _) => {
                let kind = std::mem::take(&mut kind);
                let lines: Vec<&str> = std::mem::take(&mut data);
                if !lines.is_empty() {
                    events.push(event(if kind.is_empty() { "message" } else { kind }, &lines.join("\n"), id));
                }
            }
            (_, "data") => data.push(value),
            (_, "event") => kind = value,
            (_, "id") if !value.contains('\0') => id = value,
            _ => {}
        }
    }
    events
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => prop::sample::select(vec!["\n", "\r", "\r\n", "\n\n"]).prop_map(|text| text.as_bytes().to_vec()),
        3 => prop::sample::select(vec!["data", "data:", "data: ", "id: ", "event: ", "retry: 1", ":", "id", "\u{feff}"])
            .prop_map(|text| text.as_bytes().to_vec()),
        2 => "[a-z: \u{0}\u{20ac}]{0,4}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_stream_in_any_pieces_gives_the_same_events(stream in stream(), cuts in prop::collection::vec(1_usize..9, 1..40)) {
        let expected = by_the_book(&stream);
        let mut rest = stream.as_slice();
        let mut pieces = Vec::new();
        for cut in cuts.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, tail) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = tail;
        }
        prop_assert_eq!(read(pieces).0, expected);
    }
}
