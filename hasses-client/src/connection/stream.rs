//! The bytes to and from the daemon, over TCP or a Unix socket alike. Nothing here waits but `connect`, `readable` and
//! `writable`.

use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use async_io::{Async, Timer};
use futures_lite::future;

use super::address::Address;

/// A connected socket that never blocks.
pub(crate) enum Stream {
    Tcp(Async<TcpStream>),
    Unix(Async<UnixStream>),
}

impl Stream {
    /// Connects to the address, for TCP to the first of its IP addresses that takes the connection.
    pub(crate) async fn connect(address: &Address, deadline: Instant) -> io::Result<Self> {
        match address {
            Address::Unix(path) => within(deadline, connect_unix(path)).await.map(Self::Unix),
            Address::Tcp { host, port } => {
                let resolved = within(deadline, resolve(host, *port)).await?;
                let mut outcome = Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
                for (nth, address) in resolved.iter().enumerate() {
                    // Each gets an equal share of the time that is left, so that one that drops packets does not take it all.
                    let left = deadline.saturating_duration_since(Instant::now());
                    let share = left / u32::try_from(resolved.len() - nth).unwrap_or(u32::MAX);
                    outcome = within(Instant::now() + share, Async::<TcpStream>::connect(*address)).await;
                    if outcome.is_ok() {
                        break;
                    }
                }
                let stream = outcome?;
                // Calls are coalesced before they are written, so holding back a small write would only add delay.
                stream.get_ref().set_nodelay(true)?;
                Ok(Self::Tcp(stream))
            }
        }
    }

    pub(crate) fn read(&self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.get_ref().read(room),
            Self::Unix(stream) => stream.get_ref().read(room),
        }
    }

    pub(crate) fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.get_ref().write_vectored(slices),
            Self::Unix(stream) => stream.get_ref().write_vectored(slices),
        }
    }

    /// Waits until a read would not block.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.readable().await,
            Self::Unix(stream) => stream.readable().await,
        }
    }

    /// Waits until a write would not block.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.writable().await,
            Self::Unix(stream) => stream.writable().await,
        }
    }
}

/// Connects to a Unix socket. Where its backlog is full, which happens when many processes come at once, the system lets a
/// caller that blocks wait, and tells one that does not to come back. `connect` takes that for a connection under way, waits
/// for it, and finds it not connected.
async fn connect_unix(path: &Path) -> io::Result<Async<UnixStream>> {
    let mut pause = Duration::from_millis(1);
    loop {
        match Async::<UnixStream>::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Timer::after(pause).await,
            outcome => return outcome,
        };
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// The outcome of `work`, or an error when the time is over.
pub(crate) async fn within<T>(deadline: Instant, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let started = Instant::now();
    let too_late = async {
        Timer::at(deadline).await;
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("nothing came within {:.1?}", started.elapsed())))
    };
    future::or(work, too_late).await
}

/// The addresses of a host. The system resolves names only in a call that blocks, which gets a thread of its own; it ends
/// with the call.
async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let (sender, receiver) = flume::bounded(1);
    let host = host.to_owned();
    thread::Builder::new().name("hasses-resolve".into()).spawn(move || {
        let addresses = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
        // Nobody waits for it any more where the time ran out.
        let _ = sender.send(addresses);
    })?;
    receiver.recv_async().await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_full_backlog_is_waited_for() {
        async_io::block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("control.sock");
            let listener = UnixListener::bind(&path).unwrap();
            let mut ahead = Vec::new();
            let full = loop {
                match Async::<UnixStream>::connect(&path).await {
                    Ok(stream) => ahead.push(stream),
                    Err(error) => break error,
                }
            };
            assert_eq!(full.kind(), io::ErrorKind::NotConnected);
            let address = Address::Unix(path);
            let deadline = Instant::now() + Duration::from_secs(20);
            let mut connecting = Box::pin(Stream::connect(&address, deadline));
            assert!(future::poll_once(&mut connecting).await.is_none());
            listener.accept().unwrap();
            connecting.await.unwrap();
        });
    }

    #[test]
    fn the_time_to_connect_has_an_end() {
        async_io::block_on(async {
            let never = future::pending::<io::Result<()>>();
            let error = within(Instant::now() + Duration::from_millis(1), never).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        });
    }
}
