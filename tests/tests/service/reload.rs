//! SIGHUP: what comes into force, what stays, and that nobody notices but by that.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hasses_tests::{
    Authority, Crowd, Issued, Publisher, Running, Stream, Subscriber, TlsClient, binary, header, wait_for,
};
use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;

/// A daemon with a configuration file that can be changed.
struct Configured {
    folder: TempDir,
    running: Running,
}

impl Configured {
    fn start(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("hasses.toml");
        fs::write(&path, text).expect("a file");
        let arguments = [
            format!("--config={}", path.display()),
            "--listen=127.0.0.1:0".to_owned(),
            "--control=tcp://127.0.0.1:0".to_owned(),
        ];
        let running = Running::start(folder.path(), arguments);
        Self { folder, running }
    }

    /// Writes another file and sends SIGHUP; gives what is said about it.
    fn reload(&self, text: &str) -> String {
        fs::write(self.folder.path().join("hasses.toml"), text).expect("a file");
        let before = self.running.output().len();
        self.running.signal(Signal::HUP);
        wait_for("a reload", || {
            let said = self.running.output().get(before..)?.to_owned();
            (said.contains("SIGHUP: reloaded") || said.contains("SIGHUP: nothing is reloaded")).then_some(said)
        })
    }

    fn address(&self) -> String {
        self.running.said("subscribers: http://").trim_end_matches("/sse").to_owned()
    }

    fn publisher(&self) -> Publisher {
        Publisher::tcp(&self.running.said("control: tcp://"))
    }

    /// The origin that an answer allows.
    fn allowed(&self) -> String {
        let subscriber = Subscriber::connect(&self.address(), "subscribe=other");
        header(&subscriber.head, "Access-Control-Allow-Origin").expect("the header").to_owned()
    }
}

#[test]
fn origins_limits_and_log_level_come_into_force_for_all_and_nobody_is_dropped() {
    let daemon = Configured::start("cors-origin = \"https://a.example\"\nheartbeat = 3600\n");
    let (mut subscriber, mut publisher) = (Subscriber::connect(&daemon.address(), "subscribe=t"), daemon.publisher());
    assert_eq!((daemon.allowed(), publisher.publish("t", "1")), ("https://a.example".to_owned(), 1));
    let said = daemon.reload(
        "cors-origin = \"*\"\nheartbeat = 0.1\nmax-topics = 1\nmax-message = \"1k\"\nlog-level = \"debug\"\nallow-reinit = true\n",
    );
    let changed =
        "SIGHUP: reloaded, changed: cors-origin, log-level, allow-reinit, max-message, max-topics, heartbeat\n";
    assert!(said.contains(changed), "{said}");
    assert_eq!(daemon.allowed(), "*");
    let mut two = Stream::connect(&daemon.address());
    two.send("GET /sse?subscribe=a-b HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(two.answer().status, 400);
    assert_eq!(subscriber.data(), "1");
    assert_eq!(subscriber.chunk().as_deref(), Some(":\n"), "the shorter heartbeat holds for who was there before");
    assert_eq!(publisher.publish("t", "2"), 1, "the publisher is still connected, too");
    assert_eq!(subscriber.data(), "2");
    let mut newcomer = daemon.publisher();
    let long = json!({"cmd": "publish", "topic": "t", "data": "x".repeat(1024)});
    assert_eq!(newcomer.ask(&long)["code"], "too_large");
    let status = newcomer.status();
    assert_eq!((status.log_level.unwrap().as_str(), status.reinit, status.limits["max-topics"]), ("debug", true, 1));
    assert!(daemon.reload("cors-origin = \"*\"\n").contains("changed: log-level, allow-reinit, max-message"));
}

#[test]
fn a_bad_file_is_logged_with_its_reasons_and_the_old_settings_stay() {
    let good = "cors-origin = \"https://a.example\"\nmax-topics = 7\n";
    let daemon = Configured::start(good);
    let mut subscriber = Subscriber::connect(&daemon.address(), "subscribe=t");
    for (text, faults) in [
        ("max-topics = 0\nretry = 1\n", &[":1: max-topics: 0 is outside of the range", ":2: retry: 1 is outside"][..]),
        ("max-topics = \n", &["hasses.toml:1: "]),
        ("cors-origin = \"*\"\ncors-credentials = true\n", &["cors-credentials: browsers take credentials only where"]),
    ] {
        let said = daemon.reload(text);
        for fault in faults {
            let line = said.lines().find(|line| line.contains(fault)).unwrap_or_else(|| panic!("{fault}: {said}"));
            assert!(line.contains(" hasses: error: SIGHUP: "), "{line}");
        }
        assert!(said.contains("error: SIGHUP: nothing is reloaded, the old settings stay\n"), "{said}");
        assert_eq!(daemon.publisher().status().limits["max-topics"], 7);
        assert_eq!(daemon.allowed(), "https://a.example");
    }
    fs::remove_file(daemon.folder.path().join("hasses.toml")).unwrap();
    daemon.running.signal(Signal::HUP);
    wait_for("the reason", || {
        daemon.running.output().contains("hasses.toml: cannot be read: No such file").then_some(())
    });
    let said = daemon.reload(&good.replace('7', "8"));
    assert!(said.contains("SIGHUP: reloaded, changed: max-topics\n"), "{said}");
    assert_eq!(daemon.publisher().publish("t", "still here"), 1);
    assert_eq!(subscriber.data(), "still here");
}

#[test]
fn what_needs_a_restart_is_named_and_the_rest_comes_into_force() {
    let daemon = Configured::start("");
    let said =
        daemon.reload("path = \"/other\"\nshards = 3\nmax-topics = 7\nlog-format = \"json\"\nuser = \"nobody\"\n");
    let later = "warning: changed, but in force only after a restart: path, log-format, user, shards\n";
    assert!(said.contains(later) && said.contains("SIGHUP: reloaded, changed: max-topics\n"), "{said}");
    drop(Subscriber::connect(&daemon.address(), "subscribe=t"));
    assert!(daemon.reload("path = \"/other\"\n").contains("restart: path\n"), "named as long as it differs");
    assert!(daemon.reload("").contains("SIGHUP: reloaded, no setting has changed\n"));
}

/// A daemon with TLS whose files can be exchanged.
struct Secured {
    folder: TempDir,
    running: Running,
}

impl Secured {
    fn start(issued: &Issued) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let files = issued.save(folder.path(), "tls");
        let mut command = Command::new(binary("hasses"));
        command.args(["--listen-tls=127.0.0.1:0", "--control=tcp://127.0.0.1:0"]);
        command.arg("--tls-cert").arg(files.certificate).arg("--tls-key").arg(files.key);
        let running = Running::from_command(&mut command, &folder.path().join("output.log"), "and: ");
        Self { folder, running }
    }

    fn address(&self) -> String {
        self.running.said("subscribers: https://").trim_end_matches("/sse").to_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn reload(&self, outcome: &str) {
        let before = self.running.output().matches(outcome).count();
        self.running.signal(Signal::HUP);
        wait_for(outcome, || (self.running.output().matches(outcome).count() > before).then_some(()));
    }
}

#[test]
fn a_new_certificate_is_shown_to_newcomers_and_who_is_there_stays() {
    let [old, new] = [(); 2].map(|()| Authority::default());
    let daemon = Secured::start(&old.issue(&["127.0.0.1"]));
    let address = daemon.address();
    let [trusts_old, trusts_new] = [&old, &new].map(|authority| TlsClient::trusting(&authority.pem()));
    let mut subscriber = trusts_old.subscribe(&address, "subscribe=t");
    let mut publisher = Publisher::tcp(&daemon.running.said("control: tcp://"));

    // A pair that does not belong together is not taken, not even its certificate.
    let issued = new.issue(&["127.0.0.1"]);
    fs::write(daemon.path("tls.pem"), &issued.certificate).unwrap();
    daemon.reload("nothing is reloaded");
    assert!(daemon.running.output().contains("is not the one of the certificate in"), "{}", daemon.running.output());
    drop(trusts_old.subscribe(&address, "subscribe=t"));

    fs::write(daemon.path("tls.key"), &issued.key).unwrap();
    daemon.reload("SIGHUP: reloaded");
    let mut newcomer = trusts_new.subscribe(&address, "subscribe=t");
    assert!(trusts_old.try_connect(&address, "127.0.0.1").is_err(), "the old one is not shown any more");
    // Somebody who has just left may still be counted.
    assert!(publisher.publish("t", "to both") >= 2);
    assert_eq!([&mut subscriber, &mut newcomer].map(Subscriber::data), ["to both", "to both"]);
}

#[test]
fn a_thousand_subscribers_miss_nothing_while_settings_are_reloaded_under_a_flow_of_events() {
    const SUBSCRIBERS: usize = 1000;
    const EVENTS: usize = 200;
    let daemon = Configured::start("");
    let mut crowd = Crowd::subscribe(&daemon.address(), "subscribe=t", SUBSCRIBERS);
    let mut publisher = daemon.publisher();
    for nth in 0..EVENTS {
        assert_eq!(publisher.publish("t", &format!("event {nth}.")), SUBSCRIBERS as u64);
        if nth % 10 == 0 {
            // Without waiting for its end: events flow on meanwhile.
            let text = format!("max-topics = {}\ncors-origin = \"https://a{nth}.example\"\n", 10 + nth);
            fs::write(daemon.folder.path().join("hasses.toml"), text).unwrap();
            daemon.running.signal(Signal::HUP);
        }
    }
    let last = format!("event {}.", EVENTS - 1);
    let body = crowd.read_until("the last event", |body| contains(body, &last));
    let body = String::from_utf8_lossy(body);
    let seen: Vec<_> = body.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let expected: Vec<_> = (0..EVENTS).map(|nth| format!("event {nth}.")).collect();
    assert_eq!(seen, expected);
    assert!(daemon.running.output().contains("SIGHUP: reloaded, changed: "), "{}", daemon.running.output());
    assert_eq!(publisher.status().subscribers, SUBSCRIBERS as u64);
}

fn contains(body: &[u8], text: &str) -> bool {
    body.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn classic_switches_are_read_again_from_their_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hasses.conf");
    let text = |more: &str| format!("-p=0\n-murl=/sse\n-fifo={}\n{more}", folder.path().join("fifo").display());
    let write = |path: &Path, more: &str| fs::write(path, text(more)).unwrap();
    write(&path, "");
    let mut command = Command::new(binary("hasses"));
    command.arg("--classic-config").arg(&path).arg("-nodaemon");
    let mut running = Running::from_command(&mut command, &folder.path().join("output.log"), "room for ");
    let address = running.said("subscribers: http://").replace("0.0.0.0", "127.0.0.1").replace("/sse", "");
    let mut subscriber = Subscriber::connect(&address, "subscribe=t");
    write(&path, "-cors-base=https://a.example\n-debug\n-ra\n");
    running.signal(Signal::HUP);
    running.wait_until_it_says("SIGHUP: reloaded, changed: cors-origin, log-level, allow-reinit\n");
    let newcomer = Subscriber::connect(&address, "subscribe=other");
    assert_eq!(header(&newcomer.head, "Access-Control-Allow-Origin"), Some("https://a.example"));
    write(&path, "-frob\n-user\n");
    running.signal(Signal::HUP);
    running.wait_until_it_says("error: SIGHUP: nothing is reloaded, the old settings stay");
    for fault in ["error: SIGHUP: ", "unknown switch -frob", "-user needs a value: -user=NAME"] {
        assert!(running.output().contains(fault), "{fault}: {}", running.output());
    }
    fs::write(folder.path().join("fifo"), "t=still here\n").unwrap();
    assert_eq!(subscriber.data(), "still here");
}
