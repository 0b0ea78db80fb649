//! The FIFO as a control source: how it is made, shared by many writers, lost and found again.

#![expect(clippy::expect_used, reason = "what a test needs and cannot have is a failure of that test")]

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use hasses_tests::{Finished, Running, Subscriber, TestDaemon, Way, binary, finish, wait_for};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};

fn make_fifo(path: &Path, mode: u32) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a FIFO");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its mode");
}

/// Opens a FIFO for writing once somebody reads it.
fn open_once_read(path: &Path) -> File {
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    wait_for("a reader of the FIFO", || OpenOptions::new().write(true).custom_flags(nonblocking).open(path).ok())
}

fn mode(path: &Path) -> u32 {
    let metadata = fs::symlink_metadata(path).expect("it is there");
    assert!(metadata.file_type().is_fifo(), "{metadata:?}");
    metadata.mode() & 0o7777
}

/// A real daemon with this FIFO only, its output in `output.log`, started by a shell after `prepare`.
fn start(folder: &Path, prepare: &str, options: &str) -> Running {
    let (binary, fifo) = (binary("hasses"), format!("fifo://{}/fifo{options}", folder.display()));
    let script = format!("{prepare} exec '{}' --listen 127.0.0.1:0 --control '{fifo}'", binary.display());
    Running::from_command(Command::new("sh").args(["-c", &script]), &folder.join("output.log"), "try: ")
}

fn subscriber(running: &Running) -> Subscriber {
    Subscriber::connect(running.said("subscribers: http://").trim_end_matches("/sse"), "subscribe=a")
}

#[test]
fn a_missing_fifo_is_made_with_mode_0666_less_the_umask() {
    for (umask, expected) in [("000", 0o666), ("022", 0o644), ("077", 0o600)] {
        let folder = tempfile::tempdir().unwrap();
        let running = start(folder.path(), &format!("umask {umask};"), "");
        assert_eq!(mode(&folder.path().join("fifo")), expected, "umask {umask}");
        let mut subscriber = subscriber(&running);
        fs::write(folder.path().join("fifo"), "a=1\n").unwrap();
        assert_eq!(subscriber.data(), "1");
    }
}

#[test]
fn a_mode_that_was_asked_for_is_the_mode_it_gets() {
    let folder = tempfile::tempdir().unwrap();
    let _running = start(folder.path(), "umask 077;", "?mode=0660");
    assert_eq!(mode(&folder.path().join("fifo")), 0o660);
}

#[test]
fn a_fifo_that_is_there_is_used_as_it_is_and_left_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    make_fifo(&path, 0o622);
    let inode = fs::metadata(&path).unwrap().ino();
    let mut running = start(folder.path(), "", "");
    let mut subscriber = subscriber(&running);
    fs::write(&path, "a=1").unwrap();
    assert_eq!(subscriber.data(), "1");
    running.signal(rustix::process::Signal::TERM);
    assert_eq!(running.exit_code(), 0);
    assert_eq!((mode(&path), fs::metadata(&path).unwrap().ino()), (0o622, inode));
}

#[test]
fn what_is_no_fifo_is_an_error_at_start_and_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "precious=1\n").unwrap();
    for path in [&file, folder.path()] {
        let url = format!("fifo://{}", path.display());
        let Finished { code, stderr, .. } =
            finish(Command::new(binary("hasses")).args(["--listen", "127.0.0.1:0", "--control", &url]));
        assert_eq!(code, 1, "{stderr}");
        assert!(stderr.contains(&url) && stderr.contains("not a FIFO"), "{stderr}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious=1\n");
}

#[test]
fn a_fifo_without_its_folder_is_an_error_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("fifo://{}/missing/fifo", folder.path().display());
    let Finished { code, stderr, .. } =
        finish(Command::new(binary("hasses")).args(["--listen", "127.0.0.1:0", "--control", &url]));
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains(&url) && stderr.contains("No such file"), "{stderr}");
}

#[test]
fn the_last_writers_leaving_is_no_end() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=a");
    for nth in 0..100 {
        // As `echo` and `printf` do: opened, written and closed, and nobody else has it open.
        let end = if nth % 2 == 0 { "\n" } else { "" };
        fs::write(daemon.folder().join("fifo"), format!("a={nth}{end}")).unwrap();
        assert_eq!(subscriber.data(), nth.to_string());
    }
}

#[test]
fn writes_of_many_writers_up_to_pipe_buf_stay_whole() {
    const WRITERS: usize = 8;
    const WRITES: usize = 150;
    /// As Linux has it (`pipe(7)`).
    const PIPE_BUF: usize = 4096;
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=a");
    let writers = [(); WRITERS].map(|()| Way::Fifo.open(&daemon));
    let writers: Vec<_> = (0..)
        .zip(writers)
        .map(|(writer, mut fifo)| {
            thread::spawn(move || {
                for nth in 0..WRITES {
                    let start = format!("a={writer} {nth} ");
                    // Some fill the atomic size to the last byte.
                    let length = if nth % 3 == 0 { PIPE_BUF } else { start.len() + nth + 2 };
                    let line = format!("{start}{}\n", "x".repeat(length - start.len() - 1));
                    fifo.write_all(line.as_bytes()).unwrap();
                }
            })
        })
        .collect();
    let mut next = [0; WRITERS];
    for _ in 0..WRITERS * WRITES {
        let data = subscriber.data();
        let [writer, nth, padding] = data.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{data}") };
        let (writer, nth): (usize, usize) = (writer.parse().unwrap(), nth.parse().unwrap());
        assert_eq!(nth, next[writer], "the writes of one writer keep their order");
        next[writer] += 1;
        let expected = if nth % 3 == 0 { PIPE_BUF - format!("a={writer} {nth} ").len() - 1 } else { nth + 1 };
        assert!(padding.len() == expected && padding.bytes().all(|byte| byte == b'x'), "{data}");
    }
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    assert_eq!(daemon.status().refused_commands_total, 0);
}

#[test]
fn a_fifo_that_is_deleted_and_made_again_is_opened_again_and_nothing_written_before_is_lost() {
    let daemon = TestDaemon::start();
    let path = daemon.folder().join("fifo");
    let mut subscriber = daemon.subscribe("subscribe=a");
    let mut old = Way::Fifo.open(&daemon);
    old.write_all(b"a=before\n").unwrap();
    assert_eq!(subscriber.data(), "before");
    for round in 0..2 {
        let next = daemon.folder().join("next");
        make_fifo(&next, 0o600);
        fs::remove_file(&path).unwrap();
        old.write_all(b"a=into the old one").unwrap();
        fs::rename(&next, &path).unwrap();
        let made = Instant::now();
        assert_eq!(subscriber.data(), "into the old one", "{round}");
        let mut new = open_once_read(&path);
        assert!(made.elapsed() < Duration::from_secs(6), "it took {:?}", made.elapsed());
        new.write_all(b"a=into the new one\n").unwrap();
        assert_eq!(subscriber.data(), "into the new one", "{round}");
        assert_eq!(mode(&path), 0o600, "it is used as it was made");
        old = new;
    }
}

#[test]
fn a_fifo_that_is_exchanged_by_renaming_is_opened_again() {
    let daemon = TestDaemon::start();
    let path = daemon.folder().join("fifo");
    let mut subscriber = daemon.subscribe("subscribe=a");
    make_fifo(&daemon.folder().join("new"), 0o600);
    fs::rename(daemon.folder().join("new"), &path).unwrap();
    open_once_read(&path).write_all(b"a=1").unwrap();
    assert_eq!(subscriber.data(), "1");
}

#[test]
fn a_fifo_that_is_deleted_and_stays_missing_is_made_anew() {
    let daemon = TestDaemon::start();
    let path = daemon.folder().join("fifo");
    let as_made = mode(&path);
    let mut subscriber = daemon.subscribe("subscribe=a");
    fs::remove_file(&path).unwrap();
    wait_for("a new FIFO", || path.exists().then_some(()));
    assert_eq!(mode(&path), as_made);
    open_once_read(&path).write_all(b"a=1\n").unwrap();
    assert_eq!(subscriber.data(), "1");
    // Nothing was lost of the other sources meanwhile.
    assert_eq!(daemon.publisher().publish("a", "2"), 1);
    assert_eq!(subscriber.data(), "2");
}

#[test]
fn a_regular_file_in_its_place_is_reported_once_and_never_read_until_it_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    let mut running = start(folder.path(), "", "");
    let mut subscriber = subscriber(&running);
    // The file is moved there at once, so that the daemon cannot be quicker with a FIFO.
    let file = folder.path().join("file");
    fs::write(&file, "a=written while there was no FIFO\n").unwrap();
    fs::rename(&file, &path).unwrap();
    running.wait_until_it_says("there is a file that is not a FIFO; it is not read; remove it");
    let report = running.output().lines().last().unwrap_or_default().to_owned();
    assert!(report.contains(&format!("error: fifo://{}", path.display())), "{report}");
    let metadata = fs::symlink_metadata(&path).unwrap();
    assert!(metadata.is_file(), "{metadata:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "a=written while there was no FIFO\n");
    fs::remove_file(&path).unwrap();
    running.wait_until_it_says("the FIFO was made anew and is read");
    open_once_read(&path).write_all(b"a=heard\n").unwrap();
    assert_eq!(subscriber.data(), "heard", "what was in the file was no message");
    assert_eq!(running.output().matches("is not a FIFO").count(), 1, "{}", running.output());
}

#[test]
fn a_json_fifo_takes_commands_and_logs_what_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = start(folder.path(), "", "?form=json");
    let mut subscriber = subscriber(&running);
    let mut fifo = open_once_read(&folder.path().join("fifo"));
    let publish =
        |data: &str| format!("{{\"cmd\":\"publish\",\"topic\":\"a\",\"data\":\"{data}\",\"event\":\"tick\"}}");
    // Two commands in one write, and one in two writes that are apart.
    fifo.write_all(format!("{}\r\n{}\n{}", publish("1"), publish("2"), &publish("3")[..20]).as_bytes()).unwrap();
    assert_eq!([(); 2].map(|()| subscriber.data()), ["1", "2"]);
    fifo.write_all(format!("{}\n", &publish("3")[20..]).as_bytes()).unwrap();
    let event = subscriber.event();
    assert_eq!((event.data.as_str(), event.event.as_str()), ("3", "tick"));
    for (line, why) in [
        ("a=classic", "bad_json: the line is not a JSON object"),
        ("{\"cmd\":\"publish\",\"topic\":\"a*b\",\"data\":1}", "bad_topic: topic holds '*' at byte 1"),
        ("{\"cmd\":\"publish\",\"topic\":\"a\",\"data\":1,\"key\":\"\"}", "bad_field: key is empty"),
        ("{\"cmd\":\"no\"}", "unknown_command: unknown command \"no\""),
    ] {
        fifo.write_all(format!("{line}\n").as_bytes()).unwrap();
        running.wait_until_it_says(why);
        let output = running.output();
        let logged = output.lines().find(|logged| logged.contains(why)).unwrap_or_default();
        assert!(logged.contains(&format!("wrong message from fifo://{}/fifo", folder.path().display())), "{logged}");
    }
    // Commands that change something do so although nobody can be answered.
    fifo.write_all(b"{\"cmd\":\"log-level\",\"level\":\"debug\"}\n{\"cmd\":\"ping\"}\n").unwrap();
    running.wait_until_it_says("log level is debug");
    fifo.write_all(format!("{}\n", publish("4")).as_bytes()).unwrap();
    assert_eq!(subscriber.data(), "4");
    // Nor does whoever is not sure whether he has written have to ask.
    let keyed = "{\"cmd\":\"publish\",\"topic\":\"a\",\"data\":\"once\",\"key\":\"k\"}\n";
    fifo.write_all(format!("{keyed}{keyed}{}\n", publish("5")).as_bytes()).unwrap();
    assert_eq!([(); 2].map(|()| subscriber.data()), ["once", "5"]);
}

#[test]
fn a_classic_fifo_never_runs_json_whatever_it_begins_with() {
    let daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=*");
    fs::write(daemon.folder().join("fifo"), "{\"cmd\":\"publish\",\"topic\":\"a\",\"data\":\"evil\"}\na=next\n")
        .unwrap();
    assert_eq!(subscriber.data(), "next");
    assert_eq!(daemon.status().refused_commands_total, 1);
}
