//! Subscribers that come back all at once in the middle of a measurement, on a thread of their own: each wants everything behind the
//! first event that was measured, and is checked like the others.

use std::thread::sleep;
use std::time::Duration;

use super::board::{Board, Mark, TICK};
use super::clock;
use super::course::NAP;
use super::crowd::{Bookmark, Crowd};
use super::mix::Spread;
use super::plan::{Amount, Plan};
use super::receiver::Receiver;
use super::tally::Tally;
use super::traffic::Traffic;
use crate::failure::Failure;

/// The only topic that there is.
const TOPIC: u32 = 0;

/// That of one run.
#[derive(Debug)]
pub(super) struct Storm<'a> {
    plan: &'a Plan,
    run: &'a Board,
    /// Its own: those who are measured do not wait for it.
    board: Board,
}

/// How it went.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Passed {
    /// Until the last one had its head.
    pub(super) connected: Option<Duration>,
    /// Until the last one had all that had been published when the last one had its head.
    pub(super) caught_up: Option<Duration>,
    /// Messages that were older than the subscription of whoever got them.
    pub(super) replayed: u64,
}

impl<'a> Storm<'a> {
    /// That of a plan, where it has one.
    pub(super) fn of(plan: &'a Plan, run: &'a Board) -> Result<Option<Self>, Failure> {
        if plan.storm == 0 {
            return Ok(None);
        }
        let board = Board::new(1, Traffic::new(Spread::new(plan.mix, plan.storm), plan.storm))?;
        Ok(Some(Self { plan, run, board }))
    }

    /// Whether its time had come.
    pub(super) fn has_begun(&self) -> bool {
        self.board.is(Mark::Subscribed)
    }

    /// How far it is, and how far it is to be: heads and messages together.
    pub(super) fn progress(&self) -> (u64, u64) {
        self.follow();
        let reached = self.board.sum(|gauge| &gauge.subscribed) + self.board.sum(|gauge| &gauge.settled);
        (reached, u64::from(self.plan.storm) + self.board.due())
    }

    /// Waits for its time, and comes; goes on to the end of the run.
    pub(super) fn pass(&self) -> Result<Option<(Passed, Tally)>, Failure> {
        let Some(bookmark) = self.wait() else { return Ok(None) };
        if bookmark.id.is_empty() {
            return Err(Failure::refused("storm", "the server gives events no id, so nobody can come back"));
        }
        let first = bookmark.number;
        self.board.with_traffic(|traffic| traffic.begin_behind(first));
        let mut receiver = Receiver::new(self.plan, &self.board, Crowd::storm(self.plan, bookmark), 0)?;
        self.board.set(Mark::Subscribed, true);
        let (begun, mut passed) = (clock::now(), Passed::default());
        let (mut heads, mut goal, mut cursor) = (0, None, 0);
        while !self.run.is(Mark::Over) {
            receiver.turn(NAP)?;
            let newest = self.follow();
            let (before, elapsed) = (heads, clock::between(begun, receiver.time()));
            heads = receiver.heads();
            // Fewer where one that had a head was told to come back later.
            passed.replayed += heads.saturating_sub(before) * u64::from(newest - first);
            if goal.is_none() && heads == u64::from(self.plan.storm) {
                (goal, passed.connected) = (Some(newest), Some(elapsed));
            }
            let caught_up = goal.is_some_and(|goal| receiver.all_have(goal, &mut cursor));
            passed.caught_up = passed.caught_up.or(caught_up.then_some(elapsed));
        }
        self.follow();
        Ok(Some((passed, receiver.finish())))
    }

    /// Waits until half of the measurement is over; `None` where the run is to end first.
    fn wait(&self) -> Option<Bookmark> {
        let mut begun = None;
        while !self.run.is(Mark::Over) && !self.run.is(Mark::Interrupted) {
            let measured = (self.newest() + 1).saturating_sub(self.run.quest().first());
            if let Some(bookmark) = self.run.quest().found() {
                let elapsed = clock::between(*begun.get_or_insert_with(clock::now), clock::now());
                let is_half = match self.plan.amount {
                    Amount::Messages(messages) => u64::from(measured) >= messages / 2,
                    Amount::Time(time) | Amount::Either(_, time) => elapsed >= time / 2,
                };
                if is_half {
                    return Some(bookmark.clone());
                }
            }
            sleep(TICK);
        }
        None
    }

    /// Has its own traffic follow that of the run; gives the number of the newest message.
    fn follow(&self) -> u32 {
        let newest = self.newest();
        self.board.with_traffic(|traffic| {
            while traffic.newest(TOPIC) < newest {
                traffic.publish();
            }
        });
        newest
    }

    fn newest(&self) -> u32 {
        self.run.with_traffic(|traffic| traffic.newest(TOPIC))
    }
}
