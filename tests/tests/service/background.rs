//! Going to the background: when the call returns, with which exit code, and what it leaves.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use hasses_tests::{Authority, Certificate, Subscriber, binary, finish, wait_for};
use rustix::process::{Pid, Signal, getsid, kill_process};

use crate::daemon::{Background, adopt_orphans, read_pid};
use crate::to_background;

/// The first SSE address in a log.
fn address(log: &str) -> String {
    let rest = log.split_once("subscribers: http").expect("an address").1;
    rest.trim_start_matches("s").trim_start_matches("://").split('/').next().unwrap_or_default().to_owned()
}

fn start(folder: &Path, more: &[&str]) -> Background {
    let socket = format!("--control=unix://{}", folder.join("control.sock").display());
    let (pid_file, log) = (folder.join("hasses.pid"), folder.join("hasses.log"));
    Background::call(to_background(folder).arg(socket).args(more), &pid_file, &log)
}

#[test]
fn the_call_returns_once_it_serves_and_the_daemon_has_let_go_of_its_caller() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = start(folder.path(), &[]);
    let mut subscriber = Subscriber::connect(&address(&daemon.log()), "subscribe=t");
    let pid = daemon.pid();
    assert_eq!(getsid(Some(pid)).unwrap(), pid, "a session of its own");
    for descriptor in 0..3 {
        let path = format!("/proc/{}/fd/{descriptor}", pid.as_raw_nonzero());
        assert_eq!(fs::read_link(&path).unwrap(), Path::new("/dev/null"), "{path}");
    }
    let name = fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_nonzero())).unwrap();
    assert_eq!(name, "hasses\n", "pidof and killall find it");
    daemon.signal(Signal::TERM);
    subscriber.ends();
    assert_eq!(daemon.exit_code(), 0);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["hasses.log"], "pid file and socket are gone");
}

#[test]
fn relative_names_mean_the_folder_of_the_call() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("hasses.toml"), "log-file = \"here.log\"\npid-file = \"here.pid\"\n").unwrap();
    let mut command = Command::new(binary("hasses"));
    command.current_dir(folder.path()).args(["--background", "--config=hasses.toml", "--listen=127.0.0.1:0"]);
    command.arg(format!("--control=unix://{}", folder.path().join("control.sock").display()));
    let daemon = Background::call(&mut command, &folder.path().join("here.pid"), &folder.path().join("here.log"));
    fs::write(folder.path().join("hasses.toml"), "log-file = \"here.log\"\npid-file = \"here.pid\"\nretry = 200\n")
        .unwrap();
    assert!(daemon.reload().contains("SIGHUP: reloaded, changed: retry\n"), "{}", daemon.log());
}

#[test]
fn faults_of_the_start_are_told_to_the_caller_with_their_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let first = start(folder.path(), &[]);
    let taken = format!("--listen={}", address(&first.log()));
    let other = tempfile::tempdir().unwrap();
    let control = format!("--control=unix://{}", other.path().join("control.sock").display());
    let locked = format!("--pid-file={}", at("hasses.pid"));
    fs::write(at("empty.pem"), "").unwrap();
    let tls = ["--listen-tls=127.0.0.1:0", &format!("--tls-cert={}", at("empty.pem")), "--tls-key=/nonexistent/key"];
    for (arguments, code, part) in [
        (
            &[taken.as_str()][..],
            1,
            "Address already in use (os error 98); another hasses, or another program? `ss -ltnp",
        ),
        (&["--max-hed=1k"], 2, "unknown flag --max-hed; the nearest is --max-head"),
        (&["--retry=1"], 2, "--retry: 1 is outside of the range"),
        (&tls, 1, "there is no certificate in it"),
        (
            &["--listen=unix:/nonexistent/x"],
            1,
            "cannot listen on unix:/nonexistent/x: folder /nonexistent: No such file",
        ),
    ] {
        let ended = finish(to_background(other.path()).arg(&control).args(arguments));
        assert_eq!((ended.code, ended.stdout.as_str()), (code, ""), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.starts_with("hasses: ") && ended.stderr.contains(part), "{arguments:?}: {}", ended.stderr);
        assert!(!other.path().join("hasses.pid").exists() && !other.path().join("control.sock").exists());
    }
    // What went wrong once there was a log stands there too: an init script may throw its own output away.
    let log = fs::read_to_string(other.path().join("hasses.log")).unwrap();
    assert!(
        log.contains("error: cannot listen on 127.0.0.1:") && log.contains("there is no certificate in it"),
        "{log}"
    );

    let mut command = Command::new(binary("hasses"));
    command.args(["--background", "--listen=127.0.0.1:0", &control, &locked]);
    let ended = finish(command.arg(format!("--log-file={}", other.path().join("hasses.log").display())));
    let why = format!("hasses runs already as process {}, which has this file locked", first.pid().as_raw_nonzero());
    assert!(ended.code == 1 && ended.stderr.contains(&why), "{ended:?}");
    let ended = finish(Command::new(binary("hasses")).args(["--background", &control, "--log-file=/nonexistent/x"]));
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("cannot open the log file /nonexistent/x: No such file"), "{}", ended.stderr);
    let ended = finish(Command::new(binary("hasses")).args(["--background", &control]));
    assert_eq!(ended.code, 2);
    assert!(
        ended.stderr.contains("background: nobody would see the log; name a file with log-file"),
        "{}",
        ended.stderr
    );
}

/// A daemon that waits in the middle of its start: its key is a FIFO into which nobody writes.
struct Stuck {
    folder: tempfile::TempDir,
    key: String,
    caller: std::process::Child,
    daemon: Pid,
}

impl Stuck {
    fn start() -> Self {
        adopt_orphans();
        let folder = tempfile::tempdir().expect("a folder");
        let issued = Authority::default().issue(&["127.0.0.1"]);
        let Certificate { certificate, key } = issued.save(folder.path(), "tls");
        fs::remove_file(&key).expect("it is there");
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &key, fifo, 0o600.into(), 0).expect("a FIFO");
        let mut command = to_background(folder.path());
        command.arg(format!("--control=unix://{}", folder.path().join("control.sock").display()));
        command.arg("--listen-tls=127.0.0.1:0").arg("--tls-cert").arg(certificate).arg("--tls-key").arg(key);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let caller = command.spawn().expect("it can be started");
        let daemon = wait_for("the pid file", || read_pid(&folder.path().join("hasses.pid")));
        Self { folder, key: issued.key, caller, daemon }
    }

    /// Lets it go on. The write waits until it reads.
    fn let_go(&self) {
        let mut fifo = fs::OpenOptions::new().write(true).open(self.folder.path().join("tls.key")).expect("it reads");
        fifo.write_all(self.key.as_bytes()).expect("it reads");
    }
}

#[test]
fn a_daemon_whose_caller_is_gone_when_it_could_serve_ends() {
    let mut stuck = Stuck::start();
    let log = stuck.folder.path().join("hasses.log");
    let mut daemon = Background::adopt(stuck.daemon, &log);
    // As Ctrl-C does: the daemon is a session of its own and gets nothing of it.
    stuck.caller.kill().unwrap();
    stuck.caller.wait().unwrap();
    stuck.let_go();
    assert_eq!(daemon.exit_code(), 1);
    assert!(daemon.log().contains("error: whoever started it is gone, so it ends"), "{}", daemon.log());
    assert!(!stuck.folder.path().join("hasses.pid").exists() && !stuck.folder.path().join("control.sock").exists());
}

#[test]
fn a_daemon_that_is_killed_during_its_start_is_a_failure_of_the_call() {
    let stuck = Stuck::start();
    kill_process(stuck.daemon, Signal::KILL).unwrap();
    let output = stuck.caller.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("the daemon ended before it served: signal: 9 (SIGKILL)"), "{error}");
}

#[test]
fn signals_that_come_during_the_start_are_not_lost() {
    let mut stuck = Stuck::start();
    let log = stuck.folder.path().join("hasses.log");
    let mut daemon = Background::adopt(stuck.daemon, &log);
    daemon.signal(Signal::TERM);
    stuck.let_go();
    assert_eq!(stuck.caller.wait().unwrap().code(), Some(0), "it served for a moment");
    assert_eq!(daemon.exit_code(), 0);
    assert!(daemon.log().contains("SIGTERM: ending every stream"), "{}", daemon.log());
}

#[test]
fn a_process_that_only_inherited_the_mark_of_another_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let ended = finish(to_background(folder.path()).env("HASSES_BACKGROUND", "1"));
    assert_eq!(ended.code, 1);
    assert!(
        ended.stderr.contains("process 1, which sent it to the background (HASSES_BACKGROUND), is gone"),
        "{ended:?}"
    );
}
