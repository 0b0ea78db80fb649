//! What each case cost when it was recorded, and what it may cost.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use crate::callgrind::Count;
use crate::case::Case;
use crate::origin::Origin;

/// The file that has them.
pub(crate) const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions/bounds.toml");

/// By how many percent a case may cost more or less. Small enough that a tenth is seen; two builds of the same
/// stay within two, but a change elsewhere may move what the compiler inlines.
const TOLERANCE: f64 = 8.0;
/// The same with another compiler or C library than it was recorded with: those may well change a case by a tenth.
const TOLERANCE_ABROAD: f64 = 25.0;

/// The recorded costs.
#[derive(Debug, PartialEq)]
pub(crate) struct Bounds {
    /// With what they were recorded.
    pub(crate) origin: Origin,
    /// Instructions an operation, by case.
    instructions: BTreeMap<String, f64>,
}

/// How a count stands to what was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Within the tolerance.
    Held,
    /// It costs more.
    Worse,
    /// It costs less than the tolerance; the bound is to be lowered.
    Better,
    /// Nothing is recorded.
    Unrecorded,
    /// What was recorded is of another architecture.
    Incomparable,
}

impl Bounds {
    /// Reads the file.
    pub(crate) fn read(text: &str) -> io::Result<Self> {
        let wrong = |why: &str| io::Error::other(format!("{PATH}: {why}"));
        let table: toml::Table = text.parse().map_err(|error| wrong(&format!("{error}")))?;
        let word = |name: &str| {
            let value = table.get(name).and_then(toml::Value::as_str);
            value.map(str::to_owned).ok_or_else(|| wrong(&format!("{name} is missing")))
        };
        let origin = Origin { rustc: word("rustc")?, libc: word("libc")?, architecture: word("architecture")? };
        let recorded = table.get("instructions").and_then(toml::Value::as_table);
        let recorded = recorded.ok_or_else(|| wrong("[instructions] is missing"))?;
        let instructions = recorded.iter().map(|(name, value)| {
            let value = value.as_float().or_else(|| Some(f64::from(u32::try_from(value.as_integer()?).ok()?)));
            Ok((name.clone(), value.ok_or_else(|| wrong(&format!("{name} is no number")))?))
        });
        Ok(Self { origin, instructions: instructions.collect::<io::Result<_>>()? })
    }

    /// What was recorded of a case.
    pub(crate) fn of(&self, case: &Case) -> Option<f64> {
        self.instructions.get(case.name).copied()
    }

    /// By how many percent a case may cost more for code of this origin; `None` where nothing can be said.
    pub(crate) fn tolerance(&self, origin: &Origin) -> Option<f64> {
        if self.origin == *origin {
            Some(TOLERANCE)
        } else {
            (self.origin.architecture == origin.architecture).then_some(TOLERANCE_ABROAD)
        }
    }

    /// How a count stands to it.
    pub(crate) fn verdict(&self, case: &Case, count: &Count, origin: &Origin) -> Verdict {
        match (self.of(case), self.tolerance(origin)) {
            (None, _) => Verdict::Unrecorded,
            (Some(_), None) => Verdict::Incomparable,
            (Some(recorded), Some(tolerance)) => match change(count.instructions, recorded) {
                change if change > tolerance => Verdict::Worse,
                change if change < -tolerance => Verdict::Better,
                _ => Verdict::Held,
            },
        }
    }

    /// What is to be recorded: these figures, and what is here of other cases that there are.
    ///
    /// # Errors
    /// The others were counted with another compiler or C library.
    pub(crate) fn with(&self, figures: &[(&Case, Count)], origin: &Origin) -> io::Result<Self> {
        let mut instructions = BTreeMap::new();
        for case in Case::all() {
            let counted = figures.iter().find(|(counted, _)| counted.name == case.name).map(|(_, it)| it.instructions);
            if counted.is_none() && self.of(case).is_some() && self.origin != *origin {
                let error =
                    format!("the others were recorded with {}, this is {origin}: record all cases", self.origin);
                return Err(io::Error::other(error));
            }
            if let Some(value) = counted.or_else(|| self.of(case)) {
                instructions.insert(case.name.to_owned(), value);
            }
        }
        Ok(Self { origin: origin.clone(), instructions })
    }
}

impl Verdict {
    /// A word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Worse => "worse",
            Self::Better => "better",
            Self::Unrecorded => "unrecorded",
            Self::Incomparable => "incomparable",
        }
    }
}

/// By how many percent a count is above what was recorded, to a tenth.
pub(crate) fn change(counted: f64, recorded: f64) -> f64 {
    // Adding zero makes -0 none.
    ((counted / recorded - 1.0) * 1000.0).round() / 10.0 + 0.0
}

/// As the file has it.
impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# What each case cost in instructions an operation. Written by")?;
        writeln!(f, "#     cargo bench -p hasses-tests --bench instructions -- --record")?;
        writeln!(f, "# The commit that changes a figure says why.")?;
        let Origin { rustc, libc, architecture } = &self.origin;
        writeln!(f, "rustc = \"{rustc}\"\nlibc = \"{libc}\"\narchitecture = \"{architecture}\"\n")?;
        writeln!(f, "[instructions]")?;
        for case in Case::all() {
            if let Some(value) = self.of(case) {
                writeln!(f, "\"{}\" = {value:.1}", case.name)?;
            }
        }
        Ok(())
    }
}
