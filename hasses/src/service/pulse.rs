//! The sign of life for a service manager: given only after the hub and every shard have answered a question.

use std::fmt;
use std::time::{Duration, Instant};

use futures_lite::FutureExt as _;
use hasses_adapters::Inbox;
use hasses_client::wire::{Command, Reply};
use smol::Timer;
use tracing::{error, info};

use super::notify::Manager;
use crate::daemon::Daemon;

/// How often the number of subscribers is looked at where no watchdog wants to know more often.
const LOOK: Duration = Duration::from_secs(10);

/// No service manager that is not being tried out wants more.
const MOST_OFTEN: Duration = Duration::from_millis(10);

/// What `systemctl status` shows of a daemon that serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    subscribers: u64,
    addresses: String,
}

impl Status {
    /// That of a daemon now.
    #[must_use]
    pub fn of(daemon: &Daemon) -> Self {
        let path = &daemon.config().path;
        let addresses: Vec<_> = daemon.listening().iter().map(|listening| listening.url(path)).collect();
        Self { subscribers: daemon.subscribers(), addresses: addresses.join(", ") }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.subscribers == 1 { "" } else { "s" };
        write!(f, "{} subscriber{plural} on {}", self.subscribers, self.addresses)
    }
}

/// Gives signs of life, and tells the number of subscribers, until it is dropped. `watchdog` is how long the service manager waits
/// for the next sign; half of that passes between two.
pub async fn beat(manager: &Manager, watchdog: Option<Duration>, inbox: Inbox, mut status: Status) {
    if !manager.is_there() {
        return std::future::pending().await;
    }
    let between = watchdog.map_or(LOOK, |watchdog| (watchdog / 2).max(MOST_OFTEN));
    let mut silent_since: Option<Instant> = None;
    loop {
        let begun = Instant::now();
        let asked = async { Some(inbox.submit(Command::Count(None)).await) };
        let patience = async {
            Timer::after(between).await;
            None
        };
        match asked.or(patience).await {
            Some(Reply::Count(count)) => {
                if let Some(since) = silent_since.take() {
                    info!("the hub and all shards answer again, after {:.1} s", since.elapsed().as_secs_f32());
                }
                if watchdog.is_some() {
                    manager.alive();
                }
                if count.count != status.subscribers {
                    status.subscribers = count.count;
                    manager.status(&status);
                }
            }
            _ if silent_since.is_none() => {
                silent_since = Some(begun);
                let waited = between.as_secs_f32();
                error!("the hub or a shard has not answered for {waited:.1} s; the watchdog gets no sign of life");
            }
            _ => {}
        }
        Timer::at(begun + between).await;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::net::UnixDatagram;

    use futures_lite::future::block_on;
    use hasses_client::wire::Count;

    use super::*;

    #[test]
    fn a_hub_or_shard_that_does_not_answer_gets_no_sign_of_life() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let received = || {
            let mut buffer = [0; 100];
            let count = socket.recv(&mut buffer).ok()?;
            Some(String::from_utf8_lossy(&buffer[..count]).into_owned())
        };
        let manager = Manager::at(path.as_os_str().as_bytes()).unwrap();
        let (inbox, submissions) = Inbox::new(1);
        let status = Status { subscribers: 0, addresses: "x".to_owned() };
        let pulse = beat(&manager, Some(Duration::from_millis(40)), inbox, status);
        let hub = async {
            // Kept without an answer, as by a shard that hangs: the next question comes all the same.
            let _first = submissions.recv().await.unwrap();
            let _second = submissions.recv().await.unwrap();
            let third = submissions.recv().await.unwrap();
            assert_eq!(third.commands, [Command::Count(None)]);
            assert_eq!(received(), None, "nobody has answered yet");
            third.replies.send(vec![Reply::Count(Count { count: 1 })]).unwrap();
            let _fourth = submissions.recv().await.unwrap();
            assert_eq!(received().as_deref(), Some("WATCHDOG=1\n"));
            assert_eq!(received().as_deref(), Some("STATUS=1 subscriber on x\n"));
            assert_eq!(received(), None);
        };
        block_on(hub.or(pulse));
    }
}
