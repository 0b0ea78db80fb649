//! What a service manager is told: systemd's protocol of `NOTIFY_SOCKET` (sd_notify(3)).
//!
//! Written here rather than taken from a crate, since it is one datagram, and the socket may have an abstract name.

use std::cell::Cell;
use std::fmt::Display;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tracing::warn;

/// A service manager that takes no datagram for so long is not waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// The service manager, where there is one.
#[derive(Debug, Default)]
pub struct Manager {
    socket: Option<(UnixDatagram, SocketAddr)>,
    /// The last that it was to be told did not reach it.
    is_deaf: Cell<bool>,
}

impl Manager {
    /// The one that the environment names.
    #[must_use]
    pub fn from_environment() -> Self {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Self::default();
        };
        match Self::at(name.as_bytes()) {
            Ok(manager) => manager,
            Err(error) => {
                warn!("the service manager cannot be told anything (NOTIFY_SOCKET={}): {error}", name.display());
                Self::default()
            }
        }
    }

    pub(super) fn at(name: &[u8]) -> io::Result<Self> {
        let address = match name {
            [b'/', ..] => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name))?,
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is neither a path nor an abstract name")),
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { socket: Some((socket, address)), is_deaf: Cell::new(false) })
    }

    /// Whether there is one.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.socket.is_some()
    }

    /// The daemon serves; `status` is for people.
    pub fn ready(&self, status: impl Display) {
        self.tell(&format!("READY=1\nSTATUS={status}\n"));
    }

    /// What the daemon is at, for people.
    pub fn status(&self, status: impl Display) {
        self.tell(&format!("STATUS={status}\n"));
    }

    /// Settings are being read anew; [`Manager::ready`] ends that.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=reloading\n"));
    }

    /// The daemon ends.
    pub fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=ending every stream\n");
    }

    /// The daemon lives.
    pub fn alive(&self) {
        self.tell("WATCHDOG=1\n");
    }

    fn tell(&self, text: &str) {
        let Some((socket, address)) = &self.socket else { return };
        let sent = socket.send_to_addr(text.as_bytes(), address);
        let was_deaf = self.is_deaf.replace(sent.is_err());
        // Said once, not at every sign of life.
        if let (Err(error), false) = (sent, was_deaf) {
            warn!("the service manager cannot be told {}: {error}", text.lines().next().unwrap_or_default());
        }
    }
}

/// How long the service manager waits for a sign of life before it starts the daemon anew; `None` where it does not.
#[must_use]
pub fn watchdog() -> Option<Duration> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let is_for_this = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
    number("WATCHDOG_USEC").filter(|micros| *micros > 0 && is_for_this).map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 1024];
        let count = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    }

    #[test]
    fn messages_go_to_a_path_and_to_an_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let named = UnixDatagram::bind(&path).unwrap();
        let manager = Manager::at(path.as_os_str().as_bytes()).unwrap();
        manager.ready("serving");
        assert_eq!(received(&named), "READY=1\nSTATUS=serving\n");
        manager.reloading();
        let text = received(&named);
        assert!(text.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{text}");

        let name = format!("hasses-test-{}", std::process::id());
        let unnamed = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let manager = Manager::at(format!("@{name}").as_bytes()).unwrap();
        manager.alive();
        manager.stopping();
        assert_eq!(received(&unnamed), "WATCHDOG=1\n");
        assert!(received(&unnamed).starts_with("STOPPING=1\n"));
        assert!(Manager::at(b"vsock:2:1234").is_err());
    }

    #[test]
    fn nobody_is_told_where_there_is_nobody() {
        Manager::default().ready("x");
        assert!(!Manager::default().is_there());
    }
}
