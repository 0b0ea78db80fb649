//! Where the daemon is: `tcp://HOST:PORT` or `unix:///ABSOLUTE/PATH`.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::net::SocketAddr as UnixAddress;
use std::path::PathBuf;
use std::str::FromStr;

use crate::wire::{ErrorCode, Failure};

const FORMS: &str = "write tcp://HOST:PORT or unix:///ABSOLUTE/PATH";

/// The address of a control source that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// A TCP port; the host is a name, or an IP address without brackets.
    Tcp { host: String, port: u16 },
    /// A Unix socket.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = Failure;

    fn from_str(url: &str) -> Result<Self, Failure> {
        let bad = |why: &str| Failure::new(ErrorCode::BadField, format!("{url:?} is no address of hasses: {why}"));
        match url.split_once("://") {
            Some(("tcp", rest)) => tcp(rest).map_err(bad),
            Some(("unix", path)) => unix(path).map_err(bad),
            Some(("fifo", _)) => Err(bad(&format!("a FIFO has no way back for answers; {FORMS}"))),
            Some((scheme, _)) => Err(bad(&format!("scheme {scheme:?} is not known; {FORMS}"))),
            None => Err(bad(&format!("it has no scheme; {FORMS}"))),
        }
    }
}

fn tcp(rest: &str) -> Result<Address, &'static str> {
    if rest.contains(['/', '?', '#', '@']) || rest.contains(char::is_whitespace) {
        return Err("only HOST:PORT may follow tcp://");
    }
    let Some((host, port)) = rest.rsplit_once(':') else {
        return Err("the port is missing, as in tcp://127.0.0.1:8085");
    };
    let port = match port.parse() {
        Ok(port) if port != 0 && port_is_digits(rest) => port,
        _ => return Err("the port must be a number from 1 to 65535, as in tcp://127.0.0.1:8085"),
    };
    if host.is_empty() {
        return Err("the host is missing, as in tcp://127.0.0.1:8085");
    }
    let host = match host.strip_prefix('[').map(|host| host.strip_suffix(']')) {
        Some(Some(host)) if host.parse::<Ipv6Addr>().is_ok() => host,
        Some(_) => return Err("what stands in brackets must be an IPv6 address, as in tcp://[::1]:8085"),
        None if host.contains([':', ']']) => return Err("an IPv6 address stands in brackets, as in tcp://[::1]:8085"),
        None => host,
    };
    Ok(Address::Tcp { host: host.to_owned(), port })
}

/// `u16::from_str` takes a plus sign as well.
fn port_is_digits(rest: &str) -> bool {
    rest.bytes().rev().take_while(|byte| *byte != b':').all(|byte| byte.is_ascii_digit())
}

fn unix(path: &str) -> Result<Address, &'static str> {
    if !path.starts_with('/') {
        return Err("the path must be absolute, as in unix:///run/hasses/control.sock");
    }
    if path.contains('?') {
        return Err("options behind a '?' are for the daemon; leave them out");
    }
    // The longest path differs between systems: 107 bytes on Linux.
    if UnixAddress::from_pathname(path).is_err() {
        return Err("the path is too long for a Unix socket, or holds a NUL");
    }
    Ok(Address::Unix(path.into()))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()) => {
                write!(f, "tcp://[{host}]:{port}")
            }
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_they_were_read() {
        for url in [
            "tcp://127.0.0.1:8085",
            "tcp://localhost:1",
            "tcp://hasses.internal:65535",
            "tcp://[::1]:8085",
            "unix:///run/hasses/control.sock",
            "unix:///a b",
        ] {
            assert_eq!(url.parse::<Address>().unwrap().to_string(), url);
        }
    }

    #[test]
    fn a_bad_address_says_what_is_right() {
        let long = format!("unix:///{}", "x".repeat(200));
        for (url, part) in [
            ("", "it has no scheme; write tcp://HOST:PORT or unix:///ABSOLUTE/PATH"),
            ("127.0.0.1:8085", "it has no scheme"),
            ("http://127.0.0.1:8085", "scheme \"http\" is not known"),
            ("fifo:///run/x", "no way back"),
            ("tcp://", "the port is missing"),
            ("tcp://localhost", "the port is missing"),
            ("tcp://:8085", "the host is missing"),
            ("tcp://localhost:", "number from 1 to 65535"),
            ("tcp://localhost:0", "number from 1 to 65535"),
            ("tcp://localhost:+80", "number from 1 to 65535"),
            ("tcp://localhost:65536", "number from 1 to 65535"),
            ("tcp://::1:8085", "in brackets"),
            ("tcp://[localhost]:8085", "must be an IPv6 address"),
            ("tcp://[::1:8085", "must be an IPv6 address"),
            ("tcp://localhost:80/", "only HOST:PORT"),
            ("tcp://me@localhost:80", "only HOST:PORT"),
            ("unix://run/x", "must be absolute"),
            ("unix:///run/x?mode=0660", "leave them out"),
            (&long, "too long"),
            ("unix:///a\0b", "NUL"),
        ] {
            let failure = url.parse::<Address>().expect_err(url);
            assert!(failure.error.contains(part), "{url}: {}", failure.error);
            assert_eq!(failure.code, ErrorCode::BadField);
        }
    }
}
