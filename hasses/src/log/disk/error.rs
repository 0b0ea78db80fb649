//! Why a log directory cannot be used.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ffi;

/// Why the event log in a directory cannot be opened; the operator's to mend. Nothing in the directory was changed, except that
/// an empty log may have been made.
#[derive(Debug)]
pub enum DiskError {
    /// The directory or a file in it cannot be made, read or written.
    File {
        /// What it was.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// Another daemon has the directory.
    InUse {
        /// The directory.
        directory: PathBuf,
        /// The other daemon, as far as it has said.
        pid: Option<u32>,
    },
    /// The database is of a later hasses.
    Newer {
        /// The directory.
        directory: PathBuf,
        /// Its format.
        format: i32,
    },
    /// The database belongs to another program.
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// The database is not whole.
    Damaged {
        /// The directory.
        directory: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// An event cannot be read back.
    Event {
        /// The directory.
        directory: PathBuf,
        /// The `place` of its row in the table `event`.
        place: i64,
        /// What is wrong with it.
        cause: String,
    },
    /// The system refused the thread that writes.
    Thread(io::Error),
}

impl DiskError {
    /// What SQLite says about the database of a directory.
    pub(super) fn sqlite(directory: &Path, error: &rusqlite::Error) -> Self {
        let path = super::database::path(directory);
        let cause = said(error);
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::CannotOpen | rusqlite::ErrorCode::PermissionDenied) => {
                Self::File { path, doing: "open", error: io::Error::other(cause) }
            }
            Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
                let error = io::Error::other("another program has it open");
                Self::File { path, doing: "lock", error }
            }
            Some(
                rusqlite::ErrorCode::DiskFull
                | rusqlite::ErrorCode::SystemIoFailure
                | rusqlite::ErrorCode::ReadOnly
                | rusqlite::ErrorCode::OutOfMemory,
            ) => Self::File { path, doing: "use", error: io::Error::other(cause) },
            _ => Self::Damaged { directory: directory.to_owned(), cause },
        }
    }
}

/// What SQLite said, and for an I/O error at what.
pub(super) fn said(error: &rusqlite::Error) -> String {
    let text = error.to_string();
    let doing = match error.sqlite_extended_error_code() {
        Some(ffi::SQLITE_IOERR_READ | ffi::SQLITE_IOERR_SHORT_READ) => "reading",
        Some(ffi::SQLITE_IOERR_WRITE) => "writing",
        Some(ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC) => "syncing",
        Some(ffi::SQLITE_IOERR_TRUNCATE) => "truncating",
        _ => return text,
    };
    format!("{text} while {doing}")
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let begin_anew = "move the directory away to begin a new log";
        match self {
            Self::File { path, doing, error } => write!(f, "the event log cannot {doing} {}: {error}", path.display()),
            Self::InUse { directory, pid } => {
                write!(f, "the event log in {} is in use by ", directory.display())?;
                match pid {
                    Some(pid) => write!(f, "process {pid}")?,
                    None => f.write_str("another process")?,
                }
                f.write_str("; stop that one, or choose another directory")
            }
            Self::Newer { directory, format } => {
                let (directory, known) = (directory.display(), super::database::FORMAT);
                write!(
                    f,
                    "the event log in {directory} has format {format}, and this hasses knows format {known}; \
                     run the hasses that made it, or {begin_anew}"
                )
            }
            Self::Foreign { path } => {
                write!(f, "{} belongs to another program; choose another directory", path.display())
            }
            Self::Damaged { directory, cause } => {
                write!(f, "the event log in {} is damaged ({cause}); {begin_anew}", directory.display())
            }
            Self::Event { directory, place, cause } => {
                let directory = directory.display();
                write!(
                    f,
                    "the event log in {directory} has an event that cannot be read, at place {place} ({cause}); \
                     delete that row with the sqlite3 tool, or {begin_anew}"
                )
            }
            Self::Thread(error) => write!(f, "the event log's thread cannot start: {error}"),
        }
    }
}

impl std::error::Error for DiskError {}
