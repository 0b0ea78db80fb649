//! The log: standard output, a file, JSON, and a file that is moved away.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use hasses_tests::{Publisher, Running, binary, finish, wait_for};
use serde_json::Value;

use crate::{ANY_PORTS, addresses};

/// `2026-01-31 13:45:07 hasses: text`
fn is_dated(line: &str) -> bool {
    let digits: String = line.chars().take(19).map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    digits == "9999-99-99 99:99:99" && line[19..].starts_with(" hasses: ")
}

#[test]
fn lines_go_to_standard_output_dated_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(folder.path(), ANY_PORTS);
    running.wait_until_it_says("and: ");
    let output = running.output();
    assert!(output.lines().all(is_dated), "{output}");
    let texts: Vec<&str> = output.lines().map(|line| &line[28..]).collect();
    assert_eq!(texts[0], format!("hasses {} (pid {})", env!("CARGO_PKG_VERSION"), running.pid()), "{output}");
}

#[test]
fn times_are_local() {
    // Zones whose rule stands in their name, so that no data base of zones is needed: 9 hours ahead, and 3 behind.
    for (zone, ahead) in [("EAST-9", 9), ("WEST+3", -3)] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(binary("hasses"));
        let before = seconds_of_day(ahead);
        let log = folder.path().join("output.log");
        let running = Running::from_command(command.args(ANY_PORTS).env("TZ", zone), &log, "room for ");
        let output = running.output();
        let [hours, minutes, seconds] = [11..13, 14..16, 17..19].map(|at| output[at].parse::<i64>().unwrap());
        let passed = (hours * 3600 + minutes * 60 + seconds - before).rem_euclid(24 * 3600);
        assert!(passed <= (seconds_of_day(ahead) - before).rem_euclid(24 * 3600), "{zone}: {output}");
    }
}

/// Seconds since midnight, so many hours ahead of UTC.
fn seconds_of_day(ahead: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock shows a time after 1970");
    (i64::try_from(now.as_secs()).expect("seconds") + ahead * 3600).rem_euclid(24 * 3600)
}

#[test]
fn json_lines_are_json() {
    let folder = tempfile::tempdir().unwrap();
    let mut running =
        Running::start(folder.path(), ANY_PORTS.iter().chain(&["--log-format", "json", "--log-level=debug"]));
    let mut publisher = Publisher::tcp(&addresses(&running).1);
    publisher.write("a=\"quoted\" \\ and 🎉\nmalformed\nstatus\n");
    running.wait_until_it_says("end -----");
    let output = running.output();
    let lines: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (line, text) in lines.iter().zip(output.lines()) {
        for field in ["timestamp", "level", "message", "target"] {
            assert!(line[field].is_string(), "{text}");
        }
    }
    let has = |level: &str, part: &str| {
        let found =
            |line: &&Value| line["level"] == level && line["message"].as_str().is_some_and(|text| text.contains(part));
        assert!(lines.iter().any(|line| found(&line)), "no {level} with {part:?} in {output}");
    };
    has("INFO", "room for ");
    has("DEBUG", "\\\"quoted\\\" \\\\ and 🎉");
    has("INFO", "\"malformed\" is neither TOPIC=MESSAGE nor a command");
    has("ERROR", "------------- end --------------");
}

#[test]
fn bare_lines_are_the_text_alone() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), ANY_PORTS.iter().chain(&["--log-format=bare"]));
    let output = running.output();
    assert!(output.starts_with(&format!("hasses {} (pid ", env!("CARGO_PKG_VERSION"))), "{output}");
}

#[test]
fn a_log_file_is_appended_to_and_standard_output_stays_empty() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("hasses.log"), "what was there before\n").unwrap();
    let running = Running::start_logging(folder.path(), ANY_PORTS);
    let log = running.output();
    let mut lines = log.lines();
    assert_eq!(lines.next(), Some("what was there before"));
    assert!(lines.all(is_dated), "{log}");
    assert_eq!(fs::read_to_string(folder.path().join("output.log")).unwrap(), "");
}

#[test]
fn a_log_file_that_is_moved_away_or_deleted_is_made_anew_within_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start_logging(folder.path(), ANY_PORTS);
    running.wait_until_it_says("and: ");
    let mut publisher = Publisher::tcp(&addresses(&running).1);
    let log = folder.path().join("hasses.log");
    let old = folder.path().join("hasses.log.1");
    fs::rename(&log, &old).unwrap();
    // Lines may still go into the old one for a second; none may be lost.
    let written = write_until_there(&mut publisher, &log);
    let [before, after] = [&old, &log].map(|path| fs::read_to_string(path).unwrap());
    let counted = (before + &after).matches("Number of connected clients: 0\n").count();
    assert_eq!(counted, written);
    fs::remove_file(&log).unwrap();
    write_until_there(&mut publisher, &log);
    assert!(fs::read_to_string(&log).unwrap().lines().all(is_dated));
}

/// Makes the daemon log line after line until a file is there; gives how many.
fn write_until_there(publisher: &mut Publisher, path: &Path) -> usize {
    let mut written = 0;
    wait_for("a new log file", || {
        publisher.write("numberofclients\ntcpnumberofclients\n");
        // Answers come in order, so the line is in the log when this one is here.
        publisher.line();
        written += 1;
        path.exists().then_some(written)
    })
}

#[test]
fn a_log_file_that_cannot_be_opened_is_an_error_at_start() {
    let folder = tempfile::tempdir().unwrap();
    for (path, why) in
        [(folder.path().join("missing/hasses.log"), "No such file"), (folder.path().join("folder"), "directory")]
    {
        fs::create_dir_all(folder.path().join("folder")).unwrap();
        let ended = finish(Command::new(binary("hasses")).args(ANY_PORTS).arg("--log-file").arg(&path));
        assert_eq!(ended.code, 1, "{}", ended.stderr);
        assert!(ended.stderr.contains(&format!("cannot open the log file {}: ", path.display())), "{}", ended.stderr);
        assert!(ended.stderr.contains(why), "{}", ended.stderr);
    }
}

#[test]
fn at_the_quiet_level_a_proper_start_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control.sock");
    let mut command = Command::new(binary("hasses"));
    command
        .args(["--listen", "127.0.0.1:0", "--log-level=quiet"])
        .arg(format!("--control=unix://{}", socket.display()));
    let mut running = Running::from_command(&mut command, &folder.path().join("output.log"), "");
    let status = wait_for("its socket", || socket.exists().then(|| Publisher::unix(&socket).status()));
    assert_eq!(status.log_level.unwrap().as_str(), "quiet");
    running.signal(rustix::process::Signal::TERM);
    assert_eq!((running.exit_code(), running.output().as_str()), (0, ""));
}
