//! Subscribers that speak HTTP/2 and TLS: curl.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

/// A running curl that has got the head of its answer; killed when dropped.
#[derive(Debug)]
pub(crate) struct Curl {
    child: Child,
    output: BufReader<ChildStdout>,
    /// The head of the answer, its names in lower case.
    pub(crate) head: String,
}

impl Curl {
    /// Starts it and waits for the head of the answer.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("curl runs");
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if output.read_line(&mut head).expect("text") == 0 {
                panic!("{command:?} got no answer: {:?}, {head:?}", child.wait());
            }
        }
        Self { child, output, head: head.to_ascii_lowercase() }
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The next line of the body.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        let count = self.output.read_line(&mut line).expect("text");
        assert_ne!(count, 0, "the stream ended: {:?}", self.child.wait());
        line
    }

    /// The data of the next event, which has one line of it.
    pub(crate) fn data(&mut self) -> String {
        let mut data = None;
        loop {
            let line = self.line();
            if let Some(text) = line.strip_prefix("data: ") {
                data = Some(text.trim_end().to_owned());
            } else if line == "\n"
                && let Some(data) = data
            {
                return data;
            }
        }
    }

    /// The rest of the body, and how curl ended: with success only where the answer did end properly.
    pub(crate) fn rest(mut self) -> (String, ExitStatus) {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).expect("text");
        (rest, self.child.wait().expect("curl ends"))
    }
}

impl Drop for Curl {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One curl with several requests on as few connections as it can; killed when dropped.
#[derive(Debug)]
pub(crate) struct Requests {
    child: Child,
    folder: PathBuf,
}

/// How one of several requests ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// The status of its answer.
    pub(crate) status: u16,
    /// How many connections were made for it.
    pub(crate) connects: usize,
}

impl Requests {
    /// Starts it with these URLs. What comes goes into files of `folder`; what comes for the first of them cannot be written
    /// down, so that curl gives it up at its first byte, as a page does that closes one of its streams.
    pub(crate) fn start(command: &mut Command, urls: impl IntoIterator<Item = String>, folder: &Path) -> Self {
        command.args(["--parallel", "--write-out", "%{http_code} %{num_connects}\n"]);
        for (number, url) in urls.into_iter().enumerate() {
            let output = if number == 0 { "/dev/full".into() } else { output(folder, number) };
            command.arg("--output").arg(output).arg(url);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        Self { child: command.spawn().expect("curl runs"), folder: folder.to_owned() }
    }

    /// What has come so far for one of them.
    pub(crate) fn body(&self, number: usize) -> String {
        fs::read_to_string(output(&self.folder, number)).unwrap_or_default()
    }

    /// Waits for the end of all.
    pub(crate) fn ended(mut self) -> Vec<Ended> {
        let mut text = String::new();
        self.child.stdout.take().expect("its output").read_to_string(&mut text).expect("text");
        let ended = |line: &str| {
            let (status, connects) = line.split_once(' ')?;
            Some(Ended { status: status.parse().ok()?, connects: connects.parse().ok()? })
        };
        text.lines().map(|line| ended(line).unwrap_or_else(|| panic!("two numbers: {line:?}"))).collect()
    }
}

fn output(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("stream{number}"))
}

impl Drop for Requests {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
