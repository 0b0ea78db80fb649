//! The init script for machines without systemd.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hasses_tests::{Finished, Stream, binary, finish, free_port, required};

use crate::daemon::{Background, adopt_orphans, read_pid};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../hasses/packaging/hasses.init");

/// The script, with everything in a folder of the test's own.
struct Init {
    folder: tempfile::TempDir,
}

impl Init {
    fn run(&self, verb: &str) -> Finished {
        self.run_with("hasses.conf", verb)
    }

    fn run_with(&self, config: &str, verb: &str) -> Finished {
        let mut command = Command::new("/bin/sh");
        command.args([SCRIPT, verb]).env("HASSES_DAEMON", binary("hasses")).env("HASSES_CONFIG", self.path(config));
        finish(command.env("HASSES_PIDFILE", self.path("hasses.pid")))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn configure(&self, port: u16) {
        let [fifo, log] = ["fifo", "hasses.log"].map(|name| self.path(name).display().to_string());
        let text = format!("# hasses\n-p={port}\n-murl=/sse\n-fifo={fifo}\n-l={log}\n");
        fs::write(self.path("hasses.conf"), text).expect("a file");
    }

    /// Sees to it that it ends with the test.
    fn adopt(&self) -> Background {
        Background::adopt(
            read_pid(&self.path("hasses.pid")).expect("the pid file"),
            Path::new(&self.path("hasses.log")),
        )
    }
}

#[test]
fn it_starts_reloads_restarts_and_stops() {
    if required("start-stop-daemon").is_none() {
        return;
    }
    adopt_orphans();
    let init = Init { folder: tempfile::tempdir().unwrap() };
    assert_eq!(init.run("status").code, 3, "not running");
    assert_eq!(init.run("stop").code, 0, "which is no failure of stopping");
    let (mut daemon, port) = (0..20)
        .find_map(|_| {
            let port = free_port();
            init.configure(port);
            let started = init.run("start");
            if started.code != 0 {
                assert!(started.stderr.contains("Address already in use"), "{started:?}");
                return None;
            }
            Some((init.adopt(), port))
        })
        .expect("a free port in 20 attempts");
    assert_eq!(init.run("status").code, 0);
    assert_eq!(init.run("start").stdout, "hasses runs already\n");
    let mut stream = Stream::connect(&format!("127.0.0.1:{port}"));
    stream.send("GET /sse?subscribe=t HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut subscriber = stream.subscribed();
    fs::write(init.path("fifo"), "t=hi\n").unwrap();
    assert_eq!(subscriber.data(), "hi");
    assert_eq!(init.run("reload").code, 0);
    hasses_tests::wait_for("the reload", || daemon.log().contains("SIGHUP: reloaded").then_some(()));

    let stopped = std::thread::scope(|scope| {
        let stopping = scope.spawn(|| init.run("stop"));
        // The script waits until it is gone, and it is gone once this program has taken note.
        assert_eq!(daemon.exit_code(), 0);
        stopping.join().expect("it ended")
    });
    assert_eq!((stopped.code, stopped.stdout.as_str()), (0, "hasses stopped\n"), "{}", stopped.stderr);
    subscriber.ends();
    assert_eq!(init.run("status").code, 3);
    assert_eq!(init.run("frob").code, 2);

    fs::write(init.path("hasses.conf"), "-p=x\n").unwrap();
    let failed = init.run("start");
    assert!(failed.code == 1 && failed.stderr.contains("\"x\" is no port number"), "{failed:?}");
}

#[test]
fn it_takes_modern_settings_as_well_and_keeps_events_over_a_restart() {
    if required("start-stop-daemon").is_none() {
        return;
    }
    adopt_orphans();
    let init = Init { folder: tempfile::tempdir().unwrap() };
    let start = || {
        let port = free_port();
        let [fifo, log, events] = ["fifo", "hasses.log", "events"].map(|name| init.path(name).display().to_string());
        let text = format!(
            "listen = [\"127.0.0.1:{port}\"]\ncontrol = [\"fifo://{fifo}\"]\nlog-file = \"{log}\"\nlog-dir = \"{events}\"\n"
        );
        fs::write(init.path("hasses.toml"), text).expect("a file");
        let started = init.run_with("hasses.toml", "start");
        if started.code != 0 {
            assert!(started.stderr.contains("Address already in use"), "{started:?}");
            return None;
        }
        Some((init.adopt(), format!("127.0.0.1:{port}")))
    };
    let started = || (0..20).find_map(|_| start()).expect("a free port in 20 attempts");
    let ask = |address: &str, query: &str| {
        let mut stream = Stream::connect(address);
        stream.send(format!("GET /sse?subscribe=t{query} HTTP/1.1\r\nHost: x\r\n\r\n"));
        stream
    };

    let (mut daemon, address) = started();
    let mut subscriber = ask(&address, "").subscribed();
    fs::write(init.path("fifo"), "t=kept\n").unwrap();
    assert_eq!(subscriber.data(), "kept");
    drop(subscriber);
    let stopped = std::thread::scope(|scope| {
        let stopping = scope.spawn(|| init.run_with("hasses.toml", "stop"));
        assert_eq!(daemon.exit_code(), 0);
        stopping.join().expect("it ended")
    });
    assert_eq!((stopped.code, stopped.stdout.as_str()), (0, "hasses stopped\n"), "{}", stopped.stderr);

    let (_daemon, address) = started();
    assert_eq!(ask(&address, "&replay=1").begun().data(), "kept");
}
