use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::log::disk::trial::{Trial, group, loaded};

fn refused(trial: &Trial) -> String {
    // A file of no bytes is none.
    let files = || ["events.db", "events.db-wal"].map(|name| fs::read(trial.path(name)).unwrap_or_default());
    let before = files();
    let error = trial.try_open(Durability::Os).unwrap_err().to_string();
    assert!(before == files(), "what is refused is left as it is: {error}");
    error.replace(trial.directory().to_str().unwrap(), "LOG")
}

fn filled() -> Trial {
    let trial = Trial::new();
    let (mut keeper, ..) = trial.open();
    keeper.append(group(0..1000), 1).unwrap();
    keeper.close();
    trial
}

fn change(trial: &Trial, sql: &str) {
    Connection::open(trial.path("events.db")).unwrap().execute_batch(sql).unwrap();
}

const ANEW: &str = "move the directory away to begin a new log";

#[test]
fn it_is_set_up_as_was_asked_for() {
    for (durability, synchronous) in [(Durability::Os, 1), (Durability::Disk, 2)] {
        let trial = Trial::new();
        // The second time it is there already.
        for _ in 0..2 {
            let (keeper, ..) = trial.try_open(durability).unwrap();
            let database = keeper.database();
            let text = |pragma: &str| {
                let value = |row: &Row<'_>| row.get::<_, rusqlite::types::Value>(0);
                database.connection.pragma_query_value(None, pragma, value).unwrap()
            };
            assert_eq!(text("journal_mode"), "wal".to_owned().into());
            assert_eq!(text("locking_mode"), "exclusive".to_owned().into());
            assert_eq!(text("synchronous"), synchronous.into());
            assert_eq!(text("wal_autocheckpoint"), 0.into());
            assert_eq!(text("auto_vacuum"), 2.into());
            assert_eq!(text("page_size"), 4096.into());
            assert!(!trial.path("events.db-shm").exists(), "no third file");
            for name in ["events.db", "events.db-wal"] {
                if let Ok(there) = fs::metadata(trial.path(name)) {
                    assert_eq!(there.permissions().mode() & 0o777, 0o600, "{name}");
                }
            }
            keeper.close();
            assert!(!trial.path("events.db-wal").exists(), "a log that is closed is one file");
        }
    }
}

#[test]
fn what_is_another_programs_is_refused() {
    let trial = Trial::new();
    fs::create_dir(trial.directory()).unwrap();
    change(&trial, "CREATE TABLE precious (gold); INSERT INTO precious VALUES (1)");
    assert_eq!(refused(&trial), "LOG/events.db belongs to another program; choose another directory");
    let trial = Trial::new();
    fs::create_dir(trial.directory()).unwrap();
    change(&trial, "PRAGMA application_id = 252006674; PRAGMA user_version = 1; CREATE TABLE precious (gold)");
    assert_eq!(refused(&trial), "LOG/events.db belongs to another program; choose another directory");
}

#[test]
fn another_format_is_refused() {
    let trial = filled();
    change(&trial, "PRAGMA user_version = 2");
    let expected = format!(
        "the event log in LOG has format 2, and this hasses knows format 1; run the hasses that made it, or {ANEW}"
    );
    assert_eq!(refused(&trial), expected);
    change(&trial, "PRAGMA user_version = 0");
    assert_eq!(refused(&trial), format!("the event log in LOG is damaged (its format is 0); {ANEW}"));
}

#[test]
fn what_is_damaged_is_refused() {
    let damaged = |cause: &str| format!("the event log in LOG is damaged ({cause}); {ANEW}");
    let path = |trial: &Trial| trial.path("events.db");
    let whole = filled();

    let trial = whole.killed();
    fs::write(path(&trial), "this is a text, and quite a long one, but no database of any kind that is known to SQLite, however long it is looked at by anybody").unwrap();
    assert_eq!(refused(&trial), damaged("file is not a database"));

    let trial = whole.killed();
    let bytes = fs::read(path(&trial)).unwrap();
    fs::write(path(&trial), &bytes[..3 * PAGE_SIZE as usize]).unwrap();
    assert_eq!(refused(&trial), damaged("database disk image is malformed"));

    // The middle of the tree of events.
    let trial = whole.killed();
    let mut bytes = fs::read(path(&trial)).unwrap();
    let middle = bytes.len() / 2 / PAGE_SIZE as usize * PAGE_SIZE as usize;
    bytes[middle..middle + PAGE_SIZE as usize].fill(0xA5);
    fs::write(path(&trial), &bytes).unwrap();
    assert_eq!(refused(&trial), damaged("database disk image is malformed"));

    let trial = whole.killed();
    change(&trial, "DROP TABLE mark");
    assert!(refused(&trial).contains("is damaged (no such table: mark"));
    let trial = whole.killed();
    change(&trial, "DELETE FROM mark WHERE name = 'birth'");
    assert_eq!(refused(&trial), damaged("Query returned no rows"));
}

#[test]
fn a_write_ahead_log_without_its_database_is_not_thrown_away() {
    let trial = Trial::new();
    let (mut keeper, ..) = trial.open();
    let kept = keeper.append(group(0..3), 1).unwrap();
    let killed = trial.killed();
    let database = fs::read(killed.path("events.db")).unwrap();
    for gone in [None, Some("")] {
        match gone {
            None => fs::remove_file(killed.path("events.db")).unwrap(),
            Some(text) => fs::write(killed.path("events.db"), text).unwrap(),
        }
        let expected =
            format!("the event log in LOG is damaged (events.db-wal is there without its events.db); {ANEW}");
        assert_eq!(refused(&killed), expected);
    }
    fs::write(killed.path("events.db"), database).unwrap();
    assert_eq!(killed.open().2, loaded(&kept));
}

#[test]
fn a_log_that_was_never_finished_is_made_again() {
    let trial = Trial::new();
    fs::create_dir(trial.directory()).unwrap();
    fs::write(trial.path("events.db"), "").unwrap();
    trial.open().0.close();
    // Made a database, but not its tables.
    for sql in ["VACUUM", "PRAGMA journal_mode = WAL", "PRAGMA page_size = 8192; VACUUM"] {
        let trial = Trial::new();
        fs::create_dir(trial.directory()).unwrap();
        change(&trial, sql);
        let (mut keeper, ..) = trial.open();
        let kept = keeper.append(group(0..3), 1).unwrap();
        keeper.close();
        assert_eq!(trial.open().2, loaded(&kept), "{sql}");
    }
}

#[test]
fn what_may_not_be_made_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Database::open(folder.path(), Durability::Os, Missing::Refuse, |_| panic!("it is not filled"));
    assert!(open().unwrap_err().to_string().contains("is damaged (events.db is gone)"));
    assert!(!path(folder.path()).exists());
    Connection::open(path(folder.path())).unwrap().execute_batch("VACUUM").unwrap();
    assert!(open().unwrap_err().to_string().contains("is damaged (events.db is empty)"));
}

#[test]
fn a_transaction_is_whole_or_not_at_all() {
    let trial = Trial::new();
    let (mut keeper, ..) = trial.open();
    let kept = keeper.append(group(0..1), 1).unwrap();
    let database = keeper.database();
    let failed = database.transact(|connection| {
        connection.execute("DELETE FROM event", [])?;
        connection.execute("INSERT INTO event VALUES (1, 2, 3, NULL)", [])
    });
    let failed = failed.unwrap_err();
    assert_eq!(failed.at, Stage::Work);
    assert_eq!(failed.error.to_string(), "NOT NULL constraint failed: event.publish");
    assert!(database.connection.is_autocommit(), "it was rolled back");
    assert_eq!(trial.killed().open().2, loaded(&kept));
}

#[test]
fn frames_are_counted_and_moved() {
    let trial = Trial::new();
    let (mut keeper, ..) = trial.open();
    let before = keeper.database().frames().unwrap();
    assert_eq!(before.moved, 0);
    keeper.append(group(0..1), 1).unwrap();
    let after = keeper.database().frames().unwrap();
    assert!(after.all > before.all && after.moved == 0, "{after:?}");
    assert_eq!(wal::survey(&wal_path(&trial.directory())).unwrap().whole, length_of(after));
    let moved = keeper.database().checkpoint().unwrap();
    assert_eq!(moved, Frames { all: after.all, moved: after.all });
    keeper.append(group(0..1), 1).unwrap();
    let again = keeper.database().frames().unwrap();
    assert!(again.all < after.all && again.moved == 0, "it begins again at its top: {again:?}");
    assert_eq!(wal::survey(&wal_path(&trial.directory())).unwrap(), wal::Survey { whole: length_of(again), torn: 0 });
}

fn length_of(frames: Frames) -> u64 {
    let frame = wal::FRAME_HEADER + PAGE_SIZE as usize;
    (wal::HEADER + frames.all as usize * frame) as u64
}
