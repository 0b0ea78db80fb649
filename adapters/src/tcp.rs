//! Control over TCP.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::pin::Pin;

use async_io::Async;
use rustix::net::sockopt;

use crate::connections::{self, Connection, Over};
use crate::error::OpenError;
use crate::sources::{Context, ControlSource, Opened, Settings};
use crate::url::SourceUrl;

/// Connections that may wait to be accepted, as for the SSE ports.
const BACKLOG: i32 = 4096;

struct Tcp {
    listener: Async<TcpListener>,
    address: SocketAddr,
}

pub(crate) fn check(url: &SourceUrl) -> Result<(), String> {
    let target = url.target();
    match target.rsplit_once(':').map(|(_, port)| port.parse::<u16>()) {
        Some(Ok(_)) => Ok(()),
        _ => Err(format!("{target:?} has no port; write ADDR:PORT")),
    }
}

pub(crate) fn open(url: &SourceUrl, settings: &Settings) -> Opened {
    let failed = |doing| move |error| OpenError::Io { url: url.to_string(), doing, error };
    let address = url
        .target()
        .to_socket_addrs()
        .and_then(|mut addresses| addresses.next().ok_or_else(|| io::ErrorKind::NotFound.into()))
        .map_err(failed("looking up the address"))?;
    refuse_remote(url, address, settings)?;
    let listener = TcpListener::bind(address).map_err(failed("listening"))?;
    listen(url, listener, settings)
}

/// Listens on a bound socket.
pub(crate) fn listen(url: &SourceUrl, listener: TcpListener, settings: &Settings) -> Opened {
    let failed = |doing| move |error| OpenError::Io { url: url.to_string(), doing, error };
    let address = listener.local_addr().map_err(failed("listening"))?;
    // A passed socket comes as it is; one that was bound here stands where it was allowed to.
    refuse_remote(url, address, settings)?;
    // A second listen on a listening socket sets its backlog.
    rustix::net::listen(&listener, BACKLOG).map_err(|error| failed("listening")(error.into()))?;
    let listener = Async::new(listener).map_err(failed("listening"))?;
    Ok(Box::new(Tcp { listener, address }))
}

fn refuse_remote(url: &SourceUrl, address: SocketAddr, settings: &Settings) -> Result<(), OpenError> {
    if address.ip().is_loopback() || settings.allow_remote {
        return Ok(());
    }
    Err(OpenError::RemoteControl { url: url.to_string() })
}

impl ControlSource for Tcp {
    fn address(&self) -> String {
        format!("tcp://{}", self.address)
    }

    fn run(self: Box<Self>, context: Context) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let current = context.current.clone();
            connections::serve(&self.address(), Over::Tcp, context, || async {
                let (stream, peer) = self.listener.accept().await?;
                // Answers shall go out at once, and a publisher that vanished shall not hold its place for good.
                sockopt::set_tcp_nodelay(&stream, true)?;
                sockopt::set_socket_keepalive(&stream, true)?;
                let settings = current.settings();
                let is_local = peer.ip().to_canonical().is_loopback();
                let quiet = if is_local { settings.quiet_local } else { settings.quiet_remote };
                Ok(Connection { stream, peer: peer.to_string(), quiet })
            })
            .await;
        })
    }
}
