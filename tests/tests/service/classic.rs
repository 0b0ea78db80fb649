//! The classic init script's command line: to the background, with TLS, log, pid file, user and FIFO.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

use hasses_tests::{
    Authority, Certificate, Publisher, Subscriber, TlsClient, binary, free_port, required, runs_as_root, wait_for,
};
use rustix::process::Signal;

use crate::daemon::{Background, Classic};
/// Debian's `nobody`, in a group that it is not in.
const NOBODY: u32 = 65534;

/// A folder that the daemon's user can write to, so that it makes a new log file and removes its pid file.
fn give_to_nobody(folder: &Path) {
    chown(folder, Some(NOBODY), Some(NOBODY)).expect("its owner");
}

#[test]
fn it_serves_over_tls_as_another_user_and_behaves_at_hup_at_log_rotation_and_at_term() {
    if !runs_as_root() {
        return;
    }
    let authority = Authority::default();
    let issued = authority.issue(&["127.0.0.1"]);
    let mut classic = Classic::start(|folder| {
        give_to_nobody(folder);
        let Certificate { certificate, key } = issued.save(folder, "tls");
        fs::set_permissions(&key, Permissions::from_mode(0o640)).expect("its mode");
        chown(&key, None, Some(NOBODY)).expect("its group");
        vec![
            "-ssl".to_owned(),
            format!("-cert-file={}", certificate.display()),
            format!("-privatekey-file={}", key.display()),
            "-user=nobody".to_owned(),
        ]
    });
    let client = TlsClient::trusting(&authority.pem());
    let mut subscriber = client.subscribe(&classic.address, "subscribe=room624-log&id=u1");

    // Publishers as ever: over TCP, and into the FIFO as the daemon's user.
    Publisher::tcp(&classic.control).write("room624=over TCP");
    assert_eq!(subscriber.data(), "over TCP");
    for name in ["fifo", "hasses.log", "hasses.pid"] {
        assert_eq!(fs::symlink_metadata(classic.path(name)).unwrap().uid(), NOBODY, "{name}");
    }
    if let (Some(setpriv), Some(bash)) = (required("setpriv"), required("bash")) {
        let mut command = Command::new(setpriv);
        command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(bash).arg("-c");
        let ended = hasses_tests::finish(command.arg(r#"echo "room624=by echo" > "$0""#).arg(classic.path("fifo")));
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
        assert_eq!(subscriber.data(), "by echo");
    }
    assert!(classic.daemon.log().lines().all(|line| line.contains(" hasses: ")), "{}", classic.daemon.log());

    // kill -HUP: a renewed certificate; nobody is dropped.
    let renewed = Authority::default();
    let Certificate { key, .. } = renewed.issue(&["127.0.0.1"]).save(classic.folder.path(), "tls");
    chown(&key, None, Some(NOBODY)).unwrap();
    assert!(classic.daemon.reload().contains("SIGHUP: reloaded, no setting has changed"));
    let mut newcomer = TlsClient::trusting(&renewed.pem()).subscribe(&classic.address, "subscribe=room624");
    Publisher::tcp(&classic.control).write("room624=after HUP");
    assert_eq!([&mut subscriber, &mut newcomer].map(Subscriber::data), ["after HUP", "after HUP"]);

    // mv: the next lines are in a new file, without a signal.
    let old = classic.path("hasses.log.1");
    fs::rename(classic.path("hasses.log"), &old).unwrap();
    wait_for("a new log file", || {
        Publisher::tcp(&classic.control).write("numberofclients");
        classic.daemon.log().contains("Number of connected clients: 2\n").then_some(())
    });
    assert_eq!(fs::metadata(classic.path("hasses.log")).unwrap().uid(), NOBODY);

    // kill -TERM
    classic.daemon.signal(Signal::TERM);
    subscriber.ends();
    newcomer.ends();
    assert_eq!(classic.daemon.exit_code(), 0);
    assert!(!classic.path("hasses.pid").exists() && classic.path("fifo").exists());
    assert!(classic.daemon.log().ends_with("hasses: stopped\n"), "{}", classic.daemon.log());
}

#[test]
fn without_a_user_and_tls_it_serves_as_whoever_calls_it() {
    let mut classic = Classic::start(|_| vec!["-q".to_owned()]);
    let mut stream = hasses_tests::Stream::connect(&classic.address);
    stream.send("GET /sse?subscribe=t HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n");
    let mut subscriber = stream.subscribed();
    fs::write(classic.path("fifo"), "t=hi").unwrap();
    assert_eq!(subscriber.data(), "hi");
    // The classic init script stops it so.
    classic.daemon.signal(Signal::INT);
    subscriber.ends();
    assert_eq!(classic.daemon.exit_code(), 0);
    assert!(!classic.path("hasses.pid").exists());
}

#[test]
fn the_classic_file_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let authority = Authority::default();
    drop(authority.issue(&["127.0.0.1"]).save(folder.path(), "tls"));
    let user = if runs_as_root() {
        give_to_nobody(folder.path());
        "-user=nobody\n"
    } else {
        ""
    };
    for _ in 0..20 {
        let [port, control] = [(); 2].map(|()| free_port());
        let text = format!(
            "# hasses\n-p={port}\n-cp={control}\n-murl=/sse\n-fifo={}\n-l={}\n-pidfile={}\n\n-ssl\n-cert-file={}\n\
             -privatekey-file={}\n{user}-cors-base=https://a.example\n",
            at("fifo"),
            at("log"),
            at("pid"),
            at("tls.pem"),
            at("tls.key")
        );
        fs::write(at("hasses.conf"), text).unwrap();
        let mut command = Command::new(binary("hasses"));
        command.arg("--classic-config").arg(at("hasses.conf"));
        let mut daemon = match Background::try_call(&mut command, Path::new(&at("pid")), Path::new(&at("log"))) {
            Ok(daemon) => daemon,
            Err(ended) => {
                assert!(ended.stderr.contains("Address already in use"), "{ended:?}");
                continue;
            }
        };
        let client = TlsClient::trusting(&authority.pem());
        let mut subscriber = client.subscribe(&format!("127.0.0.1:{port}"), "subscribe=t");
        let origin = hasses_tests::header(&subscriber.head, "Access-Control-Allow-Origin");
        assert_eq!(origin, Some("https://a.example"));
        let changed = fs::read_to_string(at("hasses.conf")).unwrap().replace("a.example", "b.example") + "-ra\n";
        fs::write(at("hasses.conf"), changed).unwrap();
        assert!(daemon.reload().contains("SIGHUP: reloaded, changed: cors-origin, allow-reinit\n"), "{}", daemon.log());
        Publisher::tcp(&format!("127.0.0.1:{control}")).write("t=hi\n");
        assert_eq!(subscriber.data(), "hi");
        daemon.signal(Signal::TERM);
        assert_eq!(daemon.exit_code(), 0);
        return;
    }
    panic!("there was no pair of free ports in 20 attempts");
}
