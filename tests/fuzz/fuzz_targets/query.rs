//! The query of a subscription: what is accepted keeps its limits, and means the same when it is written in full escapes.
//!
//! The input is the query, as text.

#![no_main]

use std::fmt::Write as _;

use hasses::http::{LastEventId, Query, QueryLimits, parse_query};
use hasses_client::wire::TopicPattern;
use libfuzzer_sys::fuzz_target;

const MAX_TOPICS: usize = 8;
const MAX_REPLAY: usize = 100;
const LIMITS: QueryLimits = QueryLimits { topics: MAX_TOPICS, replay: MAX_REPLAY };

fuzz_target!(|query: &str| {
    let parsed = match parse_query(query, LIMITS) {
        Ok(parsed) => parsed,
        Err(refusal) => {
            assert!(!refusal.text.is_empty() && !refusal.text.contains(char::is_control), "{:?}", refusal.text);
            return;
        }
    };
    assert!((1..=MAX_TOPICS).contains(&parsed.patterns.len()), "{:?}", parsed.patterns);
    for (at, pattern) in parsed.patterns.iter().enumerate() {
        assert!(!parsed.patterns[..at].contains(pattern), "{pattern} is there twice");
        let text = pattern.to_string();
        assert!(!text.contains(char::is_control), "{text:?}");
        assert_eq!(TopicPattern::new(text).as_ref(), Ok(pattern), "a pattern that its own text does not make");
    }
    if let Some(id) = &parsed.id {
        assert!(!id.to_string().contains(char::is_control), "{id}");
    }

    assert!(parsed.replay.is_none_or(|replay| (1..=MAX_REPLAY).contains(&replay)), "{:?}", parsed.replay);

    let names: Vec<String> = parsed.patterns.iter().map(|pattern| escaped(&pattern.to_string())).collect();
    let id = parsed.id.as_ref().map_or_else(String::new, |id| format!("&id={}", escaped(&id.to_string())));
    let last = match parsed.last_event_id {
        Some(LastEventId::Id(last)) => format!("&last-event-id={}", escaped(&last.to_string())),
        Some(LastEventId::Foreign) => "&last-event-id=foreign".to_owned(),
        None => String::new(),
    };
    let replay = parsed.replay.map_or_else(String::new, |replay| format!("&replay={replay}"));
    let rest = format!("{id}{last}{replay}&notices={}", u8::from(parsed.notices));
    for rewritten in [format!("subscribe={}{rest}", names.join("-")), format!("topic={}{rest}", names.join("&topic="))]
    {
        let again = parse_query(&rewritten, LIMITS).unwrap_or_else(|refusal| panic!("{rewritten}: {refusal:?}"));
        assert_eq!(meaning(&again), meaning(&parsed), "{rewritten}");
    }
});

type Meaning<'a> = (&'a [TopicPattern], Option<String>, Option<LastEventId>, Option<usize>, bool);

fn meaning(query: &Query) -> Meaning<'_> {
    (&query.patterns, query.id.as_ref().map(ToString::to_string), query.last_event_id, query.replay, query.notices)
}

fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        write!(escaped, "%{byte:02X}").expect("a String takes everything");
        escaped
    })
}
