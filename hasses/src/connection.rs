//! One connection on an SSE port: its socket, how far it is, and what waits for it.
//!
//! Idle, it is this struct and its registration: no buffer, no task, no timer of its own.

use std::fmt;
use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::time::Duration;

use hasses_client::wire::{ClientInfo, ClientState, SubscriberId};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown};

use crate::arrival::Newcomer;
use crate::config::Limits;
use crate::outbox::{Outbox, Pool, SLICES};
use crate::shard::Behind;
use crate::sse::{Framing, Rendered};
use crate::tls::{Secured, SecuredError};
use crate::wheel::Millis;

/// Time for a peer to take its last bytes and close, before it is closed. A socket that is closed with bytes unread is
/// reset, and the reset may overtake the answer; RFC 9112, 9.6 asks for this wait.
const LINGER: Millis = 2_000;
const FLAGS: SendFlags = SendFlags::NOSIGNAL.union(SendFlags::DONTWAIT);

/// One connection on an SSE port.
///
/// What a delivery touches comes first and fills one cache line and a half; the rest is for people and for the beginning and
/// the end.
#[derive(Debug)]
#[repr(C)]
pub struct Connection {
    socket: OwnedFd,
    /// Its TLS, where it has one.
    tls: Option<Box<Secured>>,
    /// The event that reached it last, so that none reaches it twice.
    pub stamp: u32,
    /// How far it is.
    pub phase: Phase,
    /// How its stream is framed.
    pub framing: Framing,
    /// It stands in the list of those to be flushed.
    pub touched: bool,
    /// Its readiness to be written is watched.
    pub watches_writing: bool,
    /// Its socket took no more at the last attempt.
    pub blocked: bool,
    /// It is told of `hasses.*` events.
    pub notices: bool,
    /// It stands in the queue of those that the log is read for: once, however often it subscribes anew.
    pub queued: bool,
    /// Tells this connection from others that had its slot.
    pub generation: u32,
    /// How many events it had when its silence was looked at last; what does not fit matters as little as a sum of bits.
    pub looked: u32,
    /// What waits for it.
    pub outbox: Outbox,
    /// What it is owed from the log. `None` is live: it gets events as they come.
    pub behind: Option<Box<Behind>>,
    /// When something was last written to it, or began to wait for room in its socket.
    pub written: Millis,
    /// When it was last told where it stands.
    pub told: Millis,
    /// Events written to it.
    pub delivered: u64,
    /// The id it gave itself.
    pub id: Option<SubscriberId>,
    /// When its earliest entry in the wheel comes up.
    pub timer: Millis,
    /// When its phase began.
    pub since: Millis,
    /// When it connected.
    pub connected: Millis,
    /// Number for people and commands, never used twice.
    pub number: u64,
    /// The bytes so far of a head that is not complete; boxed because it is nearly always absent.
    pub head: Option<Box<Vec<u8>>>,
    /// Its `User-Agent`.
    pub agent: Option<Box<str>>,
    /// Who is at the other end, as far as is known.
    pub peer: Peer,
    /// The proxy that it comes through, where that named `peer`; boxed because most have none.
    pub proxy: Option<Box<Peer>>,
    /// Its address is counted among those of subscribers.
    pub counted: bool,
    /// Times it subscribed anew.
    pub reinits: u32,
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// An address and port.
    Tcp(SocketAddr),
    /// An address that a proxy named.
    Behind(IpAddr),
    /// A process of this machine.
    Unix,
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its request head is awaited.
    Head,
    /// It receives events.
    Subscribed,
    /// Its last bytes are going out; then its side is closed, and what it still sends is dropped until it closes too.
    Ending,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// Nothing waits.
    All,
    /// The socket is full.
    Blocked,
    /// The connection is broken.
    Broken,
    /// The system has given up on a peer that takes nothing (`TCP_USER_TIMEOUT`).
    GivenUp,
}

/// What became of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many bytes.
    Bytes(usize),
    /// Nothing yet, but there may be something at the next try.
    More,
    /// Nothing now.
    Nothing,
    /// The peer has closed, or the connection is broken.
    End,
    /// The system has given up on a peer that takes nothing (`TCP_USER_TIMEOUT`).
    GivenUp,
}

impl Connection {
    /// A connection that was just accepted.
    #[must_use]
    pub fn new(newcomer: Newcomer, number: u64, generation: u32, now: Millis) -> Self {
        let Newcomer { socket, peer, tls } = newcomer;
        Self {
            socket,
            tls,
            number,
            generation,
            stamp: 0,
            peer,
            phase: Phase::Head,
            touched: false,
            watches_writing: false,
            blocked: false,
            notices: true,
            queued: false,
            looked: 0,
            behind: None,
            told: now,
            framing: Framing::Chunked,
            proxy: None,
            counted: false,
            reinits: 0,
            outbox: Outbox::default(),
            head: None,
            id: None,
            agent: None,
            delivered: 0,
            connected: now,
            since: now,
            written: now,
            timer: Millis::MAX,
        }
    }

    /// Writes what waits, as much as the socket takes; gives how many events are out with it.
    pub fn flush(&mut self, pool: &mut Pool, now: Millis) -> (Flushed, u64) {
        let mut delivered = 0;
        loop {
            if self.outbox.is_empty() {
                if self.phase == Phase::Ending
                    && let Some(tls) = &mut self.tls
                {
                    // It waits for room like all that went before it.
                    tls.close();
                }
                if !self.wants_write() {
                    return (Flushed::All, delivered);
                }
            }
            match self.write() {
                Ok(written) => {
                    delivered += self.outbox.advance(written, pool);
                    self.written = now;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return (Flushed::Blocked, delivered),
                Err(Errno::TIMEDOUT) => return (Flushed::GivenUp, delivered),
                Err(_) => return (Flushed::Broken, delivered),
            }
        }
    }

    /// Whether an event can be written past the outbox: nothing waits there, and it goes out as it is.
    #[inline]
    #[must_use]
    pub fn takes_directly(&self) -> bool {
        self.outbox.is_empty() && self.behind.is_none() && !self.wants_write()
    }

    /// Records of TLS wait to go out.
    #[inline]
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Writes bytes past the outbox, which must [take them](Self::takes_directly); gives how many the socket took, or TLS made a
    /// record of, which may [still wait](Self::wants_write).
    ///
    /// # Errors
    /// It is full or broken: the way over the outbox finds out which, and does what follows from it.
    #[inline]
    pub fn write_now(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        match &mut self.tls {
            None => rustix::net::send(&self.socket, bytes, FLAGS),
            Some(tls) => tls.write(self.socket.as_fd(), &[IoSlice::new(bytes)]),
        }
    }

    /// The first `written` bytes of an event went out past the outbox; its rest waits there. Apart and not inlined, so that the
    /// loop which hardly ever needs it stays small.
    #[cold]
    #[inline(never)]
    pub fn keep_rest(&mut self, event: &Rendered, written: usize, pool: &mut Pool, now: Millis) {
        self.written = now;
        // An empty outbox takes one event of any size.
        let _ = self.outbox.push(event, self.framing, 0, pool);
        self.outbox.advance(written, pool);
    }

    fn write(&mut self) -> Result<usize, Errno> {
        if let (Some(piece), None) = (self.outbox.single(), &self.tls) {
            return rustix::net::send(&self.socket, piece, FLAGS);
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = self.outbox.fill(&mut slices);
        if let Some(tls) = &mut self.tls {
            return tls.write(self.socket.as_fd(), &slices[..count]);
        }
        rustix::net::sendmsg(&self.socket, &slices[..count], &mut SendAncillaryBuffer::default(), FLAGS)
    }

    /// Reads into `buffer` what is there.
    pub fn receive(&mut self, buffer: &mut [u8]) -> Received {
        if let Some(tls) = &mut self.tls {
            return match tls.read(self.socket.as_fd(), buffer) {
                Ok(count) => Received::Bytes(count),
                Err(SecuredError::More) => Received::More,
                Err(SecuredError::Nothing) => Received::Nothing,
                Err(SecuredError::End) => Received::End,
                Err(SecuredError::GivenUp) => Received::GivenUp,
            };
        }
        loop {
            return match rustix::net::recv(&self.socket, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((0, _)) => Received::End,
                Ok((count, _)) => Received::Bytes(count),
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => Received::Nothing,
                Err(Errno::TIMEDOUT) => Received::GivenUp,
                Err(_) => Received::End,
            };
        }
    }

    /// Who connected: a proxy, or the client itself.
    #[must_use]
    pub fn origin(&self) -> Peer {
        self.proxy.as_deref().copied().unwrap_or(self.peer)
    }

    /// Closes this side: everything is out.
    pub fn shut_down(&self) {
        // A peer that is gone need not be told.
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Write);
    }

    /// When this connection must be looked at next. `silence` is the time after which one that hears nothing is to be told where
    /// it stands.
    #[must_use]
    pub fn due(&self, limits: &Limits, silence: Millis) -> Millis {
        match self.phase {
            Phase::Head => self.since + millis(limits.head_timeout),
            Phase::Ending => self.since + LINGER,
            Phase::Subscribed if self.is_worn() => self.since,
            Phase::Subscribed => {
                let next = self.written
                    + match self.blocked {
                        true => millis(limits.progress_timeout),
                        false if self.notices => self.heartbeat(limits).min(silence),
                        false => self.heartbeat(limits),
                    };
                limits.max_age.map_or(next, |age| next.min(self.since + millis(age)))
            }
        }
    }

    /// The keys of its TLS have been used as often as they may.
    #[must_use]
    pub fn is_worn(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_worn())
    }

    /// The heartbeat interval, up to half shorter, so that those who heard an event together are not all written to together
    /// when nothing follows it.
    #[must_use]
    pub fn heartbeat(&self, limits: &Limits) -> Millis {
        let interval = millis(limits.heartbeat);
        // Consecutive numbers land far apart (Knuth's multiplicative hashing).
        let spread = self.number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        interval - ((interval / 2 * spread) >> 32)
    }

    /// How it is listed.
    #[must_use]
    pub fn info(&self, topics: Vec<String>, now: Millis) -> ClientInfo {
        let state = match (self.phase, self.head.is_some()) {
            (Phase::Head, false) => ClientState::New,
            (Phase::Head, true) => ClientState::Head,
            (Phase::Subscribed, _) => ClientState::Subscribed,
            (Phase::Ending, _) => ClientState::Ending,
        };
        let subscribed = if self.phase == Phase::Subscribed { now.saturating_sub(self.since) / 1000 } else { 0 };
        ClientInfo {
            client: self.number,
            descriptor: self.socket.as_raw_fd(),
            address: self.peer.to_string(),
            id: self.id.as_ref().map(ToString::to_string),
            agent: self.agent.as_deref().map(str::to_owned),
            topics,
            state,
            connected_seconds: now.saturating_sub(self.connected) / 1000,
            subscribed_seconds: subscribed,
            delivered: self.delivered,
            queued_bytes: self.outbox.bytes() as u64,
            reinits: self.reinits,
            tls: self.tls.as_ref().map(|tls| tls.info()),
            http: (self.phase == Phase::Subscribed).then(|| {
                // HTTP/1.0 has no chunks, and nobody else is written to without.
                if self.framing == Framing::Plain { "1.0" } else { "1.1" }.to_owned()
            }),
        }
    }
}

impl Peer {
    /// The address; `None` is a process of this machine.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address.ip()),
            Self::Behind(address) => Some(*address),
            Self::Unix => None,
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Behind(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// Whole milliseconds of a duration; those configured are far from the limit.
#[must_use]
pub fn millis(duration: Duration) -> Millis {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_is_small() {
        assert!(size_of::<Connection>() <= 224, "{} bytes", size_of::<Connection>());
    }
}
