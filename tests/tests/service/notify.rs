//! What a service manager is told, by a socket that plays its part.

use std::fs;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::Command;

use hasses_tests::{DEADLINE, Publisher, Running, Subscriber, binary, wait_for};
use rustix::process::Signal;
use rustix::time::{ClockId, clock_gettime};
use tempfile::TempDir;

/// A service manager that only listens.
struct Manager {
    socket: UnixDatagram,
    folder: TempDir,
}

impl Manager {
    /// With its socket in a folder.
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = UnixDatagram::bind(folder.path().join("notify")).expect("a socket");
        socket.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        Self { socket, folder }
    }

    fn start(&self, name: &str, variables: &[(&str, &str)], more: &[&str]) -> Running {
        let mut command = Command::new(binary("hasses"));
        command.args(["--listen=127.0.0.1:0", "--control=tcp://127.0.0.1:0"]).args(more);
        command.env("NOTIFY_SOCKET", name).envs(variables.iter().copied());
        Running::from_command(&mut command, &self.folder.path().join("output.log"), "and: ")
    }

    fn path(&self) -> String {
        self.folder.path().join("notify").display().to_string()
    }

    /// The next message, its lines.
    fn message(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let count = self.socket.recv(&mut buffer).expect("a message before the deadline");
        let text = String::from_utf8(buffer[..count].to_vec()).expect("text");
        assert!(text.ends_with('\n') && !text.contains("\n\n"), "{text:?}");
        text.lines().map(str::to_owned).collect()
    }
}

fn micros() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
}

#[test]
fn it_is_told_of_the_start_of_reloads_of_faults_and_of_the_end_in_that_order() {
    let manager = Manager::new();
    let config = manager.folder.path().join("hasses.toml");
    fs::write(&config, "").unwrap();
    let config = format!("--config={}", config.display());
    let mut running = manager.start(&manager.path(), &[], &[&config]);
    let address = running.said("subscribers: ");
    // It can be reached from the moment on at which it says so.
    let mut subscriber = Subscriber::connect(&running.said("subscribers: http://").replace("/sse", ""), "subscribe=t");
    assert_eq!(manager.message(), ["READY=1".to_owned(), format!("STATUS=0 subscribers on {address}")]);
    for (text, outcome) in [("retry = 200\n", "SIGHUP: reloaded"), ("retry = 1\n", "SIGHUP: nothing is reloaded")] {
        fs::write(manager.folder.path().join("hasses.toml"), text).unwrap();
        let before = micros();
        running.signal(Signal::HUP);
        let [reloading, time, status]: [String; 3] = manager.message().try_into().expect("three lines");
        assert_eq!((reloading.as_str(), status.as_str()), ("RELOADING=1", "STATUS=reloading"));
        let time: i64 = time.strip_prefix("MONOTONIC_USEC=").expect("the time").parse().expect("a number");
        assert!((before..=micros()).contains(&time), "systemd compares it with when it sent the signal");
        assert_eq!(manager.message(), ["READY=1".to_owned(), format!("STATUS=1 subscriber on {address}")]);
        running.wait_until_it_says(outcome);
    }
    running.signal(Signal::TERM);
    assert_eq!(manager.message(), ["STOPPING=1", "STATUS=ending every stream"]);
    subscriber.ends();
    assert_eq!(running.exit_code(), 0);
}

#[test]
fn an_abstract_name_does_as_well() {
    let name = format!("hasses-tests-{}", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let manager = Manager { socket, folder: tempfile::tempdir().unwrap() };
    let _running = manager.start(&format!("@{name}"), &[], &[]);
    assert_eq!(manager.message()[0], "READY=1");
}

#[test]
fn the_watchdog_gets_signs_of_life_and_the_number_of_subscribers_is_kept_up_to_date() {
    let manager = Manager::new();
    let running = manager.start(&manager.path(), &[("WATCHDOG_USEC", "100000")], &["--shards=2"]);
    assert_eq!(manager.message()[0], "READY=1");
    for _ in 0..3 {
        assert_eq!(manager.message(), ["WATCHDOG=1"]);
    }
    let address = running.said("subscribers: http://").replace("/sse", "");
    let subscribers = [(); 2].map(|()| Subscriber::connect(&address, "subscribe=t"));
    wait_for("both subscribers", || {
        manager.message().first().filter(|line| line.starts_with("STATUS=2 subscribers on ")).map(drop)
    });
    drop(subscribers);
    wait_for("no subscriber", || {
        manager.message().first().filter(|line| line.starts_with("STATUS=0 subscribers on ")).map(drop)
    });
}

#[test]
fn a_watchdog_for_another_process_is_not_fed() {
    let manager = Manager::new();
    let variables = [("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")];
    let mut running = manager.start(&manager.path(), &variables, &[]);
    assert_eq!(manager.message()[0], "READY=1");
    let mut publisher = Publisher::tcp(&running.said("control: tcp://"));
    // Far longer than the watchdog's time.
    (0..200).for_each(|_| assert_eq!(publisher.publish("t", "x"), 0));
    running.signal(Signal::TERM);
    assert_eq!(manager.message()[0], "STOPPING=1", "nothing came before");
    assert_eq!(running.exit_code(), 0);
}

#[test]
fn a_manager_that_cannot_be_told_is_a_warning_and_no_more() {
    let manager = Manager::new();
    let mut running = manager.start("/nonexistent/notify", &[], &[]);
    let warning = "warning: the service manager cannot be told READY=1: No such file";
    wait_for("the warning", || running.output().contains(warning).then_some(()));
    running.signal(Signal::TERM);
    assert_eq!(running.exit_code(), 0);
}
