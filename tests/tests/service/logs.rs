//! The log file: opened anew at SIGHUP, and followed where another program makes it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

use hasses_tests::{Publisher, Running, binary, runs_as_root, wait_for};
use rustix::process::Signal;

const ANY_PORTS: [&str; 2] = ["--listen=127.0.0.1:0", "--control=tcp://127.0.0.1:0"];

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn a_file_that_was_moved_away_is_made_anew_at_sighup_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start_logging(folder.path(), ANY_PORTS);
    running.wait_until_it_says("and: ");
    let (log, old) = (folder.path().join("hasses.log"), folder.path().join("hasses.log.1"));
    fs::rename(&log, &old).unwrap();
    let before = read(&old);
    running.signal(Signal::HUP);
    wait_for("the new file", || read(&log).contains("SIGHUP: reloaded").then_some(()));
    assert_eq!(read(&old), before, "not even the first line goes to the old one");
    // Also where the settings are wrong by then.
    fs::rename(&log, &old).unwrap();
    fs::remove_file(&old).unwrap();
    running.signal(Signal::HUP);
    wait_for("the new file", || read(&log).contains("SIGHUP: reloaded").then_some(()));
}

/// Makes the daemon log a line, again and again, until something is so.
fn log_until<T>(publisher: &mut Publisher, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    wait_for(what, || {
        publisher.write("numberofclients\ntcpnumberofclients\n");
        publisher.line();
        ask()
    })
}

#[test]
fn where_the_user_cannot_make_the_file_lines_go_on_to_the_old_one_until_somebody_makes_it() {
    if !runs_as_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let (log, old) = (folder.path().join("hasses.log"), folder.path().join("hasses.log.1"));
    let mut command = Command::new(binary("hasses"));
    command.args(ANY_PORTS).arg("--log-file").arg(&log).arg("--user=65533:65532");
    let running = Running::logging(&mut command, &folder.path().join("output.log"), &log, "and: ");
    let mut publisher = Publisher::tcp(&running.said("control: tcp://"));
    fs::rename(&log, &old).unwrap();
    let warning =
        "warning: the log file was moved away and cannot be made anew, lines go on to where they went: Permission";
    log_until(&mut publisher, "the warning", || read(&old).contains(warning).then_some(()));
    running.signal(Signal::HUP);
    let error = "error: the log file cannot be opened anew, lines go on to where they went: Permission denied";
    wait_for("the error", || read(&old).contains(error).then_some(()));
    // As logrotate's `create` does.
    fs::write(&log, "").unwrap();
    chown(&log, Some(65533), Some(65532)).unwrap();
    log_until(&mut publisher, "lines in the new file", || (!read(&log).is_empty()).then_some(()));
    assert_eq!(read(&old).matches(warning).count(), 1, "it is said once");
    assert_eq!(fs::metadata(&log).unwrap().uid(), 65533);
}
