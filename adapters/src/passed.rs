//! Sockets that the service manager opened and passed on (systemd's socket activation), each under its name
//! (`FileDescriptorName=`).
//!
//! They are taken from the environment once, at start; whoever listens on one takes it out by its name.

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex, PoisonError};

use listenfd::ListenFd;

/// The passed sockets that nobody has taken yet; clones share them. One of another kind than those below has its name only.
#[derive(Clone, Debug, Default)]
pub struct Passed(Arc<Mutex<Vec<Named>>>);

/// A socket with its name.
type Named = (String, Option<PassedSocket>);

/// A listening socket that was passed.
#[derive(Debug)]
pub enum PassedSocket {
    /// A TCP port.
    Tcp(TcpListener),
    /// A Unix socket; its file is the service manager's to remove.
    Unix(UnixListener),
}

impl Passed {
    /// Those of this process: `LISTEN_PID`, `LISTEN_FDS`, `LISTEN_FDNAMES`. May be called once: a second call finds none.
    #[must_use]
    pub fn from_environment() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut listed = ListenFd::from_env();
        let sockets = (0..listed.len()).map(|index| {
            // As systemd has it where no name is set.
            let name = names.next().filter(|name| !name.is_empty()).unwrap_or("unknown");
            let socket = match listed.take_tcp_listener(index) {
                Ok(Some(tcp)) => Some(PassedSocket::Tcp(tcp)),
                _ => listed.take_unix_listener(index).ok().flatten().map(PassedSocket::Unix),
            };
            (name.to_owned(), socket)
        });
        Self(Arc::new(Mutex::new(sockets.collect())))
    }

    /// Takes the first socket of this name.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`], with the names there are; [`io::ErrorKind::InvalidInput`] for one of another kind.
    pub fn take(&self, name: &str) -> io::Result<PassedSocket> {
        let mut sockets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = sockets.iter().position(|(known, _)| known == name) {
            return sockets.remove(index).1.ok_or_else(|| {
                let why = format!("the socket named {name:?} is neither one of TCP nor a Unix stream socket");
                io::Error::new(io::ErrorKind::InvalidInput, why)
            });
        }
        let left: Vec<_> = sockets.iter().map(|(name, _)| name.as_str()).collect();
        let left = if left.is_empty() { "none".to_owned() } else { left.join(", ") };
        let why = format!(
            "the service manager passed no socket named {name:?} (FileDescriptorName=; passed and left: {left})"
        );
        Err(io::Error::new(io::ErrorKind::NotFound, why))
    }

    /// The names of those that nobody has taken.
    #[must_use]
    pub fn left(&self) -> Vec<String> {
        let sockets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.iter().map(|(name, _)| name.clone()).collect()
    }
}

impl fmt::Display for PassedSocket {
    /// The address: `127.0.0.1:8080`, `unix:/run/hasses/sse.sock`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(tcp) => match tcp.local_addr() {
                Ok(address) => address.fmt(f),
                Err(error) => write!(f, "TCP ({error})"),
            },
            Self::Unix(unix) => match unix.local_addr() {
                Ok(address) => write!(f, "unix:{}", address.as_pathname().unwrap_or("(unnamed)".as_ref()).display()),
                Err(error) => write!(f, "Unix ({error})"),
            },
        }
    }
}

/// Checks a name as `FileDescriptorName=` takes it.
///
/// # Errors
/// What is wrong with it.
pub fn check_name(name: &str) -> Result<&str, String> {
    // systemd.socket(5): at most 255 characters of ASCII without control characters and ":".
    let fits = (1..=255).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    if fits { Ok(name) } else { Err(format!("{name:?} is no name of a passed socket (systemd's FileDescriptorName=)")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_systemd_takes() {
        for name in ["sse", "hasses.socket", "a b", "", "a:b", "\u{fc}"] {
            assert_eq!(check_name(name).is_ok(), ["sse", "hasses.socket"].contains(&name), "{name:?}");
        }
        assert!(check_name(&"x".repeat(256)).is_err());
    }

    #[test]
    fn each_socket_is_taken_once_and_what_is_left_is_known() {
        let tcp = || PassedSocket::Tcp(TcpListener::bind("127.0.0.1:0").unwrap());
        let sockets = [("sse", Some(tcp())), ("sse", Some(tcp())), ("odd", None)];
        let passed = Passed(Arc::new(Mutex::new(sockets.map(|(name, socket)| (name.to_owned(), socket)).into())));
        assert_eq!(passed.left(), ["sse", "sse", "odd"]);
        let first = passed.take("sse").unwrap().to_string();
        assert_ne!(passed.take("sse").unwrap().to_string(), first);
        let error = passed.take("sse").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().ends_with("passed and left: odd)"), "{error}");
        assert_eq!(passed.take("odd").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
