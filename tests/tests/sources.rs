//! What control sources may be bound to, who may reach them, and what becomes of socket files.

#![expect(clippy::expect_used, reason = "what a test needs and cannot have is a failure of that test")]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use hasses_tests::{Finished, Publisher, Running, Subscriber, TestDaemon, binary, finish};
use rustix::process::Signal;
use serde_json::json;

/// Arguments of a daemon with these control sources.
fn with(sources: &[&str]) -> Vec<String> {
    let listen = ["--listen".to_owned(), "127.0.0.1:0".to_owned()];
    listen.into_iter().chain(sources.iter().map(|source| format!("--control={source}"))).collect()
}

/// What a daemon says that does not start with these sources.
fn refused(code: i32, sources: &[&str]) -> String {
    let ended: Finished = finish(Command::new(binary("hasses")).args(with(sources)));
    assert_eq!((ended.code, ended.stdout.as_str()), (code, ""), "{sources:?}: {}", ended.stderr);
    assert!(ended.stderr.starts_with("hasses: ") && ended.stderr.ends_with('\n'), "{}", ended.stderr);
    ended.stderr
}

fn is_alive(control: &Path) -> bool {
    Publisher::unix(control).ask(&json!({"cmd": "ping"}))["ok"] == true
}

#[test]
fn tcp_beyond_loopback_is_refused_and_the_error_names_the_flag() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8085", "[2001:db8::1]:8085"] {
        let error = refused(2, &[&format!("tcp://{address}")]);
        assert!(error.contains(&format!("\"tcp://{address}\" would be open to other machines")), "{error}");
        assert!(error.contains("no authentication") && error.contains("--allow-remote-control"), "{error}");
    }
}

#[test]
fn tcp_beyond_loopback_opens_with_the_flag_and_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [with(&["tcp://0.0.0.0:0"]), vec!["--allow-remote-control".to_owned()]].concat();
    let mut running = Running::start(folder.path(), arguments);
    running.wait_until_it_says("warning: control on tcp://0.0.0.0:");
    assert!(running.output().contains("it has no authentication"), "{}", running.output());
    let port = running.said("control: tcp://0.0.0.0:");
    let mut publisher = Publisher::tcp(&format!("127.0.0.1:{port}"));
    assert_eq!(publisher.ask(&json!({"cmd": "ping"}))["ok"], true);
}

#[test]
fn every_spelling_of_loopback_is_loopback() {
    let folder = tempfile::tempdir().unwrap();
    // A machine without IPv6 has no [::1].
    let v6 = TcpListener::bind("[::1]:0").is_ok();
    let sources = ["tcp://127.0.0.1:0", "tcp://127.9.9.9:0", "tcp://localhost:0", "tcp://[::1]:0"];
    let running = Running::start(folder.path(), with(&sources[..if v6 { 4 } else { 3 }]));
    let output = running.output();
    let addresses: Vec<_> = output.lines().filter_map(|line| line.split_once("control: tcp://")).collect();
    assert_eq!(addresses.len(), if v6 { 4 } else { 3 }, "{output}");
    for (_, address) in addresses {
        assert_eq!(Publisher::tcp(address).ask(&json!({"cmd": "ping"}))["ok"], true, "{address}");
    }
}

#[test]
fn a_port_in_use_is_an_error_at_start() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = refused(1, &[&format!("tcp://{address}")]);
    assert!(
        error.contains(&format!("control source \"tcp://{address}\": listening: Address already in use")),
        "{error}"
    );
    let ended = finish(Command::new(binary("hasses")).args([
        "--listen",
        &address.to_string(),
        "--control",
        "tcp://127.0.0.1:0",
    ]));
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("cannot listen on {address}: Address already in use")), "{}", ended.stderr);
}

#[test]
fn urls_that_cannot_be_meant_are_usage_errors_that_say_why() {
    for (url, why) in [
        ("8085", "it has no scheme; write tcp://"),
        ("redis://x", "scheme \"redis\" is not known"),
        ("tcp://127.0.0.1", "has no port"),
        ("unix://relative", "not an absolute path"),
        ("fifo://relative", "not an absolute path"),
        ("unix:///x?mod=0660", "\"mod\" is no option of unix (it has: mode, group)"),
        ("unix:///x?mode=rw", "mode \"rw\" is no octal number up to 0777"),
        ("fifo:///x?form=xml", "form \"xml\" is not known (classic, json)"),
        ("tcp://127.0.0.1:0?mode=0660", "\"mode\" is no option of tcp"),
    ] {
        let error = refused(2, &[url]);
        assert!(error.contains(&format!("{url:?}")) && error.contains(why), "{url}: {error}");
        let checked = finish(Command::new(binary("hasses")).args(["--check", "--control", url]));
        assert_eq!((checked.code, checked.stderr), (2, error), "--check says the same");
    }
}

#[test]
fn several_sources_of_one_kind_are_served_side_by_side() {
    let daemon = TestDaemon::with(|config| {
        config.control.push("tcp://127.0.0.1:0".parse().unwrap());
        let folder = config.control[1].target().trim_end_matches("/control.sock").to_owned();
        config.control.push(format!("unix://{folder}/second.sock?mode=0666").parse().unwrap());
    });
    let mut subscriber = daemon.subscribe("subscribe=t");
    let sources = daemon.publisher().status().sources;
    assert_eq!(sources.len(), 6, "{sources:?}");
    let second = sources[4].strip_prefix("tcp://").unwrap();
    assert_eq!(Publisher::tcp(second).publish("t", "tcp"), 1);
    assert_eq!(Publisher::unix(&daemon.folder().join("second.sock")).publish("t", "unix"), 1);
    assert_eq!([(); 2].map(|()| subscriber.data()), ["tcp", "unix"]);
}

#[test]
fn a_socket_is_only_for_its_own_user_unless_told_otherwise() {
    let daemon = TestDaemon::with(|config| {
        let folder = config.control[1].target().trim_end_matches("/control.sock").to_owned();
        config.control.push(format!("unix://{folder}/open.sock?mode=0666").parse().unwrap());
    });
    for (name, mode) in [("control.sock", 0o600), ("open.sock", 0o666)] {
        let metadata = fs::symlink_metadata(daemon.folder().join(name)).unwrap();
        assert!(metadata.file_type().is_socket(), "{metadata:?}");
        assert_eq!(metadata.mode() & 0o7777, mode, "{name}");
        assert_eq!(metadata.uid(), rustix::process::geteuid().as_raw(), "{name}");
    }
}

#[test]
fn mode_and_group_are_set_and_an_unknown_group_is_an_error() {
    let (name, gid) = some_group();
    for scheme in ["unix", "fifo"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control");
        let source = format!("{scheme}://{}?group=no-such-group", path.display());
        let error = refused(1, &[&source]);
        assert!(error.contains(&source) && error.contains("there is no group \"no-such-group\""), "{error}");
        assert!(!path.exists());
        let source = format!("{scheme}://{}?mode=0660&group={name}", path.display());
        let _running = Running::start(folder.path(), with(&[&source]));
        let metadata = fs::symlink_metadata(&path).unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.gid()), (0o660, gid), "{name}");
    }
}

/// A group that this process may give a file to: any other than its own for root, else its own.
fn some_group() -> (String, u32) {
    let own = rustix::process::getegid().as_raw();
    let root = rustix::process::geteuid().is_root();
    let groups = fs::read_to_string("/etc/group").expect("the system has groups");
    let mut groups = groups.lines().filter_map(|line| {
        let mut fields = line.split(':');
        Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
    });
    groups.find(|(_, gid)| (*gid != own) == root).expect("a group")
}

#[test]
fn the_socket_file_of_a_killed_daemon_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let sources = with(&[&format!("unix://{}", path.display())]);
    let first = Running::start(folder.path(), &sources);
    let inode = fs::symlink_metadata(&path).unwrap().ino();
    first.signal(Signal::KILL);
    drop(first);
    assert!(path.exists(), "nobody could remove it");
    let mut second = Running::start(folder.path(), &sources);
    assert!(is_alive(&path));
    assert_ne!(fs::symlink_metadata(&path).unwrap().ino(), inode);
    second.signal(Signal::TERM);
    assert_eq!(second.exit_code(), 0);
    assert!(!path.exists());
}

#[test]
fn the_socket_of_a_living_daemon_is_an_error_for_the_second_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let source = format!("unix://{}", path.display());
    let mut first = Running::start(folder.path(), with(&[&source]));
    let error = refused(1, &[&source]);
    assert!(error.contains(&source), "{error}");
    assert!(error.contains("another daemon listens there already; stop it or choose another path"), "{error}");
    assert!(is_alive(&path), "the first one's socket is untouched");
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "the second one left nothing behind: {names:?}");
    first.signal(Signal::TERM);
    assert_eq!(first.exit_code(), 0);
    assert!(!path.exists());
}

#[test]
fn what_is_no_socket_is_an_error_and_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "precious").unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    for path in [&file, &link, folder.path()] {
        let error = refused(1, &[&format!("unix://{}", path.display())]);
        assert!(error.contains("there is a file that is not a socket; remove it or choose another path"), "{error}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let foreign = folder.path().join("foreign.sock");
    let _listener = UnixListener::bind(&foreign).unwrap();
    let error = refused(1, &[&format!("unix://{}", foreign.display())]);
    assert!(error.contains("another daemon listens there already"), "{error}");
}

#[test]
fn a_folder_that_is_missing_or_a_path_that_is_too_long_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let error = refused(1, &[&format!("unix://{}/control.sock", missing.display())]);
    assert!(error.contains(&format!("folder {}: No such file or directory", missing.display())), "{error}");
    let error = refused(1, &[&format!("unix://{}/{}", folder.path().display(), "x".repeat(120))]);
    assert!(error.contains("longer than a socket's may be (107 bytes)"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn a_socket_of_somebody_else_in_the_place_is_left_there_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let mut running = Running::start(folder.path(), with(&[&format!("unix://{}", path.display())]));
    // As when an operator starts another daemon after removing the file.
    fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    running.signal(Signal::TERM);
    assert_eq!(running.exit_code(), 0);
    assert!(path.exists(), "it belongs to the other one");
}

#[test]
fn one_source_that_cannot_be_opened_leaves_nothing_of_the_others_behind() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = folder.path().join("control.sock");
    let tcp = format!("tcp://{}", taken.local_addr().unwrap());
    refused(1, &[&format!("unix://{}", socket.display()), &tcp]);
    assert!(!socket.exists());
}

#[test]
fn subscribers_may_come_over_a_unix_socket_too() {
    let folder = tempfile::tempdir().unwrap();
    let (sse, control) = (folder.path().join("sse.sock"), folder.path().join("control.sock"));
    let arguments = [format!("--listen=unix:{}", sse.display()), format!("--control=unix://{}", control.display())];
    let mut running = Running::start(folder.path(), &arguments);
    let error = refused(1, &[&format!("unix://{}", sse.display())]);
    assert!(error.contains("another daemon listens there already"), "{error}");
    let mut subscriber = Publisher::unix(&sse);
    subscriber.write("GET /sse?subscribe=t HTTP/1.0\r\n\r\n");
    assert_eq!(subscriber.line(), "HTTP/1.1 200 OK\r\n");
    while subscriber.line() != ":\n" {}
    let lines = [(); 4].map(|()| subscriber.line());
    assert_eq!((lines[0].as_str(), &lines[2..]), ("event: hasses.cursor\n", &["data: {}\n".into(), "\n".into()][..]));
    assert_eq!(Publisher::unix(&control).publish("t", "over a socket"), 1);
    let lines = [(); 3].map(|()| subscriber.line());
    assert_eq!(lines[1..], ["data: over a socket\n", "\n"]);
    assert_eq!(Publisher::unix(&control).ask(&json!({"cmd": "clients"}))["clients"][0]["address"], "unix");
    running.signal(Signal::TERM);
    assert_eq!(running.exit_code(), 0);
    assert!(!sse.exists() && !control.exists());
}

#[test]
fn without_any_control_source_it_serves_and_warns() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("hasses.toml");
    fs::write(&config, "listen = \"127.0.0.1:0\"\ncontrol = []\n").unwrap();
    let mut running = Running::start(folder.path(), ["--config".as_ref(), config.as_os_str()]);
    running.wait_until_it_says("warning: there is no control source, so nothing can be published");
    let address = running.said("subscribers: http://");
    let _subscriber = Subscriber::connect(address.trim_end_matches("/sse"), "subscribe=t");
}

#[test]
fn a_stopped_daemon_leaves_no_socket_file_and_the_fifo_as_it_was() {
    let mut daemon = TestDaemon::start();
    let mut subscriber = daemon.subscribe("subscribe=t");
    daemon.stop();
    subscriber.ends();
    assert!(!daemon.folder().join("control.sock").exists());
    let fifo = fs::metadata(daemon.folder().join("fifo")).unwrap();
    assert!(fifo.file_type().is_fifo(), "publishers have it open, and the next daemon uses it");
}
