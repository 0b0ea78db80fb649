//! The keys that a client gives to its publishes, so that they can be made again without being doubled.
//!
//! A key is 128 random bits of the client, which the system draws anew for each, and the number of the publish. The number keeps
//! the keys of one client apart. The random part keeps clients apart, whichever process, machine or container they are in: among
//! 2³⁰ clients whose events one log holds at a time, two have the same one with a probability below 2⁻⁶⁸. The system is asked,
//! and not a generator of this process, because a process that has forked would go on with its parent's numbers.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What 128 bits take in base 64.
const CLIENT_DIGITS: usize = 22;

/// base64url (RFC 4648, section 5): none of it needs an escape in JSON. Each key is kept with its event, so it is to be short:
/// 22 bytes, and up to 4 for each of the first 16 million publishes.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The keys of one client; all its clones share them.
#[derive(Debug)]
pub(crate) struct Keys {
    client: String,
    next: AtomicU64,
}

impl Keys {
    /// Keys that no other client has.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub(crate) fn new() -> io::Result<Self> {
        let mut random = [0; 16];
        getrandom::fill(&mut random)
            .map_err(|error| io::Error::other(format!("no random bytes for the keys of publishes: {error}")))?;
        let mut client = String::with_capacity(CLIENT_DIGITS);
        let mut bits = u128::from_ne_bytes(random);
        for _ in 0..CLIENT_DIGITS {
            client.push(digit(bits));
            bits >>= 6;
        }
        Ok(Self { client, next: AtomicU64::new(0) })
    }

    /// The next key. That the client's part always has the same length is what keeps it apart from the number.
    pub(crate) fn next(&self) -> String {
        // A number that comes again after 2⁶⁴ publishes comes after thousands of years.
        let mut number = self.next.fetch_add(1, Relaxed);
        let mut key = String::with_capacity(CLIENT_DIGITS + 4);
        key.push_str(&self.client);
        loop {
            key.push(digit(number.into()));
            number >>= 6;
            if number == 0 {
                return key;
            }
        }
    }
}

/// The digit of the six lowest bits.
fn digit(bits: u128) -> char {
    char::from(DIGITS[(bits & 63) as usize])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::thread;

    use super::*;
    use crate::wire::PublishKey;

    #[test]
    fn keys_of_many_clients_and_threads_are_all_different_and_short() {
        let clients: Vec<_> = (0..100).map(|_| Keys::new().unwrap()).collect();
        let keys: Vec<String> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| clients.iter().flat_map(|keys| (0..200).map(|_| keys.next())).collect::<Vec<_>>())
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
        for key in &keys {
            assert!(key.len() <= CLIENT_DIGITS + 2, "{key}");
            assert!(serde_json::to_string(key).unwrap().len() == key.len() + 2, "{key} needs an escape");
            PublishKey::new(key.as_str()).unwrap();
        }
    }

    #[test]
    fn the_random_part_holds_all_of_its_bits() {
        let keys: Vec<_> = (0..64).map(|_| Keys::new().unwrap().client).collect();
        // Each of 21 places shows more than one digit; the last one holds the two bits that are left.
        for place in 0..CLIENT_DIGITS {
            let seen: HashSet<_> = keys.iter().map(|key| key.as_bytes()[place]).collect();
            assert!(seen.len() > 1, "place {place}");
        }
    }

    #[test]
    fn numbers_are_told_apart_at_every_length() {
        let keys = Keys::new().unwrap();
        let mut seen = HashSet::new();
        for start in [0, 62, 4094, 262_142, u64::MAX - 2] {
            keys.next.store(start, Relaxed);
            for _ in 0..3 {
                assert!(seen.insert(keys.next()), "{start}");
            }
        }
    }
}
