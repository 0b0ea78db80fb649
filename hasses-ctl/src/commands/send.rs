//! `send`: one message from the command line or standard input, or each line of standard input as one.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read as _};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use hasses_client::blocking::Client;
use hasses_client::wire::Reply;
use hasses_client::{Error, EventId, Message, Published};
use serde::Serialize;

use super::lines::{Lines, MAX_INPUT_BYTES};
use crate::arguments::Send;
use crate::failure::Failure;
use crate::output::{End, Output, complain, error_layout, note};
use crate::quantity::{count, counted};

/// Refused lines that are reported one by one; the rest is counted.
const REPORTED_REFUSALS: u64 = 20;

/// Sends.
pub(crate) fn run(
    arguments: &Send,
    connect: impl FnOnce() -> Result<Client, Failure>,
    out: &mut Output,
) -> Result<(), End> {
    if arguments.lines {
        if !arguments.message.is_empty() {
            return Err(Failure::usage("--lines takes its messages from standard input alone").into());
        }
        return send_lines(arguments, &connect()?, out);
    }
    // Before connecting, so that a connection does not wait for whoever types the message.
    let data = message(arguments)?;
    let published = connect()?.send(addressed(arguments, data))?;
    if published.matched == 0 && arguments.topic.contains('-') {
        let topic = &arguments.topic;
        note(&format!("a page listens to this topic by topic={topic}: in subscribe= a hyphen is between two topics"));
    }
    let text = sent(&published);
    out.answer(&Reply::Published(published), || text)
}

/// The one message.
fn message(arguments: &Send) -> Result<String, Failure> {
    match (arguments.stdin, arguments.message.as_slice()) {
        (false, [message]) => Ok(message.clone()),
        (true, []) => from_stdin(),
        (false, []) => Err(Failure::usage("the message is missing")
            .advise(match arguments.topic.split_once('=') {
                Some((topic, message)) => format!("hasses-ctl send {topic} \"{message}\""),
                None => format!("hasses-ctl send {} \"hi\"", arguments.topic),
            })
            .advise("`-` in its place reads standard input, --lines sends every line of it")),
        (_, words) => Err(Failure::usage(format!(
            "send takes one message, and there are {}",
            words.len() + usize::from(arguments.stdin)
        ))
        .advise(format!("put it in quotes: hasses-ctl send {} \"{}\"", arguments.topic, words.join(" ")))),
    }
}

fn from_stdin() -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let most = MAX_INPUT_BYTES as u64;
    io::stdin().lock().take(most + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() > MAX_INPUT_BYTES {
        let error = format!("standard input is longer than {MAX_INPUT_BYTES} bytes");
        return Err(Failure::refused("too_large", error));
    }
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::refused("bad_field", format!("standard input is not UTF-8 from byte {at} on"))
    })?;
    // As `$(…)` does: the line end that `echo` adds is not part of the message.
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::refused("input", format!("standard input cannot be read: {error}"))
}

/// The message with everything that the flags say about it.
fn addressed(arguments: &Send, data: String) -> Message {
    let mut message = Message::new(&arguments.topic, data).topics(&arguments.also);
    if let Some(event) = &arguments.event {
        message = message.event(event);
    }
    if let Some(id) = &arguments.except {
        message = message.except(id);
    }
    if let Some(milliseconds) = arguments.retry {
        message = message.retry(Duration::from_millis(milliseconds));
    }
    message
}

fn sent(published: &Published) -> String {
    if published.duplicate {
        // Its connection was lost before the answer came, and the answer to the second attempt counts nobody.
        return format!(
            "{}, which an earlier attempt had sent, so to how many subscribers is not known\n",
            published.id
        );
    }
    format!("{} to {}\n", published.id, counted(published.matched, "subscriber"))
}

/// What became of the lines.
#[derive(Debug, Default)]
struct Tally {
    sent: u64,
    matched: u64,
    refused: u64,
    first: Option<EventId>,
    last: Option<EventId>,
    /// Why no further line can be sent.
    lost: Option<Error>,
}

fn send_lines(arguments: &Send, client: &Client, out: &mut Output) -> Result<(), End> {
    let started = Instant::now();
    let json = out.is_json();
    let mut tally = Tally::default();
    let mut lines = Lines::new(io::stdin().lock());
    // A batch is what standard input has at this moment, so that of a slow one every line goes out as it comes.
    while tally.lost.is_none() && lines.fill().map_err(|error| unreadable(&error))? {
        let mut unfit = Vec::new();
        // The numbers of the lines under way: outcomes come in the order of the messages.
        let numbers = RefCell::new(VecDeque::new());
        let messages = std::iter::from_fn(|| {
            loop {
                match lines.take()? {
                    (number, Ok(line)) => {
                        numbers.borrow_mut().push_back(number);
                        return Some(addressed(arguments, line));
                    }
                    (number, Err(failure)) => unfit.push((number, failure)),
                }
            }
        });
        let _ = client.send_all(messages, |outcome| {
            let number = numbers.borrow_mut().pop_front().unwrap_or_default();
            tally.take(number, outcome, json)
        });
        for (number, failure) in unfit {
            tally.refuse(number, failure, json);
        }
    }
    if let Some(error) = tally.lost {
        let answered = counted(tally.sent + tally.refused, "line");
        let failure =
            Failure::from(error).advise(format!("{answered} had been answered before, {} refused", tally.refused));
        return Err(failure.into());
    }
    tally.report(started.elapsed(), out)?;
    if tally.refused > 0 {
        let lines = counted(tally.refused, "line");
        return Err(Failure::refused("refused_lines", format!("{lines} refused")).into());
    }
    Ok(())
}

impl Tally {
    /// Counts an outcome; breaks off where the daemon is lost, since a line sent after one of unknown fate could overtake it.
    fn take(&mut self, line: u64, outcome: Result<Published, Error>, json: bool) -> ControlFlow<()> {
        match outcome {
            Ok(published) => {
                self.sent += 1;
                self.matched += published.matched;
                self.first.get_or_insert(published.id);
                self.last = Some(published.id);
            }
            Err(Error::Invalid(failure) | Error::Refused(failure)) => self.refuse(line, failure.into(), json),
            Err(error) => {
                self.lost = Some(error);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    fn refuse(&mut self, line: u64, failure: Failure, json: bool) {
        self.refused += 1;
        if self.refused <= REPORTED_REFUSALS {
            complain(&failure.within(&format!("line {line}")).render(error_layout(json)));
        }
    }

    fn report(&self, took: Duration, out: &mut Output) -> Result<(), End> {
        if out.is_json() {
            #[derive(Serialize)]
            struct Line {
                ok: bool,
                sent: u64,
                refused: u64,
                matched: u64,
                #[serde(skip_serializing_if = "Option::is_none")]
                first: Option<EventId>,
                #[serde(skip_serializing_if = "Option::is_none")]
                last: Option<EventId>,
            }
            let ok = self.refused == 0;
            let Self { sent, matched, refused, first, last, .. } = *self;
            // Numbers, ids and a bool always have a JSON form.
            let line = serde_json::to_string(&Line { ok, sent, refused, matched, first, last }).unwrap_or_default();
            return out.text(&(line + "\n"));
        }
        let lines = counted(self.sent, "line");
        out.text(&format!("{lines} sent in {:.2} s, {} matched\n", took.as_secs_f64(), count(self.matched)))
    }
}
