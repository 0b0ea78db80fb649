//! `listen`: what a browser would get, as it comes.
//!
//! A connection that ends is made anew as browsers do it: after the time that the stream said with `retry:`, with the id of
//! the last event. Unlike a browser it gives up where the first attempt fails, since then most likely the URL is wrong.

use std::time::Duration;

use hasses_client::sse::Event;
use hasses_client::wire::{SubscriberId, TopicPattern};
use serde::Serialize;

use super::stream::{Closed, Stream, Subscription};
use crate::arguments::Listen;
use crate::failure::Failure;
use crate::output::{End, Output, note};
use crate::quantity::duration;
use crate::table::legible;

/// Until the stream says otherwise; what Chromium waits.
const DEFAULT_RETRY: Duration = Duration::from_secs(3);
/// Longest time between two attempts while nothing answers, unless the stream asked for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Prints events until there were as many as asked for, or for ever.
pub(crate) fn run(arguments: &Listen, out: &mut Output) -> Result<(), End> {
    check(arguments)?;
    let subscription =
        Subscription::new(&arguments.url, &arguments.topics, arguments.id.as_deref(), arguments.ca.as_deref())?;
    let mut left = arguments.count.unwrap_or(u64::MAX);
    let mut last_event_id = String::new();
    let mut retry = DEFAULT_RETRY;
    let mut ever_open = false;
    let mut failures = 0;
    while left > 0 {
        let lost = match subscription.open(&last_event_id) {
            Ok(mut stream) => {
                if !ever_open {
                    note(&format!("listening at {}", subscription.url()));
                }
                (ever_open, failures) = (true, 0);
                let ended = print(&mut stream, &mut left, out);
                stream.last_event_id().clone_into(&mut last_event_id);
                retry = stream.retry().unwrap_or(retry);
                match ended? {
                    Some(Closed::ForGood(failure)) => return Err(failure.into()),
                    Some(Closed::ForNow(reason)) => reason,
                    None => "the stream has ended".to_owned(),
                }
            }
            Err(Closed::ForGood(failure)) => return Err(failure.into()),
            Err(Closed::ForNow(reason)) if !ever_open => {
                return Err(unreachable(&subscription, &reason).into());
            }
            Err(Closed::ForNow(reason)) => {
                failures += 1;
                reason
            }
        };
        if left > 0 {
            let pause = pause(retry, failures);
            note(&format!("{}; again in {}", legible(&lost), seconds(pause)));
            std::thread::sleep(pause);
        }
    }
    Ok(())
}

fn check(arguments: &Listen) -> Result<(), Failure> {
    if arguments.topics.is_empty() {
        return Err(Failure::usage("no topic is given").advise("hasses-ctl listen room624; `'*'` is everything"));
    }
    for topic in &arguments.topics {
        TopicPattern::new(topic.as_str())?;
    }
    if let Some(id) = &arguments.id {
        SubscriberId::new(id.as_str())?;
    }
    Ok(())
}

fn unreachable(subscription: &Subscription, reason: &str) -> Failure {
    Failure::unreachable(format!("nobody answers at {}: {}", subscription.url(), legible(reason)))
        .advise("is the daemon running? `hasses` starts it and prints where it listens")
        .advise("say where subscribers connect with --url; `hasses-ctl status` shows it")
}

/// Prints what the stream brings. `Ok(None)` is its proper end, or that enough was printed.
fn print(stream: &mut Stream, left: &mut u64, out: &mut Output) -> Result<Option<Closed>, End> {
    loop {
        while let Some(event) = stream.waiting_event() {
            let text = if out.is_json() { json(&event) } else { text(&event, out.colour()) };
            out.text(&text)?;
            *left -= 1;
            if *left == 0 {
                out.flush()?;
                return Ok(None);
            }
        }
        out.flush()?;
        match stream.wait() {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(closed) => return Ok(Some(closed)),
        }
    }
}

fn json(event: &Event) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        id: &'a str,
        event: &'a str,
        data: &'a str,
    }
    let line = Line { id: &event.last_event_id, event: &event.event, data: &event.data };
    // Strings always have a JSON form.
    serde_json::to_string(&line).unwrap_or_default() + "\n"
}

/// Id, type and data; further lines of the data stand under its first.
fn text(event: &Event, colour: bool) -> String {
    let head = format!("{}  {}  ", legible(&event.last_event_id), legible(&event.event));
    let indent = " ".repeat(head.chars().count());
    let lines: Vec<_> = event.data.split('\n').map(legible).collect();
    let (dim, plain) = if colour { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
    format!("{dim}{head}{plain}{}\n", lines.join(&format!("\n{indent}")))
}

/// The time that the stream wants; where nothing answers, twice as long every time.
fn pause(retry: Duration, failures: u32) -> Duration {
    let longer = retry.max(Duration::from_millis(100)).saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    if failures < 2 { retry } else { longer.min(LONGEST_PAUSE.max(retry)) }
}

fn seconds(time: Duration) -> String {
    if time < Duration::from_secs(60) { format!("{:.1} s", time.as_secs_f64()) } else { duration(time.as_secs()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(data: &str) -> Event {
        Event { event: "tick".into(), data: data.into(), last_event_id: "17-0".into() }
    }

    #[test]
    fn further_lines_stand_under_the_first() {
        assert_eq!(text(&event("a\nb"), false), "17-0  tick  a\n            b\n");
        assert_eq!(text(&event("a\x1b[2J"), false), "17-0  tick  a\\u{1b}[2J\n");
        assert_eq!(text(&event("a"), true), "\x1b[2m17-0  tick  \x1b[0ma\n");
    }

    #[test]
    fn an_event_is_one_json_object_a_line() {
        assert_eq!(json(&event("a\nb")), "{\"id\":\"17-0\",\"event\":\"tick\",\"data\":\"a\\nb\"}\n");
    }

    #[test]
    fn pauses_grow_while_nothing_answers() {
        let millis = Duration::from_millis;
        for (retry, failures, expected) in [
            (3_000, 0, 3_000),
            (3_000, 1, 3_000),
            (3_000, 2, 6_000),
            (3_000, 3, 12_000),
            (3_000, 20, 30_000),
            (60_000, 20, 60_000),
            (0, 0, 0),
            (0, 2, 200),
            (3_000, u32::MAX, 30_000),
        ] {
            assert_eq!(pause(millis(retry), failures), millis(expected), "{retry} {failures}");
        }
    }
}
