//! The body of an answer without its framing (RFC 9112, sections 6 and 7). No I/O.

use super::answer::{Ending, Head, Malformed, Part};

/// Longest line that says how long a chunk is, extensions included.
const MAX_SIZE_LINE: usize = 4096;

/// How the body goes on.
#[derive(Debug)]
pub(super) enum Body {
    /// So many bytes are left.
    Length(u64),
    /// Chunks.
    Chunked(Chunk),
    /// Up to the end of the connection.
    UntilClose,
    /// It is over.
    Over,
}

/// What comes next of a chunk.
#[derive(Debug)]
pub(super) enum Chunk {
    /// Its length; what of that line has come.
    Size(Vec<u8>),
    /// So many of its bytes.
    Data(u64),
    /// The line end behind its bytes, so many bytes of it.
    DataEnd(u8),
    /// Lines behind the last chunk; the length of the one under way.
    Trailer(usize),
}

impl Body {
    /// How the body behind this head is framed.
    pub(super) fn of(head: &Head) -> Self {
        if matches!(head.status, 204 | 304) {
            return Self::Length(0);
        }
        if head.lists("transfer-encoding", "chunked") {
            return Self::Chunked(Chunk::Size(Vec::new()));
        }
        match head.first("content-length").and_then(|length| length.trim().parse().ok()) {
            Some(length) => Self::Length(length),
            None => Self::UntilClose,
        }
    }

    /// Takes bytes as they came. What comes behind the end is dropped.
    pub(super) fn push(&mut self, bytes: &[u8], parts: &mut Vec<Part>) -> Result<(), Malformed> {
        let mut piece = Vec::new();
        let taken = self.take(bytes, &mut piece);
        if !piece.is_empty() {
            parts.push(Part::Body(piece));
        }
        if taken? == Taken::ToTheEnd {
            *self = Self::Over;
            parts.push(Part::End(Ending::Proper));
        }
        Ok(())
    }

    /// What it means that the connection ended here.
    pub(super) fn close(&self) -> Ending {
        match self {
            Self::Over => Ending::Proper,
            Self::UntilClose => Ending::Closed,
            Self::Length(_) | Self::Chunked(_) => Ending::Cut,
        }
    }

    fn take(&mut self, mut bytes: &[u8], piece: &mut Vec<u8>) -> Result<Taken, Malformed> {
        match self {
            Self::Over => Ok(Taken::All),
            Self::UntilClose => {
                piece.extend_from_slice(bytes);
                Ok(Taken::All)
            }
            Self::Length(left) => {
                take_up_to(left, &mut bytes, piece);
                Ok(if *left == 0 { Taken::ToTheEnd } else { Taken::All })
            }
            Self::Chunked(chunk) => {
                while !bytes.is_empty() {
                    if chunk.take(&mut bytes, piece)? == Taken::ToTheEnd {
                        return Ok(Taken::ToTheEnd);
                    }
                }
                Ok(Taken::All)
            }
        }
    }
}

/// How far bytes were taken.
#[derive(PartialEq, Eq)]
enum Taken {
    /// All that could be.
    All,
    /// Up to the end of the body.
    ToTheEnd,
}

impl Chunk {
    fn take(&mut self, bytes: &mut &[u8], piece: &mut Vec<u8>) -> Result<Taken, Malformed> {
        match self {
            Self::Size(line) => {
                let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
                let (now, later) = bytes.split_at(end);
                line.extend_from_slice(now);
                *bytes = later;
                match httparse::parse_chunk_size(line) {
                    Ok(httparse::Status::Complete((_, 0))) => *self = Self::Trailer(0),
                    Ok(httparse::Status::Complete((_, size))) => *self = Self::Data(size),
                    Ok(httparse::Status::Partial) if line.len() <= MAX_SIZE_LINE => {}
                    _ => {
                        let line = String::from_utf8_lossy(&line[..line.len().min(40)]).into_owned();
                        return Err(Malformed(format!("{line:?} is no length of a chunk")));
                    }
                }
            }
            Self::Data(left) => {
                take_up_to(left, bytes, piece);
                if *left == 0 {
                    *self = Self::DataEnd(2);
                }
            }
            Self::DataEnd(left) => {
                let (first, rest) = bytes.split_at(1);
                let expected = if *left == 2 { b'\r' } else { b'\n' };
                if first[0] != expected {
                    return Err(Malformed("a chunk is longer than it said".to_owned()));
                }
                *bytes = rest;
                *self = if *left == 2 { Self::DataEnd(1) } else { Self::Size(Vec::new()) };
            }
            Self::Trailer(length) => {
                let (first, rest) = bytes.split_at(1);
                *bytes = rest;
                match first[0] {
                    b'\n' if *length == 0 => return Ok(Taken::ToTheEnd),
                    b'\n' => *length = 0,
                    b'\r' => {}
                    _ => *length += 1,
                }
            }
        }
        Ok(Taken::All)
    }
}

/// Moves at most `left` bytes, and counts them down.
fn take_up_to(left: &mut u64, bytes: &mut &[u8], piece: &mut Vec<u8>) {
    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
    let (now, later) = bytes.split_at(count);
    piece.extend_from_slice(now);
    *bytes = later;
    *left -= count as u64;
}
