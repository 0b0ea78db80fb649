use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::log::disk::trial::{Trial, group, id, loaded, publishes};

fn change(trial: &Trial, sql: &str) {
    let connection = Connection::open(trial.path("events.db")).unwrap();
    connection.execute_batch(sql).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn what_is_read_back_is_what_was_kept(publishes in vec(publishes(), 0..20)) {
        let trial = Trial::new();
        let (mut keeper, history, events) = trial.open();
        prop_assert!(events.is_empty());
        let kept = keeper.append(publishes.clone(), 17).unwrap();
        prop_assert_eq!(kept.iter().map(|event| event.publish.clone()).collect::<Vec<_>>(), publishes);
        keeper.close();
        let (_, again, events) = trial.open();
        prop_assert_eq!(again.birth, history.birth);
        prop_assert_eq!(again.forgotten, history.birth);
        prop_assert_eq!(again.newest, kept.last().map_or(history.birth, |event| event.id));
        prop_assert_eq!(events, loaded(&kept));
    }
}

#[test]
fn a_row_is_readable_with_other_tools() {
    let trial = Trial::new();
    let (mut keeper, history, _) = trial.open();
    keeper.append(group(0..1), u64::from(u32::MAX) * 1000).unwrap();
    keeper.close();
    let connection = Connection::open(trial.path("events.db")).unwrap();
    let row: (i64, i64, i64, String) = connection
        .query_row("SELECT * FROM event", [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .unwrap();
    let line = r#"{"cmd":"publish","topic":"room","data":"number 0"}"#;
    assert_eq!(row, (1, 4_294_967_295_000, 0, line.to_owned()));
    let birth: i64 =
        connection.query_row("SELECT millis FROM mark WHERE name = 'birth'", [], |row| row.get(0)).unwrap();
    assert_eq!(birth.cast_unsigned(), history.birth.millis);
}

#[test]
fn an_event_that_cannot_be_read_back_is_named() {
    for (sql, cause) in [
        ("UPDATE event SET publish = '{\"cmd\":\"ping\"}' WHERE place = 2", "its publish is another command"),
        ("UPDATE event SET publish = 'room=hi' WHERE place = 2", "the line is not a JSON object"),
        (
            "UPDATE event SET millis = 4102444800000, sequence = 0 WHERE place = 2",
            "its id 4102444800000-0 does not come after 4102444800000-0",
        ),
        ("UPDATE event SET millis = 5 WHERE place = 2", "its id 5-1 does not come after 4102444800000-0"),
    ] {
        let trial = Trial::new();
        let (mut keeper, ..) = trial.open();
        keeper.append(group(0..3), 4_102_444_800_000).unwrap();
        keeper.close();
        change(&trial, sql);
        let error = trial.try_open(super::super::Durability::Os).unwrap_err().to_string();
        let expected = format!(
            "the event log in {} has an event that cannot be read, at place 2 ({cause}); \
             delete that row with the sqlite3 tool, or move the directory away to begin a new log",
            trial.directory().display(),
        );
        assert_eq!(error, expected);
        // And that helps.
        change(&trial, "DELETE FROM event WHERE place = 2");
        let (_, _, events) = trial.open();
        assert_eq!(events.iter().map(|event| event.id.sequence).collect::<Vec<_>>(), [0, 2]);
    }
}

#[test]
fn the_oldest_are_forgotten_and_the_newest_of_them_is_remembered() {
    let trial = Trial::new();
    let (mut keeper, history, _) = trial.open();
    let mut events = keeper.append(group(0..10), 4_102_444_800_000).unwrap();
    let forget = |up_to, limit| keeper.database().transact(|connection| forget(connection, up_to, limit)).unwrap();
    let at = |sequence| id(4_102_444_800_000, sequence);
    assert!(!forget(history.birth, 100), "nothing is as old");
    assert!(forget(at(4), 3), "three of five");
    assert!(!forget(at(4), 3));
    // Only ids of events are ever forgotten; another one stands for the newest event before it.
    assert!(!forget(id(4_102_444_800_000 - 1, 99), 3));
    let (_, history, found) = trial.killed().open();
    events.drain(..5);
    assert_eq!(found, loaded(&events));
    assert_eq!((history.forgotten, history.newest), (at(4), at(9)));

    assert!(!forget(id(u64::MAX, 0), 100));
    let (_, history, found) = trial.killed().open();
    assert_eq!((history.forgotten, history.newest, found), (at(9), at(9), vec![]));
}
