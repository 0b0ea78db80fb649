//! A connection to something that has proved to be a hasses daemon.

use std::io::{self, IoSlice};
use std::time::Instant;

use super::address::Address;
use super::answers::Answers;
use super::call::{self, excerpt};
use super::stream::{Stream, within};
use crate::error::Error;
use crate::options::{self, Options};
use crate::wire::{Command, PROTOCOL, Pong};

/// An open connection on which a ping has been answered.
pub(crate) struct Connection {
    pub(crate) stream: Stream,
    pub(crate) answers: Answers,
}

impl Connection {
    /// Connects and pings. No call is ever sent to something that has not answered a ping: a publish would be lost in it.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Protocol`], or [`Error::Refused`] where the daemon does not talk to everybody.
    pub(crate) async fn open(address: &Address, options: &Options) -> Result<Self, Error> {
        let unreachable = |source| Error::Unreachable { url: address.to_string(), source };
        let deadline = options::after(Instant::now(), options.connect_timeout);
        let stream = Stream::connect(address, deadline).await.map_err(unreachable)?;
        let mut connection = Self { stream, answers: Answers::default() };
        let outcome = within(deadline, connection.ping()).await.map_err(|source| {
            unreachable(io::Error::new(source.kind(), format!("connected, but a ping got no answer: {source}")))
        })?;
        let foreign = |error: &str| Error::Protocol(format!("what answers at {address} is not hasses: {error}"));
        let pong: Pong = match outcome {
            Ok(line) => call::read(Ok(line)).map_err(|error| match error {
                Error::Protocol(what) => foreign(&what),
                other => other,
            })?,
            Err(greeting) => return Err(foreign(&format!("it said {}", excerpt(&greeting)))),
        };
        if pong.protocol != PROTOCOL {
            return Err(Error::Protocol(format!(
                "the daemon at {address} speaks version {} of the protocol, this client version {PROTOCOL}",
                pong.protocol
            )));
        }
        Ok(connection)
    }

    /// The line that answers a ping, or what came instead of a line of JSON.
    async fn ping(&mut self) -> io::Result<Result<Vec<u8>, Vec<u8>>> {
        let mut ping = Vec::new();
        Command::Ping.write_line(&mut ping);
        let mut written = 0;
        while written < ping.len() {
            match self.stream.write(&[IoSlice::new(&ping[written..])]) {
                Ok(length) => written += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.stream.writable().await?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        loop {
            match self.answers.fill(|room| self.stream.read(room)) {
                Ok((0, _)) if self.answers.rest().is_empty() => return Err(ended()),
                Ok((0, _)) => return Ok(Err(self.answers.rest().to_vec())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stream.readable().await?;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            // A server of another kind greets in its own way and may never end a line.
            if self.answers.rest().first() != Some(&b'{') {
                return Ok(Err(self.answers.rest().to_vec()));
            }
            if let Some(line) = self.answers.next_line() {
                return Ok(Ok(line.to_vec()));
            }
        }
    }
}

/// The daemon closed the connection.
pub(crate) fn ended() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the daemon closed the connection")
}
