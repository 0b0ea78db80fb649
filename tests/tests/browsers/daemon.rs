//! The real daemon, which can go and come back at the same address.

use hasses_tests::{Authority, Publisher, Running, own_address};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A daemon for the pages of one test.
pub(crate) struct Daemon {
    /// `None` where it has ended.
    running: Option<Running>,
    folder: TempDir,
    flags: Vec<String>,
    scheme: Scheme,
    /// `ADDR:PORT` for subscribers.
    pub(crate) address: String,
}

/// How subscribers connect.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// The beginning of URLs, and the flag.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Http => ("http://", "--listen"),
            Self::Https => ("https://", "--listen-tls"),
        }
    }
}

impl Daemon {
    pub(crate) fn start(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self::with(Scheme::Http, folder, flags.iter().map(|&flag| flag.to_owned()).collect())
    }

    /// Starts one that is reached with TLS only.
    pub(crate) fn secured(authority: &Authority) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let certificate = authority.issue(&[&own_address().ip().to_string()]).save(folder.path(), "server");
        let [chain, key] = [&certificate.certificate, &certificate.key].map(|path| path.display().to_string());
        Self::with(Scheme::Https, folder, vec!["--tls-cert".to_owned(), chain, "--tls-key".to_owned(), key])
    }

    fn with(scheme: Scheme, folder: TempDir, flags: Vec<String>) -> Self {
        // Nobody else takes the port while the daemon is away.
        let address = format!("{}:0", own_address().ip());
        let mut daemon = Self { running: None, folder, flags, scheme, address };
        daemon.start_again();
        let said = daemon.running.as_ref().expect("it runs").said(&format!("subscribers: {}", scheme.names().0));
        said.trim_end_matches("/sse").clone_into(&mut daemon.address);
        daemon
    }

    /// What a page subscribes to.
    pub(crate) fn url(&self, query: &str) -> String {
        format!("{}/sse?{query}", self.origin())
    }

    pub(crate) fn origin(&self) -> String {
        format!("{}{}", self.scheme.names().0, self.address)
    }

    /// SIGTERM, and its end.
    pub(crate) fn stop(&mut self) {
        let mut running = self.running.take().expect("it runs");
        running.signal(Signal::TERM);
        assert_eq!(running.exit_code(), 0);
    }

    /// SIGKILL, and its end.
    pub(crate) fn kill(&mut self) {
        drop(self.running.take().expect("it runs"));
    }

    /// Starts it anew where it was.
    pub(crate) fn start_again(&mut self) {
        let control = format!("unix://{}", self.folder.path().join("control.sock").display());
        // Pages are told to come back sooner than after some seconds.
        let fixed = [self.scheme.names().1, &self.address, "--control", &control, "--retry", "200"];
        let arguments = fixed.into_iter().chain(self.flags.iter().map(String::as_str));
        self.running = Some(Running::start(self.folder.path(), arguments));
    }

    pub(crate) fn publisher(&self) -> Publisher {
        Publisher::unix(&self.folder.path().join("control.sock"))
    }

    /// Publishes something that must reach exactly one subscriber; gives its id.
    pub(crate) fn publish(&self, command: &Value) -> String {
        let mut command = command.clone();
        command["cmd"] = json!("publish");
        let answer = self.publisher().ask(&command);
        assert_eq!(answer["matched"], 1, "{command}: {answer}");
        answer["id"].as_str().expect("an id").to_owned()
    }
}
