//! The body of an answer without its framing (RFC 9112, sections 6 and 7), in runs of the bytes that were read. No I/O.
//!
//! It copies nothing: a run is a piece of what was given. Where each event is a chunk of its own, each event is one run.

/// Longest line that says how long a chunk is, extensions included.
const MAX_SIZE_LINE: u16 = 4096;

/// How the body goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Up to the end of the connection.
    UntilClose,
    /// So many bytes.
    Length(u64),
    /// A line with the length of a chunk, of which so many bytes have come.
    ChunkSize { size: u64, line: u16, digits: Digits },
    /// So many bytes of a chunk.
    ChunkData(u64),
    /// The line end behind a chunk.
    ChunkEnd,
    /// Lines behind the last chunk; bytes of the one under way.
    Trailer(u16),
    /// It is over.
    Over,
}

/// Whether the digits of a chunk's length have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Digits {
    GoOn,
    Ended,
}

/// What came is not HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

impl Framing {
    /// A chunk is next.
    pub(super) const CHUNK: Self = Self::ChunkSize { size: 0, line: 0, digits: Digits::GoOn };

    /// How the body behind this head is framed.
    pub(super) fn of(head: &str) -> Self {
        let value = |name| field(head, name);
        let chunked = |value: &str| value.split(',').any(|coding| coding.trim().eq_ignore_ascii_case("chunked"));
        if value("transfer-encoding").is_some_and(chunked) {
            return Self::CHUNK;
        }
        match value("content-length").and_then(|length| length.parse().ok()) {
            Some(0) => Self::Over,
            Some(length) => Self::Length(length),
            None => Self::UntilClose,
        }
    }

    /// Takes the next run of the body from the beginning of `bytes`; `None` where there is none left in it, or the body is over.
    ///
    /// # Errors
    /// What came is not HTTP.
    pub(super) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Malformed> {
        while !bytes.is_empty() {
            match self {
                Self::Over => return Ok(None),
                Self::UntilClose => return Ok(Some(std::mem::take(bytes))),
                Self::Length(left) => {
                    let (run, left) = run_of(*left, bytes);
                    *self = if left == 0 { Self::Over } else { Self::Length(left) };
                    return Ok(Some(run));
                }
                Self::ChunkData(left) => {
                    let (run, left) = run_of(*left, bytes);
                    *self = if left == 0 { Self::ChunkEnd } else { Self::ChunkData(left) };
                    return Ok(Some(run));
                }
                _ => self.step(take_byte(bytes))?,
            }
        }
        Ok(None)
    }

    /// Takes one byte of what is no data.
    fn step(&mut self, byte: u8) -> Result<(), Malformed> {
        *self = match (*self, byte) {
            (Self::ChunkSize { line: 0, .. }, b'\n') => return Err(Malformed("the length of a chunk is missing")),
            (Self::ChunkSize { size: 0, .. }, b'\n') => Self::Trailer(0),
            (Self::ChunkSize { size, .. }, b'\n') => Self::ChunkData(size),
            (Self::ChunkSize { line: MAX_SIZE_LINE, .. }, _) => {
                return Err(Malformed("the line with the length of a chunk is too long"));
            }
            (Self::ChunkSize { size, line, digits }, byte) => chunk_size(size, line, digits, byte)?,
            (Self::ChunkEnd, b'\r') => Self::ChunkEnd,
            (Self::ChunkEnd, b'\n') => Self::CHUNK,
            (Self::ChunkEnd, _) => return Err(Malformed("a chunk is longer than it said")),
            (Self::Trailer(0), b'\n') => Self::Over,
            (Self::Trailer(_), b'\n') => Self::Trailer(0),
            (Self::Trailer(length), b'\r') => Self::Trailer(length),
            (Self::Trailer(length), _) => Self::Trailer(length.saturating_add(1)),
            (state, _) => state,
        };
        Ok(())
    }
}

/// The status that a head begins with; `None` where it is none of HTTP/1.1 or 1.0.
pub(super) fn status_code(head: &str) -> Option<u16> {
    head.lines().next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.trim().parse().ok()
}

/// The value of a header field in a head, whose first line is that of the status.
pub(super) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// A byte of the line with the length of a chunk.
fn chunk_size(size: u64, line: u16, digits: Digits, byte: u8) -> Result<Framing, Malformed> {
    const NO_LENGTH: Malformed = Malformed("the length of a chunk is none");
    let digit = char::from(byte).to_digit(16);
    match (digits, digit) {
        (Digits::GoOn, Some(digit)) if size >> 59 == 0 => {
            Ok(Framing::ChunkSize { size: size << 4 | u64::from(digit), line: line + 1, digits })
        }
        (Digits::GoOn, None) if line > 0 && matches!(byte, b'\r' | b';' | b' ' | b'\t') => {
            Ok(Framing::ChunkSize { size, line: line + 1, digits: Digits::Ended })
        }
        (Digits::GoOn, _) => Err(NO_LENGTH),
        (Digits::Ended, _) => Ok(Framing::ChunkSize { size, line: line + 1, digits }),
    }
}

/// At most `left` bytes, and how many are left then.
fn run_of<'a>(left: u64, bytes: &mut &'a [u8]) -> (&'a [u8], u64) {
    let count = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    let (run, rest) = bytes.split_at(count);
    *bytes = rest;
    (run, left - count as u64)
}

/// The first of bytes that are not empty.
fn take_byte(bytes: &mut &[u8]) -> u8 {
    let (first, rest) = bytes.split_at(1);
    *bytes = rest;
    first[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body, and how it stands then, of bytes that come in pieces of `size`.
    fn read(mut framing: Framing, bytes: &[u8], size: usize) -> Result<(String, Framing), Malformed> {
        let mut body = Vec::new();
        for mut piece in bytes.chunks(size) {
            while let Some(run) = framing.next(&mut piece)? {
                body.extend_from_slice(run);
            }
        }
        Ok((String::from_utf8(body).unwrap(), framing))
    }

    #[test]
    fn bodies_are_read_whole_and_byte_by_byte() {
        for (framing, bytes, body, state) in [
            (
                Framing::CHUNK,
                "3\r\nabc\r\n1e;x=y\r\nid: 1795471359018-0\ndata: hi\n\n\r\n",
                "abcid: 1795471359018-0\ndata: hi\n\n",
                Framing::CHUNK,
            ),
            (Framing::CHUNK, "2 \r\nab\r\n0\r\n\r\ntrailing", "ab", Framing::Over),
            (Framing::CHUNK, "A\n0123456789\n0\r\nX: y\r\n\r\n", "0123456789", Framing::Over),
            (Framing::CHUNK, "5\r\nab", "ab", Framing::ChunkData(3)),
            (Framing::Length(3), "abcd", "abc", Framing::Over),
            (Framing::Length(3), "ab", "ab", Framing::Length(1)),
            (Framing::UntilClose, "ab\r\n", "ab\r\n", Framing::UntilClose),
        ] {
            for size in [1, 2, 7, 1_000] {
                assert_eq!(read(framing, bytes.as_bytes(), size), Ok((body.to_owned(), state)), "{bytes:?} by {size}");
            }
        }
    }

    #[test]
    fn what_is_no_chunk_is_said() {
        let long = format!("1;{}", "x".repeat(5_000));
        for bytes in ["x\r\n", "\r\n", "\n", "-1\r\n", "ffffffffffffffffff\r\n", "1\r\nab", long.as_str()] {
            assert!(read(Framing::CHUNK, bytes.as_bytes(), 3).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn the_head_says_how_the_body_is_framed() {
        for (fields, framing) in [
            ("Transfer-Encoding: chunked", Framing::CHUNK),
            ("transfer-encoding:gzip, Chunked\r\nContent-Length: 3", Framing::CHUNK),
            ("Content-Length: 3", Framing::Length(3)),
            ("content-length: 0", Framing::Over),
            ("Content-Type: text/event-stream", Framing::UntilClose),
        ] {
            assert_eq!(Framing::of(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n")), framing, "{fields}");
        }
    }
}
