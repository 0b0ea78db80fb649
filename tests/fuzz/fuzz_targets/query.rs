//! The query of a subscription: what is accepted keeps its limits, and means the same when it is written in full escapes.
//!
//! The input is the query, as text.

#![no_main]

use std::fmt::Write as _;

use hasses::http::{Query, parse_query};
use hasses_client::wire::TopicPattern;
use libfuzzer_sys::fuzz_target;

const MAX_TOPICS: usize = 8;

fuzz_target!(|query: &str| {
    let parsed = match parse_query(query, MAX_TOPICS) {
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

    let names: Vec<String> = parsed.patterns.iter().map(|pattern| escaped(&pattern.to_string())).collect();
    let id = parsed.id.as_ref().map_or_else(String::new, |id| format!("&id={}", escaped(&id.to_string())));
    for rewritten in [format!("subscribe={}{id}", names.join("-")), format!("topic={}{id}", names.join("&topic="))] {
        let again = parse_query(&rewritten, MAX_TOPICS).unwrap_or_else(|refusal| panic!("{rewritten}: {refusal:?}"));
        assert_eq!(meaning(&again), meaning(&parsed), "{rewritten}");
    }
});

fn meaning(query: &Query) -> (&[TopicPattern], Option<String>) {
    (&query.patterns, query.id.as_ref().map(ToString::to_string))
}

fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        write!(escaped, "%{byte:02X}").expect("a String takes everything");
        escaped
    })
}
