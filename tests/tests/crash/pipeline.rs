//! A publisher that numbers its events, sends them at full speed and reads the answers behind.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;

use hasses_client::wire::{ErrorCode, EventId, Failure, Published, Reply};
use hasses_tests::DEADLINE;
use serde_json::json;

use crate::over::Over;
use crate::stream::Entry;

/// Bytes that are sent at once, about.
const PIECE: usize = 4096;

/// One publisher, over all of its connections.
#[derive(Debug)]
pub(crate) struct Pipeline {
    /// Whether every event has a key, and what was not answered is sent again.
    keyed: bool,
    /// How many bytes the event of a number has more than its number.
    padding: fn(u64) -> usize,
    /// What was sent and not answered.
    open: Vec<u64>,
    /// The first number that was never sent.
    fresh: u64,
    /// What was acknowledged, with its id.
    pub(crate) acknowledged: BTreeMap<u64, EventId>,
    /// What was refused, with why.
    pub(crate) refused: BTreeMap<u64, Failure>,
    /// How many of those that were sent again were in the log already.
    pub(crate) duplicates: usize,
}

/// What has come on the present connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Answers {
    /// Answers that acknowledge.
    pub(crate) good: usize,
    /// Those that refuse.
    pub(crate) refusals: usize,
}

impl Pipeline {
    /// One that gives keys and sends again.
    pub(crate) fn keyed(padding: fn(u64) -> usize) -> Self {
        let (acknowledged, refused) = (BTreeMap::new(), BTreeMap::new());
        Self { keyed: true, padding, open: Vec::new(), fresh: 1, acknowledged, refused, duplicates: 0 }
    }

    /// One that does neither.
    pub(crate) fn without_keys(padding: fn(u64) -> usize) -> Self {
        Self { keyed: false, ..Self::keyed(padding) }
    }

    /// The number of the newest event that was sent.
    pub(crate) fn newest(&self) -> u64 {
        self.fresh - 1
    }

    /// Whether everything that was sent was answered.
    pub(crate) fn is_settled(&self) -> bool {
        self.open.is_empty()
    }

    /// Sees to it that what a log holds is in order, whole, with everything that was acknowledged under the id that was told, and
    /// with nothing that was refused.
    pub(crate) fn check(&self, entries: &[Entry]) {
        for pair in entries.windows(2) {
            assert!(pair[0].id < pair[1].id && pair[0].number < pair[1].number, "{pair:?}");
        }
        for entry in entries {
            let number = entry.number;
            assert_eq!(entry.length, number.to_string().len() + 1 + (self.padding)(number), "{entry:?}");
            assert!(!self.refused.contains_key(&number), "{number} was refused, and is there: {entry:?}");
        }
        for (number, id) in &self.acknowledged {
            let found = entries.binary_search_by_key(number, |entry| entry.number);
            let found = found.unwrap_or_else(|_| panic!("{number} was acknowledged as {id} and is missing"));
            assert_eq!(entries[found].id, *id, "{number}");
        }
    }

    /// Publishes over one connection, first what is open and then new events, until the answers are `enough`. Then `stop` is
    /// called, while more is on its way; answers are read up to the connection's end.
    pub(crate) fn publish(&mut self, control: &Path, mut enough: impl FnMut(Answers) -> bool, stop: impl FnOnce()) {
        let socket = UnixStream::connect(control).expect("the daemon listens");
        socket.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        let (over, again, fresh) = (Over::default(), std::mem::take(&mut self.open), self.fresh);
        let again = if self.keyed { again } else { Vec::new() };
        let number = |nth: usize| again.get(nth).copied().unwrap_or_else(|| fresh + (nth - again.len()) as u64);
        let mut answered = 0;
        let sent = std::thread::scope(|scope| {
            let writer = scope.spawn(|| send(&socket, &over, self.keyed, self.padding, number));
            let _hang_up = HangUp(&socket);
            let mut ending = Some(over.at_the_end());
            let (mut answers, mut stop) = (Answers::default(), Some(stop));
            let mut lines = BufReader::new(&socket);
            let mut line = Vec::new();
            loop {
                if enough(answers)
                    && let Some(stop) = stop.take()
                {
                    stop();
                    drop(ending.take());
                }
                line.clear();
                // The end, or an answer that was torn: whoever was promised nothing knows nothing.
                if lines.read_until(b'\n', &mut line).is_err() || line.last() != Some(&b'\n') {
                    assert!(stop.is_none(), "the daemon ended the connection by itself");
                    break;
                }
                match Reply::read_line::<Published>(&line).expect("an answer") {
                    Ok(published) => {
                        answers.good += 1;
                        let is_again = answered < again.len();
                        assert!(is_again || !published.duplicate, "{} was never sent before", number(answered));
                        self.duplicates += usize::from(published.duplicate);
                        self.acknowledged.insert(number(answered), published.id);
                    }
                    Err(failure) => {
                        answers.refusals += 1;
                        assert_eq!(failure.code, ErrorCode::NotStored, "{failure}");
                        self.refused.insert(number(answered), failure);
                    }
                }
                answered += 1;
            }
            writer.join().expect("the writer ends")
        });
        assert!(answered <= sent, "more answers than events");
        self.fresh += sent.saturating_sub(again.len()) as u64;
        // Where the writer did not come so far, nor did what it was to send again.
        self.open = (answered..sent.max(again.len())).map(number).collect();
    }

    /// Sends what is open until nothing is.
    pub(crate) fn settle(&mut self, control: &Path) {
        while !self.is_settled() {
            let count = self.open.len();
            self.publish(control, |answers| answers.good + answers.refusals >= count, || ());
        }
    }
}

/// Breaks a connection when dropped: what is wrong with an answer ends the writer, too.
struct HangUp<'a>(&'a UnixStream);

impl Drop for HangUp<'_> {
    fn drop(&mut self) {
        // The daemon may have been quicker.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// Writes until the connection breaks or it is over; gives how many events may have gone out.
fn send(
    mut socket: &UnixStream,
    over: &Over,
    keyed: bool,
    padding: impl Fn(u64) -> usize,
    number: impl Fn(usize) -> u64,
) -> usize {
    let (mut sent, mut piece) = (0, Vec::new());
    while !over.is_over() {
        piece.clear();
        while piece.len() < PIECE {
            let number = number(sent);
            let data = format!("{number} {}", "x".repeat(padding(number)));
            let mut command = json!({"cmd": "publish", "topic": topic(number), "data": data});
            if keyed {
                command["key"] = json!(format!("key {number}"));
            }
            serde_json::to_writer(&mut piece, &command).expect("a command");
            piece.push(b'\n');
            sent += 1;
        }
        if socket.write_all(&piece).is_err() {
            return sent;
        }
    }
    // The daemon may be gone.
    let _ = socket.shutdown(Shutdown::Write);
    sent
}

/// The topic of a number: one of four.
pub(crate) fn topic(number: u64) -> String {
    format!("room{}", number % 4)
}
