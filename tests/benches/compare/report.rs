//! The figures of all runs: medians, ranges, ratios, goals, and all of it as JSON.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::curves::{Curve, Line};
use crate::figure::{Figure, Goal};
use crate::kind::Kind;
use crate::machine::Machine;
use crate::options::Options;

/// Everything that was measured, in the order in which it first was.
pub(crate) struct Report {
    pub(crate) runs: usize,
    pub(crate) servers: Vec<Kind>,
    pub(crate) machine: Machine,
    pub(crate) rows: Vec<Row>,
    pub(crate) plots: Vec<Plot>,
    /// Where the generator was the bottleneck, in one measurement at least.
    bottlenecks: Vec<(&'static str, Kind)>,
}

/// One figure of one measurement.
pub(crate) struct Row {
    pub(crate) trial: &'static str,
    pub(crate) figure: &'static Figure,
    /// One value a measurement, as many a run for each server.
    samples: Vec<(Kind, Vec<f64>)>,
}

/// What was measured of one curve chart.
pub(crate) struct Plot {
    pub(crate) curve: &'static Curve,
    /// By line and place on the horizontal axis, one value a run.
    samples: Vec<(&'static Line, f64, Vec<f64>)>,
}

/// Smallest, median and largest value.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) most: f64,
}

impl Report {
    /// A report without figures yet.
    pub(crate) fn new(options: &Options, machine: Machine) -> Self {
        let (rows, plots, bottlenecks) = (Vec::new(), Vec::new(), Vec::new());
        Self { runs: options.runs, servers: options.servers.clone(), machine, rows, plots, bottlenecks }
    }

    /// Adds one run's value, in the unit of its figure.
    pub(crate) fn add(&mut self, trial: &'static str, figure: &'static Figure, kind: Kind, value: f64) {
        let index = self.rows.iter().position(|row| row.trial == trial && row.figure.what == figure.what);
        let index = index.unwrap_or_else(|| {
            self.rows.push(Row { trial, figure, samples: Vec::new() });
            self.rows.len() - 1
        });
        let samples = &mut self.rows[index].samples;
        match samples.iter_mut().find(|(one, _)| *one == kind) {
            Some((_, values)) => values.push(value),
            None => samples.push((kind, vec![value])),
        }
    }

    /// Adds one run's point of a curve.
    pub(crate) fn add_point(&mut self, curve: &'static Curve, line: &'static Line, at: f64, value: f64) {
        let index = self.plots.iter().position(|plot| plot.curve.name == curve.name).unwrap_or_else(|| {
            self.plots.push(Plot { curve, samples: Vec::new() });
            self.plots.len() - 1
        });
        let samples = &mut self.plots[index].samples;
        match samples.iter_mut().find(|(one, place, _)| *one == line && place.total_cmp(&at).is_eq()) {
            Some((_, _, values)) => values.push(value),
            None => samples.push((line, at, vec![value])),
        }
    }

    /// Notes that the generator was the bottleneck.
    pub(crate) fn held_up(&mut self, trial: &'static str, kind: Kind) {
        if !self.was_held_up(trial, kind) {
            self.bottlenecks.push((trial, kind));
        }
    }

    /// Whether the generator was the bottleneck of a server's measurement.
    pub(crate) fn was_held_up(&self, trial: &str, kind: Kind) -> bool {
        self.bottlenecks.iter().any(|(one, other)| *one == trial && *other == kind)
    }

    /// Whether it was anywhere.
    pub(crate) fn has_bottlenecks(&self) -> bool {
        !self.bottlenecks.is_empty()
    }

    /// The row of this name: measurement and figure.
    pub(crate) fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name() == name)
    }

    /// Every goal of what was measured, with its row.
    pub(crate) fn goals(&self) -> impl Iterator<Item = (&Row, Goal)> {
        self.rows.iter().flat_map(|row| row.figure.goals.iter().map(move |goal| (row, *goal)))
    }

    /// The value that a goal is about; `None` where it was not measured.
    pub(crate) fn value_of(&self, row: &Row, goal: Goal) -> Option<f64> {
        match goal {
            Goal::AtMost(_) | Goal::AtLeast(_) => row.spread(Kind::Hasses).map(|spread| spread.median),
            Goal::TimesAtMost(_, kind) | Goal::TimesAtLeast(_, kind) => row.ratio(kind),
            Goal::BesideAtMost(_, other) => ratio(row.of(Kind::Hasses), self.row(other)?.of(Kind::Hasses)),
        }
    }

    /// How many goals are met, of how many.
    pub(crate) fn goals_met(&self) -> (usize, usize) {
        let met = |(row, goal): &(&Row, Goal)| self.value_of(row, *goal).is_some_and(|value| goal.holds(value));
        (self.goals().filter(met).count(), self.goals().count())
    }

    /// Whether a goal is missed; one that was not measured is not.
    pub(crate) fn goal_missed(&self) -> bool {
        self.goals().any(|(row, goal)| self.value_of(row, goal).is_some_and(|value| !goal.holds(value)))
    }

    /// The servers that the daemon is compared with.
    pub(crate) fn compared(&self) -> impl Iterator<Item = Kind> {
        let daemon = self.servers.contains(&Kind::Hasses);
        self.servers.iter().copied().filter(move |kind| daemon && *kind != Kind::Hasses)
    }

    /// Writes every figure, the values of the single runs among them.
    pub(crate) fn write_json(&self, path: &Path) -> io::Result<()> {
        let goals: Vec<Value> = self.goals().map(|(row, goal)| self.goal_json(row, goal)).collect();
        let figures: Vec<Value> = self.rows.iter().map(|row| self.row_json(row)).collect();
        let curves: Vec<Value> = self.plots.iter().map(Plot::json).collect();
        let bottlenecks: Vec<String> =
            self.bottlenecks.iter().map(|(trial, kind)| format!("{trial}: {}", kind.name())).collect();
        let report = json!({ "machine": self.machine.json(), "runs": self.runs, "figures": figures, "curves": curves,
            "goals": goals, "generator_was_the_bottleneck": bottlenecks });
        fs::write(path, format!("{report:#}\n"))
    }

    fn row_json(&self, row: &Row) -> Value {
        let servers: Map<String, Value> = self
            .servers
            .iter()
            .filter_map(|kind| Some((kind.name().to_owned(), spread_json(row.spread(*kind)?, row.of(*kind)))))
            .collect();
        let ratios: Map<String, Value> = self
            .compared()
            .filter_map(|kind| Some((format!("hasses/{}", kind.name()), json!(row.ratio(kind)?))))
            .collect();
        json!({ "figure": row.name(), "unit": row.figure.unit.axis(), "servers": servers, "ratios": ratios })
    }

    fn goal_json(&self, row: &Row, goal: Goal) -> Value {
        let value = self.value_of(row, goal);
        json!({ "figure": row.name(), "goal": goal.text(row.figure.unit), "value": value,
            "held": value.map(|value| goal.holds(value)) })
    }
}

impl Row {
    /// Measurement and figure.
    pub(crate) fn name(&self) -> String {
        format!("{}: {}", self.trial, self.figure.what)
    }

    /// The values of a server, one a measurement.
    pub(crate) fn of(&self, kind: Kind) -> &[f64] {
        self.samples.iter().find(|(one, _)| *one == kind).map_or(&[], |(_, values)| values)
    }

    /// The values of a server, in short.
    pub(crate) fn spread(&self, kind: Kind) -> Option<Spread> {
        Spread::of(self.of(kind))
    }

    /// The median of the daemon's ratios to another server within each run.
    pub(crate) fn ratio(&self, kind: Kind) -> Option<f64> {
        ratio(self.of(Kind::Hasses), self.of(kind))
    }
}

impl Plot {
    /// The places on the horizontal axis that were measured.
    pub(crate) fn places(&self) -> Vec<f64> {
        let points = self.curve.points.iter().map(|point| point.at);
        points.filter(|at| self.samples.iter().any(|(_, place, _)| place.total_cmp(at).is_eq())).collect()
    }

    /// Whether what was measured at a place stands beside the line.
    pub(crate) fn is_apart(&self, at: f64) -> bool {
        self.curve.points.iter().any(|point| point.is_apart && point.at.total_cmp(&at).is_eq())
    }

    /// The median of a line at a place.
    pub(crate) fn median(&self, line: &Line, at: f64) -> Option<f64> {
        let sample = self.samples.iter().find(|(one, place, _)| *one == line && place.total_cmp(&at).is_eq())?;
        Spread::of(&sample.2).map(|spread| spread.median)
    }

    fn json(&self) -> Value {
        let points = self.samples.iter().filter_map(|(line, at, values)| {
            let mut point = spread_json(Spread::of(values)?, values);
            point["line"] = json!(line.title);
            point["at"] = json!(at);
            Some(point)
        });
        json!({ "curve": self.curve.name, "title": self.curve.title, "points": points.collect::<Vec<_>>() })
    }
}

impl Spread {
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median =
            if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) };
        Some(Self { least, median, most })
    }
}

fn spread_json(spread: Spread, values: &[f64]) -> Value {
    json!({ "median": spread.median, "min": spread.least, "max": spread.most, "runs": values })
}

/// The median of the ratios within each run.
fn ratio(daemon: &[f64], other: &[f64]) -> Option<f64> {
    let ratios: Vec<f64> = daemon.iter().zip(other).map(|(daemon, other)| daemon / other).collect();
    Spread::of(&ratios).map(|spread| spread.median)
}
