//! Whether the host can be reached: its name, and each of its addresses.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use hasses_client::web::{Url, dial, resolve};

use super::finding::{Check, Finding};

/// Time for an address to take a connection. Browsers wait longer; who has waited this long has closed the tab.
const PATIENCE: Duration = Duration::from_secs(5);

/// An attempt at one address: how long it took, or why it failed.
type Attempt = (SocketAddr, io::Result<Duration>);

/// The addresses of the host.
pub(crate) fn addresses(url: &Url) -> (Finding, Vec<SocketAddr>) {
    let host = url.host();
    match resolve(host, url.port()) {
        Ok(addresses) if host.parse::<std::net::IpAddr>().is_ok() => {
            (Finding::ok(Check::Name, format!("the URL says the address itself, {host}")), addresses)
        }
        Ok(addresses) => {
            let list = list(addresses.iter().map(|address| address.ip().to_string()));
            (Finding::ok(Check::Name, format!("{host} is {list}")), addresses)
        }
        Err(error) => {
            let finding = Finding::wrong(Check::Name, format!("{host} has no address: {error}"))
                .change("is the name written as it should be?")
                .change(format!("if so, it needs an A record (IPv4) or an AAAA record (IPv6): dig {host}"));
            (finding, Vec::new())
        }
    }
}

/// Tries every address at the same time; gives those that take connections, and how long that took.
pub(crate) fn connect(addresses: &[SocketAddr]) -> (Finding, Vec<(SocketAddr, Duration)>) {
    let attempts: Vec<Attempt> = thread::scope(|scope| {
        let attempts: Vec<_> = addresses
            .iter()
            .map(|&address| {
                let attempt = scope.spawn(move || {
                    let begun = Instant::now();
                    dial(address, None, PATIENCE).map(|_| begun.elapsed())
                });
                (address, attempt)
            })
            .collect();
        let joined = |(address, attempt): (SocketAddr, thread::ScopedJoinHandle<'_, io::Result<Duration>>)| {
            (address, attempt.join().unwrap_or_else(|_| Err(io::Error::other("it could not be tried"))))
        };
        attempts.into_iter().map(joined).collect()
    });
    let reachable = attempts.iter().filter_map(|(address, took)| Some((*address, *took.as_ref().ok()?))).collect();
    (judge(&attempts), reachable)
}

fn judge(attempts: &[Attempt]) -> Finding {
    let reached: Vec<_> =
        attempts.iter().filter_map(|(address, result)| Some((address, result.as_ref().ok()?))).collect();
    let failed: Vec<_> =
        attempts.iter().filter_map(|(address, result)| Some((address, result.as_ref().err()?))).collect();
    let failures = || list(failed.iter().map(|(address, error)| format!("{address} ({})", reason(error))));
    let Some(slowest) = reached.iter().map(|(_, took)| **took).max() else {
        let finding = Finding::wrong(Check::Connection, format!("nobody takes the connection: {}", failures()));
        let refused = failed.iter().any(|(_, error)| error.kind() == io::ErrorKind::ConnectionRefused);
        return if refused {
            finding.change(
                "nothing listens on this port there: does the proxy (or the daemon) run, and is the port right?",
            )
        } else {
            finding.change("is the machine up, and does a firewall let this port through?")
        };
    };
    let addresses = list(reached.iter().map(|(address, _)| address.to_string()));
    let takes = if reached.len() == 1 { "takes" } else { "take" };
    let seen = format!("{addresses} {takes} connections ({} ms)", slowest.as_millis().max(1));
    // Without IPv6 here nobody can say how it is elsewhere.
    let (untried, failed): (Vec<_>, Vec<_>) =
        failed.into_iter().partition(|(address, error)| address.is_ipv6() && no_route(error));
    if failed.is_empty() {
        let untried = if untried.is_empty() { "" } else { "; IPv6 was not tried, as this machine has none" };
        return Finding::ok(Check::Connection, seen + untried);
    }
    let silent = list(failed.iter().map(|(address, error)| format!("{address} ({})", reason(error))));
    Finding::warning(Check::Connection, format!("{seen}, but not {silent}: who tries that first waits, or gives up"))
        .change("let the server listen there too (nginx: listen [::]:443 ssl;), or take the address out of the DNS")
}

fn no_route(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable | io::ErrorKind::AddrNotAvailable
    )
}

/// In words that need no manual.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => format!("no answer within {} s", PATIENCE.as_secs()),
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::NetworkUnreachable => "network unreachable".to_owned(),
        io::ErrorKind::HostUnreachable => "host unreachable".to_owned(),
        _ => error.to_string(),
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    match items.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn addresses_that_fail_are_told_apart() {
        let v4: SocketAddr = "203.0.113.7:443".parse().unwrap();
        let v6: SocketAddr = "[2001:db8::7]:443".parse().unwrap();
        let good = || Ok(Duration::from_millis(12));
        let bad = |kind: io::ErrorKind| Err(io::Error::from(kind));
        for (attempts, verdict, part) in [
            (vec![(v4, good())], Verdict::Ok, "203.0.113.7:443 takes connections (12 ms)"),
            (vec![(v4, good()), (v6, good())], Verdict::Ok, "203.0.113.7:443 and [2001:db8::7]:443 take connections"),
            (vec![(v4, good()), (v6, bad(io::ErrorKind::NetworkUnreachable))], Verdict::Ok, "this machine has none"),
            (
                vec![(v4, good()), (v6, bad(io::ErrorKind::ConnectionRefused))],
                Verdict::Warning,
                "not [2001:db8::7]:443 (connection refused)",
            ),
            (vec![(v6, good()), (v4, bad(io::ErrorKind::NetworkUnreachable))], Verdict::Warning, "network unreachable"),
            (vec![(v4, bad(io::ErrorKind::TimedOut))], Verdict::Wrong, "no answer within 5 s"),
            (vec![(v4, bad(io::ErrorKind::ConnectionRefused))], Verdict::Wrong, "connection refused"),
        ] {
            let finding = judge(&attempts);
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.seen.contains(part), "{finding:?}");
            assert_eq!(finding.change.is_empty(), verdict == Verdict::Ok, "{finding:?}");
        }
    }

    #[test]
    fn names_without_address_are_said() {
        let (finding, addresses) = addresses(&Url::parse("http://no-such-host.invalid/sse").unwrap());
        assert_eq!((finding.verdict, addresses.len()), (Verdict::Wrong, 0));
        assert!(finding.seen.starts_with("no-such-host.invalid has no address"), "{finding:?}");
    }
}
