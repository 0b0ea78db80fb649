//! Keeps events in a database through faults of the disk: gives ids, writes groups, deletes what is forgotten, and mends what a
//! fault has left. It has no thread and reads no clock.
//!
//! **After a fault** a group is refused as a whole, and nothing of it may come back. A commit that fails before its last write
//! leaves nothing that SQLite would ever read. One that fails at the *sync* (only with [`Durability::Disk`]) stands whole in the
//! write-ahead log, where a start after a crash would find it: so what stands behind the newest good commit is cut off at once. If
//! that fails as well, the next transaction writes over it, or deletes its rows before it does anything else. What remains: the
//! disk takes neither sync nor cut nor any later write, *then* the process is killed, *then* the disk is well again. Then a group
//! may be in the log although its publisher was told otherwise; one that sends it again with its key is answered as a duplicate.
//! No id is given twice, those of refused groups included.

use std::path::{Path, PathBuf};

use hasses_client::wire::{EventId, Publish};
use rusqlite::{Connection, ErrorCode};
use tracing::warn;

use super::database::{self, CHECKPOINT_FRAMES, Database, Failed, Frames, Missing, Stage};
use super::error::said;
use super::lock::Lock;
use super::table::{self, Found};
use super::trouble::Trouble;
use super::{Durability, wal};
use crate::log::{Ordered, StoreError};

/// Events that one transaction of [`Keeper::tidy`] deletes: some milliseconds.
const PIECE: usize = 1024;
/// Pages that one transaction of [`Keeper::tidy`] gives back.
const PAGES: u32 = 256;
/// No event takes less in the database, so an append that deletes one event for so many of its bytes lets nothing pile up.
const SMALLEST_EVENT: usize = 32;

/// An open log.
#[derive(Debug)]
pub(super) struct Keeper {
    directory: PathBuf,
    durability: Durability,
    /// `None` after an I/O error, until the next use.
    database: Option<Database>,
    lock: Lock,
    birth: EventId,
    /// The newest id that was given to an event, kept or not.
    given: EventId,
    /// The place of the newest event that is kept.
    place: i64,
    /// There may be rows behind `place`, which nobody was told of.
    unsettled: bool,
    /// Events up to here need not be kept.
    forget: EventId,
    /// None of them is left.
    forgotten: bool,
    /// What the write-ahead log held after the newest good commit, where that is known.
    frames: Option<Frames>,
    /// From how many frames on they are moved to the database.
    checkpoint_at: u32,
    trouble: Trouble,
}

/// Whether [`Keeper::tidy`] has more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// There may be.
    More,
    /// It failed: in a while again.
    Later,
    /// Nothing.
    Nothing,
}

impl Keeper {
    /// Goes on with what was found.
    pub(super) fn new(directory: &Path, durability: Durability, database: Database, lock: Lock, found: &Found) -> Self {
        Self {
            directory: directory.to_owned(),
            durability,
            frames: database.frames().ok(),
            database: Some(database),
            lock,
            birth: found.history.birth,
            given: found.history.newest,
            place: found.place,
            unsettled: false,
            forget: found.history.forgotten,
            forgotten: true,
            checkpoint_at: CHECKPOINT_FRAMES,
            trouble: Trouble::new(directory),
        }
    }

    /// Keeps publishes, and deletes some of what need not be kept.
    pub(super) fn append(&mut self, publishes: Vec<Publish>, now: u64) -> Result<Vec<Ordered>, StoreError> {
        let mut bytes = 0;
        let order = |publish: Publish| {
            bytes += publish.data.len();
            self.given = self.given.next(now);
            Ordered { id: self.given, publish, own: true }
        };
        let events: Vec<Ordered> = publishes.into_iter().map(order).collect();
        let (place, left) = (self.place, self.left());
        // More than what comes, so that a log that holds too much after a start is over it soon.
        let limit = 2 * events.len() + bytes / SMALLEST_EVENT + 16;
        let done = self.transact(|connection| {
            let more = match left {
                Some(up_to) => table::forget(connection, up_to, limit)?,
                None => false,
            };
            table::append(connection, place, &events)?;
            Ok(more)
        });
        match done {
            Ok(more) => {
                self.forgotten = !more;
                self.place += i64::try_from(events.len()).unwrap_or(i64::MAX);
                self.trouble.kept();
                Ok(events)
            }
            Err(cause) => {
                self.trouble.failed(&cause, events.len(), now);
                Err(StoreError(self.trouble.complaint(&cause)))
            }
        }
    }

    /// Events up to this one need not be kept.
    pub(super) fn forget(&mut self, up_to: EventId) {
        if up_to > self.forget {
            self.forget = up_to;
            self.forgotten = false;
        }
    }

    /// Up to where events need not be kept, as far as it was told.
    pub(super) fn told(&self) -> EventId {
        self.forget
    }

    /// Does a piece of what there is no hurry with: deletes what need not be kept, gives pages back.
    pub(super) fn tidy(&mut self, now: u64) -> Rest {
        let done = if let Some(up_to) = self.left() {
            let done = self.transact(|connection| table::forget(connection, up_to, PIECE));
            self.forgotten = done == Ok(false);
            done
        } else if self.database.as_ref().is_some_and(Database::is_mostly_free) {
            self.transact(|connection| database::give_back(connection, PAGES).map(|()| true))
        } else {
            return Rest::Nothing;
        };
        if let Err(cause) = done {
            self.trouble.failed(&cause, 0, now);
            return Rest::Later;
        }
        self.checkpoint();
        Rest::More
    }

    /// Moves events from the write-ahead log to the database where there are enough of them. It may take some time, and nobody
    /// should be waiting.
    pub(super) fn checkpoint(&mut self) {
        let (Some(database), Some(frames)) = (&self.database, self.frames) else {
            return;
        };
        if frames.all < self.checkpoint_at || frames.all == frames.moved {
            return;
        }
        match database.checkpoint() {
            Ok(frames) => {
                self.frames = Some(frames);
                self.checkpoint_at = CHECKPOINT_FRAMES;
            }
            // Everything is safe where it is; only that file grows. Once it has doubled, it is tried again.
            Err(error) => {
                let directory = self.directory.display();
                warn!("the event log in {directory} cannot move events into events.db: {}", said(&error));
                self.checkpoint_at = frames.all.saturating_mul(2);
            }
        }
    }

    /// Leaves everything in `events.db`, and lets go of the directory.
    pub(super) fn close(mut self) {
        let settled = if self.unsettled { self.transact(|_| Ok(())) } else { Ok(()) };
        let closed = settled.and_then(|()| match self.database.take() {
            Some(database) => database.close().map_err(|error| said(&error)),
            None => Err("its database could not be opened again".to_owned()),
        });
        match closed {
            Ok(()) => self.lock.close(),
            Err(cause) => {
                let directory = self.directory.display();
                warn!("the event log in {directory} cannot be closed properly: {cause}");
            }
        }
    }

    /// Up to where events are to be deleted, if any.
    fn left(&self) -> Option<EventId> {
        (!self.forgotten).then_some(self.forget)
    }

    /// Does the work in one transaction, or says why not.
    fn transact<T>(&mut self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, String> {
        let database = match self.database.take() {
            Some(database) => database,
            None => self.reopen()?,
        };
        let (place, unsettled) = (self.place, self.unsettled);
        let done = database.transact(|connection| {
            if unsettled {
                table::delete_behind(connection, place)?;
            }
            work(connection)
        });
        match done {
            Ok(done) => {
                self.unsettled = false;
                self.frames = database.frames().ok();
                self.database = Some(database);
                Ok(done)
            }
            Err(failed) => {
                self.mend(database, &failed);
                Err(said(&failed.error))
            }
        }
    }

    /// Sees to it that nothing of a failed transaction comes back, and that the next one has a chance.
    fn mend(&mut self, database: Database, Failed { error, at }: &Failed) {
        self.unsettled = true;
        if error.sqlite_error_code() == Some(ErrorCode::DiskFull) {
            // Nothing was written to its end. What is in the write-ahead log is moved out of it, so that small groups may find
            // room in a file that has its blocks already.
            if let Ok(frames) = database.checkpoint() {
                self.frames = Some(frames);
            }
            self.database = Some(database);
            return;
        }
        if *at == Stage::Commit {
            self.cut(&database);
        }
        // A connection that has seen the disk fail is not trusted any further. Letting go of it moves what is good to the database
        // and removes the write-ahead log, if the disk lets it.
        self.frames = None;
    }

    fn cut(&self, database: &Database) {
        let (Some(good), Ok(now)) = (self.frames, database.frames()) else {
            return;
        };
        // Two witnesses, before anything is cut: what SQLite says now, and what it said after the newest good commit. A
        // file that was wholly in the database may have begun again at its top.
        let begun_again = now.all == 0 && good.moved == good.all;
        if now.all != good.all && !begun_again {
            return;
        }
        if let Err(error) = wal::cut(&database::wal_path(&self.directory), now.all) {
            warn!("the event log in {} cannot cut what it refused: {error}", self.directory.display());
        }
    }

    fn reopen(&mut self) -> Result<Database, String> {
        let database = Database::open(&self.directory, self.durability, Missing::Refuse, |_| Ok(()));
        let mut database = database.map_err(|error| error.to_string())?;
        let birth = table::birth(database.connection()).map_err(|error| said(&error))?;
        if birth != self.birth {
            return Err("there is another log in its place".to_owned());
        }
        database.trust().map_err(|error| said(&error))?;
        self.frames = database.frames().ok();
        Ok(database)
    }
}

#[cfg(test)]
#[path = "keeper_tests.rs"]
mod tests;
