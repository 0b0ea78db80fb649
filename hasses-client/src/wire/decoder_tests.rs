use proptest::prelude::*;

use super::super::command::Publish;
use super::super::topic::TopicPattern;
use super::*;

const MAX: usize = 64;

fn framing() -> Framing {
    Framing { delimiter: Delimiter::Default, max_message: MAX, form: None, shared: false }
}

/// What comes out of `stream` when it arrives in `pieces` and then ends.
fn frames<'a>(framing: Framing, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Frame> {
    let mut decoder = Decoder::new(framing);
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        frames.extend(std::iter::from_fn(|| decoder.next_frame()));
    }
    frames.extend(decoder.finish());
    frames
}

fn said(frame: &Frame) -> String {
    match &frame.command {
        Ok(Command::Publish(Publish { topics, data, .. })) => format!("{}={data}", topics.single().unwrap()),
        Ok(other) => format!("{other:?}"),
        Err(failure) => failure.code.as_str().to_owned(),
    }
}

/// Every case whole, byte by byte, and with the next message behind it.
fn check(framing: Framing, stream: &[u8], expected: &[&str]) {
    let whole: Vec<_> = frames(framing, [stream]).iter().map(said).collect();
    assert_eq!(whole, expected, "{:?}", String::from_utf8_lossy(stream));
    assert_eq!(frames(framing, stream.chunks(1)).iter().map(said).collect::<Vec<_>>(), expected);
    if stream.ends_with(b"\n") {
        let trailing = [stream, b"{\"cmd\":\"pi".as_slice()].concat();
        let with_trailing: Vec<_> = frames(framing, [trailing.as_slice()]).iter().map(said).collect();
        assert_eq!(with_trailing[..expected.len()], *expected);
        assert_eq!(with_trailing.len(), expected.len() + 1, "the cut message at the end is refused");
    }
}

#[test]
fn classic_text_is_cut_at_the_delimiter_and_at_newlines() {
    for (stream, expected) in [
        (&b"a=1"[..], &["a=1"][..]),
        (b"a=1\n", &["a=1"]),
        (b"a=1\r\n", &["a=1"]),
        (b"a=1;b=2", &["a=1", "b=2"]),
        (b"a=1;\nb=2\n\n;;c=3;", &["a=1", "b=2", "c=3"]),
        (b"", &[]),
        (b"\n", &[]),
        (b"nonsense\na=1\n", &["unknown_command", "a=1"]),
        (b"a={\"x\":1}\n{\"cmd\":\"ping\"}\n", &["a={\"x\":1}", "unknown_command"]),
        (b"status\n", &["Status"]),
    ] {
        check(framing(), stream, expected);
    }
}

#[test]
fn an_explicit_delimiter_alone_ends_messages() {
    let framing = Framing { delimiter: Delimiter::Explicit(b'|'), ..framing() };
    for (stream, expected) in
        [(&b"a=1;2\n3|b=2|"[..], &["a=1;2\n3", "b=2"][..]), (b"a=1|\nb=2|\n", &["a=1", "b=2"]), (b"a=1", &["a=1"])]
    {
        let whole: Vec<_> = frames(framing, [stream]).iter().map(said).collect();
        assert_eq!(whole, expected);
        assert_eq!(frames(framing, stream.chunks(1)).iter().map(said).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn a_first_brace_makes_it_json_for_good() {
    check(framing(), b"{\"cmd\":\"ping\"}\r\na=1\n{\"cmd\":\"status\"}\n", &["Ping", "bad_json", "Status"]);
    check(framing(), b"{\"cmd\":\"ping\"}", &["Ping"]);
    check(framing(), b"{\"cmd\":\"ping\"}\n\n", &["Ping", "bad_json"]);
    let forced = Framing { form: Some(Form::Classic), ..framing() };
    assert_eq!(
        frames(forced, [&b"{\"cmd\":\"ping\"}\n"[..]]).iter().map(said).collect::<Vec<_>>(),
        ["unknown_command"]
    );
}

#[test]
fn what_is_too_long_is_refused_alone_and_exactly() {
    let fits = format!("a={}", "x".repeat(MAX - 2));
    let over = format!("a={}", "x".repeat(MAX - 1));
    for end in ["\n", ";", "\r\n"] {
        check_all(&format!("b=1\n{fits}{end}c=2\n"), &["b=1", &fits, "c=2"]);
        check_all(&format!("b=1\n{over}{end}c=2\n"), &["b=1", "too_large", "c=2"]);
    }
    let flood = format!("b=1\na={};c=2", "x".repeat(100 * MAX));
    check_all(&flood, &["b=1", "too_large", "c=2"]);
    let json = format!("{{\"cmd\":\"ping\"}}\n{{\"x\":\"{}\"}}\n{{\"cmd\":\"ping\"}}\n", "x".repeat(10 * MAX));
    check_all(&json, &["Ping", "too_large", "Ping"]);
}

#[test]
fn near_the_limit_it_makes_no_difference_how_the_reads_fall() {
    let framing = Framing { delimiter: Delimiter::Explicit(b'|'), max_message: 5, ..framing() };
    let stream = b"\r\n\x141\n\x141|";
    let whole: Vec<_> = frames(framing, [&stream[..]]).iter().map(said).collect();
    let split: Vec<_> = frames(framing, stream.chunks(1)).iter().map(said).collect();
    assert_eq!(whole, split);
}

fn check_all(stream: &str, expected: &[&str]) {
    for size in [1, 7, stream.len()] {
        let found: Vec<_> = frames(framing(), stream.as_bytes().chunks(size)).iter().map(said).collect();
        assert_eq!(found, expected, "in pieces of {size}");
    }
}

#[test]
fn a_message_too_long_is_not_kept() {
    let mut decoder = Decoder::new(framing());
    decoder.push(b"a=");
    for _ in 0..1000 {
        decoder.push(&[b'x'; 100]);
        while decoder.next_frame().is_some() {}
        assert!(decoder.held_bytes() <= MAX + 1);
    }
}

#[test]
fn a_quiet_time_ends_a_message_until_a_terminator_was_used() {
    let mut decoder = Decoder::new(framing());
    decoder.push(b"a=1");
    assert!(decoder.next_frame().is_none() && decoder.awaits_quiet());
    assert_eq!(said(&decoder.quiet().unwrap()), "a=1");
    assert!(!decoder.awaits_quiet() && decoder.quiet().is_none());
    decoder.push(b"b=2\nc=");
    assert_eq!(said(&decoder.next_frame().unwrap()), "b=2");
    assert!(decoder.next_frame().is_none() && !decoder.awaits_quiet() && decoder.quiet().is_none());
    decoder.push(b"3\n");
    assert_eq!(said(&decoder.next_frame().unwrap()), "c=3");
}

#[test]
fn on_a_shared_stream_a_quiet_time_always_ends_a_message() {
    let mut decoder = Decoder::new(Framing { shared: true, form: Some(Form::Classic), ..framing() });
    decoder.push(b"a=1\nb=2");
    assert_eq!(said(&decoder.next_frame().unwrap()), "a=1");
    assert!(decoder.next_frame().is_none());
    assert_eq!(said(&decoder.quiet().unwrap()), "b=2");
}

#[test]
fn a_quiet_time_ends_the_skipping_of_a_message_too_long() {
    let mut decoder = Decoder::new(framing());
    decoder.push(&[b'x'; 200]);
    assert_eq!(said(&decoder.next_frame().unwrap()), "too_large");
    assert!(decoder.awaits_quiet() && decoder.quiet().is_none());
    decoder.push(b"a=1");
    assert!(decoder.next_frame().is_none());
    assert_eq!(said(&decoder.quiet().unwrap()), "a=1");
}

#[test]
fn json_never_ends_by_quiet() {
    let mut decoder = Decoder::new(framing());
    decoder.push(b"{\"cmd\":");
    assert!(decoder.next_frame().is_none() && !decoder.awaits_quiet() && decoder.quiet().is_none());
}

#[test]
fn invalid_utf8_is_replaced_and_said_in_classic_and_refused_in_json() {
    let frame = frames(framing(), [&b"a=\xff1\n"[..]]).remove(0);
    assert!(frame.repaired);
    assert_eq!(said(&frame), "a=\u{fffd}1");
    assert_eq!(said(&frames(framing(), [&b"{\"a\":\"\xff\"}\n"[..]])[0]), "bad_json");
}

proptest! {
    #[test]
    fn where_the_stream_is_split_makes_no_difference(
        stream in prop::collection::vec(prop_oneof![
            Just(b'\n'), Just(b';'), Just(b'='), Just(b'{'), Just(b'\r'), Just(b'*'), Just(b'-'), any::<u8>(), b'a'..=b'c',
        ], 0..300),
        size in 1_usize..40,
        explicit in any::<bool>(),
    ) {
        let delimiter = if explicit { Delimiter::Explicit(b';') } else { Delimiter::Default };
        let framing = Framing { delimiter, ..framing() };
        let whole: Vec<_> = frames(framing, [stream.as_slice()]).iter().map(said).collect();
        let split: Vec<_> = frames(framing, stream.chunks(size)).iter().map(said).collect();
        prop_assert_eq!(whole, split);
    }

    #[test]
    fn any_text_survives_the_json_form(data in any::<String>(), topic in "[^*\\p{Cc}]{1,20}") {
        let command = Command::Publish(Publish::new(TopicPattern::new(topic).unwrap(), data));
        let mut line = Vec::new();
        command.write_line(&mut line);
        let framing = Framing { max_message: 1 << 20, ..framing() };
        let found = frames(framing, [line.as_slice()]);
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(found[0].command.as_ref(), Ok(&command));
    }
}
