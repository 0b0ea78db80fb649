//! The figures of all runs: medians, ranges, ratios, goals, as a table and as JSON.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};

use crate::cases::Metric;
use crate::options::Options;
use crate::servers::Kind;

/// Width of the first column of the table, of a server's, and of a ratio's.
const NAME: usize = 40;
const CELL: usize = 24;
const RATIO: usize = 14;

/// What must hold, and between whom.
struct Goal {
    metric: Metric,
    bound: Bound,
}

enum Bound {
    /// The daemon's ratio to this server is at most this.
    TimesAtMost(f64, Kind),
    /// The daemon's ratio to this server is at least this.
    TimesAtLeast(f64, Kind),
    /// The daemon's own value is at most this.
    Value(f64),
}

const GOALS: [Goal; 4] = [
    Goal { metric: Metric::SingleFewCpu, bound: Bound::TimesAtMost(1.15, Kind::Floor) },
    Goal { metric: Metric::SingleManyCpu, bound: Bound::TimesAtMost(1.15, Kind::Floor) },
    Goal { metric: Metric::BurstRate, bound: Bound::TimesAtLeast(10.0, Kind::Nchan) },
    Goal { metric: Metric::IdleMemory, bound: Bound::Value(2048.0) },
];

/// Values by figure and server, one a run.
pub(crate) struct Report {
    runs: usize,
    messages: usize,
    servers: Vec<Kind>,
    values: BTreeMap<Metric, BTreeMap<Kind, Vec<f64>>>,
}

impl Report {
    /// A report without figures yet.
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            runs: options.runs,
            messages: options.messages,
            servers: options.servers.clone(),
            values: BTreeMap::new(),
        }
    }

    /// Adds one run's value, in the unit of its metric.
    pub(crate) fn add(&mut self, metric: Metric, kind: Kind, value: f64) {
        self.values.entry(metric).or_default().entry(kind).or_default().push(value);
    }

    /// Whether a goal is missed; one that was not measured is not.
    pub(crate) fn goal_missed(&self) -> bool {
        GOALS.iter().any(|goal| self.value_of(goal).is_some_and(|value| !goal.bound.holds(value)))
    }

    /// Prints the table and the goals.
    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{}; medians (smallest..largest) of {} runs", machine(), self.runs)?;
        writeln!(out)?;
        write!(out, "{:NAME$}", "")?;
        for kind in &self.servers {
            write!(out, "{:>CELL$}", kind.name())?;
        }
        for kind in self.compared() {
            write!(out, "{:>RATIO$}", format!("hasses/{}", kind.name()))?;
        }
        writeln!(out)?;
        for metric in self.values.keys() {
            write!(out, "{:NAME$}", format!("{}, {}", metric.name(), metric.unit()))?;
            for kind in &self.servers {
                write!(out, "{:>CELL$}", cell(self.samples(*metric, *kind), metric.unit()))?;
            }
            for kind in self.compared() {
                let ratio = self.ratio(*metric, kind).map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
                write!(out, "{ratio:>RATIO$}")?;
            }
            writeln!(out)?;
        }
        writeln!(out)?;
        for goal in &GOALS {
            writeln!(out, "{}", self.verdict(goal))?;
        }
        Ok(())
    }

    /// Writes every figure, the values of the single runs among them.
    pub(crate) fn write_json(&self, path: &Path) -> io::Result<()> {
        let figures: Vec<Value> = self.values.keys().map(|metric| self.figure_json(*metric)).collect();
        let goals: Vec<Value> = GOALS.iter().map(|goal| self.goal_json(goal)).collect();
        let report = json!({
            "machine": machine(),
            "runs": self.runs,
            "messages": self.messages,
            "figures": figures,
            "goals": goals,
        });
        fs::write(path, format!("{report:#}\n"))
    }

    fn figure_json(&self, metric: Metric) -> Value {
        let mut servers = serde_json::Map::new();
        for kind in &self.servers {
            let samples = self.samples(metric, *kind);
            if let Some((least, median, most)) = spread(samples) {
                let value = json!({ "median": median, "min": least, "max": most, "runs": samples });
                servers.insert(kind.name().to_owned(), value);
            }
        }
        let ratios: serde_json::Map<String, Value> = self
            .compared()
            .filter_map(|kind| Some((format!("hasses/{}", kind.name()), json!(self.ratio(metric, kind)?))))
            .collect();
        json!({ "figure": metric.name(), "unit": metric.unit(), "servers": servers, "ratios": ratios })
    }

    fn goal_json(&self, goal: &Goal) -> Value {
        let value = self.value_of(goal);
        json!({ "figure": goal.metric.name(), "goal": goal.bound.text(goal.metric), "value": value,
            "held": value.map(|value| goal.bound.holds(value)) })
    }

    fn verdict(&self, goal: &Goal) -> String {
        let (verdict, value) = match self.value_of(goal) {
            None => ("----", "not measured".to_owned()),
            Some(value) if goal.bound.holds(value) => ("PASS", format!("{value:.2}")),
            Some(value) => ("FAIL", format!("{value:.2}")),
        };
        format!("{verdict}  {}: {value}, goal {}", goal.metric.name(), goal.bound.text(goal.metric))
    }

    fn value_of(&self, goal: &Goal) -> Option<f64> {
        match goal.bound {
            Bound::TimesAtMost(_, kind) | Bound::TimesAtLeast(_, kind) => self.ratio(goal.metric, kind),
            Bound::Value(_) => spread(self.samples(goal.metric, Kind::Hasses)).map(|(_, median, _)| median),
        }
    }

    /// The servers that the daemon is compared with.
    fn compared(&self) -> impl Iterator<Item = Kind> {
        let daemon = self.servers.contains(&Kind::Hasses);
        self.servers.iter().copied().filter(move |kind| daemon && *kind != Kind::Hasses)
    }

    /// The median of the ratios within each run.
    fn ratio(&self, metric: Metric, kind: Kind) -> Option<f64> {
        let daemon = self.samples(metric, Kind::Hasses);
        let other = self.samples(metric, kind);
        let ratios: Vec<f64> = daemon.iter().zip(other).map(|(daemon, other)| daemon / other).collect();
        spread(&ratios).map(|(_, median, _)| median)
    }

    fn samples(&self, metric: Metric, kind: Kind) -> &[f64] {
        self.values.get(&metric).and_then(|servers| servers.get(&kind)).map_or(&[], Vec::as_slice)
    }
}

impl Bound {
    fn holds(&self, value: f64) -> bool {
        match self {
            Self::TimesAtMost(most, _) | Self::Value(most) => value <= *most,
            Self::TimesAtLeast(least, _) => value >= *least,
        }
    }

    fn text(&self, metric: Metric) -> String {
        match self {
            Self::TimesAtMost(most, kind) => format!("at most {most} × {}", kind.name()),
            Self::TimesAtLeast(least, kind) => format!("at least {least} × {}", kind.name()),
            Self::Value(most) => format!("at most {most} {}", metric.unit()),
        }
    }
}

fn cell(samples: &[f64], unit: &str) -> String {
    let Some((least, median, most)) = spread(samples) else {
        return "-".to_owned();
    };
    let decimals = if unit == "µs" { 2 } else { 0 };
    format!("{median:.decimals$} ({least:.decimals$}..{most:.decimals$})")
}

/// Smallest, median and largest value.
fn spread(samples: &[f64]) -> Option<(f64, f64, f64)> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (least, most) = (*sorted.first()?, *sorted.last()?);
    let middle = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) };
    Some((least, median, most))
}

/// The processor and the kernel that the figures are true of.
fn machine() -> String {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown processor", |(_, model)| model.trim());
    let cores = processors.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{model}, {cores} cores, Linux {}", kernel.trim())
}
