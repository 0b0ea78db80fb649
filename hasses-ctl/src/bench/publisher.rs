//! The publisher's connection: a burst is composed, stamped, and written at once; answers are read and checked.
//!
//! It never blocks, so that it can share a thread with subscribers.

use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd};

use super::answers::{Answers, Response};
use super::message::{Shape, stamp};
use super::socket::Socket;
use super::template::{Template, write_name};
use super::traffic::Traffic;
use crate::failure::Failure;
use crate::quantity::counted;

/// How messages are handed to the server.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// `TOPIC=MESSAGE` and LF on the control channel; there is no answer.
    Classic,
    /// JSON lines on the control channel.
    Json,
    /// HTTP requests.
    Post(Box<Post>),
}

/// The parts of a request.
#[derive(Clone, Debug)]
pub(super) struct Post {
    /// What stands behind `POST `.
    pub(super) target: Template,
    /// Header lines, each with its end.
    pub(super) headers: String,
    pub(super) body: Template,
}

/// A connection that publishes.
#[derive(Debug)]
pub(super) struct Publisher {
    socket: Socket,
    way: Way,
    shape: Shape,
    answers: Answers,
    /// The burst, and how much of it is written.
    out: Vec<u8>,
    written: usize,
    /// Where the messages of the burst begin.
    places: Vec<usize>,
    unanswered: u64,
    /// Why the connection is no more.
    lost: Option<String>,
}

impl Publisher {
    /// A publisher on a connection that stands.
    pub(super) fn new(socket: Socket, way: Way, shape: Shape) -> Self {
        let answers = match way {
            Way::Classic => Answers::None,
            Way::Json => Answers::Lines(Vec::new()),
            Way::Post(_) => Answers::Responses(Response::default()),
        };
        Self { socket, way, shape, answers, out: Vec::new(), written: 0, places: Vec::new(), unanswered: 0, lost: None }
    }

    /// Composes the next burst behind what is not written yet.
    pub(super) fn compose(&mut self, length: u64, traffic: &mut Traffic) {
        self.out.drain(..self.written);
        self.written = 0;
        self.places.clear();
        for _ in 0..length {
            let (topic, number) = traffic.publish();
            self.append(topic, number);
        }
        if !matches!(self.way, Way::Classic) {
            self.unanswered += length;
        }
    }

    /// Writes this time into the messages of the burst.
    pub(super) fn stamp(&mut self, time: u64) {
        for place in &self.places {
            stamp(&mut self.out[*place..], time);
        }
    }

    /// Writes as much as there is room for.
    pub(super) fn write(&mut self) {
        while self.written < self.out.len() {
            match self.socket.send(&self.out[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) => return self.stop_for(&error),
            }
        }
        if let Err(error) = self.socket.flush() {
            self.stop_for(&error);
        }
    }

    /// Reads every answer that has come.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<(), Failure> {
        loop {
            let (answers, unanswered) = (&mut self.answers, &mut self.unanswered);
            let read = self.socket.receive(buffer, |bytes| {
                let count = answers.take(bytes).map_err(|why| Stop::Refused(Failure::refused("publish", why)))?;
                *unanswered = unanswered.checked_sub(count).ok_or_else(|| {
                    Stop::Refused(Failure::refused("publish", "there are more answers than messages were published"))
                })?;
                Ok(())
            });
            match read {
                Ok(_) => {}
                Err(Stop::Refused(failure)) => return Err(failure.within("a publish was refused")),
                Err(Stop::Io(error)) => {
                    self.stop_for(&error);
                    return Ok(());
                }
            }
        }
    }

    /// Whether everything is written and answered, as far as it ever will be.
    pub(super) fn is_done(&self) -> bool {
        self.lost.is_some() || self.is_written() && self.unanswered == 0
    }

    /// What the server has not done that it should, on a connection that stands.
    pub(super) fn unfinished(&self) -> Option<String> {
        match (self.is_done(), self.unanswered) {
            (true, _) => None,
            (false, 0) => Some("the server has not taken all that was published".to_owned()),
            (false, unanswered) => Some(format!("the server has not answered {}", counted(unanswered, "message"))),
        }
    }

    /// Why nothing more can be published, where the connection is lost.
    pub(super) fn lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }

    /// Stops writing or reading for now, or for good.
    fn stop_for(&mut self, error: &io::Error) {
        self.lost = match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => return,
            io::ErrorKind::UnexpectedEof => Some("the server closed the publisher's connection".to_owned()),
            _ => Some(format!("the publisher's connection was lost: {error}")),
        };
    }

    /// Bytes that are not written yet.
    pub(super) fn backlog(&self) -> usize {
        self.out.len() - self.written
    }

    /// Whether everything is written.
    pub(super) fn is_written(&self) -> bool {
        self.written == self.out.len() && !self.socket.has_to_write()
    }

    fn append(&mut self, topic: u32, number: u32) {
        let out = &mut self.out;
        match &self.way {
            Way::Classic => {
                write_name(&self.shape, topic, out);
                out.push(b'=');
                self.places.push(out.len());
                self.shape.write(topic, number, out);
                out.push(b'\n');
            }
            Way::Json => {
                out.extend_from_slice(br#"{"cmd":"publish","topic":""#);
                write_name(&self.shape, topic, out);
                out.extend_from_slice(br#"","data":""#);
                self.places.push(out.len());
                self.shape.write(topic, number, out);
                out.extend_from_slice(b"\"}\n");
            }
            Way::Post(post) => {
                out.extend_from_slice(b"POST ");
                post.target.write(&self.shape, topic, number, out, &mut self.places);
                let length = post.body.length(&self.shape, topic);
                // Writing to a Vec cannot fail.
                let _ = write!(out, " HTTP/1.1\r\n{}Content-Length: {length}\r\n\r\n", post.headers);
                post.body.write(&self.shape, topic, number, out, &mut self.places);
            }
        }
    }
}

impl AsFd for Publisher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Why reading answers stops.
enum Stop {
    Refused(Failure),
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
