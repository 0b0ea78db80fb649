//! The write-ahead log of SQLite, read without SQLite: where its last whole commit ends, and what stands behind that.
//!
//! SQLite takes a torn tail away without a word. This walks the file by the same rules ("The Write-Ahead Log", section 4 of
//! SQLite's "Database File Format") before SQLite opens it, so that the daemon can say what was cut.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

/// "WAL Header Format": eight words.
pub(super) const HEADER: usize = 32;
/// "WAL Frame Header Format": six words, and then a page.
pub(super) const FRAME_HEADER: usize = 24;
/// The first word of the file; its last bit says in which byte order sums are made.
const MAGIC: u32 = 0x377f_0682;

/// What is in a write-ahead log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Survey {
    /// Bytes up to the end of the last commit that is whole.
    pub(super) whole: u64,
    /// Bytes behind it that belong to commits that are not; frames of an earlier round of the file are not counted.
    pub(super) torn: u64,
}

/// Takes away everything behind frame `frames`.
pub(super) fn cut(path: &Path, frames: u32) -> io::Result<()> {
    let mut file = open(path, OpenOptions::new().read(true).write(true))?;
    let end = match Round::read(&mut file)? {
        Some(round) => HEADER as u64 + u64::from(frames) * round.frame as u64,
        None if frames == 0 => 0,
        None => return Err(io::Error::new(io::ErrorKind::InvalidData, "its header is not whole")),
    };
    if file.metadata()?.len() > end {
        file.set_len(end)?;
        file.sync_all()?;
    }
    Ok(())
}

/// Walks the file. Without one there is nothing whole and nothing torn.
pub(super) fn survey(path: &Path) -> io::Result<Survey> {
    let file = match open(path, OpenOptions::new().read(true)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Survey::default()),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    walk(BufReader::new(file), length)
}

fn walk(mut file: impl io::Read, length: u64) -> io::Result<Survey> {
    let Some(mut round) = Round::read(&mut file)? else {
        return Ok(Survey { whole: 0, torn: length });
    };
    let (mut whole, mut end, mut position) = (HEADER as u64, HEADER as u64, HEADER as u64);
    let (mut chained, mut previous_is_ours) = (true, true);
    let mut frame = vec![0; round.frame];
    loop {
        let got = fill(&mut file, &mut frame)?;
        if got == 0 {
            return Ok(Survey { whole, torn: end - whole });
        }
        position += got as u64;
        // Of a frame that was cut before its salt nothing tells whose it is, except what stands before it.
        let salt = &frame[8.min(got)..16.min(got)];
        let ours = round.salt.starts_with(salt) && (!salt.is_empty() || previous_is_ours);
        if ours {
            end = position;
        }
        chained = chained && got == frame.len() && ours && round.continues_with(&frame);
        if chained && word(&frame, 4) != 0 {
            whole = position;
        }
        previous_is_ours = ours;
    }
}

/// As SQLite opens it, without following a link; and without waiting for anybody, should it be no plain file.
fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed()).open(path)
}

/// One round of the file: SQLite begins again at its top with another salt once everything has been moved to the database.
struct Round {
    big_endian: bool,
    salt: [u8; 8],
    frame: usize,
    sum: (u32, u32),
}

impl Round {
    fn read(file: &mut impl io::Read) -> io::Result<Option<Self>> {
        let mut header = [0; HEADER];
        if fill(file, &mut header)? < header.len() {
            return Ok(None);
        }
        let (magic, page_size) = (word(&header, 0), word(&header, 8));
        if magic & !1 != MAGIC || !page_size.is_power_of_two() || !(512..=65_536).contains(&page_size) {
            return Ok(None);
        }
        let mut salt = [0; 8];
        salt.copy_from_slice(&header[16..24]);
        let frame = FRAME_HEADER + page_size as usize;
        let mut round = Self { big_endian: magic & 1 == 1, salt, frame, sum: (0, 0) };
        round.add(&header[..24]);
        Ok((round.sum == (word(&header, 24), word(&header, 28))).then_some(round))
    }

    /// Whether this whole frame follows those before it; only then is it added to the sum.
    fn continues_with(&mut self, frame: &[u8]) -> bool {
        let before = self.sum;
        self.add(&frame[..8]);
        self.add(&frame[FRAME_HEADER..]);
        let follows = word(frame, 0) != 0 && self.sum == (word(frame, 16), word(frame, 20));
        if !follows {
            self.sum = before;
        }
        follows
    }

    /// "Checksum Algorithm".
    fn add(&mut self, bytes: &[u8]) {
        let (mut one, mut two) = self.sum;
        for pair in bytes.chunks_exact(8) {
            let [first, second] = [0, 4].map(|at| {
                let big = word(pair, at);
                if self.big_endian { big } else { big.swap_bytes() }
            });
            one = one.wrapping_add(first).wrapping_add(two);
            two = two.wrapping_add(second).wrapping_add(one);
        }
        self.sum = (one, two);
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut impl io::Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match file.read(&mut buffer[got..]) {
            Ok(0) => break,
            Ok(more) => got += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

#[cfg(test)]
#[path = "wal_tests.rs"]
mod tests;
