//! What is done with root's rights before they are given up, and what cannot be done without them.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use hasses_tests::{Authority, Finished, Running, TlsClient, binary, finish, required, runs_as_root, wait_for};
use rustix::process::Signal;

const USER: &str = "65533:65532";

/// Runs the daemon as somebody without rights, from a copy, since the folder of the build may be closed to that user.
fn as_nobody(folder: &Path, arguments: &[&str]) -> Option<Finished> {
    fs::set_permissions(folder, Permissions::from_mode(0o755)).expect("its mode");
    let copied = finish(Command::new("cp").arg(binary("hasses")).arg(folder));
    assert_eq!(copied.code, 0, "{}", copied.stderr);
    let mut command = Command::new(required("setpriv")?);
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(folder.join("hasses"));
    Some(finish(command.args(arguments)))
}

#[test]
fn only_root_becomes_somebody_else() {
    if !runs_as_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let Some(ended) = as_nobody(folder.path(), &["--listen=127.0.0.1:0", "--user=65533:65532"]) else { return };
    assert_eq!(ended.code, 1);
    let why = "user 65533:65532: only root can become another user, and the daemon is started by user 65534; start it as root";
    assert!(ended.stderr.contains(why), "{}", ended.stderr);
}

#[test]
fn a_port_under_1024_is_bound_before_the_rights_are_given_up() {
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or_default();
    if !runs_as_root() {
        return;
    }
    let port = (600..1024).rev().find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port");
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(binary("hasses"));
    command.args([&format!("--listen=127.0.0.1:{port}"), "--control=tcp://127.0.0.1:0", &format!("--user={USER}")]);
    let running = Running::from_command(&mut command, &folder.path().join("output.log"), "and: ");
    let status = fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
    assert!(status.contains("\nUid:\t65533\t65533\t65533\t65533\n"), "{status}");
    drop(running);

    if first.trim().parse().is_ok_and(|first: u16| first <= port) {
        eprintln!("left out: this system lets everybody have ports under 1024");
        return;
    }
    let listen = format!("--listen=127.0.0.1:{port}");
    let Some(ended) = as_nobody(folder.path(), &[&listen, "--control=tcp://127.0.0.1:0"]) else { return };
    let why =
        format!("cannot listen on 127.0.0.1:{port}: Permission denied (os error 13); ports under 1024 are root's");
    assert!(ended.code == 1 && ended.stderr.contains(&why), "{}", ended.stderr);
    assert!(ended.stderr.contains("AmbientCapabilities="), "{}", ended.stderr);
}

/// A daemon with a key that only root may read, which has become somebody else.
struct Guarded {
    folder: tempfile::TempDir,
    key: PathBuf,
    client: TlsClient,
    running: Running,
}

impl Guarded {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("its mode");
        let authority = Authority::default();
        let files = authority.issue(&["127.0.0.1"]).save(folder.path(), "tls");
        fs::set_permissions(&files.key, Permissions::from_mode(0o600)).expect("its mode");
        let config = folder.path().join("hasses.toml");
        let text = format!(
            "listen-tls = \"127.0.0.1:0\"\ncontrol = \"tcp://127.0.0.1:0\"\nuser = \"{USER}\"\ntls-cert = [{:?}]\ntls-key = [{:?}]\n",
            files.certificate, files.key
        );
        fs::write(&config, text).expect("a file");
        let running = Running::start(folder.path(), [format!("--config={}", config.display())]);
        Self { client: TlsClient::trusting(&authority.pem()), folder, key: files.key, running }
    }

    fn change(&self, line: &str) {
        let path = self.folder.path().join("hasses.toml");
        let text = fs::read_to_string(&path).expect("it is there");
        fs::write(&path, text + line).expect("a file");
    }
}

#[test]
fn a_key_that_only_root_may_read_stays_until_a_restart_and_the_rest_is_reloaded() {
    if !runs_as_root() {
        return;
    }
    let mut guarded = Guarded::start();
    guarded.change("retry = 200\n");
    let Guarded { running, client, key, .. } = &mut guarded;
    let address = running.said("subscribers: https://").trim_end_matches("/sse").to_owned();
    let mut subscriber = client.subscribe(&address, "subscribe=t");
    let foreseen = format!(
        "warning: SIGHUP will not renew the certificates, for the user that the daemon has become: {} cannot be read: Permission denied",
        key.display()
    );
    running.wait_until_it_says(&foreseen);
    running.signal(Signal::HUP);
    running.wait_until_it_says("SIGHUP: reloaded, changed: retry\n");
    let why = format!(
        "warning: the certificates stay as they are until a restart: {} cannot be read: Permission denied",
        key.display()
    );
    assert!(running.output().contains(&why), "{}", running.output());
    drop(client.subscribe(&address, "subscribe=t"));
    running.signal(Signal::TERM);
    subscriber.ends();
}

#[test]
fn a_key_that_the_user_may_read_is_reloaded() {
    if !runs_as_root() {
        return;
    }
    let guarded = Guarded::start();
    fs::set_permissions(&guarded.key, Permissions::from_mode(0o644)).unwrap();
    guarded.change("retry = 200\n");
    guarded.running.signal(Signal::HUP);
    wait_for("the reload", || guarded.running.output().contains("SIGHUP: reloaded, changed: retry\n").then_some(()));
}
