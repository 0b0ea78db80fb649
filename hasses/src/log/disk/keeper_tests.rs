use std::collections::VecDeque;
use std::fs;

use hasses_client::wire::TopicPattern;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::log::disk::trial::{Trial, group, id, length, loaded, logged};

/// A time after every birth.
const NOW: u64 = 4_102_444_800_000;

impl Keeper {
    /// The database, which no fault has taken away.
    pub(in crate::log::disk) fn database(&self) -> &Database {
        self.database.as_ref().unwrap()
    }

    fn fill_up(&self, full: bool) {
        let connection = self.database().connection();
        let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        let limit = if full { pages } else { 1 << 30 };
        connection.query_row(&format!("PRAGMA max_page_count = {limit}"), [], |_| Ok(())).unwrap();
    }
}

fn large(count: usize, bytes: usize) -> Vec<Publish> {
    (0..count).map(|_| Publish::new(TopicPattern::new("room").unwrap(), "x".repeat(bytes))).collect()
}

#[test]
fn ids_increase_through_clocks_that_step_back_restarts_and_forgetting_everything() {
    let trial = Trial::new();
    let mut newest = EventId::default();
    for (restart, now) in [NOW, NOW - 5000, 0, NOW, NOW + 1, 0, u64::from(u32::MAX), NOW + 1].into_iter().enumerate() {
        let (mut keeper, history, _) = trial.open();
        if restart > 0 {
            assert_eq!(history.newest, newest);
        }
        for clock in [now, now - now.min(1), now] {
            for event in keeper.append(group(0..2), clock).unwrap() {
                assert!(event.id > newest && event.own, "{} after {newest}", event.id);
                newest = event.id;
            }
        }
        keeper.forget(newest);
        while keeper.tidy(NOW) == Rest::More {}
        if restart % 2 == 0 {
            keeper.close();
        }
    }
    let (_, history, events) = trial.open();
    assert_eq!((history.forgotten, history.newest, events), (newest, newest, vec![]));
}

#[test]
fn a_full_disk_refuses_whole_groups_and_says_so_once() {
    let trial = Trial::new();
    let (mut keeper, ..) = trial.open();
    let mut kept = keeper.append(group(0..5), NOW).unwrap();
    let directory = trial.directory().display().to_string();
    let complaint = format!("the event log in {directory} cannot keep events: database or disk is full");

    keeper.fill_up(true);
    let ((), text) = logged(|| {
        for _ in 0..3 {
            // The first of them would fit.
            let mut publishes = group(5..6);
            publishes.extend(large(10, 4096));
            assert_eq!(keeper.append(publishes, NOW).unwrap_err().0, complaint);
        }
    });
    assert_eq!(text, format!("ERROR {complaint}\n"));
    assert_eq!(trial.killed().open().2, loaded(&kept), "nothing of what was refused is there");
    kept.extend(keeper.append(group(6..7), NOW).unwrap());
    assert_eq!(kept.last().unwrap().id, id(NOW, 5 + 33), "no id is given twice");

    // A minute later it is another trouble.
    keeper.append(large(10, 4096), NOW + 60_000).unwrap_err();
    keeper.fill_up(false);
    let ((), text) = logged(|| {
        for _ in 0..3 {
            kept.extend(keeper.append(large(10, 4096), NOW).unwrap());
        }
    });
    assert_eq!(
        text,
        format!(" WARN the event log in {directory} keeps events again; publishes refused meanwhile: 10\n")
    );
    assert_eq!(trial.killed().open().2, loaded(&kept));
    keeper.close();
    assert_eq!(trial.open().2, loaded(&kept));
}

#[test]
fn a_full_disk_does_not_stop_forgetting() {
    let trial = Trial::new();
    let (mut keeper, ..) = trial.open();
    let kept = keeper.append(large(100, 3000), NOW).unwrap();
    keeper.fill_up(true);
    keeper.append(large(20, 3000), NOW).unwrap_err();
    keeper.forget(kept[49].id);
    while keeper.tidy(NOW) == Rest::More {}
    let again = keeper.append(large(20, 3000), NOW).unwrap();
    let (_, history, events) = trial.killed().open();
    assert_eq!(history.forgotten, kept[49].id);
    assert_eq!(events, loaded(&[&kept[50..], &again].concat()));
}

/// The write-ahead log is a FIFO: SQLite opens it, and every write fails.
fn with_fifo(durability: Durability) -> (Trial, Keeper, Vec<Ordered>) {
    let trial = Trial::new();
    let (mut keeper, ..) = trial.try_open(durability).unwrap();
    let kept = keeper.append(group(0..5), NOW).unwrap();
    keeper.database = None;
    let path = trial.path("events.db-wal");
    assert!(!path.exists(), "everything is in the database");
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    (trial, keeper, kept)
}

#[test]
fn after_a_write_that_failed_the_database_is_opened_anew() {
    for durability in [Durability::Os, Durability::Disk] {
        let (trial, mut keeper, mut kept) = with_fifo(durability);
        let directory = trial.directory().display().to_string();
        let complaint = format!("the event log in {directory} cannot keep events: disk I/O error while writing");
        let (refused, text) = logged(|| keeper.append(group(5..8), NOW));
        assert_eq!(refused.unwrap_err().0, complaint);
        assert!(text.contains(&format!("ERROR {complaint}\n")), "{text}");
        assert!(keeper.database.is_none());
        // Letting go of the connection has taken the FIFO away.
        let (again, text) = logged(|| keeper.append(group(8..10), NOW).unwrap());
        assert_eq!(
            text,
            format!(" WARN the event log in {directory} keeps events again; publishes refused meanwhile: 3\n")
        );
        kept.extend(again);
        assert_eq!(kept[5].id, id(NOW, 8), "no id is given twice");
        assert_eq!(trial.killed().open().2, loaded(&kept));
        keeper.close();
        assert_eq!(trial.open().2, loaded(&kept));
    }
}

#[test]
fn a_database_that_cannot_be_opened_is_tried_again() {
    let trial = Trial::new();
    let (mut keeper, ..) = trial.open();
    let mut kept = keeper.append(group(0..5), NOW).unwrap();
    keeper.database = None;
    fs::create_dir(trial.path("events.db-wal")).unwrap();
    let ((), text) = logged(|| {
        for _ in 0..3 {
            let error = keeper.append(group(5..8), NOW).unwrap_err().0;
            assert!(error.contains("cannot keep events") && error.contains("unable to open database file"), "{error}");
        }
        assert_eq!(keeper.tidy(NOW), Rest::Nothing);
        keeper.forget(kept[0].id);
        assert_eq!(keeper.tidy(NOW), Rest::Later);
    });
    assert_eq!(text.lines().count(), 1, "{text}");
    fs::remove_dir(trial.path("events.db-wal")).unwrap();
    kept.remove(0);
    kept.extend(keeper.append(group(8..10), NOW).unwrap());
    assert_eq!(trial.killed().open().2, loaded(&kept));

    // And where that is so at the end, it was not closed properly.
    keeper.database = None;
    fs::create_dir(trial.path("events.db-wal")).unwrap();
    let ((), text) = logged(|| keeper.close());
    assert!(text.contains("cannot be closed properly"), "{text}");
    fs::remove_dir(trial.path("events.db-wal")).unwrap();
    let ((_, _, events), text) = logged(|| trial.open());
    assert!(text.contains("was not closed properly"), "{text}");
    assert_eq!(events, loaded(&kept));
}

#[test]
fn what_was_refused_but_stands_in_the_database_is_deleted_before_anything_else() {
    let trial = Trial::new();
    for close_at_once in [false, true] {
        let (mut keeper, _, before) = trial.open();
        let mut kept = keeper.append(group(0..3), NOW).unwrap();
        // A commit that SQLite reports as failed, and finds when it is opened anew.
        let mut stray = kept.clone();
        for event in &mut stray {
            event.id = EventId { millis: event.id.millis + 1, sequence: event.id.sequence };
        }
        let place = keeper.place;
        keeper.database().transact(|connection| table::append(connection, place, &stray)).unwrap();
        keeper.unsettled = true;
        if !close_at_once {
            kept.extend(keeper.append(group(3..4), NOW).unwrap());
            assert!(!keeper.unsettled);
        }
        keeper.close();
        let (keeper, _, events) = trial.open();
        assert_eq!(events[before.len()..], loaded(&kept));
        keeper.close();
    }
}

#[test]
fn nothing_is_cut_where_it_is_not_certain_what_is_good() {
    let trial = Trial::new();
    let (mut keeper, ..) = trial.open();
    keeper.append(group(0..3), NOW).unwrap();
    let path = trial.path("events.db-wal");
    // Behind its back, so that SQLite says another length than it knows of.
    keeper.database().transact(|connection| table::delete_behind(connection, 2)).unwrap();
    let before = length(&path);
    keeper.cut(keeper.database());
    assert_eq!(length(&path), before);
    // And where both say the same, only what is behind that.
    keeper.frames = keeper.database().frames().ok();
    fs::write(&path, [fs::read(&path).unwrap(), vec![0xA5; 5000]].concat()).unwrap();
    keeper.cut(keeper.database());
    assert_eq!(length(&path), before);
}

#[test]
fn what_is_gone_or_another_log_is_not_opened_anew() {
    let trial = Trial::new();
    let (mut keeper, ..) = trial.open();
    let kept = keeper.append(group(0..3), NOW).unwrap();
    keeper.database = None;
    let (here, away) = (trial.path("events.db"), trial.path("away.db"));
    fs::rename(&here, &away).unwrap();
    let error = keeper.append(group(3..4), NOW).unwrap_err().0;
    assert!(error.contains("events.db is gone"), "{error}");

    let other = Trial::new();
    // Born at another time, whatever the clock says.
    let (mut elsewhere, history, _) = other.open();
    while history.birth == keeper.birth {
        keeper.birth.millis += 1;
    }
    elsewhere.append(group(0..9), NOW).unwrap();
    elsewhere.close();
    fs::copy(other.path("events.db"), &here).unwrap();
    let error = keeper.append(group(3..4), NOW).unwrap_err().0;
    assert!(error.ends_with("cannot keep events: there is another log in its place"), "{error}");

    fs::rename(&away, &here).unwrap();
    keeper.birth = history_of(&trial);
    let again = keeper.append(group(4..5), NOW).unwrap();
    keeper.close();
    assert_eq!(trial.open().2, loaded(&[kept, again].concat()));
}

fn history_of(trial: &Trial) -> EventId {
    table::birth(&Connection::open(trial.path("events.db")).unwrap()).unwrap()
}

#[test]
fn a_log_that_becomes_smaller_gives_its_pages_back() {
    let trial = Trial::new();
    let (mut keeper, ..) = trial.open();
    let kept = keeper.append(large(4000, 3000), NOW).unwrap();
    keeper.checkpoint();
    let before = length(&trial.path("events.db"));
    assert!(before > 4000 * 3000, "{before}");
    keeper.forget(kept[3899].id);
    while keeper.tidy(NOW) == Rest::More {}
    assert_eq!(keeper.tidy(NOW), Rest::Nothing);
    keeper.close();
    let after = length(&trial.path("events.db"));
    assert!(after < 6_000_000, "{after} of {before}");
    assert_eq!(trial.open().2, loaded(&kept[3900..]));
}

#[test]
fn files_do_not_grow_while_retention_stays() {
    let trial = Trial::new();
    let (mut keeper, ..) = trial.open();
    let mut held = VecDeque::new();
    let mut largest = [0; 2];
    for round in 0..3000 {
        // Many small ones, and now and then a large one that displaces them.
        let publishes = if round % 10 == 0 { large(1, 20_000) } else { group(0..10) };
        held.extend(keeper.append(publishes, NOW + round).unwrap().into_iter().map(|event| event.id));
        keeper.checkpoint();
        let mut up_to = None;
        while held.len() > 500 {
            up_to = held.pop_front();
        }
        if let Some(up_to) = up_to {
            keeper.forget(up_to);
        }
        let lengths = ["events.db", "events.db-wal"].map(|name| length(&trial.path(name)));
        if round < 1000 {
            largest = [largest[0].max(lengths[0]), largest[1].max(lengths[1])];
        } else {
            assert!(
                lengths[0] <= largest[0] * 11 / 10 && lengths[1] <= largest[1] * 2,
                "{lengths:?} {largest:?} {round}"
            );
        }
    }
    assert!(largest[1] < 9_000_000, "{largest:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever the order of publishing, forgetting, full disks, crashes and closing: what is there is what was kept and not
    /// forgotten.
    #[test]
    fn a_log_is_what_was_kept(steps in vec((0_u8..8, 1_usize..40), 1..40)) {
        let mut trial = Trial::new();
        let (mut keeper, history, _) = trial.open();
        let (mut held, mut newest, mut forgotten) = (VecDeque::new(), history.birth, history.birth);
        for (step, count) in steps {
            match step {
                0..=3 => {
                    let publishes = if step == 3 { large(count, 2000) } else { group(0..count) };
                    if let Ok(kept) = keeper.append(publishes, NOW) {
                        prop_assert_eq!(kept.len(), count);
                        held.extend(loaded(&kept));
                        newest = kept[count - 1].id;
                    }
                }
                4 => {
                    if let Some(event) = held.get(count % held.len().max(1)) {
                        let up_to: EventId = Ordered::clone(event).id;
                        keeper.forget(up_to);
                        while keeper.tidy(NOW) == Rest::More {}
                        while held.front().is_some_and(|event| event.id <= up_to) {
                            held.pop_front();
                        }
                        forgotten = up_to;
                    }
                }
                5 => keeper.fill_up(count % 2 == 0),
                6 => {
                    // The process is killed, and another one starts.
                    let killed = trial.killed();
                    drop(keeper);
                    trial = killed;
                    let opened = trial.open();
                    keeper = opened.0;
                    prop_assert_eq!(&opened.2, held.make_contiguous());
                    prop_assert_eq!((opened.1.newest, opened.1.forgotten), (newest, forgotten));
                }
                _ => {
                    keeper.close();
                    let opened = trial.open();
                    keeper = opened.0;
                    prop_assert_eq!(&opened.2, held.make_contiguous());
                    prop_assert_eq!((opened.1.newest, opened.1.forgotten), (newest, forgotten));
                }
            }
        }
    }
}
