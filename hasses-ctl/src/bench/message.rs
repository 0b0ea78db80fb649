//! A message of a measurement: a marker, its topic, its number, the time of its sending, and padding. No I/O.
//!
//! All of it is characters that neither JSON nor a form nor a URL has to escape, so that a message comes as it was sent, whatever
//! a server wraps it in; and the marker occurs in nothing else, so that a receiver need not read what is around it.

use super::names::{Name, Names};

/// What a message begins with.
pub(super) const MARKER: &[u8; 2] = b"~~";
/// Bytes of the shortest message.
pub(super) const MIN_BYTES: usize = MARKER.len() + TOPIC_DIGITS + NUMBER_DIGITS + TIME_DIGITS;
/// Topics that can be told apart.
pub(super) const MAX_TOPICS: u64 = 1 << (6 * TOPIC_DIGITS);
/// The greatest number of a message; each topic counts its own, from 1 on.
pub(super) const MAX_NUMBER: u64 = (1 << (6 * NUMBER_DIGITS)) - 1;

const TOPIC_DIGITS: usize = 3;
const NUMBER_DIGITS: usize = 5;
const TIME_DIGITS: usize = 6;
const TIME_AT: usize = MIN_BYTES - TIME_DIGITS;

/// Times are counted in 16 ns, so that they begin anew only after 18 minutes: far more than any message is waited for.
const TICK_NANOSECONDS: u64 = 16;
const TICKS_MASK: u64 = (1 << (6 * TIME_DIGITS)) - 1;

const PADDING: u8 = b'x';
const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
/// Stands for a byte that is no digit in [`VALUES`].
const NONE: u8 = u8::MAX;
const VALUES: [u8; 256] = values();

/// The messages of a run: of one size, and of topics with these names.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    padding: Vec<u8>,
    names: Names,
}

/// What a message says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) topic: u32,
    /// Its number among those of its topic.
    pub(super) number: u32,
    ticks: u64,
}

impl Shape {
    /// Messages of so many bytes, at least [`MIN_BYTES`].
    pub(super) fn new(size: usize, names: Names) -> Self {
        Self { padding: vec![PADDING; size.saturating_sub(MIN_BYTES)], names }
    }

    /// The name of a topic.
    pub(super) fn name(&self, topic: u32) -> Name<'_> {
        self.names.of(topic)
    }

    /// Bytes of each message.
    pub(super) fn size(&self) -> usize {
        MIN_BYTES + self.padding.len()
    }

    /// Appends a message that was not stamped yet.
    pub(super) fn write(&self, topic: u32, number: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(MARKER);
        write_digits(u64::from(topic), &mut digits_at_end::<TOPIC_DIGITS>(out)[..]);
        write_digits(u64::from(number), &mut digits_at_end::<NUMBER_DIGITS>(out)[..]);
        digits_at_end::<TIME_DIGITS>(out);
        out.extend_from_slice(&self.padding);
    }

    /// What the message at the beginning of `bytes` says of itself; `None` where that cannot be read.
    pub(super) fn read(bytes: &[u8]) -> Option<Envelope> {
        let (marker, rest) = bytes.split_at_checked(MARKER.len())?;
        let (topic, rest) = rest.split_at_checked(TOPIC_DIGITS)?;
        let (number, rest) = rest.split_at_checked(NUMBER_DIGITS)?;
        let time = rest.get(..TIME_DIGITS)?;
        if marker != MARKER {
            return None;
        }
        Some(Envelope {
            topic: u32::try_from(read_digits(topic)?).ok()?,
            number: u32::try_from(read_digits(number)?).ok()?,
            ticks: read_digits(time)?,
        })
    }

    /// Whether a message that could be read is whole. `bytes` has one byte more than the message, so that one which goes on where
    /// it should end is noticed.
    pub(super) fn is_whole(&self, bytes: &[u8]) -> bool {
        match bytes[MIN_BYTES..].split_last() {
            Some((behind, padding)) => {
                padding == self.padding && VALUES[usize::from(*behind)] == NONE && *behind != MARKER[0]
            }
            None => false,
        }
    }
}

impl Envelope {
    /// Nanoseconds from the sending of the message to this time.
    pub(super) fn age(self, now: u64) -> u64 {
        ((now / TICK_NANOSECONDS).wrapping_sub(self.ticks) & TICKS_MASK) * TICK_NANOSECONDS
    }
}

/// Writes the time of sending into the message at the beginning of `bytes`.
pub(super) fn stamp(bytes: &mut [u8], time: u64) {
    write_digits((time / TICK_NANOSECONDS) & TICKS_MASK, &mut bytes[TIME_AT..MIN_BYTES]);
}

/// Appends `COUNT` bytes for digits.
fn digits_at_end<const COUNT: usize>(out: &mut Vec<u8>) -> &mut [u8] {
    let start = out.len();
    out.extend_from_slice(&[DIGITS[0]; COUNT]);
    &mut out[start..]
}

fn write_digits(mut value: u64, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(value & 63) as usize];
        value >>= 6;
    }
}

fn read_digits(digits: &[u8]) -> Option<u64> {
    let mut value = 0;
    // Every digit is below 64, so one that is none leaves its mark in the upper bits.
    let mut seen = 0;
    for digit in digits {
        let digit = VALUES[usize::from(*digit)];
        seen |= digit;
        value = value << 6 | u64::from(digit & 63);
    }
    (seen < 64).then_some(value)
}

const fn values() -> [u8; 256] {
    let mut values = [NONE; 256];
    let mut value = 0;
    while value < DIGITS.len() {
        #[expect(clippy::cast_possible_truncation, reason = "there are 64 digits")]
        let small = value as u8;
        values[DIGITS[value] as usize] = small;
        value += 1;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(size: usize, topic: u32, number: u32, time: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        Shape::new(size, Names::default()).write(topic, number, &mut bytes);
        stamp(&mut bytes, time);
        bytes
    }

    #[test]
    fn what_is_written_is_read() {
        let most = (u32::try_from(MAX_TOPICS - 1).unwrap(), u32::try_from(MAX_NUMBER).unwrap());
        for (size, topic, number, time) in
            [(16, 0, 1, 0), (17, 1, 63, 1_600), (64, most.0, most.1, u64::MAX), (70_000, 4_711, 64, 1 << 40)]
        {
            let mut bytes = message(size, topic, number, time);
            assert_eq!(bytes.len(), size);
            assert!(
                std::str::from_utf8(&bytes).unwrap().chars().all(|c| c.is_ascii_alphanumeric() || "-_~".contains(c))
            );
            let envelope = Shape::read(&bytes).unwrap();
            assert_eq!((envelope.topic, envelope.number), (topic, number));
            assert_eq!(envelope.age(time.wrapping_add(3_200)), 3_200);
            bytes.push(b'\n');
            assert!(Shape::new(size, Names::default()).is_whole(&bytes));
        }
    }

    #[test]
    fn damage_is_seen_wherever_it_is() {
        let shape = Shape::new(40, Names::default());
        let mut good = message(40, 7, 8, 9);
        good.push(b'\n');
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] = if at < MIN_BYTES { b'!' } else { b'y' };
            assert!(Shape::read(&bad).is_none() || !shape.is_whole(&bad), "byte {at}");
        }
    }

    #[test]
    fn ages_survive_the_turn_of_the_clock() {
        let turn = (TICKS_MASK + 1) * TICK_NANOSECONDS;
        let bytes = message(16, 0, 1, turn - 1_600);
        assert_eq!(Shape::read(&bytes).unwrap().age(turn + 1_600), 3_200);
    }
}
