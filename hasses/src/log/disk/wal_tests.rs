use std::fs;

use super::*;
use crate::log::disk::trial::{Trial, group, length, loaded};

/// A file as SQLite makes it: each number is a frame's page count after a commit, or 0 for a frame that is no commit.
fn file(big_endian: bool, salt: u32, frames: &[u32]) -> Vec<u8> {
    let page_size = 512;
    let magic = MAGIC | u32::from(big_endian);
    let mut bytes: Vec<u8> =
        [magic, 3_007_000, page_size, 0, salt, !salt].iter().flat_map(|w| w.to_be_bytes()).collect();
    let mut sums = Round { big_endian, salt: [0; 8], frame: 0, sum: (0, 0) };
    sums.add(&bytes);
    let sum = |bytes: &mut Vec<u8>, sums: &Round| {
        bytes.extend([sums.sum.0, sums.sum.1].iter().flat_map(|w| w.to_be_bytes()));
    };
    sum(&mut bytes, &sums);
    for (number, &commit) in (1_u32..).zip(frames) {
        let head: Vec<u8> = [number, commit, salt, !salt].iter().flat_map(|w| w.to_be_bytes()).collect();
        let page: Vec<u8> = (0..page_size).map(|at| (at ^ number).to_le_bytes()[0]).collect();
        sums.add(&head[..8]);
        sums.add(&page);
        bytes.extend(head);
        sum(&mut bytes, &sums);
        bytes.extend(page);
    }
    bytes
}

fn surveyed(bytes: &[u8]) -> Survey {
    walk(bytes, bytes.len() as u64).unwrap()
}

const FRAME: usize = FRAME_HEADER + 512;

fn end(frames: usize) -> u64 {
    (HEADER + frames * FRAME) as u64
}

#[test]
fn the_last_whole_commit_is_found_wherever_the_file_ends() {
    for big_endian in [false, true] {
        let whole = file(big_endian, 7, &[0, 2, 3, 0, 0, 5]);
        for length in 0..=whole.len() {
            let commits = [2, 3, 6].map(|frames| HEADER + frames * FRAME);
            let expected = match commits.iter().rev().find(|&&end| end <= length) {
                Some(&end) => end,
                None if length < HEADER => 0,
                None => HEADER,
            };
            let found = surveyed(&whole[..length]);
            assert_eq!(found, Survey { whole: expected as u64, torn: (length - expected) as u64 }, "{length}");
        }
    }
}

#[test]
fn a_byte_that_has_changed_ends_what_is_whole() {
    let good = file(false, 7, &[1, 2, 3]);
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        let found = surveyed(&bytes);
        let whole = match at {
            0..HEADER => 0,
            at => HEADER + (at - HEADER) / FRAME * FRAME,
        };
        assert_eq!(found.whole, whole as u64, "byte {at}");
        // A frame whose salt has changed looks like one of another round, which matters for the last one only.
        let foreign = (16..24).any(|byte| at == HEADER + 2 * FRAME + byte - 8);
        assert_eq!(found.torn, if foreign { 0 } else { (good.len() - whole) as u64 }, "byte {at}");
    }
}

#[test]
fn frames_of_an_earlier_round_are_not_torn() {
    let (earlier, now) = (file(false, 7, &[1, 2, 3, 4]), file(false, 8, &[1, 0]));
    let mut bytes = now.clone();
    bytes.extend(&earlier[now.len()..]);
    assert_eq!(surveyed(&bytes), Survey { whole: end(1), torn: FRAME as u64 });
    assert_eq!(surveyed(&bytes[..bytes.len() - 100]), Survey { whole: end(1), torn: FRAME as u64 });
    assert_eq!(surveyed(&bytes[..bytes.len() - FRAME + 3]), Survey { whole: end(1), torn: FRAME as u64 });
}

#[test]
fn what_is_no_write_ahead_log_has_nothing_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wal");
    assert_eq!(survey(&path).unwrap(), Survey::default());
    fs::write(&path, [0; 100]).unwrap();
    assert_eq!(survey(&path).unwrap(), Survey { whole: 0, torn: 100 });
    assert_eq!(surveyed(&[]), Survey::default());
    let mut header = file(false, 7, &[]);
    assert_eq!(surveyed(&header), Survey { whole: end(0), torn: 0 });
    for (at, value) in [(11, 3), (9, 1), (0, 0)] {
        let before = std::mem::replace(&mut header[at], value);
        assert_eq!(surveyed(&header), Survey { whole: 0, torn: 32 });
        header[at] = before;
    }
}

#[test]
fn a_refused_commit_that_stands_in_the_file_can_be_cut() {
    let trial = Trial::new();
    let (mut keeper, ..) = trial.open();
    let good = keeper.append(group(0..5), 1).unwrap();
    let frames = keeper.database().frames().unwrap().all;
    keeper.append(group(5..9), 2).unwrap();

    let killed = trial.killed();
    let path = killed.path("events.db-wal");
    cut(&path, frames).unwrap();
    assert_eq!(survey(&path).unwrap(), Survey { whole: length(&path), torn: 0 });
    let (_, _, events) = killed.open();
    assert_eq!(events, loaded(&good));

    let killed = trial.killed();
    cut(&killed.path("events.db-wal"), 0).unwrap();
    assert_eq!(killed.open().2, [], "nothing had been moved to the database yet");
}

#[test]
fn what_ends_earlier_is_not_made_longer_and_what_is_not_understood_is_not_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wal");
    fs::write(&path, file(false, 7, &[1, 2])).unwrap();
    cut(&path, 5).unwrap();
    assert_eq!(length(&path), end(2));
    cut(&path, 1).unwrap();
    assert_eq!(length(&path), end(1));
    fs::write(&path, "something else").unwrap();
    assert!(cut(&path, 1).is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "something else");
    assert!(cut(&folder.path().join("missing"), 0).is_err());
}
