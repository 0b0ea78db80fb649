//! The proxies in front: who may say for whom a connection or a request is.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// The proxies in front.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// Who is believed.
    pub trusted: Vec<TrustedProxy>,
    /// Their connections begin with a PROXY header.
    pub header: bool,
}

/// Somebody who is believed about the client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedProxy {
    /// Whoever connects from these addresses.
    Net(IpNet),
    /// Whoever connects over a Unix socket.
    Unix,
}

impl Proxies {
    /// Whether a peer is believed; `None` is one on a Unix socket.
    #[must_use]
    pub fn trust(&self, peer: Option<IpAddr>) -> bool {
        self.trusted.iter().any(|proxy| match (proxy, peer) {
            (TrustedProxy::Net(net), Some(address)) => net.contains(&address.to_canonical()),
            (TrustedProxy::Unix, None) => true,
            _ => false,
        })
    }
}

impl FromStr for TrustedProxy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "unix" {
            return Ok(Self::Unix);
        }
        let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        let net = net.ok_or_else(|| format!("{text:?} is neither ADDR nor ADDR/BITS nor unix"))?;
        // A net with host bits set is half of the time a net that was meant otherwise.
        if net.addr() != net.network() {
            return Err(format!("{text:?} has bits behind the /; the net is {}", net.trunc()));
        }
        Ok(Self::Net(net))
    }
}

impl fmt::Display for TrustedProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Net(net) if net.prefix_len() == net.max_prefix_len() => net.addr().fmt(f),
            Self::Net(net) => net.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_read_and_written_alike() {
        for text in ["127.0.0.1", "10.0.0.0/8", "::1", "fd00::/8", "0.0.0.0/0", "unix"] {
            assert_eq!(text.parse::<TrustedProxy>().expect(text).to_string(), text);
        }
        for (text, part) in [
            ("localhost", "neither ADDR nor ADDR/BITS"),
            ("10.0.0.0/33", "neither"),
            ("", "neither"),
            ("10.0.0.1/8", "the net is 10.0.0.0/8"),
        ] {
            let error = text.parse::<TrustedProxy>().expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn only_those_named_are_believed() {
        let read = |texts: &[&str]| Proxies {
            trusted: texts.iter().map(|text| text.parse().unwrap()).collect(),
            header: false,
        };
        let address = |text: &str| Some(text.parse().unwrap());
        assert!(read(&["10.0.0.0/8"]).trust(address("10.1.2.3")));
        assert!(read(&["10.0.0.0/8"]).trust(address("::ffff:10.1.2.3")), "IPv4 on an IPv6 socket");
        assert!(!read(&["10.0.0.0/8"]).trust(address("11.0.0.1")));
        assert!(!read(&["10.0.0.0/8"]).trust(None));
        assert!(read(&["unix"]).trust(None));
        assert!(!read(&[]).trust(address("127.0.0.1")));
    }
}
