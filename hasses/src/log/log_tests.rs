use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use futures_lite::future::block_on;
use hasses_client::wire::PublishKey;
use proptest::prelude::*;

use super::naive::{ALL, BIRTH, empty, id, to};
use super::*;
use crate::clock::Clock;

/// What a store does at its next call.
#[derive(Clone, Debug)]
enum Turn {
    /// It keeps what it is given; before the publish of each number somebody else's events come, and behind the last.
    Keep(Vec<usize>),
    /// It keeps nothing.
    Fail,
    /// It keeps them, and answers with one less.
    Lose,
}

#[derive(Debug, Default)]
struct Scripted {
    newest: EventId,
    turns: VecDeque<Turn>,
    given: Arc<AtomicU64>,
    forgotten: Arc<Mutex<Vec<EventId>>>,
}

impl Store for Scripted {
    fn append(&mut self, publishes: Vec<Publish>) -> Storing<'_, Result<Vec<Ordered>, StoreError>> {
        self.given.fetch_add(publishes.len() as u64, Relaxed);
        let turn = self.turns.pop_front().unwrap_or(Turn::Keep(Vec::new()));
        let others = match &turn {
            Turn::Fail => {
                let full = StoreError("no space left on device".to_owned());
                return Box::pin(std::future::ready(Err(full)));
            }
            Turn::Keep(others) => others.clone(),
            Turn::Lose => Vec::new(),
        };
        let mut ordered = Vec::new();
        let count = publishes.len();
        let mut own: VecDeque<Publish> = publishes.into();
        for nth in 0..=count {
            for _ in others.iter().filter(|&&before| before.min(count) == nth) {
                self.newest = self.newest.next(0);
                ordered.push(Ordered { id: self.newest, publish: to("others"), own: false });
            }
            if let Some(publish) = own.pop_front() {
                self.newest = self.newest.next(0);
                ordered.push(Ordered { id: self.newest, publish, own: true });
            }
        }
        if matches!(turn, Turn::Lose) {
            ordered.pop();
        }
        Box::pin(std::future::ready(Ok(ordered)))
    }

    fn forget(&mut self, up_to: EventId) {
        self.forgotten.lock().unwrap().push(up_to);
    }
}

fn appender(retention: Retention, turns: impl IntoIterator<Item = Turn>) -> Appender {
    let store = Scripted { newest: BIRTH, turns: turns.into_iter().collect(), ..Scripted::default() };
    Appender::new(Box::new(store), empty(retention))
}

fn keyed(key: &str) -> Publish {
    Publish { key: (!key.is_empty()).then(|| PublishKey::new(key).unwrap()), ..to("own") }
}

/// What became of publishes with these keys, an empty one for none: ids by their last part.
fn append(log: &mut Appender, keys: &[&str]) -> Vec<String> {
    let outcomes = block_on(log.append(keys.iter().map(|key| keyed(key)).collect(), 0));
    outcomes.iter().map(told).collect()
}

fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Event(event) => format!("event {}", event.id.sequence),
        Outcome::Other(event) => format!("other {}", event.id.sequence),
        Outcome::Duplicate(id) => format!("duplicate {}", id.sequence),
        Outcome::Refused(failure) => format!("{}: {}", failure.code.as_str(), failure.error),
    }
}

#[test]
fn a_key_is_accepted_once_within_a_group_and_over_groups() {
    let mut log = appender(ALL, []);
    assert_eq!(
        append(&mut log, &["a", "", "a", "b", "a"]),
        ["event 1", "event 2", "duplicate 1", "event 3", "duplicate 1"]
    );
    assert_eq!(append(&mut log, &["b", "c", ""]), ["duplicate 3", "event 4", "event 5"]);
    // Nothing but duplicates: the store is not asked.
    assert_eq!(append(&mut log, &["a"]), ["duplicate 1"]);
    assert_eq!(log.log().window().holdings().events, 5);
}

#[test]
fn a_key_may_come_again_when_its_event_has_left() {
    let mut log = appender(Retention { events: 2, ..ALL }, []);
    assert_eq!(append(&mut log, &["a", "b", "a"]), ["event 1", "event 2", "duplicate 1"]);
    assert_eq!(append(&mut log, &[""]), ["event 3"]);
    assert_eq!(append(&mut log, &["a", "b"]), ["event 4", "duplicate 2"]);
}

#[test]
fn what_a_store_does_not_keep_is_refused_and_can_be_tried_again() {
    let mut log = appender(ALL, [Turn::Keep(vec![]), Turn::Fail, Turn::Fail]);
    assert_eq!(append(&mut log, &["a"]), ["event 1"]);
    let refused = "not_stored: no space left on device";
    // What was accepted before is known all the same.
    assert_eq!(append(&mut log, &["b", "a", "", "b"]), [refused, "duplicate 1", refused, refused]);
    assert_eq!(append(&mut log, &["b"]), [refused]);
    assert_eq!(log.log().window().holdings().events, 1);
    assert_eq!(append(&mut log, &["b", "b"]), ["event 2", "duplicate 2"]);
}

#[test]
fn what_others_appended_stands_at_its_place_and_answers_nobody() {
    let mut log = appender(ALL, [Turn::Keep(vec![0, 0, 2, 9]), Turn::Keep(vec![1])]);
    assert_eq!(
        append(&mut log, &["a", "b", "a", "c"]),
        [
            "other 1",
            "other 2",
            "event 3",
            "event 4",
            // It needs no place in the order, so it is answered before what stands between its neighbours.
            "duplicate 3",
            "other 5",
            "event 6",
            "other 7",
        ]
    );
    assert_eq!(append(&mut log, &["d", "b"]), ["event 8", "duplicate 4", "other 9"]);
    assert_eq!(log.log().window().holdings().events, 9);
    assert_eq!(log.log().window().newest(), id(1000, 9));
}

#[test]
fn a_store_that_answers_too_little_leaves_nobody_without_an_answer() {
    let mut log = appender(ALL, [Turn::Lose]);
    assert_eq!(
        append(&mut log, &["", "a", "a"]),
        ["event 1", "internal: the event log lost it", "internal: the event log lost it",]
    );
}

#[test]
fn a_store_is_told_what_need_not_be_kept() {
    let forgotten = Arc::<Mutex<Vec<EventId>>>::default();
    let store = Scripted { newest: BIRTH, forgotten: forgotten.clone(), ..Scripted::default() };
    let age = Some(std::time::Duration::from_millis(100));
    let mut log = Appender::new(Box::new(store), empty(Retention { events: 2, age, ..ALL }));
    append(&mut log, &[""; 2]);
    append(&mut log, &[""; 3]);
    assert_eq!(*forgotten.lock().unwrap(), [id(1000, 3)]);
    log.evict(100);
    log.evict(101);
    log.evict(102);
    assert_eq!(*forgotten.lock().unwrap(), [id(1000, 3), id(1000, 5)]);
    assert_eq!(log.log().window().holdings().events, 0);
}

#[derive(Debug, Default)]
struct Set(AtomicU64);

impl Clock for Set {
    fn millis(&self) -> Millis {
        0
    }

    fn wall(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

#[test]
fn ids_of_a_log_in_memory_go_up_whatever_the_clock_does() {
    let clock = Arc::new(Set(AtomicU64::new(5000)));
    let (store, history) = Memory::with_clock(clock.clone());
    assert_eq!(history, History { birth: id(5000, 0), newest: id(5000, 0), forgotten: id(5000, 0) });
    let mut log = Appender::new(Box::new(store), Window::new(history, ALL, Vec::new()));
    let mut ids = Vec::new();
    for (wall, count) in [(5000, 2), (5001, 1), (9000, 2), (1000, 3), (8999, 1), (9001, 1)] {
        clock.0.store(wall, Relaxed);
        let outcomes = block_on(log.append(vec![to("t"); count], 0));
        ids.extend(outcomes.iter().map(|outcome| match outcome {
            Outcome::Event(event) => event.id.to_string(),
            other => panic!("{other:?}"),
        }));
    }
    assert_eq!(
        ids,
        ["5000-1", "5000-2", "5001-0", "9000-0", "9000-1", "9000-2", "9000-3", "9000-4", "9000-5", "9001-0"]
    );
}

fn turns() -> impl Strategy<Value = Turn> {
    prop_oneof![4 => prop::collection::vec(0..6_usize, 0..4).prop_map(Turn::Keep), 1 => Just(Turn::Fail)]
}

proptest! {
    #[test]
    fn every_publish_is_answered_once_and_every_key_is_in_the_log_once(
        turns in prop::collection::vec(turns(), 0..20),
        groups in prop::collection::vec(prop::collection::vec("[a-e]?", 0..8), 1..20),
        events in 1..30_usize,
    ) {
        let mut log = appender(Retention { events, ..ALL }, turns);
        // The ids of the keys that were ever accepted, and the newest of all.
        let mut accepted: HashMap<String, EventId> = HashMap::new();
        let mut newest = BIRTH;
        for group in groups {
            let forgotten = log.log().window().forgotten();
            let keys: Vec<&str> = group.iter().map(String::as_str).collect();
            let outcomes = block_on(log.append(keys.iter().map(|key| keyed(key)).collect(), 0));
            for event in outcomes.iter().filter_map(|outcome| match outcome {
                Outcome::Event(event) | Outcome::Other(event) => Some(event),
                Outcome::Duplicate(_) | Outcome::Refused(_) => None,
            }) {
                prop_assert!(event.id > newest);
                newest = event.id;
            }
            prop_assert_eq!(log.log().window().newest(), newest);
            let answers: Vec<_> = outcomes.iter().filter(|outcome| !matches!(outcome, Outcome::Other(_))).collect();
            prop_assert_eq!(answers.len(), keys.len());
            for (key, answer) in keys.iter().zip(answers) {
                // Held when the group came, or accepted as part of it.
                let known = accepted.get(*key).copied().filter(|&id| !key.is_empty() && id > forgotten);
                match (answer, known) {
                    (Outcome::Event(event), None) => drop(accepted.insert((*key).to_owned(), event.id)),
                    (Outcome::Duplicate(id), Some(known)) => prop_assert_eq!(*id, known),
                    (Outcome::Refused(failure), None) => prop_assert_eq!(failure.code, ErrorCode::NotStored),
                    (answer, known) => prop_assert!(false, "{:?} for {:?}, known as {:?}", answer, key, known),
                }
            }
        }
    }
}
