//! The SSE ports: connections are accepted and given to the shard that has the fewest.
//!
//! Out of descriptors, accepting pauses until a connection is closed: who is connected is served, nothing spins, and the
//! kernel's queue keeps the newcomers.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::pin::Pin;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use async_channel::Receiver;
use async_io::Async;
use futures_lite::{AsyncRead, AsyncWrite, FutureExt as _};
use hasses_adapters::{Passed, PassedSocket, SocketFile, bind_unix};
use rustix::io::Errno;
use rustix::net::sockopt;
use smol::{Executor, Timer};
use socket2::SockRef;
use tracing::{debug, error, warn};

use crate::arrival::{Failure, Newcomer, Preface, welcome};
use crate::config::{Limits, ListenAddress};
use crate::connection::Peer;
use crate::mailbox::Mailbox;
use crate::settings::Settings;
use crate::shard::Message;
use crate::shared::{Listening, Shared};

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
    listening: Listening,
    /// The service manager has it as well, and keeps it.
    is_passed: bool,
}

#[derive(Debug)]
enum Socket {
    Tcp(Async<TcpListener>),
    /// With its file, where it is ours to remove.
    Unix(
        Async<UnixListener>,
        #[expect(dead_code, reason = "removes the socket's file when dropped")] Option<SocketFile>,
    ),
}

/// Where accepted connections go. Clones share it.
#[derive(Clone, Debug)]
pub struct Reception {
    /// What all threads see.
    pub shared: Arc<Shared>,
    /// The shards.
    pub shards: Vec<ShardHandle>,
    /// Runs what comes before a request: PROXY headers and handshakes.
    /// Held weakly, since its tasks hold this, and an executor that its own tasks keep is never dropped, nor are they.
    pub arrivals: Weak<Executor<'static>>,
    /// When a connection without a PROXY header was logged last.
    pub complained: Arc<Mutex<Option<Instant>>>,
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
    /// Where it is told of them.
    pub mailbox: Mailbox,
    /// Connections that it has or is about to get.
    pub load: Arc<AtomicUsize>,
}

impl Listener {
    /// Binds an address, or takes it from those that the service manager passed. The options are set here, since accepted
    /// sockets inherit them.
    ///
    /// # Errors
    /// What the system said.
    pub fn bind(address: &ListenAddress, tls: bool, limits: &Limits, passed: &Passed) -> io::Result<Self> {
        let is_passed = matches!(address, ListenAddress::Systemd(_));
        let (socket, address) = match address {
            ListenAddress::Tcp(address) => tcp(TcpListener::bind(address)?, limits)?,
            ListenAddress::Unix(path) => {
                let (listener, file) = bind_unix(path, UNIX_MODE, None)?;
                let name = format!("unix:{}", path.display());
                (Socket::Unix(Async::new(listener)?, Some(file)), name)
            }
            ListenAddress::Systemd(name) => {
                let socket = passed.take(name)?;
                let name = socket.to_string();
                match socket {
                    PassedSocket::Tcp(listener) => tcp(listener, limits)?,
                    PassedSocket::Unix(listener) => (Socket::Unix(Async::new(listener)?, None), name),
                }
            }
        };
        Ok(Self { socket, listening: Listening { address, tls }, is_passed })
    }

    /// Where it listens.
    #[must_use]
    pub fn listening(&self) -> &Listening {
        &self.listening
    }

    fn name(&self) -> &str {
        &self.listening.address
    }

    /// Accepts until the channel is closed, and then whoever still waits to be accepted: they are told to come back later, where
    /// the end of the listener would reset them. A listener that the service manager keeps is left to whoever comes next.
    pub fn run(self, reception: Reception, stopped: Receiver<()>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            self.accept_until(&stopped, &reception).await;
            if !self.is_passed {
                self.accept_the_last(&reception).await;
            }
        })
    }

    /// Only waiting is cut short by the end: whoever has been accepted is handed over.
    async fn accept_until(&self, stopped: &Receiver<()>, reception: &Reception) {
        let shared = &reception.shared;
        let mut pauses = Pauses::default();
        loop {
            if shared.counters.connections.load(Relaxed) >= shared.settings().max_connections as u64 {
                let why = "the descriptors are used up (more of them: LimitNOFILE= or ulimit -n)";
                if until(stopped, self.pause(shared, why, &mut pauses)).await.is_none() {
                    return;
                }
                continue;
            }
            let Some(accepted) = until(stopped, self.accept()).await else { return };
            match accepted {
                Ok((socket, peer)) => {
                    pauses.under_way = false;
                    self.receive(socket, peer, reception).await;
                }
                Err(error) => match Errno::from_io_error(&error) {
                    Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                        if until(stopped, self.pause(shared, &error.to_string(), &mut pauses)).await.is_none() {
                            return;
                        }
                    }
                    // The peer gave up while it waited; there is another one.
                    Some(Errno::CONNABORTED | Errno::INTR) => debug!("{}: {error}", self.name()),
                    _ => {
                        error!("{}: accepting failed, trying on: {error}", self.name());
                        if until(stopped, Timer::after(LOOK)).await.is_none() {
                            return;
                        }
                    }
                },
            }
        }
    }

    async fn accept_the_last(&self, reception: &Reception) {
        for _ in 0..BACKLOG {
            let accepted = match &self.socket {
                Socket::Tcp(listener) => {
                    listener.get_ref().accept().map(|(stream, peer)| (stream.into(), Peer::Tcp(canonical(peer))))
                }
                Socket::Unix(listener, _) => listener.get_ref().accept().map(|(stream, _)| (stream.into(), Peer::Unix)),
            };
            let Ok((socket, peer)) = accepted else { return };
            self.receive(socket, peer, reception).await;
        }
    }

    async fn accept(&self) -> io::Result<(OwnedFd, Peer)> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, peer) = listener.read_with(TcpListener::accept).await?;
                Ok((stream.into(), Peer::Tcp(canonical(peer))))
            }
            Socket::Unix(listener, _) => {
                let (stream, _) = listener.read_with(UnixListener::accept).await?;
                Ok((stream.into(), Peer::Unix))
            }
        }
    }

    /// Sends a connection on: to a shard, or first through what comes before its request.
    async fn receive(&self, socket: OwnedFd, peer: Peer, reception: &Reception) {
        let shared = &reception.shared;
        if peer == Peer::Unix
            && let Err(error) = sockopt::set_socket_send_buffer_size(&socket, shared.config.limits.send_buffer)
        {
            warn!("{}: setting a send buffer failed: {error}", self.name());
        }
        // Before it is counted: who sees it counted knows which settings hold for it.
        let settings = shared.settings();
        let counters = &shared.counters;
        let connections = counters.connections.fetch_add(1, Relaxed) + 1;
        counters.connections_peak.fetch_max(connections, Relaxed);
        let header = shared.config.proxies.header && settings.proxies.trust(peer.ip());
        let preface = Preface { header, tls: self.listening.tls };
        if preface.is_empty() {
            return reception.hand_over(Newcomer { socket, peer, tls: None }).await;
        }
        // None is there only when the daemon ends.
        let Some(arrivals) = reception.arrivals.upgrade() else { return shared.count_closed() };
        let reception = reception.clone();
        // Ends at the latest with its time for a request head, or with the executor. Their number is that of connections.
        let task = match peer {
            Peer::Unix => arrivals.spawn(reception.arrive(UnixStream::from(socket), peer, preface, settings)),
            _ => arrivals.spawn(reception.arrive(TcpStream::from(socket), peer, preface, settings)),
        };
        task.detach();
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
            warn!("{}: accepting waits for a connection to end ({connections} are open): {why}", self.name());
        }
        let freed = shared.descriptor_freed.listen();
        let look = async {
            Timer::after(LOOK).await;
        };
        freed.or(look).await;
    }
}

impl Reception {
    /// Lets a connection through what comes before its request, and hands it over.
    async fn arrive<T>(self, stream: T, peer: Peer, preface: Preface, settings: Arc<Settings>)
    where
        T: Into<OwnedFd> + AsFd,
        Async<T>: AsyncRead + AsyncWrite + Unpin,
    {
        let welcomed = match Async::new(stream) {
            Ok(stream) => welcome(stream, peer, preface, &settings).await,
            Err(error) => Err(Failure::Broken(error)),
        };
        match welcomed {
            Ok(newcomer) => self.hand_over(newcomer).await,
            Err(failure) => {
                self.count(&failure, peer);
                self.shared.count_closed();
            }
        }
    }

    async fn hand_over(&self, newcomer: Newcomer) {
        let Some(shard) = self.shards.iter().min_by_key(|shard| shard.load.load(Relaxed)) else { return };
        shard.load.fetch_add(1, Relaxed);
        // A shard that is gone is ending with the daemon, and with it the count.
        let _ = shard.mailbox.send(Message::Adopt(newcomer)).await;
    }

    fn count(&self, failure: &Failure, peer: Peer) {
        let counters = &self.shared.counters;
        match failure {
            Failure::Header(why) => {
                counters.proxy_header_failures.fetch_add(1, Relaxed);
                let mut complained = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
                // A proxy that is set up otherwise does this at every connection.
                if complained.is_none_or(|at| at.elapsed() >= LOGGED_EVERY) {
                    *complained = Some(Instant::now());
                    return warn!("connection from {peer}, a trusted proxy, is refused: {why} (--proxy-protocol)");
                }
            }
            Failure::Handshake(_) => {
                counters.handshake_failures.fetch_add(1, Relaxed);
            }
            Failure::Broken(_) => {}
        }
        debug!("connection from {peer} is closed: {failure}");
    }
}

/// What a task gives; `None` where the channel is closed first.
async fn until<T>(stopped: &Receiver<()>, task: impl Future<Output = T>) -> Option<T> {
    let stop = async {
        // Nothing is ever sent.
        let _ = stopped.recv().await;
        None
    };
    stop.or(async { Some(task.await) }).await
}

/// An IPv4 address as such, also where an IPv6 socket accepted it.
fn canonical(mut peer: SocketAddr) -> SocketAddr {
    if let ip @ IpAddr::V4(_) = peer.ip().to_canonical() {
        peer.set_ip(ip);
    }
    peer
}

fn tcp(listener: TcpListener, limits: &Limits) -> io::Result<(Socket, String)> {
    sockopt::set_socket_send_buffer_size(&listener, limits.send_buffer)?;
    sockopt::set_tcp_nodelay(&listener, true)?;
    SockRef::from(&listener).set_tcp_notsent_lowat(UNSENT)?;
    // What fits into the buffer blocks no write, and a peer that has vanished would be noticed a quarter of an hour later.
    SockRef::from(&listener).set_tcp_user_timeout(Some(limits.progress_timeout))?;
    // A second listen on a listening socket sets its backlog.
    rustix::net::listen(&listener, BACKLOG)?;
    let name = listener.local_addr()?.to_string();
    Ok((Socket::Tcp(Async::new(listener)?), name))
}
