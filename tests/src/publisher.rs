//! A publisher made of a bare socket: JSON lines out, answers in.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use hasses_client::wire::{Reply, StatusReport};
use serde_json::{Value, json};

use crate::DEADLINE;

/// A JSON control connection over a Unix socket.
#[derive(Debug)]
pub struct Publisher {
    socket: BufReader<UnixStream>,
}

impl Publisher {
    /// Connects.
    ///
    /// # Panics
    /// Nobody listens there.
    #[must_use]
    pub fn unix(path: &Path) -> Self {
        let socket = UnixStream::connect(path).expect("the daemon listens");
        socket.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        socket.set_write_timeout(Some(DEADLINE)).expect("a deadline");
        Self { socket: BufReader::new(socket) }
    }

    /// Sends one line, whatever it is, without waiting for its answer.
    ///
    /// # Panics
    /// It cannot be sent.
    pub fn send(&mut self, line: &str) {
        self.socket.get_mut().write_all(format!("{line}\n").as_bytes()).expect("the line is taken");
    }

    /// The next answer.
    ///
    /// # Panics
    /// The connection ends, or it is no JSON.
    pub fn answer(&mut self) -> Value {
        serde_json::from_str(&self.line()).expect("JSON")
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.socket.read_line(&mut line).expect("an answer before the deadline");
        assert!(line.ends_with('\n'), "the connection ended: {line:?}");
        line
    }

    /// Sends one command and gives its answer.
    pub fn ask(&mut self, command: &Value) -> Value {
        self.send(&command.to_string());
        self.answer()
    }

    /// Publishes; gives how many matched.
    ///
    /// # Panics
    /// It is refused.
    pub fn publish(&mut self, topic: &str, data: &str) -> u64 {
        let answer = self.ask(&json!({"cmd": "publish", "topic": topic, "data": data}));
        answer["matched"].as_u64().unwrap_or_else(|| panic!("refused: {answer}"))
    }

    /// The status report.
    ///
    /// # Panics
    /// It cannot be read.
    pub fn status(&mut self) -> StatusReport {
        self.send(r#"{"cmd":"status"}"#);
        Reply::read_line(self.line().as_bytes()).expect("a status").expect("it is not refused")
    }
}
