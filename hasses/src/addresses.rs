//! How many subscribers each client address has, where that is limited.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

/// Counts of subscribers by address. An IPv6 address counts as its /64: that is what one subscriber line has.
#[derive(Debug, Default)]
pub struct Addresses(Mutex<HashMap<IpAddr, usize>>);

impl Addresses {
    /// Counts one more, unless there are `limit` already; whether it was.
    #[must_use]
    pub fn enter(&self, address: IpAddr, limit: usize) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(counted_as(address)).or_default();
        let enters = *count < limit;
        *count += usize::from(enters);
        enters
    }

    /// Counts one less.
    pub fn leave(&self, address: IpAddr) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut entry) = counts.entry(counted_as(address)) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_count_and_an_ipv6_net_one() {
        let addresses = Addresses::default();
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(addresses.enter(at("192.0.2.1"), 2) && addresses.enter(at("::ffff:192.0.2.1"), 2));
        assert!(!addresses.enter(at("192.0.2.1"), 2));
        assert!(addresses.enter(at("192.0.2.2"), 2));
        addresses.leave(at("192.0.2.1"));
        assert!(addresses.enter(at("192.0.2.1"), 2));
        assert!(addresses.enter(at("2001:db8::1"), 1) && !addresses.enter(at("2001:db8::2"), 1));
        assert!(addresses.enter(at("2001:db8:0:1::1"), 1));
        for address in ["192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::9", "2001:db8:0:1::9"] {
            addresses.leave(at(address));
        }
        assert!(addresses.0.lock().unwrap().is_empty(), "nothing is left behind");
    }
}
