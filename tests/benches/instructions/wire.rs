//! Cases of the control protocol: bytes to commands, answers to bytes.

use std::hint::black_box;

use hasses_client::wire::{Command, Decoder, Delimiter, EventId, Framing, Published, Reply};

use crate::case::Case;
use crate::meter::Meter;

pub(crate) const CASES: &[Case] = &[
    Case { name: "decode/json", per: "a command", run: |meter| decode(meter, &json_line()) },
    Case { name: "decode/json-all-fields", per: "a command", run: |meter| decode(meter, ALL_FIELDS) },
    Case { name: "decode/classic", per: "a command", run: |meter| decode(meter, &classic_line()) },
    Case { name: "encode/published", per: "an answer", run: encode },
];

/// Commands that come with one read, as with lines of 128 bytes and reads of 64 KiB.
pub(crate) const LINES_A_READ: usize = 512;
const READS: usize = 4;

const ALL_FIELDS: &str = concat!(
    r#"{"cmd":"publish","topics":["room624","lobby*"],"data":"first \"line\"\nsecond line: \u00fcbung","event":"message","#,
    r#""key":"8c1f7a52-0001","except":"client-77","retry":2500}"#,
    "\n"
);

/// A publish of 128 bytes.
pub(crate) fn json_line() -> String {
    let (before, after) = (r#"{"cmd":"publish","topic":"room624","data":""#, "\"}\n");
    let line = format!("{before}{}{after}", "x".repeat(128 - before.len() - after.len()));
    assert_eq!(line.len(), 128);
    line
}

/// The same in classic text.
pub(crate) fn classic_line() -> String {
    format!("room624={}\n", "x".repeat(128 - "room624=".len() - 1))
}

fn decode(meter: &mut Meter, line: &str) {
    let framing = Framing { delimiter: Delimiter::Default, max_message: 1 << 20, form: None, shared: false };
    let mut decoder = Decoder::new(framing);
    let bytes = line.repeat(LINES_A_READ).into_bytes();
    for _ in 0..READS {
        let mut commands = 0;
        meter.count(LINES_A_READ, || {
            decoder.push(&bytes);
            while let Some(frame) = decoder.next_frame() {
                commands += usize::from(matches!(frame.command, Ok(Command::Publish(_))));
                black_box(frame);
            }
        });
        assert_eq!(commands, LINES_A_READ);
    }
}

fn encode(meter: &mut Meter) {
    let reply = |sequence| {
        let id = EventId { millis: 1_800_000_000_000, sequence };
        Reply::Published(Published { id, matched: 1000, duplicate: false })
    };
    let replies: Vec<Reply> = (0..LINES_A_READ as u64).map(reply).collect();
    for _ in 0..READS {
        let mut out = Vec::new();
        meter.count(replies.len(), || replies.iter().for_each(|reply| reply.write_line(black_box(&mut out))));
        assert_eq!(out.iter().filter(|&&byte| byte == b'\n').count(), replies.len());
    }
}
