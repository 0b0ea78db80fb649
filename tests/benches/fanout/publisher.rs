//! The publisher's connection to a server: one burst is one write.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};

use crate::stream::{MESSAGE_BYTES, write_message};

/// The topic that everybody subscribes to.
pub(crate) const TOPIC: &str = "fanout";

/// How a server takes messages.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// `TOPIC=MESSAGE` and LF; there is no answer.
    Lines,
    /// HTTP POST requests, pipelined on one connection; the answers are read and dropped.
    Posts,
}

/// A connection that publishes numbered messages.
pub(crate) struct Publisher {
    stream: TcpStream,
    form: Form,
    burst: Vec<u8>,
}

impl Publisher {
    /// Connects to a server's publishing port.
    pub(crate) fn connect(address: SocketAddr, form: Form) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, form, burst: Vec::new() })
    }

    /// Writes the messages `numbers` at once.
    pub(crate) fn publish(&mut self, numbers: Range<u64>) -> io::Result<()> {
        self.burst.clear();
        for number in numbers {
            match self.form {
                Form::Lines => {
                    write!(self.burst, "{TOPIC}=")?;
                    write_message(number, &mut self.burst);
                    self.burst.push(b'\n');
                }
                Form::Posts => {
                    let length = MESSAGE_BYTES;
                    write!(
                        self.burst,
                        "POST /publish?topic={TOPIC} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
                    )?;
                    write_message(number, &mut self.burst);
                }
            }
        }
        self.stream.write_all(&self.burst)
    }

    /// Drops the answers that have come; that the messages were taken shows at the subscribers.
    ///
    /// To be called when the connection is readable: it waits for one byte.
    pub(crate) fn drop_answers(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        match self.stream.read(buffer)? {
            0 => Err(io::Error::other("the server closed the publisher's connection")),
            _ => Ok(()),
        }
    }
}

impl AsFd for Publisher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
