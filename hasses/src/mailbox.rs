//! The way into a shard: a bounded channel, and a bell that wakes the shard's thread where it waits for its sockets.
//!
//! The channel is `flume`, since one of its ends is a plain thread. Ringing costs a system call only where somebody sleeps.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, fence};

use flume::{Receiver, Sender, TryRecvError};
use rustix::event::{EventfdFlags, eventfd};

use crate::shard::Message;

/// Where messages for a shard go. Clones lead to the same shard.
#[derive(Clone, Debug)]
pub struct Mailbox {
    messages: Sender<Message>,
    // Dropped after the sender: whoever is woken by it sees that nobody sends any more.
    ringer: Ringer,
}

/// What a shard takes its messages from.
#[derive(Debug)]
pub struct Messages {
    messages: Receiver<Message>,
    bell: Arc<Bell>,
}

/// Nobody takes the messages any more.
#[derive(Debug, PartialEq, Eq)]
pub struct Gone;

/// Wakes whoever waits for its descriptor.
#[derive(Debug)]
struct Bell {
    descriptor: OwnedFd,
    /// Somebody waits, or is about to.
    sleeps: AtomicBool,
}

#[derive(Clone, Debug)]
struct Ringer(Arc<Bell>);

impl Mailbox {
    /// A mailbox for so many messages, and the shard's end of it.
    ///
    /// # Errors
    /// What the system said to a new descriptor.
    pub fn new(capacity: usize) -> io::Result<(Self, Messages)> {
        let descriptor = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let bell = Arc::new(Bell { descriptor, sleeps: AtomicBool::new(false) });
        let (sender, receiver) = flume::bounded(capacity);
        Ok((Self { messages: sender, ringer: Ringer(bell.clone()) }, Messages { messages: receiver, bell }))
    }

    /// Sends a message, and waits for room where there is none.
    ///
    /// # Errors
    /// The shard is gone.
    pub async fn send(&self, message: Message) -> Result<(), Gone> {
        self.messages.send_async(message).await.map_err(|_| Gone)?;
        self.ringer.ring();
        Ok(())
    }

    /// The same from a thread that may wait.
    ///
    /// # Errors
    /// The shard is gone.
    pub fn send_blocking(&self, message: Message) -> Result<(), Gone> {
        self.messages.send(message).map_err(|_| Gone)?;
        self.ringer.ring();
        Ok(())
    }
}

impl Messages {
    /// The next message.
    ///
    /// # Errors
    /// There is none now, or there never will be.
    pub fn try_recv(&self) -> Result<Message, TryRecvError> {
        self.messages.try_recv()
    }

    /// Whether there is none now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Whether nobody can send any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.messages.is_disconnected()
    }

    /// From now on what comes rings. What came before did not: look for it after this, and before the wait for the
    /// [bell](Self::as_fd).
    pub fn sleep(&self) {
        // Either the sender sees this, or what it did before is seen here: both sides write first, then look.
        self.bell.sleeps.store(true, SeqCst);
        fence(SeqCst);
    }

    /// From now on nobody needs to ring.
    pub fn wake(&self) {
        self.bell.sleeps.store(false, SeqCst);
    }
}

impl AsFd for Messages {
    /// The bell. It is not to be read: each ringing is an edge of its own.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.descriptor.as_fd()
    }
}

impl Ringer {
    fn ring(&self) {
        fence(SeqCst);
        if self.0.sleeps.load(SeqCst) && self.0.sleeps.swap(false, SeqCst) {
            // It cannot be full: that would take 2^64 rings.
            let _ = rustix::io::write(&self.0.descriptor, &1_u64.to_ne_bytes());
        }
    }
}

impl Drop for Ringer {
    fn drop(&mut self) {
        self.ring();
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    fn rings(messages: &Messages) -> bool {
        let mut polled = [PollFd::new(messages, PollFlags::IN)];
        poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() > 0
    }

    #[test]
    fn only_who_sleeps_is_woken() {
        let (mailbox, messages) = Mailbox::new(2).unwrap();
        mailbox.send_blocking(Message::End).unwrap();
        messages.sleep();
        assert!(!messages.is_empty() && !rings(&messages));
        messages.wake();
        assert!(messages.try_recv().is_ok());
        messages.sleep();
        assert!(messages.is_empty());
        mailbox.send_blocking(Message::End).unwrap();
        assert!(rings(&messages));
    }

    #[test]
    fn whoever_is_left_alone_is_woken_and_told() {
        let (mailbox, messages) = Mailbox::new(2).unwrap();
        messages.sleep();
        drop(mailbox.clone());
        assert!(matches!(messages.try_recv(), Err(TryRecvError::Empty)) && !messages.is_closed());
        messages.sleep();
        drop(mailbox);
        assert!(rings(&messages) && messages.is_closed());
        assert!(matches!(messages.try_recv(), Err(TryRecvError::Disconnected)));
    }
}
