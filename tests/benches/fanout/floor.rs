//! The floor: the least that a server can do which sends one message at a time.
//!
//! One epoll loop. An event is rendered once, in the bytes of the daemon (one chunk), and handed to the kernel with one `send`
//! for every subscriber. It knows one topic, looks at no request beyond its end, and has no limits: what it measures is
//! the kernel.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, epoll, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

/// As the daemon's: a shorter accept queue stalls thousands that connect at once.
const BACKLOG: i32 = 4_096;
const READ_BUFFER: usize = 64 * 1024;
const EVENTS_PER_WAIT: usize = 1_024;

/// The head of the answer, and the comment that every new subscription gets.
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n\
    Access-Control-Allow-Origin: *\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n:\n\r\n";

const SUBSCRIBER_LISTENER: u64 = 0;
const CONTROL_LISTENER: u64 = 1;
const FIRST_CONNECTION: u64 = 2;

/// Serves on the two ports given until it is killed.
pub(crate) fn serve(arguments: &[OsString]) -> io::Result<ExitCode> {
    let ports: Option<Vec<u16>> = arguments.iter().map(|port| port.to_str()?.parse().ok()).collect();
    let Some([subscribers, control]) = ports.as_deref() else {
        return Err(io::Error::other("the bare loop takes two ports"));
    };
    let mut floor = Floor::listen(*subscribers, *control)?;
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
    /// In the order in which they came.
    subscribers: Vec<Subscriber>,
    publishers: HashMap<u64, Publisher>,
    /// Time and number of the last event, for its id.
    last_event: (u128, u32),
    event: Vec<u8>,
}

struct Newcomer {
    socket: OwnedFd,
    head: Vec<u8>,
}

struct Subscriber {
    token: u64,
    socket: OwnedFd,
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
            subscribers: Vec::new(),
            publishers: HashMap::new(),
            last_event: (0, 0),
            event: Vec::new(),
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
            self.newcomers.insert(token, Newcomer { socket, head: Vec::new() });
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
        if let Some(newcomer) = self.newcomers.get_mut(&token) {
            let length = receive(&newcomer.socket, &mut self.buffer);
            newcomer.head.extend_from_slice(&self.buffer[..length]);
            if length > 0 && !newcomer.head.ends_with(b"\r\n\r\n") {
                return Ok(());
            }
            if let (Some(newcomer), true) = (self.newcomers.remove(&token), length > 0) {
                send_all(&newcomer.socket, ANSWER)?;
                self.subscribers.push(Subscriber { token, socket: newcomer.socket });
            }
            return Ok(());
        }
        // A subscriber has nothing to say: it has gone.
        self.subscribers.retain(|subscriber| subscriber.token != token);
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
            self.render(&line[equals + 1..])?;
            for subscriber in &self.subscribers {
                send_all(&subscriber.socket, &self.event)?;
            }
        }
        lines.drain(..start);
        if let Some(publisher) = self.publishers.get_mut(&token) {
            publisher.line = lines;
        }
        Ok(())
    }

    /// Makes `self.event` the chunk for `message`.
    fn render(&mut self, message: &[u8]) -> io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis();
        self.last_event = if now == self.last_event.0 { (now, self.last_event.1 + 1) } else { (now, 0) };
        let id = format!("id: {}-{}\n", self.last_event.0, self.last_event.1);
        let length = id.len() + "data: ".len() + message.len() + "\n\n".len();
        self.event.clear();
        write!(self.event, "{length:X}\r\n{id}data: ")?;
        self.event.extend_from_slice(message);
        self.event.extend_from_slice(b"\n\n\r\n");
        Ok(())
    }
}

fn listen(port: u16) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

fn watch(epoll: &OwnedFd, socket: &OwnedFd, token: u64) -> io::Result<()> {
    Ok(epoll::add(epoll, socket, epoll::EventData::new_u64(token), epoll::EventFlags::IN)?)
}

/// Accepts one connection and watches it; `None` when nobody waits.
fn accept(listener: &OwnedFd, epoll: &OwnedFd, next_token: &mut u64) -> io::Result<Option<(u64, OwnedFd)>> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = match rustix::net::accept_with(listener, flags) {
        Ok(socket) => socket,
        Err(Errno::AGAIN) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    sockopt::set_tcp_nodelay(&socket, true)?;
    let token = *next_token;
    *next_token += 1;
    watch(epoll, &socket, token)?;
    Ok(Some((token, socket)))
}

/// Bytes read; an error of the connection is its end.
fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> usize {
    rustix::net::recv(socket, buffer, RecvFlags::empty()).map_or(0, |(length, _)| length)
}

/// Sends all of `bytes`, waiting where the socket is full: a bare loop has no outbox.
fn send_all(socket: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::net::send(socket, bytes, SendFlags::NOSIGNAL) {
            Ok(sent) => bytes = &bytes[sent..],
            Err(Errno::AGAIN) => {
                poll(&mut [PollFd::new(socket, PollFlags::OUT)], None)?;
            }
            // It has gone; epoll says so too.
            Err(Errno::CONNRESET | Errno::PIPE) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
