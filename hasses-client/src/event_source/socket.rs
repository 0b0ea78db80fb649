//! A TCP connection that never blocks. Nothing here waits but `connect`, `readable` and `writable`.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use async_io::{Async, Timer};
use futures_lite::future;
use socket2::{SockRef, TcpKeepalive};

use crate::web::resolve;

/// Probes of a connection on which nothing moves: a machine that has gone without a word is noticed after the first time and four
/// of the second, two minutes.
const FIRST_PROBE: Duration = Duration::from_secs(60);
const NEXT_PROBES: Duration = Duration::from_secs(15);
const PROBES: u32 = 4;

/// A connected socket.
pub(super) struct Socket(Async<TcpStream>);

impl Socket {
    /// Connects to the first of the host's addresses that takes the connection.
    ///
    /// # Errors
    /// The resolver's, or that of the first address. Each address gets an equal share of `patience`, so that one that drops
    /// packets does not take it all; resolving the name has the caller's bound alone.
    pub(super) async fn connect(host: &str, port: u16, patience: Duration) -> io::Result<Self> {
        let addresses = addresses(host, port).await?;
        let share = patience / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        let mut refused = None;
        for address in addresses {
            let late = async {
                Timer::after(share).await;
                Err(io::Error::new(io::ErrorKind::TimedOut, format!("{address} does not answer")))
            };
            match future::or(Async::<TcpStream>::connect(address), late).await {
                Ok(stream) => return Self::prepared(stream),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
    }

    fn prepared(stream: Async<TcpStream>) -> io::Result<Self> {
        // A request is one write, and shall not wait for the answer to an earlier packet.
        stream.get_ref().set_nodelay(true)?;
        let probes = TcpKeepalive::new().with_time(FIRST_PROBE).with_interval(NEXT_PROBES).with_retries(PROBES);
        SockRef::from(stream.get_ref()).set_tcp_keepalive(&probes)?;
        Ok(Self(stream))
    }

    /// Waits until a read would not block.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.0.readable().await
    }

    /// Waits until a write would not block.
    pub(super) async fn writable(&self) -> io::Result<()> {
        self.0.writable().await
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.get_ref().read(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.get_ref().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The addresses of a host. The system resolves names only in a call that blocks, which gets a thread of its own; it ends with
/// the call.
async fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let (sender, receiver) = flume::bounded(1);
    let host = host.to_owned();
    thread::Builder::new().name("hasses-resolve".into()).spawn(move || {
        // Nobody waits for it any more where the time ran out.
        let _ = sender.send(resolve(&host, port));
    })?;
    receiver.recv_async().await.map_err(io::Error::other)?
}
