//! Streams of all kinds, in pieces of all sizes.

use super::super::message::{Shape, stamp};
use super::super::names::Names;
use super::super::tally::{Faults, Tally};
use super::{End, EventStream};

const PLAIN: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n";
const TOPIC: u32 = 4_711;
const SIZE: usize = 40;

/// How a server frames its events.
#[derive(Clone, Copy, Debug)]
enum Manner {
    Plain,
    /// Each event in a chunk of its own.
    Events,
    /// Chunks of so many bytes.
    Chunks(usize),
}

fn message(size: usize, topic: u32, number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    Shape::new(size, Names::default()).write(topic, number, &mut bytes);
    stamp(&mut bytes, 1_600);
    bytes
}

fn event(number: u32) -> Vec<u8> {
    event_of(&message(SIZE, TOPIC, number))
}

fn event_of(message: &[u8]) -> Vec<u8> {
    [b"id: 1795471359018-0\ndata: ", message, b"\n\n"].concat()
}

fn answer(manner: Manner, events: &[Vec<u8>]) -> Vec<u8> {
    let chunk = |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    let comment = b":\n".to_vec();
    match manner {
        Manner::Plain => [PLAIN.as_bytes(), &comment, &events.concat()].concat(),
        Manner::Events => {
            let body: Vec<_> = [&[comment], events].concat().iter().flat_map(|event| chunk(event)).collect();
            [CHUNKED.as_bytes(), &body].concat()
        }
        Manner::Chunks(size) => {
            let body = [comment, events.concat()].concat();
            [CHUNKED.as_bytes(), &body.chunks(size).flat_map(chunk).collect::<Vec<_>>()].concat()
        }
    }
}

/// Reads an answer in pieces of these sizes, over and over.
fn read(answer: &[u8], sizes: &[usize], size: usize) -> (Tally, Result<(), End>, EventStream) {
    let mut stream = EventStream::new(1, TOPIC, 0);
    let mut tally = Tally::new(Shape::new(size, Names::default()));
    tally.arrived = Some(4_800);
    let mut rest = answer;
    for size in sizes.iter().cycle() {
        let (now, later) = rest.split_at(rest.len().min(*size));
        if let Err(end) = stream.take(now, &mut tally) {
            return (tally, Err(end), stream);
        }
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    (tally, Ok(()), stream)
}

const MANNERS: [Manner; 5] =
    [Manner::Plain, Manner::Events, Manner::Chunks(1), Manner::Chunks(17), Manner::Chunks(1_000)];

#[test]
fn every_message_is_found_however_it_is_cut() {
    let events: Vec<_> = (1..=20).map(event).collect();
    fastrand::seed(7);
    let random: Vec<usize> = (0..50).map(|_| fastrand::usize(1..200)).collect();
    for manner in MANNERS {
        let answer = answer(manner, &events);
        for sizes in [&[answer.len()][..], &[1], &[2], &[41], &random] {
            let (tally, end, stream) = read(&answer, sizes, SIZE);
            assert_eq!(
                (tally.received, tally.settled, tally.faults),
                (20, 20, Faults::default()),
                "{manner:?} {sizes:?}"
            );
            assert_eq!((end, stream.due(), stream.lost(20), stream.lost(23)), (Ok(()), 21, 0, 3));
            let latency = tally.into_latency();
            assert_eq!((latency.len(), latency.min(), latency.max() / 10), (20, 3_200, 320));
        }
    }
}

#[test]
fn messages_may_be_longer_than_any_buffer() {
    for size in [65_536, 300_000] {
        let events: Vec<_> = (1..=3).map(|number| event_of(&message(size, TOPIC, number))).collect();
        for manner in [Manner::Plain, Manner::Events, Manner::Chunks(4_096)] {
            let (tally, end, _) = read(&answer(manner, &events), &[65_536, 1_000, 7], size);
            assert_eq!((tally.received, tally.faults, end), (3, Faults::default(), Ok(())), "{manner:?} {size}");
        }
    }
}

#[test]
fn the_last_byte_of_a_message_waits_for_the_one_behind_it() {
    let mut bytes = answer(Manner::Plain, &[event(1)]);
    bytes.truncate(bytes.len() - 2);
    assert_eq!(read(&bytes, &[1_000], SIZE).0.received, 0);
    bytes.push(b'\n');
    assert_eq!(read(&bytes, &[1_000], SIZE).0.received, 1);
}

#[test]
fn every_fault_is_counted() {
    let torn = |at: usize| {
        let mut event = event(3);
        event[at] = b'!';
        event
    };
    let begin = b"id: 1795471359018-0\ndata: ".len();
    let other = event_of(&message(SIZE, TOPIC + 1, 3));
    let cut = event_of(&message(SIZE, TOPIC, 3)[..30]);
    let long = event_of(&[message(SIZE, TOPIC, 3), b"x".to_vec()].concat());
    let faults = Faults::default();
    for (name, third, lost, expected) in [
        ("nothing", vec![event(3)], 0, faults),
        ("lost", vec![], 1, faults),
        ("doubled", vec![event(3), event(3), event(2)], 0, Faults { doubled: 2, ..faults }),
        ("disordered", vec![event(4), event(3)], 0, Faults { disordered: 1, doubled: 1, ..faults }),
        ("its number", vec![torn(begin + 6)], 1, Faults { damaged: 1, ..faults }),
        ("its padding", vec![torn(begin + 30)], 0, Faults { damaged: 1, ..faults }),
        ("its marker", vec![torn(begin)], 1, faults),
        ("somebody else's", vec![other], 1, Faults { damaged: 1, ..faults }),
        ("cut", vec![cut], 0, Faults { damaged: 1, ..faults }),
        ("too long", vec![long], 0, Faults { damaged: 1, ..faults }),
    ] {
        let events = [vec![event(1), event(2)], third, vec![event(4), event(5), event(6)]].concat();
        for manner in MANNERS {
            for piece in [1, 33, 10_000] {
                let (tally, _, stream) = read(&answer(manner, &events), &[piece], SIZE);
                assert_eq!((tally.faults, stream.lost(6)), (expected, lost), "{name} {manner:?} {piece}");
                // Whatever it was, nobody has to wait for it, and it is said.
                assert_eq!((tally.settled, stream.due()), (6, 7), "{name}");
                assert_eq!(tally.remarks.is_empty(), name == "nothing", "{name}");
            }
        }
    }
}

#[test]
fn what_is_no_event_stream_is_refused() {
    for (answer, expected) in [
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n", End::Refused("HTTP/1.1 503 Service Unavailable".to_owned())),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n",
            End::Refused("HTTP/1.1 200 OK, with content type \"text/html\": that is no event stream".to_owned()),
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n\r\n",
            End::Refused("HTTP/1.1 200 OK, with content encoding \"gzip\", which was not asked for".to_owned()),
        ),
        (&format!("HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n{CHUNKED}0\r\n\r\n"), End::Ended),
        ("SSH-2.0-OpenSSH\r\n\r\n", End::Malformed("the answer does not begin as one of HTTP/1.1")),
        (&format!("{CHUNKED}2\r\n:\n\r\n0\r\n\r\n"), End::Ended),
        (&format!("{CHUNKED}zz\r\n"), End::Malformed("the length of a chunk is none")),
    ] {
        for piece in [1, 10_000] {
            assert_eq!(read(answer.as_bytes(), &[piece], SIZE).1, Err(expected.clone()), "{answer}");
        }
    }
    let long = PLAIN.replace("\r\n\r\n", &format!("\r\nX: {}", "x".repeat(70_000)));
    assert!(matches!(read(long.as_bytes(), &[1_000], SIZE).1, Err(End::Malformed(_))));
}
