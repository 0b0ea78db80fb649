//! What all byte-stream sources share: bytes of one stream in, commands to the inbox, answers back.
//!
//! A session has one submission under way and reads on only when its answers are written. A publisher that does not
//! read its answers therefore holds back itself and nobody else.

use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use futures_lite::future::yield_now;
use futures_lite::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, FutureExt as _};
use hasses_client::wire::{
    Answer, Command, Decoder, ErrorCode, Form, Frame, Framing, Reply, classic_answer, classic_lines,
};
use smol::Timer;
use tracing::{debug, error, info, warn};

use crate::complaints::{Complaints, Line, MOST};
use crate::foreign::{Opening, opening};
use crate::sources::Context;

/// Bytes taken from a stream at one time; with one submission under way this is also what bounds a submission, one long
/// message aside.
const READ_BYTES: usize = 64 * 1024;

/// Deliveries that what is submitted together may come to, at most; others get their turn after that. Short messages come by
/// the thousand in one read, and each may be an event to ten thousand subscribers.
const MOST_DELIVERIES: u64 = 1 << 20;
/// So many commands are submitted together all the same, since their subscribers get them in one write.
const LEAST_COMMANDS: u64 = 64;
/// After so many that are refused others get their turn as well: each is answered, or told to the log.
const MOST_REFUSED: usize = 64;

/// Bytes that one write into a FIFO puts there as a whole, on Linux.
const PIPE_BUF: usize = 4096;

/// Whether a stream has a way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Answers can be sent.
    Both,
    /// There is nobody to answer; what would be answered is logged (a FIFO).
    InOnly,
}

/// One control stream.
#[derive(Debug)]
pub struct Session {
    /// Who is at the other end, for the log.
    peer: String,
    way: Way,
    quiet: Duration,
    /// The quiet time of messages that come in pieces.
    long_quiet: Duration,
    decoder: Decoder,
    /// The first bytes, until they tell whether this is the control protocol.
    held: Option<Vec<u8>>,
    complaints: Complaints,
    context: Context,
}

/// What the stream did.
enum Event {
    Bytes(usize),
    End,
    Quiet,
}

impl Session {
    /// A session for a new stream. `quiet` is the quiet time that ends a message without terminator; `form` fixes the form,
    /// `None` leaves it to the first byte.
    #[must_use]
    pub fn new(peer: String, way: Way, form: Option<Form>, quiet: Duration, context: Context) -> Self {
        let settings = context.current.settings();
        let decoder = Decoder::new(Framing {
            delimiter: settings.delimiter,
            max_message: settings.max_message,
            form,
            shared: way == Way::InOnly,
        });
        // Whoever may open a FIFO is no web page.
        let held = (way == Way::Both && form.is_none()).then(Vec::new);
        Self {
            peer,
            way,
            quiet,
            long_quiet: settings.quiet_remote,
            decoder,
            held,
            complaints: Complaints::default(),
            context,
        }
    }

    /// Serves the stream until it ends.
    ///
    /// # Errors
    /// What reading or writing failed with. Whole messages that had arrived by then have been carried out.
    pub async fn run<S: AsyncRead + AsyncWrite + Unpin>(mut self, mut stream: S) -> io::Result<()> {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let event = self.next_event(&mut stream, &mut buffer).await?;
            let mut frames = Vec::new();
            match event {
                Event::Bytes(count) => {
                    if let Some(name) = self.take(&buffer[..count]) {
                        return self.turn_away(name, &mut stream).await;
                    }
                    frames.extend(std::iter::from_fn(|| self.decoder.next_frame()));
                }
                Event::Quiet => {
                    self.release();
                    frames.extend(self.decoder.quiet());
                }
                Event::End => {
                    self.release();
                    frames.extend(self.decoder.finish());
                }
            }
            self.decoder.shrink();
            self.carry_out(frames, &mut stream).await?;
            if matches!(event, Event::End) {
                return Ok(());
            }
        }
    }

    /// Takes bytes that came; gives the name of the protocol where it is another one.
    fn take(&mut self, bytes: &[u8]) -> Option<&'static str> {
        let Some(held) = &mut self.held else {
            self.decoder.push(bytes);
            return None;
        };
        held.extend_from_slice(bytes);
        match opening(held) {
            Opening::Control => self.release(),
            Opening::Unknown => {}
            Opening::Foreign(name) => return Some(name),
        }
        None
    }

    /// What was held back is the control protocol.
    fn release(&mut self) {
        if let Some(held) = self.held.take() {
            self.decoder.push(&held);
        }
    }

    /// Ends a connection that speaks another protocol; nothing of it was read as a command.
    async fn turn_away<S: AsyncWrite + Unpin>(self, name: &str, stream: &mut S) -> io::Result<()> {
        self.context.stats.refused_commands.fetch_add(1, Relaxed);
        info!("connection from {} speaks {name}, not the control protocol; closed", self.peer);
        if name == "HTTP" {
            let body = "This is the control port of hasses; subscribers connect to another one.\n";
            let head = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: ";
            stream.write_all(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes()).await?;
        }
        Ok(())
    }

    async fn next_event<S: AsyncRead + Unpin>(&self, stream: &mut S, buffer: &mut [u8]) -> io::Result<Event> {
        let read = stream.read(buffer);
        let holds = self.held.as_ref().is_some_and(|held| !held.is_empty());
        let count = if holds || self.decoder.awaits_quiet() {
            let quiet = async {
                Timer::after(self.quiet()).await;
                Ok(usize::MAX)
            };
            read.or(quiet).await?
        } else {
            read.await?
        };
        Ok(match count {
            0 => Event::End,
            usize::MAX => Event::Quiet,
            count => Event::Bytes(count),
        })
    }

    /// The quiet time that ends the message under way. What is longer than one write may be (POSIX, `PIPE_BUF`) comes in
    /// pieces, and on a busy machine its writer may lose the processor for a while between two of them.
    fn quiet(&self) -> Duration {
        if self.decoder.held_bytes() > PIPE_BUF { self.quiet.max(self.long_quiet) } else { self.quiet }
    }

    /// Carries out what was read, some at a time. Lists are asked for one at a time and written before the next, so that a
    /// publisher who asks for a thousand of them does not make the daemon hold a thousand.
    async fn carry_out<S: AsyncWrite + Unpin>(&mut self, frames: Vec<Frame>, stream: &mut S) -> io::Result<()> {
        let mut frames = frames.into_iter().peekable();
        let mut answers = Vec::new();
        let audience = self.context.audience.load(Relaxed).max(1);
        let most = (MOST_DELIVERIES / audience).max(LEAST_COMMANDS);
        loop {
            let mut commands = Vec::new();
            let mut asked = Vec::new();
            for frame in frames.by_ref() {
                self.count(&frame);
                match frame.command {
                    Ok(command) => {
                        let list = matches!(command, Command::Clients(_) | Command::Topics(_) | Command::Status);
                        commands.push(command);
                        asked.push((frame.answer, None));
                        if list || commands.len() as u64 >= most {
                            break;
                        }
                    }
                    Err(failure) => {
                        asked.push((frame.answer, Some(failure)));
                        if asked.len() - commands.len() >= MOST_REFUSED {
                            break;
                        }
                    }
                }
            }
            let mut replies = self.submit(commands).await.into_iter();
            for (answer, failure) in asked {
                // One reply comes for each command, so the iterator ends with the answers.
                let Some(reply) = failure.map(Reply::Failed).or_else(|| replies.next()) else { break };
                self.answer(&answer, &reply, &mut answers);
            }
            if !answers.is_empty() {
                stream.write_all(&answers).await?;
                answers.clear();
            }
            if frames.peek().is_none() {
                return Ok(());
            }
        }
    }

    /// Submits commands. Also where there are none others get their turn: whoever sends without end what no command follows from
    /// would be waited for nowhere, and all sessions share a thread with the hub.
    async fn submit(&self, commands: Vec<Command>) -> Vec<Reply> {
        if commands.is_empty() {
            yield_now().await;
        }
        self.context.inbox.submit_all(commands).await
    }

    fn count(&self, frame: &Frame) {
        if frame.repaired {
            self.context.stats.repaired_utf8.fetch_add(1, Relaxed);
        }
        if let Ok(Command::Publish(publish)) = &frame.command
            && tracing::enabled!(tracing::Level::DEBUG)
        {
            let topics: Vec<_> = publish.topics.iter().map(ToString::to_string).collect();
            debug!("message from {} to {}: {:?}", self.peer, topics.join(", "), publish.data);
        }
    }

    fn answer(&mut self, answer: &Answer, reply: &Reply, out: &mut Vec<u8>) {
        if let Reply::Failed(failure) = reply {
            self.context.stats.refused_commands.fetch_add(1, Relaxed);
            if *answer == Answer::Log || self.way == Way::InOnly {
                return self.complain(|peer| match failure.code {
                    ErrorCode::NotStored => warn!("message from {peer} is lost: {}", failure.error),
                    _ => info!("wrong message from {peer}, ignored: {failure}"),
                });
            }
            debug!("refused {}: {failure}", self.peer);
        }
        match answer {
            Answer::Json if self.way == Way::Both => reply.write_line(out),
            Answer::Classic(query) if query.answers_the_sender() && self.way == Way::InOnly => {
                self.complain(|peer| warn!("{peer} asked for an answer ({query:?}), but has no way back"));
            }
            Answer::Classic(query) => {
                for line in classic_lines(query, reply) {
                    // What was asked for is logged at every level.
                    error!(target: "hasses::report", "{line}");
                }
                if let Some(line) = classic_answer(query, reply) {
                    out.extend_from_slice(line.as_bytes());
                    out.push(b'\n');
                }
            }
            Answer::Json | Answer::Log => {}
        }
    }

    /// Tells the log of a fault, unless it has been told of too many.
    fn complain(&mut self, tell: impl FnOnce(&str)) {
        match self.complaints.add(Instant::now()) {
            Line::Fault => tell(&self.peer),
            Line::Silence => {
                warn!(
                    "{} has sent more than {MOST} such messages within a second; the next are only counted",
                    self.peer
                );
            }
            Line::Nothing => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;

    use futures_lite::future::{block_on, poll_once};
    use futures_lite::io::Cursor;
    use hasses_client::wire::Delimiter;
    use smol::lock::Semaphore;

    use super::*;
    use crate::inbox::Inbox;
    use crate::passed::Passed;
    use crate::sources::{Current, Settings};

    fn session() -> Session {
        let settings = Settings {
            delimiter: Delimiter::Default,
            max_message: 1000,
            quiet_local: Duration::ZERO,
            quiet_remote: Duration::ZERO,
            allow_remote: false,
            passed: Passed::default(),
        };
        let context = Context {
            inbox: Inbox::new(1).0,
            current: Current::new(settings),
            permits: Arc::new(Semaphore::new(1)),
            tcp_permits: Arc::new(Semaphore::new(1)),
            stats: Arc::default(),
            audience: Arc::default(),
        };
        Session::new("a test".to_owned(), Way::Both, None, Duration::ZERO, context)
    }

    #[test]
    fn whoever_sends_what_no_command_follows_from_leaves_others_their_turn() {
        const READS: usize = 8;
        let refused = READS * READ_BYTES / b"x;".len();
        for (bytes, turns) in [(&b"x"[..], READS), (b"{", READS), (b"x;", refused / MOST_REFUSED)] {
            // A publisher that is faster than whoever reads from it.
            let sent: Vec<u8> = bytes.iter().copied().cycle().take(READS * READ_BYTES).collect();
            let mut running = pin!(session().run(Cursor::new(sent)));
            let mut waited = 0;
            while block_on(poll_once(&mut running)).is_none() {
                waited += 1;
            }
            assert!(waited >= turns, "{bytes:?} was put off {waited} times");
        }
    }
}
