//! What the threads of a run tell each other: how far each is, what is due, and when it is over.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};

use super::scout::Quest;
use super::traffic::Traffic;
use crate::failure::Failure;

/// How long a thread sleeps that waits for its time to come, and has nothing else to do.
pub(super) const TICK: Duration = Duration::from_millis(1);

/// Seen by all threads of a run.
#[derive(Debug)]
pub(super) struct Board {
    gauges: Box<[Gauge]>,
    traffic: Mutex<Traffic>,
    /// Deliveries that are due, as the traffic has it.
    due: AtomicU64,
    stage: [AtomicBool; 6],
    failure: Mutex<Option<Failure>>,
    /// The first event that was measured.
    quest: Arc<Quest>,
    /// Wakes the first thread, which waits for the others.
    first: OwnedFd,
    /// Wakes all of them for the end.
    end: OwnedFd,
}

/// What has come true in a run.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mark {
    /// Everybody is subscribed: who goes now has been there.
    Subscribed,
    /// Those who read nothing may come.
    Filling,
    /// Latency counts.
    Measuring,
    /// The user wants it to end.
    Interrupted,
    /// Something went wrong that ends it.
    Failed,
    /// It is over.
    Over,
}

/// How far one receiving thread is. Each has a cache line of its own, since it is written after every turn.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Gauge {
    /// Its subscribers whose head has come.
    pub(super) subscribed: AtomicU64,
    /// Messages that came.
    pub(super) received: AtomicU64,
    /// Deliveries that nobody has to wait for any more.
    pub(super) settled: AtomicU64,
    /// Bytes that came.
    pub(super) bytes: AtomicU64,
    /// Nanoseconds in polls that found nothing.
    pub(super) empty: AtomicU64,
    /// The number that the kernel gave to it.
    pub(super) thread: AtomicU64,
}

impl Board {
    /// The board of so many receiving threads.
    pub(super) fn new(threads: usize, traffic: Traffic) -> Result<Self, Failure> {
        let descriptor = || {
            eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
                .map_err(|error| Failure::refused("system", format!("no eventfd can be had: {error}")))
        };
        Ok(Self {
            gauges: (0..threads).map(|_| Gauge::default()).collect(),
            traffic: Mutex::new(traffic),
            due: AtomicU64::new(0),
            stage: Default::default(),
            failure: Mutex::new(None),
            quest: Quest::new(),
            first: descriptor()?,
            end: descriptor()?,
        })
    }

    /// How far the threads are.
    pub(super) fn gauges(&self) -> &[Gauge] {
        &self.gauges
    }

    /// The same of all together.
    pub(super) fn sum(&self, of: impl Fn(&Gauge) -> &AtomicU64) -> u64 {
        self.gauges.iter().map(|gauge| of(gauge).load(Relaxed)).sum()
    }

    /// Whether everything has come that is due.
    pub(super) fn is_settled(&self) -> bool {
        self.sum(|gauge| &gauge.settled) >= self.due.load(Relaxed)
    }

    /// Deliveries that are due so far.
    pub(super) fn due(&self) -> u64 {
        self.due.load(Relaxed)
    }

    /// Changes the traffic, and what is due with it.
    pub(super) fn with_traffic<T>(&self, change: impl FnOnce(&mut Traffic) -> T) -> T {
        let mut traffic = locked(&self.traffic);
        let result = change(&mut traffic);
        self.due.store(traffic.due(), Relaxed);
        result
    }

    /// The first event that was measured, once somebody has it who looks at ids.
    pub(super) fn quest(&self) -> &Arc<Quest> {
        &self.quest
    }

    /// Whether this has come true.
    pub(super) fn is(&self, mark: Mark) -> bool {
        self.stage[mark as usize].load(Relaxed)
    }

    /// Says that this has come true, or is so no longer.
    pub(super) fn set(&self, mark: Mark, holds: bool) {
        self.stage[mark as usize].store(holds, Relaxed);
    }

    /// Waits until this has come true; `false` where the run is over first.
    pub(super) fn wait_for(&self, mark: Mark) -> bool {
        while !self.is(mark) && !self.is(Mark::Over) {
            sleep(TICK);
        }
        self.is(mark)
    }

    /// Ends the run with the first thing that went wrong.
    pub(super) fn fail(&self, failure: Failure) {
        locked(&self.failure).get_or_insert(failure);
        self.set(Mark::Failed, true);
        self.wake_first();
    }

    /// What went wrong.
    pub(super) fn failure(&self) -> Option<Failure> {
        if self.is(Mark::Failed) { locked(&self.failure).take() } else { None }
    }

    /// Has the first thread look at how far the others are.
    pub(super) fn wake_first(&self) {
        signal(&self.first);
    }

    /// Ends all threads.
    pub(super) fn end(&self) {
        self.set(Mark::Over, true);
        signal(&self.end);
    }

    /// Becomes readable when the first thread is to wake; what is read from it makes it unreadable.
    pub(super) fn first_thread(&self) -> BorrowedFd<'_> {
        self.first.as_fd()
    }

    /// Becomes readable at the end, for good.
    pub(super) fn all_threads(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }
}

/// Another thread that panicked has left nothing half done behind these locks.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn signal(descriptor: &OwnedFd) {
    // It can only fail where it has been signalled so often that the counter is full.
    let _ = rustix::io::write(descriptor, &1_u64.to_ne_bytes());
}
