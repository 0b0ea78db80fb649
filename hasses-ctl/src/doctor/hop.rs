//! What the daemon sees of a proxy in front: how it is asked, and from where.

use std::net::{IpAddr, SocketAddr};

use hasses_client::ClientInfo;

use super::finding::{Check, Finding};
use super::proxy::Proxy;

/// Judges how the proxy asks the daemon. `own` is where this program asked from.
pub(crate) fn judge_proxy(client: &ClientInfo, own: SocketAddr, proxy: Proxy) -> Finding {
    if client.address.parse() == Ok(own) {
        return Finding::ok(Check::Proxy, "none that speaks HTTP: the daemon itself answers");
    }
    match client.http.as_deref() {
        Some("1.0") => Finding::wrong(
            Check::Proxy,
            "the proxy asks the daemon by HTTP/1.0: without chunks it takes a stream that broke for one that ended, \
             and nginx collects events as soon as X-Accel-Buffering does not reach it",
        )
        .changes(proxy.against_http10()),
        Some(version) => Finding::ok(Check::Proxy, format!("it asks the daemon by HTTP/{version}")),
        None => Finding::skipped(Check::Proxy, "this daemon does not say by which version of HTTP it was asked"),
    }
}

/// Judges whose address the daemon sees. `server` is the address that the URL leads to.
pub(crate) fn judge_address(client: &ClientInfo, own: SocketAddr, server: IpAddr, proxy: Proxy) -> Finding {
    let text = client.address.as_str();
    if text == "unix" {
        return of_proxy("unix", "nothing but the proxy's socket", proxy);
    }
    let address: Option<IpAddr> = text
        .parse::<SocketAddr>()
        .map(|address| address.ip())
        .or_else(|_| text.parse())
        .ok()
        .map(|ip: IpAddr| ip.to_canonical());
    let Some(address) = address else {
        return Finding::skipped(Check::Address, format!("the daemon sees {text:?}, which is no address"));
    };
    if address == own.ip().to_canonical() {
        return Finding::ok(Check::Address, format!("the daemon sees the client's own address ({address})"));
    }
    let from_inside = is_private(address) && !is_private(server);
    if address.is_loopback() || address == server.to_canonical() || from_inside {
        return of_proxy(&address.to_string(), &format!("the proxy's address ({address})"), proxy);
    }
    let router = "a router between may be why";
    Finding::ok(
        Check::Address,
        format!("the daemon sees {address}, and this machine calls itself {}: {router}", own.ip()),
    )
}

fn of_proxy(trusted: &str, seen: &str, proxy: Proxy) -> Finding {
    Finding::warning(
        Check::Address,
        format!("the daemon sees {seen} in place of the client's: so do its lists, its log and its limit by address"),
    )
    .changes(proxy.for_addresses(trusted))
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || v4.is_loopback(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use hasses_client::ClientState;

    use super::super::finding::Verdict;
    use super::*;

    fn client(address: &str, http: Option<&str>) -> ClientInfo {
        ClientInfo {
            client: 1,
            descriptor: 7,
            address: address.into(),
            id: None,
            agent: None,
            topics: Vec::new(),
            state: ClientState::Subscribed,
            connected_seconds: 0,
            subscribed_seconds: 0,
            delivered: 0,
            queued_bytes: 0,
            reinits: 0,
            tls: None,
            http: http.map(ToOwned::to_owned),
        }
    }

    #[test]
    fn the_hop_is_judged_by_its_version() {
        let own = "127.0.0.9:4000".parse().unwrap();
        for (address, http, verdict) in [
            ("127.0.0.9:4000", Some("1.0"), Verdict::Ok),
            ("127.0.0.1:5000", Some("1.0"), Verdict::Wrong),
            ("127.0.0.1:5000", Some("1.1"), Verdict::Ok),
            ("unix", None, Verdict::Skipped),
        ] {
            assert_eq!(judge_proxy(&client(address, http), own, Proxy::Nginx).verdict, verdict, "{address}");
        }
    }

    #[test]
    fn addresses_of_proxies_are_told_from_those_of_clients() {
        for (address, own, server, verdict) in [
            ("127.77.1.2", "127.77.1.2:9", "127.0.0.1", Verdict::Ok),
            ("127.0.0.1:5000", "127.77.1.2:9", "127.0.0.1", Verdict::Warning),
            ("unix", "127.77.1.2:9", "127.0.0.1", Verdict::Warning),
            ("203.0.113.9:1", "192.168.1.5:9", "198.51.100.1", Verdict::Ok),
            ("198.51.100.1:1", "192.168.1.5:9", "198.51.100.1", Verdict::Warning),
            ("10.0.0.3:1", "192.168.1.5:9", "198.51.100.1", Verdict::Warning),
            ("[::ffff:192.168.1.5]:1", "192.168.1.5:9", "192.168.1.1", Verdict::Ok),
            ("2001:db8::5", "[2001:db8::5]:9", "2001:db8::1", Verdict::Ok),
            ("[::1]:1", "[2001:db8::5]:9", "2001:db8::1", Verdict::Warning),
            ("nowhere", "[2001:db8::5]:9", "2001:db8::1", Verdict::Skipped),
        ] {
            let (own, server) = (own.parse().unwrap(), server.parse().unwrap());
            let finding = judge_address(&client(address, None), own, server, Proxy::Nginx);
            assert_eq!(finding.verdict, verdict, "{address}: {finding:?}");
        }
        let finding = judge_address(
            &client("unix", None),
            "127.0.0.2:1".parse().unwrap(),
            "127.0.0.1".parse().unwrap(),
            Proxy::Nginx,
        );
        assert!(finding.change.iter().any(|line| line.contains("--trusted-proxy unix")), "{finding:?}");
    }
}
