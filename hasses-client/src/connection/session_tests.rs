use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use async_io::Async;

use super::super::answers::Answers;
use super::super::call::Outcome;
use super::super::stream::Stream;
use super::*;
use crate::wire::Command;

const SECOND: Duration = Duration::from_secs(1);

/// A session with `queue` calls at most and ten seconds of patience, and the daemon's end of its connection.
fn session(queue: usize) -> (Session, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let connection = Connection { stream: Stream::Unix(Async::new(ours).unwrap()), answers: Answers::default() };
    let options = Options::default().queue(queue).call_timeout(10 * SECOND);
    (Session::new(connection, &options), theirs)
}

fn call(line: impl Into<Vec<u8>>, deadline: Instant) -> (Call, flume::Receiver<Outcome>) {
    let (caller, outcome) = flume::bounded(1);
    let mut call = Call::new(&Command::Ping, deadline, Caller(caller));
    call.line = line.into();
    (call, outcome)
}

/// Calls whose lines are these letters, all with the same deadline.
fn calls(letters: &str, deadline: Instant) -> (VecDeque<Call>, Vec<flume::Receiver<Outcome>>) {
    letters.chars().map(|letter| call(format!("{letter}\n"), deadline)).unzip()
}

fn arrived(theirs: &mut UnixStream) -> String {
    let mut bytes = vec![0; 1024 * 1024];
    let length = theirs.read(&mut bytes).unwrap_or(0);
    String::from_utf8(bytes[..length].to_vec()).unwrap()
}

fn answer(outcome: &flume::Receiver<Outcome>) -> String {
    String::from_utf8(outcome.try_recv().unwrap().unwrap()).unwrap()
}

#[test]
fn a_call_that_ran_out_of_time_keeps_its_place_in_the_order() {
    let (mut session, mut theirs) = session(8);
    let start = Instant::now();
    let (first, first_outcome) = call("a\n", start + SECOND);
    let (second, second_outcome) = call("b\n", start + 5 * SECOND);
    session.flush(&mut VecDeque::from([first, second]), start).unwrap();
    assert_eq!(session.next_deadline(), Some(start + SECOND));

    session.expire(start + SECOND).unwrap();
    assert!(matches!(first_outcome.try_recv().unwrap(), Err(Error::FateUnknown { .. })));
    assert!(second_outcome.is_empty());
    assert_eq!(session.next_deadline(), Some(start + 5 * SECOND));

    theirs.write_all(b"{a}\n{b}\n").unwrap();
    session.receive().unwrap();
    assert_eq!(answer(&second_outcome), "{b}");
    assert!(session.is_idle());
    assert_eq!(session.next_deadline(), None);
}

#[test]
fn a_daemon_is_dead_by_how_long_it_had_a_call_not_by_how_long_the_call_had_waited() {
    let (mut session, _theirs) = session(8);
    let start = Instant::now();
    // It waited for nine of its ten seconds before it could be written.
    let (late, outcome) = call("a\n", start + SECOND);
    session.flush(&mut VecDeque::from([late]), start).unwrap();
    session.expire(start + 9 * SECOND).unwrap();
    assert!(outcome.try_recv().unwrap().is_err());
    assert_eq!(session.next_deadline(), Some(start + 10 * SECOND));
    let error = session.expire(start + 10 * SECOND).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[test]
fn dropped_calls_are_left_out_wherever_they_stand() {
    let (mut session, mut theirs) = session(8);
    let (mut waiting, outcomes) = calls("abcdef", Instant::now() + SECOND);
    let kept: Vec<_> = outcomes
        .into_iter()
        .enumerate()
        .filter_map(|(nth, outcome)| [1, 4].contains(&nth).then_some(outcome))
        .collect();
    session.flush(&mut waiting, Instant::now()).unwrap();
    assert_eq!(arrived(&mut theirs), "b\ne\n");
    theirs.write_all(b"{b}\n{e}\n").unwrap();
    session.receive().unwrap();
    assert_eq!(kept.iter().map(answer).collect::<Vec<_>>(), ["{b}", "{e}"]);
}

#[test]
fn only_so_many_calls_are_unanswered_at_a_time() {
    let (mut session, mut theirs) = session(2);
    let (mut waiting, outcomes) = calls("abcde", Instant::now() + SECOND);
    for (expected, left) in [("a\nb\n", 3), ("c\nd\n", 1), ("e\n", 0)] {
        session.flush(&mut waiting, Instant::now()).unwrap();
        assert_eq!((arrived(&mut theirs).as_str(), waiting.len()), (expected, left));
        for _ in expected.lines() {
            theirs.write_all(b"{}\n").unwrap();
        }
        session.receive().unwrap();
    }
    assert!(outcomes.iter().all(|outcome| answer(outcome) == "{}"));
}

#[test]
fn lines_stay_whole_however_little_the_socket_takes() {
    let (mut session, mut theirs) = session(usize::MAX);
    let lines: Vec<_> = (0..2000_usize).map(|nth| format!("{nth}{}\n", "x".repeat(nth * 37 % 5000))).collect();
    let (mut waiting, outcomes): (VecDeque<_>, Vec<_>) =
        lines.iter().map(|line| call(line.as_str(), Instant::now() + SECOND)).unzip();
    let mut seen = String::new();
    let mut turns = 0;
    while seen.len() < lines.iter().map(String::len).sum() {
        session.flush(&mut waiting, Instant::now()).unwrap();
        let mut some = [0; 4999];
        let length = theirs.read(&mut some).unwrap();
        seen.push_str(std::str::from_utf8(&some[..length]).unwrap());
        turns += 1;
    }
    assert!(turns > 100, "the socket was never full");
    assert!(seen == lines.concat());
    assert!(waiting.is_empty());
    session.lose(&ended());
    for outcome in outcomes {
        assert!(matches!(outcome.try_recv().unwrap(), Err(Error::FateUnknown { .. })));
    }
}

#[test]
fn what_was_not_written_is_not_lost_with_the_connection() {
    let (mut session, theirs) = session(2);
    let (mut waiting, outcomes) = calls("abcd", Instant::now() + SECOND);
    session.flush(&mut waiting, Instant::now()).unwrap();
    drop(theirs);
    let reason = session.receive().unwrap_err();
    session.lose(&reason);
    let lost: Vec<_> = outcomes.iter().map(|outcome| !outcome.is_empty()).collect();
    assert_eq!((lost, waiting.len()), (vec![true, true, false, false], 2));
}

#[test]
fn nothing_is_taken_for_an_answer_that_is_none() {
    for (said, part) in [("x\n", "\"x\", which is no answer"), ("{}\n{}\n", "was not asked"), ("\n", "no answer")] {
        let (mut session, mut theirs) = session(8);
        let (mut waiting, _outcomes) = calls("a", Instant::now() + SECOND);
        session.flush(&mut waiting, Instant::now()).unwrap();
        theirs.write_all(said.as_bytes()).unwrap();
        let error = session.receive().unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}
