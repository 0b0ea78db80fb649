//! The PROXY header: the same outcome however it arrives, not a byte taken of what follows, and nobody named who does not stand in it.

#![no_main]

use std::net::SocketAddr;

use hasses::proxy_header::{source, wanted};
use libfuzzer_sys::fuzz_target;

/// More than any header has.
const MOST: usize = 16 + 4096;

#[derive(Debug, PartialEq)]
enum Outcome {
    /// Whom it names, and how long it is.
    Whole(Option<SocketAddr>, usize),
    Incomplete,
    Refused,
}

fuzz_target!(|input: &[u8]| {
    let outcome = read(input, usize::MAX);
    for most in [1, 3] {
        assert_eq!(read(input, most), outcome, "by {most}");
    }
    match outcome {
        Outcome::Whole(named, length) => {
            assert!(length <= MOST, "{length} bytes");
            assert_eq!(read(&input[..length], usize::MAX), Outcome::Whole(named, length), "what follows changes it");
            for cut in 0..length {
                assert_eq!(read(&input[..cut], usize::MAX), Outcome::Incomplete, "up to {cut}");
            }
            if let Some(named) = named {
                stands_in(&input[..length], named);
            }
        }
        Outcome::Incomplete => assert!(input.len() < MOST, "{} bytes are held", input.len()),
        Outcome::Refused => {}
    }
});

/// Reads as from a connection that gives at most `most` bytes at a time.
fn read(input: &[u8], most: usize) -> Outcome {
    let mut header = Vec::new();
    let refused = |text: String| {
        assert!(!text.contains(char::is_control), "one line of text: {text:?}");
        Outcome::Refused
    };
    loop {
        match wanted(&header) {
            Ok(0) => return source(&header).map_or_else(refused, |named| Outcome::Whole(named, header.len())),
            Ok(more) => {
                let count = more.min(most).min(input.len() - header.len());
                if count == 0 {
                    return Outcome::Incomplete;
                }
                header.extend_from_slice(&input[header.len()..header.len() + count]);
            }
            Err(text) => return refused(text),
        }
    }
}

/// Finds the address with no parser but a look at its place.
fn stands_in(header: &[u8], named: SocketAddr) {
    if header.starts_with(b"PROXY ") {
        let text = std::str::from_utf8(header).expect("a header of version 1 is text");
        let words: Vec<_> = text.trim_end().split(' ').collect();
        assert_eq!(words[4].parse(), Ok(named.port()), "{text:?}");
        assert_eq!(words[2].parse().map(|ip: std::net::IpAddr| ip.to_canonical()), Ok(named.ip()), "{text:?}");
    } else {
        let (ip, port) = match header[13] >> 4 {
            1 => (&header[16..20], &header[24..26]),
            _ => (&header[16..32], &header[48..50]),
        };
        assert_eq!(port, named.port().to_be_bytes(), "{header:?}");
        let own = match named.ip() {
            std::net::IpAddr::V4(ip) if header[13] >> 4 == 1 => ip.octets().to_vec(),
            std::net::IpAddr::V4(ip) => ip.to_ipv6_mapped().octets().to_vec(),
            std::net::IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        assert_eq!(ip, own, "{header:?}");
    }
}
