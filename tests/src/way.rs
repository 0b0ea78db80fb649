//! The ways on which bytes come to the daemon.

use std::fs::{File, OpenOptions};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use crate::TestDaemon;

/// A control source of [`TestDaemon`] that takes classic text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// TCP on loopback.
    Tcp,
    /// The Unix socket.
    Unix,
    /// The FIFO.
    Fifo,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Unix, Self::Fifo];

    /// Opens it for writing. Each write is handed to the system at once, and dropping it closes it.
    ///
    /// # Panics
    /// Nobody is at the other end.
    #[must_use]
    pub fn open(self, daemon: &TestDaemon) -> File {
        let folder = daemon.folder();
        match self {
            Self::Tcp => {
                let socket = TcpStream::connect(daemon.control_address()).expect("the daemon listens");
                socket.set_nodelay(true).expect("no delay");
                OwnedFd::from(socket).into()
            }
            Self::Unix => {
                let socket = UnixStream::connect(folder.join("control.sock")).expect("the daemon listens");
                OwnedFd::from(socket).into()
            }
            Self::Fifo => OpenOptions::new().write(true).open(folder.join("fifo")).expect("the daemon reads"),
        }
    }
}
