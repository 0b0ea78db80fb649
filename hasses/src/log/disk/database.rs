//! `events.db`, the SQLite database of a log directory: its form, how it is opened, one transaction, and the way from the
//! write-ahead log (`events.db-wal`) into it.
//!
//! Nothing here knows what an event is.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Row, TransactionBehavior};

use super::reserve::Reserve;
use super::wal;
use super::{DiskError, Durability};

/// The format of the database, in its `user_version`. It changes when an older hasses could not read what a newer one has written.
pub(super) const FORMAT: i32 = 1;
/// "hass", in its `application_id`, by which `file` and others tell whose database it is.
const APPLICATION: i32 = 0x6861_7373;
/// SQLite's own default; a commit writes whole pages, so that larger ones would cost small groups more.
pub(super) const PAGE_SIZE: u32 = 4096;
/// Frames in the write-ahead log from which on they are moved to the database: SQLite's own default, about 4 MiB.
pub(super) const CHECKPOINT_FRAMES: u32 = 1000;
/// The length that the write-ahead log keeps at most when it begins again at its top: about 8 MiB, in whole frames.
const WAL_KEPT: usize = wal::HEADER + 2 * CHECKPOINT_FRAMES as usize * (wal::FRAME_HEADER + PAGE_SIZE as usize);
/// How long a start waits for somebody who looks into the database with another program.
const PATIENCE: Duration = Duration::from_secs(2);

/// The tables. `place` counts the events in their order; `millis` and `sequence` are an event's id; `publish` is the publish as
/// its JSON command line. `mark` has the ids of the log's birth and of the newest event that it let go of.
const TABLES: &str = "
    CREATE TABLE event (
        place INTEGER PRIMARY KEY,
        millis INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        publish TEXT NOT NULL
    ) STRICT;
    CREATE TABLE mark (
        name TEXT PRIMARY KEY,
        millis INTEGER NOT NULL,
        sequence INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// The open database.
#[derive(Debug)]
pub(super) struct Database {
    connection: Connection,
    /// Once what is in it is known to be good. Behind the connection, since it is to be closed after it.
    reserve: Option<Reserve>,
    directory: PathBuf,
}

/// Whether a database may be made where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// It is made.
    Make,
    /// That is an error.
    Refuse,
}

/// Why a transaction came to nothing.
#[derive(Debug)]
pub(super) struct Failed {
    /// What SQLite says.
    pub(super) error: rusqlite::Error,
    /// Whether it was the commit that failed: then the file may hold the transaction all the same.
    pub(super) at: Stage,
}

/// The parts of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before its end.
    Work,
    /// Its end.
    Commit,
}

/// How much is in the write-ahead log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Frames {
    /// Frames up to the newest commit.
    pub(super) all: u32,
    /// How many of them are in the database, too.
    pub(super) moved: u32,
}

/// The database of a log directory.
pub(super) fn path(directory: &Path) -> PathBuf {
    directory.join("events.db")
}

/// Its write-ahead log.
pub(super) fn wal_path(directory: &Path) -> PathBuf {
    directory.join("events.db-wal")
}

impl Database {
    /// Opens it. What was made is empty but for its tables.
    pub(super) fn open(
        directory: &Path,
        durability: Durability,
        missing: Missing,
        fill: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> Result<Self, DiskError> {
        find(directory, missing)?;
        let sqlite = |error| DiskError::sqlite(directory, &error);
        // One thread has it, so SQLite's own locks between threads are left out.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path(directory), flags).map_err(sqlite)?;
        let mut database = Self { connection, reserve: None, directory: directory.to_owned() };
        database.prepare(durability).map_err(sqlite)?;
        if database.is_new(directory)? {
            if missing == Missing::Refuse {
                return Err(DiskError::Damaged { directory: directory.to_owned(), cause: "events.db is empty".into() });
            }
            database.make(fill).map_err(sqlite)?;
        } else {
            database.write_ahead().map_err(sqlite)?;
        }
        Ok(database)
    }

    fn prepare(&self, durability: Durability) -> rusqlite::Result<()> {
        self.connection.busy_timeout(PATIENCE)?;
        // What turns out to be damaged is left as it is.
        self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        // Before the first look into the file: then the index of the write-ahead log is in our memory, and not in a third file.
        self.set("locking_mode", "EXCLUSIVE")?;
        self.set(
            "synchronous",
            match durability {
                Durability::Os => "NORMAL",
                Durability::Disk => "FULL",
            },
        )?;
        // Only when nobody waits for it, by `checkpoint`.
        self.set("wal_autocheckpoint", "0")?;
        self.set("journal_size_limit", &WAL_KEPT.to_string())?;
        self.set("temp_store", "MEMORY")?;
        self.set("cell_size_check", "ON")?;
        self.set("trusted_schema", "OFF")
    }

    /// Whether nothing was ever put into it; and it is refused where it is not ours.
    fn is_new(&self, directory: &Path) -> Result<bool, DiskError> {
        let sqlite = |error| DiskError::sqlite(directory, &error);
        let number = |pragma: &str| self.connection.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
        let tables = self.connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
        // This is the first that reads the file.
        let tables = tables.map_err(sqlite)?;
        let (application, format) =
            (number("application_id").map_err(sqlite)?, number("user_version").map_err(sqlite)?);
        match (application, format) {
            (APPLICATION, FORMAT) => Ok(false),
            // The process died while it made the database.
            (0, 0) if tables == 0 => Ok(true),
            (APPLICATION, format) if format > FORMAT => {
                Err(DiskError::Newer { directory: directory.to_owned(), format })
            }
            (APPLICATION, format) => {
                let cause = format!("its format is {format}");
                Err(DiskError::Damaged { directory: directory.to_owned(), cause })
            }
            _ => Err(DiskError::Foreign { path: path(directory) }),
        }
    }

    fn make(&mut self, fill: impl FnOnce(&Connection) -> rusqlite::Result<()>) -> rusqlite::Result<()> {
        self.set("page_size", &PAGE_SIZE.to_string())?;
        // So that a log that has become smaller can give pages back (`shrink`).
        self.set("auto_vacuum", "INCREMENTAL")?;
        self.write_ahead()?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(TABLES)?;
        fill(&transaction)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", FORMAT)?;
        transaction.commit()
    }

    fn write_ahead(&self) -> rusqlite::Result<()> {
        let mode: String = self.connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        if mode == "wal" {
            return Ok(());
        }
        let error = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN);
        Err(rusqlite::Error::SqliteFailure(error, Some(format!("its journal mode stays {mode}"))))
    }

    fn set(&self, pragma: &str, value: &str) -> rusqlite::Result<()> {
        set(&self.connection, pragma, value)
    }

    /// What is in it was read and is good: from now on letting go of it moves everything into the database.
    pub(super) fn trust(&mut self) -> rusqlite::Result<()> {
        self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        // Where it cannot be opened a second time, there is none.
        self.reserve = Reserve::open(&self.directory).ok();
        self.renew_reserve();
        Ok(())
    }

    /// Takes what room there is for what stands in the files now; where there is none, appends fail until there is.
    fn renew_reserve(&self) {
        if let Some(reserve) = &self.reserve {
            Reserve::take_for_wal(&self.directory, WAL_KEPT as u64);
            reserve.renew();
            if let Ok(pages) = self.pages() {
                reserve.take(pages);
            }
        }
    }

    fn pages(&self) -> rusqlite::Result<u32> {
        self.connection.prepare_cached("PRAGMA page_count")?.query_row([], |row| row.get(0))
    }

    /// The connection, for what reads.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Does the work in one transaction. On an error nothing of it is to be seen in this database any more.
    pub(super) fn transact<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Failed> {
        let run = |sql| self.connection.prepare_cached(sql)?.execute([]).map(drop);
        let work = || {
            run("BEGIN IMMEDIATE")?;
            let before = self.pages()?;
            let done = work(&self.connection)?;
            let after = self.pages()?;
            if after > before && self.reserve.as_ref().is_some_and(|reserve| !reserve.take(after)) {
                return Err(full());
            }
            Ok(done)
        };
        let done = work().map_err(|error| Failed { error, at: Stage::Work });
        let done = done.and_then(|done| match run("COMMIT") {
            Ok(()) => Ok(done),
            Err(error) => Err(Failed { error, at: Stage::Commit }),
        });
        // SQLite rolls back by itself where the disk fails; where that fails, too, the connection is of no more use, and
        // whoever called lets go of it.
        if done.is_err() && !self.connection.is_autocommit() {
            let _ = run("ROLLBACK");
        }
        done
    }

    /// What is in the write-ahead log.
    pub(super) fn frames(&self) -> rusqlite::Result<Frames> {
        self.connection.prepare_cached("PRAGMA wal_checkpoint(NOOP)")?.query_row([], frames)
    }

    /// Moves what is in the write-ahead log into the database and has the system write both to disk.
    pub(super) fn checkpoint(&self) -> rusqlite::Result<Frames> {
        let done = self.connection.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?.query_row([], frames)?;
        self.renew_reserve();
        Ok(done)
    }

    /// Whether the file is much larger than what is in it.
    pub(super) fn is_mostly_free(&self) -> bool {
        let number = |pragma: &str| self.connection.pragma_query_value(None, pragma, |row| row.get::<_, u32>(0));
        // What fails here fails for the next transaction, too, and is said then.
        let (Ok(all), Ok(free)) = (self.pages(), number("freelist_count")) else {
            return false;
        };
        free > CHECKPOINT_FRAMES && free > all / 2
    }

    /// Moves everything into the database, and removes the write-ahead log.
    pub(super) fn close(self) -> rusqlite::Result<()> {
        self.checkpoint()?;
        self.connection.close().map_err(|(_, error)| error)
    }
}

/// As SQLite says it.
fn full() -> rusqlite::Error {
    let error = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
    rusqlite::Error::SqliteFailure(error, Some("database or disk is full".to_owned()))
}

/// Gives free pages back to the system, `pages` at most.
pub(super) fn give_back(connection: &Connection, pages: u32) -> rusqlite::Result<()> {
    set(connection, "incremental_vacuum", &pages.to_string())
}

fn set(connection: &Connection, pragma: &str, value: &str) -> rusqlite::Result<()> {
    // Some answer with a row, some do not; and each row of an incremental vacuum is one step of it.
    let mut statement = connection.prepare(&format!("PRAGMA {pragma} = {value}"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

fn frames(row: &Row<'_>) -> rusqlite::Result<Frames> {
    // -1 where there is no write-ahead log.
    let number = |at| row.get::<_, i64>(at).map(|number| u32::try_from(number).unwrap_or_default());
    Ok(Frames { all: number(1)?, moved: number(2)? })
}

/// Sees to it that there is a file, which only its owner may read: events are nobody else's business.
fn find(directory: &Path, missing: Missing) -> Result<(), DiskError> {
    let path = path(directory);
    let error = |doing| {
        let path = path.clone();
        move |error| DiskError::File { path, doing, error }
    };
    let size = match fs::metadata(&path) {
        Ok(there) => there.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(other) => return Err(error("read")(other)),
    };
    if size > 0 {
        return Ok(());
    }
    let damaged = |cause: &str| Err(DiskError::Damaged { directory: directory.to_owned(), cause: cause.to_owned() });
    // SQLite would take it for a leftover of something else, and remove it.
    if fs::metadata(wal_path(directory)).is_ok_and(|wal| wal.len() > 0) {
        return damaged("events.db-wal is there without its events.db");
    }
    if missing == Missing::Refuse {
        return damaged("events.db is gone");
    }
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(error("make"))?;
    // Or its name may be gone after a power cut, whatever was written into it.
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(error("make"))
}

#[cfg(test)]
#[path = "database_tests.rs"]
mod tests;
