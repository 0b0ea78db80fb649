//! The SSE ports: connections are accepted and given to the shard that has the fewest.
//!
//! Out of descriptors, accepting pauses until a connection is closed: who is connected is served, nothing spins, and the
//! kernel's queue keeps the newcomers.

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use async_channel::Sender;
use async_io::Async;
use futures_lite::FutureExt as _;
use hasses_adapters::{SocketFile, bind_unix};
use rustix::io::Errno;
use rustix::net::sockopt;
use smol::Timer;
use socket2::SockRef;
use tracing::{debug, error, warn};

use crate::config::ListenAddress;
use crate::connection::Peer;
use crate::shard::Message;
use crate::shared::Shared;

/// Connections that may wait to be accepted: the usual 128 stalls a storm of reconnects. The kernel takes less where
/// `net.core.somaxconn` says so.
const BACKLOG: i32 = 4096;
/// Bytes that a socket takes beyond what is on its way to the peer. What a stalled peer does not take then waits in the outbox,
/// where it is shared, and not in the kernel, where each subscriber has a copy of its own.
const UNSENT: u32 = 16 * 1024;
/// A look at whether descriptors are free again, where nothing tells.
const LOOK: Duration = Duration::from_secs(1);
/// A pause is logged at most so often.
const LOGGED_EVERY: Duration = Duration::from_secs(60);
/// Whoever may reach the socket's folder may subscribe, as on a TCP port.
const UNIX_MODE: u32 = 0o666;

/// One bound SSE address.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    name: String,
}

#[derive(Debug)]
enum Socket {
    Tcp(Async<TcpListener>),
    Unix(Async<UnixListener>, #[expect(dead_code, reason = "removes the socket's file when dropped")] SocketFile),
}

/// What a listener remembers about its pauses.
#[derive(Debug, Default)]
struct Pauses {
    /// Nothing has been accepted since it began.
    under_way: bool,
    /// When one was logged last.
    logged: Option<Instant>,
}

/// A shard, as seen by those who give it connections.
#[derive(Clone, Debug)]
pub struct ShardHandle {
    /// Its channel.
    pub messages: Sender<Message>,
    /// Connections that it has or is about to get.
    pub load: Arc<AtomicUsize>,
}

impl Listener {
    /// Binds an address. The send buffer is set here, since accepted sockets inherit it.
    ///
    /// # Errors
    /// What the system said.
    pub fn bind(address: &ListenAddress, send_buffer: usize) -> io::Result<Self> {
        match address {
            ListenAddress::Tcp(address) => {
                let listener = TcpListener::bind(address)?;
                sockopt::set_socket_send_buffer_size(&listener, send_buffer)?;
                sockopt::set_tcp_nodelay(&listener, true)?;
                SockRef::from(&listener).set_tcp_notsent_lowat(UNSENT)?;
                // A second listen on a listening socket sets its backlog.
                rustix::net::listen(&listener, BACKLOG)?;
                let name = listener.local_addr()?.to_string();
                Ok(Self { socket: Socket::Tcp(Async::new(listener)?), name })
            }
            ListenAddress::Unix(path) => {
                let (listener, file) = bind_unix(path, UNIX_MODE, None)?;
                let name = format!("unix:{}", path.display());
                Ok(Self { socket: Socket::Unix(Async::new(listener)?, file), name })
            }
        }
    }

    /// The address, with the real port.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Accepts until dropped.
    pub fn run(self, shared: Arc<Shared>, shards: Vec<ShardHandle>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let mut pauses = Pauses::default();
            loop {
                if shared.counters.connections.load(Relaxed) >= shared.max_connections as u64 {
                    self.pause(
                        &shared,
                        "the descriptors are used up (more of them: LimitNOFILE= or ulimit -n)",
                        &mut pauses,
                    )
                    .await;
                    continue;
                }
                match self.accept().await {
                    Ok((socket, peer)) => {
                        pauses.under_way = false;
                        self.hand_over(socket, peer, &shared, &shards).await;
                    }
                    Err(error) => match Errno::from_io_error(&error) {
                        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                            self.pause(&shared, &error.to_string(), &mut pauses).await;
                        }
                        // The peer gave up while it waited; there is another one.
                        Some(Errno::CONNABORTED | Errno::INTR) => debug!("{}: {error}", self.name),
                        _ => {
                            error!("{}: accepting failed, trying on: {error}", self.name);
                            Timer::after(LOOK).await;
                        }
                    },
                }
            }
        })
    }

    async fn accept(&self) -> io::Result<(OwnedFd, Peer)> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, peer) = listener.read_with(TcpListener::accept).await?;
                Ok((stream.into(), Peer::Tcp(peer)))
            }
            Socket::Unix(listener, _) => {
                let (stream, _) = listener.read_with(UnixListener::accept).await?;
                Ok((stream.into(), Peer::Unix))
            }
        }
    }

    async fn hand_over(&self, socket: OwnedFd, peer: Peer, shared: &Shared, shards: &[ShardHandle]) {
        if peer == Peer::Unix
            && let Err(error) = sockopt::set_socket_send_buffer_size(&socket, shared.config.limits.send_buffer)
        {
            warn!("{}: setting a send buffer failed: {error}", self.name);
        }
        let counters = &shared.counters;
        let connections = counters.connections.fetch_add(1, Relaxed) + 1;
        counters.connections_peak.fetch_max(connections, Relaxed);
        let Some(shard) = shards.iter().min_by_key(|shard| shard.load.load(Relaxed)) else { return };
        shard.load.fetch_add(1, Relaxed);
        // A shard that is gone is ending with the daemon, and with it the count.
        let _ = shard.messages.send(Message::Adopt(socket, peer)).await;
    }

    /// Waits until a descriptor may be free.
    async fn pause(&self, shared: &Shared, why: &str, pauses: &mut Pauses) {
        // A look in vain is no new pause.
        if !std::mem::replace(&mut pauses.under_way, true) {
            shared.counters.accept_pauses.fetch_add(1, Relaxed);
        }
        if pauses.logged.is_none_or(|at| at.elapsed() >= LOGGED_EVERY) {
            pauses.logged = Some(Instant::now());
            let connections = shared.counters.connections.load(Relaxed);
            warn!("{}: accepting waits for a connection to end ({connections} are open): {why}", self.name);
        }
        let freed = shared.descriptor_freed.listen();
        let look = async {
            Timer::after(LOOK).await;
        };
        freed.or(look).await;
    }
}
