//! Subscribers that ask, read the head of the answer, and then nothing more, on a thread of their own; and what is held for them.

use std::time::Duration;

use super::board::{Board, Mark};
use super::clock;
use super::course::NAP;
use super::crowd::Crowd;
use super::memory::Memory;
use super::mix::Spread;
use super::plan::Plan;
use super::receiver::Receiver;
use super::server::Server;
use super::traffic::Traffic;
use crate::failure::Failure;

/// How often memory is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// Those of one run.
#[derive(Debug)]
pub(super) struct Stalled<'a> {
    plan: &'a Plan,
    run: &'a Board,
    /// Their own: nobody waits for what they are owed.
    board: Board,
    server: Server,
}

/// What was found of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) disconnected: usize,
    /// The most that was held while it was measured.
    pub(super) peak: Memory,
}

impl<'a> Stalled<'a> {
    /// Those of a plan, where it has any.
    pub(super) fn of(plan: &'a Plan, run: &'a Board, server: Server) -> Result<Option<Self>, Failure> {
        if plan.stalled == 0 {
            return Ok(None);
        }
        let board = Board::new(1, Traffic::new(Spread::new(plan.mix, plan.subscribers), plan.stalled))?;
        Ok(Some(Self { plan, run, board, server }))
    }

    /// How many have subscribed, and how many shall.
    pub(super) fn subscribed(&self) -> (u64, u64) {
        (self.board.sum(|gauge| &gauge.subscribed), u64::from(self.plan.stalled))
    }

    /// Opens them when it is time, and holds them to the end; `None` where that comes first.
    pub(super) fn hold(&self) -> Result<Option<Held>, Failure> {
        if !self.run.wait_for(Mark::Filling) {
            return Ok(None);
        }
        let mut receiver = Receiver::new(self.plan, &self.board, Crowd::stalled(self.plan), 0)?;
        let (mut peak, mut looked) = (Memory::default(), 0);
        while !self.run.is(Mark::Over) {
            receiver.turn(NAP)?;
            let (subscribed, all) = self.subscribed();
            self.board.set(Mark::Subscribed, subscribed >= all);
            if self.run.is(Mark::Measuring) && clock::between(looked, clock::now()) >= INTERVAL {
                (peak, looked) = (peak.max(Memory::now(self.server)), clock::now());
            }
        }
        Ok(Some(Held { disconnected: receiver.ended(), peak }))
    }
}
