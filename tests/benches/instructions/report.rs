//! The figures, beside what was recorded: as a table and as JSON.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};

use crate::bounds::{Bounds, Verdict, change};
use crate::callgrind::Count;
use crate::case::Case;
use crate::origin::Origin;

/// Width of the first column of the table, and of a figure's.
const NAME: usize = 32;
const CELL: usize = 14;

/// What was counted.
pub(crate) struct Report<'a> {
    rows: Vec<(&'a Case, Count, Verdict)>,
    recorded: &'a Bounds,
    origin: &'a Origin,
}

impl<'a> Report<'a> {
    /// Counts beside what was recorded, in the order of the cases.
    pub(crate) fn new(cases: &[&'a Case], counts: &[Count], recorded: &'a Bounds, origin: &'a Origin) -> Self {
        let row = |(&case, &count): (&&'a Case, &Count)| (case, count, recorded.verdict(case, &count, origin));
        Self { rows: cases.iter().zip(counts).map(row).collect(), recorded, origin }
    }

    /// The counts.
    pub(crate) fn figures(&self) -> Vec<(&'a Case, Count)> {
        self.rows.iter().map(|(case, count, _)| (*case, *count)).collect()
    }

    /// Whether a case costs more than it may, or nobody said what it may cost.
    pub(crate) fn has_failed(&self) -> bool {
        self.rows.iter().any(|(_, _, verdict)| matches!(verdict, Verdict::Worse | Verdict::Unrecorded))
    }

    /// Prints the table.
    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{}\n", self.origin)?;
        write!(out, "{:NAME$}{:>CELL$}{:>CELL$}", "", "instructions", "allocations")?;
        writeln!(out, "{:>CELL$}{:>CELL$}", "recorded", "change")?;
        for (case, count, _) in &self.rows {
            let (recorded, change) = match self.recorded.of(case) {
                Some(recorded) => (format!("{recorded:.1}"), format!("{:+.1} %", change(count.instructions, recorded))),
                None => ("-".to_owned(), "-".to_owned()),
            };
            write!(out, "{:NAME$}{:>CELL$.1}{:>CELL$.2}", case.name, count.instructions, count.allocations)?;
            writeln!(out, "{recorded:>CELL$}{change:>CELL$}  {}", case.per)?;
        }
        writeln!(out)
    }

    /// Says how the counts stand to what was recorded, and what is to be done.
    pub(crate) fn print_verdicts(&self, out: &mut impl Write) -> io::Result<()> {
        let (recorded, origin) = (&self.recorded.origin, self.origin);
        match self.recorded.tolerance(origin) {
            None => {
                return writeln!(out, "nothing is checked: recorded with {recorded}, counted with {origin}");
            }
            Some(tolerance) if recorded != origin => writeln!(
                out,
                "a coarse check, of more than {tolerance} %: recorded with {recorded}, counted with {origin}"
            )?,
            Some(_) => {}
        }
        self.rows.iter().filter_map(|row| self.said_of(row)).try_for_each(|line| writeln!(out, "{line}"))?;
        let held = self.rows.iter().filter(|(_, _, verdict)| *verdict == Verdict::Held).count();
        writeln!(out, "{held} of {} cases are as recorded", self.rows.len())?;
        if held < self.rows.len() {
            writeln!(out, "to record anew: cargo bench -p hasses-tests --bench instructions -- --record")?;
        }
        Ok(())
    }

    fn said_of(&self, (case, count, verdict): &(&Case, Count, Verdict)) -> Option<String> {
        let counted = count.instructions;
        let cost = format!("{}: {counted:.1} instructions {}", case.name, case.per);
        let Some(recorded) = self.recorded.of(case) else {
            return Some(format!("FAIL    {cost}, and nothing is recorded"));
        };
        let change = change(counted, recorded);
        match verdict {
            Verdict::Worse => {
                let tolerance = self.recorded.tolerance(self.origin)?;
                let bound = recorded * (1.0 + tolerance / 100.0);
                Some(format!("FAIL    {cost}, {change:+.1} %; at most {bound:.1} ({recorded:.1} and {tolerance} %)"))
            }
            Verdict::Better => {
                Some(format!("better  {cost}, {change:+.1} %; recorded are {recorded:.1}: lower the bound"))
            }
            Verdict::Held | Verdict::Unrecorded | Verdict::Incomparable => None,
        }
    }

    /// Writes every figure.
    pub(crate) fn write_json(&self, path: &Path) -> io::Result<()> {
        let figure = |(case, count, verdict): &(&Case, Count, Verdict)| {
            json!({
                "case": case.name,
                "per": case.per,
                "instructions": count.instructions,
                "allocations": count.allocations,
                "recorded": self.recorded.of(case),
                "verdict": verdict.name(),
            })
        };
        let figures: Vec<Value> = self.rows.iter().map(figure).collect();
        let Origin { rustc, libc, architecture } = self.origin;
        let report = json!({ "rustc": rustc, "libc": libc, "architecture": architecture, "figures": figures });
        fs::write(path, format!("{report:#}\n"))
    }
}
