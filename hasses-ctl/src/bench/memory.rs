//! What the machine holds for connections at one moment: the kernel's memory of TCP, and the server's own.

use std::fs;

use super::server::Server;

/// Where the kernel says it, in pages.
const SOCKETS: &str = "/proc/net/sockstat";

/// Bytes at one moment; what cannot be read is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// Of all TCP connections of this machine.
    pub(super) tcp: Option<u64>,
    /// Resident, of the server's processes.
    pub(super) resident: Option<u64>,
}

impl Memory {
    /// Now.
    pub(super) fn now(server: Server) -> Self {
        let pages = fs::read_to_string(SOCKETS).ok().and_then(|text| pages(&text));
        Self { tcp: pages.map(|pages| pages * rustix::param::page_size() as u64), resident: server.resident() }
    }

    /// The greater of each.
    pub(super) fn max(self, other: Self) -> Self {
        Self { tcp: self.tcp.max(other.tcp), resident: self.resident.max(other.resident) }
    }
}

/// The number behind `mem` in the line of TCP.
fn pages(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    line.split_ascii_whitespace().skip_while(|word| *word != "mem").nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_of_tcp_are_found() {
        let text = "sockets: used 11\nTCP: inuse 1 orphan 0 tw 8 alloc 1 mem 37\nUDP: inuse 0 mem 5\n";
        assert_eq!((pages(text), pages("UDP: mem 5\n"), pages("")), (Some(37), None, None));
    }

    #[test]
    fn the_greater_of_each_is_kept() {
        let memory = |tcp, resident| Memory { tcp, resident };
        assert_eq!(memory(Some(2), None).max(memory(Some(1), Some(0))), memory(Some(2), Some(0)));
    }
}
