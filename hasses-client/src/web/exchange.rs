//! One request and its answer over one connection.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use super::answer::{Answer, Malformed, Part};
use super::transport::Transport;

/// A request that was sent, and what has come of its answer.
pub struct Exchange<S: Read + Write = TcpStream> {
    transport: Transport<S>,
    answer: Answer,
    buffer: Box<[u8]>,
}

/// Why nothing more can be read.
#[derive(Debug)]
pub enum Fault {
    /// The connection is broken, or its patience over.
    Network(io::Error),
    /// What came is not HTTP.
    Malformed(Malformed),
}

impl<S: Read + Write> Exchange<S> {
    /// An exchange whose request is still to be sent, with [`Exchange::transport_mut`].
    pub fn new(transport: Transport<S>) -> Self {
        Self { transport, answer: Answer::default(), buffer: vec![0; 64 * 1024].into() }
    }

    /// Sends a request, over a connection that blocks.
    ///
    /// # Errors
    /// The connection's.
    pub fn begin(transport: Transport<S>, request: &[u8]) -> io::Result<Self> {
        let mut exchange = Self::new(transport);
        exchange.transport.write_all(request)?;
        exchange.transport.flush()?;
        Ok(exchange)
    }

    /// The connection.
    pub fn transport(&self) -> &Transport<S> {
        &self.transport
    }

    /// The connection, to send the request over it.
    pub fn transport_mut(&mut self) -> &mut Transport<S> {
        &mut self.transport
    }

    /// Reads once, and adds the parts that are complete with it; the connection's end is a part as well.
    ///
    /// # Errors
    /// Nothing more can be read; what came before was added. Where the connection does not block, `WouldBlock` is a
    /// [`Fault::Network`] that passes.
    pub fn receive(&mut self, parts: &mut Vec<Part>) -> Result<(), Fault> {
        loop {
            return match self.transport.read(&mut self.buffer) {
                Ok(0) => {
                    parts.push(Part::End(self.answer.close()));
                    Ok(())
                }
                Ok(read) => self.answer.push(&self.buffer[..read], parts).map_err(Fault::Malformed),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(Fault::Network(error)),
            };
        }
    }
}
