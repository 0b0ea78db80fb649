//! `bench`: what was measured, and the exit code that follows from it.

use std::process::ExitCode;

use crate::arguments::Bench;
use crate::bench::{Plan, run as measure};
use crate::failure::Failure;
use crate::output::{End, Output};

/// Messages did not come as they should.
const FAULTY: u8 = 1;

/// Measures, and says what was found.
pub(crate) fn run(
    arguments: &Bench,
    control: impl FnOnce() -> Result<String, Failure>,
    out: &mut Output,
) -> Result<ExitCode, End> {
    let plan = Plan::new(arguments, control)?;
    let outcome = measure(&plan, out.is_json())?;
    let text = if out.is_json() { outcome.json() } else { outcome.text(out.colour()) };
    out.text(&text)?;
    Ok(if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(FAULTY) })
}
