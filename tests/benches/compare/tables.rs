//! The report as text: for the terminal, and as tables in Markdown.

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::figure::{Goal, Unit, grouped};
use crate::kind::Kind;
use crate::report::{Plot, Report, Row, Spread};

/// Width of the first column of the table, of a server's, and of a ratio's.
const NAME: usize = 52;
const CELL: usize = 38;
const RATIO: usize = 18;

/// Behind figures that say less about the server than about the generator.
const HELD_UP: &str = " †";
/// What that means.
pub(crate) const FOOTNOTE: &str = "† The load generator was the bottleneck in one measurement at least: the server could have \
    done more a second. CPU is the server's own all the same.";

/// Prints every figure, the curves and the goals.
pub(crate) fn print(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}", report.machine.line())?;
    writeln!(out, "{}; medians (smallest..largest) of up to {} runs\n", report.machine.versions(), report.runs)?;
    if !report.rows.is_empty() {
        write!(out, "{:NAME$}", "")?;
        for kind in &report.servers {
            write!(out, "{:>CELL$}", kind.title())?;
        }
        for kind in report.compared() {
            write!(out, "{:>RATIO$}", format!("hasses/{}", kind.title()))?;
        }
        writeln!(out)?;
    }
    let mut trial = "";
    for row in &report.rows {
        if row.trial != trial {
            trial = row.trial;
            writeln!(out, "{trial}")?;
        }
        write!(out, "{:NAME$}", format!("    {}", row.figure.what))?;
        for kind in &report.servers {
            write!(out, "{:>CELL$}", cell(report, row, *kind))?;
        }
        for kind in report.compared() {
            write!(out, "{:>RATIO$}", ratio(row.ratio(kind)))?;
        }
        writeln!(out)?;
    }
    for plot in &report.plots {
        writeln!(out, "\n{}, {}", plot.curve.title, Unit::Microseconds.axis())?;
        for line in table_of(plot) {
            writeln!(out, "{}", line.iter().map(|cell| format!("{cell:>22}")).collect::<String>())?;
        }
    }
    writeln!(out)?;
    for (row, goal) in report.goals() {
        let (value, verdict) = judged(report, row, goal);
        writeln!(out, "{verdict}  {}: {value}, goal {}", row.name(), goal.text(row.figure.unit))?;
    }
    if report.has_bottlenecks() {
        writeln!(out, "\n{FOOTNOTE}")?;
    }
    Ok(())
}

/// The goals with their verdicts, in Markdown.
pub(crate) fn goals(report: &Report) -> String {
    let mut text = "| figure | hasses | goal | |\n|---|---|---|---|\n".to_owned();
    for (row, goal) in report.goals() {
        let (value, verdict) = judged(report, row, goal);
        let goal = goal.text(row.figure.unit);
        let _ = writeln!(text, "| {} | {value} | {goal} | {verdict} |", row.name());
    }
    text
}

/// Every figure with its range, and how often it was measured, in Markdown.
pub(crate) fn figures(report: &Report) -> String {
    let mut head = vec![String::new(), "times".to_owned()];
    head.extend(report.servers.iter().map(|kind| kind.title().to_owned()));
    head.extend(report.compared().map(|kind| format!("hasses / {}", kind.title())));
    let rows = report.rows.iter().map(|row| {
        let times = report.servers.iter().map(|kind| row.of(*kind).len()).max().unwrap_or_default();
        let mut cells = vec![row.name(), times.to_string()];
        cells.extend(report.servers.iter().map(|kind| cell(report, row, *kind)));
        cells.extend(report.compared().map(|kind| ratio(row.ratio(kind))));
        cells
    });
    markdown(&head, rows)
}

/// The medians of the rows of these names, in Markdown.
pub(crate) fn medians(report: &Report, names: &[&str]) -> String {
    let mut head = vec![String::new()];
    head.extend(report.servers.iter().map(|kind| kind.title().to_owned()));
    let rows = names.iter().filter_map(|name| report.row(name)).map(|row| {
        let median = |kind: &Kind| {
            let shown = |spread: Spread| row.figure.unit.show(spread.median) + mark(report, row, *kind);
            row.spread(*kind).map_or_else(|| "–".to_owned(), shown)
        };
        let mut cells = vec![row.name()];
        cells.extend(report.servers.iter().map(median));
        cells
    });
    markdown(&head, rows)
}

/// The points of a curve chart, in Markdown.
pub(crate) fn points(plot: &Plot) -> String {
    let mut lines = table_of(plot).into_iter();
    let head = lines.next().unwrap_or_default();
    markdown(&head, lines)
}

fn markdown(head: &[String], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

/// A head and a line for each place.
fn table_of(plot: &Plot) -> Vec<Vec<String>> {
    let mut head = vec![plot.curve.name.to_owned()];
    head.extend(plot.curve.lines.iter().map(|line| line.title.to_owned()));
    let mut table = vec![head];
    for at in plot.places() {
        let mut cells = vec![grouped(at)];
        cells.extend(
            plot.curve.lines.iter().map(|line| {
                plot.median(line, at).map_or_else(|| "–".to_owned(), |value| Unit::Microseconds.show(value))
            }),
        );
        table.push(cells);
    }
    table
}

/// The value that a goal is about, and the verdict.
fn judged(report: &Report, row: &Row, goal: Goal) -> (String, &'static str) {
    match report.value_of(row, goal) {
        None => ("not measured".to_owned(), "----"),
        Some(value) if goal.holds(value) => (goal.show(value, row.figure.unit), "PASS"),
        Some(value) => (goal.show(value, row.figure.unit), "FAIL"),
    }
}

fn cell(report: &Report, row: &Row, kind: Kind) -> String {
    let Some(Spread { least, median, most }) = row.spread(kind) else {
        return "–".to_owned();
    };
    let (unit, mark) = (row.figure.unit, mark(report, row, kind));
    if least.total_cmp(&most).is_eq() {
        return unit.show(median) + mark;
    }
    format!("{} ({}..{}){mark}", unit.show(median), unit.bare(least, median), unit.bare(most, median))
}

fn mark(report: &Report, row: &Row, kind: Kind) -> &'static str {
    if report.was_held_up(row.trial, kind) { HELD_UP } else { "" }
}

fn ratio(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"))
}
