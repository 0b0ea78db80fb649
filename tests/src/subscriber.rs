//! A subscriber made of a bare socket, so that tests see the very bytes.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustls::ClientConnection;

use crate::{Answer, DEADLINE};

/// A TCP connection with a deadline on everything, and what was read but not used.
#[derive(Debug)]
pub struct Stream {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
    read: Vec<u8>,
}

/// A subscription over HTTP/1.1.
#[derive(Debug)]
pub struct Subscriber {
    stream: Stream,
    /// The response head, with its empty line.
    pub head: String,
    /// What the daemon said about the last event id that was sent.
    pub verdict: Option<String>,
}

/// An event as it came: its fields by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// `id`
    pub id: String,
    /// `event`; empty where there was none.
    pub event: String,
    /// The `data` lines, joined by LF.
    pub data: String,
    /// `retry`; empty where there was none.
    pub retry: String,
}

impl Stream {
    /// Connects.
    ///
    /// # Panics
    /// The address does not answer.
    #[must_use]
    pub fn connect(address: &str) -> Self {
        TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}")).into()
    }

    /// Speaks TLS from now on; the handshake is made here.
    ///
    /// # Errors
    /// The handshake fails.
    pub fn secured(mut self, session: ClientConnection) -> io::Result<Self> {
        let tls = self.tls.insert(Box::new(session));
        while tls.is_handshaking() || tls.wants_write() {
            tls.complete_io(&mut self.socket)?;
        }
        Ok(self)
    }

    /// Its TLS.
    ///
    /// # Panics
    /// It has none.
    pub fn tls(&mut self) -> &mut ClientConnection {
        self.tls.as_mut().expect("it speaks TLS")
    }

    /// The socket itself.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Bounds what the kernel keeps for this side until it is read. Left to itself, it may take mebibytes.
    ///
    /// # Panics
    /// The system refuses.
    pub fn bound_unread(&self, bytes: usize) {
        set_socket_recv_buffer_size(&self.socket, bytes).expect("the option can be set");
    }

    /// Sends bytes.
    ///
    /// # Panics
    /// They cannot be sent.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        match &mut self.tls {
            Some(tls) => rustls::Stream::new(tls.as_mut(), &mut self.socket).write_all(bytes),
            None => self.socket.write_all(bytes),
        }
        .expect("the bytes are taken");
    }

    /// Closes this side.
    pub fn finish(&self) {
        self.socket.shutdown(Shutdown::Write).expect("this side is closed");
    }

    /// Reads until `end` has come, and gives everything up to and with it.
    ///
    /// # Panics
    /// The connection ends first, or the deadline passes.
    pub fn read_to(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = find(&self.read, end.as_bytes()) {
                let rest = self.read.split_off(at + end.len());
                let found = std::mem::replace(&mut self.read, rest);
                return String::from_utf8(found).expect("text");
            }
            assert!(self.fill(), "the connection ended before {end:?}: {:?}", String::from_utf8_lossy(&self.read));
        }
    }

    /// Reads exactly so many bytes.
    ///
    /// # Panics
    /// The connection ends first, or the deadline passes.
    pub fn read_exactly(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            assert!(self.fill(), "the connection ended after {} of {count} bytes", self.read.len());
        }
        let rest = self.read.split_off(count);
        std::mem::replace(&mut self.read, rest)
    }

    /// Reads until the connection ends.
    ///
    /// # Panics
    /// It is reset or, where it speaks TLS, cut off without the word that nothing more will come; or the deadline passes.
    pub fn read_to_end(&mut self) -> String {
        let deadline = Instant::now() + DEADLINE;
        while self.fill() {
            // Heartbeats would keep a stream alive for good that should have ended.
            assert!(Instant::now() < deadline, "it goes on: {:?}", String::from_utf8_lossy(&self.read));
        }
        String::from_utf8(std::mem::take(&mut self.read)).expect("text")
    }

    /// Reads an answer that is no stream, up to the end of the connection.
    ///
    /// # Panics
    /// It is none, or the connection is reset.
    pub fn answer(&mut self) -> Answer {
        Answer::parse(&self.read_to_end())
    }

    /// Reads until the connection ends or breaks, as somebody does who deserves no better.
    ///
    /// # Panics
    /// The deadline passes.
    pub fn read_to_close(&mut self) -> Vec<u8> {
        let mut buffer = [0; 16 * 1024];
        let deadline = Instant::now() + DEADLINE;
        loop {
            assert!(Instant::now() < deadline, "it goes on: {:?}", String::from_utf8_lossy(&self.read));
            match self.receive(&mut buffer) {
                Ok(0) => break,
                Ok(count) => self.read.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("the connection is still open"),
                Err(_) => break,
            }
        }
        std::mem::take(&mut self.read)
    }

    /// Waits for the head of a stream, its first comment, and the event that tells where it stands, as a new subscription has
    /// them.
    ///
    /// # Panics
    /// The answer is not 200, or something else follows.
    #[must_use]
    pub fn subscribed(self) -> Subscriber {
        let mut subscriber = self.begun();
        let mut chunk = subscriber.chunk().expect("a stream that goes on");
        if chunk.starts_with("event: hasses.resume\n") {
            subscriber.verdict = Some(Event::parse(&chunk).data);
            chunk = subscriber.chunk().expect("a stream that goes on");
        }
        assert!(position(&chunk).is_some(), "no cursor event: {chunk:?}");
        subscriber
    }

    /// The same as [`subscribed`](Self::subscribed) behind a proxy, which may put what it gets together into one chunk.
    ///
    /// # Panics
    /// As there.
    #[must_use]
    pub fn subscribed_through(mut self) -> Subscriber {
        let head = self.read_to("\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        let mut subscriber = Subscriber { stream: self, head, verdict: None };
        let mut text = String::new();
        while !text.ends_with("\n\n") {
            text += &subscriber.chunk().expect("a stream that goes on");
        }
        assert!(text.strip_prefix(":\n").and_then(position).is_some(), "no cursor event: {text:?}");
        subscriber
    }

    /// Waits for the head of a stream and its first comment.
    ///
    /// # Panics
    /// The answer is not 200, or no comment follows.
    #[must_use]
    pub fn begun(mut self) -> Subscriber {
        let head = self.read_to("\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        let mut subscriber = Subscriber { stream: self, head, verdict: None };
        assert_eq!(subscriber.chunk(), Some(":\n".to_owned()), "the first comment");
        subscriber
    }

    fn fill(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        let count = self.receive(&mut buffer).expect("bytes before the deadline");
        self.read.extend_from_slice(&buffer[..count]);
        count > 0
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.tls {
            Some(tls) => rustls::Stream::new(tls.as_mut(), &mut self.socket).read(buffer),
            None => self.socket.read(buffer),
        }
    }
}

impl From<TcpStream> for Stream {
    fn from(socket: TcpStream) -> Self {
        socket.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        socket.set_write_timeout(Some(DEADLINE)).expect("a deadline");
        socket.set_nodelay(true).expect("no delay");
        Self { socket, tls: None, read: Vec::new() }
    }
}

impl Subscriber {
    /// Subscribes with a query such as `subscribe=room624`, and waits until its stream has begun.
    ///
    /// # Panics
    /// The answer is not 200, or what follows is not how a stream begins.
    #[must_use]
    pub fn connect(address: &str, query: &str) -> Self {
        Self::request(address, query).subscribed()
    }

    /// The same, but only up to the first comment: what follows is for the test.
    ///
    /// # Panics
    /// The answer is not 200, or no comment follows.
    #[must_use]
    pub fn begin(address: &str, query: &str) -> Self {
        Self::request(address, query).begun()
    }

    fn request(address: &str, query: &str) -> Stream {
        let mut stream = Stream::connect(address);
        stream.send(format!("GET /sse?{query} HTTP/1.1\r\nHost: {address}\r\n\r\n"));
        stream
    }

    /// Sends a new request on the connection of this stream, and waits for its answer as for the first.
    ///
    /// # Panics
    /// The answer is not 200, or no comment follows.
    #[must_use]
    pub fn again(mut self, query: &str) -> Self {
        self.stream.send(format!("GET /sse?{query} HTTP/1.1\r\nHost: x\r\n\r\n"));
        self.stream.subscribed()
    }

    /// The next chunk; `None` for the last one, after which the connection must end.
    ///
    /// # Panics
    /// What comes is no chunk.
    pub fn chunk(&mut self) -> Option<String> {
        let size = self.stream.read_to("\r\n");
        let size = usize::from_str_radix(size.trim_end(), 16).unwrap_or_else(|_| panic!("no chunk size: {size:?}"));
        let mut bytes = self.stream.read_exactly(size + 2);
        assert_eq!(&bytes[size..], b"\r\n", "a chunk ends with CRLF");
        if size == 0 {
            assert_eq!(self.stream.read_to_end(), "", "nothing comes after the last chunk");
            return None;
        }
        bytes.truncate(size);
        Some(String::from_utf8(bytes).expect("text"))
    }

    /// The next event; what the daemon says of its own is passed over.
    ///
    /// # Panics
    /// The stream ends, the chunk is not exactly one event, or the deadline passes.
    pub fn event(&mut self) -> Event {
        Event::parse(&self.chunk_but(is_own))
    }

    /// The next event, the daemon's own included; comments are passed over.
    ///
    /// # Panics
    /// The stream ends, the chunk is not exactly one event, or the deadline passes.
    pub fn any_event(&mut self) -> Event {
        Event::parse(&self.chunk_but(|chunk| chunk == ":\n"))
    }

    fn chunk_but(&mut self, passed_over: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let chunk = self.chunk().expect("an event before the end of the stream");
            if !passed_over(&chunk) {
                return chunk;
            }
            // Heartbeats come before the deadline of a read, so that would never pass.
            assert!(Instant::now() < deadline, "waited in vain for an event");
        }
    }

    /// The event that tells where it stands, which must be the next chunk; gives the id.
    ///
    /// # Panics
    /// Something else comes.
    pub fn cursor(&mut self) -> String {
        let chunk = self.chunk().expect("a stream that goes on");
        position(&chunk).unwrap_or_else(|| panic!("no cursor event: {chunk:?}")).to_owned()
    }

    /// The data of the next event.
    pub fn data(&mut self) -> String {
        self.event().data
    }

    /// Whether nothing comes for a short while.
    #[must_use]
    pub fn is_quiet(&mut self) -> bool {
        self.stream.socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a time");
        let mut byte = [0];
        let nothing = self.stream.read.is_empty() && self.stream.socket.peek(&mut byte).is_err();
        self.stream.socket.set_read_timeout(Some(DEADLINE)).expect("a time");
        nothing
    }

    /// Waits for the end of the stream: the last chunk, then that of the connection. What the daemon says of its own may come
    /// before it.
    ///
    /// # Panics
    /// An event comes instead.
    pub fn ends(&mut self) {
        while let Some(chunk) = self.chunk() {
            assert!(is_own(&chunk), "the end of the stream was expected: {chunk:?}");
        }
    }

    /// Waits for the end of a stream whose daemon ends: when to come back, the last chunk, then that of the connection. Gives
    /// the milliseconds.
    ///
    /// # Panics
    /// Anything else comes.
    pub fn ends_with_retry(&mut self) -> u64 {
        let chunk = self.chunk().expect("a reconnection time before the end");
        let time = chunk.strip_prefix("retry: ").and_then(|rest| rest.strip_suffix("\n\n")?.parse().ok());
        assert_eq!(self.chunk(), None, "it is the last chunk but one");
        time.unwrap_or_else(|| panic!("no reconnection time: {chunk:?}"))
    }

    /// The connection beneath.
    pub fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }
}

impl Event {
    /// Reads a body; what the daemon says of its own is left out.
    ///
    /// # Panics
    /// A chunk is not exactly one event.
    #[must_use]
    pub fn all(mut body: &str) -> Vec<Self> {
        let mut events = Vec::new();
        while let Some((size, rest)) = body.split_once("\r\n") {
            let size = usize::from_str_radix(size, 16).unwrap_or_else(|_| panic!("no chunk size: {size:?}"));
            let (chunk, rest) = rest.split_at(size);
            body = rest.strip_prefix("\r\n").expect("a chunk ends with CRLF");
            if !is_own(chunk) {
                events.push(Self::parse(chunk));
            }
        }
        assert_eq!(body, "", "the last chunk is not whole");
        events
    }

    fn parse(chunk: &str) -> Self {
        let body = chunk.strip_suffix("\n\n").unwrap_or_else(|| panic!("an event ends with an empty line: {chunk:?}"));
        let mut event = Self::default();
        let mut data = Vec::new();
        for line in body.split('\n') {
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("no field: {line:?}"));
            match name {
                "id" => value.clone_into(&mut event.id),
                "event" => value.clone_into(&mut event.event),
                "retry" => value.clone_into(&mut event.retry),
                "data" => data.push(value),
                _ => panic!("unknown field: {line:?}"),
            }
        }
        event.data = data.join("\n");
        event
    }
}

/// The id in an event that tells where a subscriber stands, which has exactly that.
fn position(chunk: &str) -> Option<&str> {
    let id = chunk.strip_prefix("event: hasses.cursor\nid: ")?.strip_suffix("\ndata: {}\n\n")?;
    (!id.contains('\n')).then_some(id)
}

/// Whether a chunk was not published by anybody: a comment, an event of the daemon's own, a reconnection time.
fn is_own(chunk: &str) -> bool {
    chunk == ":\n"
        || chunk.starts_with("event: hasses.")
        || (chunk.starts_with("retry: ") && chunk.lines().count() == 2)
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}
