//! Looks at the whole log, as a subscriber who presents the id before its oldest event.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hasses_client::EventSource;
use hasses_client::blocking::Client;
use hasses_client::event_source::Item;
use hasses_client::wire::EventId;
use smol::Timer;
use smol::future::or;

use crate::publisher::TOPICS;
use crate::sequences::{Sequences, read};
use crate::tally::Tally;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(60);
/// So long one look may take; the daemon may be away in between.
const LONGEST: Duration = Duration::from_secs(60);

/// The thread that looks.
pub(crate) struct Auditor;

impl Auditor {
    /// Looks once a minute.
    pub(crate) fn start(url: String, control: String, tally: Arc<Tally>) -> JoinHandle<()> {
        thread::spawn(move || {
            let mut next = Instant::now() + PAUSE / 2;
            while !tally.is_over() {
                thread::sleep(Duration::from_millis(100));
                if Instant::now() >= next && tally.is_publishing() {
                    next = Instant::now() + PAUSE;
                    look(&url, &control, &tally);
                }
            }
        })
    }
}

/// Reads everything from the oldest event up to where the log stands now: each publisher's numbers follow each other.
pub(crate) fn look(url: &str, control: &str, tally: &Tally) {
    // The daemon may be away: another look follows.
    let Ok(client) = Client::connect(control) else { return };
    let Ok(status) = client.status() else { return };
    let (oldest, newest): (EventId, EventId) = (status.oldest, status.position);
    let source = EventSource::builder(url).topic("*").last_event_id(oldest.to_string());
    let mut source = source.reconnection_time(Duration::from_millis(100)).open().expect("a thread");
    let mut sequences = Sequences::new(0..TOPICS);
    let (begun, mut at) = (Instant::now(), oldest);
    while at < newest {
        let next = async { source.next().await };
        let later = async {
            Timer::after(LONGEST).await;
            None
        };
        match smol::block_on(or(next, later)) {
            Some(Ok(Item::Event(event))) => {
                let Some((publisher, number, _)) = read(&event.data) else {
                    return tally.fault(format!("the log holds something else: {event:?}"));
                };
                let id = event.last_event_id.parse().unwrap_or_default();
                if id <= at {
                    return tally.fault(format!("the log: {id} came behind {at}"));
                }
                at = id;
                if let Err(wrong) = sequences.take(publisher, number) {
                    return tally.fault(format!("the log: {wrong} ({id})"));
                }
            }
            // Retention has been quicker than the look.
            Some(Ok(Item::Gap { .. })) => sequences.skip(),
            Some(Ok(Item::Reset)) => return tally.fault(format!("the log does not know its own event {oldest}")),
            Some(Ok(_)) => {}
            Some(Err(error)) => return tally.fault(format!("the auditor: {error}")),
            None => return tally.fault(format!("the log from {at} to {newest} was not to be had in {LONGEST:?}")),
        }
        if begun.elapsed() > 2 * LONGEST {
            return tally.fault(format!("the log from {oldest} to {newest} took longer than {:?}", 2 * LONGEST));
        }
    }
    tally.audits.fetch_add(1, Relaxed);
}
