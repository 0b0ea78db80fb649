//! The pid file of a daemon in the foreground.

use std::fs;
use std::process::Command;

use hasses_tests::{Running, binary, finish};
use rustix::process::Signal;

const ANY_PORTS: [&str; 4] = ["--listen", "127.0.0.1:0", "--control", "tcp://127.0.0.1:0"];

#[test]
fn it_is_there_while_the_daemon_lives_and_keeps_a_second_one_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hasses.pid");
    // Of a daemon that was killed; its number is that of a living process by now.
    fs::write(&path, "1").unwrap();
    let pid_file = format!("--pid-file={}", path.display());
    let mut running = Running::start(folder.path(), ANY_PORTS.iter().chain(&[pid_file.as_str()]));
    assert_eq!(fs::read_to_string(&path).unwrap(), running.pid().to_string());
    let ended = finish(Command::new(binary("hasses")).args(ANY_PORTS).arg(&pid_file));
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
    let why = format!("pid file {}: hasses runs already as process {}", path.display(), running.pid());
    assert!(ended.stderr.contains(&why), "{}", ended.stderr);
    assert_eq!(fs::read_to_string(&path).unwrap(), running.pid().to_string(), "it is still the first one's");
    running.signal(Signal::TERM);
    assert_eq!(running.exit_code(), 0);
    assert!(!path.exists());
    // A daemon that is killed leaves it, and the next one takes it over.
    let running = Running::start(folder.path(), ANY_PORTS.iter().chain(&[pid_file.as_str()]));
    drop(running);
    assert!(path.exists());
    let running = Running::start(folder.path(), ANY_PORTS.iter().chain(&[pid_file.as_str()]));
    assert_eq!(fs::read_to_string(&path).unwrap(), running.pid().to_string());
}

#[test]
fn one_that_cannot_be_written_is_an_error_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("precious"), "precious").unwrap();
    std::os::unix::fs::symlink(at("precious"), at("link")).unwrap();
    fs::create_dir(at("folder")).unwrap();
    for (name, part) in [
        ("missing/hasses.pid", "No such file"),
        ("link", "there is a symbolic link; remove it"),
        ("folder", "Is a directory"),
    ] {
        let pid_file = format!("--pid-file={}", at(name).display());
        let ended = finish(Command::new(binary("hasses")).args(ANY_PORTS).arg(&pid_file));
        assert_eq!(ended.code, 1, "{name}");
        let why = format!("pid file {}: {part}", at(name).display());
        assert!(ended.stderr.contains(&why), "{}", ended.stderr);
    }
    assert_eq!(fs::read_to_string(at("precious")).unwrap(), "precious");
}
