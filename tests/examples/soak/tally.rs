//! What all threads count together, the faults they find, and when they are to end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hasses_client::wire::EventId;

use crate::usage::Usage;

/// Faults that are kept; whatever is wrong is wrong many times over.
const MOST_FAULTS: usize = 100;

/// Figures, since the start.
#[derive(Debug)]
pub(crate) struct Tally {
    begun: Instant,
    publishing: AtomicBool,
    over: AtomicBool,
    faults: Mutex<Vec<String>>,
    /// The newest number of each publisher that was acknowledged.
    newest: Mutex<BTreeMap<u64, u64>>,
    /// What the daemon used, as of the last look.
    usage: Mutex<Usage>,
    /// The longest way of an event to a fast subscriber since the last line, in microseconds.
    slowest: AtomicU64,
    before: Mutex<(u64, u64)>,
    /// Publishes acknowledged.
    pub(crate) acknowledged: AtomicU64,
    /// Of these, found in the log when they were sent again.
    pub(crate) duplicates: AtomicU64,
    /// Events that subscribers got.
    pub(crate) delivered: AtomicU64,
    /// Times that a subscriber was told that nothing is missing.
    pub(crate) resumed: AtomicU64,
    /// Times that one was told of a gap.
    pub(crate) gaps: AtomicU64,
    /// Connections of subscribers that were lost.
    pub(crate) lost: AtomicU64,
    /// Ends of the daemon by SIGTERM.
    pub(crate) terminations: AtomicU64,
    /// Ends by SIGKILL.
    pub(crate) kills: AtomicU64,
    /// Times that it was stopped for a while.
    pub(crate) stalls: AtomicU64,
    /// Looks at the whole log.
    pub(crate) audits: AtomicU64,
    /// Connections that never read a byte.
    pub(crate) mutes: AtomicU64,
}

impl Tally {
    /// Nothing so far.
    pub(crate) fn new() -> Self {
        Self {
            begun: Instant::now(),
            publishing: AtomicBool::new(true),
            over: AtomicBool::new(false),
            faults: Mutex::default(),
            newest: Mutex::default(),
            usage: Mutex::default(),
            slowest: AtomicU64::new(0),
            before: Mutex::default(),
            acknowledged: AtomicU64::new(0),
            duplicates: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            resumed: AtomicU64::new(0),
            gaps: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            terminations: AtomicU64::new(0),
            kills: AtomicU64::new(0),
            stalls: AtomicU64::new(0),
            audits: AtomicU64::new(0),
            mutes: AtomicU64::new(0),
        }
    }

    /// Something is wrong.
    pub(crate) fn fault(&self, text: String) {
        let mut faults = lock(&self.faults);
        if faults.len() < MOST_FAULTS {
            eprintln!("{} FAULT {text}", self.time());
            faults.push(text);
        }
    }

    /// Everything that was wrong.
    pub(crate) fn faults(&self) -> Vec<String> {
        lock(&self.faults).clone()
    }

    /// How long it has been running, as minutes and seconds.
    pub(crate) fn time(&self) -> String {
        let seconds = self.begun.elapsed().as_secs();
        format!("{:>3}:{:02}", seconds / 60, seconds % 60)
    }

    /// Whether publishers go on.
    pub(crate) fn is_publishing(&self) -> bool {
        self.publishing.load(Relaxed)
    }

    /// Publishers end.
    pub(crate) fn end_publishing(&self) {
        self.publishing.store(false, Relaxed);
    }

    /// Whether everything ends.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Relaxed)
    }

    /// Everything ends.
    pub(crate) fn end(&self) {
        self.over.store(true, Relaxed);
    }

    /// A publisher's event was acknowledged.
    pub(crate) fn acknowledge(&self, publisher: u64, number: u64, duplicate: bool) {
        lock(&self.newest).insert(publisher, number);
        self.acknowledged.fetch_add(1, Relaxed);
        self.duplicates.fetch_add(duplicate.into(), Relaxed);
    }

    /// The newest number of each publisher that was acknowledged.
    pub(crate) fn newest(&self) -> BTreeMap<u64, u64> {
        lock(&self.newest).clone()
    }

    /// An event was so long on its way to a fast subscriber.
    pub(crate) fn was_on_its_way(&self, time: Duration) {
        self.slowest.fetch_max(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    /// What the daemon uses now.
    pub(crate) fn uses(&self, usage: Usage) {
        *lock(&self.usage) = usage;
    }

    /// The log went on from its birth, whatever happened to its daemons.
    pub(crate) fn note_position(&self, birth: EventId, position: EventId) {
        if position <= birth {
            self.fault(format!("the log stands at {position} and was born at {birth}"));
        }
    }

    /// Where things stand, in a line.
    pub(crate) fn line(&self) -> String {
        let get = |counter: &AtomicU64| counter.load(Relaxed);
        let (acknowledged, delivered) = (get(&self.acknowledged), get(&self.delivered));
        let before = std::mem::replace(&mut *lock(&self.before), (acknowledged, delivered));
        let mut line = format!(
            "{} +{} acknowledged, +{} delivered, slowest {} ms; {} resumed, {} gaps, {} duplicates; ",
            self.time(),
            acknowledged - before.0,
            delivered - before.1,
            self.slowest.swap(0, Relaxed) / 1000,
            get(&self.resumed),
            get(&self.gaps),
            get(&self.duplicates),
        );
        let _ = write!(
            line,
            "{} kills, {} SIGTERM, {} stalls; {}; {} faults",
            get(&self.kills),
            get(&self.terminations),
            get(&self.stalls),
            lock(&self.usage),
            lock(&self.faults).len(),
        );
        line
    }

    /// Everything, at the end.
    pub(crate) fn summary(&self) -> String {
        let get = |counter: &AtomicU64| counter.load(Relaxed);
        format!(
            "{} minutes: {} events acknowledged ({} of them found in the log when they were sent again), {} delivered; {} kills, \
             {} SIGTERM, {} stalls; {} connections lost, {} resumed, {} told of a gap; {} connections that never read; {} audits",
            self.time(),
            get(&self.acknowledged),
            get(&self.duplicates),
            get(&self.delivered),
            get(&self.kills),
            get(&self.terminations),
            get(&self.stalls),
            get(&self.lost),
            get(&self.resumed),
            get(&self.gaps),
            get(&self.mutes),
            get(&self.audits),
        )
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
