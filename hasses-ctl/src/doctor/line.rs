//! The way to the URL that was found to work, and what goes over it: requests as browsers make them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use hasses_client::web::{Scheme, Transport, Trust, Url, dial, request};

use super::handshake::shake_hands;
use super::origin::Origin;
use super::probe::Probe;

const PATIENCE: Duration = Duration::from_secs(5);

/// What Chromium sends; the name at the end says who it really is.
const AGENT: &str = concat!("Mozilla/5.0 (X11; Linux x86_64) hasses-doctor/", env!("CARGO_PKG_VERSION"));

/// What a browser offers to unpack.
const PACKINGS: &str = "gzip, deflate, br, zstd";

/// The way to a URL.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// The URL.
    pub(crate) url: Url,
    /// The address that takes connections.
    pub(crate) address: SocketAddr,
    /// How long a connection takes: once there and back.
    pub(crate) length: Duration,
    /// Whose certificates are believed.
    pub(crate) trust: Trust,
    source: Option<IpAddr>,
}

/// Whether the answer may come packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    /// As browsers ask for it.
    Offered,
    /// Not.
    Declined,
}

impl Line {
    /// The way over this address, to which a connection takes so long.
    ///
    /// On the loopback interface every client has the same address, so one of its own is taken there: only so can be told
    /// whether the daemon sees the client's address or a proxy's.
    pub(crate) fn new(url: Url, address: SocketAddr, length: Duration, trust: Trust) -> Self {
        let source = address.ip().is_loopback() && address.is_ipv4();
        let source = source.then(|| Ipv4Addr::new(127, fastrand::u8(64..128), fastrand::u8(..), fastrand::u8(1..255)));
        Self { url, address, length, trust, source: source.map(IpAddr::V4) }
    }

    /// A TCP connection.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn tcp(&self) -> io::Result<TcpStream> {
        match dial(self.address, self.source, PATIENCE) {
            // Elsewhere than on Linux only 127.0.0.1 is an address.
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => dial(self.address, None, PATIENCE),
            dialled => dialled,
        }
    }

    /// Subscribes with these query fields, as a page of this origin does; `None` is a page of the URL's own.
    ///
    /// # Errors
    /// The connection's.
    pub(crate) fn subscribe(
        &self,
        fields: &[(&str, &str)],
        page: Option<&Origin>,
        packing: Packing,
    ) -> io::Result<Probe> {
        let url = self.url.with_fields(fields.iter().copied());
        let site = if page.is_some() { "cross-site" } else { "same-origin" };
        let mut headers = vec![
            ("Connection", "keep-alive"),
            ("User-Agent", AGENT),
            ("Accept", "text/event-stream"),
            ("Cache-Control", "no-cache"),
            ("Sec-Fetch-Site", site),
            ("Sec-Fetch-Mode", "cors"),
            ("Sec-Fetch-Dest", "empty"),
            ("Accept-Language", "en-US,en;q=0.9"),
        ];
        headers.extend((packing == Packing::Offered).then_some(("Accept-Encoding", PACKINGS)));
        headers.extend(page.map(|origin| ("Origin", origin.as_str())));
        self.ask("GET", &url, &headers)
    }

    /// Asks as a browser does before it lets a page of this origin send headers of its own.
    ///
    /// # Errors
    /// The connection's.
    pub(crate) fn preflight(&self, page: &Origin) -> io::Result<Probe> {
        let headers = [
            ("Connection", "keep-alive"),
            ("User-Agent", AGENT),
            ("Accept", "*/*"),
            ("Access-Control-Request-Method", "GET"),
            ("Access-Control-Request-Headers", "last-event-id"),
            ("Origin", page.as_str()),
            ("Sec-Fetch-Mode", "cors"),
        ];
        self.ask("OPTIONS", &self.url, &headers)
    }

    fn ask(&self, method: &str, url: &Url, headers: &[(&str, &str)]) -> io::Result<Probe> {
        let tcp = self.tcp()?;
        let transport = match url.scheme() {
            Scheme::Http => Transport::Plain(tcp),
            Scheme::Https => shake_hands(tcp, url.host(), &self.trust)?,
        };
        Probe::begin(transport, &request(method, url, headers))
    }
}
