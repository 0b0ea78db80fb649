//! The thread behind a client: it takes calls from the queue, keeps the connection, and comes back after losing it.
//!
//! It is a thread of its own, because that is what makes the client independent of the executor that its callers run on.
//! It ends when the last [`Client`](crate::Client) was dropped and everything written has been answered, has run out of time, or
//! was lost with its connection.

use std::collections::VecDeque;
use std::io;
use std::pin::{Pin, pin};
use std::thread;
use std::time::Instant;

use async_io::Timer;
use futures_lite::future;

use super::address::Address;
use super::call::{Call, expire};
use super::handshake::Connection;
use super::queue::{Entrance, Exit, queue};
use super::session::Session;
use crate::error::{Error, again};
use crate::options::Options;

/// Starts the thread, waits until it is connected, and returns the entrance for calls.
///
/// # Errors
/// Those of [`Connection::open`]; the thread has then ended.
pub(crate) async fn start(address: Address, options: Options) -> Result<Entrance, Error> {
    let url = address.to_string();
    let (entrance, exit) = queue(&options);
    let (ready, connected) = flume::bounded(1);
    let driver = Driver::new(address, options, exit);
    thread::Builder::new()
        .name("hasses-client".into())
        .spawn(move || async_io::block_on(driver.run(&ready)))
        .map_err(|source| Error::Unreachable { url, source })?;
    connected.recv_async().await.unwrap_or(Err(Error::Closed))?;
    Ok(entrance)
}

struct Driver {
    address: Address,
    options: Options,
    queue: Exit,
    /// Calls of which nothing was written to a connection that still stands. Those made first come first, so their deadlines
    /// come first too.
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
    fn new(address: Address, options: Options, queue: Exit) -> Self {
        let (waiting, timer) = (VecDeque::new(), Timer::never());
        Self { address, options, queue, waiting, wanted: true, timer, armed: None, losses: 0 }
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
                session.lose(&reason, &mut self.waiting);
                return Some(reason);
            }
            if !self.wanted && self.waiting.is_empty() && session.is_idle() {
                return None;
            }
            // What was sent away just now may have left room.
            if !self.queue.has_more() {
                self.arm(session.next_deadline());
                self.next_call(session.ready()).await;
            }
        }
    }

    /// Does everything that can be done without waiting.
    fn turn(&mut self, session: &mut Session) -> io::Result<()> {
        let now = Instant::now();
        // Reading comes first: it shows that a connection has ended before a call is lost in it.
        session.receive(now)?;
        session.expire(now)?;
        self.queue.take(&mut self.waiting, now);
        let after = self.options.call_timeout;
        expire(
            &mut self.waiting,
            now,
            || Error::TimedOut { after },
            || {
                io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the connection was lost, and there was no time to send it again",
                )
            },
        );
        session.flush(&mut self.waiting, now)
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
            let now = Instant::now();
            self.queue.take(&mut self.waiting, now);
            let address = &self.address;
            let away = || Error::Unreachable { url: address.to_string(), source: again(reason) };
            expire(&mut self.waiting, now, away, || again(reason));
            if !self.wanted {
                // Nobody waits for the calls that are left here.
                return None;
            }
            if self.queue.has_more() {
                continue;
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

    /// Sees to it that the timer goes off when the next call runs out of time.
    fn arm(&mut self, session: Option<Instant>) {
        let next = [session, self.waiting.front().map(|call| call.deadline), self.queue.next_deadline()];
        let next = next.into_iter().flatten().min();
        if let Some(next) = next
            && self.armed.is_none_or(|armed| next < armed)
        {
            self.timer.set_at(next);
            self.armed = Some(next);
        }
    }

    /// Waits until a call comes, the timer goes off, or `other` is done.
    async fn next_call(&mut self, other: impl Future<Output = ()>) {
        let wanted = self.wanted;
        let call = async { if wanted { Some(self.queue.rung().await) } else { future::pending().await } };
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
        if let Some(wanted) = future::or(call, future::or(other, time)).await {
            self.wanted = wanted;
        }
    }
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
