//! The course of a run: subscribe, wait, warm up, measure, listen for what should not come.
//!
//! The first receiving thread is the one that this runs on. In a closed loop it publishes as well, so that nothing pays for
//! waking a publisher up; at a rate a thread of its own does.

use std::thread;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::board::{Board, Gauge, Mark};
use super::clock;
use super::generator;
use super::metronome::Metronome;
use super::plan::{Amount, Plan};
use super::publisher::Publisher;
use super::receiver::{Found, Receiver};
use super::server::{Moment, Server};
use super::tally::{Faults, REMARKS, Tally, histogram};
use crate::failure::Failure;

/// How long to listen, after the last message that was due, for messages that should not come.
const QUIET: Duration = Duration::from_millis(50);
/// How long a turn may sleep.
const NAP: Duration = Duration::from_millis(100);

/// What a run gave.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) server: Server,
    pub(super) connect: Span,
    pub(super) memory: Option<u64>,
    pub(super) idle: Option<(Span, Option<u64>)>,
    pub(super) published: Option<Published>,
    pub(super) latency: Histogram<u64>,
    pub(super) faults: Faults,
    pub(super) remarks: Vec<String>,
    pub(super) ended: Ended,
}

/// A stretch of time, and the server's CPU in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) elapsed: Duration,
    pub(super) cpu: Option<Duration>,
    /// The share of it in which the server's busiest thread was busy.
    pub(super) busy: Option<f64>,
}

/// What was measured.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) span: Span,
    pub(super) messages: u64,
    pub(super) expected: u64,
    pub(super) received: u64,
    pub(super) bytes: u64,
    pub(super) generator: generator::Used,
}

/// How a wait, and a run, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Properly,
    /// Something was due and did not come.
    Stalled,
    /// The user ended it.
    Interrupted,
}

/// Runs a plan.
pub(super) fn run(plan: &Plan, board: &Board) -> Result<Measured, Failure> {
    pin(&plan.cores)?;
    let server = Server::find(plan)?;
    let publisher =
        Publisher::new(plan.outlet.open(plan.trust.as_ref())?, plan.outlet.way().clone(), plan.shape.clone());
    thread::scope(|scope| {
        let _end = EndOnDrop(board);
        let threads: Vec<_> = (1..plan.threads).map(|rank| scope.spawn(move || receive(plan, board, rank))).collect();
        pin_to(&plan.cores, 0, plan.threads)?;
        let receiver = Receiver::new(plan, board, 0)?;
        receiver.watch_publisher(&publisher)?;
        let mut course = Course { plan, board, server, receiver, publisher };
        let mut measured = course.all()?;
        board.end();
        measured.take(course.receiver.finish());
        for thread in threads {
            let tally = thread.join().map_err(|_| Failure::refused("panic", "a receiving thread panicked"))?;
            measured.take(tally);
        }
        board.failure().map_or(Ok(measured), Err)
    })
}

/// Another receiving thread, up to its end.
fn receive(plan: &Plan, board: &Board, rank: usize) -> Tally {
    let ran = pin_to(&plan.cores, rank, plan.threads).and_then(|()| Receiver::new(plan, board, rank));
    let ran = ran.and_then(|mut receiver| receiver.run().map(|()| receiver.finish()));
    ran.unwrap_or_else(|failure| {
        board.fail(failure);
        Tally::new(plan.shape.clone())
    })
}

struct Course<'a> {
    plan: &'a Plan,
    board: &'a Board,
    server: Server,
    receiver: Receiver<'a>,
    publisher: Publisher,
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
        let warm_up = self.plan.warm_up.div_ceil(self.plan.burst) * self.plan.burst;
        let (_, ended) = self.publish(Amount::Messages(warm_up))?;
        measured.ended = ended;
        if ended == Ended::Properly {
            let (published, ended) = self.measure()?;
            measured.published = Some(published);
            measured.ended = ended;
        }
        self.listen(QUIET)?;
        Ok(measured)
    }

    /// Has all subscribers connect.
    fn subscribe(&mut self) -> Result<Span, Failure> {
        let before = self.server.before();
        let all = u64::from(self.plan.subscribers);
        let ended = self.until(|board| (board.sum(|gauge| &gauge.subscribed), all))?;
        let subscribed = self.board.sum(|gauge| &gauge.subscribed);
        match ended {
            Ended::Properly => {}
            Ended::Stalled => {
                let seconds = self.plan.patience.as_secs_f64();
                let error = format!("{subscribed} of {all} are subscribed, and no further one since {seconds} s");
                return Err(Failure::refused("refused", error));
            }
            Ended::Interrupted => return Err(Failure::refused("interrupted", "ended before anything was measured")),
        }
        self.board.set(Mark::Subscribed, true);
        Ok(Span::between(&before, &self.server.at_rest()))
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
            (board.due(), sum(|gauge| &gauge.received), sum(|gauge| &gauge.bytes))
        };
        let (due, received, bytes) = sums(self.board);
        self.receiver.resume();
        self.board.set(Mark::Measuring, true);
        let generator = generator::Moment::now(self.board);
        let begun = Moment { time: clock::now(), ..before };
        let (messages, ended) = self.publish(self.plan.amount)?;
        let time = clock::now();
        let used = generator::Moment::now(self.board).since(&generator, self.board, self.plan.manner);
        self.board.set(Mark::Measuring, false);
        let after = sums(self.board);
        let span = Span::between(&begun, &Moment { time, ..self.server.at_rest() });
        self.receiver.resume();
        let published = Published {
            span,
            messages,
            expected: after.0.saturating_sub(due),
            received: after.1.saturating_sub(received),
            bytes: after.2.saturating_sub(bytes),
            generator: used,
        };
        Ok((published, ended))
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
            publisher.write()?;
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
        let published = thread::scope(|scope| {
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
        let ended = self.until_settled()?;
        let interrupted = ended == Ended::Properly && self.board.is(Mark::Interrupted);
        Ok((published, if interrupted { Ended::Interrupted } else { ended }))
    }

    fn until_settled(&mut self) -> Result<Ended, Failure> {
        self.until(|board| (board.sum(|gauge| &gauge.settled), board.due()))
    }

    /// Turns until the first number has reached the second, and every publish was answered; or until the first has not grown for
    /// too long.
    fn until(&mut self, progress: impl Fn(&Board) -> (u64, u64)) -> Result<Ended, Failure> {
        let mut seen = (progress(self.board).0, self.receiver.time());
        loop {
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
            if !self.board.is(Mark::Subscribed) && self.board.is(Mark::Interrupted) {
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
            self.publisher.write()?;
            self.publisher.read(self.receiver.buffer())?;
        }
        self.board.failure().map_or(Ok(()), Err)
    }
}

impl Measured {
    /// Adds what a thread has counted.
    fn take(&mut self, mut tally: Tally) {
        self.faults.add(&tally.faults);
        self.remarks.append(&mut tally.remarks);
        self.remarks.truncate(REMARKS);
        // Both are made alike.
        let _ = self.latency.add(tally.into_latency());
    }
}

impl Span {
    fn between(before: &Moment, after: &Moment) -> Self {
        Self { elapsed: after.since(before), cpu: after.cpu_since(before), busy: after.busy_since(before) }
    }
}

impl Default for Span {
    fn default() -> Self {
        Self { elapsed: Duration::ZERO, cpu: None, busy: None }
    }
}

/// Ends the other threads, however this one ends.
struct EndOnDrop<'a>(&'a Board);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Binds this thread, and those that it starts, to these cores; to any where there are none.
fn pin(cores: &[usize]) -> Result<(), Failure> {
    if cores.is_empty() {
        return Ok(());
    }
    let mut set = rustix::thread::CpuSet::new();
    cores.iter().for_each(|core| set.set(*core));
    rustix::thread::sched_setaffinity(None, &set)
        .map_err(|error| Failure::usage(format!("--cores {cores:?}: this process cannot run there: {error}")))
}

/// Binds this receiving thread to a core of its own, where there are enough of them.
fn pin_to(cores: &[usize], rank: usize, threads: usize) -> Result<(), Failure> {
    match cores.get(rank) {
        Some(core) if cores.len() >= threads => pin(&[*core]),
        _ => Ok(()),
    }
}
