//! Where subscribers connect, as it is written: `127.0.0.1:8080`, `[::1]:8080`, `unix:/run/hasses/sse.sock`, `systemd:sse`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::ListenAddress;
use super::settings::without_control_characters;

/// Longest path of a Unix socket in bytes: `sun_path` has 108, the last of them a NUL.
const MAX_SOCKET_PATH_BYTES: usize = 107;

impl FromStr for ListenAddress {
    type Err = String;

    /// # Errors
    /// What is wrong with the text, and how to write it.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return socket_path(path).map(Self::Unix);
        }
        if let Some(name) = text.strip_prefix("systemd:") {
            return hasses_adapters::check_passed_name(name).map(|name| Self::Systemd(name.to_owned()));
        }
        text.parse().map(Self::Tcp).map_err(|_| {
            let how = "write ADDR:PORT, [IPV6]:PORT or unix:/PATH";
            match text.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>().is_ok())) {
                Some(("" | "*", true)) => format!("{text:?} has no address; every IPv4 interface is 0.0.0.0"),
                Some((host, true)) => format!("{host:?} in {text:?} is no IP address (names are not looked up); {how}"),
                _ => format!("{text:?} is no address with a port from 0 to 65535; {how}"),
            }
        })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Systemd(name) => write!(f, "systemd:{name}"),
        }
    }
}

impl ListenAddress {
    /// Whether a second socket cannot have the same address: the system gives each port 0 a port of its own.
    pub(super) fn is_exclusive(&self) -> bool {
        !matches!(self, Self::Tcp(address) if address.port() == 0)
    }

    /// The file of a Unix socket.
    pub(super) fn socket_path(&self) -> Option<&Path> {
        match self {
            Self::Tcp(_) | Self::Systemd(_) => None,
            Self::Unix(path) => Some(path),
        }
    }
}

fn socket_path(path: &str) -> Result<PathBuf, String> {
    // Control sources are URLs, so many will write `unix:///run/x` here as well.
    let path = path.strip_prefix("//").unwrap_or(path);
    if !path.starts_with('/') || path.ends_with('/') {
        return Err(format!("{path:?} is not the absolute path of a file; write unix:/run/hasses/sse.sock"));
    }
    if path.len() > MAX_SOCKET_PATH_BYTES {
        return Err(format!(
            "{path:?} is longer than the path of a socket may be, {MAX_SOCKET_PATH_BYTES} bytes ({})",
            path.len()
        ));
    }
    without_control_characters(path)?;
    Ok(PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_alike() {
        for text in ["127.0.0.1:8080", "0.0.0.0:0", "[::1]:8080", "[::]:65535", "unix:/run/hasses/sse.sock"] {
            assert_eq!(text.parse::<ListenAddress>().expect(text).to_string(), text);
        }
        let url = "unix:///run/x".parse::<ListenAddress>();
        assert_eq!(url, Ok(ListenAddress::Unix("/run/x".into())));
    }

    #[test]
    fn what_is_no_address_is_refused_and_says_how_to_write_it() {
        let long = format!("unix:/{}", "x".repeat(107));
        for (text, part) in [
            ("8080", "write ADDR:PORT, [IPV6]:PORT or unix:/PATH"),
            (":8080", "every IPv4 interface is 0.0.0.0"),
            ("*:8080", "every IPv4 interface is 0.0.0.0"),
            ("localhost:8080", "\"localhost\" in \"localhost:8080\" is no IP address"),
            ("::1:8080", "[IPV6]:PORT"),
            ("127.0.0.1:65536", "from 0 to 65535"),
            ("127.0.0.1", "is no address with a port"),
            ("", "\"\" is no address"),
            ("unix:", "\"\" is not the absolute path"),
            ("unix:run/x", "\"run/x\" is not the absolute path"),
            ("unix:/run/", "\"/run/\" is not the absolute path of a file"),
            ("unix:/a\nb", "control character"),
            (&long, "107 bytes (108)"),
        ] {
            let error = text.parse::<ListenAddress>().expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
