//! `listen`: what a browser would get, as it comes.
//!
//! A connection that ends is made anew as browsers do it: after the time that the stream said with `retry:`, with the id of
//! the last event. Unlike a browser it gives up where the first attempt fails, since then most likely the URL is wrong, and
//! where trying again will not help.

use std::time::Duration;

use hasses_client::EventSource;
use hasses_client::event_source::{Blocking, Error, Item};
use hasses_client::sse::Event;
use hasses_client::web::Url;
use hasses_client::wire::{SubscriberId, TopicPattern};
use serde::Serialize;

use crate::arguments::Listen;
use crate::failure::Failure;
use crate::output::{End, Output, complain, note};
use crate::quantity::{counted, duration};
use crate::table::legible;
use crate::tls;

/// How an alert of TLS begins where it is quoted.
const ALERT: &str = r"\u{15}\u{3}";

/// Prints events until there were as many as asked for, or for ever.
pub(crate) fn run(arguments: &Listen, out: &mut Output) -> Result<(), End> {
    check(arguments)?;
    let mut left = arguments.count.unwrap_or(u64::MAX);
    if left == 0 {
        return Ok(());
    }
    let mut source = subscribe(arguments)?;
    let mut ever_open = false;
    loop {
        let item = match source.try_next() {
            Some(item) => item,
            None => {
                // Before it waits, so that every event is seen as it comes.
                out.flush()?;
                source.next().unwrap_or(Err(Error::Closed))
            }
        };
        match item.map_err(|error| refused(arguments, error))? {
            Item::Event(event) => {
                let text = if out.is_json() { json(&event) } else { text(&event, out.colour()) };
                out.text(&text)?;
                left -= 1;
                if left == 0 {
                    return out.flush();
                }
            }
            Item::Open if !ever_open => {
                note(&format!("listening at {}", source.url()));
                ever_open = true;
            }
            Item::Lost { error: Error::Network(reason), .. } if !ever_open => {
                return Err(unreachable(source.url(), &reason.to_string()).into());
            }
            Item::Lost { error: error @ (Error::Tls { .. } | Error::Protocol(_)), .. } => {
                return Err(refused(arguments, error).into());
            }
            item => {
                // Behind the events that came before it.
                out.flush()?;
                complain(&remark(&item, out.is_json()));
            }
        }
    }
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
    Url::parse(&arguments.url)
        .map_err(|error| Failure::usage(error).advise("as in --url http://127.0.0.1:8080/sse"))?;
    Ok(())
}

fn subscribe(arguments: &Listen) -> Result<Blocking, Failure> {
    let mut builder = EventSource::builder(&arguments.url)
        .topics(&arguments.topics)
        .header("User-Agent", concat!("hasses-ctl/", env!("CARGO_PKG_VERSION")));
    if let Some(id) = &arguments.id {
        builder = builder.id(id);
    }
    if let Some(from) = &arguments.from {
        builder = builder.last_event_id(from);
    }
    if let Some(replay) = arguments.replay {
        builder = builder.replay(replay);
    }
    if let Some(ca) = &arguments.ca {
        builder = builder.authorities(ca);
    }
    builder.open().map(EventSource::blocking).map_err(|error| refused(arguments, error))
}

fn unreachable(url: &str, reason: &str) -> Failure {
    Failure::unreachable(format!("nobody answers at {url}: {}", legible(reason)))
        .advise("is the daemon running? `hasses` starts it and prints where it listens")
        .advise("say where subscribers connect with --url; `hasses-ctl status` shows it")
}

/// Why trying again will not help.
fn refused(arguments: &Listen, error: Error) -> Failure {
    let text = legible(&error.to_string()).into_owned();
    match error {
        Error::Invalid(_) => Failure::usage(text),
        Error::Tls { host, source } => {
            let url = arguments.url.split('?').next().unwrap_or(&arguments.url);
            tls::failed(&host, &source).advise(format!("`hasses-ctl doctor {url}` says what is wrong"))
        }
        // A server with TLS has nothing else to say to a request.
        Error::Protocol(_) if text.contains(ALERT) && arguments.url.starts_with("http://") => {
            Failure::refused("http", text).advise(tls::PERHAPS)
        }
        Error::Status { url, status, reason, says } => {
            let answered = format!("{url} answered {status} {}", legible(&reason));
            let failure = Failure::refused("http", answered.trim_end());
            if says.is_empty() { failure } else { failure.advise(format!("it says: {}", legible(&says))) }
        }
        Error::NotAStream { .. } => {
            Failure::refused("http", text).advise("does the path of --url match the daemon's --path?")
        }
        Error::TooLong { .. } => Failure::refused("too_large", text),
        _ => Failure::refused("http", text),
    }
}

/// A line for standard error: what became of the connection, or of the id that was presented.
fn remark(item: &Item, json: bool) -> String {
    #[derive(Serialize)]
    #[serde(tag = "status", rename_all = "lowercase")]
    enum Line {
        Resumed { replayed: u64 },
        Gap { oldest: String, replayed: u64 },
        Reset,
        Lost { error: String, retry_ms: u128 },
    }
    let (line, text) = match item {
        Item::Resumed { replayed } => {
            (Line::Resumed { replayed: *replayed }, format!("resumed, {} replayed", counted(*replayed, "event")))
        }
        Item::Gap { oldest, replayed } => {
            let text = format!("gap: events before {oldest} may be lost; {} replayed", counted(*replayed, "event"));
            (Line::Gap { oldest: oldest.to_string(), replayed: *replayed }, text)
        }
        Item::Reset => {
            let text = "reset: the id is not of this log, so nothing was replayed; events may be lost";
            (Line::Reset, text.to_owned())
        }
        Item::Lost { error, retry_in } => {
            let text = format!("{}; again in {}", legible(&error.to_string()), seconds(*retry_in));
            (Line::Lost { error: error.to_string(), retry_ms: retry_in.as_millis() }, text)
        }
        // Nothing to be said of the others.
        _ => return String::new(),
    };
    // Strings and numbers always have a JSON form.
    if json { serde_json::to_string(&line).unwrap_or_default() + "\n" } else { text + "\n" }
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
    fn what_becomes_of_the_connection_is_one_line() {
        let lost = |millis| Item::Lost { error: Error::Ended, retry_in: Duration::from_millis(millis) };
        let oldest = "17-5".parse().unwrap();
        for (item, text, json) in [
            (Item::Resumed { replayed: 1 }, "resumed, 1 event replayed", r#"{"status":"resumed","replayed":1}"#),
            (
                Item::Gap { oldest, replayed: 7 },
                "gap: events before 17-5 may be lost; 7 events replayed",
                r#"{"status":"gap","oldest":"17-5","replayed":7}"#,
            ),
            (
                Item::Reset,
                "reset: the id is not of this log, so nothing was replayed; events may be lost",
                r#"{"status":"reset"}"#,
            ),
            (
                lost(3_000),
                "the stream has ended; again in 3.0 s",
                r#"{"status":"lost","error":"the stream has ended","retry_ms":3000}"#,
            ),
            (
                lost(120_000),
                "the stream has ended; again in 2m 0s",
                r#"{"status":"lost","error":"the stream has ended","retry_ms":120000}"#,
            ),
        ] {
            assert_eq!(remark(&item, false), format!("{text}\n"));
            assert_eq!(remark(&item, true), format!("{json}\n"));
        }
        assert_eq!(remark(&Item::Open, false), "");
    }
}
