//! A publisher made of a bare socket: lines out, answers in.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use hasses_client::wire::{Reply, StatusReport};
use serde_json::{Value, json};

use crate::DEADLINE;

/// A control connection. Which form it speaks is for its first byte to say.
#[derive(Debug)]
pub struct Publisher {
    /// TCP or Unix: reading, writing and shutting down are the same for both.
    socket: BufReader<UnixStream>,
}

impl Publisher {
    /// Connects to a Unix socket.
    ///
    /// # Panics
    /// Nobody listens there.
    #[must_use]
    pub fn unix(path: &Path) -> Self {
        UnixStream::connect(path).expect("the daemon listens").into()
    }

    /// Connects to a TCP port.
    ///
    /// # Panics
    /// Nobody listens there.
    #[must_use]
    pub fn tcp(address: &str) -> Self {
        let socket = TcpStream::connect(address).expect("the daemon listens");
        socket.set_nodelay(true).expect("no delay");
        UnixStream::from(OwnedFd::from(socket)).into()
    }

    /// A second handle on the same connection, for another thread. Only one of the two may read.
    ///
    /// # Panics
    /// There are no more descriptors.
    #[must_use]
    pub fn second_handle(&self) -> Self {
        Self { socket: BufReader::new(self.socket.get_ref().try_clone().expect("a descriptor")) }
    }

    /// Sends bytes as they are.
    ///
    /// # Panics
    /// They cannot be sent.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.get_mut().write_all(bytes.as_ref()).expect("the bytes are taken");
    }

    /// Sends one line, whatever it is, without waiting for its answer.
    ///
    /// # Panics
    /// It cannot be sent.
    pub fn send(&mut self, line: &str) {
        self.write(format!("{line}\n"));
    }

    /// Closes this side.
    ///
    /// # Panics
    /// It is broken.
    pub fn finish(&self) {
        self.socket.get_ref().shutdown(Shutdown::Write).expect("this side is closed");
    }

    /// Everything up to the end of the connection.
    ///
    /// # Panics
    /// It does not end.
    pub fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.socket.read_to_string(&mut rest).expect("the end before the deadline");
        rest
    }

    /// The next answer.
    ///
    /// # Panics
    /// The connection ends, or it is no JSON.
    pub fn answer(&mut self) -> Value {
        serde_json::from_str(&self.line()).expect("JSON")
    }

    /// The next line, with its LF.
    ///
    /// # Panics
    /// The connection ends.
    pub fn line(&mut self) -> String {
        self.next_line().expect("a line before the end of the connection")
    }

    /// The next line, with its LF; `None` at the end of the connection.
    ///
    /// # Panics
    /// The connection ends within a line.
    pub fn next_line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.socket.read_line(&mut line).expect("a line before the deadline");
        assert!(line.is_empty() || line.ends_with('\n'), "the connection ended: {line:?}");
        (!line.is_empty()).then_some(line)
    }

    /// Sends one command and gives its answer.
    pub fn ask(&mut self, command: &Value) -> Value {
        self.send(&command.to_string());
        self.answer()
    }

    /// Sends one line that must be refused; gives code and text.
    ///
    /// # Panics
    /// It is accepted, or the refusal has not exactly the fields that it should.
    pub fn refusal(&mut self, line: &str) -> (String, String) {
        self.send(line);
        let answer = self.answer();
        let text = |name: &str| answer[name].as_str().unwrap_or_else(|| panic!("{line}: {answer}")).to_owned();
        assert_eq!((&answer["ok"], answer.as_object().map(serde_json::Map::len)), (&json!(false), Some(3)), "{answer}");
        (text("code"), text("error"))
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

impl From<UnixStream> for Publisher {
    fn from(socket: UnixStream) -> Self {
        socket.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        socket.set_write_timeout(Some(DEADLINE)).expect("a deadline");
        Self { socket: BufReader::new(socket) }
    }
}
