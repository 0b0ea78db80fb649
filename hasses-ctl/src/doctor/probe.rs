//! A request whose answer is watched: what comes, and when.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Instant;

use hasses_client::sse::{Event, Parser};
use hasses_client::web::{Ending, Exchange, Fault, Head, Part, Transport};

/// A request under way. A thread reads, so that the moment of each arrival is the real one; dropping this ends it.
pub(crate) struct Probe {
    socket: TcpStream,
    arrivals: Receiver<(Instant, Result<Part, Fault>)>,
    thread: Option<JoinHandle<()>>,
    /// From where it was asked, as this machine sees it.
    pub(crate) from: SocketAddr,
    /// When it was asked.
    pub(crate) asked: Instant,
    /// What has come so far.
    pub(crate) seen: Seen,
}

/// What has come of an answer.
#[derive(Default)]
pub(crate) struct Seen {
    /// The head, and when it was complete.
    pub(crate) head: Option<(Instant, Head)>,
    /// When the first byte of the body came.
    pub(crate) first: Option<Instant>,
    /// When the last byte so far came.
    pub(crate) last: Option<Instant>,
    /// Events, and when they were complete.
    pub(crate) events: Vec<(Instant, Event)>,
    /// Comment lines.
    pub(crate) comments: u64,
    /// How and when it ended.
    pub(crate) end: Option<(Instant, End)>,
    /// The beginning of the body, for those that are no stream.
    pub(crate) text: Vec<u8>,
    /// The reconnection time that the stream set.
    pub(crate) retry: Option<std::time::Duration>,
    parser: Parser,
}

/// How an answer ended.
#[derive(Debug)]
pub(crate) enum End {
    /// In good order, or not: the connection was closed.
    Closed(Ending),
    /// It broke.
    Broken(Fault),
}

impl End {
    /// Why, where there is more to say than that it was closed.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Closed(_) => String::new(),
            Self::Broken(Fault::Network(error)) => format!(" ({error})"),
            Self::Broken(Fault::Malformed(error)) => format!(", and what came is not HTTP: {error}"),
        }
    }
}

/// Bytes of a body that are kept as text.
const TEXT: usize = 1024;

impl Probe {
    /// Sends a request and begins to watch.
    ///
    /// # Errors
    /// The connection's.
    pub(crate) fn begin(transport: Transport, request: &[u8]) -> io::Result<Self> {
        let socket = transport.socket().try_clone()?;
        let from = socket.local_addr()?;
        let asked = Instant::now();
        let mut exchange = Exchange::begin(transport, request)?;
        let (sender, arrivals) = channel();
        // Ended by `drop`, which closes the socket and waits for it.
        let thread = std::thread::spawn(move || {
            let mut parts = Vec::new();
            loop {
                let received = exchange.receive(&mut parts);
                let now = Instant::now();
                let over = received.is_err() || matches!(parts.last(), Some(Part::End(_)));
                let arrived = parts.drain(..).map(Ok).chain(received.err().map(Err));
                if arrived.map(|part| sender.send((now, part))).any(|sent| sent.is_err()) || over {
                    return;
                }
            }
        });
        Ok(Self { socket, arrivals, thread: Some(thread), from, asked, seen: Seen::default() })
    }

    /// Watches until a moment, or until what has been seen is enough; gives whether it is.
    pub(crate) fn watch(&mut self, until: Instant, enough: impl Fn(&Seen) -> bool) -> bool {
        loop {
            if enough(&self.seen) {
                return true;
            }
            match self.arrivals.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok((at, arrived)) => self.seen.take(at, arrived),
                Err(RecvTimeoutError::Timeout) => return enough(&self.seen),
                Err(RecvTimeoutError::Disconnected) => {
                    // Over; the end has been seen.
                    return enough(&self.seen);
                }
            }
        }
    }
}

impl Seen {
    /// An answer with this head and body; for tests.
    #[cfg(test)]
    pub(crate) fn of(head: Head, body: &str, end: Option<Ending>) -> Self {
        let mut seen = Self::default();
        let body = (!body.is_empty()).then(|| Part::Body(body.into()));
        let parts = [Some(Part::Head(head)), body, end.map(Part::End)];
        parts.into_iter().flatten().for_each(|part| seen.take(Instant::now(), Ok(part)));
        seen
    }

    fn take(&mut self, at: Instant, arrived: Result<Part, Fault>) {
        match arrived {
            Ok(Part::Head(head)) => self.head = Some((at, head)),
            Ok(Part::Body(bytes)) => {
                self.first.get_or_insert(at);
                self.last = Some(at);
                let room = TEXT.saturating_sub(self.text.len());
                self.text.extend_from_slice(&bytes[..bytes.len().min(room)]);
                self.parser.push(&bytes);
                while let Some(event) = self.parser.next_event() {
                    self.events.push((at, event));
                }
                self.comments = self.parser.comments();
                self.retry = self.parser.retry();
            }
            Ok(Part::End(ending)) => self.end = Some((at, End::Closed(ending))),
            Err(fault) => self.end = Some((at, End::Broken(fault))),
        }
    }

    /// The head, or the end that came instead.
    pub(crate) fn answered(&self) -> bool {
        self.head.is_some() || self.end.is_some()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // It may be closed already.
        let _ = self.socket.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
