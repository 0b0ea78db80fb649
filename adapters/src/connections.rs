//! What TCP and Unix sockets share: accepting connections and giving each a session.

use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use futures_lite::{AsyncRead, AsyncWrite, FutureExt as _};
use smol::lock::SemaphoreGuardArc;
use smol::{Executor, Timer};
use tracing::{debug, error, warn};

use crate::session::{Session, Way};
use crate::sources::Context;

/// Pause after accepting failed: long enough not to spin, short enough for a publisher not to notice.
const PAUSE: Duration = Duration::from_millis(100);

/// How connections come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Tcp,
    Unix,
}

/// A connection with a name for the log and the quiet time that holds for it.
pub(crate) struct Connection<S> {
    pub(crate) stream: S,
    pub(crate) peer: String,
    pub(crate) quiet: Duration,
}

/// Accepts until dropped. At the limit of control connections it waits for one to end: a publisher that writes and closes
/// is served late rather than lost.
pub(crate) async fn serve<S, F>(address: &str, over: Over, context: Context, accept: impl Fn() -> F + Send + Sync)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = io::Result<Connection<S>>> + Send,
{
    // The sessions live on an executor of this source's own, so that they end with it.
    let sessions = Executor::new();
    let accepting = async {
        let (mut failing, mut full) = (false, false);
        loop {
            match accept().await {
                Ok(connection) => {
                    failing = false;
                    // Taken with a connection in hand: a source to which nobody connects keeps no place from the others.
                    let permits = match try_acquire(&context, over) {
                        Some(permits) => {
                            full = false;
                            permits
                        }
                        None => {
                            // Said once, not for everybody who waits.
                            if !std::mem::replace(&mut full, true) {
                                warn!(
                                    "{address}: all control connections are taken (--max-control-connections); the next wait \
                                     for one to end"
                                );
                            }
                            acquire(&context, over).await
                        }
                    };
                    let context = context.clone();
                    let session = async move {
                        context.stats.connections.fetch_add(1, Relaxed);
                        let stats = context.stats.clone();
                        run(connection, context).await;
                        stats.connections.fetch_sub(1, Relaxed);
                        drop(permits);
                    };
                    // Ended by the end of its stream, or with the executor.
                    sessions.spawn(session).detach();
                }
                Err(error) => {
                    // Said once, not at every try.
                    if !std::mem::replace(&mut failing, true) {
                        error!("{address}: accepting a control connection failed, trying on: {error}");
                    }
                    Timer::after(PAUSE).await;
                }
            }
        }
    };
    // A task of its own, so that it tries to accept when somebody connects, and not whenever a session has something to do.
    let acceptor = Executor::new();
    let accepting = acceptor.spawn(accepting);
    sessions.run(acceptor.run(accepting)).await;
}

/// The places that a connection takes.
type Permits = (Option<SemaphoreGuardArc>, SemaphoreGuardArc);

fn try_acquire(context: &Context, over: Over) -> Option<Permits> {
    let tcp = match over {
        Over::Tcp => Some(context.tcp_permits.try_acquire_arc()?),
        Over::Unix => None,
    };
    Some((tcp, context.permits.try_acquire_arc()?))
}

async fn acquire(context: &Context, over: Over) -> Permits {
    let tcp = match over {
        Over::Tcp => Some(context.tcp_permits.acquire_arc().await),
        Over::Unix => None,
    };
    (tcp, context.permits.acquire_arc().await)
}

async fn run<S: AsyncRead + AsyncWrite + Unpin>(connection: Connection<S>, context: Context) {
    let Connection { stream, peer, quiet } = connection;
    debug!("control connection from {peer}");
    let session = Session::new(peer.clone(), Way::Both, None, quiet, context);
    // A fault in the code of one session ends that session only.
    match AssertUnwindSafe(session.run(stream)).catch_unwind().await {
        Ok(Ok(())) => debug!("control connection from {peer} ended"),
        Ok(Err(error)) => debug!("control connection from {peer} broke: {error}"),
        Err(_) => error!("control connection from {peer} ended by a fault of the daemon; please report it"),
    }
}
