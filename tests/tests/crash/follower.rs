//! A subscriber that comes back with its last event id as often as it is cut off, and is told each time that nothing is missing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use hasses_client::wire::EventId;
use hasses_tests::wait_for;

use crate::stream::{Entry, Stream};

/// A thread that subscribes. What is wrong with what it gets ends it, and then whoever asks it.
#[derive(Debug)]
pub(crate) struct Follower {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Vec<Entry>>,
    resumed: AtomicUsize,
    over: AtomicBool,
}

impl Follower {
    /// Subscribes over a Unix socket from behind `id` on; the daemon need not be there yet.
    pub(crate) fn start(path: &Path, query: &str, id: EventId) -> Self {
        let shared = Arc::<Shared>::default();
        let follow = Following { shared: shared.clone(), path: path.to_owned(), query: query.to_owned(), last: id };
        let thread = std::thread::spawn(move || follow.run());
        Self { shared, thread: Some(thread) }
    }

    /// What it has got so far.
    pub(crate) fn seen(&self) -> Vec<Entry> {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often it was told that nothing is missing.
    pub(crate) fn resumed(&self) -> usize {
        self.shared.resumed.load(SeqCst)
    }

    /// Waits until it has got the event with this number.
    pub(crate) fn wait_for(&mut self, number: u64) {
        wait_for(&format!("event {number}"), || {
            if self.thread.as_ref().is_some_and(JoinHandle::is_finished) {
                self.join();
            }
            let seen = self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.last().is_some_and(|last| last.number >= number).then_some(())
        });
    }

    /// Ends it, once its daemon is gone; gives everything that it has got.
    pub(crate) fn finish(mut self) -> Vec<Entry> {
        self.shared.over.store(true, SeqCst);
        self.join();
        self.seen()
    }

    fn join(&mut self) {
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // A test that fails does not wait for it.
        self.shared.over.store(true, SeqCst);
    }
}

/// The thread's own.
struct Following {
    shared: Arc<Shared>,
    path: PathBuf,
    query: String,
    last: EventId,
}

impl Following {
    fn run(mut self) {
        while !self.shared.over.load(SeqCst) {
            // Killed, or not there yet: that it ends is what this is about.
            let _ = self.connection();
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    fn connection(&mut self) -> io::Result<()> {
        let mut stream = Stream::open(&self.path, &self.query, &self.last.to_string())?;
        // A stream that only says "come back later" ends without a verdict.
        let Some(verdict) = stream.next()? else { return Ok(()) };
        let is_resumed = verdict.event == "hasses.resume" && verdict.data.starts_with(r#"{"status":"resumed","#);
        assert!(is_resumed, "{} came back behind {}: {verdict:?}", self.query, self.last);
        self.shared.resumed.fetch_add(1, SeqCst);
        while let Some(event) = stream.next()? {
            if event.event == "hasses.cursor" {
                self.last = event.last_event_id.parse().expect("an id");
                continue;
            }
            let entry = Entry::from(event);
            assert!(entry.id > self.last, "{}: {entry:?} came behind {}", self.query, self.last);
            self.last = entry.id;
            self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
        }
        Ok(())
    }
}
