use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use async_io::Async;

use super::super::answers::Answers;
use super::super::call::{Caller, Outcome};
use super::super::stream::Stream;
use super::*;
use crate::options::Delivery;
use crate::wire::{Command, Publish, TopicPattern};

const SECOND: Duration = Duration::from_secs(1);

type Answered = flume::Receiver<(u64, Outcome)>;

/// A session with `queue` calls at most, ten seconds for each and five of patience, and the daemon's end of its connection.
fn session(queue: usize) -> (Session, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let connection = Connection { stream: Stream::Unix(Async::new(ours).unwrap()), answers: Answers::default() };
    let options = Options::default().queue(queue).call_timeout(10 * SECOND);
    (Session::new(connection, &options), theirs)
}

fn call(line: impl Into<Vec<u8>>, again: Again, deadline: Instant) -> (Call, Answered) {
    let (outcomes, outcome) = flume::bounded(1);
    let mut call = Call::new(&Command::Ping, None, Delivery::ExactlyOnce, deadline, Caller::new(outcomes, 0));
    (call.line, call.again) = (line.into(), again);
    (call, outcome)
}

/// Calls whose lines are these letters, all with the same deadline. Capitals may be made again.
fn calls(letters: &str, deadline: Instant) -> (VecDeque<Call>, Vec<Answered>) {
    let again = |letter: char| if letter.is_uppercase() { Again::OwnKey } else { Again::Never };
    letters.chars().map(|letter| call(format!("{letter}\n"), again(letter), deadline)).unzip()
}

/// Publishes of these letters, with keys of the client.
fn publishes(letters: &str, deadline: Instant) -> (VecDeque<Call>, Vec<Answered>) {
    let publish = |letter: char| {
        let (outcomes, outcome) = flume::bounded(1);
        let publish = Publish::new(TopicPattern::new("t").unwrap(), letter.to_string());
        let caller = Caller::new(outcomes, 0);
        let key = format!("key-{letter}");
        (Call::new(&Command::Publish(publish), Some(&key), Delivery::ExactlyOnce, deadline, caller), outcome)
    };
    letters.chars().map(publish).unzip()
}

fn arrived(theirs: &mut UnixStream) -> String {
    let mut bytes = vec![0; 1024 * 1024];
    let length = theirs.read(&mut bytes).unwrap_or(0);
    String::from_utf8(bytes[..length].to_vec()).unwrap()
}

/// The data of the publishes that have arrived, each with whether it had a key.
fn arrived_publishes(theirs: &mut UnixStream) -> Vec<(String, bool)> {
    let read = |line: &str| match Command::read_line(line.as_bytes()).unwrap() {
        Command::Publish(publish) => (publish.data, publish.key.is_some()),
        other => panic!("{other:?}"),
    };
    arrived(theirs).lines().map(read).collect()
}

fn lines(calls: &VecDeque<Call>) -> String {
    calls.iter().map(|call| std::str::from_utf8(&call.line).unwrap().trim_end()).collect()
}

fn outcome(outcome: &Answered) -> Outcome {
    outcome.try_recv().unwrap().1
}

fn answer(answered: &Answered) -> String {
    String::from_utf8(outcome(answered).unwrap()).unwrap()
}

fn fate_unknown(answered: &Answered) -> String {
    match outcome(answered) {
        Err(Error::FateUnknown { source }) => source.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_call_that_ran_out_of_time_keeps_its_place_in_the_order() {
    let (mut session, mut theirs) = session(8);
    let start = Instant::now();
    let (first, first_outcome) = call("a\n", Again::OwnKey, start + SECOND);
    let (second, second_outcome) = call("b\n", Again::Never, start + 4 * SECOND);
    session.flush(&mut VecDeque::from([first, second]), start).unwrap();
    assert_eq!(session.next_deadline(), Some(start + SECOND));

    session.expire(start + SECOND).unwrap();
    assert_eq!(fate_unknown(&first_outcome), "no answer within 10s");
    assert!(second_outcome.is_empty());
    assert_eq!(session.next_deadline(), Some(start + 4 * SECOND));

    theirs.write_all(b"{a}\n{b}\n").unwrap();
    session.receive(start + SECOND).unwrap();
    assert_eq!(answer(&second_outcome), "{b}");
    assert!(first_outcome.is_empty(), "it has one outcome");
    assert!(session.is_idle());
    assert_eq!(session.next_deadline(), None);
}

#[test]
fn a_daemon_is_dead_by_how_long_it_had_a_call_not_by_how_long_the_call_had_waited() {
    let (mut session, _theirs) = session(8);
    let start = Instant::now();
    // It waited for nine of its ten seconds before it could be written.
    let (late, outcome) = call("a\n", Again::OwnKey, start + SECOND);
    session.flush(&mut VecDeque::from([late]), start).unwrap();
    session.expire(start + 4 * SECOND).unwrap();
    fate_unknown(&outcome);
    assert_eq!(session.next_deadline(), Some(start + 5 * SECOND));
    let error = session.expire(start + 5 * SECOND).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[test]
fn a_daemon_that_works_off_a_long_queue_is_not_dead() {
    let (mut session, mut theirs) = session(8);
    let start = Instant::now();
    let (mut waiting, outcomes) = calls("abcd", start + 100 * SECOND);
    session.flush(&mut waiting, start).unwrap();
    for (nth, outcome) in (1..).zip(&outcomes[..3]) {
        let now = start + 4 * nth * SECOND;
        theirs.write_all(b"{}\n").unwrap();
        session.receive(now).unwrap();
        session.expire(now).unwrap();
        assert_eq!(answer(outcome), "{}");
        assert_eq!(session.next_deadline(), Some(now + 5 * SECOND));
    }
    session.expire(start + 16 * SECOND).unwrap();
    session.expire(start + 17 * SECOND).unwrap_err();
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
    session.receive(Instant::now()).unwrap();
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
        session.receive(Instant::now()).unwrap();
    }
    assert!(outcomes.iter().all(|outcome| answer(outcome) == "{}"));
}

#[test]
fn lines_stay_whole_however_little_the_socket_takes() {
    let (mut session, mut theirs) = session(usize::MAX);
    let texts: Vec<_> = (0..1000_usize).map(|nth| format!("{nth}{}\n", "x".repeat(nth * 37 % 9000))).collect();
    let deadline = Instant::now() + SECOND;
    let (mut waiting, outcomes): (VecDeque<_>, Vec<_>) =
        texts.iter().map(|text| call(text.as_str(), Again::Never, deadline)).unzip();
    let mut seen = String::new();
    let mut turns = 0;
    while seen.len() < texts.iter().map(String::len).sum() {
        session.flush(&mut waiting, Instant::now()).unwrap();
        let mut some = [0; 4999];
        let length = theirs.read(&mut some).unwrap();
        seen.push_str(std::str::from_utf8(&some[..length]).unwrap());
        turns += 1;
    }
    assert!(turns > 100, "the socket was never full");
    assert!(seen == texts.concat());
    assert!(waiting.is_empty());
    session.lose(&ended(), &mut waiting);
    for outcome in &outcomes {
        fate_unknown(outcome);
    }
}

#[test]
fn a_line_that_is_refused_before_it_was_all_written_is_written_to_its_end() {
    let (mut session, mut theirs) = session(8);
    let long = format!("{}\n", "x".repeat(4 * 1024 * 1024));
    let deadline = Instant::now() + SECOND;
    let (first, first_outcome) = call(long.as_str(), Again::OwnKey, deadline);
    let (second, second_outcome) = call("b\n", Again::OwnKey, deadline);
    let mut waiting = VecDeque::from([first, second]);
    session.flush(&mut waiting, Instant::now()).unwrap();
    assert_eq!(waiting.len(), 1, "the socket is full");
    theirs.write_all(b"{\"ok\":false,\"code\":\"too_large\",\"error\":\"e\"}\n").unwrap();
    session.receive(Instant::now()).unwrap();
    assert!(matches!(outcome(&first_outcome), Err(Error::Refused(failure)) if failure.code == ErrorCode::TooLarge));
    let mut seen = String::new();
    while seen.len() < long.len() + 2 {
        session.flush(&mut waiting, Instant::now()).unwrap();
        seen.push_str(&arrived(&mut theirs));
    }
    assert!(seen == long + "b\n");
    theirs.write_all(b"{\"ok\":true}\n").unwrap();
    session.receive(Instant::now()).unwrap();
    assert_eq!(answer(&second_outcome), "{\"ok\":true}");
}

#[test]
fn what_may_be_made_again_goes_to_the_head_of_the_queue_when_the_connection_is_lost() {
    let (mut session, theirs) = session(6);
    let (mut waiting, outcomes) = calls("AbCDEfGh", Instant::now() + SECOND);
    session.flush(&mut waiting, Instant::now()).unwrap();
    drop(theirs);
    let reason = session.receive(Instant::now()).unwrap_err();
    let mut outcomes = outcomes.into_iter();
    let (first, second, third) = (outcomes.next().unwrap(), outcomes.next().unwrap(), outcomes.next());
    drop(third);
    session.lose(&reason, &mut waiting);
    assert_eq!(lines(&waiting), "ADEGh", "b cannot be made again, and nobody waits for C any more");
    assert_eq!(waiting.iter().map(|call| call.open).collect::<Vec<_>>(), [true, true, true, false, false]);
    assert!(first.is_empty());
    fate_unknown(&second);
}

#[test]
fn a_line_that_was_written_in_part_is_made_again_from_its_beginning() {
    let (mut session, theirs) = session(8);
    let long = format!("{}\n", "x".repeat(4 * 1024 * 1024));
    let (first, _outcome) = call(long.as_str(), Again::OwnKey, Instant::now() + SECOND);
    let mut waiting = VecDeque::from([first]);
    session.flush(&mut waiting, Instant::now()).unwrap();
    assert!(waiting.is_empty());
    drop(theirs);
    session.lose(&ended(), &mut waiting);
    assert!(waiting[0].open && waiting[0].line == long.as_bytes());
}

#[test]
fn a_daemon_without_keys_gets_everything_once_more_in_order_and_without_keys() {
    let (mut session, mut theirs) = session(3);
    let (mut waiting, outcomes) = publishes("abcde", Instant::now() + SECOND);
    session.flush(&mut waiting, Instant::now()).unwrap();
    assert_eq!(arrived_publishes(&mut theirs).len(), 3);
    let refusal = b"{\"ok\":false,\"code\":\"unsupported\",\"error\":\"no log\"}\n";
    for nth in 0..3 {
        theirs.write_all(refusal).unwrap();
        session.receive(Instant::now()).unwrap();
        assert!(!session.is_idle());
        session.flush(&mut waiting, Instant::now()).unwrap();
        // Not before the last of them, since what follows could else come before it.
        assert_eq!(arrived_publishes(&mut theirs).is_empty(), nth < 2);
        if nth < 2 {
            continue;
        }
    }
    for _ in 0..3 {
        theirs.write_all(b"{\"ok\":true}\n").unwrap();
    }
    session.receive(Instant::now()).unwrap();
    session.flush(&mut waiting, Instant::now()).unwrap();
    assert_eq!(arrived_publishes(&mut theirs), [("d".to_owned(), false), ("e".to_owned(), false)]);
    assert_eq!(outcomes[..3].iter().map(answer).collect::<String>(), "{\"ok\":true}".repeat(3));
    // What went out without a key cannot be made again.
    session.lose(&ended(), &mut waiting);
    assert!(waiting.is_empty());
    outcomes[3..].iter().for_each(|outcome| {
        fate_unknown(outcome);
    });
}

#[test]
fn a_publish_that_may_have_happened_is_never_made_again_without_its_key() {
    let (mut session, mut theirs) = session(8);
    let (mut waiting, outcomes) = publishes("ab", Instant::now() + SECOND);
    waiting[0].open = true;
    session.flush(&mut waiting, Instant::now()).unwrap();
    for _ in 0..2 {
        theirs.write_all(b"{\"ok\":false,\"code\":\"unsupported\",\"error\":\"no log\"}\n").unwrap();
    }
    session.receive(Instant::now()).unwrap();
    assert_eq!(fate_unknown(&outcomes[0]), "the daemon answered unsupported: no log");
    arrived(&mut theirs);
    session.flush(&mut waiting, Instant::now()).unwrap();
    assert_eq!(arrived_publishes(&mut theirs), [("b".to_owned(), false)]);
}

#[test]
fn a_refusal_is_final_and_of_a_publish_that_was_sent_before_it_leaves_the_fate_open() {
    let (mut session, mut theirs) = session(8);
    let (mut waiting, outcomes) = publishes("ab", Instant::now() + SECOND);
    waiting[1].open = true;
    session.flush(&mut waiting, Instant::now()).unwrap();
    for _ in 0..2 {
        theirs.write_all(b"{\"ok\":false,\"code\":\"not_stored\",\"error\":\"disk full\"}\n").unwrap();
    }
    session.receive(Instant::now()).unwrap();
    assert!(matches!(outcome(&outcomes[0]), Err(Error::Refused(failure)) if failure.code == ErrorCode::NotStored));
    assert_eq!(fate_unknown(&outcomes[1]), "the daemon answered not_stored: disk full");
    assert!(session.is_idle());
}

#[test]
fn a_daemon_that_is_ending_is_left_once_it_has_answered_and_gets_nothing_more() {
    let (mut session, mut theirs) = session(4);
    let (mut waiting, outcomes) = publishes("abcde", Instant::now() + SECOND);
    let (question, question_outcome) = call("q\n", Again::Question, Instant::now() + SECOND);
    waiting.insert(3, question);
    session.flush(&mut waiting, Instant::now()).unwrap();
    let ending = "{\"ok\":false,\"code\":\"internal\",\"error\":\"the daemon is ending\"}\n";
    theirs.write_all(b"{\"ok\":true}\n").unwrap();
    theirs.write_all(ending.repeat(2).as_bytes()).unwrap();
    session.receive(Instant::now()).unwrap();
    session.flush(&mut waiting, Instant::now()).unwrap();
    assert_eq!(arrived(&mut theirs).lines().count(), 4, "nothing more is written");
    // A question is answered as it is.
    theirs.write_all(ending.as_bytes()).unwrap();
    session.receive(Instant::now()).unwrap();
    let reason = session.flush(&mut waiting, Instant::now()).unwrap_err();
    assert_eq!(reason.to_string(), "the daemon answered internal: the daemon is ending");
    session.lose(&reason, &mut waiting);
    let kept: Vec<_> = waiting.iter().map(|call| (Command::read_line(&call.line).unwrap(), call.open)).collect();
    let [
        (Command::Publish(b), true),
        (Command::Publish(c), true),
        (Command::Publish(d), false),
        (Command::Publish(e), false),
    ] = kept.as_slice()
    else {
        panic!("{kept:?}")
    };
    assert_eq!([&b.data, &c.data, &d.data, &e.data], ["b", "c", "d", "e"]);
    assert_eq!(answer(&outcomes[0]), "{\"ok\":true}");
    assert!(answer(&question_outcome).contains("internal"));
}

#[test]
fn nothing_is_taken_for_an_answer_that_is_none() {
    for (said, part) in [("x\n", "\"x\", which is no answer"), ("{}\n{}\n", "was not asked"), ("\n", "no answer")] {
        let (mut session, mut theirs) = session(8);
        let (mut waiting, _outcomes) = calls("a", Instant::now() + SECOND);
        session.flush(&mut waiting, Instant::now()).unwrap();
        theirs.write_all(said.as_bytes()).unwrap();
        let error = session.receive(Instant::now()).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}
