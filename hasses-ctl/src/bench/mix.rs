//! Who subscribes to what, and what is published to whom. No I/O.
//!
//! Nothing is drawn at random: subscribers and messages are spread by a low-discrepancy sequence (multiples of the golden ratio), so
//! that each topic has its share of every stretch of them, neighbours are not alike, and every run is the same.

use std::fmt;
use std::str::FromStr;

/// How topics are distributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mix {
    /// One topic for all.
    One,
    /// A topic for each subscriber.
    Each,
    /// So many topics, alike.
    Even(u32),
    /// So many topics by Zipf's law: the second has half of what the first has, the third a third.
    Zipf(u32),
}

impl Mix {
    /// The topics that there are for so many subscribers.
    pub(super) fn topics(self, subscribers: u32) -> u32 {
        match self {
            Self::One => 1,
            Self::Each => subscribers,
            Self::Even(topics) | Self::Zipf(topics) => topics,
        }
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse().ok().filter(|topics| *topics > 0);
        match text {
            "one" => Ok(Self::One),
            "each" => Ok(Self::Each),
            _ => match text.strip_prefix("zipf:") {
                Some(topics) => number(topics).map(Self::Zipf),
                None => number(text).map(Self::Even),
            }
            .ok_or_else(|| format!("{text:?} is none of one, each, zipf:N, N, with N from 1 on")),
        }
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One => f.write_str("one"),
            Self::Each => f.write_str("each"),
            Self::Even(topics) => write!(f, "{topics}"),
            Self::Zipf(topics) => write!(f, "zipf:{topics}"),
        }
    }
}

/// The topics of one run.
#[derive(Debug)]
pub(super) struct Spread {
    topics: u32,
    /// Of Zipf's law: the share of the first topics, from each to the first.
    shares: Vec<f64>,
    stride: u64,
}

impl Spread {
    /// The topics of a mix for so many subscribers, at least one.
    pub(super) fn new(mix: Mix, subscribers: u32) -> Self {
        let topics = mix.topics(subscribers);
        let shares = if matches!(mix, Mix::Zipf(_)) { zipf(topics) } else { Vec::new() };
        Self { topics, shares, stride: stride(u64::from(topics)) }
    }

    /// How many there are.
    pub(super) fn topics(&self) -> u32 {
        self.topics
    }

    /// The topic of a subscriber or of a message, both counted from 0 on.
    pub(super) fn topic(&self, nth: u64) -> u32 {
        let topics = u64::from(self.topics);
        if self.shares.is_empty() {
            // Below the number of topics, which is a u32.
            return u32::try_from((nth % topics) * self.stride % topics).unwrap_or_default();
        }
        let place = (nth as f64 + 0.5) * GOLDEN % 1.0;
        let topic = self.shares.partition_point(|share| *share <= place);
        u32::try_from(topic).unwrap_or_default().min(self.topics - 1)
    }
}

/// The fraction of the golden ratio, whose multiples fill the unit interval more evenly than those of any other number.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

/// A step that goes through all of `topics` before it comes back to the first, and leaves neighbours apart.
fn stride(topics: u64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is smaller than topics")]
    let wanted = (topics as f64 * GOLDEN) as u64;
    (wanted.max(1)..).find(|step| divisor(*step, topics) == 1).unwrap_or(1)
}

fn divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { divisor(b, a % b) }
}

fn zipf(topics: u32) -> Vec<f64> {
    let total: f64 = (1..=topics).map(|rank| 1.0 / f64::from(rank)).sum();
    let mut sum = 0.0;
    (1..=topics)
        .map(|rank| {
            sum += 1.0 / f64::from(rank) / total;
            sum
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(mix: Mix, subscribers: u32, all: u64) -> Vec<u32> {
        let spread = Spread::new(mix, subscribers);
        let mut counts = vec![0; spread.topics() as usize];
        (0..all).for_each(|nth| counts[spread.topic(nth) as usize] += 1);
        counts
    }

    #[test]
    fn mixes_are_read_and_written() {
        for (text, mix) in [("one", Mix::One), ("each", Mix::Each), ("7", Mix::Even(7)), ("zipf:100", Mix::Zipf(100))] {
            assert_eq!(text.parse(), Ok(mix));
            assert_eq!(mix.to_string(), text);
        }
        for text in ["", "0", "zipf:0", "zipf:", "-1", "two", "zipf:x", "1.5"] {
            assert!(text.parse::<Mix>().unwrap_err().contains("none of one, each, zipf:N, N"), "{text}");
        }
    }

    #[test]
    fn even_mixes_give_each_topic_the_same() {
        assert_eq!(counts(Mix::One, 9, 9), [9]);
        for topics in [1, 2, 3, 10, 50, 15_000] {
            assert_eq!(counts(Mix::Each, topics, u64::from(topics)), vec![1; topics as usize]);
            assert_eq!(counts(Mix::Even(topics), 9, 3 * u64::from(topics)), vec![3; topics as usize]);
        }
    }

    #[test]
    fn zipf_gives_each_topic_its_share() {
        let counts = counts(Mix::Zipf(4), 1, 25_000);
        // 1, 1/2, 1/3 and 1/4 of 12/25 of all.
        for (count, expected) in counts.iter().zip([12_000, 6_000, 4_000, 3_000]) {
            assert!(count.abs_diff(expected) <= 10, "{counts:?}");
        }
    }

    #[test]
    fn a_short_run_has_different_topics() {
        let spread = Spread::new(Mix::Each, 15_000);
        let mut burst: Vec<_> = (14_990..15_040).map(|nth| spread.topic(nth)).collect();
        burst.sort_unstable();
        burst.dedup();
        assert_eq!(burst.len(), 50);
    }
}
