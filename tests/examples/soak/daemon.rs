//! The daemon at its fixed port and directory: started, ended, killed and stopped for a while.

use std::fs::{self, File};
use std::io::Read as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use hasses_client::blocking::Client;
use hasses_client::wire::EventId;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::chance::Chance;
use crate::options::Options;
use crate::tally::Tally;
use crate::usage::{Life, Usage};

/// Below what the system gives to outgoing connections, so that the port stays free while no daemon has it.
const PORTS: std::ops::Range<u16> = 20_000..30_000;
/// So long it may take to start, and beyond its drain to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is kept is what some twenty seconds bring: whoever is away for longer falls out of it.
const SETTINGS: [&str; 10] = [
    "--retain-events=16000",
    "--retain-bytes=64m",
    "--outbox=64k",
    "--send-buffer=16k",
    "--drain=3",
    "--retry=200",
    "--heartbeat=5",
    "--progress-timeout=15",
    "--log-format=bare",
    "--max-replay=1000",
];

/// The daemon that is running, and the ones before it.
pub(crate) struct Daemon {
    program: PathBuf,
    folder: PathBuf,
    port: u16,
    tally: Arc<Tally>,
    child: Option<Child>,
    life: Life,
    starts: u64,
    /// Where the folder is removed at the end.
    _temporary: Option<TempDir>,
}

impl Daemon {
    /// None is running yet.
    pub(crate) fn new(options: &Options, tally: Arc<Tally>) -> Self {
        let temporary = options.directory.is_none().then(|| tempfile::tempdir().expect("a temporary folder"));
        let folder = match (&options.directory, &temporary) {
            (Some(directory), _) => directory.clone(),
            (None, Some(temporary)) => temporary.path().to_owned(),
            (None, None) => unreachable!(),
        };
        fs::create_dir_all(&folder).expect("the directory can be made");
        let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
        let port = PORTS.skip(std::process::id() as usize % 5000).find(is_free).expect("a free port");
        let program = options.hasses.clone().unwrap_or_else(build);
        Self { program, folder, port, tally, child: None, life: Life::new(), starts: 0, _temporary: temporary }
    }

    /// Where subscribers connect.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where they subscribe.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/sse", self.port)
    }

    /// Its control source.
    pub(crate) fn control(&self) -> String {
        format!("unix://{}", self.folder.join("control").display())
    }

    /// Where its log stands.
    pub(crate) fn position(&self) -> EventId {
        let client = Client::connect(&self.control()).expect("it was started");
        client.position().expect("it answers")
    }

    /// Starts one, with the other durability than the one before, and waits until it serves.
    pub(crate) fn start(&mut self, chance: &mut Chance) {
        self.starts += 1;
        let output = self.folder.join("output");
        let begun = Instant::now();
        loop {
            let log = File::create(&output).expect("a file for its output");
            let mut command = Command::new(&self.program);
            command.arg(format!("--listen=127.0.0.1:{}", self.port)).arg(format!("--control={}", self.control()));
            command.arg(format!("--log-dir={}", self.log().display()));
            command.arg(format!("--log-file={}", self.folder.join("hasses.log").display()));
            command
                .arg(format!("--durability={}", if self.starts.is_multiple_of(2) { "disk" } else { "os" }))
                .args(SETTINGS);
            command.stdin(Stdio::null()).stdout(log.try_clone().expect("a second handle")).stderr(log);
            let mut child = command.spawn().expect("the daemon can be started");
            if chance.one_in(8) {
                // On its way, while it reads what the one before has left.
                thread::sleep(chance.millis(0..100));
                let _ = child.kill();
            }
            if self.serves(&mut child) {
                self.child = Some(child);
                self.life = Life::new();
                return;
            }
            let said = fs::read_to_string(&output).unwrap_or_default();
            let is_taken = said.contains("Address already in use");
            if !(said.is_empty() || is_taken) || begun.elapsed() > PATIENCE {
                self.tally.fault(format!("the daemon does not start: {said}"));
                panic!("the daemon does not start: {said}");
            }
        }
    }

    fn serves(&self, child: &mut Child) -> bool {
        let begun = Instant::now();
        loop {
            if let Ok(client) = Client::connect(&self.control())
                && client.ping().is_ok()
            {
                return true;
            }
            if child.try_wait().expect("its state").is_some() {
                return false;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not serve after {PATIENCE:?}");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Looks at what it uses.
    pub(crate) fn look(&mut self) {
        let Some(child) = &mut self.child else { return };
        if let Some(status) = child.try_wait().expect("its state") {
            self.tally.fault(format!("the daemon has ended by itself: {status}"));
            panic!("the daemon has ended by itself: {status}");
        }
        if let Some(usage) = Usage::of(child.id(), &self.folder.join("log")) {
            self.tally.uses(usage);
            self.life.add(usage);
        }
    }

    /// Ends it with `kill -9`.
    pub(crate) fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        child.kill().and_then(|()| child.wait()).expect("it is killed");
        self.tally.kills.fetch_add(1, Relaxed);
        self.judge();
    }

    /// Ends it with SIGTERM, and waits for that.
    pub(crate) fn terminate(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        signal(&child, Signal::TERM);
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().expect("its state") {
                break status;
            }
            if begun.elapsed() > PATIENCE {
                self.tally.fault(format!("it has not ended {PATIENCE:?} after SIGTERM"));
                child.kill().and_then(|()| child.wait()).expect("it is killed");
                return;
            }
            thread::sleep(Duration::from_millis(5));
        };
        if !status.success() {
            self.tally.fault(format!("after SIGTERM it ended with {status}"));
        }
        self.tally.terminations.fetch_add(1, Relaxed);
        self.judge();
    }

    /// Stops it for some time.
    pub(crate) fn stall(&self, time: Duration) {
        let Some(child) = &self.child else { return };
        signal(child, Signal::STOP);
        thread::sleep(time);
        signal(child, Signal::CONT);
        self.tally.stalls.fetch_add(1, Relaxed);
    }

    fn judge(&self) {
        match self.life.growth() {
            Some(Ok(words)) => println!("{} a long life {words}", self.tally.time()),
            Some(Err(words)) => self.tally.fault(format!("it grew {words}")),
            None => {}
        }
    }

    /// Looks for what should not be in its log.
    pub(crate) fn read_log(&self) {
        let text = fs::read_to_string(self.folder.join("hasses.log")).expect("its log");
        for line in text.lines() {
            let is_bad = ["error:", "please report", "panicked", "cannot"].iter().any(|word| line.contains(word));
            if is_bad {
                self.tally.fault(format!("the daemon's log says: {line}"));
            }
        }
        let torn = text.matches("of unfinished commits were cut").count();
        let unclean = text.matches("was not closed properly").count();
        println!(
            "{} starts; the log was found not properly closed {unclean} times, {torn} of them with a torn tail",
            self.starts
        );
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("it is there");
}

/// Builds it as it is shipped.
fn build() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "-p", "hasses", "--message-format", "json-render-diagnostics"]);
    command.args(["--manifest-path", manifest]).stdout(Stdio::piped());
    let mut child = command.spawn().expect("cargo runs");
    let mut said = String::new();
    child.stdout.take().expect("a pipe").read_to_string(&mut said).expect("what cargo says");
    assert!(
        child.wait().expect("its end").success(),
        "the daemon does not build; a built one can be named: --hasses PATH"
    );
    let messages = said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut paths = messages.filter(|message| message["target"]["name"] == "hasses");
    let path = paths.find_map(|message| message["executable"].as_str().map(PathBuf::from));
    path.expect("cargo says where it put the daemon")
}
