//! What a subscription tells, in words that are easily compared, and within a time.

use std::time::{Duration, Instant};

use hasses_client::EventSource;
use hasses_client::event_source::{Builder, Error, Item};
use smol::{Timer, block_on, future};

/// Time for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A subscription that does not wait for long before it comes back.
pub(crate) fn brisk(url: &str) -> Builder {
    EventSource::builder(url).reconnection_time(Duration::from_millis(1)).max_backoff(Duration::from_millis(5))
}

/// What comes next, as it is.
pub(crate) fn next(source: &mut EventSource) -> Option<Result<Item, Error>> {
    block_on(future::or(source.next(), async {
        Timer::at(Instant::now() + PATIENCE).await;
        panic!("nothing came within {PATIENCE:?}")
    }))
}

/// What comes next, in words: `open`, `TYPE DATA @LAST-EVENT-ID`, `resumed N`, `gap OLDEST N`, `reset`, `cursor ID`, `lost: WHY`,
/// `error: WHY`, `nothing`.
pub(crate) fn told(source: &mut EventSource) -> String {
    match next(source) {
        None => "nothing".to_owned(),
        Some(Err(error)) => format!("error: {error}"),
        Some(Ok(Item::Open)) => "open".to_owned(),
        Some(Ok(Item::Event(event))) => format!("{} {:?} @{}", event.event, event.data, event.last_event_id),
        Some(Ok(Item::Resumed { replayed })) => format!("resumed {replayed}"),
        Some(Ok(Item::Gap { oldest, replayed })) => format!("gap {oldest} {replayed}"),
        Some(Ok(Item::Reset)) => "reset".to_owned(),
        Some(Ok(Item::Cursor { last_event_id })) => format!("cursor {last_event_id}"),
        Some(Ok(Item::Lost { error, .. })) => format!("lost: {error}"),
        Some(Ok(item)) => format!("{item:?}"),
    }
}

/// The next so many.
pub(crate) fn all_told(source: &mut EventSource, count: usize) -> Vec<String> {
    (0..count).map(|_| told(source)).collect()
}
