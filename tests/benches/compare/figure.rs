//! What is read off a measurement: a value, its unit, and the goals that it has to meet.

use std::io;

use serde_json::Value;

use crate::kind::Kind;

/// From here on bytes are shown as KiB, and as MiB.
const KIBIBYTES: f64 = 1024.0;
const MEBIBYTES: f64 = 1024.0 * 1024.0;

/// One figure of a measurement.
#[derive(Debug)]
pub(crate) struct Figure {
    /// What it is, after the name of the measurement.
    pub(crate) what: &'static str,
    pub(crate) unit: Unit,
    /// Where the generator's answer has it, as a JSON pointer; empty for what is measured otherwise.
    pub(crate) at: &'static str,
    /// What must hold for it.
    pub(crate) goals: &'static [Goal],
}

/// What must hold for a figure of the daemon.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Goal {
    /// It is at most this.
    AtMost(f64),
    /// It is at least this.
    AtLeast(f64),
    /// Its ratio to that of another server is at most this.
    TimesAtMost(f64, Kind),
    /// Its ratio to that of another server is at least this.
    TimesAtLeast(f64, Kind),
    /// Its ratio to another figure of the daemon is at most this.
    BesideAtMost(f64, &'static str),
}

/// The unit of a figure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unit {
    Microseconds,
    Milliseconds,
    Seconds,
    ASecond,
    Bytes,
    Percent,
}

impl Figure {
    /// A figure without a goal.
    pub(crate) const fn new(what: &'static str, unit: Unit, at: &'static str) -> Self {
        Self { what, unit, at, goals: &[] }
    }

    /// A figure with goals.
    pub(crate) const fn with_goals(what: &'static str, unit: Unit, at: &'static str, goals: &'static [Goal]) -> Self {
        Self { what, unit, at, goals }
    }

    /// The value in the generator's answer. CPU and memory are not there for a server without a known process: `None`.
    pub(crate) fn read(&self, answer: &Value, kind: Kind) -> io::Result<Option<f64>> {
        match answer.pointer(self.at).and_then(Value::as_f64) {
            // The generator's times are microseconds.
            Some(value) if self.unit == Unit::Milliseconds => Ok(Some(value / 1e3)),
            Some(value) => Ok(Some(value)),
            None if matches!(kind, Kind::Other(_)) => Ok(None),
            None => Err(io::Error::other(format!("the generator's answer lacks {}", self.at))),
        }
    }
}

impl Goal {
    /// Whether `value`, the figure or the ratio that the goal is about, is good enough.
    pub(crate) fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) | Self::TimesAtMost(most, _) | Self::BesideAtMost(most, _) => value <= most,
            Self::AtLeast(least) | Self::TimesAtLeast(least, _) => value >= least,
        }
    }

    /// The goal in words.
    pub(crate) fn text(self, unit: Unit) -> String {
        match self {
            Self::AtMost(most) => format!("at most {}", unit.show(most)),
            Self::AtLeast(least) => format!("at least {}", unit.show(least)),
            Self::TimesAtMost(most, kind) => format!("at most {most} × {}", kind.title()),
            Self::TimesAtLeast(least, kind) => format!("at least {least} × {}", kind.title()),
            Self::BesideAtMost(most, other) => format!("at most {most} × that of “{other}”"),
        }
    }

    /// The value of the goal in words: a ratio, or the figure itself.
    pub(crate) fn show(self, value: f64, unit: Unit) -> String {
        match self {
            Self::AtMost(_) | Self::AtLeast(_) => unit.show(value),
            // Finer than in the table, so that a goal which is missed by little does not look met.
            _ => format!("{value:.*} ×", if value < 10.0 { 3 } else { 1 }),
        }
    }
}

impl Unit {
    /// A value with its unit.
    pub(crate) fn show(self, value: f64) -> String {
        format!("{}{}", self.bare(value, value), self.sign(value))
    }

    /// A value without its unit, in the one that `like` is shown in.
    pub(crate) fn bare(self, value: f64, like: f64) -> String {
        match self {
            Self::Bytes if like.abs() >= MEBIBYTES => number(value / 1024.0 / 1024.0),
            Self::Bytes if like.abs() >= KIBIBYTES => number(value / 1024.0),
            Self::Bytes => number(value.round()),
            _ => number(value),
        }
    }

    /// The unit in which `value` is shown.
    fn sign(self, value: f64) -> &'static str {
        match self {
            Self::Microseconds => " µs",
            Self::Milliseconds => " ms",
            Self::Seconds => " s",
            Self::ASecond => "/s",
            Self::Bytes if value.abs() >= MEBIBYTES => " MiB",
            Self::Bytes if value.abs() >= KIBIBYTES => " KiB",
            Self::Bytes => " B",
            Self::Percent => " %",
        }
    }

    /// What stands at the axis of a chart.
    pub(crate) fn axis(self) -> &'static str {
        match self {
            Self::Microseconds => "µs",
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::ASecond => "a second",
            Self::Bytes => "B",
            Self::Percent => "%",
        }
    }
}

/// A number with three significant digits, those of large ones in groups: 0.19, 4.21, 52.3, 5,270,000.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 1000.0 {
        let step = 10_f64.powf(size.log10().floor() - 2.0).max(1.0);
        return grouped((value / step).round() * step);
    }
    let decimals = if value.fract() == 0.0 || size >= 100.0 {
        0
    } else if size >= 10.0 {
        1
    } else if size >= 0.1 {
        2
    } else {
        3
    };
    format!("{value:.decimals$}")
}

/// A whole number with its digits in groups of three.
pub(crate) fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::from(if value < 0.0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
