//! A log directory in a test: opened without the thread, and copied as a process leaves it that is killed.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use hasses_client::wire::{EventId, EventType, Publish, PublishKey, SubscriberId, TopicPattern, Topics};
use proptest::collection::vec;
use proptest::option::of;
use proptest::strategy::Strategy;
use tracing_subscriber::fmt::format::FmtSpan;

use super::keeper::Keeper;
use super::{DiskError, Durability, find};
use crate::log::{History, Ordered};

pub(super) struct Trial {
    folder: tempfile::TempDir,
}

impl Trial {
    pub(super) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(super) fn directory(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    pub(super) fn open(&self) -> (Keeper, History, Vec<Ordered>) {
        self.try_open(Durability::Os).unwrap()
    }

    pub(super) fn try_open(&self, durability: Durability) -> Result<(Keeper, History, Vec<Ordered>), DiskError> {
        let mut events = Vec::new();
        let (keeper, history) = find(&self.directory(), durability, |event| events.push(event))?;
        Ok((keeper, history, events))
    }

    /// What would be there if the process were killed now.
    pub(super) fn killed(&self) -> Self {
        let copy = Self::new();
        fs::create_dir(copy.directory()).unwrap();
        for entry in fs::read_dir(self.directory()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), copy.path(entry.file_name().to_str().unwrap())).unwrap();
        }
        copy
    }
}

/// Publishes that can be told from each other.
pub(super) fn group(numbers: std::ops::Range<usize>) -> Vec<Publish> {
    numbers.map(|number| Publish::new(TopicPattern::new("room").unwrap(), format!("number {number}"))).collect()
}

pub(super) fn id(millis: u64, sequence: u64) -> EventId {
    EventId { millis, sequence }
}

/// As it is read back: nobody's own.
pub(super) fn loaded(events: &[Ordered]) -> Vec<Ordered> {
    events.iter().cloned().map(|event| Ordered { own: false, ..event }).collect()
}

/// Any publish.
pub(super) fn publishes() -> impl Strategy<Value = Publish> {
    let topic = "[^\\p{Cc}*]{1,20}\\*?".prop_map(|text| TopicPattern::new(text).unwrap());
    let small = || of("[^\\p{Cc}]{1,15}");
    (vec(topic, 1..4), ".{0,40}|[\\x00-\\x1f\"\\\\]{1,9}", small(), small(), small(), of(0_u64..1 << 53)).prop_map(
        |(topics, data, event, key, except, retry)| Publish {
            topics: Topics::new(topics).unwrap(),
            data,
            event: event.map(|text| EventType::new(text).unwrap()),
            key: key.map(|text| PublishKey::new(text).unwrap()),
            except: except.map(|text| SubscriberId::new(text).unwrap()),
            retry,
        },
    )
}

/// The log lines of what it does on this thread, with their levels.
pub(super) fn logged<T>(what: impl FnOnce() -> T) -> (T, String) {
    let buffer = Capture::default();
    let writer = buffer.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .with_target(false)
        .with_span_events(FmtSpan::NONE)
        .without_time()
        .finish();
    let done = tracing::subscriber::with_default(subscriber, what);
    let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
    (done, text)
}

/// How long a file is; 0 where there is none.
pub(super) fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |there| there.len())
}

#[derive(Clone, Default)]
struct Capture(Arc<Mutex<Vec<u8>>>);

impl Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
