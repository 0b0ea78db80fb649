use std::fs;
use std::time::Instant;

use futures_lite::future::block_on;
use hasses_client::wire::TopicPattern;
use proptest::prelude::*;

use super::trial::{Trial, group, length, loaded, logged};
use super::*;

fn open(trial: &Trial) -> (Disk, History, Vec<Ordered>) {
    let mut events = Vec::new();
    let (disk, history) = Disk::open(&trial.directory(), Durability::Os, |event| events.push(event)).unwrap();
    (disk, history, events)
}

#[test]
fn what_is_acknowledged_is_there_after_closing_after_dropping_and_after_a_crash() {
    let trial = Trial::new();
    let (mut disk, born, events) = open(&trial);
    assert_eq!((born.newest, born.forgotten, events.len()), (born.birth, born.birth, 0));
    assert!(born.birth.millis > 0 && born.birth.sequence == 0);
    let mut kept = block_on(disk.append(group(0..3))).unwrap();
    kept.extend(block_on(disk.append(group(3..4))).unwrap());
    assert!(kept.iter().all(|event| event.own && event.id > born.birth));

    let killed = trial.killed();
    let (_, history, events) = open(&killed);
    assert_eq!((history, events), (History { newest: kept[3].id, ..born }, loaded(&kept)));

    block_on(disk.close());
    let (mut disk, history, events) = open(&trial);
    assert_eq!((history, events), (History { newest: kept[3].id, ..born }, loaded(&kept)));
    kept.extend(block_on(disk.append(group(4..9))).unwrap());
    drop(disk);
    let (_, history, events) = open(&trial);
    assert_eq!((history, events), (History { newest: kept[8].id, ..born }, loaded(&kept)));
}

#[test]
fn a_second_one_is_refused_until_the_first_is_closed() {
    let trial = Trial::new();
    let (mut disk, ..) = open(&trial);
    let second = || Disk::open(&trial.directory(), Durability::Os, |_| {});
    let error = second().unwrap_err().to_string();
    assert!(error.contains(&format!("in use by process {}", std::process::id())), "{error}");
    assert!(error.contains(trial.directory().to_str().unwrap()), "{error}");
    block_on(disk.append(group(0..1))).unwrap();
    block_on(disk.close());
    second().unwrap();
}

#[test]
fn a_log_that_is_closed_keeps_nothing() {
    let trial = Trial::new();
    let (mut disk, ..) = open(&trial);
    block_on(disk.close());
    let expected = format!("the event log in {} is closed", trial.directory().display());
    assert_eq!(block_on(disk.append(group(0..1))).unwrap_err().0, expected);
    disk.forget(now_id());
    block_on(disk.close());
    drop(disk);
    assert_eq!(open(&trial).2, []);
}

fn now_id() -> EventId {
    EventId { millis: now(), sequence: 0 }
}

#[test]
fn an_empty_group_is_kept_too() {
    let trial = Trial::new();
    let (mut disk, ..) = open(&trial);
    assert_eq!(block_on(disk.append(vec![])).unwrap(), []);
}

#[test]
fn what_is_forgotten_goes_when_nobody_asks_for_anything_and_then_the_thread_sleeps() {
    let trial = Trial::new();
    let quiet = Duration::from_millis(1);
    let (mut disk, _) = Disk::open_with(&trial.directory(), Durability::Os, quiet, |_| {}).unwrap();
    // Twice, since the second time it is woken.
    for _ in 0..2 {
        let kept = block_on(disk.append(group(0..5000))).unwrap();
        disk.forget(kept[4989].id);
        let deadline = Instant::now() + Duration::from_secs(30);
        while !disk.mark.is_asleep() {
            assert!(Instant::now() < deadline, "it does not come to rest");
            std::thread::yield_now();
        }
        let (_, history, events) = open(&trial.killed());
        assert_eq!((history.forgotten, events), (kept[4989].id, loaded(&kept[4990..])));
    }
    let last = EventId { millis: u64::MAX >> 1, sequence: 0 };
    disk.forget(last);
    let deadline = Instant::now() + Duration::from_secs(30);
    while !disk.mark.is_asleep() {
        assert!(Instant::now() < deadline, "it does not come to rest");
        std::thread::yield_now();
    }
    assert_eq!(open(&trial.killed()).2, []);
}

#[test]
fn how_a_log_was_left_is_said() {
    let trial = Trial::new();
    let directory = trial.directory().display().to_string();
    let start = || logged(|| trial.open());
    let ((mut keeper, ..), text) = start();
    assert_eq!(text, format!(" INFO the event log in {directory} is open: it holds no events\n"));
    let first = keeper.append(group(0..1), 4_102_444_800_000).unwrap();
    keeper.close();
    let ((mut keeper, ..), text) = start();
    assert_eq!(text, format!(" INFO the event log in {directory} is open: it holds one event, {}\n", first[0].id));
    keeper.append(group(1..9), 4_102_444_800_000).unwrap();
    // As a process that is killed.
    drop(keeper);
    let ((mut keeper, ..), text) = start();
    let holds = "it holds 9 events, the newest is 4102444800000-8";
    assert_eq!(text, format!(" WARN the event log in {directory} was not closed properly, but is whole: {holds}\n"));
    keeper.append(group(9..10), 4_102_444_800_000).unwrap();

    let killed = trial.killed();
    let wal = killed.path("events.db-wal");
    let bytes = fs::read(&wal).unwrap();
    fs::write(&wal, &bytes[..bytes.len() - 1]).unwrap();
    let whole = wal::survey(&wal).unwrap().whole;
    let (_, text) = logged(|| killed.open());
    let torn = bytes.len() as u64 - 1 - whole;
    let directory = killed.directory().display().to_string();
    assert_eq!(
        text,
        format!(
            " WARN the event log in {directory} was not closed properly: \
             {torn} bytes of unfinished commits were cut; {holds}\n"
        )
    );
}

/// A log of several groups that is all in the write-ahead log but for the first one, killed; and where each group ends.
fn killed(sizes: &[usize]) -> (Trial, Vec<Vec<Ordered>>, Vec<u64>) {
    let trial = Trial::new();
    let (mut keeper, ..) = trial.open();
    keeper.database().checkpoint().unwrap();
    let (mut groups, mut ends) = (Vec::new(), Vec::new());
    for (&size, now) in sizes.iter().zip(4_102_444_800_000..) {
        groups.push(loaded(&keeper.append(group(0..size), now).unwrap()));
        ends.push(wal::survey(&trial.path("events.db-wal")).unwrap().whole);
    }
    let killed = trial.killed();
    drop(keeper);
    (killed, groups, ends)
}

/// Opens what is left of a log after its write-ahead log was changed: a prefix, in whole groups, that goes on.
fn check(trial: &Trial, wal: &[u8], groups: &[Vec<Ordered>], whole: usize) {
    let trial = trial.killed();
    fs::write(trial.path("events.db-wal"), wal).unwrap();
    let (mut keeper, history, events) = trial.open();
    let expected = groups[..whole].concat();
    assert_eq!(events, expected, "{} bytes", wal.len());
    assert_eq!(history.newest, expected.last().map_or(history.birth, |event| event.id));
    assert!(events.windows(2).all(|pair| pair[0].id < pair[1].id));
    // A clock that stands where it stood before the crash.
    let more = keeper.append(group(7..9), 4_102_444_800_000).unwrap();
    assert!(more[0].id > history.newest);
    let again = trial.killed();
    assert_eq!(again.open().2, [expected, loaded(&more)].concat());
}

#[test]
fn wherever_the_file_is_cut_whole_groups_are_left() {
    // The large ones take several pages.
    let sizes = [1, 1, 120, 3, 1];
    let (trial, groups, ends) = killed(&sizes);
    let wal = fs::read(trial.path("events.db-wal")).unwrap();
    let frame = wal::FRAME_HEADER + database::PAGE_SIZE as usize;
    assert_eq!((wal.len() - wal::HEADER) % frame, 0);
    assert_eq!(*ends.last().unwrap(), wal.len() as u64);
    let mut cuts = vec![0, 1, wal::HEADER - 1];
    for start in (wal::HEADER..wal.len()).step_by(frame) {
        cuts.extend([start, start + 7, start + frame / 2, start + frame - 1]);
    }
    cuts.push(wal.len());
    for cut in cuts {
        let whole = ends.iter().filter(|&&end| end <= cut as u64).count();
        check(&trial, &wal[..cut], &groups, whole);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn wherever_a_byte_has_changed_the_groups_before_it_are_left(
        sizes in proptest::collection::vec(1_usize..80, 1..12),
        place in 0.0..1.0,
        flip in 1_u8..,
        cut in proptest::option::of(0.0..1.0),
    ) {
        let (trial, groups, ends) = killed(&sizes);
        let mut wal = fs::read(trial.path("events.db-wal")).unwrap();
        let at = |part: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within the file")]
            let at = (part * wal.len() as f64) as usize;
            at
        };
        let (changed, cut) = (at(place), cut.map(at));
        wal[changed] ^= flip;
        wal.truncate(cut.unwrap_or(wal.len()));
        let good = changed.min(wal.len()) as u64;
        let whole = match changed {
            // Without its header nothing of the file counts.
            0..wal::HEADER => 0,
            _ => ends.iter().filter(|&&end| end <= good).count(),
        };
        check(&trial, &wal, &groups, whole);
    }
}

#[test]
fn a_crash_between_the_checkpoints_loses_nothing() {
    let trial = Trial::new();
    let (mut keeper, ..) = trial.open();
    let mut kept = Vec::new();
    for round in 0..30 {
        let publishes = (0..100).map(|_| Publish::new(TopicPattern::everything(), "x".repeat(3000))).collect();
        kept.extend(loaded(&keeper.append(publishes, 4_102_444_800_000 + round).unwrap()));
        let looked_at = round % 7 == 6;
        if looked_at {
            assert_eq!(trial.killed().open().2, kept);
        }
        keeper.checkpoint();
        if looked_at {
            assert_eq!(trial.killed().open().2, kept);
        }
    }
    assert!(length(&trial.path("events.db")) > 2_000_000, "it has been moved to the database");
    assert!(length(&trial.path("events.db-wal")) < 9_000_000);
}

#[test]
fn a_disk_is_given_to_another_thread() {
    fn is_send<T: Send>(_: &T) {}
    let trial = Trial::new();
    let (mut disk, ..) = open(&trial);
    is_send(&disk.append(group(0..1)));
    is_send(&disk.close());
    is_send(&disk);
}
