//! Standard input in lines, as many at a time as it has.
//!
//! `BufRead::lines` would not do: it cannot tell "there is no further line yet" from "wait for one", and messages that were
//! read must go out before a slow input is waited for.

use std::io::{self, Read};

use crate::failure::Failure;

/// Longest line, and longest message from standard input. The daemon's own limit is a setting, usually 1 MiB; this keeps an
/// input without any line end from taking all memory.
pub(crate) const MAX_INPUT_BYTES: usize = 64 * 1024 * 1024;

/// Room for one read: what a pipe holds on Linux, and then some.
const READ_BYTES: usize = 256 * 1024;

/// The lines of an input.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    input: R,
    bytes: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// Number of the line that was taken last.
    number: u64,
    ended: bool,
}

impl<R: Read> Lines<R> {
    /// The lines of `input`, none of them read yet.
    pub(crate) fn new(input: R) -> Self {
        Self { input, bytes: Vec::new(), start: 0, number: 0, ended: false }
    }

    /// Reads until there is at least one line to take; `false` at the end of the input.
    pub(crate) fn fill(&mut self) -> io::Result<bool> {
        self.bytes.drain(..self.start);
        self.start = 0;
        let mut searched = 0;
        loop {
            if self.bytes[searched..].contains(&b'\n') {
                return Ok(true);
            }
            if self.ended {
                return Ok(!self.bytes.is_empty());
            }
            searched = self.bytes.len();
            if searched > MAX_INPUT_BYTES {
                let error = format!("line {} is longer than {MAX_INPUT_BYTES} bytes", self.number + 1);
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
            self.bytes.resize(searched + READ_BYTES, 0);
            let read = loop {
                match self.input.read(&mut self.bytes[searched..]) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    read => break read,
                }
            };
            self.bytes.truncate(searched + read.as_ref().copied().unwrap_or(0));
            self.ended = read? == 0;
        }
    }

    /// Takes the next line that was read whole, with its number from 1 on and without its end (LF or CRLF). The last line of
    /// the input may lack an end.
    pub(crate) fn take(&mut self) -> Option<(u64, Result<String, Failure>)> {
        let unread = &self.bytes[self.start..];
        let (line, length) = match unread.iter().position(|byte| *byte == b'\n') {
            Some(at) => (&unread[..at], at + 1),
            None if self.ended && !unread.is_empty() => (unread, unread.len()),
            None => return None,
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.start += length;
        self.number += 1;
        let text = std::str::from_utf8(line).map(ToOwned::to_owned).map_err(|error| {
            Failure::refused("bad_field", format!("the line is not UTF-8 from byte {} on", error.valid_up_to()))
        });
        Some((self.number, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one piece a read, as a pipe does.
    struct Pieces<'a>(&'a [&'a [u8]]);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some((piece, rest)) = self.0.split_first() else { return Ok(0) };
            self.0 = rest;
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    /// The lines that each `fill` makes available.
    fn batches(pieces: &[&[u8]]) -> Vec<Vec<String>> {
        let mut lines = Lines::new(Pieces(pieces));
        let mut batches = Vec::new();
        while lines.fill().unwrap() {
            batches.push(std::iter::from_fn(|| lines.take()).map(|(_, line)| line.unwrap()).collect());
        }
        batches
    }

    #[test]
    fn lines_are_there_as_soon_as_they_were_read() {
        assert_eq!(batches(&[b"a\nb\nc", b"d", b"\r\n\n", b"e"]), [vec!["a", "b"], vec!["cd", ""], vec!["e"]]);
        assert_eq!(batches(&[b"a\n"]), [vec!["a"]]);
        assert!(batches(&[]).is_empty());
    }

    #[test]
    fn a_line_that_is_not_utf8_is_told_from_the_others() {
        let mut lines = Lines::new(&b"a\nb\xff\nc\n"[..]);
        assert!(lines.fill().unwrap());
        let taken: Vec<_> = std::iter::from_fn(|| lines.take()).map(|(number, line)| (number, line.is_ok())).collect();
        assert_eq!(taken, [(1, true), (2, false), (3, true)]);
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut lines = Lines::new(io::repeat(b'x'));
        assert!(lines.fill().unwrap_err().to_string().starts_with("line 1 is longer than"));
    }
}
