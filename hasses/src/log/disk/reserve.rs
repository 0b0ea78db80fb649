//! Room on the disk that is taken before it is needed.
//!
//! A disk becomes full at any time, by whoever writes there. What is committed stands in the write-ahead log until it is moved into
//! the database, and that has to grow for it; and deleting is writing, too. Without room of its own a log on a full disk could
//! neither move nor delete anything, and would go on refusing events when retention has long let go of all that it holds. So the
//! write-ahead log has its room from the start, and a transaction that makes the database larger takes the room first: what
//! fails for want of room are appends alone, and a log that lets go of events has room for new ones.
//!
//! The files do not become longer by it (`FALLOC_FL_KEEP_SIZE`), so SQLite sees nothing of it. Where the file system knows no such
//! thing, there is no reserve.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{FallocateFlags, OFlags, fallocate};
use rustix::io::Errno;

use super::database::{PAGE_SIZE, path, wal_path};

/// The database takes so many pages at a time: 1 MiB.
const PAGES: u32 = 256;

/// The room of one log.
#[derive(Debug)]
pub(super) struct Reserve {
    /// To be closed after SQLite has closed it: closing any descriptor of a file lets go of all locks that a process has on it.
    database: File,
    /// So many pages have their room; as many as there can be where the file system takes none.
    pages: Cell<u32>,
}

impl Reserve {
    /// That of a log whose files are there.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        Ok(Self { database: open(&path(directory))?, pages: Cell::new(0) })
    }

    /// Takes so many bytes for the write-ahead log, or as many as there are. What it has already is counted.
    pub(super) fn take_for_wal(directory: &Path, bytes: u64) {
        let Ok(wal) = open(&wal_path(directory)) else { return };
        let mut wanted = bytes;
        while wanted > u64::from(PAGE_SIZE) && take(&wal, 0, wanted) == Err(Errno::NOSPC) {
            wanted /= 2;
        }
    }

    /// Whether there is room for so many pages of the database from now on.
    pub(super) fn take(&self, pages: u32) -> bool {
        let held = self.pages.get();
        if pages <= held {
            return true;
        }
        for wanted in [pages.saturating_add(PAGES), pages] {
            match take(&self.database, place(held), place(wanted - held)) {
                Ok(()) => {
                    self.pages.set(wanted);
                    return true;
                }
                Err(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => {}
                // Where nothing can be taken in advance, each write has to see for itself.
                Err(_) => {
                    self.pages.set(u32::MAX);
                    return true;
                }
            }
        }
        false
    }

    /// The database may have become shorter since; then room behind its end is gone.
    pub(super) fn renew(&self) {
        if self.pages.get() < u32::MAX {
            let there = self.database.metadata().map_or(0, |there| there.len() / u64::from(PAGE_SIZE));
            self.pages.set(self.pages.get().min(u32::try_from(there).unwrap_or(u32::MAX)));
        }
    }
}

fn place(page: u32) -> u64 {
    u64::from(page) * u64::from(PAGE_SIZE)
}

fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    OpenOptions::new().write(true).custom_flags(flags.bits().cast_signed()).open(path)
}

fn take(file: &File, from: u64, bytes: u64) -> Result<(), Errno> {
    loop {
        match fallocate(file, FallocateFlags::KEEP_SIZE, from, bytes) {
            Err(Errno::INTR) => {}
            taken => return taken,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::log::disk::trial::{Trial, group};

    #[test]
    fn room_is_taken_ahead_of_need_and_files_do_not_become_longer() {
        let trial = Trial::new();
        let (mut keeper, ..) = trial.open();
        keeper.append(group(0..5), 4_102_444_800_000).unwrap();
        let before = ["events.db", "events.db-wal"].map(|name| fs::metadata(trial.path(name)).unwrap());
        let probe = tempfile::tempfile().unwrap();
        if let Err(error) = take(&probe, 0, 4096) {
            assert!(matches!(error, Errno::OPNOTSUPP | Errno::NOSYS), "{error}");
            return;
        }
        assert!(before[0].blocks() * 512 >= u64::from(PAGES * PAGE_SIZE), "{before:?}");
        assert!(before[1].blocks() * 512 >= 8_000_000, "{before:?}");
        assert!(before[0].len() < 100_000 && before[1].len() < 100_000, "{before:?}");
    }

    #[test]
    fn what_a_file_system_cannot_do_is_no_fault() {
        // /dev/null has no blocks that could be taken.
        let reserve =
            Reserve { database: OpenOptions::new().write(true).open("/dev/null").unwrap(), pages: Cell::new(0) };
        assert!(reserve.take(1000));
        reserve.renew();
        assert!(reserve.take(u32::MAX));
    }
}
