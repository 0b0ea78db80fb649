use std::time::Duration;

use super::super::call::{Caller, Outcome};
use super::*;
use crate::options::Delivery;
use crate::wire::Command;

const SECOND: Duration = Duration::from_secs(1);

struct Test {
    entrance: Entrance,
    exit: Exit,
    waiting: VecDeque<Call>,
    start: Instant,
}

fn test(calls: usize, bytes: usize) -> Test {
    let options = Options::default().queue(calls).queue_bytes(bytes).call_timeout(10 * SECOND);
    let (entrance, exit) = queue(&options);
    Test { entrance, exit, waiting: VecDeque::new(), start: Instant::now() }
}

impl Test {
    fn call(&self, name: &str) -> (Call, flume::Receiver<(u64, Outcome)>) {
        let (outcomes, outcome) = flume::bounded(1);
        let deadline = self.start + 10 * SECOND;
        let mut call = Call::new(&Command::Ping, None, Delivery::ExactlyOnce, deadline, Caller::new(outcomes, 0));
        call.line = name.into();
        (call, outcome)
    }

    /// Has the call wait for room where there is none.
    fn push(&self, name: &str) -> flume::Receiver<(u64, Outcome)> {
        let (call, outcome) = self.call(name);
        assert!(self.entrance.push(call, WhenFull::Wait).is_ok());
        outcome
    }

    fn try_push(&self, name: &str) -> Option<QueueLimit> {
        match self.entrance.push(self.call(name).0, WhenFull::Leave) {
            Ok(()) => None,
            Err(Turned::Back(call, limit)) => {
                assert_eq!(call.line, name.as_bytes());
                Some(limit)
            }
            Err(Turned::Away) => panic!("the driver is there"),
        }
    }

    /// What the driver holds when it has taken what it can.
    fn taken(&mut self) -> String {
        self.exit.take(&mut self.waiting, self.start);
        self.waiting.iter().map(|call| String::from_utf8(call.line.clone()).unwrap()).collect()
    }

    fn end_first(&mut self) {
        self.waiting.pop_front().unwrap().end(Ok(Vec::new()));
    }

    fn backlog(&self) -> (usize, usize, usize) {
        let Backlog { calls, bytes, blocked } = self.entrance.backlog();
        (calls, bytes, blocked)
    }
}

#[test]
fn whoever_finds_no_room_stands_in_line_or_leaves_and_nobody_overtakes() {
    let mut test = test(2, 1000);
    let mut outcomes: Vec<_> = ["a", "b", "c", "d"].map(|name| test.push(name)).into();
    assert_eq!(test.try_push("x"), Some(QueueLimit::Calls(2)));
    assert_eq!((test.taken().as_str(), test.backlog()), ("ab", (2, 2, 2)));
    test.end_first();
    assert_eq!(test.backlog(), (1, 1, 2));
    assert_eq!(test.try_push("x"), Some(QueueLimit::Calls(2)), "there is room, but for those in line");
    assert!(test.exit.has_more());
    outcomes.push(test.push("e"));
    assert_eq!(test.taken(), "bc");
    assert!(!test.exit.has_more());
    test.end_first();
    test.end_first();
    assert_eq!((test.taken().as_str(), test.backlog()), ("de", (2, 2, 0)));
    test.end_first();
    assert_eq!((test.try_push("x"), test.taken().as_str()), (None, "ex"));
    assert!(outcomes[..4].iter().all(|outcome| outcome.try_recv().unwrap().1.is_ok()));
}

#[test]
fn bytes_are_bounded_too_and_one_call_always_fits() {
    let mut test = test(10, 10);
    let outcomes = ["twelve bytes", "b", "cccccc", "dddddd"].map(|name| test.push(name));
    assert_eq!((test.taken().as_str(), test.backlog()), ("twelve bytes", (1, 12, 3)));
    test.end_first();
    assert_eq!((test.taken().as_str(), test.backlog()), ("bcccccc", (2, 7, 1)));
    assert_eq!(test.try_push("x"), Some(QueueLimit::Bytes(10)));
    test.end_first();
    test.end_first();
    assert_eq!((test.taken().as_str(), test.backlog()), ("dddddd", (1, 6, 0)));
    assert!(outcomes[3].is_empty());
}

#[test]
fn who_stood_in_line_for_all_of_its_time_is_sent_away() {
    let mut test = test(1, 1000);
    let outcomes = ["a", "b", "c"].map(|name| test.push(name));
    assert_eq!(test.exit.next_deadline(), Some(test.start + 10 * SECOND));
    test.exit.take(&mut test.waiting, test.start + 10 * SECOND);
    for late in &outcomes[1..] {
        let error = late.try_recv().unwrap().1.unwrap_err();
        assert!(!error.was_sent());
        assert_eq!(
            error.to_string(),
            "not sent: the client's queue is full (1 call without an answer), and no room came within 10s"
        );
    }
    assert_eq!((test.backlog(), test.exit.next_deadline()), ((1, 1, 0), None));
    assert!(outcomes[0].is_empty(), "it is the driver's to end");
}

#[test]
fn dropped_calls_leave_their_room_to_others() {
    let mut test = test(3, 1000);
    let mut outcomes: Vec<_> = ["a", "b", "c", "d", "e"].map(|name| test.push(name)).into();
    assert_eq!(test.taken(), "abc");
    for dropped in [3, 1] {
        let attention = test.entrance.attend();
        drop(outcomes.remove(dropped));
        drop(attention);
    }
    assert!(smol::block_on(test.exit.rung()));
    assert_eq!((test.taken().as_str(), test.backlog()), ("ace", (3, 3, 0)));
}

#[test]
fn a_call_that_was_dropped_before_the_driver_took_it_leaves_its_room_as_well() {
    let mut test = test(2, 1000);
    let mut outcomes: Vec<_> = ["a", "b", "c"].map(|name| test.push(name)).into();
    let attention = test.entrance.attend();
    drop(outcomes.remove(0));
    drop(attention);
    assert_eq!((test.taken().as_str(), test.backlog()), ("bc", (2, 2, 0)));
}

#[test]
fn an_attention_that_has_ended_wakes_nobody() {
    let test = test(1, 1000);
    test.entrance.attend().end();
    assert!(test.exit.bell.is_empty());
    drop(test.entrance.attend());
    assert!(!test.exit.bell.is_empty());
}

#[test]
fn every_call_has_an_outcome_when_the_driver_is_gone() {
    let mut test = test(1, 1000);
    let outcomes = ["a", "b"].map(|name| test.push(name));
    test.taken();
    drop((test.exit, test.waiting));
    for outcome in &outcomes {
        assert!(matches!(outcome.try_recv().unwrap().1, Err(Error::Closed)));
    }
    let (outcomes, _outcome) = flume::bounded(1);
    let late = Call::new(&Command::Ping, None, Delivery::ExactlyOnce, test.start, Caller::new(outcomes, 0));
    assert!(matches!(test.entrance.push(late, WhenFull::Wait), Err(Turned::Away)));
}

#[test]
fn the_driver_hears_when_nobody_can_call_any_more() {
    let test = test(1, 1000);
    let outcome = test.push("a");
    drop(test.entrance);
    assert!(smol::block_on(test.exit.rung()), "the last call");
    assert!(!smol::block_on(test.exit.rung()));
    drop(outcome);
}
