//! The control decoder: however a stream is cut into reads, the same frames come out; what was read can be written and
//! read again.
//!
//! The input is three bytes of settings, the lengths of the reads, and the stream. No quiet time passes in the compared runs,
//! since a quiet time ends a message on purpose.

#![no_main]

use hasses_client::wire::{Answer, Command, Decoder, Delimiter, ErrorCode, Form, Frame, Framing};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [settings, max_message, reads, rest @ ..] = input else { return };
    let Some((reads, stream)) = rest.split_at_checked(usize::from(reads % 16)) else { return };
    let framing = framing(*settings, *max_message);

    let whole = decode(framing, [stream]);
    assert_eq!(whole, decode(framing, stream.chunks(1)), "byte by byte");
    assert_eq!(whole, decode(framing, Reads { lengths: reads.iter().cycle(), stream }), "in reads of {reads:?}");
    decode_with_quiet_times(framing, stream, reads);

    for (command, _) in &whole {
        let Ok(command) = command else { continue };
        // It exists in classic text only.
        if matches!(command, Command::CountExactly(_)) {
            continue;
        }
        let mut line = Vec::new();
        command.write_line(&mut line);
        let text = line.strip_suffix(b"\n").expect("a line ends with LF");
        assert!(!text.contains(&b'\n'), "a command is one line");
        assert_eq!(Command::read_line(text).as_ref(), Ok(command), "written and read again");
    }
});

fn framing(settings: u8, max_message: u8) -> Framing {
    Framing {
        delimiter: if settings & 1 == 0 { Delimiter::Default } else { Delimiter::Explicit(b'|') },
        // Small ones, so that the limit is met; and one that no input reaches.
        max_message: if settings & 2 == 0 { usize::from(max_message) } else { 1 << 20 },
        form: match settings >> 2 & 3 {
            0 => Some(Form::Classic),
            1 => Some(Form::Json),
            _ => None,
        },
        shared: settings & 16 != 0,
    }
}

/// What must not depend on how the stream was cut.
type Decoded = (Result<Command, (ErrorCode, String)>, (Answer, bool));

fn comparable(frame: Frame) -> Decoded {
    let command = frame.command.map_err(|failure| match failure.code {
        // How much of a message had come when it was refused is said in the text.
        ErrorCode::TooLarge => (failure.code, String::new()),
        code => (code, failure.error),
    });
    (command, (frame.answer, frame.repaired))
}

fn decode<'a>(framing: Framing, reads: impl IntoIterator<Item = &'a [u8]>) -> Vec<Decoded> {
    let mut decoder = Decoder::new(framing);
    let mut frames = Vec::new();
    for read in reads {
        decoder.push(read);
        frames.extend(std::iter::from_fn(|| decoder.next_frame()).map(comparable));
        assert!(decoder.held_bytes() <= framing.max_message + 1, "holds more than a message");
        decoder.shrink();
    }
    frames.extend(decoder.finish().map(comparable));
    assert_eq!((decoder.next_frame(), decoder.finish()), (None, None), "nothing is left");
    frames
}

fn decode_with_quiet_times(framing: Framing, stream: &[u8], reads: &[u8]) {
    let mut decoder = Decoder::new(framing);
    for read in (Reads { lengths: reads.iter().cycle(), stream }) {
        decoder.push(read);
        while decoder.next_frame().is_some() {}
        let awaited = decoder.awaits_quiet();
        let frame = decoder.quiet();
        assert!(awaited || frame.is_none(), "a quiet time that nobody waited for ended a message");
        assert!(!decoder.awaits_quiet(), "after a quiet time nothing is left to wait for");
    }
    decoder.finish();
}

/// The stream in reads of these lengths, over and over; all at once where there is none.
struct Reads<'a, L> {
    lengths: L,
    stream: &'a [u8],
}

impl<'a, L: Iterator<Item = &'a u8>> Iterator for Reads<'a, L> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        if self.stream.is_empty() {
            return None;
        }
        let length = self.lengths.next().map_or(self.stream.len(), |length| usize::from(*length).max(1));
        let (read, rest) = self.stream.split_at(length.min(self.stream.len()));
        self.stream = rest;
        Some(read)
    }
}
