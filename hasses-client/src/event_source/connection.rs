//! One request and what comes of its answer, without blocking and within its times.

use std::io::{self, Write as _};
use std::time::Duration;

use async_io::Timer;
use futures_lite::future;

use super::error::Error;
use super::plan::Plan;
use super::socket::Socket;
use crate::web::{Exchange, Fault, Head, Part, Scheme, Transport, Url, request};

/// A connection over which a request has gone.
pub(super) struct Connection {
    exchange: Exchange<Socket>,
}

/// The beginning of an answer.
pub(super) struct Beginning {
    pub(super) head: Head,
    /// What came together with the head.
    pub(super) parts: Vec<Part>,
    /// Why nothing comes behind those.
    pub(super) fault: Option<Error>,
}

impl Connection {
    /// Connects, and sends the request.
    ///
    /// # Errors
    /// [`Error::Network`], [`Error::Tls`].
    pub(super) async fn open(url: &Url, plan: &Plan, last_event_id: &str) -> Result<Self, Error> {
        let patience = plan.limits.connect_timeout;
        let transport = within(patience, "no connection", connect(url, plan)).await?;
        let mut connection = Self { exchange: Exchange::new(transport) };
        let request = request("GET", url, &plan.headers(url, last_event_id));
        within(plan.limits.answer_timeout, "the request was not taken", connection.send(&request)).await?;
        Ok(connection)
    }

    /// The head of the answer.
    ///
    /// # Errors
    /// [`Error::Network`], [`Error::Protocol`].
    pub(super) async fn head(&mut self, patience: Duration) -> Result<Beginning, Error> {
        within(patience, "no answer", async {
            let mut parts = Vec::new();
            let mut fault = None;
            while parts.is_empty() {
                fault = self.receive(&mut parts, Duration::MAX).await.err();
                if parts.is_empty()
                    && let Some(fault) = fault
                {
                    return Err(fault);
                }
            }
            match parts.remove(0) {
                Part::Head(head) => Ok(Beginning { head, parts, fault }),
                Part::Body(_) | Part::End(_) => {
                    let error = "the connection was closed without an answer";
                    Err(Error::Network(io::Error::new(io::ErrorKind::UnexpectedEof, error)))
                }
            }
        })
        .await
    }

    /// Waits for bytes for at most `patience`, and adds the parts that are complete with them, if any are.
    ///
    /// # Errors
    /// [`Error::Network`], [`Error::Protocol`]; what came before was added.
    pub(super) async fn receive(&mut self, parts: &mut Vec<Part>, patience: Duration) -> Result<(), Error> {
        loop {
            match self.exchange.receive(parts) {
                Ok(()) => return Ok(()),
                Err(Fault::Network(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    let ready = async { ready(self.exchange.transport()).await.map_err(Error::Network) };
                    within(patience, "nothing came", ready).await?;
                }
                Err(Fault::Network(error)) => return Err(Error::Network(error)),
                Err(Fault::Malformed(error)) => {
                    return Err(Error::Protocol(format!("what answers does not speak HTTP as it should: {error}")));
                }
            }
        }
    }

    async fn send(&mut self, mut request: &[u8]) -> Result<(), Error> {
        loop {
            let transport = self.exchange.transport_mut();
            let moved = if request.is_empty() { transport.flush().map(|()| 0) } else { transport.write(request) };
            match moved {
                Ok(_) if request.is_empty() => return Ok(()),
                Ok(0) => return Err(Error::Network(io::ErrorKind::WriteZero.into())),
                Ok(written) => request = &request[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // A write that waits is the socket's, or TLS's, which is then under way to it.
                    transport.socket().writable().await.map_err(Error::Network)?;
                }
                Err(error) => return Err(Error::Network(error)),
            }
        }
    }
}

async fn connect(url: &Url, plan: &Plan) -> Result<Transport<Socket>, Error> {
    let patience = plan.limits.connect_timeout;
    let socket = Socket::connect(url.host(), url.port(), patience).await.map_err(Error::Network)?;
    let secured = match url.scheme() {
        Scheme::Http => return Ok(Transport::Plain(socket)),
        Scheme::Https => shake_hands(socket, url, plan).await,
    };
    secured.map_err(|source| match source.kind() {
        // What rustls says about certificates and names has these kinds.
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Error::Tls { host: url.host().to_owned(), source },
        _ => Error::Network(source),
    })
}

async fn shake_hands(socket: Socket, url: &Url, plan: &Plan) -> io::Result<Transport<Socket>> {
    let mut transport = Transport::tls(socket, url.host(), plan.tls())?;
    loop {
        match transport.shake_hands() {
            Ok(()) => return Ok(transport),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready(&transport).await?,
            Err(error) => return Err(error),
        }
    }
}

/// Waits until what would have blocked may not any more: reading, or writing where TLS has something to say first.
async fn ready(transport: &Transport<Socket>) -> io::Result<()> {
    let socket = transport.socket();
    let writing = transport.session().is_some_and(|session| session.wants_write());
    let writable = async { if writing { socket.writable().await } else { future::pending().await } };
    future::or(socket.readable(), writable).await
}

/// The outcome of `work`, or [`Error::Network`] when the time is over.
async fn within<T>(patience: Duration, what: &str, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = async {
        Timer::after(patience).await;
        Err(Error::Network(io::Error::new(io::ErrorKind::TimedOut, format!("{what} within {patience:?}"))))
    };
    future::or(work, late).await
}
