//! A start without arguments, as a user who has just built it: where it listens, what it prints, and that what it prints works.
//!
//! For root the default socket is that of the system's daemon, which tests leave alone: as root they become a user without
//! rights first. Everything lies in a folder of the test's own, so no daemon of this machine is touched.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use hasses_tests::{Finished, Publisher, Running, binary, finish, required, wait_for};
use rustix::process::{Signal, geteuid};
use serde_json::json;
use tempfile::TempDir;

/// The user `nobody` of Debian; it needs no entry anywhere.
const NOBODY: u32 = 65534;

/// A place in which a user without rights can start the daemon.
struct Sandbox {
    folder: TempDir,
    /// What precedes the program, to become that user.
    setpriv: Option<PathBuf>,
    uid: u32,
}

impl Sandbox {
    /// `None` where `setpriv` was left out and is needed.
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let root = geteuid().is_root();
        let setpriv = if root { Some(required("setpriv")?) } else { None };
        let uid = if root { NOBODY } else { geteuid().as_raw() };
        let sandbox = Self { folder, setpriv, uid };
        // The folder of the build may be closed to that user. A process of its own copies: a file that this one has open for
        // writing cannot be executed as long as some child, which another test starts just then, has it too.
        fs::set_permissions(sandbox.folder.path(), Permissions::from_mode(0o755)).expect("its mode");
        let programs = ["hasses", "hasses-ctl"].map(binary);
        let copied = finish(Command::new("cp").args(programs).arg(sandbox.folder.path()));
        assert_eq!(copied.code, 0, "{}", copied.stderr);
        sandbox.make("tmp", 0o700);
        Some(sandbox)
    }

    /// Makes a folder of the user's own.
    fn make(&self, name: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::create_dir(&path).expect("a folder");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("its mode");
        chown(&path, Some(self.uid), None).expect("its owner");
        path
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder of the default socket where there is no `XDG_RUNTIME_DIR`.
    fn default_folder(&self) -> PathBuf {
        self.path("tmp").join(format!("hasses-{}", self.uid))
    }

    /// A command as that user, with nothing in its environment that leads elsewhere.
    fn command(&self, program: &Path) -> Command {
        let mut command = match &self.setpriv {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                let [user, group] = ["--reuid", "--regid"].map(|flag| format!("{flag}={NOBODY}"));
                command.args([user, group, "--clear-groups".to_owned()]).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.env_remove("XDG_RUNTIME_DIR").env_remove("HASSES_CONTROL").env("TMPDIR", self.path("tmp"));
        command.current_dir(self.folder.path());
        command
    }

    fn daemon(&self) -> Command {
        let mut command = self.command(&self.path("hasses"));
        command.arg("--listen=127.0.0.1:0");
        command
    }

    fn start(&self, command: &mut Command) -> Running {
        Running::from_command(command, &self.path("output.log"), "and: ")
    }
}

/// What stands behind `prefix` on its line.
fn line_behind(output: &str, prefix: &str) -> String {
    let rest = output.split_once(prefix).unwrap_or_else(|| panic!("no {prefix:?} in {output}")).1;
    rest.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn without_any_argument_it_serves_port_8080_and_a_socket_of_the_users_own() {
    let Some(sandbox) = Sandbox::new() else { return };
    let mut command = sandbox.command(&sandbox.path("hasses"));
    match Running::try_from_command(&mut command, &sandbox.path("output.log"), "and: ") {
        Ok(running) => {
            let output = running.output();
            assert_eq!(line_behind(&output, "subscribers: "), "http://127.0.0.1:8080/sse");
            assert_eq!(line_behind(&output, "try: "), "curl -N 'http://127.0.0.1:8080/sse?subscribe=room624'");
            let socket = sandbox.default_folder().join("control.sock");
            assert_eq!(line_behind(&output, "control: "), format!("unix://{}", socket.display()));
            assert!(Publisher::unix(&socket).ask(&json!({"cmd": "ping"}))["ok"] == true);
        }
        // Something else on this machine has the port.
        Err(output) => {
            assert!(output.contains("cannot listen on 127.0.0.1:8080: Address already in use"), "{output}");
        }
    }
}

#[test]
fn the_two_commands_that_it_prints_work_as_they_are_printed() {
    let Some(sandbox) = Sandbox::new() else { return };
    let (Some(bash), Some(_)) = (required("bash"), required("curl")) else { return };
    let running = sandbox.start(&mut sandbox.daemon());
    let output = running.output();
    let (listen, send) = (line_behind(&output, "try: "), line_behind(&output, "and: "));
    assert!(listen.starts_with("curl -N 'http://127.0.0.1:"), "{listen}");
    assert_eq!(send, format!("{} send room624 \"hi\"", sandbox.path("hasses-ctl").display()), "no --control is needed");
    let mut curl = sandbox.command(&bash);
    curl.args(["-c", &format!("exec {listen} --silent --max-time 60")]);
    let curl = Running::from_command(&mut curl, &sandbox.path("curl.log"), ":\n");
    let sent = finish(sandbox.command(&bash).args(["-c", &send]));
    assert_eq!((sent.code, sent.stderr.as_str()), (0, ""), "{}", sent.stdout);
    wait_for("the event in curl's output", || curl.output().ends_with("\ndata: hi\n\n").then_some(()));
}

#[test]
fn the_default_socket_lies_in_a_folder_of_the_users_own_and_is_gone_at_the_end() {
    let Some(sandbox) = Sandbox::new() else { return };
    let mut running = sandbox.start(&mut sandbox.daemon());
    let folder = sandbox.default_folder();
    let socket = folder.join("control.sock");
    for (path, mode) in [(&folder, 0o700), (&socket, 0o600)] {
        let metadata = fs::symlink_metadata(path).unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.uid()), (mode, sandbox.uid), "{}", path.display());
    }
    running.signal(Signal::TERM);
    assert_eq!(running.exit_code(), 0);
    assert!(folder.exists() && !socket.exists());
}

#[test]
fn the_runtime_folder_is_preferred_where_there_is_one() {
    let Some(sandbox) = Sandbox::new() else { return };
    let runtime = sandbox.make("runtime", 0o700);
    let running = sandbox.start(sandbox.daemon().env("XDG_RUNTIME_DIR", &runtime));
    let socket = runtime.join("hasses/control.sock");
    assert_eq!(line_behind(&running.output(), "control: "), format!("unix://{}", socket.display()));
    assert_eq!(fs::metadata(runtime.join("hasses")).unwrap().mode() & 0o7777, 0o700);
    assert!(!sandbox.default_folder().exists());
    // The tool looks in the same places.
    let mut ping = sandbox.command(&sandbox.path("hasses-ctl"));
    let pong = finish(ping.arg("ping").env("XDG_RUNTIME_DIR", &runtime));
    assert_eq!(pong.code, 0, "{}", pong.stderr);
}

#[test]
fn a_second_daemon_on_the_default_socket_fails_clearly_and_the_first_goes_on() {
    let Some(sandbox) = Sandbox::new() else { return };
    let _first = sandbox.start(&mut sandbox.daemon());
    let Finished { code, stdout, stderr } = finish(&mut sandbox.daemon());
    assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
    let socket = sandbox.default_folder().join("control.sock");
    assert!(stderr.contains(&format!("unix://{}", socket.display())), "{stderr}");
    assert!(stderr.contains("another daemon listens there already; stop it or choose another path"), "{stderr}");
    assert_eq!(Publisher::unix(&socket).ask(&json!({"cmd": "ping"}))["ok"], true);
}

#[test]
fn a_folder_that_is_not_safe_is_refused_and_left_as_it_is() {
    let Some(sandbox) = Sandbox::new() else { return };
    let folder = sandbox.default_folder();
    let refused = |why: &str| {
        for more in [&[][..], &["--check"]] {
            let Finished { code, stderr, .. } = finish(sandbox.daemon().args(more));
            assert_eq!(code, 1, "{stderr}");
            let place = format!("the folder of the default control socket, {}, ", folder.display());
            assert!(stderr.contains(&place) && stderr.contains(why), "{stderr}");
            assert!(stderr.contains("--control unix:///PATH"), "{stderr}");
        }
    };
    fs::create_dir(&folder).unwrap();
    chown(&folder, Some(sandbox.uid), None).unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o750)).unwrap();
    refused("is open to other users (mode 0750, where 0700 is wanted)");
    if geteuid().is_root() {
        fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
        chown(&folder, Some(0), None).unwrap();
        refused("belongs to user 0, not to the one who starts hasses (65534)");
    }
    fs::remove_dir(&folder).unwrap();
    std::os::unix::fs::symlink(sandbox.path("tmp"), &folder).unwrap();
    refused("is a symbolic link");
    fs::remove_file(&folder).unwrap();
    fs::write(&folder, "").unwrap();
    refused("is no folder");
}
