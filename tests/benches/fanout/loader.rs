//! The receiving side: thousands of subscribers on one epoll, counted and checked, as cheaply as can be.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

use crate::publisher::{Publisher, TOPIC};
use crate::stream::EventStream;

/// Subscribers from one loopback address: far fewer than there are ephemeral ports (28,232 on a default Linux).
const SUBSCRIBERS_PER_ADDRESS: usize = 4_000;
/// Subscribers that wait for their response head at once, so that no accept queue (511 in nginx) can overflow.
const OUTSTANDING: usize = 256;
/// Enough for a burst of 50 events in one read.
const READ_BUFFER: usize = 64 * 1024;
const EVENTS_PER_WAIT: usize = 1_024;
/// Marks the publisher's connection; subscribers have their index.
const PUBLISHER: u64 = u64::MAX;
/// Without any progress for so long, events are lost.
const STALL: Duration = Duration::from_secs(20);
/// How long to listen, after the last event that was due, for events that should not come.
const QUIET: Duration = Duration::from_millis(50);

/// One publisher and many subscribers of one server.
pub(crate) struct Loader {
    epoll: OwnedFd,
    ready: Vec<epoll::Event>,
    buffer: Box<[u8]>,
    subscribers: Vec<Subscriber>,
    publisher: Publisher,
    /// Subscribers whose response head has come.
    subscribed: usize,
    /// Events received by all subscribers together.
    delivered: u64,
    /// Number of the next message.
    next: u64,
}

struct Subscriber {
    socket: OwnedFd,
    stream: EventStream,
}

impl Loader {
    /// A loader without subscribers yet.
    pub(crate) fn new(publisher: Publisher) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &publisher, epoll::EventData::new_u64(PUBLISHER), epoll::EventFlags::IN)?;
        Ok(Self {
            epoll,
            ready: Vec::with_capacity(EVENTS_PER_WAIT),
            buffer: vec![0; READ_BUFFER].into_boxed_slice(),
            subscribers: Vec::new(),
            publisher,
            subscribed: 0,
            delivered: 0,
            next: 1,
        })
    }

    /// Connects `count` subscribers and waits until the last one has its response head.
    pub(crate) fn subscribe(&mut self, address: SocketAddr, count: usize) -> io::Result<()> {
        let request =
            format!("GET /sse?subscribe={TOPIC} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
        self.subscribers.reserve_exact(count);
        for index in 0..count {
            let socket = connect(address, index)?;
            rustix::net::send(&socket, request.as_bytes(), SendFlags::NOSIGNAL)?;
            epoll::add(&self.epoll, &socket, epoll::EventData::new_u64(index as u64), epoll::EventFlags::IN)?;
            self.subscribers.push(Subscriber { socket, stream: EventStream::new(self.next) });
            self.wait_until(|loader| loader.subscribers.len() - loader.subscribed < OUTSTANDING)?;
        }
        self.wait_until(|loader| loader.subscribed == loader.subscribers.len())
    }

    /// Publishes `bursts` times `length` messages, each burst in one write and once all subscribers have the one before.
    ///
    /// Returns the number of deliveries.
    pub(crate) fn deliver(&mut self, bursts: usize, length: usize) -> io::Result<u64> {
        let before = self.delivered;
        for _ in 0..bursts {
            let end = self.next + length as u64;
            self.publisher.publish(self.next..end)?;
            self.next = end;
            let due = self.delivered + (length * self.subscribers.len()) as u64;
            self.wait_until(|loader| loader.delivered == due)?;
        }
        Ok(self.delivered - before)
    }

    /// Listens a moment for events beyond those that were due: an event that comes twice fails the check of its stream.
    pub(crate) fn expect_quiet(&mut self) -> io::Result<()> {
        let end = Instant::now() + QUIET;
        while Instant::now() < end {
            self.turn()?;
        }
        Ok(())
    }

    fn wait_until(&mut self, reached: impl Fn(&Self) -> bool) -> io::Result<()> {
        let mut progress = (self.subscribed, self.delivered);
        let mut since = Instant::now();
        while !reached(self) {
            self.turn()?;
            if progress != (self.subscribed, self.delivered) {
                progress = (self.subscribed, self.delivered);
                since = Instant::now();
            } else if since.elapsed() > STALL {
                return Err(io::Error::other(format!(
                    "nothing came for {} s: {} of {} subscribed, {} events delivered of {}",
                    STALL.as_secs(),
                    self.subscribed,
                    self.subscribers.len(),
                    self.delivered,
                    (self.next - 1) * self.subscribers.len() as u64,
                )));
            }
        }
        Ok(())
    }

    /// Reads once from everything that is readable now.
    fn turn(&mut self) -> io::Result<()> {
        self.ready.clear();
        // A time-out of zero: see the head of `main.rs` for why it does not sleep.
        match epoll::wait(&self.epoll, spare_capacity(&mut self.ready), Some(&Timespec::default())) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &self.ready {
            let token = event.data.u64();
            if token == PUBLISHER {
                self.publisher.drop_answers(&mut self.buffer)?;
                continue;
            }
            let index = usize::try_from(token).map_err(io::Error::other)?;
            let arrival = self.subscribers[index]
                .read(&mut self.buffer)
                .map_err(|fault| io::Error::other(format!("invalid run: subscriber {index} {fault}")))?;
            self.subscribed += usize::from(arrival.subscribed);
            self.delivered += arrival.events;
        }
        Ok(())
    }
}

impl Subscriber {
    fn read(&mut self, buffer: &mut [u8]) -> Result<crate::stream::Arrival, String> {
        let kept = self.stream.kept().len();
        buffer[..kept].copy_from_slice(self.stream.kept());
        match rustix::net::recv(&self.socket, &mut buffer[kept..], RecvFlags::DONTWAIT) {
            Ok((0, _)) => Err("was disconnected".to_owned()),
            Ok((length, _)) => self.stream.take(&buffer[..kept + length]),
            Err(Errno::AGAIN | Errno::INTR) => Ok(crate::stream::Arrival::default()),
            Err(error) => Err(format!("was disconnected: {error}")),
        }
    }
}

/// Connects subscriber `index`, from its own loopback address.
fn connect(address: SocketAddr, index: usize) -> io::Result<OwnedFd> {
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // 127.0.0.1 is left to the servers and the publisher.
    let host = u8::try_from(2 + index / SUBSCRIBERS_PER_ADDRESS).map_err(io::Error::other)?;
    rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, host), 0))?;
    // Closing resets, so that thousands of ports do not sit in TIME_WAIT when the next server is measured.
    sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
    rustix::net::connect(&socket, &address)?;
    Ok(socket)
}
