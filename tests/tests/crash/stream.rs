//! What a subscriber gets over a bare socket, up to the byte at which the daemon died.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use hasses_client::sse::{Event, Parser};
use hasses_client::wire::EventId;
use hasses_tests::DEADLINE;

/// The stream of a subscription over a Unix socket, by HTTP/1.1.
#[derive(Debug)]
pub(crate) struct Stream {
    socket: UnixStream,
    /// Read, and not taken apart yet.
    read: Vec<u8>,
    parser: Parser,
}

/// An event of the numbered publisher, as it came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its id.
    pub(crate) id: EventId,
    /// Its number, with which its data begin.
    pub(crate) number: u64,
    /// How many bytes its data have.
    pub(crate) length: usize,
}

impl Stream {
    /// Subscribes with a last event id, and waits until the head of the answer has come.
    ///
    /// # Errors
    /// Nobody listens, or the daemon ends before.
    pub(crate) fn open(path: &Path, query: &str, last_event_id: &str) -> io::Result<Self> {
        let mut socket = UnixStream::connect(path)?;
        socket.set_read_timeout(Some(DEADLINE))?;
        let request = format!("GET /sse?{query} HTTP/1.1\r\nHost: x\r\nLast-Event-ID: {last_event_id}\r\n\r\n");
        socket.write_all(request.as_bytes())?;
        let mut stream = Self { socket, read: Vec::new(), parser: Parser::resuming(last_event_id) };
        let head = stream.take_to(b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&head);
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        Ok(stream)
    }

    /// The next event; `None` at the end of the stream.
    ///
    /// # Errors
    /// The connection breaks, which a killed daemon brings about; or nothing comes.
    pub(crate) fn next(&mut self) -> io::Result<Option<Event>> {
        loop {
            if let Some(event) = self.parser.next_event() {
                return Ok(Some(event));
            }
            let size = self.take_to(b"\r\n")?;
            let size = std::str::from_utf8(&size).ok().and_then(|size| usize::from_str_radix(size.trim_end(), 16).ok());
            let size = size.expect("the size of a chunk");
            while self.read.len() < size + 2 {
                self.fill()?;
            }
            let chunk: Vec<u8> = self.read.drain(..size + 2).collect();
            if size == 0 {
                return Ok(None);
            }
            self.parser.push(&chunk[..size]);
        }
    }

    fn take_to(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.read.windows(end.len()).position(|window| window == end) {
                return Ok(self.read.drain(..at + end.len()).collect());
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut buffer = [0; 64 * 1024];
        match self.socket.read(&mut buffer) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.read.extend_from_slice(&buffer[..count]);
                Ok(())
            }
            Err(error) => {
                let timed_out = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                assert!(!timed_out, "nothing came for {DEADLINE:?}");
                Err(error)
            }
        }
    }
}

impl From<Event> for Entry {
    fn from(Event { event, data, last_event_id }: Event) -> Self {
        let number = data.split(' ').next().and_then(|number| number.parse().ok());
        let (Some(number), Ok(id), "message") = (number, last_event_id.parse(), event.as_str()) else {
            panic!("not of the numbered publisher: {event:?} {last_event_id:?} {data:?}");
        };
        Self { id, number, length: data.len() }
    }
}
