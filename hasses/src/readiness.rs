//! Which sockets of a shard can be read or written: an epoll of the shard's own.
//!
//! The epoll is itself registered with the reactor of async-io, once, so a shard waits for it as for any other future,
//! while a subscriber costs no waker, no task and no entry there. Nothing else in the daemon knows about epoll.
//!
//! Registration is edge-triggered: readiness is told once, and the owner reads or writes until the socket would block.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use async_io::Async;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

/// Events taken from the kernel at one time.
const EVENTS: usize = 256;

/// The epoll of one shard.
#[derive(Debug)]
pub struct Readiness {
    epoll: Async<OwnedFd>,
}

/// What happened to a socket, under the key it was registered with.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// The key.
    pub key: u64,
    /// There are bytes, or the peer has closed its side, or the connection is broken.
    pub read: bool,
    /// There is room for bytes.
    pub write: bool,
}

impl Readiness {
    /// # Errors
    /// What the system said.
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Self { epoll: Async::new(epoll)? })
    }

    /// Begins to watch a socket for bytes. Closing the socket ends it.
    ///
    /// # Errors
    /// What the system said.
    pub fn watch(&self, socket: impl AsFd, key: u64) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::RDHUP | EventFlags::ET;
        Ok(epoll::add(&self.epoll, socket, EventData::new_u64(key), flags)?)
    }

    /// Watches a socket for room to write as well.
    ///
    /// # Errors
    /// What the system said.
    pub fn watch_writing(&self, socket: impl AsFd, key: u64) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        Ok(epoll::modify(&self.epoll, socket, EventData::new_u64(key), flags)?)
    }

    /// Takes what has happened, without waiting; at most 256 events, so more may be left.
    ///
    /// # Errors
    /// What the system said.
    pub fn take(&self, ready: &mut Vec<Ready>) -> io::Result<()> {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut buffer = [MaybeUninit::<epoll::Event>::uninit(); EVENTS];
        let (events, _) = epoll::wait(&self.epoll, &mut buffer, Some(&now))?;
        ready.extend(events.iter().map(|event| {
            let flags = event.flags;
            let broken = flags.intersects(EventFlags::ERR | EventFlags::HUP);
            Ready {
                key: event.data.u64(),
                read: broken || flags.intersects(EventFlags::IN | EventFlags::RDHUP),
                write: broken || flags.contains(EventFlags::OUT),
            }
        }));
        Ok(())
    }

    /// Waits until there is something to take.
    ///
    /// # Errors
    /// What the system said.
    pub async fn wait(&self) -> io::Result<()> {
        self.epoll.readable().await
    }
}
