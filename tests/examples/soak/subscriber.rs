//! Subscribers by `hasses_client::EventSource`, and what each kind does between two events.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hasses_client::EventSource;
use hasses_client::event_source::Item;
use hasses_client::wire::EventId;
use smol::Timer;
use smol::future::or;

use crate::chance::Chance;
use crate::daemon::Daemon;
use crate::sequences::{Sequences, read};
use crate::tally::Tally;

/// How a subscriber behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Takes what comes.
    Fast,
    /// Takes less than comes, for some time, and then catches up.
    Slow,
    /// Takes nothing for seconds, now and then longer than the log reaches.
    Stalling,
    /// Goes away, and comes back with its last event id.
    Leaving,
}

/// What a subscriber subscribes to, as topics of its query and as numbers of topics.
const SUBSCRIPTIONS: [(&[&str], &[u64]); 4] = [
    (&["*"], &[0, 1, 2, 3, 4, 5, 6, 7]),
    (&["room*"], &[0, 1, 2, 3, 4, 5, 6, 7]),
    (&["room3"], &[3]),
    (&["room1", "room6", "room7"], &[1, 6, 7]),
];

/// How many of each kind subscribe to each.
const KINDS: [(Kind, usize); 4] = [(Kind::Fast, 2), (Kind::Slow, 1), (Kind::Stalling, 1), (Kind::Leaving, 2)];

/// One of them, in a thread.
#[derive(Debug)]
pub(crate) struct Subscriber {
    name: String,
    sequences: Arc<Mutex<Sequences>>,
    thread: JoinHandle<()>,
}

impl Subscriber {
    /// Starts all.
    pub(crate) fn start_all(daemon: &Daemon, tally: &Arc<Tally>, chance: &mut Chance) -> Vec<Self> {
        let mut started = Vec::new();
        for (kind, count) in KINDS {
            for (topics, numbers) in SUBSCRIPTIONS {
                for nth in 0..count {
                    let name = format!("{kind:?} {nth} of {}", topics.join(","));
                    let sequences = Arc::new(Mutex::new(Sequences::new(numbers.iter().copied())));
                    let run = Run {
                        name: name.clone(),
                        kind,
                        topics,
                        url: daemon.url(),
                        sequences: sequences.clone(),
                        tally: tally.clone(),
                        chance: chance.fork(),
                        last_progress: Instant::now(),
                    };
                    started.push(Self { name, sequences, thread: thread::spawn(move || run.run()) });
                }
            }
        }
        started
    }

    /// What it is.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it has got the newest event of each publisher.
    pub(crate) fn has_everything(&self, tally: &Tally) -> bool {
        lock(&self.sequences).is_complete(&tally.newest())
    }

    /// How far it is.
    pub(crate) fn standing(&self) -> String {
        lock(&self.sequences).standing()
    }

    /// Its thread, which ends soon after everything has.
    pub(crate) fn into_thread(self) -> JoinHandle<()> {
        self.thread
    }
}

/// The thread's own.
struct Run {
    name: String,
    kind: Kind,
    topics: &'static [&'static str],
    url: String,
    sequences: Arc<Mutex<Sequences>>,
    tally: Arc<Tally>,
    chance: Chance,
    last_progress: Instant,
}

/// Nobody is without an event for so long while others publish.
const SILENCE: Duration = Duration::from_secs(90);

impl Run {
    fn run(mut self) {
        let mut last_event_id = String::new();
        while !self.tally.is_over() {
            let source = EventSource::builder(self.url.clone()).topics(self.topics.iter().copied());
            let source = source.last_event_id(last_event_id.clone()).max_backoff(Duration::from_secs(1));
            let source = source.reconnection_time(Duration::from_millis(100)).open().expect("a thread");
            last_event_id = self.connection(source);
            if self.kind == Kind::Leaving && self.tally.is_publishing() {
                self.rest(20_000, 45_000);
            }
        }
    }

    /// Reads until it is time to go away; gives the last event id.
    fn connection(&mut self, mut source: EventSource) -> String {
        let stay = Instant::now() + self.chance.millis(500..20_000);
        let mut pause = Instant::now() + self.chance.millis(1000..20_000);
        if source.last_event_id().is_empty() {
            lock(&self.sequences).skip();
        }
        self.last_progress = Instant::now();
        let mut is_slow = true;
        while !self.tally.is_over() {
            let before = source.last_event_id().to_owned();
            let next = async { Some(source.next().await) };
            let later = async {
                Timer::after(Duration::from_millis(200)).await;
                None
            };
            match smol::block_on(or(next, later)) {
                Some(Some(Ok(item))) => self.take(item, &before),
                Some(Some(Err(error))) => self.tally.fault(format!("{}: {error}", self.name)),
                Some(None) => return source.last_event_id().to_owned(),
                None => self.check_silence(),
            }
            if !self.tally.is_publishing() {
                continue;
            }
            match self.kind {
                Kind::Fast => {}
                Kind::Slow if is_slow => thread::sleep(self.chance.millis(0..8)),
                Kind::Stalling if Instant::now() >= pause => self.rest(2_000, 40_000),
                Kind::Leaving if Instant::now() >= stay => return source.last_event_id().to_owned(),
                _ => {}
            }
            if Instant::now() >= pause {
                pause = Instant::now() + self.chance.millis(1000..20_000);
                is_slow = !is_slow;
            }
        }
        source.last_event_id().to_owned()
    }

    /// Does nothing for some time: mostly a short one.
    fn rest(&mut self, usual: u64, longest: u64) {
        let time = if self.chance.one_in(4) { longest } else { usual };
        let until = Instant::now() + self.chance.millis(0..time);
        while Instant::now() < until && self.tally.is_publishing() {
            thread::sleep(Duration::from_millis(50));
        }
        self.last_progress = Instant::now();
    }

    fn take(&mut self, item: Item, before: &str) {
        match item {
            Item::Event(event) => {
                let Some((publisher, number, made)) = read(&event.data) else {
                    return self.tally.fault(format!("{} got something else: {event:?}", self.name));
                };
                if let Err(wrong) = lock(&self.sequences).take(publisher, number) {
                    self.tally.fault(format!("{}: {wrong} (id {}, behind {before})", self.name, event.last_event_id));
                }
                self.tally.delivered.fetch_add(1, Relaxed);
                self.last_progress = Instant::now();
                if self.kind == Kind::Fast {
                    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
                    let micros = u64::try_from(now.saturating_sub(made)).unwrap_or(u64::MAX);
                    self.tally.was_on_its_way(Duration::from_micros(micros));
                }
            }
            Item::Resumed { .. } => drop(self.tally.resumed.fetch_add(1, Relaxed)),
            Item::Gap { oldest, .. } => {
                self.tally.gaps.fetch_add(1, Relaxed);
                if before.parse().is_ok_and(|last: EventId| last >= oldest) {
                    self.tally.fault(format!("{}: told of a gap up to {oldest} and stood at {before}", self.name));
                }
                lock(&self.sequences).skip();
            }
            Item::Reset => self.tally.fault(format!("{}: {before} was taken for an id of another log", self.name)),
            Item::Lost { .. } => drop(self.tally.lost.fetch_add(1, Relaxed)),
            _ => {}
        }
    }

    fn check_silence(&mut self) {
        if self.tally.is_publishing() && self.last_progress.elapsed() > SILENCE {
            let standing = lock(&self.sequences).standing();
            self.tally.fault(format!("{} has got nothing for {SILENCE:?}: {standing}", self.name));
            self.last_progress = Instant::now();
        }
    }
}

fn lock(sequences: &Mutex<Sequences>) -> std::sync::MutexGuard<'_, Sequences> {
    sequences.lock().unwrap_or_else(PoisonError::into_inner)
}
