//! The thread behind a client: it takes calls from the queue, keeps the connection, and comes back after losing it.
//!
//! It is a thread of its own, because that is what makes the client independent of the executor that its callers run on.
//! It ends when the last [`Client`](crate::Client) was dropped and everything written has been answered, or has run out of time.

use std::collections::VecDeque;
use std::io;
use std::pin::{Pin, pin};
use std::thread;
use std::time::Instant;

use async_io::Timer;
use futures_lite::future;

use super::address::Address;
use super::call::Call;
use super::handshake::Connection;
use super::session::Session;
use crate::error::{Error, again};
use crate::options::Options;

/// Starts the thread, waits until it is connected, and returns the channel for calls.
///
/// The channels are flume's, since their ends are in any executor's tasks and in plain threads alike.
///
/// # Errors
/// Those of [`Connection::open`]; the thread has then ended.
pub(crate) async fn start(address: Address, options: Options) -> Result<flume::Sender<Call>, Error> {
    let url = address.to_string();
    let (sender, calls) = flume::bounded(options.queue.max(1));
    let (ready, connected) = flume::bounded(1);
    let driver = Driver::new(address, options, calls);
    thread::Builder::new()
        .name("hasses-client".into())
        .spawn(move || async_io::block_on(driver.run(&ready)))
        .map_err(|source| Error::Unreachable { url, source })?;
    connected.recv_async().await.unwrap_or(Err(Error::Closed))?;
    Ok(sender)
}

struct Driver {
    address: Address,
    options: Options,
    calls: flume::Receiver<Call>,
    /// Calls of which nothing was written. Those made first come first, so their deadlines come first too.
    waiting: VecDeque<Call>,
    /// There is a client that may still call.
    wanted: bool,
    timer: Timer,
    /// When the timer goes off. Setting it costs more than a write does, so it is set only where it would go off too late, and
    /// nothing may be due when it does.
    armed: Option<Instant>,
    /// Losses and failed attempts since a connection lasted.
    losses: u32,
}

impl Driver {
    fn new(address: Address, options: Options, calls: flume::Receiver<Call>) -> Self {
        let (waiting, timer) = (VecDeque::new(), Timer::never());
        Self { address, options, calls, waiting, wanted: true, timer, armed: None, losses: 0 }
    }

    async fn run(mut self, ready: &flume::Sender<Result<(), Error>>) {
        let mut connection = match Connection::open(&self.address, &self.options).await {
            Ok(connection) => connection,
            Err(error) => {
                // Whoever asked may have stopped waiting.
                let _ = ready.send(Err(error));
                return;
            }
        };
        let _ = ready.send(Ok(()));
        loop {
            let opened = Instant::now();
            let Some(reason) = self.serve(connection).await else { return };
            if opened.elapsed() >= self.options.backoff_max {
                self.losses = 0;
            }
            match self.reconnect(reason).await {
                Some(next) => connection = next,
                None => return,
            }
        }
    }

    /// Carries calls until the connection is lost, which it says why; `None` where there is nothing left to do.
    async fn serve(&mut self, connection: Connection) -> Option<io::Error> {
        let mut session = Session::new(connection, &self.options);
        loop {
            if let Err(reason) = self.turn(&mut session) {
                session.lose(&reason);
                return Some(reason);
            }
            if !self.wanted && self.waiting.is_empty() && session.is_idle() {
                return None;
            }
            self.arm(session.next_deadline());
            self.next_call(session.ready()).await;
        }
    }

    /// Does everything that can be done without waiting.
    fn turn(&mut self, session: &mut Session) -> io::Result<()> {
        // Reading comes first: it shows that a connection has ended before a call is lost in it.
        session.receive()?;
        self.take_calls();
        let now = Instant::now();
        let after = self.options.call_timeout;
        expire(&mut self.waiting, now, || Error::TimedOut { after });
        session.flush(&mut self.waiting, now)?;
        session.expire(now)
    }

    /// Tries until there is a connection; `None` once nobody is left who wants it.
    async fn reconnect(&mut self, mut reason: io::Error) -> Option<Connection> {
        loop {
            let pause = Timer::after(self.options.backoff(self.losses));
            self.losses = self.losses.saturating_add(1);
            self.meanwhile(pause, &reason).await?;
            let (address, options) = (self.address.clone(), self.options.clone());
            reason = match self.meanwhile(Connection::open(&address, &options), &reason).await? {
                Ok(connection) => return Some(connection),
                Err(Error::Unreachable { source, .. }) => source,
                Err(other) => io::Error::other(other),
            };
        }
    }

    /// Does `work` without a connection. Calls wait for it, and are refused when their time runs out.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>, reason: &io::Error) -> Option<T> {
        let mut work = pin!(work);
        loop {
            // Calls that were dropped leave their room to others.
            self.waiting.retain(|call| !call.caller.has_gone());
            self.take_calls();
            let address = &self.address;
            let away = || Error::Unreachable { url: address.to_string(), source: again(reason) };
            expire(&mut self.waiting, Instant::now(), away);
            if !self.wanted {
                // Nobody waits for the calls that are left here.
                return None;
            }
            self.arm(None);
            let done = async { Some(work.as_mut().await) };
            let mut outcome = None;
            self.next_call(async { outcome = done.await }).await;
            if outcome.is_some() {
                return outcome;
            }
        }
    }

    fn has_room(&self) -> bool {
        self.waiting.len() < self.options.queue.max(1)
    }

    /// Moves calls from the channel into the queue, as far as there is room.
    fn take_calls(&mut self) {
        while self.has_room() {
            match self.calls.try_recv() {
                Ok(call) => self.waiting.push_back(call),
                Err(flume::TryRecvError::Empty) => return,
                Err(flume::TryRecvError::Disconnected) => {
                    self.wanted = false;
                    return;
                }
            }
        }
    }

    /// Sees to it that the timer goes off when the next call runs out of time.
    fn arm(&mut self, session: Option<Instant>) {
        let next = [session, self.waiting.front().map(|call| call.deadline)].into_iter().flatten().min();
        if let Some(next) = next
            && self.armed.is_none_or(|armed| next < armed)
        {
            self.timer.set_at(next);
            self.armed = Some(next);
        }
    }

    /// Waits until a call comes, the timer goes off, or `other` is done.
    async fn next_call(&mut self, other: impl Future<Output = ()>) {
        let room = self.wanted && self.has_room();
        let call = async { if room { Some(self.calls.recv_async().await) } else { future::pending().await } };
        let time = future::poll_fn(|cx| Pin::new(&mut self.timer).poll(cx));
        let time = async {
            time.await;
            self.armed = None;
            None
        };
        let other = async {
            other.await;
            None
        };
        match future::or(call, future::or(other, time)).await {
            Some(Ok(call)) => self.waiting.push_back(call),
            Some(Err(flume::RecvError::Disconnected)) => self.wanted = false,
            None => {}
        }
    }
}

/// Refuses the calls whose time has run out before anything of them was written.
fn expire(waiting: &mut VecDeque<Call>, now: Instant, error: impl Fn() -> Error) {
    while waiting.front().is_some_and(|call| call.deadline <= now) {
        if let Some(call) = waiting.pop_front() {
            call.caller.answer(Err(error()));
        }
    }
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
