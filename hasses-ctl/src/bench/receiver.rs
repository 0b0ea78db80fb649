//! One receiving thread: many subscribers on one epoll, opened, read and counted as cheaply as can be.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::EventFlags;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::RecvFlags;

use super::board::{Board, Mark};
use super::clock;
use super::crowd::{Conduct, Crowd};
use super::opening::Opening;
use super::plan::{Manner, Plan};
use super::scout::Scout;
use super::socket::{self, Socket};
use super::stop::Stop;
use super::stream::{End, EventStream};
use super::tally::Tally;
use crate::failure::Failure;
use crate::quantity::counted;

/// Enough for a burst of 50 events in one read.
const READ_BUFFER: usize = 64 * 1024;
const EVENTS_PER_WAIT: usize = 1_024;
/// Tokens of what is no subscriber; those have their rank.
const PUBLISHER: u64 = u64::MAX;
const WAKE: u64 = u64::MAX - 1;
const END: u64 = u64::MAX - 2;

/// How a subscribed connection is watched. Edge-triggered: the kernel need not look at each again at the next wait, which is a
/// tenth of the cost of a delivery here.
const READING: EventFlags = EventFlags::IN.union(EventFlags::RDHUP).union(EventFlags::ET);
/// How one is watched that reads nothing more: for its end alone.
const STALLING: EventFlags = EventFlags::RDHUP.union(EventFlags::ET);
/// The connection has ended, or is about to.
const ENDING: EventFlags = EventFlags::RDHUP.union(EventFlags::HUP).union(EventFlags::ERR);

/// More than the buffers of a connection hold.
const MOST_UNREAD: usize = 16 * 1024 * 1024;

/// A thread's subscribers, and what they have received.
pub(super) struct Receiver<'a> {
    plan: &'a Plan,
    board: &'a Board,
    crowd: Crowd,
    rank: usize,
    epoll: OwnedFd,
    ready: Vec<epoll::Event>,
    buffer: Box<[u8]>,
    subscribers: Vec<Subscriber>,
    opening: Opening,
    tally: Tally,
    subscribed: u64,
    /// Of those, the ones that had no head, or were told to come back later.
    absent: u64,
    bytes: u64,
    empty: u64,
    /// When the last turn ended.
    time: u64,
}

struct Subscriber {
    /// `None` once it is gone.
    socket: Option<Socket>,
    stage: Stage,
    stream: EventStream,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Connecting,
    Asked,
    Subscribed,
}

/// What a turn found besides what subscribers received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// The publisher's connection can be read or written.
    Publisher,
}

impl<'a> Receiver<'a> {
    /// The thread of this rank, without subscribers of the crowd yet.
    pub(super) fn new(plan: &'a Plan, board: &'a Board, crowd: Crowd, rank: usize) -> Result<Self, Failure> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(system)?;
        watch(&epoll, board.all_threads(), END, EventFlags::IN)?;
        if rank == 0 {
            watch(&epoll, board.first_thread(), WAKE, EventFlags::IN)?;
        }
        let thread = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
        board.gauges()[rank].thread.store(u64::from(thread), Relaxed);
        Ok(Self {
            plan,
            board,
            rank,
            epoll,
            ready: Vec::with_capacity(EVENTS_PER_WAIT),
            buffer: vec![0; READ_BUFFER].into_boxed_slice(),
            subscribers: Vec::new(),
            opening: Opening::new(&crowd, rank, clock::now()),
            crowd,
            tally: Tally::new(plan.shape.clone()),
            subscribed: 0,
            absent: 0,
            bytes: 0,
            empty: 0,
            time: clock::now(),
        })
    }

    /// Has the publisher's connection watched as well, edge-triggered.
    pub(super) fn watch_publisher(&self, publisher: impl AsFd) -> Result<(), Failure> {
        watch(&self.epoll, publisher, PUBLISHER, EventFlags::IN | EventFlags::OUT | EventFlags::ET)
    }

    /// Room to read into, for whoever is on this thread.
    pub(super) fn buffer(&mut self) -> &mut [u8] {
        &mut self.buffer
    }

    /// When the last turn ended.
    pub(super) fn time(&self) -> u64 {
        self.time
    }

    /// Forgets the time since the last turn, in which it was not this thread's business to receive.
    pub(super) fn resume(&mut self) {
        self.time = clock::now();
    }

    /// Receives until the run is over.
    pub(super) fn run(&mut self) -> Result<(), Failure> {
        while !self.board.is(Mark::Over) {
            self.turn(Duration::from_secs(1))?;
        }
        Ok(())
    }

    /// Opens what is to be opened, and reads once from everything that is readable; waits for it at most so long, or not at all
    /// where the plan says so.
    pub(super) fn turn(&mut self, patience: Duration) -> Result<Found, Failure> {
        self.open()?;
        if self.wait(patience)? == 0 {
            return Ok(Found::Nothing);
        }
        let measuring = self.board.is(Mark::Measuring);
        let mut found = Found::Nothing;
        for at in 0..self.ready.len() {
            match self.ready[at].data.u64() {
                PUBLISHER => found = Found::Publisher,
                // Read only to be unreadable again.
                WAKE => drop(rustix::io::read(self.board.first_thread(), &mut [0; 8])),
                END => {}
                rank => {
                    let rank = usize::try_from(rank).unwrap_or(usize::MAX);
                    self.attend(rank, self.ready[at].flags, measuring)?;
                }
            }
        }
        self.tell();
        self.time = clock::now();
        Ok(found)
    }

    /// Waits; gives the number of connections that are ready.
    fn wait(&mut self, patience: Duration) -> Result<usize, Failure> {
        let patience = match self.crowd.manner {
            Manner::Spin => Duration::ZERO,
            Manner::Sleep => self.opening.patience(self.time, patience),
        };
        self.ready.clear();
        let timeout = Timespec::try_from(patience).unwrap_or_default();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.ready), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(system(error)),
        }
        if self.ready.is_empty() {
            let now = clock::now();
            self.empty += now.saturating_sub(self.time);
            self.board.gauges()[self.rank].empty.store(self.empty, Relaxed);
            self.time = now;
        }
        Ok(self.ready.len())
    }

    /// Subscribers whose head has come, but for those that were told to come back later.
    pub(super) fn heads(&self) -> u64 {
        self.subscribed - self.absent
    }

    /// Whether all of its subscribers, those that are gone aside, have the message of this number. Those before `cursor` are known to.
    pub(super) fn all_have(&self, number: u32, cursor: &mut usize) -> bool {
        let has = |subscriber: &Subscriber| subscriber.socket.is_none() || subscriber.stream.due() > number;
        *cursor += self.subscribers[*cursor..].iter().take_while(|subscriber| has(subscriber)).count();
        *cursor == self.subscribers.len()
    }

    /// Ends it: what it has counted, and how many messages never came.
    pub(super) fn finish(mut self) -> Tally {
        let subscribers = self.subscribers.iter().filter(|subscriber| subscriber.socket.is_some());
        self.board.with_traffic(|traffic| {
            for Subscriber { stream, .. } in subscribers {
                let lost = stream.lost(traffic.newest(stream.topic()));
                self.tally.faults.lost += lost;
                if lost > 0 {
                    let (number, lost) = (stream.subscriber(), counted(lost, "message"));
                    self.tally.remark(|_| format!("subscriber {number} lacks {lost} at the end"));
                }
            }
        });
        self.tally
    }

    /// Reads what those have not who read nothing, since the end of a stream stands behind it; gives how many have ended.
    pub(super) fn ended(&mut self) -> usize {
        let buffer = &mut self.buffer;
        let has_ended = |subscriber: &mut Subscriber| {
            let Some(socket) = &mut subscriber.socket else { return true };
            let mut read = 0;
            while read < MOST_UNREAD {
                match rustix::net::recv(&*socket, &mut **buffer, RecvFlags::DONTWAIT) {
                    Ok((0, _)) => return true,
                    Ok((length, _)) => read += length,
                    Err(error) => return error != Errno::AGAIN,
                }
            }
            false
        };
        self.subscribers.iter_mut().map(has_ended).filter(|ended| *ended).count()
    }

    /// Says how far this thread is.
    fn tell(&self) {
        let gauge = &self.board.gauges()[self.rank];
        let settled = gauge.settled.swap(self.tally.settled, Relaxed) != self.tally.settled;
        let subscribed = gauge.subscribed.swap(self.subscribed, Relaxed) != self.subscribed;
        gauge.received.store(self.tally.received, Relaxed);
        gauge.bytes.store(self.bytes, Relaxed);
        let share_is_there = subscribed && self.opening.is_over(self.subscribed);
        if self.rank > 0 && (share_is_there || settled && self.board.is_settled()) {
            self.board.wake_first();
        }
    }

    /// Opens as many connections as are due.
    fn open(&mut self) -> Result<(), Failure> {
        while let Some(number) = self.opening.next(self.subscribed, self.time) {
            let topic = self.board.with_traffic(|traffic| traffic.topic_of(number - self.crowd.first));
            let from = socket::source(self.plan.place.target.address, number);
            let socket = Socket::connect(self.plan.place.target.address, from, self.plan.place.target.tls.as_ref())
                .map_err(|error| self.unreachable(number, &error))?;
            watch(&self.epoll, &socket, self.subscribers.len() as u64, EventFlags::OUT)?;
            let has = self.crowd.bookmark.as_ref().map_or(0, |bookmark| bookmark.number);
            let is_scout = number == 0 && self.plan.storm > 0;
            let scout = is_scout.then(|| Scout::new(self.board.quest().clone()));
            let stream = EventStream::new(number, topic, has).with(scout);
            self.subscribers.push(Subscriber { socket: Some(socket), stage: Stage::Connecting, stream });
        }
        Ok(())
    }

    /// Does what the subscriber of this rank is ready for.
    fn attend(&mut self, rank: usize, ready: EventFlags, measuring: bool) -> Result<(), Failure> {
        let Subscriber { socket: slot, stage, stream } = &mut self.subscribers[rank];
        let Some(socket) = slot else { return Ok(()) };
        match (*stage, self.crowd.conduct) {
            (Stage::Connecting, _) => return self.ask(rank),
            (Stage::Subscribed, Conduct::Stalls) => {
                return self.lose(rank, &io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            _ => {}
        }
        let tally = &mut self.tally;
        let stop = loop {
            let read = socket.receive(&mut self.buffer, |bytes| {
                tally.arrived = measuring.then(clock::now);
                stream.take(bytes, tally).map_err(Stop::End)
            });
            match read {
                Ok(length) => {
                    self.bytes += length as u64;
                    // Less than there is room for is all that was there, unless the end stands behind it.
                    if length < self.buffer.len() && !ready.intersects(ENDING) {
                        break None;
                    }
                }
                Err(Stop::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break None,
                Err(Stop::Io(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(stop) => break Some(stop),
            }
        };
        if *stage == Stage::Asked && stream.is_subscribed() {
            *stage = Stage::Subscribed;
            self.subscribed += 1;
            if self.crowd.conduct == Conduct::Stalls {
                let token = epoll::EventData::new_u64(rank as u64);
                epoll::modify(&self.epoll, &*socket, token, STALLING).map_err(system)?;
            }
        }
        stop.map_or(Ok(()), |stop| self.lose(rank, &stop))
    }

    /// Asks for the stream of the subscriber of this rank, which is connected or has failed to.
    fn ask(&mut self, rank: usize) -> Result<(), Failure> {
        let Subscriber { socket: slot, stage, stream } = &mut self.subscribers[rank];
        let Some(socket) = slot else { return Ok(()) };
        let request = self.plan.place.target.request(stream.topic(), &self.plan.shape, self.crowd.bookmark.as_ref());
        let asked = socket.fault().and_then(|()| socket.send(&request));
        *stage = Stage::Asked;
        epoll::modify(&self.epoll, &*socket, epoll::EventData::new_u64(rank as u64), READING).map_err(system)?;
        let number = stream.subscriber();
        asked.map(drop).map_err(|error| self.unreachable(number, &error))
    }

    /// A subscriber is gone. Where it has not been there yet, the run cannot be.
    fn lose(&mut self, rank: usize, stop: &Stop) -> Result<(), Failure> {
        let Subscriber { socket, stage, stream } = &mut self.subscribers[rank];
        let number = stream.subscriber();
        let had_head = u64::from(*stage == Stage::Subscribed);
        if matches!(stop, Stop::End(End::Refused(_))) || !self.board.is(Mark::Subscribed) {
            let place = &self.plan.place.target;
            return Err(stop.turned_away(place, number, self.crowd.end(), self.connected().saturating_sub(had_head)));
        }
        *socket = None;
        // Nobody has to wait for its head any more.
        self.subscribed += 1 - had_head;
        // Whoever is told to come back later has a head, and nothing behind it.
        self.absent += u64::from(had_head == 0 || matches!(stop, Stop::End(End::Deferred)));
        let (topic, due) = (stream.topic(), stream.due());
        let newest = self.board.with_traffic(|traffic| {
            traffic.leave(topic, due);
            traffic.newest(topic)
        });
        self.tally.faults.disconnected += 1;
        self.tally.faults.lost += stream.lost(newest);
        self.tally.remark(|_| format!("subscriber {number} was disconnected: {}", stop.reason()));
        // What is due is less now, which may be all that was waited for.
        self.board.wake_first();
        Ok(())
    }

    fn unreachable(&self, number: u32, error: &io::Error) -> Failure {
        if self.board.sum(|gauge| &gauge.subscribed) > 0 || self.subscribed > 0 {
            let error = format!("subscriber {number} of {} could not connect: {error}", self.crowd.end());
            return Failure::refused("refused", error);
        }
        Failure::unreachable(format!("nobody answers at {}: {error}", self.plan.place.target.url))
            .advise("say where subscribers connect: hasses-ctl bench http://127.0.0.1:8080/sse")
    }

    /// Subscribers that have their head.
    fn connected(&self) -> u64 {
        let gauges = self.board.gauges().iter().enumerate().filter(|(rank, _)| *rank != self.rank);
        let elsewhere: u64 = gauges.map(|(_, gauge)| gauge.subscribed.load(Relaxed)).sum();
        u64::from(self.crowd.first) + elsewhere + self.subscribed
    }
}

fn watch(epoll: &OwnedFd, what: impl AsFd, token: u64, flags: EventFlags) -> Result<(), Failure> {
    epoll::add(epoll, what, epoll::EventData::new_u64(token), flags).map_err(system)
}

fn system(error: Errno) -> Failure {
    Failure::refused("system", format!("epoll: {error}"))
}
