//! An event stream: however its bytes are cut, the same events come out, and nothing of one leaks into another.
//!
//! The first byte of the input says how the rest is cut.

#![no_main]

use hasses_client::sse::{Event, Parser};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&width, stream)) = input.split_first() else { return };
    let whole = events(stream, stream.len().max(1));
    assert_eq!(events(stream, usize::from(width) + 1), whole, "cut every {} bytes", usize::from(width) + 1);
    assert_eq!(events(stream, 1), whole, "byte by byte");
    for event in &whole {
        assert!(!event.event.is_empty() && !event.event.contains(['\r', '\n']), "{event:?}");
        assert!(!event.last_event_id.contains(['\r', '\n', '\0']), "{event:?}");
        assert!(!event.data.contains('\r'), "{event:?}");
    }
});

fn events(stream: &[u8], width: usize) -> Vec<Event> {
    let mut parser = Parser::new();
    let mut events = Vec::new();
    for piece in stream.chunks(width) {
        parser.push(piece);
        events.extend(std::iter::from_fn(|| parser.next_event()));
    }
    events
}
