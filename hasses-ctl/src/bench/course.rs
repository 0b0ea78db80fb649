//! The course of a run: subscribe, wait, warm up, measure, listen for what should not come.
//!
//! The first receiving thread is the one that this runs on. In a closed loop it publishes as well, so that nothing pays for
//! waking a publisher up; at a rate a thread of its own does.

use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use super::board::{Board, Gauge, Mark};
use super::clock;
use super::cores::{pin, pin_to};
use super::crowd::Crowd;
use super::generator;
use super::measured::{Ended, Measured, Published, Span};
use super::memory::Memory;
use super::metronome::Metronome;
use super::plan::{Amount, Plan};
use super::publisher::Publisher;
use super::receiver::{Found, Receiver};
use super::server::{Moment, Server};
use super::stalled::Stalled;
use super::storm::{Passed, Storm};
use super::tally::{Faults, Tally, histogram};
use crate::failure::Failure;

/// How long to listen, after the last message that was due, for messages that should not come.
const QUIET: Duration = Duration::from_millis(50);
/// How long a turn may sleep.
pub(super) const NAP: Duration = Duration::from_millis(100);

/// Runs a plan.
pub(super) fn run(plan: &Plan, board: &Board) -> Result<Measured, Failure> {
    pin(&plan.cores)?;
    let server = Server::find(plan)?;
    let publisher = Publisher::new(
        plan.place.outlet.open(plan.place.trust.as_ref())?,
        plan.place.outlet.way().clone(),
        plan.shape.clone(),
    );
    let (stalled, storm) = (Stalled::of(plan, board, server)?, Storm::of(plan, board)?);
    thread::scope(|scope| {
        let _end = EndOnDrop(board);
        let threads: Vec<_> = (1..plan.threads).map(|rank| scope.spawn(move || receive(plan, board, rank))).collect();
        let holding = stalled.as_ref().map(|stalled| scope.spawn(|| or_fail(board, stalled.hold()).flatten()));
        let passing = storm.as_ref().map(|storm| scope.spawn(|| or_fail(board, pass(plan, storm)).flatten()));
        pin_to(&plan.cores, 0, plan.threads)?;
        let receiver = Receiver::new(plan, board, Crowd::measured(plan), 0)?;
        receiver.watch_publisher(&publisher)?;
        let (stalled, storm) = (stalled.as_ref(), storm.as_ref());
        let mut course = Course { plan, board, server, receiver, publisher, stalled, storm };
        let mut measured = course.all()?;
        board.end();
        measured.take(course.receiver.finish());
        for thread in threads {
            joined(thread)?.into_iter().for_each(|tally| measured.take(tally));
        }
        measured.stalled = holding.map(joined).transpose()?.flatten();
        if let Some((passed, tally)) = passing.map(joined).transpose()?.flatten() {
            measured.storm = Some(passed);
            measured.take(tally);
        }
        board.failure().map_or(Ok(measured), Err)
    })
}

/// Another receiving thread, up to its end.
fn receive(plan: &Plan, board: &Board, rank: usize) -> Option<Tally> {
    let crowd = Crowd::measured(plan);
    let ran = pin_to(&plan.cores, rank, plan.threads).and_then(|()| Receiver::new(plan, board, crowd, rank));
    or_fail(board, ran.and_then(|mut receiver| receiver.run().map(|()| receiver.finish())))
}

/// The thread of a storm, which has a core of its own where there is one more than the others have.
fn pass(plan: &Plan, storm: &Storm) -> Result<Option<(Passed, Tally)>, Failure> {
    pin_to(&plan.cores, plan.threads, plan.threads + 1)?;
    storm.pass()
}

/// What a thread came to; a failure ends the run.
fn or_fail<T>(board: &Board, result: Result<T, Failure>) -> Option<T> {
    result.map_err(|failure| board.fail(failure)).ok()
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> Result<T, Failure> {
    thread.join().map_err(|_| Failure::refused("panic", "a receiving thread panicked"))
}

/// What an interrupt does to a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interrupt {
    /// It ends it.
    Ends,
    /// What was published by then still has to arrive.
    Waits,
}

struct Course<'a> {
    plan: &'a Plan,
    board: &'a Board,
    server: Server,
    receiver: Receiver<'a>,
    publisher: Publisher,
    stalled: Option<&'a Stalled<'a>>,
    storm: Option<&'a Storm<'a>>,
}

impl Course<'_> {
    fn all(&mut self) -> Result<Measured, Failure> {
        let mut measured = Measured {
            server: self.server,
            connect: Span::default(),
            memory: None,
            idle: None,
            published: None,
            latency: histogram(),
            faults: Faults::default(),
            remarks: Vec::new(),
            stalled: None,
            storm: None,
            ended: Ended::Properly,
        };
        let resident = self.server.resident();
        measured.connect = self.subscribe()?;
        let growth = |server: Server| Some(server.resident()?.saturating_sub(resident?));
        measured.memory = growth(self.server);
        if let Some(idle) = self.plan.idle {
            let span = self.idle(idle)?;
            measured.idle = Some((span, growth(self.server)));
        }
        if let Some(stalled) = self.stalled {
            self.board.set(Mark::Filling, true);
            self.gather(|_| stalled.subscribed())?;
        }
        let (_, ended) = self.publish(self.plan.warm_up)?;
        measured.ended = ended;
        if ended == Ended::Properly {
            let (published, ended) = self.measure()?;
            measured.published = Some(published);
            measured.ended = ended;
        }
        self.conclude(&mut measured)?;
        Ok(measured)
    }

    /// Listens for what should not come, and says what the whole of it may mean.
    fn conclude(&mut self, measured: &mut Measured) -> Result<(), Failure> {
        self.listen(QUIET)?;
        if self.board.due() > 0 && self.board.sum(|gauge| &gauge.received) == 0 {
            measured.remarks.extend(self.plan.place.doubt.clone());
        }
        if measured.ended == Ended::Stalled {
            measured.remarks.extend(self.publisher.unfinished());
        }
        if let Some(parting) = self.parting() {
            if measured.published.is_none() {
                return Err(Failure::unreachable(parting));
            }
            measured.remarks.push(parting);
        }
        Ok(())
    }

    /// What to say where the publisher's connection is lost: that the server is gone, where nobody is connected to it any more.
    fn parting(&self) -> Option<String> {
        let lost = self.publisher.lost()?;
        let is_deserted = self.board.with_traffic(|traffic| traffic.is_deserted());
        Some(if is_deserted { format!("the server is gone: {lost}") } else { lost.to_owned() })
    }

    /// Has all subscribers connect.
    fn subscribe(&mut self) -> Result<Span, Failure> {
        let before = self.server.before();
        let all = u64::from(self.plan.subscribers);
        self.gather(|board| (board.sum(|gauge| &gauge.subscribed), all))?;
        self.board.set(Mark::Subscribed, true);
        Ok(Span::between(&before, &self.server.at_rest()))
    }

    /// Waits until so many are subscribed as shall be.
    fn gather(&mut self, subscribed: impl Fn(&Board) -> (u64, u64)) -> Result<(), Failure> {
        match self.until(&subscribed, Interrupt::Ends)? {
            Ended::Properly => Ok(()),
            Ended::Stalled => {
                let ((subscribed, all), seconds) = (subscribed(self.board), self.plan.patience.as_secs_f64());
                let error = format!("{subscribed} of {all} are subscribed, and no further one since {seconds} s");
                Err(Failure::refused("refused", error))
            }
            Ended::Gone => Err(Failure::unreachable(self.publisher.lost().unwrap_or_default())),
            Ended::Interrupted => Err(Failure::refused("interrupted", "ended before anything was measured")),
        }
    }

    /// Publishes nothing for a while.
    fn idle(&mut self, time: Duration) -> Result<Span, Failure> {
        let before = self.server.before();
        self.listen(time)?;
        Ok(Span::between(&before, &self.server.at_rest()))
    }

    fn measure(&mut self) -> Result<(Published, Ended), Failure> {
        let before = self.server.before();
        let sums = |board: &Board| {
            let sum = |of: fn(&Gauge) -> &_| board.sum(of);
            (
                board.due(),
                sum(|gauge| &gauge.received),
                sum(|gauge| &gauge.bytes),
                board.with_traffic(|traffic| traffic.unheard()),
            )
        };
        let (due, received, bytes, unheard) = sums(self.board);
        let memory = self.memory();
        self.receiver.resume();
        self.board.quest().begin(self.board.with_traffic(|traffic| traffic.newest(0)) + 1);
        self.board.set(Mark::Measuring, true);
        let generator = generator::Moment::now(self.board);
        let begun = Moment { time: clock::now(), ..before };
        let (messages, ended) = self.publish(self.plan.amount)?;
        let time = clock::now();
        let used = generator::Moment::now(self.board).since(&generator, self.board, self.plan.manner);
        self.board.set(Mark::Measuring, false);
        let after = sums(self.board);
        let memory = memory.zip(self.memory());
        let ended = self.ride_out(ended)?;
        let span = self.span(&begun, time, ended);
        self.receiver.resume();
        let published = Published {
            span,
            messages,
            expected: after.0.saturating_sub(due),
            received: after.1.saturating_sub(received),
            bytes: after.2.saturating_sub(bytes),
            unheard: after.3.saturating_sub(unheard),
            generator: used,
            memory,
        };
        Ok((published, ended))
    }

    /// What was measured from a moment to a time, looked at now.
    fn span(&self, begun: &Moment, time: u64, ended: Ended) -> Span {
        let span = Span::between(begun, &Moment { time, ..self.server.at_rest() });
        // What a process had used goes with it.
        if ended == Ended::Gone { Span { cpu: None, busy: None, ..span } } else { span }
    }

    /// What is held now, where some read nothing.
    fn memory(&self) -> Option<Memory> {
        self.stalled.map(|_| Memory::now(self.server))
    }

    /// Receives until the storm has everything, where there is one.
    fn ride_out(&mut self, ended: Ended) -> Result<Ended, Failure> {
        match (self.storm, ended) {
            (Some(storm), Ended::Properly) => self.until(|_| storm.progress(), Interrupt::Waits),
            // It may be under way.
            (Some(storm), Ended::Interrupted) if storm.has_begun() => {
                Ok(if self.until(|_| storm.progress(), Interrupt::Waits)? == Ended::Stalled {
                    Ended::Stalled
                } else {
                    ended
                })
            }
            _ => Ok(ended),
        }
    }

    /// Publishes so much, up to the last delivery; gives the number of messages.
    fn publish(&mut self, amount: Amount) -> Result<(u64, Ended), Failure> {
        match self.plan.interval {
            Some(interval) => self.publish_at_rate(amount, interval),
            None => self.publish_in_turn(amount),
        }
    }

    /// The next burst when everybody has the one before.
    fn publish_in_turn(&mut self, amount: Amount) -> Result<(u64, Ended), Failure> {
        let (begun, mut published) = (clock::now(), 0);
        while amount.goes_on(published, clock::between(begun, self.receiver.time())) {
            if self.board.is(Mark::Interrupted) {
                return Ok((published, Ended::Interrupted));
            }
            let (publisher, burst) = (&mut self.publisher, self.plan.burst);
            self.board.with_traffic(|traffic| publisher.compose(burst, traffic));
            publisher.stamp(clock::now());
            publisher.write();
            published += burst;
            let ended = self.until_settled()?;
            if ended != Ended::Properly {
                return Ok((published, ended));
            }
        }
        Ok((published, Ended::Properly))
    }

    fn publish_at_rate(&mut self, amount: Amount, interval: Duration) -> Result<(u64, Ended), Failure> {
        let (board, plan) = (self.board, self.plan);
        let metronome = Metronome { board, burst: plan.burst, interval, patience: plan.patience };
        let (publisher, receiver) = (&mut self.publisher, &mut self.receiver);
        let (published, ended) = thread::scope(|scope| {
            let thread = scope.spawn(|| {
                // Not where this thread was bound to.
                pin(&plan.cores)?;
                let published = metronome.run(publisher, amount);
                board.wake_first();
                published
            });
            while !thread.is_finished() {
                // What ends it is told to the other thread by ending the run.
                let received = receiver.turn(NAP).and_then(|_| board.failure().map_or(Ok(()), Err));
                if let Err(failure) = received {
                    board.end();
                    return Err(failure);
                }
            }
            thread.join().map_err(|_| Failure::refused("panic", "the publishing thread panicked"))?
        })?;
        // Whoever takes or answers nothing more has been waited for.
        let ended = if ended == Ended::Stalled { ended } else { self.until_settled()? };
        let interrupted = ended == Ended::Properly && self.board.is(Mark::Interrupted);
        Ok((published, if interrupted { Ended::Interrupted } else { ended }))
    }

    fn until_settled(&mut self) -> Result<Ended, Failure> {
        self.until(|board| (board.sum(|gauge| &gauge.settled), board.due()), Interrupt::Waits)
    }

    /// Turns until the first number has reached the second, and every publish was answered; or until the first has not grown for
    /// too long.
    fn until(&mut self, progress: impl Fn(&Board) -> (u64, u64), interrupt: Interrupt) -> Result<Ended, Failure> {
        let mut seen = (progress(self.board).0, self.receiver.time());
        loop {
            if self.publisher.lost().is_some() {
                return Ok(Ended::Gone);
            }
            let (reached, wanted) = progress(self.board);
            if reached >= wanted && self.publisher.is_done() {
                return Ok(Ended::Properly);
            }
            let time = self.receiver.time();
            if reached != seen.0 {
                seen = (reached, time);
            } else if clock::between(seen.1, time) > self.plan.patience {
                return Ok(Ended::Stalled);
            }
            if interrupt == Interrupt::Ends && self.board.is(Mark::Interrupted) {
                return Ok(Ended::Interrupted);
            }
            self.turn(NAP)?;
        }
    }

    /// Receives for so long.
    fn listen(&mut self, time: Duration) -> Result<(), Failure> {
        let begun = clock::now();
        loop {
            let left = time.saturating_sub(clock::between(begun, clock::now()));
            if left.is_zero() || self.board.is(Mark::Interrupted) {
                return Ok(());
            }
            self.turn(left.min(NAP))?;
        }
    }

    fn turn(&mut self, nap: Duration) -> Result<(), Failure> {
        if self.receiver.turn(nap)? == Found::Publisher {
            self.publisher.write();
            self.publisher.read(self.receiver.buffer())?;
        }
        self.board.failure().map_or(Ok(()), Err)
    }
}

/// Ends the other threads, however this one ends.
struct EndOnDrop<'a>(&'a Board);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}
