//! The rows of the database: how events and marks are written, read back and deleted. It gives no ids and opens no transaction.

use std::path::Path;

use hasses_client::wire::{Command, EventId, Publish};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row};

use super::DiskError;
use super::database::Database;
use crate::log::{History, Ordered};

/// What was found in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The ids.
    pub(super) history: History,
    /// How many events there are.
    pub(super) events: u64,
    /// The place of the newest one, or 0.
    pub(super) place: i64,
}

/// Writes the marks of a log that is born.
pub(super) fn bear(connection: &Connection, birth: EventId) -> rusqlite::Result<()> {
    for name in ["birth", "forgotten"] {
        connection.execute(
            "INSERT INTO mark (name, millis, sequence) VALUES (?1, ?2, ?3)",
            (name, birth.millis.cast_signed(), birth.sequence.cast_signed()),
        )?;
    }
    Ok(())
}

/// The id at which the log was born.
pub(super) fn birth(connection: &Connection) -> rusqlite::Result<EventId> {
    mark(connection, "birth")
}

fn mark(connection: &Connection, name: &str) -> rusqlite::Result<EventId> {
    let mut statement = connection.prepare("SELECT millis, sequence FROM mark WHERE name = ?1")?;
    statement.query_row([name], |row| id(row, 0))
}

/// Reads every event, in order.
pub(super) fn load(database: &Database, directory: &Path, mut each: impl FnMut(Ordered)) -> Result<Found, DiskError> {
    let connection = database.connection();
    let sqlite = |error| DiskError::sqlite(directory, &error);
    let birth = birth(connection).map_err(sqlite)?;
    let forgotten = mark(connection, "forgotten").map_err(sqlite)?;
    let history = History { birth, newest: forgotten.max(birth), forgotten };
    let mut found = Found { history, events: 0, place: 0 };
    let mut statement =
        connection.prepare("SELECT place, millis, sequence, publish FROM event ORDER BY place").map_err(sqlite)?;
    let mut rows = statement.query([]).map_err(sqlite)?;
    while let Some(row) = rows.next().map_err(sqlite)? {
        found.place = row.get(0).map_err(sqlite)?;
        let id = id(row, 1).map_err(sqlite)?;
        let publish = publish(row, 3).and_then(|publish| {
            if id > found.history.newest {
                return Ok(publish);
            }
            Err(format!("its id {id} does not come after {}", found.history.newest))
        });
        let publish =
            publish.map_err(|cause| DiskError::Event { directory: directory.to_owned(), place: found.place, cause })?;
        found.history.newest = id;
        found.events += 1;
        each(Ordered { id, publish, own: false });
    }
    Ok(found)
}

/// Puts events behind the one at `place`.
pub(super) fn append(connection: &Connection, place: i64, events: &[Ordered]) -> rusqlite::Result<()> {
    let mut insert =
        connection.prepare_cached("INSERT INTO event (place, millis, sequence, publish) VALUES (?1, ?2, ?3, ?4)")?;
    let mut line = Vec::new();
    for (place, Ordered { id, publish, .. }) in (place + 1..).zip(events) {
        line.clear();
        // A command owns its publish. The copy is small beside what SQLite does with it.
        Command::Publish(publish.clone()).write_line(&mut line);
        line.pop();
        let publish = ToSqlOutput::Borrowed(ValueRef::Text(&line));
        insert.execute((place, id.millis.cast_signed(), id.sequence.cast_signed(), publish))?;
    }
    Ok(())
}

/// Deletes every event behind `place`.
pub(super) fn delete_behind(connection: &Connection, place: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM event WHERE place > ?1")?.execute([place]).map(drop)
}

/// Deletes the oldest events up to an id, `limit` of them at most. Whether there may be more.
pub(super) fn forget(connection: &Connection, up_to: EventId, limit: usize) -> rusqlite::Result<bool> {
    let mut oldest = connection.prepare_cached("SELECT place, millis, sequence FROM event ORDER BY place LIMIT ?1")?;
    let mut rows = oldest.query([i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let (mut count, mut last) = (0, None);
    while let Some(row) = rows.next()? {
        let id = id(row, 1)?;
        if id > up_to {
            break;
        }
        count += 1;
        last = Some((row.get::<_, i64>(0)?, id));
    }
    drop(rows);
    let Some((place, id)) = last else {
        return Ok(false);
    };
    connection.prepare_cached("DELETE FROM event WHERE place <= ?1")?.execute([place])?;
    let mut mark = connection.prepare_cached("UPDATE mark SET millis = ?1, sequence = ?2 WHERE name = 'forgotten'")?;
    mark.execute((id.millis.cast_signed(), id.sequence.cast_signed()))?;
    Ok(count == limit)
}

fn id(row: &Row<'_>, at: usize) -> rusqlite::Result<EventId> {
    // SQLite's integers have a sign, an id's halves do not.
    let half = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
    Ok(EventId { millis: half(at)?, sequence: half(at + 1)? })
}

fn publish(row: &Row<'_>, at: usize) -> Result<Publish, String> {
    let ValueRef::Text(line) = row.get_ref(at).map_err(|error| error.to_string())? else {
        return Err("its publish is no text".to_owned());
    };
    match Command::read_line(line) {
        Ok(Command::Publish(publish)) => Ok(publish),
        Ok(_) => Err("its publish is another command".to_owned()),
        Err(failure) => Err(failure.error),
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
