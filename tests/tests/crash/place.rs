//! A log directory, and the daemons that have it one after the other.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use hasses_client::wire::EventId;
use hasses_tests::{Finished, Publisher, Running, binary, finish};
use tempfile::TempDir;

use crate::stream::{Entry, Stream};

/// A folder with the log, and with sockets that are the same for each daemon.
#[derive(Debug)]
pub(crate) struct Place {
    folder: TempDir,
    log: PathBuf,
    environment: BTreeMap<String, String>,
}

impl Place {
    /// With an empty folder.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("log");
        Self { folder, log, environment: BTreeMap::new() }
    }

    /// With the log elsewhere.
    pub(crate) fn with_log_in(log: &Path) -> Self {
        Self { log: log.to_owned(), ..Self::new() }
    }

    /// With this in the environment of its daemons.
    pub(crate) fn with_environment(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// A file of the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file of the log, or, without a name, its directory.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.log.clone() } else { self.log.join(name) }
    }

    /// The daemon with its log here, not started yet.
    pub(crate) fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(binary("hasses"));
        let at = |name: &str| self.path(name).display().to_string();
        command.args([format!("--listen=unix:{}", at("sse")), format!("--control=unix://{}", at("control"))]);
        command.arg([OsStr::new("--log-dir="), self.log.as_os_str()].join(OsStr::new("")));
        command.args(more).envs(&self.environment);
        command
    }

    /// Starts the daemon, and waits until it serves.
    pub(crate) fn start(&self, more: &[&str]) -> Running {
        Running::from_command(&mut self.command(more), &self.path("output.log"), "room for ")
    }

    /// Starts the daemon, and waits for nothing.
    pub(crate) fn starting(&self, more: &[&str]) -> Running {
        Running::begin(&mut self.command(more), &self.path("output.log"))
    }

    /// Starts one that must end by itself.
    pub(crate) fn refused(&self, more: &[&str]) -> Finished {
        finish(&mut self.command(more))
    }

    /// A control connection.
    pub(crate) fn publisher(&self) -> Publisher {
        Publisher::unix(&self.path("control"))
    }

    /// Where the log stands.
    pub(crate) fn position(&self) -> EventId {
        let answer = self.publisher().ask(&serde_json::json!({"cmd": "position"}));
        answer["id"].as_str().and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("no position: {answer}"))
    }

    /// Everything that the log holds behind `id`, as one finds it who subscribes to everything with that as the last event id.
    pub(crate) fn events_behind(&self, id: EventId) -> Vec<Entry> {
        let mut stream = Stream::open(&self.path("sse"), "subscribe=*", &id.to_string()).expect("the daemon listens");
        let mut next = || stream.next().expect("a stream before the deadline").expect("no end before the cursor");
        let verdict = next();
        let mut entries = Vec::new();
        loop {
            let event = next();
            if event.event == "hasses.cursor" {
                let expected = format!(r#"{{"status":"resumed","replayed":{}}}"#, entries.len());
                assert_eq!((verdict.event.as_str(), verdict.data), ("hasses.resume", expected));
                return entries;
            }
            entries.push(Entry::from(event));
        }
    }
}
