//! A daemon with an event log that knows keys, and connections that end as a test says.

use std::collections::{HashMap, VecDeque};
use std::thread::{self, JoinHandle};

use hasses_client::ErrorCode;
use hasses_client::wire::{Command, EventId, Failure, Publish, Published, Reply};

use smol::channel::{Sender, bounded};

use crate::daemon::{Daemon, Peer, pong};

/// Where a connection ends. The number is that of the commands that have been answered on it by then.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// Before anything more was read.
    Unread(usize),
    /// When a byte of the next command was read, and perhaps more.
    WithinLine(usize),
    /// When the next command was carried out, and not answered.
    Unanswered(usize),
    /// Within the answer to the next command.
    WithinAnswer(usize),
    /// When some of the next commands were read: they are carried out only while those of the next connection are.
    Late(usize),
    /// The daemon is ending: from the next command on each is answered so, and only some had been carried out.
    Ending(usize),
}

/// What has been published, in order.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) events: Vec<Publish>,
    keys: HashMap<String, u64>,
    /// Publishes that it held already.
    pub(crate) duplicates: usize,
    /// Read, and not carried out yet.
    late: VecDeque<Publish>,
}

impl Log {
    /// Everything in the log.
    pub(crate) fn data(&self) -> Vec<&str> {
        self.events.iter().map(|publish| publish.data.as_str()).collect()
    }

    /// As the event log does it: a key that it holds is answered with the first one's id.
    pub(crate) fn append(&mut self, publish: Publish) -> Reply {
        let next = self.events.len() as u64;
        let key = publish.key.as_ref().unwrap().to_string();
        let sequence = *self.keys.entry(key).or_insert(next);
        let duplicate = sequence < next;
        if duplicate {
            self.duplicates += 1;
        } else {
            self.events.push(publish);
        }
        Reply::Published(Published { id: EventId { millis: 1, sequence }, matched: u64::from(!duplicate), duplicate })
    }

    pub(crate) fn carry_out(&mut self, command: Command) -> Reply {
        // What another connection has still brought comes in between.
        if let Some(late) = self.late.pop_front() {
            self.append(late);
        }
        match command {
            Command::Publish(publish) => self.append(publish),
            _ => pong(),
        }
    }

    /// Serves one connection up to its cut, or until the client closes it.
    fn serve(&mut self, peer: &mut Peer, cut: Option<Cut>) {
        let most = match cut {
            None => usize::MAX,
            Some(
                Cut::Unread(most)
                | Cut::WithinLine(most)
                | Cut::Unanswered(most)
                | Cut::WithinAnswer(most)
                | Cut::Late(most)
                | Cut::Ending(most),
            ) => most,
        };
        for _ in 0..most {
            let Some(command) = peer.next() else { return };
            let reply = self.carry_out(command);
            peer.answer(&reply);
        }
        match cut {
            None | Some(Cut::Unread(_)) => {}
            Some(Cut::WithinLine(_)) => {
                peer.nibble();
            }
            Some(Cut::Unanswered(_)) => {
                peer.next().map(|command| self.carry_out(command));
            }
            Some(Cut::WithinAnswer(_)) => {
                let Some(command) = peer.next() else { return };
                let mut line = Vec::new();
                self.carry_out(command).write_line(&mut line);
                peer.say(&line[..line.len() / 2]);
            }
            Some(Cut::Late(_)) => {
                let first = peer.next();
                let rest = std::iter::from_fn(|| peer.next_held());
                self.late.extend(first.into_iter().chain(rest).filter_map(|command| match command {
                    Command::Publish(publish) => Some(publish),
                    _ => None,
                }));
            }
            Some(Cut::Ending(_)) => {
                let mut carried_out = 0;
                while let Some(command) = peer.next() {
                    if carried_out < 2 {
                        self.carry_out(command);
                        carried_out += 1;
                    }
                    peer.answer(&Reply::Failed(Failure::new(ErrorCode::Internal, "the daemon is ending")));
                }
            }
        }
    }
}

/// A daemon in the background that serves one connection after the other, the first of them with these cuts.
pub(crate) struct Kept {
    serving: JoinHandle<Log>,
    end: Sender<()>,
}

pub(crate) fn keep(daemon: Daemon, cuts: Vec<Cut>) -> Kept {
    let (end, ended) = bounded(1);
    let serving = thread::spawn(move || {
        let mut log = Log::default();
        let mut cuts = cuts.into_iter();
        while let Some(mut peer) = daemon.accept_before(&ended) {
            // A client may have been dropped while it was about to come back.
            if peer.next() == Some(Command::Ping) {
                peer.answer(&pong());
                log.serve(&mut peer, cuts.next());
            }
        }
        log
    });
    Kept { serving, end }
}

impl Kept {
    /// What was published, when all clients are gone.
    pub(crate) fn log(self) -> Log {
        drop(self.end);
        self.serving.join().unwrap()
    }
}
