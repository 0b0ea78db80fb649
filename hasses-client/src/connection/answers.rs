//! Cuts what the daemon sends into answer lines.

use std::io;

use memchr::memchr;

/// Room that each read offers at least: some thousand answers to publishes.
const READ_BYTES: usize = 64 * 1024;
/// Longest answer that is collected. The longest that a daemon gives is one page of `clients` with 10,000 rows, each with its
/// topics: some megabytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Bytes of answers that came and were not taken yet.
#[derive(Default)]
pub(crate) struct Answers {
    buffer: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// Up to here no end of a line was found.
    scanned: usize,
    /// Where the bytes end that came.
    end: usize,
}

impl Answers {
    /// Takes what `read` puts into the room that it is given, and says how much that was, and whether it filled the room.
    pub(crate) fn fill(&mut self, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<(usize, bool)> {
        if self.start == self.end {
            (self.start, self.scanned, self.end) = (0, 0, 0);
            // What one long answer took is not kept.
            self.buffer.truncate(2 * READ_BYTES);
            self.buffer.shrink_to_fit();
        } else if self.buffer.len() - self.end < READ_BYTES && self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.scanned -= self.start;
            self.start = 0;
        }
        if self.buffer.len() - self.end < READ_BYTES {
            if self.end > MAX_ANSWER_BYTES {
                let error = format!("an answer is longer than {MAX_ANSWER_BYTES} bytes");
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
            self.buffer.resize((2 * self.end).max(READ_BYTES) + READ_BYTES, 0);
        }
        let room = &mut self.buffer[self.end..];
        let offered = room.len();
        let taken = read(room)?;
        self.end += taken;
        Ok((taken, taken == offered))
    }

    /// The next whole line, without its LF.
    pub(crate) fn next_line(&mut self) -> Option<&[u8]> {
        let Some(found) = memchr(b'\n', &self.buffer[self.scanned..self.end]) else {
            self.scanned = self.end;
            return None;
        };
        let line = self.start..self.scanned + found;
        self.start = line.end + 1;
        self.scanned = self.start;
        Some(&self.buffer[line])
    }

    /// What came of a line that is not whole.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of `stream`, where each read gives at most `most` bytes.
    fn lines(mut stream: &[u8], most: usize) -> Vec<Vec<u8>> {
        let mut answers = Answers::default();
        let mut lines = Vec::new();
        while !stream.is_empty() {
            let (taken, _) = answers
                .fill(|room| {
                    let length = room.len().min(most).min(stream.len());
                    room[..length].copy_from_slice(&stream[..length]);
                    Ok(length)
                })
                .unwrap();
            stream = &stream[taken..];
            while let Some(line) = answers.next_line() {
                lines.push(line.to_vec());
            }
        }
        assert!(answers.rest().is_empty());
        lines
    }

    #[test]
    fn lines_come_out_whole_however_they_come_in() {
        let expected: Vec<Vec<u8>> =
            [1, 0, 7, 300_000, 64, 65_535, 65_536, 65_537, 2, 1_000_000].map(|length| vec![b'x'; length]).to_vec();
        let stream = expected.iter().flat_map(|line| [line, &b"\n"[..]].concat()).collect::<Vec<_>>();
        for most in [1, 7, 4096, 65_536, usize::MAX] {
            assert!(lines(&stream, most) == expected, "{most} bytes a read");
        }
    }

    #[test]
    fn an_answer_without_end_is_an_error_and_not_the_end_of_memory() {
        let mut answers = Answers::default();
        let mut held = 0;
        let error = loop {
            match answers.fill(|room| Ok(room.len())) {
                Ok((taken, _)) => held += taken,
                Err(error) => break error,
            }
            assert!(answers.next_line().is_none());
            assert!(held < 4 * MAX_ANSWER_BYTES);
        };
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
