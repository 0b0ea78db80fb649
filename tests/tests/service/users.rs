//! Becoming another user: groups, whose the files are, who may write the FIFO, and what is left at the end.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use hasses_tests::{Publisher, Running, Subscriber, binary, finish, required, runs_as_root};
use rustix::process::Signal;
use serde_json::json;

/// A user without an entry anywhere.
const USER: u32 = 65533;
const GROUP: u32 = 65532;
/// Debian's `nobody`.
const NOBODY: u32 = 65534;

/// A folder that its user may enter, and one of the user's own in it.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("its mode");
    let own = folder.path().join("own");
    fs::create_dir(&own).expect("a folder");
    chown(&own, Some(USER), Some(GROUP)).expect("its owner");
    folder
}

/// With everything that has a path in `place`.
fn start(folder: &Path, place: &Path, user: &str, more: &[&str]) -> Running {
    let at = |name: &str| place.join(name).display().to_string();
    let mut command = Command::new(binary("hasses"));
    command.args([format!("--user={user}"), "--listen=127.0.0.1:0".to_owned(), format!("--listen=unix:{}", at("sse"))]);
    command.args([format!("--control=unix://{}", at("control")), format!("--control=fifo://{}", at("fifo"))]);
    command.args([format!("--log-file={}", at("log")), format!("--pid-file={}", at("pid"))]).args(more);
    Running::logging(&mut command, &folder.join("output.log"), &place.join("log"), "and: ")
}

fn ids(path: &Path) -> (u32, u32) {
    let found = fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (found.uid(), found.gid())
}

/// The numbers of a line of `/proc/PID/status`.
fn numbers(pid: u32, line: &str) -> Vec<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it is there");
    let rest = status.lines().find_map(|found| found.strip_prefix(line)).expect("the line is there");
    rest.split_whitespace().map(|number| number.parse().expect("a number")).collect()
}

fn log(place: &Path) -> String {
    fs::read_to_string(place.join("log")).expect("a log")
}

/// Runs a shell command as somebody.
fn as_user(uid: u32, gid: u32, script: &str) -> Option<hasses_tests::Finished> {
    let mut command = Command::new(required("setpriv")?);
    command.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".to_owned()]);
    Some(finish(command.arg(required("bash")?).args(["-c", script])))
}

#[test]
fn everything_belongs_to_the_user_who_publishes_and_removes_it_at_the_end() {
    if !runs_as_root() {
        return;
    }
    let folder = folder();
    // In a folder of the user's own it is made as the user; in one of root's it is made by root and handed over.
    for place in [folder.path().join("own"), folder.path().join("roots")] {
        fs::create_dir_all(&place).unwrap();
        let is_own = place.ends_with("own");
        let mut running = start(folder.path(), &place, &format!("{USER}:{GROUP}"), &["--log-level=debug"]);
        assert_eq!(numbers(running.pid(), "Uid:"), [USER; 4]);
        assert_eq!(numbers(running.pid(), "Gid:"), [GROUP; 4]);
        assert_eq!(numbers(running.pid(), "Groups:"), [GROUP]);
        for task in fs::read_dir(format!("/proc/{}/task", running.pid())).unwrap() {
            let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
            assert!(status.contains(&format!("\nUid:\t{USER}\t{USER}\t{USER}\t{USER}\n")), "each thread: {status}");
            assert!(status.contains("\nCapEff:\t0000000000000000\n"), "{status}");
        }
        for (name, mode) in [("sse", 0o666), ("control", 0o600), ("log", 0o644), ("pid", 0o644)] {
            assert_eq!(ids(&place.join(name)), (USER, GROUP), "{name}");
            assert_eq!(fs::symlink_metadata(place.join(name)).unwrap().mode() & 0o777, mode, "{name}");
        }
        assert_eq!(ids(&place.join("fifo")), (USER, GROUP));
        assert_eq!(fs::read_to_string(place.join("pid")).unwrap(), running.pid().to_string());

        let address = log(&place).split_once("subscribers: http://").unwrap().1.split('/').next().unwrap().to_owned();
        let mut subscriber = Subscriber::connect(&address, "subscribe=t");
        let script = format!("echo t=hi > '{}'", place.join("fifo").display());
        if let Some(ended) = as_user(USER, GROUP, &script) {
            assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
            assert_eq!(subscriber.data(), "hi");
        }
        running.signal(Signal::TERM);
        assert_eq!(running.exit_code(), 0, "{}", log(&place));
        assert!(place.join("fifo").exists());
        if is_own {
            assert!(["sse", "control", "pid"].iter().all(|name| !place.join(name).exists()));
        } else {
            // Root's folder is closed to the user: no number is left in the file, and sockets are replaced at the next start.
            assert_eq!(fs::read_to_string(place.join("pid")).unwrap(), "");
            let log = log(&place);
            assert!(log.contains("pid is emptied, since it cannot be removed: Permission denied"), "{log}");
            assert!(log.contains("control is left to be replaced at the next start: Permission denied"), "{log}");
            fs::remove_file(place.join("log")).unwrap();
            let mut again = start(folder.path(), &place, &format!("{USER}:{GROUP}"), &[]);
            assert_eq!(fs::read_to_string(place.join("pid")).unwrap(), again.pid().to_string());
            again.signal(Signal::TERM);
            assert_eq!(again.exit_code(), 0);
        }
    }
}

#[test]
fn a_user_has_its_primary_and_its_supplementary_groups_and_another_primary_one_if_asked() {
    if !runs_as_root() {
        return;
    }
    let folder = folder();
    let (passwd, group) = (folder.path().join("passwd"), folder.path().join("group"));
    fs::write(&passwd, "root:x:0:0::/:/bin/sh\nevent:x:64001:64002::/:/bin/false\n").unwrap();
    fs::write(&group, "root:x:0:\nevent:x:64002:\nweb:x:64003:event\nlogs:x:64004:other,event\nelse:x:64005:other\n")
        .unwrap();
    let (Some(bash), Some(unshare)) = (required("bash"), required("unshare")) else { return };
    for (user, primary, groups) in [
        ("event", 64002, &[64002, 64003, 64004][..]),
        ("event:web", 64003, &[64003, 64004]),
        ("event:else", 64005, &[64003, 64004, 64005]),
        ("64001", 64002, &[64002, 64003, 64004]),
    ] {
        // A name space of its own has these users, and the machine's stay as they are.
        let script = r#"mount --bind "$1" /etc/passwd && mount --bind "$2" /etc/group && shift 2 && exec "$@""#;
        let mut command = Command::new(&unshare);
        command.arg("--mount").arg(&bash).args(["-c", script, "bash"]).arg(&passwd).arg(&group).arg(binary("hasses"));
        command.args(["--listen=127.0.0.1:0", "--control=tcp://127.0.0.1:0", &format!("--user={user}")]);
        let running = match Running::try_from_command(&mut command, &folder.path().join("output.log"), "and: ") {
            Ok(running) => running,
            Err(output) if output.contains("unshare failed: Operation not permitted") => {
                eprintln!("left out: this root may not make a name space");
                return;
            }
            Err(output) => panic!("{output}"),
        };
        assert_eq!(numbers(running.pid(), "Uid:"), [64001; 4], "{user}");
        assert_eq!(numbers(running.pid(), "Gid:"), [primary; 4], "{user}");
        let mut found = numbers(running.pid(), "Groups:");
        found.sort_unstable();
        assert_eq!(found, groups, "{user}");
    }
}

#[test]
fn what_was_there_before_is_handed_over_where_it_is_roots_and_keeps_its_group() {
    if !runs_as_root() {
        return;
    }
    let folder = folder();
    let place = folder.path().join("roots");
    fs::create_dir(&place).unwrap();
    fs::write(place.join("log"), "before\n").unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, place.join("fifo"), rustix::fs::FileType::Fifo, 0o660.into(), 0).unwrap();
    chown(place.join("log"), None, Some(4)).unwrap();
    chown(place.join("fifo"), None, Some(4)).unwrap();
    let socket = format!("--control=unix://{}?mode=0660&group=root", place.join("other").display());
    let _running = start(folder.path(), &place, "nobody", &[&socket]);
    assert_eq!((ids(&place.join("log")), ids(&place.join("fifo"))), ((NOBODY, 4), (NOBODY, 4)));
    assert_eq!(ids(&place.join("other")), (NOBODY, 0), "the group that its URL names");
    assert!(log(&place).starts_with("before\n"));
}

#[test]
fn what_the_user_has_put_into_the_way_of_root_is_not_followed() {
    if !runs_as_root() {
        return;
    }
    let folder = folder();
    let (own, precious) = (folder.path().join("own"), folder.path().join("precious"));
    fs::write(&precious, "precious").unwrap();
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    symlink(&precious, own.join("file")).unwrap();
    symlink(&closed, own.join("folder")).unwrap();
    let at = |name: &str| own.join(name).display().to_string();
    for (flag, part) in [
        (format!("--log-file={}", at("file")), "Permission denied"),
        (format!("--log-file={}", at("folder/log")), "Permission denied"),
        (format!("--pid-file={}", at("file")), "there is a symbolic link"),
        (format!("--pid-file={}", at("folder/pid")), "Permission denied"),
        (format!("--control=fifo://{}", at("file")), "there is a file that is not a FIFO"),
        (format!("--control=fifo://{}", at("folder/fifo")), "Permission denied"),
        (format!("--control=unix://{}", at("file")), "there is a file that is not a socket"),
        (format!("--control=unix://{}", at("folder/socket")), "Permission denied"),
        (format!("--listen=unix:{}", at("folder/socket")), "Permission denied"),
    ] {
        let mut command = Command::new(binary("hasses"));
        command.args([&format!("--user={USER}:{GROUP}"), "--listen=127.0.0.1:0", "--control=tcp://127.0.0.1:0", &flag]);
        let ended = finish(&mut command);
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{flag}: {}", ended.stderr);
        let whose = format!("(tried as user {USER}:{GROUP})\n");
        assert!(ended.stderr.contains(part) && ended.stderr.ends_with(&whose), "{flag}: {}", ended.stderr);
    }
    assert_eq!((fs::read_to_string(&precious).unwrap().as_str(), ids(&precious)), ("precious", (0, 0)));
    assert_eq!((fs::read_dir(&closed).unwrap().count(), ids(&closed)), (0, (0, 0)));
}

#[test]
fn the_default_control_socket_is_the_users_and_so_is_its_folder() {
    if !runs_as_root() {
        return;
    }
    let folder = folder();
    let run = folder.path().join("run");
    let mut command = Command::new(binary("hasses"));
    command.env("RUNTIME_DIRECTORY", &run).args([&format!("--user={USER}:{GROUP}"), "--listen=127.0.0.1:0"]);
    let mut running = Running::from_command(&mut command, &folder.path().join("output.log"), "and: ");
    let socket: PathBuf = run.join("control.sock");
    assert_eq!((ids(&run), ids(&socket)), ((USER, GROUP), (USER, GROUP)));
    assert_eq!(Publisher::unix(&socket).ask(&json!({"cmd": "ping"}))["ok"], true);
    running.signal(Signal::TERM);
    assert_eq!(running.exit_code(), 0);
    assert!(!socket.exists());
}

#[test]
fn users_and_groups_that_do_not_exist_are_errors_that_name_them() {
    for (user, part) in [
        ("no-such-user", "user no-such-user: there is no user \"no-such-user\" on this system"),
        ("root:no-such-group", "there is no group \"no-such-group\" on this system"),
        ("3141592", "number 3141592 has no entry on this system; write 3141592:GROUP"),
    ] {
        for more in [&[][..], &["--check"]] {
            let mut command = Command::new(binary("hasses"));
            command.args(["--listen=127.0.0.1:0", "--control=tcp://127.0.0.1:0", &format!("--user={user}")]);
            let ended = finish(command.args(more));
            assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{user}: {}", ended.stderr);
            assert!(ended.stderr.contains(part), "{user}: {}", ended.stderr);
        }
    }
}
