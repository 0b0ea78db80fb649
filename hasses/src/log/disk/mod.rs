//! The event log on disk: a [`Store`] in a directory that one daemon has for itself.
//!
//! It is SQLite with a write-ahead log. No embedded store is tried more; its own documents say what a commit survives, and that is
//! exactly what is wanted here: with `synchronous` at NORMAL ([`Durability::Os`]) a commit survives the process, and a power cut
//! takes the newest commits at most and leaves what is before them whole; at FULL ([`Durability::Disk`]) it survives that, too.
//! Every frame of the write-ahead log carries a sum, so that a torn tail is found and cut. And the sqlite3 tool can look into it.
//!
//! In the directory: `events.db`, `events.db-wal` while the log is open (or when a daemon has died), and `lock`. Events are only read
//! at the start; what is served is the [`Window`](super::Window)'s. The way of a publish: [`Disk::append`], the thread of
//! `writer`, `keeper`, `table`, `database`.

mod database;
mod error;
mod keeper;
mod lock;
mod reserve;
mod table;
#[cfg(test)]
mod trial;
mod trouble;
mod wal;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use flume::Sender;
use hasses_client::wire::{EventId, Publish};
use tracing::{info, warn};

use self::database::{Database, Missing};
use self::keeper::Keeper;
use self::lock::{Lock, State};
use self::table::Found;
use self::wal::Survey;
use self::writer::{Mark, QUIET, Request};
use crate::log::{History, Ordered, Store, StoreError, Storing, now};

pub use self::error::DiskError;
use crate::config::Durability;

/// Keeps events in a directory. Dropping it closes the log, and waits for that.
#[derive(Debug)]
pub struct Disk {
    directory: PathBuf,
    /// To the thread; `None` once the log is closed. `flume`, since the other end is a plain thread.
    requests: Option<Sender<Request>>,
    mark: Arc<Mark>,
    writer: Option<JoinHandle<()>>,
}

impl Disk {
    /// Opens the log in a directory, which is made where it is missing (its parent is not), and hands every event that it holds to
    /// `each`, in order. Blocks as long as that takes; starts a thread. Files are made, removed and made again while the log is
    /// open, so this is for the user that the daemon stays.
    ///
    /// # Errors
    /// [`DiskError`]. A log that is damaged or another program's is never written to.
    pub fn open(
        directory: &Path,
        durability: Durability,
        each: impl FnMut(Ordered),
    ) -> Result<(Self, History), DiskError> {
        Self::open_with(directory, durability, QUIET, each)
    }

    fn open_with(
        directory: &Path,
        durability: Durability,
        quiet: Duration,
        each: impl FnMut(Ordered),
    ) -> Result<(Self, History), DiskError> {
        let (keeper, history) = find(directory, durability, each)?;
        // One append waits at most, since the caller awaits each; what else comes finds room.
        let (requests, asked) = flume::bounded(4);
        let mark = Arc::new(Mark::default());
        let writer = {
            let mark = Arc::clone(&mark);
            let run = move || writer::run(keeper, &asked, &mark, quiet);
            std::thread::Builder::new().name("hasses-log".to_owned()).spawn(run).map_err(DiskError::Thread)?
        };
        let directory = directory.to_owned();
        Ok((Self { directory, requests: Some(requests), mark, writer: Some(writer) }, history))
    }

    fn closed(&self) -> StoreError {
        StoreError(format!("the event log in {} is closed", self.directory.display()))
    }
}

impl Store for Disk {
    fn append(&mut self, publishes: Vec<Publish>) -> Storing<'_, Result<Vec<Ordered>, StoreError>> {
        Box::pin(async move {
            let Some(requests) = &self.requests else {
                return Err(self.closed());
            };
            let (answer, answered) = flume::bounded(1);
            // Where the thread is gone, so is the answer's other end.
            let _ = requests.send_async(Request::Append { publishes, answer }).await;
            answered.recv_async().await.unwrap_or_else(|_| Err(self.closed()))
        })
    }

    fn forget(&mut self, up_to: EventId) {
        if self.mark.raise(up_to)
            && let Some(requests) = &self.requests
        {
            // Where it is full, the thread is awake.
            let _ = requests.try_send(Request::Wake);
        }
    }

    fn close(&mut self) -> Storing<'_, ()> {
        Box::pin(async move {
            if let Some(requests) = self.requests.take() {
                let (answer, closed) = flume::bounded(1);
                let _ = requests.send_async(Request::Close { answer }).await;
                let _ = closed.recv_async().await;
            }
        })
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(writer) = self.writer.take() {
            // A panic of its was reported when it happened.
            let _ = writer.join();
        }
    }
}

/// Takes the directory, opens what is there and reads it, and says how it was found.
fn find(directory: &Path, durability: Durability, each: impl FnMut(Ordered)) -> Result<(Keeper, History), DiskError> {
    let (mut lock, state) = Lock::take(directory)?;
    let wal = database::wal_path(directory);
    let survey = wal::survey(&wal).map_err(|error| DiskError::File { path: wal, doing: "read", error })?;
    let birth = EventId { millis: now(), sequence: 0 };
    let mut database =
        Database::open(directory, durability, Missing::Make, |connection| table::bear(connection, birth))?;
    let found = table::load(&database, directory, each)?;
    database.trust().map_err(|error| DiskError::sqlite(directory, &error))?;
    report(directory, state, survey, &found);
    lock.used();
    Ok((Keeper::new(directory, durability, database, lock, &found), found.history))
}

fn report(directory: &Path, state: State, survey: Survey, found: &Found) {
    let (directory, events, newest) = (directory.display(), found.events, found.history.newest);
    let holds = match events {
        0 => "it holds no events".to_owned(),
        1 => format!("it holds one event, {newest}"),
        _ => format!("it holds {events} events, the newest is {newest}"),
    };
    if survey.torn > 0 {
        let torn = survey.torn;
        warn!(
            "the event log in {directory} was not closed properly: {torn} bytes of unfinished commits were cut; {holds}"
        );
    } else if state == State::Open {
        warn!("the event log in {directory} was not closed properly, but is whole: {holds}");
    } else {
        info!("the event log in {directory} is open: {holds}");
    }
}

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
