//! The settings that are numbers: every limit, and the number of shards, each with its unit and its sensible range.
//!
//! One row serves the flag, the key of the configuration file, the error text and `--check`. Defaults are those of
//! [`Config`]; a test holds the text of `--help` against both.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{Config, Limits};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;
const SECOND: u64 = 1000;
const HOUR: u64 = 3600 * SECOND;
const YEAR: u64 = 365 * 24 * HOUR;

/// A setting that is a number.
#[derive(Debug)]
pub(super) struct Quantity {
    /// The flag without its dashes, and the key.
    pub(super) name: &'static str,
    /// How it is written.
    pub(super) unit: Unit,
    /// What is sensible; outside is an error.
    pub(super) range: RangeInclusive<u64>,
    /// What 0 means, where it means something although it is outside of the range.
    pub(super) zero: Option<&'static str>,
    /// Its value: a number, or milliseconds.
    pub(super) get: fn(&Config) -> u64,
    /// Sets it to a value of the range.
    pub(super) set: fn(&mut Config, u64),
}

impl Config {
    /// Every limit under the name of its flag: bytes, counts, milliseconds; 0 is off.
    pub fn quantities(&self) -> impl Iterator<Item = (&'static str, u64)> {
        QUANTITIES.iter().map(|quantity| (quantity.name, (quantity.get)(self)))
    }
}

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// A whole number, or one of KiB (`k`), MiB (`m`) or GiB (`g`).
    Bytes,
    /// A whole number.
    Count,
    /// Seconds with up to three decimals; held in milliseconds.
    Seconds,
    /// A whole number.
    Milliseconds,
}

/// Every setting that is a number, in the order of `--help`.
pub(super) const QUANTITIES: &[Quantity] = &[
    Quantity {
        name: "shards",
        unit: Unit::Count,
        range: 1..=256,
        zero: None,
        get: |config| number(config.shards),
        set: |config, value| config.shards = size(value),
    },
    // Less, and a topic of full length (255 bytes) with its JSON around would leave no room for a message.
    Quantity {
        name: "max-message",
        unit: Unit::Bytes,
        range: 512..=256 * MIB,
        zero: None,
        get: |config| number(config.limits.max_message),
        set: |config, value| config.limits.max_message = size(value),
    },
    Quantity {
        name: "max-head",
        unit: Unit::Bytes,
        range: KIB..=MIB,
        zero: None,
        get: |config| number(config.limits.max_head),
        set: |config, value| config.limits.max_head = size(value),
    },
    Quantity {
        name: "head-timeout",
        unit: Unit::Seconds,
        range: SECOND / 10..=600 * SECOND,
        zero: None,
        get: |config| millis(config.limits.head_timeout),
        set: |config, value| config.limits.head_timeout = Duration::from_millis(value),
    },
    Quantity {
        name: "max-topics",
        unit: Unit::Count,
        range: 1..=100_000,
        zero: None,
        get: |config| number(config.limits.max_topics),
        set: |config, value| config.limits.max_topics = size(value),
    },
    Quantity {
        name: "max-subscribers",
        unit: Unit::Count,
        range: 1..=10_000_000,
        zero: Some("what the descriptor limit allows"),
        get: |config| config.limits.max_subscribers.map_or(0, number),
        set: |config, value| config.limits.max_subscribers = (value > 0).then(|| size(value)),
    },
    Quantity {
        name: "max-subscribers-per-address",
        unit: Unit::Count,
        range: 1..=10_000_000,
        zero: Some("no limit"),
        get: |config| config.limits.max_subscribers_per_address.map_or(0, number),
        set: |config, value| config.limits.max_subscribers_per_address = (value > 0).then(|| size(value)),
    },
    Quantity {
        name: "max-control-connections",
        unit: Unit::Count,
        range: 1..=100_000,
        zero: None,
        get: |config| number(config.limits.max_control_connections),
        set: |config, value| config.limits.max_control_connections = size(value),
    },
    Quantity {
        name: "retain-bytes",
        unit: Unit::Bytes,
        range: 64 * KIB..=64 * GIB,
        zero: None,
        get: |config| number(config.limits.retain_bytes),
        set: |config, value| config.limits.retain_bytes = size(value),
    },
    Quantity {
        name: "retain-age",
        unit: Unit::Seconds,
        range: SECOND..=YEAR,
        zero: Some("no limit"),
        get: |config| config.limits.retain_age.map_or(0, millis),
        set: |config, value| config.limits.retain_age = (value > 0).then(|| Duration::from_millis(value)),
    },
    Quantity {
        name: "retain-events",
        unit: Unit::Count,
        range: 1..=1_000_000_000,
        zero: None,
        get: |config| number(config.limits.retain_events),
        set: |config, value| config.limits.retain_events = size(value),
    },
    Quantity {
        name: "max-replay",
        unit: Unit::Count,
        range: 1..=1_000_000,
        zero: None,
        get: |config| number(config.limits.max_replay),
        set: |config, value| config.limits.max_replay = size(value),
    },
    Quantity {
        name: "outbox",
        unit: Unit::Bytes,
        range: 4 * KIB..=GIB,
        zero: None,
        get: |config| number(config.limits.outbox),
        set: |config, value| config.limits.outbox = size(value),
    },
    Quantity {
        name: "outbox-total",
        unit: Unit::Bytes,
        range: 64 * KIB..=64 * GIB,
        zero: None,
        get: |config| number(config.limits.outbox_total),
        set: |config, value| config.limits.outbox_total = size(value),
    },
    // Below 4 KiB Linux takes its own least size.
    Quantity {
        name: "send-buffer",
        unit: Unit::Bytes,
        range: 4 * KIB..=16 * MIB,
        zero: None,
        get: |config| number(config.limits.send_buffer),
        set: |config, value| config.limits.send_buffer = size(value),
    },
    Quantity {
        name: "in-flight",
        unit: Unit::Bytes,
        range: 64 * KIB..=4 * GIB,
        zero: None,
        get: |config| number(config.limits.in_flight),
        set: |config, value| config.limits.in_flight = size(value),
    },
    Quantity {
        name: "heartbeat",
        unit: Unit::Seconds,
        range: SECOND / 10..=HOUR,
        zero: None,
        get: |config| millis(config.limits.heartbeat),
        set: |config, value| config.limits.heartbeat = Duration::from_millis(value),
    },
    Quantity {
        name: "progress-timeout",
        unit: Unit::Seconds,
        range: SECOND..=HOUR,
        zero: None,
        get: |config| millis(config.limits.progress_timeout),
        set: |config, value| config.limits.progress_timeout = Duration::from_millis(value),
    },
    Quantity {
        name: "drain",
        unit: Unit::Seconds,
        range: SECOND / 10..=HOUR,
        zero: Some("at once"),
        get: |config| millis(config.limits.drain),
        set: |config, value| config.limits.drain = Duration::from_millis(value),
    },
    Quantity {
        name: "max-age",
        unit: Unit::Seconds,
        range: SECOND..=YEAR,
        zero: Some("never"),
        get: |config| config.limits.max_age.map_or(0, millis),
        set: |config, value| config.limits.max_age = (value > 0).then(|| Duration::from_millis(value)),
    },
    // Below a tenth of a second, browsers that are to come back later would be a flood.
    Quantity {
        name: "retry",
        unit: Unit::Milliseconds,
        range: 100..=HOUR,
        zero: None,
        get: |config| millis(config.limits.retry),
        set: |config, value| config.limits.retry = Duration::from_millis(value),
    },
    Quantity {
        name: "quiet-time",
        unit: Unit::Milliseconds,
        range: 1..=10 * SECOND,
        zero: None,
        get: |config| millis(config.limits.quiet_local),
        set: |config, value| config.limits.quiet_local = Duration::from_millis(value),
    },
    Quantity {
        name: "quiet-time-remote",
        unit: Unit::Milliseconds,
        range: 1..=60 * SECOND,
        zero: None,
        get: |config| millis(config.limits.quiet_remote),
        set: |config, value| config.limits.quiet_remote = Duration::from_millis(value),
    },
];

impl Quantity {
    /// Reads a value of the range.
    pub(super) fn read(&self, text: &str) -> Result<u64, String> {
        let value = self.unit.read(text)?;
        if self.range.contains(&value) || (value == 0 && self.zero.is_some()) {
            return Ok(value);
        }
        Err(format!("{text} is outside of the range {}", self.bounds()))
    }

    /// The range in words: `1k to 1m`, `1 to 31536000, or 0 (never)`.
    pub(super) fn bounds(&self) -> String {
        let bounds = format!("{} to {}", self.unit.write(*self.range.start()), self.unit.write(*self.range.end()));
        self.zero.map_or_else(|| bounds.clone(), |zero| format!("{bounds}, or 0 ({zero})"))
    }

    /// The value that a configuration has, as [`Quantity::read`] takes it.
    pub(super) fn value(&self, config: &Config) -> String {
        self.unit.write((self.get)(config))
    }
}

impl Unit {
    fn read(self, text: &str) -> Result<u64, String> {
        let (value, what) = match self {
            Self::Bytes => (bytes(text), "number of bytes (a whole number, with k, m or g for KiB, MiB or GiB)"),
            Self::Count => (digits(text), "whole number"),
            Self::Seconds => (seconds(text), "number of seconds (up to three decimals)"),
            Self::Milliseconds => (digits(text), "whole number of milliseconds"),
        };
        value.ok_or_else(|| format!("{text:?} is no {what}"))
    }

    fn write(self, value: u64) -> String {
        match self {
            Self::Bytes => match [(GIB, "g"), (MIB, "m"), (KIB, "k")]
                .iter()
                .find(|(unit, _)| value > 0 && value.is_multiple_of(*unit))
            {
                Some((unit, suffix)) => format!("{}{suffix}", value / unit),
                None => value.to_string(),
            },
            Self::Count | Self::Milliseconds => value.to_string(),
            Self::Seconds => {
                let decimals = format!("{}.{:03}", value / SECOND, value % SECOND);
                decimals.trim_end_matches('0').trim_end_matches('.').to_owned()
            }
        }
    }
}

/// `None` also for signs and spaces, and for what does not fit.
fn digits(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], KIB),
        b'm' | b'M' => (&text[..text.len() - 1], MIB),
        b'g' | b'G' => (&text[..text.len() - 1], GIB),
        _ => (text, 1),
    };
    digits(number)?.checked_mul(unit)
}

fn seconds(text: &str) -> Option<u64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let thousandths = match decimals.len() {
        1..=3 => digits(&format!("{decimals:0<3}"))?,
        _ => return None,
    };
    digits(whole)?.checked_mul(SECOND)?.checked_add(thousandths)
}

fn number(size: usize) -> u64 {
    size.try_into().unwrap_or(u64::MAX)
}

/// No range reaches beyond what a 64-bit `usize` holds; on a smaller one the highest is as good as no limit.
fn size(number: u64) -> usize {
    number.try_into().unwrap_or(usize::MAX)
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

/// The one rule that joins two limits.
pub(super) fn contradiction(limits: &Limits) -> Option<String> {
    (limits.in_flight < limits.max_message).then(|| {
        format!(
            "in-flight is {}, less than the {} of one message (max-message): raise the one or lower the other",
            Unit::Bytes.write(number(limits.in_flight)),
            Unit::Bytes.write(number(limits.max_message)),
        )
    })
}

#[cfg(test)]
#[path = "quantities_tests.rs"]
mod tests;
