//! Which sockets of a shard can be read or written: an epoll of the shard's own, which is also what its thread sleeps in.
//!
//! So a subscriber costs no waker, no task and no entry elsewhere, and a shard no reactor that other threads use as well. Nothing
//! else in the daemon knows about epoll.
//!
//! Registration is edge-triggered: readiness is told once, and the owner reads or writes until the socket would block.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;

/// Events taken from the kernel at one time.
const EVENTS: usize = 256;
/// The key of the bell, which no socket has: their lower half is a slot.
const BELL: u64 = u64::MAX;

/// The epoll of one shard.
#[derive(Debug)]
pub struct Readiness {
    epoll: OwnedFd,
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
    /// An epoll that wakes whoever waits for it when `bell` is rung.
    ///
    /// # Errors
    /// What the system said.
    pub fn new(bell: impl AsFd) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, bell, EventData::new_u64(BELL), EventFlags::IN | EventFlags::ET)?;
        Ok(Self { epoll })
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

    /// Takes what has happened, at most 256 events, so more may be left. Where nothing has, it waits: so long, or without end.
    ///
    /// # Errors
    /// What the system said.
    pub fn take(&self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<()> {
        // A time that does not fit is as good as none.
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut buffer = [MaybeUninit::<epoll::Event>::uninit(); EVENTS];
        let events = match epoll::wait(&self.epoll, &mut buffer, timeout.as_ref()) {
            Ok((events, _)) => events,
            Err(Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        ready.extend(events.iter().filter(|event| event.data.u64() != BELL).map(|event| {
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
}
