//! The floor: the least that a server can do which sends one message at a time.
//!
//! One epoll loop. An event is rendered once, in the bytes of the daemon (one chunk), and handed to the kernel with one `send`
//! for every subscriber of its topic. It looks at no request beyond the topic, keeps nothing, and has no limits: what it measures is
//! the kernel. With a certificate and a key it speaks TLS (`tls.rs`).

mod sockets;
mod tls;

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::io::Errno;
use rustls::ServerConfig;
use sockets::{accept, listen, receive, send_all, watch};
use tls::Session;

const READ_BUFFER: usize = 64 * 1024;
const EVENTS_PER_WAIT: usize = 1_024;

/// The head of the answer, and the comment that every new subscription gets.
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n\
    Access-Control-Allow-Origin: *\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n:\n\r\n";

const SUBSCRIBER_LISTENER: u64 = 0;
const CONTROL_LISTENER: u64 = 1;
const FIRST_CONNECTION: u64 = 2;

/// Serves on the two ports given until it is killed: `PORT PORT [CERTIFICATE KEY]`.
pub(crate) fn serve(arguments: &[OsString]) -> io::Result<ExitCode> {
    let port = |at: usize| arguments.get(at).and_then(|port| port.to_str()?.parse().ok());
    let (Some(subscribers), Some(control)) = (port(0), port(1)) else {
        return Err(io::Error::other("the bare loop takes two ports"));
    };
    let mut floor = Floor::listen(subscribers, control)?;
    if let [certificate, key] = &arguments[2..] {
        floor.tls = Some(tls::configuration(certificate, key)?);
    }
    loop {
        floor.turn()?;
    }
}

struct Floor {
    epoll: OwnedFd,
    ready: Vec<epoll::Event>,
    buffer: Box<[u8]>,
    subscriber_listener: OwnedFd,
    control_listener: OwnedFd,
    next_token: u64,
    /// Accepted, request not complete yet.
    newcomers: HashMap<u64, Newcomer>,
    /// By topic, in the order in which they came.
    topics: HashMap<Vec<u8>, Vec<Subscriber>>,
    publishers: HashMap<u64, Publisher>,
    /// Time and number of the last event, for its id.
    last_event: (u128, u32),
    event: Vec<u8>,
    tls: Option<Arc<ServerConfig>>,
}

struct Newcomer {
    socket: OwnedFd,
    head: Vec<u8>,
    session: Option<Session>,
}

struct Subscriber {
    token: u64,
    socket: OwnedFd,
    session: Option<Session>,
}

struct Publisher {
    socket: OwnedFd,
    /// A line whose end has not come yet.
    line: Vec<u8>,
}

impl Floor {
    fn listen(subscribers: u16, control: u16) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let subscriber_listener = listen(subscribers)?;
        let control_listener = listen(control)?;
        watch(&epoll, &subscriber_listener, SUBSCRIBER_LISTENER)?;
        watch(&epoll, &control_listener, CONTROL_LISTENER)?;
        Ok(Self {
            epoll,
            ready: Vec::with_capacity(EVENTS_PER_WAIT),
            buffer: vec![0; READ_BUFFER].into_boxed_slice(),
            subscriber_listener,
            control_listener,
            next_token: FIRST_CONNECTION,
            newcomers: HashMap::new(),
            topics: HashMap::new(),
            publishers: HashMap::new(),
            last_event: (0, 0),
            event: Vec::new(),
            tls: None,
        })
    }

    fn turn(&mut self) -> io::Result<()> {
        let mut ready = std::mem::take(&mut self.ready);
        ready.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut ready), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &ready {
            match event.data.u64() {
                SUBSCRIBER_LISTENER => self.accept_subscribers()?,
                CONTROL_LISTENER => self.accept_publishers()?,
                token => self.read(token)?,
            }
        }
        self.ready = ready;
        Ok(())
    }

    fn accept_subscribers(&mut self) -> io::Result<()> {
        while let Some((token, socket)) = accept(&self.subscriber_listener, &self.epoll, &mut self.next_token)? {
            let session = self.tls.as_ref().map(Session::new).transpose()?;
            self.newcomers.insert(token, Newcomer { socket, head: Vec::new(), session });
        }
        Ok(())
    }

    fn accept_publishers(&mut self) -> io::Result<()> {
        while let Some((token, socket)) = accept(&self.control_listener, &self.epoll, &mut self.next_token)? {
            self.publishers.insert(token, Publisher { socket, line: Vec::new() });
        }
        Ok(())
    }

    fn read(&mut self, token: u64) -> io::Result<()> {
        if let Some(publisher) = self.publishers.get_mut(&token) {
            let length = receive(&publisher.socket, &mut self.buffer);
            let mut lines = std::mem::take(&mut publisher.line);
            if length == 0 {
                self.publishers.remove(&token);
                return Ok(());
            }
            lines.extend_from_slice(&self.buffer[..length]);
            return self.publish(token, lines);
        }
        if self.newcomers.contains_key(&token) {
            return self.read_head(token);
        }
        // A subscriber has nothing to say, but for the last of its handshake: it has gone.
        let buffer = &mut self.buffer;
        for subscribers in self.topics.values_mut() {
            subscribers.retain_mut(|subscriber| subscriber.token != token || receive(&subscriber.socket, buffer) > 0);
        }
        Ok(())
    }

    /// Reads on in a request head; its end makes the newcomer a subscriber.
    fn read_head(&mut self, token: u64) -> io::Result<()> {
        let Some(mut newcomer) = self.newcomers.remove(&token) else {
            return Ok(());
        };
        let Newcomer { socket, head, session } = &mut newcomer;
        match session {
            Some(session) => match session.receive(socket)? {
                Some(plaintext) => head.extend_from_slice(&plaintext),
                None => return Ok(()),
            },
            None => match receive(socket, &mut self.buffer) {
                0 => return Ok(()),
                length => head.extend_from_slice(&self.buffer[..length]),
            },
        }
        if head.ends_with(b"\r\n\r\n") {
            let Newcomer { socket, session, head } = newcomer;
            let mut subscriber = Subscriber { token, socket, session };
            subscriber.send(ANSWER)?;
            self.topics.entry(topic_of(&head)).or_default().push(subscriber);
        } else {
            self.newcomers.insert(token, newcomer);
        }
        Ok(())
    }

    /// Sends each complete line to everybody before it looks at the next.
    fn publish(&mut self, token: u64, mut lines: Vec<u8>) -> io::Result<()> {
        let mut start = 0;
        while let Some(length) = lines[start..].iter().position(|byte| *byte == b'\n') {
            let line = &lines[start..start + length];
            start += length + 1;
            let Some(equals) = line.iter().position(|byte| *byte == b'=') else {
                continue;
            };
            render(&mut self.event, &mut self.last_event, &line[equals + 1..])?;
            for subscriber in self.topics.get_mut(&line[..equals]).into_iter().flatten() {
                subscriber.send(&self.event)?;
            }
        }
        lines.drain(..start);
        if let Some(publisher) = self.publishers.get_mut(&token) {
            publisher.line = lines;
        }
        Ok(())
    }
}

/// The topic that a request subscribes to, up to what ends a field of a query.
fn topic_of(head: &[u8]) -> Vec<u8> {
    const FIELD: &[u8] = b"subscribe=";
    let start = head.windows(FIELD.len()).position(|window| window == FIELD).map_or(head.len(), |at| at + FIELD.len());
    head[start..].iter().copied().take_while(|byte| !b"& ".contains(byte)).collect()
}

/// Makes `event` the chunk for `message`; `last` is the time and number of the event before.
fn render(event: &mut Vec<u8>, last: &mut (u128, u32), message: &[u8]) -> io::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis();
    *last = if now == last.0 { (now, last.1 + 1) } else { (now, 0) };
    let id = format!("id: {}-{}\n", last.0, last.1);
    let length = id.len() + "data: ".len() + message.len() + "\n\n".len();
    event.clear();
    write!(event, "{length:X}\r\n{id}data: ")?;
    event.extend_from_slice(message);
    event.extend_from_slice(b"\n\n\r\n");
    Ok(())
}

impl Subscriber {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.session {
            Some(session) => session.send(&self.socket, bytes),
            None => send_all(&self.socket, bytes),
        }
    }
}
