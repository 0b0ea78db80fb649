//! One request and its answer over one connection.

use std::io::{self, Read as _, Write as _};

use super::answer::{Answer, Malformed, Part};
use super::transport::Transport;

/// A request that was sent, and what has come of its answer.
pub(crate) struct Exchange {
    transport: Transport,
    answer: Answer,
    buffer: Box<[u8]>,
}

/// Why nothing more can be read.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The connection is broken, or its patience over.
    Network(io::Error),
    /// What came is not HTTP.
    Malformed(Malformed),
}

impl Exchange {
    /// Sends a request.
    ///
    /// # Errors
    /// The connection's.
    pub(crate) fn begin(mut transport: Transport, request: &[u8]) -> io::Result<Self> {
        transport.write_all(request)?;
        transport.flush()?;
        Ok(Self { transport, answer: Answer::default(), buffer: vec![0; 64 * 1024].into() })
    }

    /// The connection.
    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Reads once, and adds the parts that are complete with it; the connection's end is a part as well.
    ///
    /// # Errors
    /// Nothing more can be read; what came before was added.
    pub(crate) fn receive(&mut self, parts: &mut Vec<Part>) -> Result<(), Fault> {
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
