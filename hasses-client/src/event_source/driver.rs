//! The thread behind a subscription: it makes attempts, hands on what comes, and pauses in between.
//!
//! It is a thread of its own, because that is what makes the subscription independent of the executor that its program runs on.
//! It ends when the [`EventSource`] is dropped, whatever it is waiting for, or after a final error.

use std::convert::Infallible;
use std::thread;

use async_io::Timer;
use futures_lite::future;

use super::attempt::subscribe;
use super::error::Error;
use super::item::Item;
use super::plan::Plan;
use super::schedule::{Attempt, Schedule};
use super::stream::Stream;
use super::{Batch, EventSource};

/// Batches between the thread and the program. One, so that the thread can read on while the program works; more would only be
/// more memory.
const BATCHES: usize = 1;

/// Starts the thread.
///
/// The channels are flume's, since their ends are in any executor's tasks and in plain threads alike.
///
/// # Errors
/// [`Error::Network`] where the system has no thread left.
pub(super) fn start(plan: Plan, cursors: bool) -> Result<EventSource, Error> {
    let (url, last_event_id) = (plan.url.to_string(), plan.last_event_id.clone());
    let (sender, batches) = flume::bounded(BATCHES);
    let (wanted, unwanted) = flume::bounded::<Infallible>(1);
    thread::Builder::new()
        .name("hasses-events".into())
        .spawn(move || drive(plan, sender, &unwanted))
        .map_err(Error::Network)?;
    Ok(EventSource {
        url,
        last_event_id,
        cursors,
        batch: Vec::new().into_iter(),
        batches: batches.into_stream(),
        over: false,
        _wanted: wanted,
    })
}

/// What the thread does.
fn drive(plan: Plan, batches: flume::Sender<Batch>, unwanted: &flume::Receiver<Infallible>) {
    let unwanted = async {
        // Nothing is ever sent: this is the end of the channel.
        let _ = unwanted.recv_async().await;
    };
    async_io::block_on(future::or(unwanted, Driver::new(plan, batches).run()));
}

struct Driver {
    plan: Plan,
    schedule: Schedule,
    last_event_id: String,
    batches: flume::Sender<Batch>,
}

impl Driver {
    fn new(plan: Plan, batches: flume::Sender<Batch>) -> Self {
        let schedule = Schedule::new(plan.limits.reconnection_time, plan.limits.max_backoff);
        let last_event_id = plan.last_event_id.clone();
        Self { plan, schedule, last_event_id, batches }
    }

    /// Goes on until a final error.
    async fn run(mut self) {
        loop {
            let (error, brought) = match subscribe(&self.plan, &self.last_event_id).await {
                Ok(mut stream) => (self.relay(&mut stream).await, stream.brought()),
                Err(error) => (error, Attempt::Failed),
            };
            if error.is_final() {
                return self.hand_on(vec![Err(error)]).await;
            }
            let retry_in = self.schedule.pause(brought);
            // Before the program is told, which may take its time to listen.
            let pause = Timer::after(retry_in);
            self.hand_on(vec![Ok(Item::Lost { error, retry_in })]).await;
            pause.await;
        }
    }

    /// Hands on what the stream brings, and gives the reason of its end.
    async fn relay(&mut self, stream: &mut Stream) -> Error {
        self.hand_on(vec![Ok(Item::Open)]).await;
        let error = loop {
            match stream.next().await {
                Ok(items) => self.hand_on(items.into_iter().map(Ok).collect()).await,
                Err(error) => break error,
            }
        };
        stream.parser.last_event_id().clone_into(&mut self.last_event_id);
        if let Some(time) = stream.parser.retry() {
            self.schedule.set(time);
        }
        error
    }

    /// Waits until the program has room for it: that is what holds the stream back.
    async fn hand_on(&self, batch: Batch) {
        // Where the program has gone, the channel that says so ends the thread.
        let _ = self.batches.send_async(batch).await;
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::super::Builder;
    use super::*;

    #[test]
    fn the_thread_ends_with_the_subscription_whatever_it_waits_for() {
        let hour = Duration::from_secs(3600);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let silent = format!("http://{}/", listener.local_addr().unwrap());
        let closed = "http://127.0.0.1:1/".to_owned();
        // A pause, an answer, and a program that takes nothing.
        for (url, time, taken) in [(&closed, hour, 1), (&silent, hour, 0), (&closed, Duration::ZERO, 0)] {
            let plan = Builder::new(url.clone()).reconnection_time(time).max_backoff(time).plan().unwrap();
            let (sender, batches) = flume::bounded(BATCHES);
            let (wanted, unwanted) = flume::bounded::<Infallible>(1);
            let (ended, end) = mpsc::channel();
            let thread = thread::spawn(move || {
                drive(plan, sender, &unwanted);
                ended.send(()).unwrap();
            });
            for _ in 0..taken {
                batches.recv().unwrap();
            }
            drop(wanted);
            end.recv_timeout(Duration::from_secs(20)).unwrap();
            thread.join().unwrap();
        }
    }
}
