//! What a crash, a hand or another version has left in the directory, and who may have it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;

use hasses_client::wire::EventId;
use hasses_tests::{Finished, binary, finish, required, runs_as_root};
use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::json;

use crate::place::Place;
use crate::stream::{Entry, Stream};

const FILES: [&str; 3] = ["events.db", "events.db-wal", "lock"];
const ANEW: &str = "move the directory away to begin a new log";

/// What is done to a log.
type Change<'a> = &'a dyn Fn(&Place);

/// The files of a log, where they are there.
type Files = [Option<Vec<u8>>; 3];

fn files(place: &Place) -> Files {
    // SQLite makes an empty one as soon as it looks.
    FILES.map(|name| fs::read(place.log(name)).ok().filter(|bytes| !bytes.is_empty()))
}

fn put_back(place: &Place, files: &Files) {
    for (name, bytes) in FILES.iter().zip(files) {
        match bytes {
            Some(bytes) => fs::write(place.log(name), bytes).expect("it is written"),
            None => drop(fs::remove_file(place.log(name))),
        }
    }
}

/// Publishes these numbers one by one: each is a commit of its own.
fn publish(place: &Place, numbers: std::ops::Range<u64>) {
    let mut publisher = place.publisher();
    for number in numbers {
        let answer = publisher.ask(&json!({"cmd": "publish", "topic": "room", "data": format!("{number} x")}));
        assert_eq!(answer["ok"], true, "{answer}");
    }
}

/// A log of so many events, killed; its birth and what it holds.
fn killed(place: &Place, count: u64) -> (EventId, Vec<Entry>) {
    let running = place.start(&[]);
    let birth = place.position();
    publish(place, 1..count + 1);
    let entries = place.events_behind(birth);
    assert_eq!(entries.len() as u64, count);
    running.signal(Signal::KILL);
    (birth, entries)
}

/// What a start that must fail says behind its name.
fn refusal(place: &Place) -> String {
    let Finished { code, stdout, stderr } = place.refused(&[]);
    assert_eq!(code, 1, "{stdout}{stderr}");
    stderr.strip_prefix("hasses: ").expect("an error").trim_end().to_owned()
}

#[test]
fn a_torn_tail_is_cut_and_said_and_everything_before_it_is_there() {
    let place = Place::new();
    let (birth, entries) = killed(&place, 50);
    let before = files(&place);
    let wal = before[1].as_ref().expect("a write-ahead log");
    let tail = wal.len() - 1;
    let garbled =
        |from: usize| wal.iter().enumerate().map(|(at, byte)| if at < from { *byte } else { !byte }).collect();
    let cut = |to: usize| wal[..to].to_vec();
    let with_more = [wal.as_slice(), &[0x5a; 5000]].concat();
    for (what, changed, lost) in [
        ("a byte less", cut(tail), 1),
        ("half a page less", cut(wal.len() - 2000), 1),
        ("another last byte", garbled(tail), 1),
        ("another last page", garbled(wal.len() - 4096), 1),
        ("more behind it", with_more, 0),
    ] {
        put_back(&place, &before);
        fs::write(place.log("events.db-wal"), changed).unwrap();
        let running = place.start(&[]);
        let left = &entries[..entries.len() - lost];
        assert_eq!(place.events_behind(birth), left, "{what}");
        let newest = left.last().unwrap().id;
        let said = if lost == 0 { "but is whole: it holds" } else { "bytes of unfinished commits were cut; it holds" };
        let (output, directory) = (running.output(), place.log("").display().to_string());
        let begins = format!("warning: the event log in {directory} was not closed properly");
        let holds = format!("{said} {} events, the newest is {newest}\n", left.len());
        assert!(output.contains(&begins) && output.contains(&holds), "{what}: {output}");

        // Who has seen more than is there is told, and goes on with what comes.
        let mut stream = Stream::open(&place.path("sse"), "subscribe=*", &entries[49].id.to_string()).unwrap();
        let verdict = stream.next().unwrap().unwrap();
        let status = if lost == 0 { r#"{"status":"resumed","replayed":0}"# } else { r#"{"status":"reset"}"# };
        assert_eq!((verdict.event.as_str(), verdict.data.as_str()), ("hasses.resume", status), "{what}");
        publish(&place, 51..53);
        let again = place.events_behind(birth);
        assert_eq!((again.len(), &again[..left.len()]), (left.len() + 2, left), "{what}");
        drop(running);
        let _running = place.start(&[]);
        assert_eq!(place.events_behind(birth), again, "{what}");
    }
}

#[test]
fn a_log_that_is_damaged_or_of_another_kind_is_refused_and_left_as_it_is() {
    let place = Place::new();
    let (_, entries) = killed(&place, 300);
    let mut running = place.start(&[]);
    running.signal(Signal::INT);
    assert_eq!(running.exit_code(), 0);
    let sound = files(&place);
    let directory = place.log("").display().to_string();
    let sql = |text: &'static str| {
        move |place: &Place| Connection::open(place.log("events.db")).unwrap().execute_batch(text).unwrap()
    };
    let damage: [(&str, Change, String); 6] = [
        (
            "a page of something else",
            &|place| {
                let mut bytes = fs::read(place.log("events.db")).unwrap();
                bytes[3 * 4096..4 * 4096].fill(0x5a);
                fs::write(place.log("events.db"), bytes).unwrap();
            },
            format!("the event log in {directory} is damaged (database disk image is malformed); {ANEW}"),
        ),
        (
            "no database at all",
            &|place| fs::write(place.log("events.db"), "Dear diary,\n".repeat(1000)).unwrap(),
            format!("the event log in {directory} is damaged (file is not a database); {ANEW}"),
        ),
        (
            "a newer format",
            &sql("PRAGMA user_version = 2"),
            format!(
                "the event log in {directory} has format 2, and this hasses knows format 1; run the hasses that made it, or {ANEW}"
            ),
        ),
        (
            "another program's",
            &sql("PRAGMA application_id = 7"),
            format!("{directory}/events.db belongs to another program; choose another directory"),
        ),
        (
            "an event that is none",
            &sql("UPDATE event SET publish = '{\"cmd\":\"ping\"}' WHERE place = 7"),
            format!(
                "the event log in {directory} has an event that cannot be read, at place 7 (its publish is another command); \
                 delete that row with the sqlite3 tool, or {ANEW}"
            ),
        ),
        (
            "its database is gone",
            &|place| {
                fs::rename(place.log("events.db"), place.log("events.db-wal")).unwrap();
            },
            format!("the event log in {directory} is damaged (events.db-wal is there without its events.db); {ANEW}"),
        ),
    ];
    for (what, change, expected) in damage {
        put_back(&place, &sound);
        change(&place);
        let before = files(&place);
        assert_eq!(refusal(&place), expected, "{what}");
        assert!(files(&place) == before, "{what}: it was changed");
    }
    put_back(&place, &sound);
    let _running = place.start(&[]);
    assert_eq!(place.position(), entries.last().unwrap().id);
}

#[test]
fn a_second_daemon_is_refused_and_the_first_goes_on() {
    let place = Place::new();
    let running = place.start(&[]);
    publish(&place, 1..4);
    let mut other = place.command(&["--listen=127.0.0.1:0", "--control=tcp://127.0.0.1:0"]);
    let ended = finish(&mut other);
    let expected = format!(
        "hasses: the event log in {} is in use by process {}; stop that one, or choose another directory\n",
        place.log("").display(),
        running.pid()
    );
    assert_eq!((ended.code, ended.stderr), (1, expected));
    publish(&place, 4..6);
    drop(running);
    // The lock of a process that was killed is none.
    let _running = place.start(&[]);
    publish(&place, 6..7);
}

/// The daemon as a user without rights, from a copy, since the folder of the build may be closed to that user.
fn as_nobody(place: &Place) -> Option<Finished> {
    fs::set_permissions(place.path(""), Permissions::from_mode(0o777)).expect("its mode");
    if !place.path("hasses").exists() {
        fs::copy(binary("hasses"), place.path("hasses")).expect("a copy");
    }
    let mut command = Command::new(required("setpriv")?);
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(place.path("hasses"));
    Some(finish(command.args(place.command(&[]).get_args())))
}

#[test]
fn a_directory_that_may_not_be_written_is_refused_by_name() {
    if !runs_as_root() {
        return;
    }
    let place = Place::new();
    drop(place.start(&[]));
    let at = |name: &str| place.log(name).display().to_string();
    fs::set_permissions(place.log(""), Permissions::from_mode(0o755)).unwrap();
    for (name, mode, part) in [
        ("lock", 0o600, format!("the event log cannot open {}: Permission denied", at("lock"))),
        ("lock", 0o666, format!("the event log cannot read {}: Permission denied", at("events.db-wal"))),
        ("events.db-wal", 0o666, format!("the event log cannot open {}: ", at("events.db"))),
        ("events.db", 0o444, format!("the event log cannot use {}: ", at("events.db"))),
    ] {
        fs::set_permissions(place.log(name), Permissions::from_mode(mode)).unwrap();
        let Some(ended) = as_nobody(&place) else { return };
        assert!(ended.code == 1 && ended.stderr.contains(&part), "{part}: {ended:?}");
    }
    fs::remove_dir_all(place.log("")).unwrap();
    fs::set_permissions(place.path(""), Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_log_of_a_daemon_that_becomes_a_user_is_that_users() {
    if !runs_as_root() {
        return;
    }
    let place = Place::new();
    fs::set_permissions(place.path(""), Permissions::from_mode(0o755)).unwrap();
    let user = "--user=65533:65532";
    let mut running = place.start(&[user]);
    let birth = place.position();
    for round in 0..3 {
        publish(&place, round * 10 + 1..round * 10 + 11);
        for (name, mode) in [("", 0o700), ("events.db", 0o600), ("events.db-wal", 0o600), ("lock", 0o600)] {
            let found = fs::metadata(place.log(name)).unwrap();
            assert_eq!((found.uid(), found.gid(), found.mode() & 0o777), (65533, 65532, mode), "{name}");
        }
        running = {
            drop(running);
            place.start(&[user])
        };
        assert_eq!(place.events_behind(birth).len() as u64, round * 10 + 10);
    }
}
